package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Binding says who has a role for the resources of a set.
type Binding struct {
	Set  *Object
	Role string
	body doc.Doc
}

func (o *Org) bindingsOf(set *Object) []Binding {
	var out []Binding
	for _, b := range parts(set.Body, "bindings") {
		out = append(out, Binding{set, doc.String(b, "role"), b})
	}
	return out
}

// Binding finds the binding of a role, by id or label, in a set.
func (o *Org) Binding(set *Object, role string) (Binding, error) {
	if x, err := o.CustomRole(role); err == nil {
		role = x.ID
	}
	for _, b := range o.bindingsOf(set) {
		if b.Role == role {
			return b, nil
		}
	}
	return Binding{}, failure.NotFound(role, "RoleBinding")
}

// isBound says whether any set has a binding of the role.
func (o *Org) isBound(role string) bool {
	for _, set := range o.below("resource_sets", "") {
		if slices.ContainsFunc(o.bindingsOf(set), func(b Binding) bool { return b.Role == role }) {
			return true
		}
	}
	return false
}

// Bind gives members a role, custom or standard, for the resources of a set.
func (o *Org) Bind(by *Cause, set *Object, body doc.Doc) (Binding, error) {
	role := doc.String(body, "role")
	if x, err := o.CustomRole(role); err == nil {
		role = x.ID
	} else if roleLabels[role] == "" {
		return Binding{}, err
	}
	if _, err := o.Binding(set, role); err == nil {
		return Binding{}, failure.Invalid("role", "role: The role is bound to this resource set already")
	}
	b := Binding{set, role, doc.Doc{"role": role, "members": []any{}}}
	if err := o.addMembers(b, doc.Strings(body, "members")); err != nil {
		return Binding{}, err
	}
	setParts(set.Body, "bindings", append(parts(set.Body, "bindings"), b.body))
	o.noteSet(by, set, "iam.resourceset.bindings.add")
	return b, nil
}

// AddBindingMembers gives more members the role of a binding.
func (o *Org) AddBindingMembers(by *Cause, b Binding, members []string) error {
	if len(members) == 0 {
		return failure.Missing("additions")
	}
	if err := o.addMembers(b, members); err != nil {
		return err
	}
	o.noteSet(by, b.Set, "iam.resourceset.bindings.add")
	return nil
}

// addMembers reads members as URLs of users, groups and clients.
func (o *Org) addMembers(b Binding, members []string) error {
	list := parts(b.body, "members")
	now := o.stamp().String()
	for _, m := range members {
		i := strings.Index(m, "/api/v1/")
		if j := strings.Index(m, "/oauth2/v1/clients/"); i < 0 {
			i = j
		}
		if i < 0 {
			return failure.Invalid("members", "members: '"+m+"' is not a valid member")
		}
		id := lastPart(m)
		if _, err := o.assignee(id); err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(x doc.Doc) bool { return doc.String(x, "assignee") == id }) {
			list = append(list, doc.Doc{"id": o.ids.ID("irb"), "path": m[i:], "assignee": id, "created": now, "lastUpdated": now})
		}
	}
	setParts(b.body, "members", list)
	return nil
}

// Unbind takes a role from all its members in a set.
func (o *Org) Unbind(by *Cause, b Binding) {
	b.drop()
	o.noteSet(by, b.Set, "iam.resourceset.bindings.delete")
}

func (b Binding) drop() {
	rest := slices.DeleteFunc(parts(b.Set.Body, "bindings"), func(x doc.Doc) bool { return doc.String(x, "role") == b.Role })
	setParts(b.Set.Body, "bindings", rest)
}

// dropMembers takes members out. A binding goes with its last one (assumption:
// terraform-provider-okta empties a binding and then deletes its role, which Okta
// refuses while the role is bound).
func (b Binding) dropMembers(gone func(doc.Doc) bool) {
	all := parts(b.body, "members")
	rest := slices.DeleteFunc(all, gone)
	if len(rest) == len(all) {
		return
	}
	setParts(b.body, "members", rest)
	if len(rest) == 0 {
		b.drop()
	}
}

// RemoveBindingMember takes the role from one member.
func (o *Org) RemoveBindingMember(by *Cause, b Binding, id string) error {
	if _, err := o.BindingMember(b, id); err != nil {
		return err
	}
	b.dropMembers(func(x doc.Doc) bool { return doc.String(x, "id") == id })
	o.noteSet(by, b.Set, "iam.resourceset.bindings.delete")
	return nil
}

// forgetMember takes one who is no more out of every binding.
func (o *Org) forgetMember(assignee string) {
	for _, set := range o.below("resource_sets", "") {
		for _, b := range o.bindingsOf(set) {
			b.dropMembers(func(x doc.Doc) bool { return doc.String(x, "assignee") == assignee })
		}
	}
}

func (o *Org) setURL(set *Object) string { return o.base + "/api/v1/iam/resource-sets/" + set.ID }

func (o *Org) bindingURL(b Binding) string { return o.setURL(b.Set) + "/bindings/" + b.Role }

// BindingBody is a binding; the answer to a new one has no id and links to its list
// instead of its members (recorded).
func (o *Org) BindingBody(b Binding, isNew bool) doc.Doc {
	links := doc.Doc{
		"self": doc.Doc{"href": o.bindingURL(b)}, "bindings": doc.Doc{"href": o.setURL(b.Set) + "/bindings"},
		"resource-set": doc.Doc{"href": o.setURL(b.Set)},
	}
	if isNew {
		return doc.Doc{"_links": links}
	}
	delete(links, "bindings")
	links["members"] = doc.Doc{"href": o.bindingURL(b) + "/members"}
	return doc.Doc{"id": b.Role, "_links": links}
}

