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

// parents lists what a type is listed under, always in the same order: those whose
// bodies, which are read back, say that it can exist there. Only IDs are kept.
func (t *taking) parents(ctx context.Context, info resource.Info) (ids []string, err error) {
	for r, err := range t.draft.Walk(ctx, info.Parent) {
		if err != nil {
			return nil, fmt.Errorf("read back the parents of %s: %w", info.Type, err)
		}
		if info.Within == nil || info.Within(r) {
			ids = append(ids, idOf(r.Key))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
