package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
)

// attributes are the parts of people's profiles that a permission holds for: all, some
// alone, or all but some.
type attributes struct{ only, never []string }

// profileAttributes is the key under which conditions of permissions name attributes.
const profileAttributes = "okta:ResourceAttribute/User/Profile"

// plainAttributes can be hidden from nobody (documented).
var plainAttributes = []string{"firstName", "lastName", "login", "email", "mobilePhone"}

func attributesOf(permission doc.Doc) attributes {
	return attributes{
		only:  doc.Strings(permission, "conditions", "include", profileAttributes),
		never: doc.Strings(permission, "conditions", "exclude", profileAttributes),
	}
}

func (a attributes) limited() bool { return len(a.only) > 0 || len(a.never) > 0 }

func (a attributes) have(name string) bool {
	return (len(a.only) == 0 || slices.Contains(a.only, name)) && !slices.Contains(a.never, name)
}

// Attributes says which parts of a user's profile an area of people's lets somebody see, or
// change; nil is all of it, and "" is anybody. What any of the roles opens is open
// (documented).
func (o *Org) Attributes(p Privileges, a Area, userID string) func(name string) bool {
	manage := a != AreaUsers
	var limits []attributes
	for _, x := range p {
		if !x.rights.allow(a, manage) || userID != "" && !x.reach.has(o, familyUsers, userID) {
			continue
		}
		if !x.attributes.limited() {
			return nil
		}
		limits = append(limits, x.attributes)
	}
	if limits == nil {
		return nil
	}
	return func(name string) bool {
		return !manage && slices.Contains(plainAttributes, name) ||
			slices.ContainsFunc(limits, func(a attributes) bool { return a.have(name) })
	}
}
