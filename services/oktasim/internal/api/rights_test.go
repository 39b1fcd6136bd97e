package api_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/doc"
)

// place is a small org with two of everything that roles can be limited to, one in the
// resource sets of the tests and one outside, and who may do what there.
type place struct {
	*sim
	seen map[string]string
}

// add gives the object of an id, or of a path, a name.
func (p *place) add(name, id string) { p.seen[name] = id[strings.LastIndex(id, "/")+1:] }

// named puts ids for names in braces.
func (p *place) named(text string) string {
	for name, id := range p.seen {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return text
}

func startPlace(t *testing.T) *place {
	t.Helper()
	s := startSmall(t, "oie")
	p := &place{sim: s, seen: map[string]string{}}
	for _, side := range []string{"in", "out"} {
		p.add("user-"+side, s.person(side+"@x.example"))
		p.add("group-"+side, s.crew(side))
		s.want(204, "PUT", "/api/v1/groups/"+p.seen["group-"+side]+"/users/"+p.seen["user-"+side], nil)
		p.add("app-"+side, doc.String(s.create("/api/v1/apps", bookmark(side)), "id"))
		p.add("server-"+side, doc.String(s.want(201, "POST", "/api/v1/authorizationServers", doc.Doc{"name": side, "audiences": doc.Array("api://x")}).object(t), "id"))
		p.add("policy-"+side, doc.String(s.create("/api/v1/policies", doc.Doc{"type": "OKTA_SIGN_ON", "name": side, "description": "d"}), "id"))
		p.add("realm-"+side, doc.String(s.create("/api/v1/realms", doc.Doc{"profile": doc.Doc{"name": side}}), "id"))
	}
	p.add("everyone", doc.String(s.list("/api/v1/groups?q=Everyone")[0], "id"))
	return p
}

func bookmark(label string) doc.Doc {
	return doc.Doc{"name": "bookmark", "label": label, "signOnMode": "BOOKMARK", "settings": doc.Doc{"app": doc.Doc{"url": "https://x.example/"}}}
}

// holder makes a person and their API token.
func (p *place) holder(login string) (user, token string) {
	p.Helper()
	user = p.person(login)
	return user, "SSWS " + p.tokenOf(login)
}

// bound makes a person who has permissions for resources.
func (p *place) bound(name, permissions, resources string) (token string) {
	p.Helper()
	user, token := p.holder(strings.ReplaceAll(strings.ReplaceAll(name, "'", ""), " ", "-") + "@admin.example")
	var urls []string
	for _, r := range strings.Fields(p.named(resources)) {
		if !strings.HasPrefix(r, "orn:") {
			r = p.url + "/api/v1/" + r
		}
		urls = append(urls, r)
	}
	p.want(200, "POST", "/api/v1/iam/roles", doc.Doc{"label": name, "description": "d", "permissions": doc.Array(strings.Fields(permissions)...)})
	set := p.create("/api/v1/iam/resource-sets", doc.Doc{"label": name, "description": "d", "resources": doc.Array(urls...)})
	p.create("/api/v1/iam/resource-sets/"+doc.String(set, "id")+"/bindings", doc.Doc{"role": name, "members": doc.Array(p.url + user)})
	return token
}

// body is a valid body for a request of the tables.
func (p *place) body(method, path string, n int) any {
	switch {
	case method == "GET" || method == "DELETE":
		return nil
	case path == "users":
		return newUser(fmt.Sprintf("made%d@x.example", n))
	case path == "users:in":
		u := newUser(fmt.Sprintf("made%d@x.example", n))
		u["groupIds"] = doc.Array(p.seen["group-in"])
		return u
	case path == "groups":
		return newGroup(fmt.Sprintf("made %d", n))
	case strings.HasPrefix(path, "users/") && strings.Count(path, "/") == 1:
		return doc.Doc{"profile": doc.Doc{"nickName": "Nick"}}
	case strings.HasPrefix(path, "groups/") && strings.Count(path, "/") == 1:
		return newGroup(fmt.Sprintf("renamed %d", n))
	case strings.HasSuffix(path, "/scopes"):
		return doc.Doc{"name": fmt.Sprintf("scope%d", n)}
	}
	return doc.Doc{}
}

// check sends requests that are written "METHOD path status", the status of lists being
// what they show: =name,name.
func (p *place) check(who, token, requests string) {
	p.Helper()
	for n, line := range strings.Split(strings.TrimSpace(requests), "\n") {
		f := strings.Fields(line)
		method, path, want := f[0], f[1], f[2]
		body := p.body(method, path, n+100*len(who))
		path = "/api/v1/" + p.named(strings.TrimSuffix(path, ":in"))
		a := p.do(method, path, body, "Authorization", token)
		got := strconv.Itoa(a.status)
		if shown, isList := strings.CutPrefix(want, "="); isList && a.status == 200 {
			want, got = shown, strings.Join(p.known(ids(a.list(p.T))), ",")
		}
		if got != want {
			p.Errorf("%s: %s: got %s, want %s: %.200s", who, line, got, want, a.body)
		}
		if a.status == 403 && a.object(p.T)["errorCode"] != "E0000006" {
			p.Errorf("%s: %s: refused by %s", who, line, a.body)
		}
	}
}

// known are the names of those of the ids that have one.
func (p *place) known(list []string) []string {
	var out []string
	for name, id := range p.seen {
		if slices.Contains(list, id) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// TestCustomRolesHoldForTheirSets is the table of permissions, resource sets and operations.
func TestCustomRolesHoldForTheirSets(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	for name, c := range map[string]struct{ permissions, resources, requests string }{
		"reads a group's people": {"okta.users.read", "groups/{group-in}/users", `
			GET users/{user-in} 200
			GET users/in@x.example 200
			GET users/{user-out} 403
			GET users/00unobody 404
			GET users =user-in
			GET users?q=New =user-in
			GET users?search=profile.lastName+eq+"Person" =user-in
			GET users/{user-in}/factors 200
			GET users/{user-out}/factors 403
			POST users/{user-in} 403
			GET groups 403
			GET groups/{group-in} 403
			GET apps 403`},
		"reads all people": {"okta.users.read", "users", `
			GET users/{user-out} 200
			GET users =user-in,user-out
			POST users 403`},
		"permission for nothing in the set": {"okta.users.read okta.apps.manage", "groups/{group-in}", `
			GET users 403
			GET apps 403
			GET users/{user-in} 403`},
		"edits a group's people": {"okta.users.userprofile.manage", "groups/{group-in}/users", `
			POST users/{user-in} 200
			POST users/{user-out} 403
			GET users/{user-in} 200
			POST users/{user-in}/lifecycle/suspend 403
			DELETE users/{user-in} 403
			POST users 403`},
		"suspends": {"okta.users.lifecycle.suspend", "users", `
			POST users/{user-out}/lifecycle/suspend 200
			POST users/{user-out}/lifecycle/unsuspend 403
			POST users/{user-out}/lifecycle/deactivate 403`},
		"all of a lifecycle": {"okta.users.lifecycle.manage", "groups/{group-in}/users", `
			POST users/{user-in}/lifecycle/suspend 200
			POST users/{user-in}/lifecycle/unsuspend 200
			DELETE users/{user-in}/sessions 204
			POST users/{user-out}/lifecycle/suspend 403
			POST users/{user-in}/lifecycle/expire_password 403
			POST users/{user-in} 403`},
		"resets passwords": {"okta.users.credentials.resetPassword", "groups/{group-in}/users", `
			POST users/{user-in}/lifecycle/reset_factors 403
			POST users/{user-in}/lifecycle/expire_password 403
			POST users/{user-out}/lifecycle/reset_password 403`},
		"creates in a group": {"okta.users.create okta.groups.members.manage", "groups/{group-in}", `
			POST users 403
			POST users:in 200
			POST groups 403`},
		"creates anywhere": {"okta.users.create", "users", `
			POST users 200
			POST users:in 403`},
		"manages a group": {"okta.groups.manage", "groups/{group-in}", `
			GET groups =group-in
			GET groups?q=in =group-in
			GET groups/{group-in}/users =user-in
			GET groups/{group-out}/users 403
			GET groups/{group-out} 403
			GET groups/00gnone 404
			PUT groups/{group-out} 403
			DELETE groups/{group-out} 403
			POST groups 403
			PUT groups/{group-in}/users/{user-out} 403`},
		"creates groups": {"okta.groups.create", "groups", `
			POST groups 200
			GET groups =everyone,group-in,group-out
			PUT groups/{group-in} 403`},
		"members of a group": {"okta.groups.members.manage okta.users.groupMembership.manage", "groups/{group-in} users", `
			PUT groups/{group-in}/users/{user-out} 204
			DELETE groups/{group-in}/users/{user-out} 204
			PUT groups/{group-out}/users/{user-in} 403
			PUT groups/{group-in} 403`},
		"members without the people": {"okta.groups.members.manage okta.users.groupMembership.manage", "groups/{group-in} groups/{group-in}/users", `
			PUT groups/{group-in}/users/{user-out} 403
			PUT groups/{group-in}/users/{user-in} 204`},
		"an app": {"okta.apps.manage", "apps/{app-in}", `
			GET apps =app-in
			GET apps/{app-in} 200
			GET apps/{app-out} 403
			GET apps/0oanone 404
			POST apps/{app-out}/lifecycle/deactivate 403
			POST apps/{app-in}/lifecycle/deactivate 200
			POST apps/{app-in}/lifecycle/activate 200
			GET apps/{app-out}/users 403
			GET apps/{app-in}/users 200
			PUT apps/{app-in}/groups/{group-in} 403
			GET apps/{app-in}/grants 403
			GET meta/schemas/apps/{app-in}/default 200
			GET meta/schemas/apps/{app-out}/default 403
			GET meta/schemas/user/default 200`},
		"apps of a type": {"okta.apps.read", `apps?filter=name+eq+%22bookmark%22`, `
			GET apps/{app-in} 200
			GET apps/{app-out} 200
			GET apps/{app-in}/groups 200
			POST apps/{app-in}/lifecycle/deactivate 403`},
		"apps of another type": {"okta.apps.read", `orn:okta:idp:x:apps:salesforce`, `
			GET apps =
			GET apps/{app-in} 403`},
		"assigns an app to a group": {"okta.apps.assignment.manage okta.groups.appAssignment.manage", "apps/{app-in} groups/{group-in}", `
			PUT apps/{app-in}/groups/{group-in} 200
			PUT apps/{app-in}/groups/{group-out} 403
			PUT apps/{app-out}/groups/{group-in} 403
			DELETE apps/{app-in}/groups/{group-in} 204
			POST apps/{app-in}/users/{user-in} 403
			POST apps/{app-in}/lifecycle/deactivate 403`},
		"an authorization server": {"okta.authzServers.manage", "authorizationServers/{server-in}", `
			GET authorizationServers =server-in
			GET authorizationServers/{server-in} 200
			GET authorizationServers/{server-out} 403
			GET authorizationServers/default 403
			GET authorizationServers/ausnone 404
			POST authorizationServers/{server-in}/scopes 201
			POST authorizationServers/{server-out}/scopes 403
			GET policies?type=OKTA_SIGN_ON 403`},
		"a policy": {"okta.policies.manage", "policies/{policy-in}", `
			GET policies?type=OKTA_SIGN_ON =policy-in
			GET policies/{policy-out} 403
			GET policies/{policy-in}/rules 200
			POST policies/{policy-in}/lifecycle/deactivate 204
			POST policies/{policy-out}/lifecycle/deactivate 403`},
		"identity providers": {"okta.identityProviders.read", "idps", `
			GET idps 200
			GET idps/credentials/keys 200
			GET policies?type=OKTA_SIGN_ON 403`},
		"a realm": {"okta.realms.read", "realms/{realm-in}", `
			GET realms =realm-in
			GET realms/{realm-in} 200
			GET realms/{realm-out} 403
			DELETE realms/{realm-in} 403`},
		"reads roles": {"okta.iam.read", "orn:okta:iam:x:contained_resources", `
			GET iam/roles 200
			GET iam/assignees/users 200
			GET users/{user-in}/roles 200
			DELETE iam/roles/none 403
			GET users/{user-in} 403`},
		"customizations": {"okta.customizations.manage", "orn:okta:idp:x:customizations", `
			GET brands 200
			GET templates/sms 200
			GET idps 403`},
	} {
		p.check(name, p.bound(name, c.permissions, c.resources), c.requests)
	}
}

// TestConditionsOfResources leaves out what a resource's conditions exclude.
func TestConditionsOfResources(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	token := p.bound("most", "okta.groups.read", "users")
	p.want(200, "POST", "/api/v1/iam/resource-sets/most/resources", doc.Doc{
		"resourceOrnOrUrl": p.url + "/api/v1/groups",
		"conditions":       doc.Doc{"Exclude": doc.Doc{"okta:ORN": doc.Array("orn:okta:directory:x:groups:" + p.seen["group-out"])}},
	})
	p.check("most", token, `
		GET groups =everyone,group-in
		GET groups/{group-in} 200
		GET groups/{group-out} 403`)
}

// TestConditionsOfPermissions hides parts of profiles, and refuses to look for them or to
// change them.
func TestConditionsOfPermissions(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	p.want(200, "POST", "/api/v1/users/"+p.seen["user-in"], doc.Doc{"profile": doc.Doc{"city": "Lyon", "title": "Cook"}})
	token := p.bound("curious", "okta.users.read okta.users.userprofile.manage", "users")
	const permissions = "/api/v1/iam/roles/curious/permissions/"
	never := doc.Doc{"conditions": doc.Doc{"exclude": doc.Doc{"okta:ResourceAttribute/User/Profile": doc.Array("city", "login")}}}
	p.want(200, "PUT", permissions+"okta.users.read", never)
	p.want(200, "PUT", permissions+"okta.users.userprofile.manage", never)
	for _, path := range []string{"/api/v1/users/" + p.seen["user-in"], `/api/v1/users?filter=profile.login+eq+"in@x.example"`} {
		a := p.want(200, "GET", path, nil, "Authorization", token)
		if body := string(a.body); strings.Contains(body, "Lyon") || !strings.Contains(body, "Cook") || !strings.Contains(body, "in@x.example") {
			t.Errorf("%s: got %s", path, body)
		}
	}
	p.refused(403, "E0000006", "", "GET", `/api/v1/users?search=profile.city+eq+"Lyon"`, nil, "Authorization", token)
	p.refused(403, "E0000006", "", "POST", "/api/v1/users/"+p.seen["user-in"], doc.Doc{"profile": doc.Doc{"city": "Nice"}}, "Authorization", token)
	p.want(200, "POST", "/api/v1/users/"+p.seen["user-in"], doc.Doc{"profile": doc.Doc{"title": "Chef"}}, "Authorization", token)
	only := doc.Doc{"conditions": doc.Doc{"include": doc.Doc{"okta:ResourceAttribute/User/Profile": doc.Array("city")}}}
	p.want(200, "PUT", permissions+"okta.users.read", only)
	p.want(204, "DELETE", permissions+"okta.users.userprofile.manage", nil)
	a := p.want(200, "GET", "/api/v1/users/"+p.seen["user-in"], nil, "Authorization", token)
	if body := string(a.body); !strings.Contains(body, "Lyon") || strings.Contains(body, "Chef") {
		t.Errorf("got %s", body)
	}
}

// TestStandardRolesHoldForTheirTargets is the table of standard roles, targets and operations.
func TestStandardRolesHoldForTheirTargets(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	chief := p.person("chief@x.example")
	p.want(201, "POST", chief+"/roles", doc.Doc{"type": "SUPER_ADMIN"})
	p.add("super", chief)
	for _, c := range []struct{ role, targets, requests string }{
		{"USER_ADMIN", "groups/{group-in}", `
			GET users =user-in
			GET users/{user-out} 403
			POST users/{user-in} 200
			POST users/{user-out} 403
			GET groups =group-in
			GET groups/{group-out}/users 403
			POST users 403
			POST users:in 200
			GET logs 200
			GET apps 403`},
		{"USER_ADMIN", "", `
			GET groups =group-in,group-out
			GET users =super,user-in,user-out
			POST users/{super} 403
			DELETE users/{super}/sessions 204`},
		{"HELP_DESK_ADMIN", "groups/{group-in}", `
			GET users =user-in
			POST users/{user-in}/lifecycle/expire_password 200
			POST users/{user-out}/lifecycle/expire_password 403
			POST users/{user-in} 403
			PUT groups/{group-in}/users/{user-in} 403`},
		{"GROUP_MEMBERSHIP_ADMIN", "groups/{group-in}", `
			GET users =super,user-in,user-out
			PUT groups/{group-in}/users/{user-out} 204
			PUT groups/{group-out}/users/{user-in} 403
			PUT groups/{group-in} 403`},
		{"APP_ADMIN", "catalog/apps/bookmark/{app-in}", `
			GET apps =app-in
			POST apps/{app-out}/lifecycle/deactivate 403
			PUT apps/{app-in}/groups/{group-out} 200
			PUT apps/{app-out}/groups/{group-out} 403
			GET groups =everyone,group-in,group-out
			GET users/{user-out} 200`},
		{"APP_ADMIN", "catalog/apps/facebook", `
			GET apps =
			GET apps/{app-in} 403`},
		{"ORG_ADMIN", "", `
			POST users/{super} 403
			POST users/{super}/lifecycle/suspend 200
			POST users/{super}/lifecycle/unsuspend 403
			POST users/{user-in} 200
			GET iam/roles 403
			GET logStreams 403`},
	} {
		user, token := p.holder(strings.ToLower(c.role) + strconv.Itoa(len(c.targets)) + "@admin.example")
		role := doc.String(p.want(201, "POST", user+"/roles", doc.Doc{"type": c.role}).object(t), "id")
		if c.targets != "" {
			p.want(204, "PUT", user+"/roles/"+role+"/targets/"+p.named(c.targets), nil)
		}
		p.check(c.role+" "+c.targets, token, c.requests)
	}
}

// TestGroupsWithRoles keeps the members of groups that have roles for super administrators.
func TestGroupsWithRoles(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	token := p.bound("fills groups", "okta.groups.manage okta.users.manage", "groups users")
	p.check("before", token, `PUT groups/{group-in}/users/{user-out} 204`)
	p.want(201, "POST", "/api/v1/groups/"+p.seen["group-in"]+"/roles", doc.Doc{"type": "SUPER_ADMIN"})
	p.check("after", token, `
		DELETE groups/{group-in}/users/{user-out} 403
		POST users/{user-out} 403
		PUT groups/{group-out}/users/{user-out} 204`)
}

// TestAreasFollowScopes wants one area behind the scopes of each API, so that no operation
// is opened by a role for something else.
func TestAreasFollowScopes(t *testing.T) {
	t.Parallel()
	areas := map[string]string{
		"authorizationServers": "authzServers", "idps": "identityProviders", "brands": "customizations", "templates": "customizations",
		"domains": "customizations", "emailDomains": "customizations", "emailServers": "customizations", "eventHooks": "eventHooks",
		"inlineHooks": "inlineHooks", "agentPools": "agents", "devices": "devices", "realms": "realms", "realmAssignments": "realms",
		"logStreams": "log_streams", "networkZones": "network_zones", "policies": "policies", "logs": "system_log", "roles": "iam",
		"apiTokens": "api_tokens", "appGrants": "app_grants",
	}
	for _, op := range api.Needs() {
		name, _, _ := strings.Cut(strings.TrimPrefix(op.Scope, "okta."), ".")
		area, _, _ := strings.Cut(op.Area, ".")
		if want := areas[name]; want != "" && area != want {
			t.Errorf("%s %s needs %s of a role, want %s", op.Method, op.Path, op.Area, want)
		}
		if op.Area == "" {
			t.Errorf("%s %s needs nothing of a role", op.Method, op.Path)
		}
	}
}
