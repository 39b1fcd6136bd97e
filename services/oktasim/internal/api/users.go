package api

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/filter"
	"imago/services/oktasim/internal/org"
)

var userPages = pages{standard: 200, highest: 200}

func userOperations() []operation {
	const read, manage = "okta.users.read", "okta.users.manage"
	at := func(method, path string, area org.Area, run func(*call) error) operation {
		scope := read
		if method != http.MethodGet {
			scope = manage
		}
		return operation{method: method, path: path, scope: scope, area: area, write: method != http.MethodGet, run: run}
	}
	users := func(method, path string, run func(*call) error) operation {
		return at(method, path, org.AreaUsers, run)
	}
	me := users("GET", "/api/v1/users/me", showMe)
	me.self = true
	var switches []operation
	for _, name := range org.UserOperations() {
		run := func(c *call) error { return switchUser(c, name) }
		switches = append(switches, at("POST", "/api/v1/users/{id}/lifecycle/"+name, switchAreas[name], run))
	}
	return append(switches, []operation{
		users("GET", "/api/v1/users", listUsers),
		at("POST", "/api/v1/users", org.AreaNewUsers, createUser),
		me,
		users("GET", "/api/v1/users/{id}", showUser),
		at("POST", "/api/v1/users/{id}", org.AreaUserProfile, func(c *call) error { return changeUser(c, false) }),
		at("PUT", "/api/v1/users/{id}", org.AreaUserProfile, func(c *call) error { return changeUser(c, true) }),
		at("DELETE", "/api/v1/users/{id}", org.AreaLifecycle+".delete", deleteUser),
		users("GET", "/api/v1/users/{id}/groups", listGroupsOfUser),
		users("GET", "/api/v1/users/{id}/appLinks", listAppLinks),
		at("POST", "/api/v1/users/{userId}/credentials/change_password", org.AreaCredentials, changePassword),
		at("POST", "/api/v1/users/{userId}/credentials/change_recovery_question", org.AreaCredentials, changeRecoveryQuestion),
		at("POST", "/api/v1/users/{userId}/credentials/forgot_password", org.AreaPasswordReset, forgetPassword),
		at("POST", "/api/v1/users/{userId}/credentials/forgot_password_recovery_question", org.AreaPasswordReset, forgetPassword),
		users("GET", "/api/v1/users/{userId}/factors/questions", listQuestions),
		users("GET", "/api/v1/users/{userId}/factors/catalog", listFactorCatalog),
		users("GET", "/api/v1/users/{userId}/classification", showClassification),
		users("PUT", "/api/v1/users/{userId}/classification", classify),
		at("DELETE", "/api/v1/users/{userId}/sessions", org.AreaSessions, endSessions),
		users("GET", "/api/v1/users/{id}/blocks", emptyListOfUser),
		users("GET", "/api/v1/users/{userId}/devices", emptyListOfUser),
		users("GET", "/api/v1/users/{id}/idps", emptyListOfUser),
		{method: "GET", path: "/api/v1/users/{userId}/risk", scope: "okta.userRisk.read", area: org.AreaUsers, run: showRisk},
		{method: "PUT", path: "/api/v1/users/{userId}/risk", scope: "okta.userRisk.manage", area: org.AreaUsers, write: true, run: setRisk},
		users("GET", "/api/v1/users/{userIdOrLogin}/linkedObjects/{relationshipName}", listLinkedUsers),
		at("PUT", "/api/v1/users/{userIdOrLogin}/linkedObjects/{relationshipName}/{primaryUserId}", org.AreaUserProfile, linkUser),
		at("DELETE", "/api/v1/users/{userIdOrLogin}/linkedObjects/{relationshipName}", org.AreaUserProfile, unlinkUser),
	}...)
}

// switchAreas are what the operations on a user's status need of a role.
var switchAreas = map[string]org.Area{
	"activate": org.AreaActivation, "reactivate": org.AreaActivation, "deactivate": org.AreaLifecycle + ".deactivate",
	"suspend": org.AreaSuspension, "unsuspend": org.AreaLifecycle + ".unsuspend", "unlock": org.AreaLifecycle + ".unlock",
	"reset_password": org.AreaPasswordReset, "reset_factors": org.AreaFactorReset,
	"expire_password": org.AreaPasswordExpiry, "expire_password_with_temp_password": org.AreaPasswordExpiry,
}

// userFilterAttributes are those that the filter parameter accepts (documented).
var userFilterAttributes = []string{
	"id", "status", "lastUpdated", "type.id", "profile.login", "profile.email", "profile.firstName", "profile.lastName",
}

