package drift

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"imago/pkg/diff"
	"imago/pkg/resource"
)

// Some providers count an object on when one before it is written. Its place is another
// number then, and nobody has moved it: what counts is the order among its siblings.

// orderID is the ID under which the order below a parent is kept as a sighting.
const orderID = "*order"

// order is how the objects below one parent stood and stand, by ID; a nil was is not known.
type order struct{ was, now []string }

// unmoved leaves the place out of the fields of an object that has passed no other.
func (l *look) unmoved(ctx context.Context, info resource.Info, k resource.Key, fields []diff.Field) ([]diff.Field, error) {
	place := func(f diff.Field) bool { return f.Path == string(resource.Place) }
	if !slices.ContainsFunc(fields, place) {
		return fields, nil
	}
	o, err := l.orderAround(ctx, info, k)
	if err != nil || o.passed(k.ID) {
		return fields, err
	}
	return slices.DeleteFunc(fields, place), nil
}

// passed reports whether an object may stand on another side of some sibling than it did.
func (o order) passed(id string) bool {
	was, now := slices.Index(o.was, id), slices.Index(o.now, id)
	if was < 0 || now < 0 {
		return true
	}
	return slices.ContainsFunc(o.now, func(other string) bool {
		before, after := slices.Index(o.was, other), slices.Index(o.now, other)
		return before >= 0 && (before < was) != (after < now)
	})
}

// orderAround reads the order that an object stands in, once a look, and remembers it.
// Where it cannot be read, it is empty.
func (l *look) orderAround(ctx context.Context, info resource.Info, k resource.Key) (order, error) {
	at := resource.Key{Type: k.Type, Parent: k.Parent, ID: orderID}
	if o, ok := l.orders[at]; ok {
		return o, nil
	}
	siblings, err := l.listNow(ctx, info, at)
	if _, unreadable := l.unreadable(ctx, err); unreadable {
		l.orders[at] = order{}
		return order{}, nil
	}
	if err != nil {
		return order{}, err
	}
	o := order{now: inOrder(siblings)}
	if o.was, err = l.orderBefore(ctx, at); err != nil {
		return order{}, err
	}
	body, err := json.Marshal(o.now)
	if err != nil {
		return order{}, err
	}
	l.out.Sightings = append(l.out.Sightings, Sighting{Key: at, Body: body, At: l.Now().UTC()})
	l.orders[at] = o
	return o, nil
}

// orderBefore is the order as it was seen last, else the snapshot's.
func (l *look) orderBefore(ctx context.Context, at resource.Key) (ids []string, err error) {
	base, err := l.base(ctx, at)
	if err != nil {
		return nil, err
	}
	if base.Body != nil {
		err := json.Unmarshal(base.Body, &ids)
		return ids, err
	}
	held := map[string][]byte{}
	for r, err := range l.Snapshot.Walk(ctx, at.Type) {
		if err != nil {
			return nil, fmt.Errorf("read the snapshot: %w", err)
		}
		if r.Parent == at.Parent {
			held[r.ID] = slices.Clone(r.Body)
		}
	}
	return inOrder(held), nil
}

func inOrder(bodies map[string][]byte) []string {
	ids := union(nil, bodies)
	slices.SortStableFunc(ids, func(a, b string) int {
		return cmp.Compare(resource.PlaceOf(bodies[a]), resource.PlaceOf(bodies[b]))
	})
	return ids
}
