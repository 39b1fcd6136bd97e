package org

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// The types of a group.
const (
	OktaGroup = "OKTA_GROUP"
	AppGroup  = "APP_GROUP"
	BuiltIn   = "BUILT_IN"
)

// Group is one group with its members.
type Group struct {
	ID                    string `json:"id"`
	Type                  string `json:"type"`
	Created               Stamp  `json:"created"`
	LastUpdated           Stamp  `json:"lastUpdated"`
	LastMembershipUpdated Stamp  `json:"lastMembershipUpdated"`
	// MembershipBefore is the time that shows until a change of Everyone's members does.
	MembershipBefore Stamp   `json:"membershipBefore,omitzero"`
	Profile          doc.Doc `json:"profile"`
	// Source is the id of the app that an APP_GROUP was imported from.
	Source  string       `json:"source,omitempty"`
	Owners  []GroupOwner `json:"owners,omitempty"`
	Members []*Member    `json:"members"`

	byUser map[string]*Member
	order  index
}

// Member says why a user is in a group: by hand, by rules, or both.
type Member struct {
	User   string   `json:"user"`
	Added  Stamp    `json:"added"`
	Manual bool     `json:"manual,omitempty"`
	Rules  []string `json:"rules,omitempty"`
}

// Name is the group's name.
func (g *Group) Name() string { return doc.String(g.Profile, "name") }

// Party is the group as target.
func (g *Group) Party() Party {
	return Party{ID: g.ID, Type: "UserGroup", AlternateID: "unknown", DisplayName: g.Name()}
}

// MembersAfter lists the ids of members that follow the cursor.
func (g *Group) MembersAfter(cursor string) iter.Seq[string] { return g.order.after(cursor) }

// Has says whether the user is a member.
func (g *Group) Has(userID string) bool { return g.order.has(userID) }

// GroupBody is the group's body, the same in lists and single reads (recorded).
func (o *Org) GroupBody(g *Group) any {
	class := "okta:user_group"
	links := doc.Doc{
		"logo":   groupLogo,
		"owners": doc.Doc{"href": o.base + "/api/v1/groups/" + g.ID + "/owners"},
		"users":  doc.Doc{"href": o.base + "/api/v1/groups/" + g.ID + "/users"},
		"apps":   doc.Doc{"href": o.base + "/api/v1/groups/" + g.ID + "/apps"},
	}
	if g.Type == AppGroup {
		class = "okta:windows_security_principal"
		links["source"] = doc.Doc{"href": o.base + "/api/v1/apps/" + g.Source}
	}
	return struct {
		ID                    string   `json:"id"`
		Created               Stamp    `json:"created"`
		LastUpdated           Stamp    `json:"lastUpdated"`
		LastMembershipUpdated Stamp    `json:"lastMembershipUpdated"`
		ObjectClass           []string `json:"objectClass"`
		Type                  string   `json:"type"`
		Profile               doc.Doc  `json:"profile"`
		Links                 doc.Doc  `json:"_links"`
	}{g.ID, g.Created, g.LastUpdated, o.membershipUpdated(g), []string{class}, g.Type, g.Profile, links}
}

var groupLogo = []any{
	doc.Doc{"name": "medium", "href": image("groups/odyssey/okta-medium"), "type": "image/png"},
	doc.Doc{"name": "large", "href": image("groups/odyssey/okta-large"), "type": "image/png"},
}

// Group finds a group.
func (o *Org) Group(id string) (*Group, error) {
	if g := o.groups[id]; g != nil {
		return g, nil
	}
	return nil, failure.NotFound(id, "UserGroup")
}

// GroupsAfter lists group ids that follow the cursor.
func (o *Org) GroupsAfter(cursor string) iter.Seq[string] { return o.groupOrder.after(cursor) }

// GroupNamed finds a group by its name, nil if there is none.
func (o *Org) GroupNamed(name string) *Group {
	for id := range o.groupOrder.all() {
		if g := o.groups[id]; strings.EqualFold(g.Name(), name) {
			return g
		}
	}
	return nil
}

