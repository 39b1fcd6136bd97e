package repository

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"imago/pkg/blob"
	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// Forget removes snapshots: their manifests, then their checksums. What they stood on goes
// with the next Sweep, unless another snapshot stands on it. Forgetting again does no harm;
// an error is the first of what could not be removed, and all else was.
func (r *Repository) Forget(ctx context.Context, prefixes ...string) error {
	for _, prefix := range prefixes {
		if err := r.place(prefix); err != nil {
			return err
		}
	}
	for _, name := range []string{snapshot.ManifestName, snapshot.ChecksumsName} {
		var keys []string
		for _, prefix := range prefixes {
			keys = append(keys, prefix+"/"+name)
			r.o.Cache.drop(prefix + "/" + name)
		}
		failed := blob.DeleteAll(ctx, r.store, keys)
		for _, key := range keys {
			if err := failed[key]; err != nil {
				return fmt.Errorf("forget snapshot: %w", err)
			}
		}
	}
	return nil
}

// Clear removes every snapshot, and whatever a draft left: of a connection that is gone,
// and whose data nobody keeps. Manifests go first, so that none is left without what it
// stands on.
func (r *Repository) Clear(ctx context.Context) error {
	all, err := r.all(ctx)
	if err != nil {
		return fmt.Errorf("clear: %w", err)
	}
	for _, f := range all {
		if err := r.Forget(ctx, f.prefix); err != nil {
			return err
		}
	}
	for _, f := range all {
		gone, err := r.remove(ctx, f.objects)
		if err == nil && gone.Locked > 0 {
			err = fmt.Errorf("%d objects in %s: %w", gone.Locked, f.prefix, blob.ErrLocked)
		}
		if err != nil {
			return fmt.Errorf("clear: %w", err)
		}
	}
	return nil
}

// RubbishAfter is how long what no snapshot names is left alone: far longer than a slow ghost
// may go on writing.
const RubbishAfter = 24 * time.Hour

// SweepOptions of Sweep.
type SweepOptions struct {
	// Before: only what was written before it is rubbish. Leave drafts the time
	// they may take, and a day more.
	Before time.Time
	// Keep are prefixes of drafts that are still being written. What they stand on MUST
	// NOT be forgotten meanwhile.
	Keep []string
	// Known are snapshots that somebody knows from elsewhere to be there. None of them may be
	// forgotten until the sweep has ended. While one is missing, or another than was written,
	// nothing is removed: what it stands on would be lost for good.
	Known []Known
	// Dry finds rubbish and removes nothing.
	Dry bool
}

// Swept counts what Sweep removed, or would have.
type Swept struct {
	Objects, Bytes int64
	// Locked counts what the store keeps for now: a later sweep takes it.
	Locked int64
	// Unread are snapshots whose manifests cannot be read, or are not those that were
	// written: what they stand on is not known, so nothing was removed.
	Unread []string
	// Missing are known snapshots that the store does not list, or does not have any more when
	// they are read: so nothing was removed.
	Missing []string
}

// Sweep removes rubbish: what no snapshot's manifest names, of drafts that died and of
// snapshots that were forgotten. Of a draft the newest object counts. Nothing that stays
// is written anew.
func (r *Repository) Sweep(ctx context.Context, o SweepOptions) (Swept, error) {
	all, err := r.all(ctx)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep: %w", err)
	}
	if missing := missing(all, o.Known); len(missing) > 0 {
		return Swept{Missing: missing}, nil
	}
	named, spoilt, err := r.named(ctx, all, o.Known)
	if err != nil || len(spoilt.Unread) > 0 || len(spoilt.Missing) > 0 {
		return spoilt, err
	}
	rubbish, err := r.rubbish(ctx, all, named, o)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep: %w", err)
	}
	if o.Dry {
		var total Swept
		total.add(rubbish)
		return total, nil
	}
	total, err := r.remove(ctx, rubbish)
	if err != nil {
		err = fmt.Errorf("sweep: %w", err)
	}
	return total, err
}

func (s *Swept) add(objects []blob.Object) {
	for _, o := range objects {
		s.Objects++
		s.Bytes += o.Size
	}
}

// missing are the prefixes of known snapshots that are not among those listed.
func missing(all []folder, known []Known) (out []string) {
	listed := map[string]bool{}
	for _, f := range all {
		listed[f.prefix] = f.taken()
	}
	for _, k := range known {
		if !listed[k.Prefix] {
			out = append(out, k.Prefix)
		}
	}
	return out
}

// named are the keys of all objects that a snapshot stands on; of spoilt ones it is not known.
func (r *Repository) named(ctx context.Context, all []folder, known []Known) (named map[string]bool, spoilt Swept, err error) {
	named = map[string]bool{}
	rows := byPrefix(known)
	for _, f := range all {
		if !f.taken() {
			continue
		}
		s, err := r.openAmong(ctx, f.prefix, rows)
		if isUnreadable(err) {
			spoilt.Unread = append(spoilt.Unread, f.prefix)
			continue
		}
		if problem.Is(err, problem.NotFound) {
			if _, known := rows[f.prefix]; known {
				spoilt.Missing = append(spoilt.Missing, f.prefix)
			}
			continue // or it was forgotten since it was listed
		}
		if err != nil {
			return nil, Swept{}, fmt.Errorf("sweep: %w", err)
		}
		for _, key := range s.keys() {
			named[key] = true
		}
	}
	renamed(all, named)
	return named, spoilt, nil
}

