package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// idOf is how a key names the parent in its children's keys.
func idOf(k resource.Key) string {
	if k.Parent == "" {
		return k.ID
	}
	return k.Parent + "/" + k.ID
}

// keyOf is the key that idOf was made of.
func keyOf(t resource.Type, id string) resource.Key {
	i := strings.LastIndexByte(id, '/')
	return resource.Key{Type: t, Parent: id[:max(0, i)], ID: id[i+1:]}
}

// parents lists what a type is listed under, always in the same order. Only IDs
// are kept: the bodies of the parents are not needed any more.
func (t *taking) parents(ctx context.Context, info resource.Info, at *typeState) ([]string, error) {
	ids := slices.Clone(at.Parents)
	if info.Within == nil {
		if err := t.draft.Flush(ctx); err != nil {
			return nil, &saveError{err}
		}
		for key, err := range t.draft.Keys(ctx, info.Parent) {
			if err != nil {
				return nil, fmt.Errorf("read back the parents of %s: %w", info.Type, err)
			}
			ids = append(ids, idOf(key))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// within names a resource in the list below a parent: zero is the whole type.
func within(parent, k resource.Key) string {
	if parent.ID != "" {
		return k.ID
	}
	return idOf(k)
}

// remember finds out what the draft holds of a list already, so that a list that
// is read on, or read again, gives nothing twice.
func (t *taking) remember(ctx context.Context, info resource.Info, at *typeState, parent resource.Key) error {
	t.seen = map[string]struct{}{}
	if !at.Begun {
		return nil
	}
	for key, err := range t.draft.Keys(ctx, info.Type) {
		if err != nil {
			return fmt.Errorf("read back %s: %w", info.Type, err)
		}
		if parent.ID == "" || key.Parent == idOf(parent) {
			t.seen[within(parent, key)] = struct{}{}
		}
	}
	return nil
}