func listUsers(c *call) error {
	if q := c.query.Get("q"); q != "" {
		return findUsers(c, q)
	}
	f, err := c.filter("filter", func(a string) bool { return slices.Contains(userFilterAttributes, a) })
	if err != nil {
		return err
	}
	s, err := c.filter("search", func(a string) bool { return a == "id" || searchable(a) })
	if err != nil {
		return err
	}
	if err := c.mayFilter(f, s); err != nil {
		return err
	}
	plain, sees := f == nil && s == nil, c.sees(org.AreaUsers)
	keep := func(u *org.User) bool {
		// A plain list leaves deactivated users out (documented).
		return sees(u.ID) && !(plain && u.Status == org.Deprovisioned) && matchUser(f, u) && matchUser(s, u)
	}
	if s != nil {
		sight := c.org.SearchUsers()
		return searchPage(c, userPages, &sight, valuesOfUser, keep, c.userLine)
	}
	if login, ok := f.Demands("profile.login"); ok {
		return list(c, userPages, c.org.UsersNamed(login), c.org.UserByID, keep, c.userLine)
	}
	return page(c, userPages, c.org.UsersAfter(c.query.Get("after")), c.org.UserByID, keep, c.userLine)
}

func valuesOfUser(u *org.User) func(string) []any { return u.Values }

func matchUser(f *filter.Filter, u *org.User) bool { return f.Match(u.Values) }

// searchable says whether search knows the attribute: all of profile, and the dates.
func searchable(a string) bool {
	switch a {
	case "status", "type.id", "created", "activated", "statusChanged", "lastUpdated", "lastLogin", "passwordChanged":
		return true
	}
	return strings.HasPrefix(a, "profile.")
}

// mayFilter refuses filters by parts of profiles that the client may not see (documented; that
// it is refused so is an assumption).
func (c *call) mayFilter(filters ...*filter.Filter) error {
	visible := c.org.Attributes(c.principal.can, org.AreaUsers, "")
	for _, f := range filters {
		if f == nil || visible == nil {
			continue
		}
		for _, a := range f.Attributes() {
			if name, ok := strings.CutPrefix(a, "profile."); ok && !visible(name) {
				return failure.Forbidden()
			}
		}
	}
	return nil
}

// userLine is a user in a list, without credentials where the client asked for that
// (documented: the okta-response parameter of Content-Type).
func (c *call) userLine(u *org.User) (any, error) {
	line, err := c.org.UserLine(u)
	omit := strings.Contains(c.r.Header.Get("Content-Type"), "omitCredentials")
	visible := c.org.Attributes(c.principal.can, org.AreaUsers, u.ID)
	if err != nil || !omit && visible == nil {
		return line, err
	}
	d, err := doc.ParseObject(line)
	if omit {
		delete(d, "credentials")
	}
	hide(d, visible)
	return d, err
}

// userBody is a user as the client's roles show them.
func (c *call) userBody(u *org.User) (any, error) {
	body, visible := c.org.UserBody(u), c.org.Attributes(c.principal.can, org.AreaUsers, u.ID)
	if visible == nil || u == c.principal.user {
		return body, nil
	}
	b, err := doc.Bytes(body)
	if err != nil {
		return nil, err
	}
	d, err := doc.ParseObject(b)
	hide(d, visible)
	return d, err
}

// hide leaves out of a user's body what is not visible; nil is everything.
func hide(user doc.Doc, visible func(string) bool) {
	if visible != nil {
		maps.DeleteFunc(doc.Object(user, "profile"), func(name string, _ any) bool { return !visible(name) })
	}
}

// mayProfile checks that the client's roles let it write the parts of a profile that the
// body names; userID is "" for a new user.
func (c *call) mayProfile(userID string, body doc.Doc) error {
	open := c.org.Attributes(c.principal.can, c.op.area, userID)
	if open == nil {
		return nil
	}
	for name := range doc.Object(body, "profile") {
		if !open(name) {
			return failure.Forbidden()
		}
	}
	return nil
}

// findUsers answers q: names and mail that begin with the text, 10 at most, never paged.
func findUsers(c *call, q string) error {
	n, err := c.limit(pages{standard: 10, highest: 200})
	if err != nil {
		return err
	}
	var items []any
	sight, sees := c.org.SearchUsers(), c.sees(org.AreaUsers)
	for place := range sight.After("") {
		u := sight.Get(place)
		if u.Status == org.Deprovisioned || !sees(u.ID) || !beginsWith(u, q) {
			continue
		}
		line, err := c.userLine(u)
		if err != nil {
			return err
		}
		if items = append(items, line); len(items) == n {
			break
		}
	}
	return c.array(items)
}

