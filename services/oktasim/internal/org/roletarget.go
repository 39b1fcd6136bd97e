package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// RoleTarget is what a role is limited to: a group, all apps of a catalog name, or one app
// of it.
type RoleTarget struct {
	Group string `json:"group,omitempty"`
	Name  string `json:"name,omitempty"`
	App   string `json:"app,omitempty"`
	Added Stamp  `json:"added"`
}

func (t RoleTarget) same(other RoleTarget) bool {
	return t.Group == other.Group && t.Name == other.Name && t.App == other.App
}

// stamps are the times of an assignment: those of its targets, if it has any (recorded).
func (r *RoleAssignment) stamps() (created, updated Stamp) {
	if len(r.Targets) == 0 {
		return r.Created, r.LastUpdated
	}
	created, updated = r.Targets[0].Added, r.Targets[0].Added
	for _, t := range r.Targets {
		created, updated = min(created, t.Added), max(updated, t.Added)
	}
	return created, updated
}

// targetRoles are the roles that groups, and apps, can limit (documented).
var (
	groupTargetRoles = []string{"GROUP_MEMBERSHIP_ADMIN", "HELP_DESK_ADMIN", "USER_ADMIN"}
	appTargetRoles   = []string{"APP_ADMIN"}
)

// targetable fails for roles that the target cannot limit, and for targets that are not there.
func (o *Org) targetable(r *RoleAssignment, t RoleTarget) error {
	roles := appTargetRoles
	if t.Group != "" {
		roles = groupTargetRoles
		if err := o.exists("group", t.Group); err != nil {
			return err
		}
	}
	if !slices.Contains(roles, r.Type) {
		return failure.WrongRoleType()
	}
	if t.App == "" {
		return nil
	}
	a, err := o.App(t.App)
	if err == nil && a.Name != t.Name {
		err = failure.NotFound(t.App, "AppInstance")
	}
	return err
}

// AddRoleTarget limits a role. Limiting it to all apps of a name ends the limits to single
// ones (documented).
func (o *Org) AddRoleTarget(by *Cause, assigneeID string, r *RoleAssignment, t RoleTarget) error {
	if err := o.targetable(r, t); err != nil {
		return err
	}
	if slices.ContainsFunc(r.Targets, t.same) {
		return nil
	}
	t.Added = o.stamp()
	r.Targets = append(r.Targets, t)
	return o.noteTarget(by, assigneeID, r, ".grant")
}

// RemoveRoleTarget ends a limit. The last one stays: without it the role would hold for
// everything (documented; the code is an assumption).
func (o *Org) RemoveRoleTarget(by *Cause, assigneeID string, r *RoleAssignment, t RoleTarget) error {
	i := slices.IndexFunc(r.Targets, t.same)
	switch {
	case i < 0 && t.Group != "":
		return failure.NotFound(t.Group, "UserGroup")
	case i < 0:
		return failure.NotFound(t.App+t.Name, "AppInstance")
	case len(r.Targets) == 1:
		return failure.Invalid("target", "The last target of a role assignment cannot be removed")
	}
	r.Targets = slices.Delete(r.Targets, i, i+1)
	return o.noteTarget(by, assigneeID, r, ".revoke")
}

func (o *Org) noteTarget(by *Cause, assigneeID string, r *RoleAssignment, verb string) error {
	a, err := o.assignee(assigneeID)
	if err != nil {
		return err
	}
	o.Note(by, a.event+verb, nil, a.party, r.party())
	return nil
}

// AllApps ends a role's limits to apps.
func (r *RoleAssignment) AllApps() {
	r.Targets = slices.DeleteFunc(r.Targets, func(t RoleTarget) bool { return t.Group == "" })
}

// dropTarget ends the limits of all roles to a group or an app that is no more; a role
// that was limited to it alone ends, too.
func (o *Org) dropTarget(by *Cause, id string) {
	gone := func(t RoleTarget) bool { return t.Group == id || t.App == id }
	for _, holder := range sortedKeys(o.roles) {
		for _, r := range slices.Clone(o.roles[holder]) {
			if !slices.ContainsFunc(r.Targets, gone) {
				continue
			}
			if r.Targets = slices.DeleteFunc(r.Targets, gone); len(r.Targets) == 0 {
				o.dropRole(by, holder, r)
			}
		}
	}
}

// GroupTargets are the groups that limit a role.
func (o *Org) GroupTargets(r *RoleAssignment) []any {
	out := []any{}
	for _, t := range r.Targets {
		if t.Group != "" {
			out = append(out, o.GroupBody(o.groups[t.Group]))
		}
	}
	return out
}

// AppTargets are the apps that limit a role, single ones by their labels (recorded).
func (o *Org) AppTargets(r *RoleAssignment) []any {
	out := []any{}
	for _, t := range r.Targets {
		switch {
		case t.Group != "":
		case t.App == "":
			out = append(out, o.catalogBody(t.Name))
		default:
			a := o.apps[t.App]
			out = append(out, doc.Doc{
				"name": a.Label, "status": a.Status, "id": t.App, "_links": doc.Doc{"self": doc.Doc{"href": o.base + "/api/v1/apps/" + t.App}},
			})
		}
	}
	return out
}

// catalogBody is an entry of the catalog of apps, of which little is known.
func (o *Org) catalogBody(name string) doc.Doc {
	if known := o.info.Catalog[name]; known != nil {
		return doc.Clone(known)
	}
	return doc.Doc{
		"name": name, "displayName": name, "description": name, "status": Active, "lastUpdated": o.info.Created,
		"category": "SECURITY", "verificationStatus": "OKTA_VERIFIED", "website": "https://www.okta.com/", "signOnModes": doc.Array("BROWSER_PLUGIN"),
		"_links": doc.Doc{
			"logo": []any{doc.Doc{"name": "medium", "href": image("default"), "type": "image/png"}},
			"self": doc.Doc{"href": o.base + "/api/v1/catalog/apps/" + name},
		},
	}
}

// adoptCatalogApp takes over an entry of the catalog, which is the same for every org.
func adoptCatalogApp(o *Org, ids []string, body doc.Doc) error {
	if o.info.Catalog == nil {
		o.info.Catalog = map[string]doc.Doc{}
	}
	o.info.Catalog[ids[0]] = body
	return nil
}

// leaveRoles lets one who is no more limit no role, have none by a binding, be in no
// resource set and own no group.
func (o *Org) leaveRoles(by *Cause, id string) {
	o.dropTarget(by, id)
	o.forgetMember(id)
	o.dropResource(id)
	o.disown(id)
}

// below lists the objects of the named kind in a home; none if the org has no such kind.
func (o *Org) below(kind, home string) []*Object {
	k := o.kinds.named(kind)
	if k == nil {
		return nil
	}
	return o.objectsIn(k, home)
}
