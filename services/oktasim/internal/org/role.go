package org

import (
	"encoding/base32"
	"slices"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// RoleAssignment gives an assignee (a user, a group or an OAuth client) a standard
// admin role.
type RoleAssignment struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	// Targets limit the role; without any it holds for the whole org.
	Targets []RoleTarget `json:"targets,omitempty"`
}

// The kinds of assignee.
const (
	AssigneeUser   = "USER"
	AssigneeGroup  = "GROUP"
	AssigneeClient = "CLIENT"
)

// roleLabels are the standard roles by type.
var roleLabels = map[string]string{
	"SUPER_ADMIN":                 "Super Administrator",
	"ORG_ADMIN":                   "Organizational Administrator",
	"APP_ADMIN":                   "Application Administrator",
	"USER_ADMIN":                  "Group Administrator",
	"HELP_DESK_ADMIN":             "Help Desk Administrator",
	"GROUP_MEMBERSHIP_ADMIN":      "Group Membership Administrator",
	"READ_ONLY_ADMIN":             "Read-only Administrator",
	"REPORT_ADMIN":                "Report Administrator",
	"API_ACCESS_MANAGEMENT_ADMIN": "API Access Management Administrator",
	"MOBILE_ADMIN":                "Mobile Administrator",
}

// oldLabels are what Okta called two roles until 2023 (recorded).
var oldLabels = map[string]string{"SUPER_ADMIN": "Super Organization Administrator", "USER_ADMIN": "User Administrator"}

// relabelled is when the labels had changed; the day is between two recordings.
var relabelled = time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC)

func (o *Org) roleLabel(roleType string) string {
	if old := oldLabels[roleType]; old != "" && o.clock.Now().Before(relabelled) {
		return old
	}
	return roleLabels[roleType]
}

// targetable roles have the same assignment id everywhere: the base32 of their name (recorded).
var targetable = []string{"APP_ADMIN", "USER_ADMIN", "HELP_DESK_ADMIN", "GROUP_MEMBERSHIP_ADMIN"}

func (r *RoleAssignment) party() Party {
	return Party{ID: r.ID, Type: "ROLE", AlternateID: r.Type, DisplayName: roleLabels[r.Type]}
}

// assignee describes who holds roles.
type assignee struct {
	kind  string
	party Party
	href  string
	event string
}

func (o *Org) assignee(id string) (assignee, error) {
	if u := o.users[id]; u != nil {
		return assignee{AssigneeUser, u.Party(), o.base + "/api/v1/users/" + id, "user.account.privilege"}, nil
	}
	if g := o.groups[id]; g != nil {
		return assignee{AssigneeGroup, g.Party(), o.base + "/api/v1/groups/" + id, "group.privilege"}, nil
	}
	if a := o.Client(id); a != nil {
		return assignee{AssigneeClient, a.ClientParty(), o.base + "/oauth2/v1/clients/" + id, "app.oauth2.client.privilege"}, nil
	}
	return assignee{}, failure.NotFound(id, "User")
}

// Roles lists the assignments of a user, a group or a client.
func (o *Org) Roles(assigneeID string) []*RoleAssignment { return o.roles[assigneeID] }

// RoleBody is the body of an assignment.
func (o *Org) RoleBody(assigneeID string, r *RoleAssignment) (any, error) {
	a, err := o.assignee(assigneeID)
	if err != nil {
		return nil, err
	}
	created, updated := r.stamps()
	return doc.Doc{
		"id": r.ID, "label": o.roleLabel(r.Type), "type": r.Type, "status": Active, "created": created, "lastUpdated": updated,
		"assignmentType": a.kind, "_links": doc.Doc{"assignee": doc.Doc{"href": a.href}},
	}, nil
}

// Role finds an assignment.
func (o *Org) Role(assigneeID, id string) (*RoleAssignment, error) {
	for _, r := range o.roles[assigneeID] {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, failure.NotFound(id, "RoleAssignment")
}

// AssignRole gives a standard role.
func (o *Org) AssignRole(by *Cause, assigneeID, roleType string) (*RoleAssignment, error) {
	a, err := o.assignee(assigneeID)
	if err != nil {
		return nil, err
	}
	if roleLabels[roleType] == "" {
		return nil, failure.Invalid("type", "type: '"+roleType+"' is not a standard role")
	}
	if err := o.mayHoldRoles(assigneeID); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(o.roles[assigneeID], func(r *RoleAssignment) bool { return r.Type == roleType }) {
		return nil, failure.RoleTaken()
	}
	r := &RoleAssignment{ID: o.roleID(a.kind, roleType), Type: roleType, Created: o.stamp()}
	r.LastUpdated = r.Created
	o.roles[assigneeID] = append(o.roles[assigneeID], r)
	o.Note(by, a.event+".grant", doc.Doc{"privilegeGranted": roleLabels[roleType]}, a.party, r.party())
	return r, nil
}

// mayHoldRoles refuses groups to which Okta gives no roles (documented).
func (o *Org) mayHoldRoles(assigneeID string) error {
	g := o.groups[assigneeID]
	switch {
	case g == nil:
		return nil
	case g.Type == BuiltIn:
		return failure.RoleOfBuiltIn(g.Name())
	}
	for _, r := range o.rules {
		if slices.Contains(r.Targets(), g.ID) {
			return failure.RoleOfRuledGroup(g.Name())
		}
	}
	return nil
}

func (o *Org) roleID(kind, roleType string) string {
	if slices.Contains(targetable, roleType) {
		return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(roleType))
	}
	if kind == AssigneeGroup {
		return o.ids.ID("gra")
	}
	return o.ids.ID("ra1")
}

// UnassignRole takes a role away.
func (o *Org) UnassignRole(by *Cause, assigneeID, id string) error {
	if _, err := o.assignee(assigneeID); err != nil {
		return err
	}
	for _, c := range o.customRolesOf(assigneeID) {
		if c.member["id"] == any(id) {
			return o.RemoveBindingMember(by, c.binding, id)
		}
	}
	r, err := o.Role(assigneeID, id)
	if err != nil {
		return err
	}
	o.dropRole(by, assigneeID, r)
	return nil
}

func (o *Org) dropRole(by *Cause, assigneeID string, r *RoleAssignment) {
	o.roles[assigneeID] = slices.DeleteFunc(o.roles[assigneeID], func(x *RoleAssignment) bool { return x == r })
	if len(o.roles[assigneeID]) == 0 {
		delete(o.roles, assigneeID)
	}
	if a, err := o.assignee(assigneeID); err == nil {
		o.Note(by, a.event+".revoke", doc.Doc{"privilegeRevoked": roleLabels[r.Type]}, a.party, r.party())
	}
}

// UsersWithRoles lists the ids of users who hold a role themselves, after the cursor.
func (o *Org) UsersWithRoles(cursor string) []string {
	var out []string
	for id := range o.userOrder.after(cursor) {
		if len(o.roles[id]) > 0 || len(o.customRolesOf(id)) > 0 {
			out = append(out, id)
		}
	}
	return out
}

// IsRole says whether there is a standard role of the type.
func IsRole(name string) bool { return roleLabels[name] != "" }