// BindingsBody lists the roles that are bound to a set.
func (o *Org) BindingsBody(set *Object) doc.Doc {
	roles := []any{}
	for _, b := range o.bindingsOf(set) {
		roles = append(roles, doc.Doc{"id": b.Role, "_links": doc.Doc{
			"self": doc.Doc{"href": o.bindingURL(b)}, "members": doc.Doc{"href": o.bindingURL(b) + "/members"},
		}})
	}
	return doc.Doc{"roles": roles, "_links": doc.Doc{
		"self": doc.Doc{"href": o.setURL(set) + "/bindings"}, "resource-set": doc.Doc{"href": o.setURL(set)},
	}}
}

// BindingMembersBody lists who has the role.
func (o *Org) BindingMembersBody(b Binding) doc.Doc {
	members := []any{}
	for _, m := range parts(b.body, "members") {
		members = append(members, o.memberBody(m))
	}
	return doc.Doc{"members": members, "_links": doc.Doc{"binding": doc.Doc{"href": o.bindingURL(b)}}}
}

// BindingMember finds one of those who have the role.
func (o *Org) BindingMember(b Binding, id string) (doc.Doc, error) {
	for _, m := range parts(b.body, "members") {
		if doc.String(m, "id") == id {
			return o.memberBody(m), nil
		}
	}
	return nil, failure.NotFound(id, "RoleBindingMember")
}

// memberBody shows the days alone on which a member came and changed (recorded).
func (o *Org) memberBody(m doc.Doc) doc.Doc {
	day := func(field string) string { return doc.String(m, field)[:len("2006-01-02")] + "T00:00:00.000Z" }
	return doc.Doc{
		"id": m["id"], "created": day("created"), "lastUpdated": day("lastUpdated"),
		"_links": doc.Doc{"self": doc.Doc{"href": o.base + doc.String(m, "path")}},
	}
}

// customRole is a role that an assignee has by a binding.
type customRole struct {
	binding Binding
	member  doc.Doc
}

// customRolesOf lists the roles that an assignee has by bindings.
func (o *Org) customRolesOf(assignee string) []customRole {
	var out []customRole
	for _, set := range o.below("resource_sets", "") {
		for _, b := range o.bindingsOf(set) {
			for _, m := range parts(b.body, "members") {
				if doc.String(m, "assignee") == assignee {
					out = append(out, customRole{b, m})
				}
			}
		}
	}
	return out
}

// customRoleBody is such a role in the list of an assignee's roles.
func (o *Org) customRoleBody(a assignee, r customRole) doc.Doc {
	label := o.roleLabel(r.binding.Role)
	if x, err := o.CustomRole(r.binding.Role); err == nil {
		label = x.text("label")
	}
	role := o.base + "/api/v1/iam/roles/" + r.binding.Role
	return doc.Doc{
		"id": r.member["id"], "label": label, "type": "CUSTOM", "status": Active, "created": r.member["created"], "lastUpdated": r.member["lastUpdated"],
		"assignmentType": a.kind, "resource-set": r.binding.Set.ID, "role": r.binding.Role,
		"_links": doc.Doc{
			"assignee": doc.Doc{"href": a.href}, "role": doc.Doc{"href": role}, "permissions": doc.Doc{"href": role + "/permissions"},
			"resource-set": doc.Doc{"href": o.setURL(r.binding.Set)},
			"member":       doc.Doc{"href": o.bindingURL(r.binding) + "/members/" + doc.String(r.member, "id")},
		},
	}
}

// RoleBodies lists all roles of an assignee; those of a user's groups, too (recorded).
func (o *Org) RoleBodies(assigneeID string) ([]any, error) {
	out, err := o.ownRoleBodies(assigneeID)
	if u := o.users[assigneeID]; u != nil {
		for g := range u.groups.all() {
			more, err := o.ownRoleBodies(g)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, err
}

func (o *Org) ownRoleBodies(assigneeID string) ([]any, error) {
	a, err := o.assignee(assigneeID)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, r := range o.roles[assigneeID] {
		b, err := o.RoleBody(assigneeID, r)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	for _, r := range o.customRolesOf(assigneeID) {
		out = append(out, o.customRoleBody(a, r))
	}
	return out, nil
}

// CustomRoleBody is one role that an assignee has by a binding.
func (o *Org) CustomRoleBody(assigneeID, id string) (any, error) {
	a, err := o.assignee(assigneeID)
	if err != nil {
		return nil, err
	}
	for _, r := range o.customRolesOf(assigneeID) {
		if r.member["id"] == any(id) {
			return o.customRoleBody(a, r), nil
		}
	}
	return nil, failure.NotFound(id, "RoleAssignment")
}

// AssignCustomRole gives a custom role for a set, as a new binding or in the one that is there.
func (o *Org) AssignCustomRole(by *Cause, assigneeID string, body doc.Doc) (any, error) {
	a, err := o.assignee(assigneeID)
	if err != nil {
		return nil, err
	}
	set, err := o.ResourceSet(doc.String(body, "resource-set"))
	if err != nil {
		return nil, err
	}
	path := strings.TrimPrefix(a.href, o.base)
	if b, err := o.Binding(set, doc.String(body, "role")); err == nil {
		err = o.AddBindingMembers(by, b, []string{path})
		if err != nil {
			return nil, err
		}
	} else if _, err := o.Bind(by, set, doc.Doc{"role": body["role"], "members": doc.Array(path)}); err != nil {
		return nil, err
	}
	list := o.customRolesOf(assigneeID)
	return o.customRoleBody(a, list[len(list)-1]), nil
}
