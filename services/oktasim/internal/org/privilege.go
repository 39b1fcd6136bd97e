package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
)

// privilege is what a standard role, or one permission of a custom role, lets its holder
// do, and with what.
type privilege struct {
	// role is the type of a standard role, "" for a permission.
	role   string
	rights rights
	reach  *reach
	// attributes limit which parts of people's profiles it holds for.
	attributes attributes
}

// Privileges are all that somebody may do in the org. Roles add up (documented).
type Privileges []privilege

// PrivilegesOf lists what a user or client may do, through groups too. Permissions that
// nothing in the resource set is for give nothing (documented).
func (o *Org) PrivilegesOf(id string) Privileges {
	var out Privileges
	for _, holder := range o.holdersFor(id) {
		for _, r := range o.roles[holder] {
			out = append(out, privilege{role: r.Type, rights: roleRights[r.Type], reach: reachOfTargets(r)})
		}
		for _, r := range o.customRolesOf(holder) {
			out = append(out, o.boundPrivileges(r.binding)...)
		}
	}
	return out
}

// holdersFor are those whose roles somebody has: their own and their groups'.
func (o *Org) holdersFor(id string) []string {
	if u := o.users[id]; u != nil {
		return append(u.groups.list(), id)
	}
	return []string{id}
}

func (o *Org) boundPrivileges(b Binding) Privileges {
	role := o.object(o.kinds.named("custom_roles"), b.Role)
	if role == nil {
		return Privileges{{role: b.Role, rights: roleRights[b.Role], reach: reachOfSet(b.Set)}}
	}
	var out Privileges
	reach := reachOfSet(b.Set)
	for _, v := range role.permissions() {
		p, _ := v.(doc.Doc)
		r := permissionRights(doc.String(p, "label"))
		if slices.ContainsFunc(slices.Concat(r.read, r.manage), func(a Area) bool { return a.Family() != "" && reach.touches(a) }) {
			out = append(out, privilege{rights: r, reach: reach, attributes: attributesOf(p)})
		}
	}
	return out
}

// Open says whether there is anything in the area that may be read or managed.
func (p Privileges) Open(a Area, manage bool) bool {
	return slices.ContainsFunc(p, func(x privilege) bool { return x.rights.allow(a, manage) && x.reach.touches(a) })
}

// Allow says whether a thing of the area's family, or all of them for "", may be read or
// managed.
func (o *Org) Allow(p Privileges, a Area, manage bool, id string) bool {
	if manage && o.protected(p, a, id) {
		return false
	}
	return slices.ContainsFunc(p, func(x privilege) bool { return x.rights.allow(a, manage) && x.reach.has(o, a.Family(), id) })
}

// Is says whether one of the roles is the standard one.
func (p Privileges) Is(role string) bool {
	return slices.ContainsFunc(p, func(x privilege) bool { return x.role == role })
}

// protected says whether a thing is for super administrators alone: super administrators
// themselves, but for the end of their sessions, suspension and activation (documented),
// and the members of groups that have roles (assumption).
func (o *Org) protected(p Privileges, a Area, id string) bool {
	switch {
	case p.Is(super):
		return false
	case a == AreaMembers:
		return len(o.roles[id]) > 0 || len(o.customRolesOf(id)) > 0
	case a.top() != AreaUsers || slices.Contains([]Area{AreaSessions, AreaSuspension, AreaActivation, AreaUserGroups, AreaUserApps}, a):
		return false
	}
	return o.users[id] != nil && slices.Contains(o.RoleTypesOf(id), super)
}

const super = "SUPER_ADMIN"

// Sees says of which things of the area's family, by id, somebody may know. To group
// administrators Everyone is not listed (documented).
func (o *Org) Sees(p Privileges, a Area) func(id string) bool {
	var readers Privileges
	listsAll := false
	for _, x := range p {
		if x.rights.allow(a, false) {
			readers = append(readers, x)
			listsAll = listsAll || !x.reach.limits(a.Family()) && x.role != "USER_ADMIN"
		}
	}
	if listsAll {
		return func(string) bool { return true }
	}
	return func(id string) bool {
		return slices.ContainsFunc(readers, func(x privilege) bool {
			return x.reach.has(o, a.Family(), id) && !(x.role == "USER_ADMIN" && id == o.info.Everyone)
		})
	}
}

// MayAdmit says whether somebody may make a user who is in the groups from the beginning:
// anywhere, or in groups that they manage (documented).
func (o *Org) MayAdmit(p Privileges, groups []string) bool {
	return slices.ContainsFunc(p, func(x privilege) bool {
		if !x.rights.allow(AreaNewUsers, true) {
			return false
		}
		ours := func(g string) bool {
			return x.reach.has(o, familyGroups, g) || x.reach.hasPeopleOf(g)
		}
		return x.reach.has(o, familyUsers, "") || len(groups) > 0 && !slices.ContainsFunc(groups, func(g string) bool { return !ours(g) })
	})
}

// RoleTypesOf lists the types of the standard roles that a user or client has, through
// groups too.
func (o *Org) RoleTypesOf(id string) []string {
	var out []string
	for _, holder := range o.holdersFor(id) {
		for _, r := range o.roles[holder] {
			out = append(out, r.Type)
		}
	}
	return out
}

// Resource finds the id of the thing of a family that a path names.
func (o *Org) Resource(family, key string) (id string, found bool) {
	switch family {
	case familyUsers:
		u, err := o.User(key)
		if err != nil {
			return "", false
		}
		return u.ID, true
	case familyApps:
		if a := o.Client(key); a != nil {
			return a.ID, true
		}
		return key, o.apps[key] != nil
	case familyGroups:
		return key, o.groups[key] != nil
	case AreaPolicies.Family():
		return key, o.policies[key] != nil
	}
	k := o.kinds.named(familyKinds[family])
	if k == nil {
		return "", false
	}
	x := o.look(k, "", key)
	if x == nil {
		return "", false
	}
	return x.ID, true
}

// familyKinds are the families of which the things are described as data.
var familyKinds = map[string]string{
	"authorization_servers": "authorization_servers", "idps": "idps", "realms": "realms", "devices": "devices",
}
