package standalone

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"imago/pkg/provider/okta/oktasimtest"
)

// connection is what the REST API says of one.
type connection struct {
	ID          string
	State       string
	Problem     struct{ What, Hint string }
	Credentials []struct {
		Purpose   string
		PublicJWK string `json:"public_jwk"`
		Scopes    []string
	}
}

// checked waits until a connection is no longer being checked.
func (i *imagod) checked(token, id string) (c connection) {
	i.t.Helper()
	i.until("the connection is checked", func() bool {
		var got struct{ Connection connection }
		i.call(http.MethodGet, "/v1/connections/"+id, token, nil, http.StatusOK, &got)
		c = got.Connection
		return c.State == "ready" || c.State == "failed"
	})
	return c
}

// serviceApp is the body of a service app with one key.
func serviceApp(jwk string) map[string]any {
	return map[string]any{
		"name": "oidc_client", "label": "Imago (reads)", "signOnMode": "OPENID_CONNECT",
		"credentials": map[string]any{"oauthClient": map[string]any{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": map[string]any{"oauthClient": map[string]any{
			"application_type": "service", "grant_types": []string{"client_credentials"}, "response_types": []string{"token"},
			"jwks": map[string]any{"keys": []json.RawMessage{json.RawMessage(jwk)}},
		}},
	}
}

// TestALostCredentialsKey goes the way out: the files are gone for good, imagod makes new
// ones, the connection gets a new key, and the app in the org that new key.
func TestALostCredentialsKey(t *testing.T) {
	t.Parallel()
	dir, org := folderFor(t), oktasimtest.Start(t, oktasimtest.Options{})
	first := start(t, dir, "--allow-loopback-orgs")
	token := first.signIn("ada@example.com")
	var made struct{ Connection connection }
	first.call(http.MethodPost, "/v1/connections", token, map[string]string{"org_url": org.URL}, http.StatusOK, &made)
	read := made.Connection.Credentials[0]
	var app struct{ ID string }
	org.Call(http.MethodPost, "/api/v1/apps", serviceApp(read.PublicJWK), &app)
	for _, scope := range read.Scopes {
		org.Call(http.MethodPost, "/api/v1/apps/"+app.ID+"/grants", map[string]string{"scopeId": scope, "issuer": org.URL}, nil)
	}
	org.Call(http.MethodPost, "/oauth2/v1/clients/"+app.ID+"/roles", map[string]string{"type": "READ_ONLY_ADMIN"}, nil)
	path := "/v1/connections/" + made.Connection.ID
	first.call(http.MethodPut, path+"/credentials/read", token, map[string]string{"client_id": app.ID}, http.StatusOK, nil)
	if c := first.checked(token, made.Connection.ID); c.State != "ready" {
		t.Fatalf("at first: %+v", c)
	}
	if err := first.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "credentials.key")), os.Remove(filepath.Join(dir, "credentials.pub"))); err != nil {
		t.Fatal(err)
	}

	second := start(t, dir, "--allow-loopback-orgs", "--new-credentials-key")
	var renewed struct{ Connection connection }
	second.call(http.MethodPost, path+"/credentials/read:replaceKey", token, map[string]string{}, http.StatusOK, &renewed)
	if c := renewed.Connection; c.State != "failed" || c.Problem.Hint == "" || c.Credentials[0].PublicJWK == read.PublicJWK {
		t.Fatalf("the new key: %+v", c)
	}
	org.Call(http.MethodPut, "/api/v1/apps/"+app.ID, serviceApp(renewed.Connection.Credentials[0].PublicJWK), nil)
	second.call(http.MethodPost, path+":check", token, map[string]string{}, http.StatusOK, nil)
	if c := second.checked(token, made.Connection.ID); c.State != "ready" {
		t.Errorf("with the new key: %+v\n%s", c, second.out)
	}
}
