package org

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// The statuses of a user (Okta: user lifecycle).
const (
	Staged        = "STAGED"
	Provisioned   = "PROVISIONED"
	Active        = "ACTIVE"
	Suspended     = "SUSPENDED"
	Deprovisioned = "DEPROVISIONED"
	Inactive      = "INACTIVE"
	Invalid       = "INVALID"
)

// User is one person of the org.
type User struct {
	ID              string  `json:"id"`
	Status          string  `json:"status"`
	Created         Stamp   `json:"created"`
	Activated       Stamp   `json:"activated"`
	StatusChanged   Stamp   `json:"statusChanged"`
	LastLogin       Stamp   `json:"lastLogin"`
	LastUpdated     Stamp   `json:"lastUpdated"`
	PasswordChanged Stamp   `json:"passwordChanged"`
	TypeID          string  `json:"typeId"`
	Profile         doc.Doc `json:"profile"`
	// Provider is OKTA, or IMPORT for a user created with a password hash.
	Provider         string `json:"provider"`
	HasPassword      bool   `json:"hasPassword,omitempty"`
	RecoveryQuestion string `json:"recoveryQuestion,omitempty"`

	groups index
	// line is the user's body in lists, made when first needed: every membership
	// page shows it again.
	line atomic.Pointer[[]byte]
}

// Login is the user name.
func (u *User) Login() string { return doc.String(u.Profile, "login") }

// Name is "First Last".
func (u *User) Name() string {
	return strings.TrimSpace(doc.String(u.Profile, "firstName") + " " + doc.String(u.Profile, "lastName"))
}

// Party is the user as actor or target.
func (u *User) Party() Party {
	return Party{ID: u.ID, Type: "User", AlternateID: u.Login(), DisplayName: u.Name()}
}

// View is the user's body; list leaves out the links of a single read (recorded).
func (o *Org) userView(u *User, links any) any {
	credentials := doc.Doc{"provider": doc.Doc{"type": u.Provider, "name": u.Provider}}
	if u.HasPassword {
		credentials["password"] = doc.Doc{}
	}
	if u.RecoveryQuestion != "" {
		credentials["recovery_question"] = doc.Doc{"question": u.RecoveryQuestion}
	}
	return struct {
		ID              string  `json:"id"`
		Status          string  `json:"status"`
		Created         Stamp   `json:"created"`
		Activated       Stamp   `json:"activated"`
		StatusChanged   Stamp   `json:"statusChanged"`
		LastLogin       Stamp   `json:"lastLogin"`
		LastUpdated     Stamp   `json:"lastUpdated"`
		PasswordChanged Stamp   `json:"passwordChanged"`
		Type            doc.Doc `json:"type"`
		Profile         doc.Doc `json:"profile"`
		Credentials     doc.Doc `json:"credentials"`
		Links           any     `json:"_links"`
	}{u.ID, u.Status, u.Created, u.Activated, u.StatusChanged, u.LastLogin, u.LastUpdated, u.PasswordChanged,
		doc.Doc{"id": u.TypeID}, u.Profile, credentials, links}
}

// UserBody is the body of a single read.
func (o *Org) UserBody(u *User) any {
	self := o.base + "/api/v1/users/" + u.ID
	links := doc.Doc{
		"self":   doc.Doc{"href": self},
		"schema": doc.Doc{"href": o.base + "/api/v1/meta/schemas/user/" + o.schemaOf(u.TypeID).ID},
		"type":   doc.Doc{"href": o.base + "/api/v1/meta/types/user/" + u.TypeID},
	}
	for name, path := range userLinks[u.Status] {
		links[name] = doc.Doc{"href": self + path, "method": "POST"}
	}
	if u.Status == Deprovisioned {
		links["delete"] = doc.Doc{"href": self, "method": "DELETE"}
	}
	return o.userView(u, links)
}

