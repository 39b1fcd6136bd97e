package org

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// AppGroupLink assigns a group to an app.
type AppGroupLink struct {
	Group       string  `json:"group"`
	LastUpdated Stamp   `json:"lastUpdated"`
	Priority    int     `json:"priority"`
	Profile     doc.Doc `json:"profile"`
}

// AppUser is an assignment made to a person. Those that follow from groups are not
// stored: they are what the groups say.
type AppUser struct {
	User          string  `json:"user"`
	Created       Stamp   `json:"created"`
	LastUpdated   Stamp   `json:"lastUpdated"`
	StatusChanged Stamp   `json:"statusChanged"`
	UserName      string  `json:"userName"`
	Profile       doc.Doc `json:"profile"`
}

// Assignment is one user of an app, by name or through a group.
type Assignment struct {
	User *User
	// Direct is nil for an assignment through Group.
	Direct *AppUser
	Group  *Group
	Since  Stamp
}

// assigned finds out how the user has the app; nil if not at all.
func (a *App) assigned(o *Org, u *User) *Assignment {
	if d := a.Users[u.ID]; d != nil {
		return &Assignment{User: u, Direct: d, Since: d.Created}
	}
	if u.Status == Deprovisioned {
		return nil
	}
	for _, l := range a.Groups {
		g := o.groups[l.Group]
		if m := g.byUser[u.ID]; m != nil {
			return &Assignment{User: u, Group: g, Since: max(m.Added, l.LastUpdated, u.Created)}
		}
	}
	return nil
}

// AppUserOf finds the assignment of one user.
func (o *Org) AppUserOf(a *App, userID string) (*Assignment, error) {
	u := o.users[userID]
	if u == nil {
		return nil, failure.NotFound(userID, "User")
	}
	as := a.assigned(o, u)
	if as == nil {
		return nil, failure.NotFound(userID, "AppUser")
	}
	return as, nil
}

// AppUsersAfter lists, in the order of ids, the users who have the app.
func (o *Org) AppUsersAfter(a *App, cursor string) iter.Seq[string] {
	sets := []*index{&a.userOrder}
	for _, l := range a.Groups {
		sets = append(sets, &o.groups[l.Group].order)
	}
	return func(yield func(string) bool) {
		for id := range merged(sets, cursor) {
			if (a.Users[id] != nil || o.users[id].Status != Deprovisioned) && !yield(id) {
				return
			}
		}
	}
}

func (o *Org) assignedUsers(a *App) []any {
	return doc.Array(slices.Collect(o.AppUsersAfter(a, ""))...)
}

// AppUserBody is the body of an assignment.
func (o *Org) AppUserBody(a *App, as *Assignment) doc.Doc {
	links := doc.Doc{
		"app":  doc.Doc{"href": o.base + "/api/v1/apps/" + a.ID},
		"user": doc.Doc{"href": o.base + "/api/v1/users/" + as.User.ID},
	}
	d := as.Direct
	scope := "USER"
	if d == nil {
		scope = "GROUP"
		d = &AppUser{
			Created: as.Since, LastUpdated: as.Since, StatusChanged: as.Since,
			UserName: as.User.Login(), Profile: a.appUserProfile(as.User, nil),
		}
		links["group"] = doc.Doc{"name": as.Group.Name(), "href": o.base + "/api/v1/groups/" + as.Group.ID}
	}
	return doc.Doc{
		"id": as.User.ID, "externalId": nil, "created": d.Created, "lastUpdated": d.LastUpdated, "scope": scope, "status": Active,
		"statusChanged": d.StatusChanged, "passwordChanged": nil, "syncState": "DISABLED",
		"credentials": doc.Doc{"userName": d.UserName}, "profile": d.Profile, "_links": links,
	}
}

// oidcClaims are the app-user attributes of an OIDC app (recorded), by the user
// attribute that fills them.
var oidcClaims = map[string]string{
	"street_address": "streetAddress", "country": "countryCode", "website": "profileUrl", "birthdate": "", "gender": "",
	"formatted": "", "profile": "", "locality": "city", "given_name": "firstName", "middle_name": "middleName",
	"picture": "", "nickname": "nickName", "phone_number": "primaryPhone", "region": "state", "postal_code": "zipCode",
	"family_name": "lastName", "email": "email",
}

