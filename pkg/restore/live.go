package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

const (
	// many is from how many reads below one parent on the whole list is read instead.
	many = 20
	// dear is how many times as many objects a list may hold at the top, where one
	// call lists a hundred or more.
	dear = 100
)

// Live is the org as it stands, each resource read once. Who has to wait in the
// middle keeps it for the next call, so that what was read is not asked for again.
type Live struct {
	reader provider.Reader
	got    map[resource.Key]*resource.Resource  // nil: absent
	found  map[resource.Key][]resource.Resource // by whose natural key was looked for
	below  map[resource.Key][]resource.Resource // by type and parent, whole
	// cursors go on in lists that are not read to their end.
	cursors map[resource.Key]string
	end     time.Time
	now     func() time.Time
}

// NewLive begins with nothing read.
func NewLive() *Live {
	return &Live{got: map[resource.Key]*resource.Resource{}, found: map[resource.Key][]resource.Resource{},
		below: map[resource.Key][]resource.Resource{}, cursors: map[resource.Key]string{}}
}

// slice begins to read, until an end; zero: there is none.
func (l *Live) slice(r provider.Reader, end time.Time, now func() time.Time) *Live {
	if l == nil {
		l = NewLive()
	}
	if now == nil {
		now = time.Now
	}
	l.reader, l.end, l.now = r, end, now
	return l
}

// patience is a Wait for the next slice, which may begin at once; nil while this one
// lasts.
func (l *Live) patience() error {
	if l.end.IsZero() {
		return nil
	}
	if now := l.now(); !now.Before(l.end) {
		return &provider.Wait{Until: now, Reason: "the slice is over"}
	}
	return nil
}

// get reads one resource; nil when the org says that there is none.
func (l *Live) get(ctx context.Context, k resource.Key) (*resource.Resource, error) {
	if r, ok := l.got[k]; ok {
		return r, nil
	}
	if err := l.patience(); err != nil {
		return nil, err
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

// expect prepares for reading the keys: what lies in crowds is listed, if that costs
// less. Of a crowd only the keys themselves are kept. size is how many objects of a
// type an org of this kind holds, as far as is known.
func (l *Live) expect(ctx context.Context, catalog resource.Catalog, size func(resource.Type) int64, ks []resource.Key) error {
	crowds := map[resource.Key]map[string]bool{}
	for _, k := range ks {
		if _, known := l.got[k]; known {
			continue
		}
		place := resource.Key{Type: k.Type, Parent: k.Parent}
		if crowds[place] == nil {
			crowds[place] = map[string]bool{}
		}
		crowds[place][k.ID] = true
	}
	for place, wanted := range crowds {
		if len(wanted) < many || place.Parent == "" && size(place.Type) > int64(dear*len(wanted)) {
			continue
		}
		if err := l.list(ctx, catalog, place, wanted); err != nil {
			return err
		}
	}
	return nil
}

// list reads a place to its end, from where an earlier call had to wait. What is not
// in it is asked for one by one when it is needed, unless it is a link, whose write
// does no harm when it is there: lists may miss what moves between two pages.
func (l *Live) list(ctx context.Context, catalog resource.Catalog, place resource.Key, wanted map[string]bool) error {
	info, _ := catalog.Info(place.Type)
	err := l.pages(ctx, info, place, wanted)
	if problem.Is(err, problem.Stale) && l.cursors[place] != "" {
		delete(l.cursors, place)
		err = l.pages(ctx, info, place, wanted)
	}
	if err != nil {
		return fmt.Errorf("list %s from the org: %w", place.Type, err)
	}
	for id := range wanted {
		k := resource.Key{Type: place.Type, Parent: place.Parent, ID: id}
		if _, ok := l.got[k]; !ok && info.Shape == resource.LinkSet {
			l.got[k] = nil
		}
	}
	return nil
}

func (l *Live) pages(ctx context.Context, info resource.Info, place resource.Key, wanted map[string]bool) error {
	if err := l.patience(); err != nil {
		return err
	}
	var parent resource.Key
	if place.Parent != "" {
		parent = parentKey(info.Parent, place.Parent)
	}
	for page, err := range l.reader.List(ctx, place.Type, parent, l.cursors[place]) {
		if problem.Is(err, problem.NotFound) && place.Parent != "" {
			return nil // the parent went: nothing is below it
		}
		if err != nil {
			return err
		}
		for _, r := range page.Resources {
			if wanted[r.ID] && r.Parent == place.Parent {
				r.Body = bytes.Clone(r.Body)
				l.got[r.Key] = &r
			}
		}
		if l.cursors[place] = page.Cursor; page.Cursor == "" {
			return nil
		}
		if err := l.patience(); err != nil {
			return err
		}
	}
	return errors.New("the list ended without a last page")
}

// find looks for live resources with a natural key.
func (l *Live) find(ctx context.Context, like resource.Resource) ([]resource.Resource, error) {
	if found, ok := l.found[like.Key]; ok {
		return found, nil
	}
	if err := l.patience(); err != nil {
		return nil, err
	}
	found, err := l.reader.Find(ctx, like)
	if err != nil {
		return nil, fmt.Errorf("look for a %s in the org: %w", like.Type, err)
	}
	for _, r := range found {
		l.got[r.Key] = &r
	}
	l.found[like.Key] = found
	return found, nil
}

// children lists all that a place (a type and a parent) holds. It is for places that
// hold little: what has to wait begins again.
func (l *Live) children(ctx context.Context, info resource.Info, place resource.Key) ([]resource.Resource, error) {
	if all, ok := l.below[place]; ok {
		return all, nil
	}
	var all []resource.Resource
	for page, err := range l.reader.List(ctx, place.Type, parentKey(info.Parent, place.Parent), "") {
		if err != nil {
			return nil, fmt.Errorf("list %s from the org: %w", place.Type, err)
		}
		for _, r := range page.Resources {
			r.Body = bytes.Clone(r.Body)
			all = append(all, r)
		}
	}
	l.below[place] = all
	return all, nil
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
