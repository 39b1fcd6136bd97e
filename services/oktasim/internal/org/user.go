package org

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync/atomic"
	"time"

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
	Expired       = "PASSWORD_EXPIRED"
	Recovery      = "RECOVERY"
	LockedOut     = "LOCKED_OUT"
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
	Provider    string `json:"provider"`
	HasPassword bool   `json:"hasPassword,omitempty"`
	// Password and RecoveryAnswer are digests; "" if the org does not know them.
	Password         string `json:"password,omitempty"`
	RecoveryQuestion string `json:"recoveryQuestion,omitempty"`
	RecoveryAnswer   string `json:"recoveryAnswer,omitempty"`
	// Risk is the level that an administrator set, Class what makes the user STANDARD or
	// LITE and Classified since when; "" is nobody's word.
	Risk       string `json:"risk,omitempty"`
	Class      string `json:"class,omitempty"`
	Classified Stamp  `json:"classified,omitzero"`
	// Links are the primary users of linked objects, by the primary name.
	Links map[string]string `json:"links,omitempty"`
	// RealmID is the realm, "" for the default one.
	RealmID string `json:"realmId,omitempty"`

	groups index
	// line is the user's body in lists, made when first needed: every membership
	// page shows it again.
	line *userLine
}

// userLine is a body that several readers may make at once.
type userLine struct{ atomic.Pointer[[]byte] }

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
	return struct {
		ID              string  `json:"id"`
		Status          string  `json:"status"`
		Created         Stamp   `json:"created"`
		Activated       Stamp   `json:"activated"`
		StatusChanged   Stamp   `json:"statusChanged"`
		LastLogin       Stamp   `json:"lastLogin"`
		LastUpdated     Stamp   `json:"lastUpdated"`
		PasswordChanged Stamp   `json:"passwordChanged"`
		RealmID         string  `json:"realmId,omitempty"`
		Type            doc.Doc `json:"type"`
		Profile         doc.Doc `json:"profile"`
		Credentials     doc.Doc `json:"credentials"`
		Links           any     `json:"_links"`
	}{u.ID, u.Status, u.Created, u.Activated, u.StatusChanged, u.LastLogin, u.LastUpdated, u.PasswordChanged,
		o.realmOf(u), doc.Doc{"id": u.TypeID}, u.Profile, u.CredentialsBody(), links}
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
	if !o.Licensed(factorReset) && len(o.below("user_factors", u.ID)) == 0 {
		delete(links, "resetFactors")
	}
	if u.Status == Deprovisioned {
		links["delete"] = doc.Doc{"href": self, "method": "DELETE"}
	}
	return o.userView(u, links)
}

// factorReset is the feature by which everybody's factors can be reset; without it the
// link is for people who have some (recorded, Classic).
const factorReset = "factor_reset"

// userLinks are the operations that each status offers (recorded; SUSPENDED,
// PASSWORD_EXPIRED, RECOVERY and LOCKED_OUT are not and follow the documented lifecycle).
var userLinks = map[string]map[string]string{
	Staged: {"activate": "/lifecycle/activate", "resetFactors": "/lifecycle/reset_factors"},
	Provisioned: {"suspend": "/lifecycle/suspend", "resetPassword": "/lifecycle/reset_password", "reactivate": "/lifecycle/reactivate",
		"resetFactors": "/lifecycle/reset_factors", "deactivate": "/lifecycle/deactivate"},
	Active: {"suspend": "/lifecycle/suspend", "resetPassword": "/lifecycle/reset_password", "forgotPassword": "/credentials/forgot_password",
		"expirePassword": "/lifecycle/expire_password", "changeRecoveryQuestion": "/credentials/change_recovery_question",
		"resetFactors": "/lifecycle/reset_factors", "changePassword": "/credentials/change_password", "deactivate": "/lifecycle/deactivate"},
	Expired: {"suspend": "/lifecycle/suspend", "resetPassword": "/lifecycle/reset_password", "expirePassword": "/lifecycle/expire_password",
		"changeRecoveryQuestion": "/credentials/change_recovery_question", "resetFactors": "/lifecycle/reset_factors",
		"changePassword": "/credentials/change_password", "deactivate": "/lifecycle/deactivate"},
	Recovery: {"suspend": "/lifecycle/suspend", "resetPassword": "/lifecycle/reset_password", "resetFactors": "/lifecycle/reset_factors",
		"deactivate": "/lifecycle/deactivate"},
	LockedOut: {"unlock": "/lifecycle/unlock", "resetPassword": "/lifecycle/reset_password", "resetFactors": "/lifecycle/reset_factors",
		"deactivate": "/lifecycle/deactivate"},
	Suspended:     {"unsuspend": "/lifecycle/unsuspend", "resetFactors": "/lifecycle/reset_factors", "deactivate": "/lifecycle/deactivate"},
	Deprovisioned: {"activate": "/lifecycle/activate", "resetFactors": "/lifecycle/reset_factors"},
}

// UserTag is the entity tag of the user's present version: W/ and 16 hexadecimal digits
// (documented).
func (o *Org) UserTag(u *User) (string, error) {
	line, err := o.UserLine(u)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(line)
	return `W/"` + hex.EncodeToString(sum[:8]) + `"`, nil
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

// UsersNamed lists the id of the user with the login, if there is one.
func (o *Org) UsersNamed(login string) []string {
	if u := o.logins[strings.ToLower(login)]; u != nil {
		return []string{u.ID}
	}
	return nil
}

// UsersAfter lists user ids that follow the cursor.
func (o *Org) UsersAfter(cursor string) iter.Seq[string] { return o.userOrder.after(cursor) }

// UserByID returns the user or nil.
func (o *Org) UserByID(id string) *User { return o.users[id] }

// GroupsOf lists the ids of the user's groups in order.
func (o *Org) GroupsOf(u *User) iter.Seq[string] { return u.groups.all() }

// stagedChanges is when Classic orgs had begun, as OIE ones, to count a password as a change
// of a new person's status; the day is between two recordings.
var stagedChanges = time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC)