// appUserProfile is the profile that an app has of a user; given overrides it.
func (a *App) appUserProfile(u *User, given doc.Doc) doc.Doc {
	p := doc.Doc{}
	if a.SignOnMode == OpenIDConnect {
		for claim, attribute := range oidcClaims {
			p[claim] = u.Profile[attribute]
		}
		p["name"], p["zoneinfo"], p["locale"] = u.Name(), "America/Los_Angeles", "en_US"
	}
	maps.Copy(p, doc.Clone(given))
	return p
}

func (a *App) appUserParty(u *User) Party {
	return Party{ID: u.ID, Type: "AppUser", AlternateID: u.Login(), DisplayName: u.Name()}
}

// AssignUser gives a user the app by name; a second time it updates the assignment.
func (o *Org) AssignUser(by *Cause, a *App, u *User, body doc.Doc) (*Assignment, error) {
	if u.Status == Deprovisioned {
		return nil, failure.WrongStatus()
	}
	now := o.stamp()
	had := a.assigned(o, u)
	d := a.Users[u.ID]
	event := "application.user_membership.update"
	if d == nil {
		d = &AppUser{User: u.ID, Created: now, StatusChanged: now, UserName: u.Login()}
		a.Users[u.ID] = d
		a.userOrder.add(u.ID)
		if had == nil {
			event = "application.user_membership.add"
		}
	}
	d.LastUpdated = now
	name := doc.String(body, "credentials", "userName")
	if name != "" && name != d.UserName {
		d.UserName = name
	}
	d.Profile = a.appUserProfile(u, doc.Object(body, "profile"))
	o.Note(by, event, nil, a.appUserParty(u), a.Party(), u.Party())
	return a.assigned(o, u), nil
}

// UnassignUser takes the assignment by name away; one through a group may remain.
func (o *Org) UnassignUser(by *Cause, a *App, u *User) error {
	if a.Users[u.ID] == nil {
		if a.assigned(o, u) != nil {
			return failure.Invalid("appUser", "The user is assigned through a group; remove the group's assignment or the membership")
		}
		return failure.NotFound(u.ID, "AppUser")
	}
	delete(a.Users, u.ID)
	a.userOrder.remove(u.ID)
	o.Note(by, "application.user_membership.remove", nil, a.appUserParty(u), a.Party(), u.Party())
	return nil
}

// AppGroupOf finds the assignment of one group.
func (o *Org) AppGroupOf(a *App, groupID string) (*AppGroupLink, error) {
	if _, err := o.Group(groupID); err != nil {
		return nil, err
	}
	for _, l := range a.Groups {
		if l.Group == groupID {
			return l, nil
		}
	}
	return nil, failure.NotFound(groupID, "ApplicationGroupAssignment")
}

// AppGroupBody is the body of a group's assignment.
func (o *Org) AppGroupBody(a *App, l *AppGroupLink) doc.Doc {
	app := o.base + "/api/v1/apps/" + a.ID
	return doc.Doc{
		"id": l.Group, "lastUpdated": l.LastUpdated, "priority": l.Priority, "profile": l.Profile,
		"_links": doc.Doc{
			"app":   doc.Doc{"href": app},
			"self":  doc.Doc{"href": app + "/groups/" + l.Group},
			"group": doc.Doc{"href": o.base + "/api/v1/groups/" + l.Group},
		},
	}
}

// AssignGroup gives a group the app, or changes the assignment. Others make room without
// being touched otherwise (recorded).
func (o *Org) AssignGroup(by *Cause, a *App, g *Group, body doc.Doc) *AppGroupLink {
	i := slices.IndexFunc(a.Groups, func(l *AppGroupLink) bool { return l.Group == g.ID })
	priority, given := doc.Int(body, "priority")
	l := &AppGroupLink{Group: g.ID, Profile: doc.Doc{}}
	event := "group.application_assignment.add"
	var gained []*User
	if i >= 0 {
		l, event = a.Groups[i], "group.application_assignment.update"
		a.Groups = slices.Delete(a.Groups, i, i+1)
	} else {
		gained = o.withoutApp(a, g)
	}
	before := l.Priority
	if !given {
		priority = before
		if i < 0 {
			priority = a.freePriority()
		}
	}
	if i < 0 || priority != before {
		l.LastUpdated = o.stamp()
	}
	l.Priority = priority
	if p := doc.Object(body, "profile"); p != nil {
		l.Profile = doc.Clone(p)
	}
	a.place(l, i >= 0 && priority > before)
	o.Note(by, event, nil, g.Party(), a.Party())
	for _, u := range gained {
		o.Note(o.system(by), "application.user_membership.add", nil, a.appUserParty(u), a.Party(), u.Party())
	}
	return l
}

