package api

import (
	"cmp"
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
	users := func(method, path string, write bool, run func(*call) error) operation {
		scope := read
		if write {
			scope = manage
		}
		return operation{method: method, path: path, scope: scope, area: org.AreaUsers, write: write, run: run}
	}
	me := users("GET", "/api/v1/users/me", false, showMe)
	me.self = true
	var switches []operation
	for _, name := range org.UserOperations() {
		run := func(c *call) error { return switchUser(c, name) }
		switches = append(switches, users("POST", "/api/v1/users/{id}/lifecycle/"+name, true, run))
	}
	return append(switches, []operation{
		users("GET", "/api/v1/users", false, listUsers),
		users("POST", "/api/v1/users", true, createUser),
		me,
		users("GET", "/api/v1/users/{id}", false, showUser),
		users("POST", "/api/v1/users/{id}", true, func(c *call) error { return changeUser(c, false) }),
		users("PUT", "/api/v1/users/{id}", true, func(c *call) error { return changeUser(c, true) }),
		users("DELETE", "/api/v1/users/{id}", true, deleteUser),
		users("GET", "/api/v1/users/{id}/groups", false, listGroupsOfUser),
		users("GET", "/api/v1/users/{id}/appLinks", false, listAppLinks),
		users("POST", "/api/v1/users/{userId}/credentials/change_password", true, changePassword),
		users("POST", "/api/v1/users/{userId}/credentials/change_recovery_question", true, changeRecoveryQuestion),
		users("POST", "/api/v1/users/{userId}/credentials/forgot_password", true, forgetPassword),
		users("POST", "/api/v1/users/{userId}/credentials/forgot_password_recovery_question", true, forgetPassword),
		users("GET", "/api/v1/users/{userId}/factors/questions", false, listQuestions),
		users("GET", "/api/v1/users/{userId}/factors/catalog", false, listFactorCatalog),
		users("GET", "/api/v1/users/{userId}/classification", false, showClassification),
		users("PUT", "/api/v1/users/{userId}/classification", true, classify),
		users("DELETE", "/api/v1/users/{userId}/sessions", true, endSessions),
		users("GET", "/api/v1/users/{id}/blocks", false, emptyListOfUser),
		users("GET", "/api/v1/users/{userId}/devices", false, emptyListOfUser),
		users("GET", "/api/v1/users/{userId}/grants", false, emptyListOfUser),
		users("GET", "/api/v1/users/{id}/idps", false, emptyListOfUser),
		{method: "GET", path: "/api/v1/users/{userId}/risk", scope: "okta.userRisk.read", area: org.AreaUsers, run: showRisk},
		{method: "PUT", path: "/api/v1/users/{userId}/risk", scope: "okta.userRisk.manage", area: org.AreaUsers, write: true, run: setRisk},
		users("GET", "/api/v1/users/{userIdOrLogin}/linkedObjects/{relationshipName}", false, listLinkedUsers),
		users("PUT", "/api/v1/users/{userIdOrLogin}/linkedObjects/{relationshipName}/{primaryUserId}", true, linkUser),
		users("DELETE", "/api/v1/users/{userIdOrLogin}/linkedObjects/{relationshipName}", true, unlinkUser),
	}...)
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
	plain := f == nil && s == nil
	keep := func(u *org.User) bool {
		// A plain list leaves deactivated users out (documented).
		return !(plain && u.Status == org.Deprovisioned) && matchUser(f, u) && matchUser(s, u)
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

// userLine is a user in a list, without credentials where the client asked for that
// (documented: the okta-response parameter of Content-Type).
func (c *call) userLine(u *org.User) (any, error) {
	line, err := c.org.UserLine(u)
	if err != nil || !strings.Contains(c.r.Header.Get("Content-Type"), "omitCredentials") {
		return line, err
	}
	d, err := doc.ParseObject(line)
	delete(d, "credentials")
	return d, err
}

// findUsers answers q: names and mail that begin with the text, 10 at most, never paged.
func findUsers(c *call, q string) error {
	n, err := c.limit(pages{standard: 10, highest: 200})
	if err != nil {
		return err
	}
	var items []any
	sight := c.org.SearchUsers()
	for place := range sight.After("") {
		u := sight.Get(place)
		if u.Status == org.Deprovisioned || !beginsWith(u, q) {
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
	return c.show(c.org.UserBody(u), nil)
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
	u, err := c.org.CreateUser(c.cause(), org.NewUser{Body: body, Activate: c.flag("activate", true), ChangeAtLogin: c.query.Get("nextLogin") == "changePassword"})
	if err != nil {
		return err
	}
	return c.show(c.org.UserBody(u), nil)
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
	if err := c.org.UpdateUser(c.cause(), u, body, replace); err != nil {
		return err
	}
	return c.show(c.org.UserBody(u), nil)
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
		return c.show(c.org.UserBody(u), nil)
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
	ids := c.org.GroupsOf(u)
	return page(c, pages{standard: 200, highest: 200}, ids, c.groupByID, nil, always(c.org.GroupBody))
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