func (o *Org) groupProfile(old *Group, given doc.Doc) (doc.Doc, error) {
	if given == nil {
		return nil, failure.Missing("profile")
	}
	if err := o.schemas[groupSchema].check("group", given); err != nil {
		return nil, err
	}
	name := doc.String(given, "name")
	if err := o.schemas[groupSchema].complete(given); err != nil {
		return nil, err
	}
	if g := o.groupNames[strings.ToLower(name)]; g != nil && g != old {
		return nil, failure.Taken("name")
	}
	profile := doc.Clone(given)
	description, given2 := profile["description"]
	maps.DeleteFunc(profile, func(_ string, v any) bool { return v == nil })
	if !given2 || description == nil {
		profile["description"] = nil
	}
	return profile, nil
}

// checkGroupType refuses a type that the API cannot give: groups of apps and Okta's own are
// not made by it, and none becomes another (E0000001 is an assumption).
func checkGroupType(body doc.Doc) error {
	switch t := body["type"]; t {
	case nil, OktaGroup:
		return nil
	case BuiltIn, AppGroup:
		return failure.Invalid("type", "type: A group of the type "+doc.String(body, "type")+" is not made by this operation")
	}
	return failure.Malformed()
}

// CreateGroup makes an OKTA_GROUP.
func (o *Org) CreateGroup(by *Cause, body doc.Doc) (*Group, error) {
	if err := checkGroupType(body); err != nil {
		return nil, err
	}
	profile, err := o.groupProfile(nil, doc.Object(body, "profile"))
	if err != nil {
		return nil, err
	}
	now := o.stamp()
	g := &Group{ID: o.ids.ID("00g"), Type: OktaGroup, Created: now, LastUpdated: now, LastMembershipUpdated: now, Profile: profile}
	o.putGroup(g)
	remember(o, &o.pastGroups, g.ID, nil)
	o.Note(by, "group.lifecycle.create", nil, g.Party())
	o.seedAnchor("group", g.ID)
	return g, nil
}

// UpdateGroup replaces the profile.
func (o *Org) UpdateGroup(by *Cause, g *Group, body doc.Doc) error {
	if g.Type != OktaGroup {
		return failure.Unsupported()
	}
	if err := checkGroupType(body); err != nil {
		return err
	}
	profile, err := o.groupProfile(g, doc.Object(body, "profile"))
	if err != nil {
		return err
	}
	o.changingGroup(g)
	o.freeName(g)
	g.Profile, g.LastUpdated = profile, o.stamp()
	o.takeName(g)
	o.Note(by, "group.profile.update", nil, g.Party())
	return nil
}

// DeleteGroup removes a group and what hangs on it: its app assignments, its roles, its
// place in policy conditions; rules that name it become INVALID.
func (o *Org) DeleteGroup(by *Cause, g *Group) error {
	if g.Type == BuiltIn {
		return failure.Unsupported()
	}
	if err := o.held("group", g.ID); err != nil {
		return err
	}
	for id := range o.appOrder.all() {
		o.unassignGroup(by, o.apps[id], g)
	}
	for _, r := range slices.Clone(o.roles[g.ID]) {
		o.dropRole(by, g.ID, r)
	}
	now := o.stamp()
	members := g.order.list()
	for _, id := range members {
		u := o.users[id]
		u.groups.remove(g.ID)
	}
	o.changingGroup(g)
	o.freeName(g)
	delete(o.groups, g.ID)
	o.groupOrder.remove(g.ID)
	o.groupPlaces.remove(g.place())
	o.Note(by, "group.lifecycle.delete", nil, g.Party())
	o.gone(by, "group", g.ID)
	o.invalidateRules(by, g.ID, now)
	// Assumption: Okta takes the id out of the conditions and leaves the rest, so a
	// condition may end with an empty list. Recordings never show it.
	o.eachPolicyDoc(func(d doc.Doc) { doc.RemoveString(d, g.ID) })
	for _, id := range members {
		o.follow(by, o.users[id])
	}
	return nil
}

func (o *Org) putGroup(g *Group) {
	g.byUser = make(map[string]*Member, len(g.Members))
	for _, m := range g.Members {
		g.byUser[m.User] = m
		g.order.add(m.User)
	}
	g.Members = nil
	o.groups[g.ID] = g
	o.groupOrder.add(g.ID)
	o.groupPlaces.add(g.place())
	o.takeName(g)
}

// takeName lets no other group of the org's own have the group's name.
func (o *Org) takeName(g *Group) {
	if g.Type != AppGroup {
		o.groupNames[strings.ToLower(g.Name())] = g
	}
}

