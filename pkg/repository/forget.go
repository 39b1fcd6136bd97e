package repository

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"imago/pkg/blob"
	"imago/pkg/snapshot"
)

// Forget removes a snapshot: its manifest and checksums. What it stood on goes with the
// next Sweep, unless another snapshot stands on it. Forgetting again does no harm.
func (r *Repository) Forget(ctx context.Context, prefix string) error {
	if err := r.place(prefix); err != nil {
		return err
	}
	for _, name := range []string{snapshot.ManifestName, snapshot.ChecksumsName} {
		r.o.Cache.drop(prefix + "/" + name)
		if err := r.store.Delete(ctx, prefix+"/"+name); err != nil {
			return fmt.Errorf("forget snapshot: %w", err)
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

// SweepOptions of Sweep.
type SweepOptions struct {
	// Before: only what was written before it is rubbish. Leave drafts the time
	// they may take, and a day more.
	Before time.Time
	// Keep are prefixes of drafts that are still being written. What they stand on MUST
	// NOT be forgotten meanwhile.
	Keep []string
	// Dry finds rubbish and removes nothing.
	Dry bool
}

// Swept counts what Sweep removed, or would have.
type Swept struct {
	Objects, Bytes int64
	// Locked counts what the store keeps for now: a later sweep takes it.
	Locked int64
	// Unread are snapshots whose manifests cannot be read: what they stand on is not
	// known, so nothing was removed.
	Unread []string
}

// Sweep removes rubbish: what no snapshot's manifest names, of drafts that died and of
// snapshots that were forgotten. Of a draft the newest object counts. Nothing that stays
// is written anew.
func (r *Repository) Sweep(ctx context.Context, o SweepOptions) (Swept, error) {
	all, err := r.all(ctx)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep: %w", err)
	}
	named, unread, err := r.named(ctx, all)
	if err != nil || len(unread) > 0 {
		return Swept{Unread: unread}, err
	}
	var total Swept
	for _, f := range all {
		if slices.Contains(o.Keep, f.prefix) {
			continue
		}
		rubbish, err := r.rubbish(ctx, f, named, o.Before)
		if err != nil {
			return total, fmt.Errorf("sweep: %w", err)
		}
		if o.Dry {
			total.add(rubbish)
			continue
		}
		swept, err := r.remove(ctx, rubbish)
		total.Objects, total.Bytes, total.Locked = total.Objects+swept.Objects, total.Bytes+swept.Bytes, total.Locked+swept.Locked
		if err != nil {
			return total, fmt.Errorf("sweep: %w", err)
		}
	}
	return total, nil
}

func (s *Swept) add(objects []blob.Object) {
	for _, o := range objects {
		s.Objects++
		s.Bytes += o.Size
	}
}

// named are the keys of all objects that a snapshot stands on.
func (r *Repository) named(ctx context.Context, all []folder) (named map[string]bool, unread []string, err error) {
	named = map[string]bool{}
	for _, f := range all {
		if _, ok := f.object(snapshot.ManifestName); !ok {
			continue
		}
		s, err := r.Open(ctx, f.prefix)
		if isUnreadable(err) {
			unread = append(unread, f.prefix)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("sweep: %w", err)
		}
		for _, key := range s.keys() {
			named[key] = true
		}
	}
	return named, unread, nil
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
				yield(folder{}, err)
				return
			}
			prefix, _ := split(o.Key)
			if _, ok := snapshot.ParsePrefix(r.account, r.connection, prefix); !ok {
				continue
			}
			if prefix != f.prefix {
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

// folder lists what lies below one snapshot's prefix; nothing if there is none.
func (r *Repository) folder(ctx context.Context, prefix string) (folder, error) {
	for f, err := range r.folders(ctx, prefix) {
		return f, err
	}
	return folder{}, nil
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

// unnamed are the objects of a folder that no snapshot stands on.
func (f folder) unnamed(named map[string]bool) []blob.Object {
	return slices.DeleteFunc(slices.Clone(f.objects), func(o blob.Object) bool { return named[o.Key] })
}

// rubbish finds what may be removed of a folder. That of a draft is listed a second time:
// the first may be old by now, and the draft resumed and committed since.
func (r *Repository) rubbish(ctx context.Context, f folder, named map[string]bool, before time.Time) ([]blob.Object, error) {
	young := func(o blob.Object) bool { return !o.Modified.Before(before) }
	rest := f.unnamed(named)
	if _, ok := f.object(snapshot.ManifestName); ok || len(rest) == 0 {
		return slices.DeleteFunc(rest, young), nil
	}
	if slices.ContainsFunc(rest, young) {
		return nil, nil
	}
	again, err := r.folder(ctx, f.prefix)
	if _, committed := again.object(snapshot.ManifestName); err != nil || committed || slices.ContainsFunc(again.objects, young) {
		return nil, err
	}
	return rest, nil
}

func (r *Repository) remove(ctx context.Context, objects []blob.Object) (done Swept, err error) {
	for _, o := range objects {
		err := r.store.Delete(ctx, o.Key)
		switch {
		case errors.Is(err, blob.ErrLocked):
			done.Locked++
		case err != nil:
			return done, fmt.Errorf("remove: %w", err)
		default:
			done.add([]blob.Object{o})
		}
	}
	return done, nil
}