func beginsWith(u *org.User, q string) bool {
	for _, field := range []string{"firstName", "lastName", "email", "login"} {
		if hasPrefix(doc.String(u.Profile, field), q) {
			return true
		}
	}
	return false
}

func showMe(c *call) error {
	if c.principal.user == nil {
		return failure.NotFound("me", "User")
	}
	return c.show(c.org.UserBody(c.principal.user), nil)
}

// user finds the user in the path. me is whoever asks (documented).
func (c *call) user() (*org.User, error) {
	id := cmp.Or(c.params["id"], c.params["userId"], c.params["userIdOrLogin"])
	if id == "me" && c.principal.user != nil {
		return c.principal.user, nil
	}
	return c.org.User(id)
}

func showUser(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	tag, err := c.org.UserTag(u)
	if err != nil {
		return err
	}
	c.set("Etag", tag)
	return c.show(c.userBody(u))
}

// unchanged checks the version of the user that the request is about, if it says so.
func (c *call) unchanged(u *org.User) error {
	wanted := c.r.Header.Get("If-Match")
	if wanted == "" || wanted == "*" {
		return nil
	}
	tag, err := c.org.UserTag(u)
	if err != nil {
		return err
	}
	for _, one := range strings.Split(wanted, ",") {
		if strings.TrimSpace(one) == tag {
			return nil
		}
	}
	return failure.Changed()
}

func createUser(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.mayProfile("", body); err != nil {
		return err
	}
	groups := doc.Strings(body, "groupIds")
	if !c.org.MayAdmit(c.principal.can, groups) {
		return failure.Forbidden()
	}
	for _, id := range groups {
		if err := c.may(org.AreaMembers, id); err != nil {
			return err
		}
	}
	u, err := c.org.CreateUser(c.cause(), org.NewUser{Body: body, Activate: c.flag("activate", true), ChangeAtLogin: c.query.Get("nextLogin") == "changePassword"})
	if err != nil {
		return err
	}
	return c.show(c.userBody(u))
}

func changeUser(c *call, replace bool) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	if err := c.unchanged(u); err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.mayProfile(u.ID, body); err != nil {
		return err
	}
	if err := c.org.UpdateUser(c.cause(), u, body, replace); err != nil {
		return err
	}
	return c.show(c.userBody(u))
}

func deleteUser(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteUser(c.cause(), u))
}

func switchUser(c *call, operation string) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	if err := c.org.ChangeUserStatus(c.cause(), u, operation); err != nil {
		return err
	}
	switch operation {
	case "expire_password":
		return c.show(c.userBody(u))
	case "expire_password_with_temp_password":
		return c.show(doc.Doc{"tempPassword": c.org.SetTempPassword(u)}, nil)
	case "reset_password":
		return c.mailed("resetPasswordUrl", "/signin/reset-password/", true)
	case "activate", "reactivate":
		return c.welcome(u, operation == "activate")
	}
	return c.empty(nil)
}

// welcome answers {}, or the way to sign in where no mail tells it (documented).
func (c *call) welcome(u *org.User, mails bool) error {
	if c.flag("sendEmail", mails) || u.Status != org.Provisioned {
		return c.empty(nil)
	}
	token := c.org.NewID("")
	return c.reply(http.StatusOK, doc.Doc{"activationUrl": c.org.Base() + "/welcome/" + token, "activationToken": token})
}

// mailed answers {}, or the address that a mail would have told (documented).
func (c *call) mailed(field, path string, mails bool) error {
	if c.flag("sendEmail", mails) {
		return c.empty(nil)
	}
	return c.show(doc.Doc{field: c.org.Base() + path + c.org.NewID("")}, nil)
}

func listGroupsOfUser(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	ids, sees := c.org.GroupsOf(u), c.sees(org.AreaGroups)
	keep := func(g *org.Group) bool { return sees(g.ID) || !c.principal.can.Open(org.AreaGroups, false) }
	return page(c, pages{standard: 200, highest: 200}, ids, c.groupByID, keep, always(c.org.GroupBody))
}

func (c *call) groupByID(id string) *org.Group {
	g, err := c.org.Group(id)
	if err != nil {
		return nil
	}
	return g
}

func listAppLinks(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.array(c.org.AppLinks(u))
}
