package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// The families of resources that roles can be limited to, as Okta's resource names call
// them (documented: "Supported resources"; identity providers go by the path of their API).
const (
	familyUsers  = "users"
	familyGroups = "groups"
	familyApps   = "apps"
	familyRealms = "realms"
)

// families are those in which the things of an area are.
var families = map[Area]string{
	AreaUsers: familyUsers, AreaTokens: familyUsers, AreaGroups: familyGroups, AreaApps: familyApps, AreaSecrets: familyApps, AreaRealms: familyRealms,
	AreaAuthServers: "authorization_servers", AreaProviders: "idps", AreaPolicies: "policies", AreaDevices: "devices",
	AreaCustomizations: "customizations", AreaRoles: "iam", "support": "support", AreaAgents: "agents", "workflows": "flows",
	AreaEventHooks: "event_hooks", AreaInlineHooks: "inline_hooks",
}

// Family is the family in which the things of the area are; "" if there is none.
func (a Area) Family() string { return families[a.top()] }

// piece is what one resource name names: a whole family, the apps of a catalog name, one
// thing, or the people in a group or a realm.
type piece struct {
	family, name, id string
	// contained means what is in the thing, instead of the thing.
	contained bool
	without   []piece
}

// pieceOf reads a resource name, orn:okta:directory:00o…:groups:00g…:contained_resources.
func pieceOf(orn string) piece {
	parts := strings.Split(orn, ":")
	if len(parts) < 5 {
		return piece{}
	}
	p := piece{family: parts[4]}
	rest := parts[5:]
	if n := len(rest); n > 0 && rest[n-1] == "contained_resources" {
		p.contained, rest = true, rest[:n-1]
	}
	// Whole services are named by what they contain, or by their only family.
	if service := parts[2]; p.family == "contained_resources" || service == "iam" || service == "support" {
		p = piece{family: service}
	}
	switch {
	case p.family == familyApps && len(rest) > 0:
		p.name = rest[0]
		rest = rest[1:]
	case p.family == "brands":
		p.family = AreaCustomizations.Family()
	case p.family == "identity_providers":
		p.family = AreaProviders.Family()
	}
	if len(rest) > 0 {
		p.id = rest[len(rest)-1]
	}
	return p
}

// touches says whether anything of the family can be in the piece.
func (p piece) touches(family string) bool {
	if p.contained {
		return family == familyUsers
	}
	return p.family == family
}

// has says whether a thing of the family, or all of it for "", is in the piece.
func (p piece) has(o *Org, family, id string) bool {
	if !p.touches(family) || id == "" && (p.contained || len(p.without) > 0) ||
		slices.ContainsFunc(p.without, func(x piece) bool { return x.has(o, family, id) }) {
		return false
	}
	switch {
	case p.contained && p.family == familyGroups:
		g := o.groups[p.id]
		return g != nil && g.Has(id)
	case p.contained && p.family == familyRealms:
		u := o.users[id]
		return u != nil && o.realmOf(u) == p.id
	case p.id != "":
		return p.id == id
	case p.name != "":
		a := o.apps[id]
		return a != nil && a.Name == p.name
	}
	return !p.contained
}

// reach is what a role holds for.
type reach struct {
	pieces []piece
	// only are the families that are limited to the pieces; nil for all.
	only []string
}

// limits says whether the reach leaves things of the family out.
func (r *reach) limits(family string) bool {
	return r != nil && family != "" && (r.only == nil || slices.Contains(r.only, family))
}

// touches says whether the reach has anything that the area is about. New users come into
// groups, too (documented).
func (r *reach) touches(a Area) bool {
	family := a.Family()
	return !r.limits(family) || slices.ContainsFunc(r.pieces, func(p piece) bool {
		return p.touches(family) || a == AreaNewUsers && p.touches(familyGroups)
	})
}

func (r *reach) has(o *Org, family, id string) bool {
	return !r.limits(family) || slices.ContainsFunc(r.pieces, func(p piece) bool { return p.has(o, family, id) })
}

// hasPeopleOf says whether the people in the group are named, all of them.
func (r *reach) hasPeopleOf(group string) bool {
	return slices.ContainsFunc(r.pieces, func(p piece) bool { return p.contained && p.family == familyGroups && p.id == group })
}

// reachOfSet is all that is in a resource set, but for what its conditions exclude.
func reachOfSet(set *Object) *reach {
	r := &reach{}
	for _, resource := range parts(set.Body, "resources") {
		p := pieceOf(doc.String(resource, "orn"))
		for _, orn := range doc.Strings(resource, "conditions", "Exclude", "okta:ORN") {
			p.without = append(p.without, pieceOf(orn))
		}
		r.pieces = append(r.pieces, p)
	}
	return r
}

// reachOfTargets is what the targets of a standard role leave of it, nil for all: groups
// limit the groups and, but for membership administrators, the people in them; apps limit
// apps (documented: the table of standard roles).
func reachOfTargets(r *RoleAssignment) *reach {
	if len(r.Targets) == 0 {
		return nil
	}
	out := &reach{only: []string{familyApps}}
	if r.Targets[0].Group != "" {
		out.only = []string{familyGroups}
		if r.Type != "GROUP_MEMBERSHIP_ADMIN" {
			out.only = append(out.only, familyUsers)
		}
	}
	for _, t := range r.Targets {
		if t.Group == "" {
			out.pieces = append(out.pieces, piece{family: familyApps, name: t.Name, id: t.App})
			continue
		}
		out.pieces = append(out.pieces, piece{family: familyGroups, id: t.Group}, piece{family: familyGroups, id: t.Group, contained: true})
	}
	return out
}

// Limitable says whether roles can be limited to single objects of the kind.
func (k *Kind) Limitable() bool {
	return k.Area.Family() != "" && familyKinds[k.Area.Family()] == k.Name
}