// NewUser is the body of a create request.
type NewUser struct {
	Body     doc.Doc
	Activate bool
	// ChangeAtLogin makes the person choose another password at the first sign-in.
	ChangeAtLogin bool
}

// newUserGroups is in how many groups a user can be created (documented).
const newUserGroups = 20

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
	if len(groups) > newUserGroups {
		return nil, failure.Invalid("groupIds", "groupIds: A user can be created in 20 groups at most")
	}
	for _, id := range groups {
		if g := o.groups[id]; g == nil || g.Type != OktaGroup {
			return nil, failure.Invalid("groupIds", "groupIds: Invalid group id "+id)
		}
	}
	now := o.stamp()
	u := &User{
		ID: o.ids.ID("00u"), Status: Staged, Created: now, LastUpdated: now,
		TypeID: typeID, Profile: profile, Provider: "OKTA", RealmID: doc.String(n.Body, "realmId"),
	}
	if err := o.realmExists(u.RealmID); err != nil {
		return nil, err
	}
	if err := u.credentials(doc.Object(n.Body, "credentials"), now); err != nil {
		return nil, err
	}
	switch {
	case n.ChangeAtLogin && !u.HasPassword:
		return nil, failure.ExpireWithoutPassword()
	case n.ChangeAtLogin && !n.Activate:
		return nil, failure.ExpireInactive()
	}
	if u.HasPassword && (o.IsOIE() || !o.clock.Now().Before(stagedChanges)) {
		u.StatusChanged = now
	}
	o.putUser(u)
	remember(o, &o.pastUsers, u.ID, nil)
	o.Note(by, "user.lifecycle.create", nil, u.Party())
	o.seedAnchor("user", u.ID)
	o.join(nil, o.groups[o.info.Everyone], u, now)
	o.appsGained(by, o.groups[o.info.Everyone], u)
	if n.Activate {
		o.activate(by, u)
		o.expireFirst(by, u, n.ChangeAtLogin)
	}
	for _, id := range groups {
		o.join(by, o.groups[id], u, now)
	}
	o.follow(by, u)
	return u, nil
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
	if err := s.complete(profile); err != nil {
		return nil, err
	}
	if err := o.checkLogin(s, doc.String(profile, "login"), old); err != nil {
		return nil, err
	}
	if err := o.checkUnique(s, profile, old); err != nil {
		return nil, err
	}
	// These two are always present, null when empty (recorded).
	doc.Default(profile, "mobilePhone", nil)
	doc.Default(profile, "secondEmail", nil)
	return profile, nil
}

// checkLogin refuses names that are no addresses, unless the schema has a pattern of its
// own, and names that somebody else has.
func (o *Org) checkLogin(s *Schema, login string, old doc.Doc) error {
	if doc.Object(s.Base, "login")["pattern"] == nil && !strings.Contains(login, "@") {
		return failure.Invalid("login", "login: Username must be in the form of an email address")
	}
	other := o.logins[strings.ToLower(login)]
	if other != nil && !strings.EqualFold(login, doc.String(old, "login")) {
		return failure.Taken("login")
	}
	return nil
}

// checkUnique refuses values of unique attributes that somebody else has.
func (o *Org) checkUnique(s *Schema, profile, old doc.Doc) error {
	for _, name := range sortedKeys(s.Custom) {
		v := profile[name]
		if v == nil || doc.Get(s.Custom, name, "unique") == nil || equal(v, old[name]) {
			continue
		}
		for _, u := range o.users {
			if u.TypeID == s.Type && equal(u.Profile[name], v) {
				return failure.Taken(name)
			}
		}
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
	realmID := u.RealmID
	if given := doc.String(body, "realmId"); given != "" {
		realmID = given
	}
	if err := o.realmExists(realmID); err != nil {
		return err
	}
	o.changing(u)
	now, hadPassword := o.stamp(), u.PasswordChanged
	if err := u.credentials(doc.Object(body, "credentials"), now); err != nil {
		return err
	}
	before, wasType := u.Profile, u.TypeID
	delete(o.logins, strings.ToLower(u.Login()))
	u.Profile, u.TypeID, u.RealmID, u.LastUpdated = profile, typeID, realmID, now
	o.logins[strings.ToLower(u.Login())] = u
	if u.PasswordChanged != hadPassword {
		o.Note(by, "user.account.update_password", nil, u.Party())
	}
	if typeID != wasType {
		o.Note(by, "user.account.update_user_type", nil, u.Party())
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
	o.changing(u)
	u.Status, u.StatusChanged = status, o.stamp()
	u.LastUpdated = u.StatusChanged
}

// deactivate takes every app from the user (documented); group memberships stay
// (assumption: Okta's help says so of rule-assigned ones).
func (o *Org) deactivate(by *Cause, u *User) {
	for id := range o.appOrder.all() {
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
	for _, id := range u.groups.list() {
		o.leave(nil, o.groups[id], u, o.stamp())
	}
	o.changing(u)
	o.dropLinks(u.ID)
	o.forget(u.ID)
	delete(o.roles, u.ID)
	delete(o.logins, strings.ToLower(u.Login()))
	delete(o.users, u.ID)
	o.userOrder.remove(u.ID)
	o.userPlaces.remove(u.place())
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
	u.line = &userLine{}
	o.users[u.ID] = u
	o.userOrder.add(u.ID)
	o.userPlaces.add(u.place())
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
