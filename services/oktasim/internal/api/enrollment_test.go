package api_test

import (
	"slices"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// An enrollment policy of an older org tells of the factors that are switched on, and the
// authenticators switch theirs (recorded).
func TestPoliciesTellOfFactorsThatAreOn(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := ""
	for _, a := range s.list("/api/v1/authenticators") {
		if a["key"] == "security_question" {
			key = "/api/v1/authenticators/" + doc.String(a, "id")
		}
	}
	settings := doc.Doc{"type": "FACTORS", "factors": doc.Doc{"okta_question": doc.Doc{"enroll": doc.Doc{"self": "OPTIONAL"}}}}
	s.want(200, "POST", "/api/v1/org/factors/okta_question/lifecycle/activate", nil)
	p := s.create("/api/v1/policies", doc.Doc{"type": "MFA_ENROLL", "name": "Older", "settings": settings})
	path := "/api/v1/policies/" + doc.String(p, "id")
	if got := doc.String(p, "settings", "factors", "okta_question", "enroll", "self"); got != "OPTIONAL" {
		t.Errorf("the question is %q in %v", got, p)
	}
	if got := doc.String(p, "settings", "factors", "okta_password", "enroll", "self"); got != "NOT_ALLOWED" {
		t.Errorf("the password, which the request does not name, is %q", got)
	}
	s.want(200, "POST", key+"/lifecycle/deactivate", nil)
	if factors := doc.Object(s.get(path), "settings", "factors"); factors["okta_question"] != nil || factors["okta_password"] == nil {
		t.Errorf("after the question was switched off: %v", factors)
	}
}

func TestPoliciesListActiveAuthenticators(t *testing.T) {
	t.Parallel()
	s := start(t)
	settings := doc.Doc{"type": "AUTHENTICATORS", "authenticators": []any{doc.Doc{"key": "okta_password", "enroll": doc.Doc{"self": "REQUIRED"}}}}
	p := s.create("/api/v1/policies", doc.Doc{"type": "MFA_ENROLL", "name": "Newer", "settings": settings})
	list, _ := doc.Object(p, "settings")["authenticators"].([]any)
	var keys []string
	for _, e := range list {
		keys = append(keys, doc.String(e.(doc.Doc), "key"))
	}
	slices.Sort(keys)
	if want := []string{"okta_email", "okta_password", "okta_verify", "phone_number", "security_question"}; !slices.Equal(keys, want) {
		t.Errorf("the policy lists %v, want %v", keys, want)
	}
}
