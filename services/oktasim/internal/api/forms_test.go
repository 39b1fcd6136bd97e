package api_test

import (
	"strings"
	"testing"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/form"
)

// TestBodiesOfAnotherForm sends values of other JSON types than Okta reads.
func TestBodiesOfAnotherForm(t *testing.T) {
	t.Parallel()
	s := start(t)
	policy := "/api/v1/policies/" + s.made.Policies["Contractor sessions"]
	for _, c := range [][2]string{
		{"/api/v1/users", `{"profile":{"login":"new@x.example","email":"new@x.example","firstName":"A","lastName":"B"},"groupIds":"none"}`},
		{"/api/v1/users", `{"profile":{"login":"new@x.example","email":"new@x.example","firstName":"A","lastName":"B"},"credentials":{"password":"x"}}`},
		{"/api/v1/users/" + ids(s.list("/api/v1/users?limit=1"))[0], `{"credentials":5}`},
		{"/api/v1/apps", `{"name":"bookmark","label":"B","signOnMode":"BOOKMARK","settings":{"app":{"url":"https://x.example"}},"visibility":{"hide":true}}`},
		{"/oauth2/v1/clients", `{"client_name":"C","application_type":"service","grant_types":["client_credentials"],"client_id":{"id":"x"}}`},
		{"/api/v1/policies", `{"type":"OKTA_SIGN_ON","name":"P","priority":"first"}`},
		{policy, `{"type":"OKTA_SIGN_ON","name":"P","conditions":[]}`},
		{policy + "/rules", `{"type":"SIGN_ON","name":"R","actions":{"signon":{"access":true}}}`},
		{"/api/v1/groups/rules", `{"type":"group_rule","name":"R","conditions":{"expression":{"value":"true"},"people":[]},"actions":{"assignUserToGroups":{"groupIds":["x"]}}}`},
		{policy, `{"type":"OKTA_SIGN_ON","name":"P","status":"MOON"}`},
		{policy + "/rules", `{"type":"SIGN_ON","name":"R","status":"MOON","actions":{"signon":{"access":"ALLOW"}}}`},
		{"/api/v1/groups/rules", `{"type":"moon_rule","name":"R"}`},
		{"/api/v1/groups/rules", `{"type":"group_rule","name":"R","status":"MOON"}`},
		{"/api/v1/idps", `{"type":"GOOGLE","name":"G","protocol":{"type":"OIDC","scopes":"email"}}`},
	} {
		method := "POST"
		if c[0] == policy {
			method = "PUT"
		}
		s.refused(400, "E0000003", "well-formed", method, c[0], c[1])
	}
}

// TestEveryFormHasAnOperation finds forms that nobody reads.
func TestEveryFormHasAnOperation(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	for _, op := range api.Operations() {
		if f := form.For(op[1]); f != nil && op[0] != "GET" && op[0] != "DELETE" {
			found[strings.TrimSuffix(op[1], "}")]++
		}
	}
	if len(found) != 12 {
		t.Errorf("got %d templates: %v", len(found), found)
	}
}