// WholeAssignment completes a change of a group's assignment by what it leaves as it is.
func (o *Org) WholeAssignment(a *App, g *Group, change doc.Doc) doc.Doc {
	l, err := o.AppGroupOf(a, g.ID)
	if err != nil {
		return change
	}
	return doc.Merge(doc.Doc{"profile": l.Profile}, change)
}

// withoutApp lists the members of g who do not have the app yet.
func (o *Org) withoutApp(a *App, g *Group) []*User {
	var out []*User
	for id := range g.order.all() {
		if u := o.users[id]; u.Status != Deprovisioned && a.assigned(o, u) == nil {
			out = append(out, u)
		}
	}
	return out
}

// freePriority is the first that no group has (recorded: of two groups that came at
// once, one for the second place, the other got the first).
func (a *App) freePriority() int {
	free := 0
	for a.at(free) >= 0 {
		free++
	}
	return free
}

// at is where in the list the group of a priority stands, or -1.
func (a *App) at(priority int) int {
	return slices.IndexFunc(a.Groups, func(l *AppGroupLink) bool { return l.Priority == priority })
}

// place inserts l by its priority. Those that are in its way step aside: forward, if it
// left a place before them, else back. Who goes to a free place moves nobody (the first
// two are recorded, the third is what the tests of Okta's Terraform provider expect).
func (a *App) place(l *AppGroupLink, fromBefore bool) {
	step := 1
	if fromBefore {
		step = -1
	}
	var aside []*AppGroupLink
	for next := l.Priority; a.at(next) >= 0; next += step {
		aside = append(aside, a.Groups[a.at(next)])
	}
	for _, other := range aside {
		other.Priority += step
	}
	i := slices.IndexFunc(a.Groups, func(o *AppGroupLink) bool { return o.Priority > l.Priority })
	if i < 0 {
		i = len(a.Groups)
	}
	a.Groups = slices.Insert(a.Groups, i, l)
}

// UnassignGroup takes the app from a group.
func (o *Org) UnassignGroup(by *Cause, a *App, g *Group) error {
	if _, err := o.AppGroupOf(a, g.ID); err != nil {
		return err
	}
	o.unassignGroup(by, a, g)
	return nil
}

func (o *Org) unassignGroup(by *Cause, a *App, g *Group) {
	i := slices.IndexFunc(a.Groups, func(l *AppGroupLink) bool { return l.Group == g.ID })
	if i < 0 {
		return
	}
	a.Groups = slices.Delete(a.Groups, i, i+1)
	o.Note(by, "group.application_assignment.remove", nil, g.Party(), a.Party())
	for _, u := range o.withoutApp(a, g) {
		o.Note(o.system(by), "application.user_membership.remove", nil, a.appUserParty(u), a.Party(), u.Party())
	}
}

// appsGained notes the apps that a new member has through the group alone.
func (o *Org) appsGained(by *Cause, g *Group, u *User) {
	if by == nil {
		return
	}
	for _, a := range o.appsThrough(g, u) {
		o.Note(o.system(by), "application.user_membership.add", nil, a.appUserParty(u), a.Party(), u.Party())
	}
}

// appsThrough lists the apps that the user has through this group and nothing else.
func (o *Org) appsThrough(g *Group, u *User) []*App {
	var out []*App
	if u.Status == Deprovisioned {
		return nil
	}
	for id := range o.appOrder.all() {
		a := o.apps[id]
		others := slices.ContainsFunc(a.Groups, func(l *AppGroupLink) bool { return l.Group != g.ID && u.groups.has(l.Group) })
		mine := slices.ContainsFunc(a.Groups, func(l *AppGroupLink) bool { return l.Group == g.ID })
		if mine && !others && a.Users[u.ID] == nil {
			out = append(out, a)
		}
	}
	return out
}

// AppsOfGroup lists the ids of apps that the group has, after the cursor.
func (o *Org) AppsOfGroup(g *Group, cursor string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range o.appOrder.after(cursor) {
			has := slices.ContainsFunc(o.apps[id].Groups, func(l *AppGroupLink) bool { return l.Group == g.ID })
			if has && !yield(id) {
				return
			}
		}
	}
}

// Matches says whether the user's name or user name begins with q.
func (as *Assignment) Matches(q string) bool {
	for _, s := range []string{as.User.Login(), doc.String(as.User.Profile, "firstName"), doc.String(as.User.Profile, "lastName"), doc.String(as.User.Profile, "email")} {
		if strings.HasPrefix(strings.ToLower(s), strings.ToLower(q)) {
			return true
		}
	}
	return false
}
