package repository

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

func namesOf(c resource.Catalog) snapshot.NamePaths {
	out := snapshot.NamePaths{}
	for _, i := range c {
		if paths := i.Names(); len(paths) > 0 {
			out[i.Type] = paths
		}
	}
	return out
}

// naming says by which fields a draft's resources are found: by those that its parent says,
// as the names of what stays are in its layers; a type of which it held nothing begins anew.
func (r *Repository) naming(parent *Snapshot) snapshot.NamePaths {
	if parent == nil {
		return r.names
	}
	out := snapshot.NamePaths{}
	for t, paths := range r.names {
		if status, _ := parent.manifest.Status(t); told(status).Objects == 0 {
			out[t] = paths
		}
	}
	for t, paths := range parent.manifest.Names {
		out[t] = paths
	}
	return out
}

// nameKeys are the keys in the family of names of what a record says, each once: two names
// may have one place.
func nameKeys(r snapshot.Record, paths []resource.Path) (out []resource.Key, err error) {
	if r.Deleted() || len(paths) == 0 {
		return nil, nil
	}
	names, err := resource.Called(r.Body, paths)
	if err != nil {
		return nil, fmt.Errorf("%w: the names of %s: %w", snapshot.ErrUnfit, r.Key, err)
	}
	for _, name := range names {
		if k := snapshot.NameKey(r.Key, name); !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out, nil
}

// rename has the draft's names follow a body: one record is in the place of another.
func (l *lane) rename(ctx context.Context, old, now snapshot.Record) error {
	if l.family != snapshot.Bodies {
		return nil
	}
	names, paths := l.d.names, l.d.facts.Names
	was, err := nameKeys(old, paths[old.Type])
	if err != nil {
		return err
	}
	is, err := nameKeys(now, paths[now.Type])
	if err != nil {
		return err
	}
	return names.replace(ctx, was, is)
}

// replace takes names away and adds others. They were the old body's, so nothing is read.
func (l *lane) replace(ctx context.Context, was, is []resource.Key) error {
	for _, k := range was {
		if !slices.Contains(is, k) {
			if err := l.delta.add(resource.Resource{Key: k}); err != nil {
				return err
			}
		}
	}
	for _, k := range is {
		if !slices.Contains(was, k) {
			if err := l.delta.add(resource.Resource{Key: k, Body: []byte(snapshot.NameRecord)}); err != nil {
				return err
			}
		}
	}
	if l.delta.held < l.target {
		return nil
	}
	return l.write(ctx, true)
}

// ByName reports whether the snapshot's resources of a type can be found by name.
func (s *Snapshot) ByName(t resource.Type) bool { return len(s.manifest.Names[t]) > 0 }

// Named yields the resources of a type that have a name, whatever its case, in the order of
// their parents and IDs; none, where ByName is false. Of each layer of names it reads three
// chunks at most, but where a name is that of hundreds: that which holds its place, the one
// before and the one with which the type ends; of a type below others all. Besides it reads
// each resource that it finds.
func (s *Snapshot) Named(ctx context.Context, t resource.Type, name string) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		name := resource.Fold(name)
		place := snapshot.NamePlace(t, name)
		w := s.r.walkNames(s.of(snapshot.Names), t, place)
		for {
			all, err := w.next(ctx)
			if err == nil && len(all) == 0 {
				return
			}
			var r resource.Resource
			var so bool
			if err == nil && !all[0].Deleted() {
				if key, at := snapshot.Named(all[0].Key, place); at {
					r, so, err = s.called(ctx, key, name)
				}
			}
			if err != nil || so {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// walkNames goes through names of a type: at the top through the chunks that can hold those of
// one place, and through all that there are below parents.
func (r *Repository) walkNames(segments []snapshot.Segment, t resource.Type, place string) *walker {
	from, to := snapshot.NamesAt(t, "", place)
	w := r.walk(segments, reach{from, ofType(t).to})
	w.skip = func(g *snapshot.Segment, chunk int) bool {
		first, last := g.Reach(chunk)
		return first.Compare(to) > 0 && last.Type == t && last.Parent == ""
	}
	return w
}

// called gets a resource if it has a name: another one may stand at the same place, and
// what gaps hide keeps its names.
func (s *Snapshot) called(ctx context.Context, k resource.Key, name string) (r resource.Resource, so bool, err error) {
	if r, err = s.Get(ctx, k); problem.Is(err, problem.NotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	names, err := resource.Called(r.Body, s.manifest.Names[k.Type])
	return r, slices.Contains(names, name), err
}