// renamed names besides what was sealed anew since it was listed: whoever read a manifest
// before that may still name it.
func renamed(all []folder, named map[string]bool) {
	anew := maps.Clone(named)
	for _, f := range all {
		for _, o := range f.objects {
			delete(anew, o.Key)
		}
	}
	originals := map[string]bool{}
	for key := range anew {
		prefix, name := split(key)
		originals[prefix+"/"+snapshot.Original(name)] = true
	}
	for _, f := range all {
		for _, o := range f.objects {
			if originals[f.prefix+"/"+snapshot.Original(o.Key[len(f.prefix)+1:])] {
				named[o.Key] = true
			}
		}
	}
}

// keys are those of all objects that the snapshot consists of.
func (s *Snapshot) keys() []string {
	out := []string{s.Prefix() + "/" + snapshot.ManifestName, s.Prefix() + "/" + snapshot.ChecksumsName}
	if l := s.listRef(); l != nil {
		out = append(out, s.r.keyOf(*l))
	}
	for _, g := range s.manifest.Segments {
		out = append(out, s.r.keyOf(g.Ref))
	}
	return out
}

// folder is what lies below one snapshot's prefix.
type folder struct {
	prefix  string
	objects []blob.Object
}

func (r *Repository) all(ctx context.Context) (out []folder, err error) {
	for f, err := range r.folders(ctx, r.backups()) {
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// folders yields what lies below a prefix, snapshot by snapshot.
func (r *Repository) folders(ctx context.Context, below string) iter.Seq2[folder, error] {
	return func(yield func(folder, error) bool) {
		var f folder
		for o, err := range r.store.List(ctx, below+"/") {
			if err != nil {
				yield(folder{}, fmt.Errorf("list %s/: %w", below, err))
				return
			}
			prefix, _ := split(o.Key)
			if prefix != f.prefix {
				if _, ok := snapshot.ParsePrefix(r.account, r.connection, prefix); !ok {
					continue
				}
				if f.objects != nil && !yield(f, nil) {
					return
				}
				f = folder{prefix: prefix}
			}
			f.objects = append(f.objects, o)
		}
		if f.objects != nil {
			yield(f, nil)
		}
	}
}

// object finds one by its name; listings are in key order.
func (f folder) object(name string) (blob.Object, bool) {
	i, ok := slices.BinarySearchFunc(f.objects, f.prefix+"/"+name, func(o blob.Object, key string) int {
		return strings.Compare(o.Key, key)
	})
	if !ok {
		return blob.Object{}, false
	}
	return f.objects[i], true
}

// taken reports whether there is a snapshot.
func (f folder) taken() bool {
	_, ok := f.object(snapshot.ManifestName)
	return ok
}

// unnamed are the objects of a folder that no snapshot stands on.
func (f folder) unnamed(named map[string]bool) []blob.Object {
	return slices.DeleteFunc(slices.Clone(f.objects), func(o blob.Object) bool { return named[o.Key] })
}

// rubbish finds what may be removed. Where folders of drafts have some, all is listed a
// second time: the first may be old by now, and a draft resumed and committed since. Nothing
// is, where that shows a snapshot that the first did not: nobody knows what it stands on.
func (r *Repository) rubbish(ctx context.Context, all []folder, named map[string]bool, o SweepOptions) (out []blob.Object, err error) {
	drafts, known := map[string]bool{}, map[string]bool{}
	for _, f := range all {
		taken := f.taken()
		known[f.prefix] = taken
		switch {
		case slices.Contains(o.Keep, f.prefix):
		case taken:
			out = append(out, slices.DeleteFunc(f.unnamed(named), f.likeOne(o.young))...)
		case f.dead(named, o):
			drafts[f.prefix] = true
		}
	}
	if len(drafts) == 0 {
		return out, nil
	}
	again, err := r.all(ctx)
	for _, f := range again {
		taken := f.taken()
		if taken && !known[f.prefix] {
			return nil, nil
		}
		if !taken && drafts[f.prefix] && f.dead(named, o) {
			out = append(out, f.unnamed(named)...)
		}
	}
	return out, err
}

// dead reports whether a draft's folder has rubbish, and nothing that is young.
func (f folder) dead(named map[string]bool, o SweepOptions) bool {
	return len(f.unnamed(named)) > 0 && !slices.ContainsFunc(f.objects, o.young)
}

func (o SweepOptions) young(one blob.Object) bool { return !one.Modified.Before(o.Before) }

// likeOne is for what is an object's, or another's that is the same, sealed under another
// data key: who opened a snapshot before it was sealed anew goes on for a while.
func (f folder) likeOne(is func(blob.Object) bool) func(blob.Object) bool {
	var originals []string
	for _, o := range f.objects {
		if is(o) {
			originals = append(originals, snapshot.Original(o.Key[len(f.prefix)+1:]))
		}
	}
	slices.Sort(originals)
	return func(o blob.Object) bool {
		_, ok := slices.BinarySearch(originals, snapshot.Original(o.Key[len(f.prefix)+1:]))
		return ok
	}
}

func (r *Repository) remove(ctx context.Context, objects []blob.Object) (done Swept, err error) {
	failed := blob.DeleteAll(ctx, r.store, keysOf(objects))
	for _, o := range objects {
		switch e := failed[o.Key]; {
		case e == nil:
			done.add([]blob.Object{o})
		case errors.Is(e, blob.ErrLocked):
			done.Locked++
		case err == nil:
			err = fmt.Errorf("remove: %w", e)
		}
	}
	return done, err
}

func keysOf(objects []blob.Object) []string {
	out := make([]string, len(objects))
	for i, o := range objects {
		out[i] = o.Key
	}
	return out
}