func (o *Org) freeName(g *Group) {
	if name := strings.ToLower(g.Name()); o.groupNames[name] == g {
		delete(o.groupNames, name)
	}
}

// AddMember puts a user into a group by hand.
func (o *Org) AddMember(by *Cause, g *Group, u *User) error {
	if g.Type != OktaGroup {
		return failure.Unsupported()
	}
	o.join(by, g, u, o.stamp())
	o.follow(by, u)
	return nil
}

// RemoveMember takes a user out of a group. A user whom a rule put there is added to
// the exclusions of that rule (documented), or the rule would bring them back.
func (o *Org) RemoveMember(by *Cause, g *Group, u *User) error {
	if g.Type != OktaGroup {
		return failure.Unsupported()
	}
	m := g.byUser[u.ID]
	if m == nil {
		return nil
	}
	for _, id := range m.Rules {
		r := o.rules[id]
		users := doc.Ensure(r.Conditions, "people", "users")
		users["exclude"] = append(doc.Array(doc.Strings(users, "exclude")...), u.ID)
		o.Note(by, "group.user_membership.rule.add_exclusion", nil, u.Party(), r.Party())
	}
	o.leave(by, g, u, o.stamp())
	o.follow(by, u)
	return nil
}

// join makes the membership manual and logs it if it is new.
func (o *Org) join(by *Cause, g *Group, u *User, now Stamp) {
	m := o.membership(g, u, now)
	if m.Manual {
		return
	}
	m.Manual = true
	if by != nil && len(m.Rules) == 0 {
		o.Note(by, "group.user_membership.add", nil, u.Party(), g.Party())
		o.appsGained(by, g, u)
	}
}

// everyoneRests is when new people had ceased to move the time of Everyone's members; the
// day is between two recordings. Before, it took everyoneLags to show.
var everyoneRests = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)

const everyoneLags = 3 * time.Second

// moveMembership sets the time of the last change among the members.
func (o *Org) moveMembership(g *Group, now Stamp) {
	o.changingGroup(g)
	switch {
	case g.ID != o.info.Everyone:
		g.LastMembershipUpdated = now
	case o.clock.Now().Before(everyoneRests):
		g.MembershipBefore = o.membershipUpdated(g)
		g.LastMembershipUpdated = now
	}
}

// membershipUpdated is that time as answers show it.
func (o *Org) membershipUpdated(g *Group) Stamp {
	if g.MembershipBefore != 0 && o.clock.Now().Sub(g.LastMembershipUpdated.Time()) < everyoneLags {
		return g.MembershipBefore
	}
	return g.LastMembershipUpdated
}

// membership returns the record, making it if needed.
func (o *Org) membership(g *Group, u *User, now Stamp) *Member {
	m := g.byUser[u.ID]
	if m == nil {
		m = &Member{User: u.ID, Added: now}
		g.byUser[u.ID] = m
		g.order.add(u.ID)
		u.groups.add(g.ID)
		o.moveMembership(g, now)
	}
	return m
}

func (o *Org) leave(by *Cause, g *Group, u *User, now Stamp) {
	var lost []*App
	if by != nil {
		lost = o.appsThrough(g, u)
	}
	delete(g.byUser, u.ID)
	g.order.remove(u.ID)
	u.groups.remove(g.ID)
	o.changingGroup(g)
	g.LastMembershipUpdated = now
	o.Note(by, "group.user_membership.remove", nil, u.Party(), g.Party())
	for _, a := range lost {
		o.Note(o.system(by), "application.user_membership.remove", nil, a.appUserParty(u), a.Party(), u.Party())
	}
}

// Values returns what the group has at a filter or search attribute.
func (g *Group) Values(name string) []any {
	switch name {
	case "id":
		return text(g.ID)
	case "type":
		return text(g.Type)
	case "created":
		return moment(g.Created)
	case "lastUpdated":
		return moment(g.LastUpdated)
	case "lastMembershipUpdated":
		return moment(g.LastMembershipUpdated)
	case "source.id":
		return text(g.Source)
	}
	field, ok := strings.CutPrefix(name, "profile.")
	if !ok {
		return nil
	}
	return values(g.Profile[field])
}