// userLinks are the operations that each status offers (recorded; SUSPENDED is not
// recorded and follows the documented lifecycle).
var userLinks = map[string]map[string]string{
	Staged: {"activate": "/lifecycle/activate", "resetFactors": "/lifecycle/reset_factors"},
	Provisioned: {"suspend": "/lifecycle/suspend", "resetPassword": "/lifecycle/reset_password", "reactivate": "/lifecycle/reactivate",
		"resetFactors": "/lifecycle/reset_factors", "deactivate": "/lifecycle/deactivate"},
	Active: {"suspend": "/lifecycle/suspend", "resetPassword": "/lifecycle/reset_password", "forgotPassword": "/credentials/forgot_password",
		"expirePassword": "/lifecycle/expire_password", "changeRecoveryQuestion": "/credentials/change_recovery_question",
		"resetFactors": "/lifecycle/reset_factors", "changePassword": "/credentials/change_password", "deactivate": "/lifecycle/deactivate"},
	Suspended:     {"unsuspend": "/lifecycle/unsuspend", "resetFactors": "/lifecycle/reset_factors", "deactivate": "/lifecycle/deactivate"},
	Deprovisioned: {"activate": "/lifecycle/activate", "resetFactors": "/lifecycle/reset_factors"},
}

// UserLine is the user's body in a list.
func (o *Org) UserLine(u *User) (json.RawMessage, error) {
	if b := u.line.Load(); b != nil {
		return *b, nil
	}
	self := doc.Doc{"self": doc.Doc{"href": o.base + "/api/v1/users/" + u.ID}}
	b, err := doc.Bytes(o.userView(u, self))
	if err != nil {
		return nil, fmt.Errorf("write user: %w", err)
	}
	u.line.Store(&b)
	return b, nil
}

// User finds a user by id, or by login.
func (o *Org) User(idOrLogin string) (*User, error) {
	if u := o.users[idOrLogin]; u != nil {
		return u, nil
	}
	if u := o.logins[strings.ToLower(idOrLogin)]; u != nil {
		return u, nil
	}
	return nil, failure.NotFound(idOrLogin, "User")
}

// UsersAfter lists user ids that follow the cursor.
func (o *Org) UsersAfter(cursor string) []string { return o.userOrder.after(cursor) }

// UserByID returns the user or nil.
func (o *Org) UserByID(id string) *User { return o.users[id] }

// GroupsOf lists the ids of the user's groups in order.
func (o *Org) GroupsOf(u *User) []string { return u.groups }

// NewUser is the body of a create request.
type NewUser struct {
	Body     doc.Doc
	Activate bool
}

// CreateUser makes a user, who joins Everyone and the groups of active rules.
func (o *Org) CreateUser(by *Cause, n NewUser) (*User, error) {
	typeID, err := o.userTypeOf(n.Body, o.info.UserType)
	if err != nil {
		return nil, err
	}
	profile, err := o.userProfile("newUser", o.schemaOf(typeID), nil, doc.Object(n.Body, "profile"), true)
	if err != nil {
		return nil, err
	}
	groups := doc.Strings(n.Body, "groupIds")
	for _, id := range groups {
		if g := o.groups[id]; g == nil || g.Type != OktaGroup {
			return nil, failure.Invalid("groupIds", "groupIds: Invalid group id "+id)
		}
	}
	now := o.stamp()
	u := &User{
		ID: o.ids.ID("00u"), Status: Staged, Created: now, StatusChanged: now, LastUpdated: now,
		TypeID: typeID, Profile: profile, Provider: "OKTA",
	}
	u.credentials(doc.Object(n.Body, "credentials"), now)
	o.putUser(u)
	o.Note(by, "user.lifecycle.create", nil, u.Party())
	o.seedAnchor("user", u.ID)
	o.join(nil, o.groups[o.info.Everyone], u, now)
	o.appsGained(by, o.groups[o.info.Everyone], u)
	if n.Activate {
		o.activate(by, u)
	}
	for _, id := range groups {
		o.join(by, o.groups[id], u, now)
	}
	o.follow(by, u)
	return u, nil
}

// credentials takes over what a body says of password and recovery question.
func (u *User) credentials(c doc.Doc, now Stamp) {
	password := doc.Object(c, "password")
	if doc.String(password, "value") != "" {
		u.HasPassword, u.PasswordChanged = true, now
	}
	if doc.Object(password, "hash") != nil {
		u.HasPassword, u.PasswordChanged, u.Provider = true, now, "IMPORT"
	}
	if q := doc.String(c, "recovery_question", "question"); q != "" {
		u.RecoveryQuestion = q
	}
}

