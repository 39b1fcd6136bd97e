package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// RoleSource is a grant of governance from which a person has a role.
type RoleSource struct {
	grant       *Object
	entitlement doc.Doc
}

// assignedRole is the standard type or the custom role of an assignment.
func (o *Org) assignedRole(assigneeID, id string) (role string, err error) {
	if r, err := o.Role(assigneeID, id); err == nil {
		return r.Type, nil
	}
	for _, r := range o.customRolesOf(assigneeID) {
		if r.member["id"] == any(id) {
			return r.binding.Role, nil
		}
	}
	return "", failure.NotFound(id, "RoleAssignment")
}

// RoleSources are the grants from which a person has the role of an assignment: those of
// bundles with that role.
func (o *Org) RoleSources(user, assignment string) ([]RoleSource, error) {
	role, err := o.assignedRole(user, assignment)
	if err != nil {
		return nil, err
	}
	var out []RoleSource
	for _, g := range o.below("grants", "") {
		bundle := o.object(o.kinds.named("admin_bundles"), g.text("entitlementBundleId"))
		if bundle == nil || g.text("targetPrincipal.externalId") != user {
			continue
		}
		all := parts(bundle.Body, "entitlements")
		if i := slices.IndexFunc(all, func(e doc.Doc) bool { return o.sameRole(doc.String(e, "role"), role) }); i >= 0 {
			out = append(out, RoleSource{g, all[i]})
		}
	}
	return out, nil
}

// sameRole compares roles that may be named by id or label.
func (o *Org) sameRole(a, b string) bool {
	if x, err := o.CustomRole(a); err == nil {
		a = x.ID
	}
	return a == b
}

// RoleSourceBody is one source of the role at the URL.
func (s RoleSource) RoleSourceBody(role string) doc.Doc {
	self := role + "/governance/" + s.grant.ID
	body := doc.Doc{
		"grantId": s.grant.ID, "bundleId": s.grant.text("entitlementBundleId"), "type": s.grant.text("grantType"),
		"_links": doc.Doc{"self": doc.Doc{"href": self}, "resources": doc.Doc{"href": self + "/resources"}},
	}
	if end := s.grant.text("scheduleSettings.expirationDate"); end != "" {
		body["expirationDate"] = end
	}
	return body
}

// ID is the grant's id.
func (s RoleSource) ID() string { return s.grant.ID }

// RoleSourceResources are what the grant limits the role to.
func (o *Org) RoleSourceResources(s RoleSource) []any {
	list := []any{}
	for _, l := range o.limits(s.entitlement) {
		list = append(list, doc.Doc{"resource": l.orn, "label": l.label})
	}
	return list
}

// GrantedRole is a limit of a role that a person has, and how the person has it.
type GrantedRole struct {
	ORN, AssignmentType, Href string
}

// RoleTargetsOf are all limits of the role with the id that a user has, by name and through
// groups; how is "USER" or "GROUP" for one of these alone.
func (o *Org) RoleTargetsOf(u *User, id, how string) ([]GrantedRole, error) {
	var out []GrantedRole
	found := false
	collect := func(assignee, kind string) {
		r, err := o.Role(assignee, id)
		if err != nil {
			return
		}
		found = true
		for _, t := range r.Targets {
			if l := o.limitBy(t); how == "" || how == kind {
				out = append(out, GrantedRole{l.orn, kind, l.href})
			}
		}
	}
	collect(u.ID, AssigneeUser)
	for g := range u.groups.all() {
		collect(g, AssigneeGroup)
	}
	if !found {
		return nil, failure.NotFound(id, "RoleAssignment")
	}
	return out, nil
}
