package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// NameKey is the key of the record which says that a resource has a name: before its ID
// stands the name's place. The name is folded.
func NameKey(k resource.Key, name string) resource.Key {
	k.ID = NamePlace(k.Type, name) + nameSeparator + k.ID
	return k
}

// Named is the resource of which a NameKey tells; ok is false where it tells of another place.
func Named(k resource.Key, place string) (_ resource.Key, ok bool) {
	k.ID, ok = strings.CutPrefix(k.ID, place+nameSeparator)
	return k, ok
}

// NamesAt is the least key, and one behind the greatest, of what stands below one parent at a
// name's place.
func NamesAt(t resource.Type, parent, place string) (from, to resource.Key) {
	return resource.Key{Type: t, Parent: parent, ID: place + nameSeparator}, resource.Key{Type: t, Parent: parent, ID: place + nameEnd}
}

const (
	nameSeparator = "."
	nameEnd       = "/" // the next character; no ID has it
)

// NamePlace is what the keys of names of a type that are alike begin with: eight hex digits.
func NamePlace(t resource.Type, name string) string {
	sum := sha256.Sum256([]byte(string(t) + "\n" + name))
	return hex.EncodeToString(sum[:4])
}

// NameRecord is the value of every record of the family of names.
const NameRecord = "true"

func (n NamePaths) check() error {
	for t, paths := range n {
		if err := checkType(t); err != nil {
			return err
		}
		if len(paths) == 0 || slices.ContainsFunc(paths, func(p resource.Path) bool { return !p.Plain() }) {
			return fmt.Errorf("type %s has names at a place that is none", t)
		}
	}
	return nil
}

// over is what a manifest says whose list says that.
func (n NamePaths) over(list NamePaths) NamePaths {
	if len(n) == 0 {
		return list
	}
	out := NamePaths{}
	for _, all := range []NamePaths{list, n} {
		for t, paths := range all {
			out[t] = paths
		}
	}
	return out
}

// Besides is what of n a manifest has to say that names a list which says other things.
func (n NamePaths) Besides(list NamePaths) NamePaths {
	var out NamePaths
	for t, paths := range n {
		if !slices.Equal(list[t], paths) {
			if out == nil {
				out = NamePaths{}
			}
			out[t] = paths
		}
	}
	return out
}
