package api_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/replay"
)

// TestShapesAgainstRecordings compares the fields of our bodies with those of real
// answers of Okta, kind by kind: a field that Okta always sends must be there, and none
// may be there that Okta never sends. OKTA_RECORDINGS names the file (JSON lines,
// plain or .zst); it is not part of this project.
func TestShapesAgainstRecordings(t *testing.T) {
	t.Parallel()
	file := os.Getenv("OKTA_RECORDINGS")
	if file == "" {
		t.Skip("OKTA_RECORDINGS does not name a file of recorded interactions")
	}
	real := shapes{}
	readRecordings(t, file, func(r recorded) {
		if r.Method == "GET" && r.Status == 200 {
			real.add(r.Template, r.Response, r.recent())
		}
	})
	ours := shapes{}
	s := start(t)
	s.visit(func(template string, body any) { ours.add(template, body, true) })
	compared := 0
	for kind, mine := range ours {
		theirs := real[kind]
		if theirs == nil {
			t.Logf("no recording of %s", kind)
			continue
		}
		compared++
		for p := range mine.ever {
			if !theirs.ever[p] && !explained(kind, p) {
				t.Errorf("%s: Okta never sends %s", kind, p)
			}
		}
		for p := range theirs.always {
			if !mine.always[p] && !explained(kind, p) {
				t.Errorf("%s: Okta always sends %s", kind, p)
			}
		}
	}
	if compared < 25 {
		t.Errorf("only %d kinds of object were compared", compared)
	}
	t.Logf("%d kinds compared", compared)
}

// differences are known and wanted.
var differences = []struct{ kind, path, why string }{
	{"user", "realmId", "only orgs with the realms feature have it"},
	{"user", "_links.resetFactors", "only orgs with factors have it"},
	{"user STAGED", "transitioningToStatus", "recorded in the middle of an activation"},
	{"member", "credentials.password", "no recorded group has a member with a password"},
	{"app", "universalLogout", "an object or null, by the org's features"},
	{"app SAML_2_0", "settings.signOn.spCertificate", "only where one was uploaded"},
	{"app OPENID_CONNECT browser", "settings.oauthClient.post_logout_redirect_uris", "only where one was given"},
	{"app OPENID_CONNECT service", "credentials.oauthClient.client_secret", "recorded service apps have keys"},
	{"/.well-known", "settings.op4wEnabled", "by the org's features"},
	{"policy", "description", "only where one was given"},
	{"policy PASSWORD", "settings.password.breachedProtection", "by the org's features"},
	{"policy OKTA_SIGN_ON system=false INACTIVE", "_links.mappings", "recorded before the link existed; active policies have it"},
	{"policy MFA_ENROLL system=true", "settings", "authenticators or factors, by the org's engine"},
	{"rule ACCESS_POLICY", "conditions.riskScore", "by the org's features"},
	{"rule ACCESS_POLICY", "conditions.people.groups", "documented; no recorded rule has groups"},
	{"rule SIGN_ON", "actions.signon.factorPromptMode", "sent where a factor is required"},
	{"group", "_links.owners", "by the org's features"},
}

func explained(kind, path string) bool {
	return slices.ContainsFunc(differences, func(d struct{ kind, path, why string }) bool {
		return strings.HasPrefix(kind, d.kind) && (d.path == path || strings.HasPrefix(path, d.path+"."))
	})
}

type recorded struct {
	Method, Template, Date string
	Status                 int
	Response               any
}

// recent recordings decide what Okta always sends; older ones only what it ever sent.
func (r recorded) recent() bool {
	d, err := time.Parse(time.RFC1123, r.Date)
	return err == nil && d.Year() >= 2025
}