func (o *Org) userTypeOf(body doc.Doc, otherwise string) (string, error) {
	id := doc.String(body, "type", "id")
	if id == "" {
		return otherwise, nil
	}
	return id, o.exists("user_types", id)
}

// userProfile checks a profile against the schema and lays it over the old one; replace
// drops what is not given (documented for PUT).
func (o *Org) userProfile(subject string, s *Schema, old, given doc.Doc, replace bool) (doc.Doc, error) {
	if given == nil {
		given = doc.Doc{}
	}
	if err := s.check(subject, given); err != nil {
		return nil, err
	}
	profile := doc.Doc{}
	if !replace {
		profile = doc.Clone(old)
	}
	maps.Copy(profile, doc.Clone(given))
	maps.DeleteFunc(profile, func(_ string, v any) bool { return v == nil })
	for _, field := range []string{"login", "firstName", "email"} {
		if doc.String(profile, field) == "" {
			return nil, failure.Missing(field)
		}
	}
	if err := o.checkLogin(doc.String(profile, "login"), old); err != nil {
		return nil, err
	}
	// These two are always present, null when empty (recorded).
	doc.Default(profile, "mobilePhone", nil)
	doc.Default(profile, "secondEmail", nil)
	return profile, nil
}

func (o *Org) checkLogin(login string, old doc.Doc) error {
	if !strings.Contains(login, "@") {
		return failure.Invalid("login", "login: Username must be in the form of an email address")
	}
	if len(login) < 5 || len(login) > 100 {
		return failure.Invalid("login", "login: The field must be between 5 and 100 characters")
	}
	other := o.logins[strings.ToLower(login)]
	if other != nil && !strings.EqualFold(login, doc.String(old, "login")) {
		return failure.Taken("login")
	}
	return nil
}

// UpdateUser changes the profile: replace is PUT, which drops what is not given.
func (o *Org) UpdateUser(by *Cause, u *User, body doc.Doc, replace bool) error {
	given := doc.Object(body, "profile")
	typeID, err := o.userTypeOf(body, u.TypeID)
	if err != nil {
		return err
	}
	profile, err := o.userProfile("user", o.schemaOf(typeID), u.Profile, given, replace && given != nil)
	if err != nil {
		return err
	}
	before := u.Profile
	delete(o.logins, strings.ToLower(u.Login()))
	u.Profile, u.TypeID, u.LastUpdated = profile, typeID, o.stamp()
	o.logins[strings.ToLower(u.Login())] = u
	u.line.Store(nil)
	hadPassword := u.PasswordChanged
	u.credentials(doc.Object(body, "credentials"), u.LastUpdated)
	if u.PasswordChanged != hadPassword {
		o.Note(by, "user.account.update_password", nil, u.Party())
	}
	if changed := changedFields(before, profile); len(changed) > 0 {
		o.Note(by, "user.account.update_profile", doc.Doc{"changedAttributes": strings.Join(changed, ",")}, u.Party())
	}
	o.follow(by, u)
	return nil
}

func changedFields(a, b doc.Doc) []string {
	var out []string
	for _, k := range sortedKeys(doc.Merge(a, b)) {
		if fmt.Sprint(a[k]) != fmt.Sprint(b[k]) {
			out = append(out, k)
		}
	}
	return out
}

func (o *Org) setUserStatus(u *User, status string) {
	u.Status, u.StatusChanged = status, o.stamp()
	u.LastUpdated = u.StatusChanged
	u.line.Store(nil)
}

// activate makes a user PROVISIONED, or ACTIVE with a password.
func (o *Org) activate(by *Cause, u *User) {
	status := Provisioned
	if u.HasPassword {
		status = Active
	}
	o.setUserStatus(u, status)
	u.Activated = u.StatusChanged
	o.Note(by, "user.lifecycle.activate", nil, u.Party())
}

