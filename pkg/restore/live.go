package restore

import (
	"bytes"
	"context"
	"fmt"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// many is from how many reads below one parent on the whole list is read instead.
const many = 20

// live is the org as it stands, read once and kept while a plan is made or checked.
type live struct {
	reader provider.Reader
	got    map[resource.Key]*resource.Resource // nil: absent
	listed map[resource.Key]bool               // type and parent, without ID
}

func newLive(r provider.Reader) *live {
	return &live{reader: r, got: map[resource.Key]*resource.Resource{}, listed: map[resource.Key]bool{}}
}

// get reads one resource; nil when the org says that there is none.
func (l *live) get(ctx context.Context, k resource.Key) (*resource.Resource, error) {
	if r, ok := l.got[k]; ok || l.listed[resource.Key{Type: k.Type, Parent: k.Parent}] {
		return r, nil
	}
	r, err := l.reader.Get(ctx, k)
	switch {
	case problem.Is(err, problem.NotFound):
		l.got[k] = nil
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read a %s from the org: %w", k.Type, err)
	}
	l.got[k] = &r
	return &r, nil
}

// expect prepares for reading the keys: what lies in crowds is listed. Of a crowd
// only the keys themselves are kept.
func (l *live) expect(ctx context.Context, catalog resource.Catalog, ks []resource.Key) error {
	crowds := map[resource.Key]map[string]bool{}
	for _, k := range ks {
		place := resource.Key{Type: k.Type, Parent: k.Parent}
		if crowds[place] == nil {
			crowds[place] = map[string]bool{}
		}
		crowds[place][k.ID] = true
	}
	for place, wanted := range crowds {
		if len(wanted) < many || l.listed[place] {
			continue
		}
		if err := l.list(ctx, catalog, place, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (l *live) list(ctx context.Context, catalog resource.Catalog, place resource.Key, wanted map[string]bool) error {
	info, _ := catalog.Info(place.Type)
	var parent resource.Key
	if place.Parent != "" {
		parent = parentKey(info.Parent, place.Parent)
	}
	for page, err := range l.reader.List(ctx, place.Type, parent, "") {
		if problem.Is(err, problem.NotFound) && place.Parent != "" {
			break // the parent went: nothing is below it
		}
		if err != nil {
			return fmt.Errorf("list %s from the org: %w", place.Type, err)
		}
		for _, r := range page.Resources {
			if wanted[r.ID] && r.Parent == place.Parent {
				r.Body = bytes.Clone(r.Body)
				l.got[r.Key] = &r
			}
		}
	}
	l.listed[place] = true
	return nil
}

// find looks for the one live resource with a natural key.
func (l *live) find(ctx context.Context, like resource.Resource) ([]resource.Resource, error) {
	found, err := l.reader.Find(ctx, like)
	if err != nil {
		return nil, fmt.Errorf("look for a %s in the org: %w", like.Type, err)
	}
	for _, r := range found {
		l.got[r.Key] = &r
	}
	return found, nil
}

// parentKey is the key of the parent that a child's Key.Parent names.
func parentKey(t resource.Type, id string) resource.Key {
	k := resource.Key{Type: t, ID: id}
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '/' {
			k.Parent, k.ID = id[:i], id[i+1:]
			break
		}
	}
	return k
}