func readRecordings(t *testing.T, file string, visit func(recorded)) {
	t.Helper()
	err := replay.ReadFile(file, func(s *replay.Step) {
		if len(s.Response) == 0 {
			return
		}
		body, err := doc.Parse(s.Response)
		if err != nil {
			t.Fatal(err)
		}
		visit(recorded{s.Method, s.Template, s.Date, s.Status, body})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shape is which fields objects of a kind have.
type shape struct {
	n      int
	ever   map[string]bool
	always map[string]bool
}

type shapes map[string]*shape

func (s shapes) add(template string, body any, recent bool) {
	items, isList := body.([]any)
	if !isList {
		items = []any{body}
	}
	for _, item := range items {
		d, ok := item.(doc.Doc)
		if !ok {
			continue
		}
		kind := kindOf(template, d, isList)
		if kind == "" {
			continue
		}
		paths := map[string]bool{}
		flatten(paths, "", d, 0)
		x := s[kind]
		if x == nil {
			x = &shape{ever: map[string]bool{}}
			s[kind] = x
		}
		for p := range paths {
			x.ever[p] = true
		}
		if recent {
			x.meet(paths)
		}
	}
}

// meet keeps the fields that every recent object had.
func (x *shape) meet(paths map[string]bool) {
	if x.n++; x.n == 1 {
		x.always = paths
		return
	}
	for p := range x.always {
		if !paths[p] {
			delete(x.always, p)
		}
	}
}

// free are objects whose fields are the customer's own.
var free = regexp.MustCompile(`^(profile|visibility\.appLinks|_links\.[^.]+|definitions\.(base|custom)\.properties|settings\.app|settings\.signOn\.(slo|spCertificate)|_embedded|settings\.oauthClient\.jwks|settings\.notifications|actions\.selfService.*|actions\.appSignOn\.verificationMethod|settings\.recovery.*|actions\.profileEnrollment.*)$`)

func flatten(into map[string]bool, prefix string, v any, depth int) {
	d, ok := v.(doc.Doc)
	if !ok || depth > 3 || free.MatchString(prefix) {
		return
	}
	for k, e := range d {
		p := k
		if prefix != "" {
			p = prefix + "." + k
		}
		into[p] = true
		flatten(into, p, e, depth+1)
	}
}

// kindOf names what kind of object a body is; "" for those out of scope.
func kindOf(template string, d doc.Doc, isList bool) string {
	str := func(path ...string) string { return doc.String(d, path...) }
	switch template {
	case "/api/v1/users/{id}", "/api/v1/users":
		_, password := doc.Get(d, "credentials", "password").(doc.Doc)
		_, question := doc.Get(d, "credentials", "recovery_question").(doc.Doc)
		return fmt.Sprintf("user %s list=%v password=%v question=%v", str("status"), isList, password, question)
	case "/api/v1/groups/{groupId}/users":
		return "member"
	case "/api/v1/groups", "/api/v1/groups/{groupId}", "/api/v1/users/{id}/groups":
		return "group " + str("type")
	case "/api/v1/groups/rules", "/api/v1/groups/rules/{groupRuleId}":
		if d["_embedded"] != nil {
			return ""
		}
		return "group rule"
	case "/api/v1/apps", "/api/v1/apps/{appId}":
		mode := str("signOnMode")
		if mode == "SAML_2_0" && !strings.Contains(str("name"), "_") {
			return ""
		}
		return fmt.Sprintf("app %s %s %s", mode, str("settings", "oauthClient", "application_type"), str("status"))
	case "/api/v1/apps/{appId}/users", "/api/v1/apps/{appId}/users/{userId}":
		return "app user " + str("scope")
	case "/api/v1/apps/{appId}/groups", "/api/v1/apps/{appId}/groups/{groupId}":
		return "app group"
	case "/api/v1/apps/{appId}/credentials/secrets":
		return "app secret"
	case "/api/v1/apps/{appId}/grants":
		return "app grant"
	case "/api/v1/policies", "/api/v1/policies/{policyId}":
		return fmt.Sprintf("policy %s system=%v %s", str("type"), d["system"], str("status"))
	case "/api/v1/policies/{policyId}/rules", "/api/v1/policies/{policyId}/rules/{ruleId}":
		return fmt.Sprintf("rule %s system=%v %s", str("type"), d["system"], str("status"))
	case "/api/v1/zones", "/api/v1/zones/{zoneId}":
		return fmt.Sprintf("zone %s system=%v %s", str("type"), d["system"], str("status"))
	case "/api/v1/users/{userId}/roles":
		if str("type") == "CUSTOM" {
			return ""
		}
		return "role"
	case "/api/v1/iam/assignees/users", "/.well-known/okta-organization", "/api/v1/org", "/api/v1/meta/types/user",
		"/api/v1/meta/schemas/user/{schemaId}", "/api/v1/meta/schemas/group/default":
		return template
	}
	return ""
}

// visit reads every object of the simulated org that a recording may show.
func (s *sim) visit(see func(template string, body any)) {
	read := func(template, path string) []doc.Doc {
		v, err := doc.Parse(s.want(200, "GET", path, nil).body)
		if err != nil {
			s.Fatal(err)
		}
		see(template, v)
		items, ok := v.([]any)
		if !ok {
			return nil
		}
		out := make([]doc.Doc, len(items))
		for i, x := range items {
			out[i] = x.(doc.Doc)
		}
		return out
	}
	s.demoExtras()
	for _, p := range []string{"/.well-known/okta-organization", "/api/v1/org", "/api/v1/iam/assignees/users", "/api/v1/meta/types/user", "/api/v1/meta/schemas/group/default"} {
		read(p, p)
	}
	read("/api/v1/meta/schemas/user/{schemaId}", "/api/v1/meta/schemas/user/default")
	for _, u := range read("/api/v1/users", "/api/v1/users?search=status+pr") {
		read("/api/v1/users/{id}", "/api/v1/users/"+doc.String(u, "id"))
	}
	read("/api/v1/users/{userId}/roles", "/api/v1/users/"+s.made.Users[s.made.Admins["other"]]+"/roles")
	for _, g := range read("/api/v1/groups", "/api/v1/groups") {
		read("/api/v1/groups/{groupId}/users", "/api/v1/groups/"+doc.String(g, "id")+"/users")
	}
	read("/api/v1/groups/rules", "/api/v1/groups/rules")
	for _, a := range read("/api/v1/apps", "/api/v1/apps?limit=200") {
		app := "/api/v1/apps/" + doc.String(a, "id")
		read("/api/v1/apps/{appId}/users", app+"/users")
		read("/api/v1/apps/{appId}/groups", app+"/groups")
		read("/api/v1/apps/{appId}/credentials/secrets", app+"/credentials/secrets")
		read("/api/v1/apps/{appId}/grants", app+"/grants")
	}
	for _, kind := range []string{"OKTA_SIGN_ON", "ACCESS_POLICY", "PASSWORD", "MFA_ENROLL", "PROFILE_ENROLLMENT", "IDP_DISCOVERY"} {
		for _, p := range read("/api/v1/policies", "/api/v1/policies?type="+kind) {
			read("/api/v1/policies/{policyId}/rules", "/api/v1/policies/"+doc.String(p, "id")+"/rules")
		}
	}
	read("/api/v1/zones", "/api/v1/zones")
}

// demoExtras adds kinds that the demonstration company lacks.
func (s *sim) demoExtras() {
	s.service([]any{rsaJWK(testKey(s.T), "one")}, "READ_ONLY_ADMIN", "okta.groups.read")
	s.want(200, "POST", "/api/v1/apps/"+s.made.Apps["Build Farm"]+"/lifecycle/deactivate", nil)
	s.want(204, "POST", "/api/v1/policies/"+s.made.Policies["Contractor sessions"]+"/lifecycle/deactivate", nil)
	rules := "/api/v1/policies/" + s.made.Policies["Engineering apps"] + "/rules"
	for _, r := range s.list(rules) {
		if r["system"] == false {
			s.want(204, "POST", rules+"/"+doc.String(r, "id")+"/lifecycle/deactivate", nil)
		}
	}
	s.want(200, "POST", "/api/v1/zones/"+s.made.Zones["Where we do no business"]+"/lifecycle/deactivate", nil)
}