// ChangeUserStatus performs a lifecycle operation: activate, deactivate, suspend,
// unsuspend or reactivate.
func (o *Org) ChangeUserStatus(by *Cause, u *User, operation string) error {
	switch operation {
	case "activate":
		if u.Status != Staged && u.Status != Deprovisioned {
			return failure.AlreadyActive()
		}
		o.activate(by, u)
	case "deactivate":
		if u.Status == Deprovisioned {
			return failure.WrongStatus()
		}
		o.deactivate(by, u)
	case "suspend":
		if u.Status != Active {
			return failure.Invalid("suspendUser", "Cannot suspend a user that is not active")
		}
		o.setUserStatus(u, Suspended)
		o.Note(by, "user.lifecycle.suspend", nil, u.Party())
	case "unsuspend":
		if u.Status != Suspended {
			return failure.Invalid("unsuspendUser", "Cannot unsuspend a user that is not suspended")
		}
		o.setUserStatus(u, Active)
		o.Note(by, "user.lifecycle.unsuspend", nil, u.Party())
	case "reactivate":
		if u.Status != Provisioned {
			return failure.WrongStatus()
		}
		o.setUserStatus(u, Provisioned)
		o.Note(by, "user.lifecycle.reactivate", nil, u.Party())
	}
	o.follow(by, u)
	return nil
}

// deactivate takes every app from the user (documented); group memberships stay
// (assumption: Okta's help says so of rule-assigned ones).
func (o *Org) deactivate(by *Cause, u *User) {
	for _, id := range o.appOrder {
		a := o.apps[id]
		if a.assigned(o, u) == nil {
			continue
		}
		delete(a.Users, u.ID)
		a.userOrder.remove(u.ID)
		o.Note(o.system(by), "application.user_membership.remove", nil, a.appUserParty(u), a.Party(), u.Party())
	}
	o.setUserStatus(u, Deprovisioned)
	o.Note(by, "user.lifecycle.deactivate", nil, u.Party())
	o.dropTokensOf(u.ID)
}

// DeleteUser deactivates an active user, and removes a deactivated one for good.
func (o *Org) DeleteUser(by *Cause, u *User) error {
	if u.Status != Deprovisioned {
		o.deactivate(by, u)
		return nil
	}
	party := u.Party()
	o.Note(by, "user.lifecycle.delete.initiated", nil, party)
	for _, id := range slices.Clone(u.groups) {
		o.leave(nil, o.groups[id], u, o.stamp())
	}
	o.forget(u.ID)
	delete(o.roles, u.ID)
	delete(o.logins, strings.ToLower(u.Login()))
	delete(o.users, u.ID)
	o.userOrder.remove(u.ID)
	o.Note(by, "user.lifecycle.delete.completed", nil, party)
	o.gone(by, "user", u.ID)
	return nil
}

// forget takes a deleted user out of rule exclusions and policy conditions.
func (o *Org) forget(id string) {
	for _, r := range o.rules {
		doc.RemoveString(r.Conditions, id)
	}
	o.eachPolicyDoc(func(d doc.Doc) { doc.RemoveString(d, id) })
}

// putUser stores a user in all indexes.
func (o *Org) putUser(u *User) {
	o.users[u.ID] = u
	o.userOrder.add(u.ID)
	o.logins[strings.ToLower(u.Login())] = u
}

// Values returns what the user has at a filter or search attribute.
func (u *User) Values(name string) []any {
	switch name {
	case "id":
		return text(u.ID)
	case "status":
		return text(u.Status)
	case "type.id":
		return text(u.TypeID)
	case "created":
		return moment(u.Created)
	case "activated":
		return moment(u.Activated)
	case "statusChanged":
		return moment(u.StatusChanged)
	case "lastUpdated":
		return moment(u.LastUpdated)
	case "lastLogin":
		return moment(u.LastLogin)
	case "passwordChanged":
		return moment(u.PasswordChanged)
	}
	field, ok := strings.CutPrefix(name, "profile.")
	if !ok {
		return nil
	}
	return values(u.Profile[field])
}

func moment(s Stamp) []any {
	if s == 0 {
		return nil
	}
	return []any{s.Time()}
}

func values(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}
