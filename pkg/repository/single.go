package repository

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// settle leaves no crumbs, and each key once.
func (d *Draft) settle(ctx context.Context) error {
	types := map[resource.Type]bool{}
	for _, s := range d.facts.Segments {
		types[s.Type] = true
	}
	for _, t := range sortedTypes(types) {
		if err := d.fold(ctx, t, 2); err != nil {
			return fmt.Errorf("fold %s: %w", t, err)
		}
		if err := d.single(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// single sees to it that each key of a type stands once. Only segments that overlap can
// have one in common, and only those are written anew of which a later one holds a
// record again: somebody who moved while a million were listed costs one segment.
func (d *Draft) single(ctx context.Context, t resource.Type) error {
	for _, group := range clusters(snapshot.Manifest{Segments: d.facts.Segments}.Of(t)) {
		if err := d.singleGroup(ctx, t, group); err != nil {
			return err
		}
	}
	return nil
}

func (d *Draft) singleGroup(ctx context.Context, t resource.Type, group []ranked) error {
	if len(group) < 2 {
		return nil
	}
	old, err := d.outdated(ctx, group)
	if err != nil || len(old) == 0 {
		return err
	}
	fresh, err := d.pack(ctx, t, old, d.current(ctx, group, old))
	if err != nil {
		return err
	}
	d.replace(old, fresh)
	return nil
}

// placed is a record, and the name of the segment that it stands in.
type placed struct {
	resource.Resource
	segment string
}

// placed yields the records of a group in the order of keys; of those with one key the
// latest comes last.
func (d *Draft) placed(ctx context.Context, group []ranked) iter.Seq2[placed, error] {
	return func(yield func(placed, error) bool) {
		m := &merger{r: d.r, ctx: ctx, prefix: d.facts.Prefix}
		m.run(group, func(res resource.Resource, err error) bool {
			if err != nil {
				return yield(placed{}, err)
			}
			return yield(placed{res, m.open[0].v.segment.Name}, nil)
		})
	}
}

// outdated are the segments of a group that hold a record which a later one holds too.
func (d *Draft) outdated(ctx context.Context, group []ranked) (old []snapshot.Segment, err error) {
	names := map[string]bool{}
	var last placed
	for p, err := range d.placed(ctx, group) {
		if err != nil {
			return nil, err
		}
		if p.Key == last.Key {
			names[last.segment] = true
		}
		last = p
	}
	for _, s := range group {
		if names[s.Name] {
			old = append(old, s.Segment)
		}
	}
	return old, nil
}

// current yields what counts of the records in old segments of a group.
func (d *Draft) current(ctx context.Context, group []ranked, old []snapshot.Segment) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		var held placed
		counts := func() bool {
			return slices.ContainsFunc(old, func(s snapshot.Segment) bool { return s.Name == held.segment })
		}
		for p, err := range d.placed(ctx, group) {
			if err != nil {
				yield(resource.Resource{}, err)
				return
			}
			if p.Key != held.Key && counts() && !yield(held.Resource, nil) {
				return
			}
			held = p
		}
		if counts() {
			yield(held.Resource, nil)
		}
	}
}
