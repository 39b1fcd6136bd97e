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

// Some providers count an object on when one before it is written (resource.Info's
// Displaces). Its place is another number then, and nobody has moved it: what counts is
// the order among its siblings. That is kept as a sighting of its own, in which only the
// objects that were looked at have their new places: whoever else was moved is told of
// when it is looked at.

// orderID is the ID under which the order below a parent is kept as a sighting.
const orderID = "*order"

// The ways in which an object can be moved.
const (
	up   = "up" // to an earlier place, where it decides before others
	down = "down"
)

// order is how the objects below one parent stood and stand, by ID; a nil was is not known.
type order struct{ was, now []string }

// place compares where an object stands: moved says how, and the field of its place is
// among fields if it was.
func (l *look) place(ctx context.Context, info resource.Info, t task, base known, now []byte, fields []diff.Field) (moved string, _ []diff.Field, err error) {
	isPlace := func(f diff.Field) bool { return f.Path == string(resource.Place) }
	byNumber := wayOf(resource.PlaceOf(base.Body), resource.PlaceOf(now))
	if !info.Displaces {
		return byNumber, fields, nil
	}
	if t.again { // no event names it: whoever moves one leaves an event
		return "", slices.DeleteFunc(fields, isPlace), nil
	}
	o, err := l.orderAround(ctx, info, base, t.key)
	if err != nil {
		return "", nil, err
	}
	stood, stands := o.ranks(t.key.ID)
	switch {
	case stood == 0 || stands == 0: // where it stood is not known: the numbers are what there is
		return byNumber, fields, nil
	case !o.passed(t.key.ID):
		return "", slices.DeleteFunc(fields, isPlace), nil
	case !slices.ContainsFunc(fields, isPlace): // the number is the same, and the place is not
		fields = append(fields, diff.Field{Path: string(resource.Place), Op: diff.Update, Before: fmt.Appendf(nil, "%d", stood), After: fmt.Appendf(nil, "%d", stands)})
	}
	return wayOf(stood, stands), fields, nil
}

// wayOf compares two places; 0 is none.
func wayOf(was, now int) string {
	switch {
	case was == 0 || now == 0:
		return ""
	case now < was:
		return up
	case now > was:
		return down
	}
	return ""
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

// ranks are an object's places among those that are in both orders, from 1; 0 where it
// is not in one.
func (o order) ranks(id string) (was, now int) {
	rank := func(in, both []string) int {
		in = slices.DeleteFunc(slices.Clone(in), func(s string) bool { return !slices.Contains(both, s) })
		return slices.Index(in, id) + 1
	}
	return rank(o.was, o.now), rank(o.now, o.was)
}

// with is the order as it was, but for one object, which stands behind the same as now.
func (o order) with(id string) []string {
	at := 0
	rest := slices.DeleteFunc(slices.Clone(o.was), func(s string) bool { return s == id })
	for _, before := range slices.Backward(o.now[:max(0, slices.Index(o.now, id))]) {
		if i := slices.Index(rest, before); i >= 0 {
			at = i + 1
			break
		}
	}
	if !slices.Contains(o.now, id) {
		return rest
	}
	return slices.Insert(rest, at, id)
}

// orderAround reads the order that an object stands in, and remembers it of this object
// alone. Where it cannot be read, it is empty.
func (l *look) orderAround(ctx context.Context, info resource.Info, base known, k resource.Key) (order, error) {
	at := resource.Key{Type: k.Type, Parent: k.Parent, ID: orderID}
	now, err := l.orderNow(ctx, info, at)
	if err != nil || now == nil {
		return order{}, err
	}
	o := order{now: now}
	if o.was, err = l.orderBefore(ctx, at, base); err != nil {
		return order{}, err
	}
	body, err := json.Marshal(o.with(k.ID))
	if err != nil {
		return order{}, err
	}
	s := Sighting{Key: at, Body: body, At: l.Now().UTC()}
	l.out.Sightings = append(l.out.Sightings, s)
	l.orders[at] = s.Body
	return o, nil
}

// orderNow is the order as it stands, read once a look; nil: it cannot be read.
func (l *look) orderNow(ctx context.Context, info resource.Info, at resource.Key) ([]string, error) {
	if ids, ok := l.stand[at]; ok {
		return ids, nil
	}
	siblings, err := l.listNow(ctx, info, at)
	if _, unreadable := l.unreadable(ctx, err); unreadable {
		err = nil
	} else if err == nil {
		l.stand[at] = inOrder(siblings)
	}
	return l.stand[at], err
}

// orderBefore is the order as this look left it, or as it was seen last, else the
// snapshot's that the object is compared with.
func (l *look) orderBefore(ctx context.Context, at resource.Key, base known) (ids []string, err error) {
	in := l.Snapshot
	if base.snapshot != "" {
		in = l.Earlier
	}
	seen, err := l.baseIn(ctx, in, at)
	if err != nil {
		return nil, err
	}
	if body, ok := l.orders[at]; ok {
		seen.Body = body
	}
	if seen.Body != nil {
		err := json.Unmarshal(seen.Body, &ids)
		return ids, err
	}
	held := map[string][]byte{}
	for r, err := range in.Walk(ctx, at.Type) {
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
