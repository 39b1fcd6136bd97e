// Package resource holds the words for what an identity provider keeps: a
// resource, its type, its key, and the catalog of what is known of each type.
package resource

import (
	"cmp"
	"strings"
)

// Type names a kind of resource in the provider's own word, in snake case:
// "group", "group_rule", "app_group".
type Type string

// Key identifies one resource within one org.
type Key struct {
	Type   Type   `json:"type"`
	Parent string `json:"parent,omitempty"` // the parent's ID; "" at the top; grandparents joined with "/"
	ID     string `json:"id"`               // the provider's ID; for a link, the ID of what is linked
}

// String renders type/parent/id, the form used in the CLI and in plans.
func (k Key) String() string {
	if k.Parent == "" {
		return string(k.Type) + "/" + k.ID
	}
	return string(k.Type) + "/" + k.Parent + "/" + k.ID
}

// ParseKey reads what String wrote. An ID never holds a slash, a Parent may.
func ParseKey(s string) (Key, bool) {
	t, rest, ok := strings.Cut(s, "/")
	if !ok || t == "" {
		return Key{}, false
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		return Key{Type(t), rest[:i], rest[i+1:]}, rest[:i] != "" && rest[i+1:] != ""
	}
	return Key{Type(t), "", rest}, rest != ""
}

// Compare orders keys by type, parent, id: the order of records in a segment.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Type, o.Type), cmp.Compare(k.Parent, o.Parent), cmp.Compare(k.ID, o.ID))
}

// Resource is one object as the provider sent it.
//
// Body is the whole object in canonical JSON (see Canonical): nothing that the
// provider sent is left out, known to the catalog or not. A resource is never
// shared between owners: who keeps a Body copies it.
type Resource struct {
	Key
	Body []byte
}
