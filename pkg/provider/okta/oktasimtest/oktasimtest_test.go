package oktasimtest_test

import (
	"net/http"
	"testing"

	"imago/pkg/provider/okta/oktasimtest"
)

// TestStart reaches the org through both ports.
func TestStart(t *testing.T) {
	t.Parallel()
	org := oktasimtest.Start(t, oktasimtest.Options{Seed: `{"seed":1,"users":7,"groups":3}`})
	var users []struct{ ID string }
	org.Call(http.MethodGet, "/api/v1/users?limit=200", nil, &users)
	if len(users) < 7 {
		t.Errorf("%d users, want 7 and the admin", len(users))
	}
	if app := org.ReadApp(); app.ID == "" || app.Credential.PrivateKey == "" {
		t.Error("a service app without an id or a key")
	}
}
