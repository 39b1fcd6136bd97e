package resource

import "slices"

// Shape is how a type's resources hang together; most types have one of four.
type Shape string

// The shapes.
const (
	Collection Shape = "collection" // many objects, each with an ID of its own
	LinkSet    Shape = "link_set"   // pairs: the parent and what it is linked with
	FixedSet   Shape = "fixed_set"  // a set that the provider fixes: updated, never created or deleted
	Singleton  Shape = "singleton"  // one object for each org or parent
)

// Info is all that the journeys need to know of one type. How the provider's API
// is spoken to stays with the provider.
type Info struct {
	Type   Type
	Title  string // for people, singular: "App group assignment"
	Family string // for grouping in lists: "directory", "applications", "policies", "security"
	Shape  Shape
	Parent Type // "" at the top
	// Swept says that the provider lists the type for all parents at once: a
	// reader is asked once, with a zero parent, and every resource names its own
	// parent. Asked with one parent's key, it reads that parent alone.
	Swept bool

	NaturalKey []Path // fields that identify the object to a person, within its parent
	Label      []Path // fields to show as its name, first one present; empty: NaturalKey
	Refs       []Ref
	Volatile   []Path // fields that move without anybody changing anything; never compared
	// Moving names those of them, at the top of the body, that move so often that they
	// are kept apart from the rest: a login must not have a user written anew.
	Moving   []string
	ReadOnly []Path // fields that the provider sets; compared, never written
	Secret   []Path // fields that the provider never hands out, or that nobody may see
	Derived  []Path // fields that follow from other objects (counts, validity); compared, never a reason to write

	Phase       int    // restore order: lower first
	Restorable  string // "full", "partial" or "none"
	Limitation  string // why it is not full, for the person who restores
	ReadScopes  []string
	WriteScopes []string

	// Within reports whether the type can exist under this parent, so that calls
	// which cannot answer are not made. nil: under every parent.
	Within func(parent Resource) bool
	// System reports whether the provider owns the object (made, ordered or
	// filled by it), so that a restore updates what it may and creates nothing. nil: none.
	System func(Resource) bool

	// Limited reports whether the Limitation is about this object. nil: about every one.
	Limited func(Resource) bool

	// Left reports whether this is a person who has left the org: nothing that is
	// restored gives them access again. nil: the type is no person.
	Left func(Resource) bool
	// Fixed are fields that are set for good when an object is made, Dead are statuses
	// that nothing leaves: there, to change it is to delete it and make it again.
	Fixed []Path
	Dead  []string
	// Integral marks parts without which the parent does not do its work (the rules of
	// a policy): nothing is pointed at a restored parent that lacks one.
	Integral bool
	// Displaces marks objects of which an update counts those behind it on, in the field
	// "priority", even where its own place stays. Their order stays, too.
	Displaces bool
	// Cautions tells a person, before it happens, what follows from a write, in
	// sentences without a full stop. It is given the bodies: as the object stands (nil:
	// it is made), as it will, and its parent's (nil: none, or not known). nil: nothing.
	Cautions func(now, want, parent []byte) []string
}

// RefIn says where in the referring object an ID stands.
type RefIn string

// Where an ID may stand.
const (
	InField      RefIn = ""           // the field's value, or each element of the list
	InExpression RefIn = "expression" // in the text of an expression, between quotes
	InHref       RefIn = "href"       // a path segment of a URL
	InMapKey     RefIn = "map_key"    // the keys of a map
	InParent     RefIn = "parent"     // Key.Parent; the Path is empty
	InID         RefIn = "id"         // Key.ID, for links; the Path is empty or also names the body's copy
)

// Ref says: this field holds the ID of a resource of one of those types.
type Ref struct {
	Path Path
	To   []Type
	In   RefIn
	// Late marks a reference that may be written in a second pass, to break a cycle.
	Late bool
	// Owned marks a reference by which the object is a part of what it refers to
	// (a membership of its group, a rule of its policy): deleting the one deletes
	// the other, so selecting the one for restore selects the other.
	Owned bool
}

// Catalog is what is known of every type of one provider, in reading order:
// a parent's type stands before its children's.
type Catalog []Info

// Info finds a type; ok is false for one that the catalog does not know.
func (c Catalog) Info(t Type) (Info, bool) {
	if i := slices.IndexFunc(c, func(i Info) bool { return i.Type == t }); i >= 0 {
		return c[i], true
	}
	return Info{}, false
}

// Moving names the members of a type's bodies that are kept apart.
func (c Catalog) Moving(t Type) []string {
	i, _ := c.Info(t)
	return i.Moving
}

// Children lists the types whose parent is t.
func (c Catalog) Children(t Type) []Info {
	var out []Info
	for _, i := range c {
		if i.Parent == t {
			out = append(out, i)
		}
	}
	return out
}
