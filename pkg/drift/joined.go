package drift

import (
	"context"
	"slices"

	"imago/pkg/provider"
	"imago/pkg/resource"
)

// joined observes what the log says was made below a parent that makes it matter: each
// event for itself, whether or not the org still shows it. Where a parent's having
// cannot be read nothing is told: the gap says so.
func (l *look) joined(ctx context.Context) error {
	if l.ParentHas == nil {
		return nil
	}
	for _, e := range l.events {
		for _, t := range e.Touched {
			if e.Outcome != succeeded || t.Op != provider.Create || t.Key.ID == "" || t.Key.Parent == "" {
				continue
			}
			if err := l.join(ctx, t.Key, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *look) join(ctx context.Context, k resource.Key, e provider.Event) error {
	info, ok := l.Catalog.Info(k.Type)
	if !ok {
		return nil
	}
	for _, t := range l.ParentHas(k.Type) {
		has, err := l.has(ctx, resource.Key{Type: t, Parent: k.Parent})
		if err != nil {
			return err
		}
		if !has {
			continue
		}
		o, err := l.told(ctx, info, k, e)
		if err != nil {
			return err
		}
		o.ParentHas = t
		l.out.Changes = append(l.out.Changes, o)
	}
	return nil
}

// has reports whether a list holds anything, as it was seen last: in this look, in an
// earlier one, or in the snapshot.
func (l *look) has(ctx context.Context, place resource.Key) (bool, error) {
	if has, ok := l.holds[place]; ok {
		return has, nil
	}
	var base known
	var err error
	if i := slices.IndexFunc(l.out.Sightings, func(s Sighting) bool { return s.Key == place }); i >= 0 {
		base.Sighting = l.out.Sightings[i]
	} else if base, err = l.base(ctx, place); err != nil {
		return false, err
	}
	ids, err := l.listed(ctx, l.Snapshot, place, base)
	l.holds[place] = len(ids) > 0
	return len(ids) > 0, err
}
