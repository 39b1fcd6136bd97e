package repository

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"imago/pkg/blob"
	"imago/pkg/snapshot"
)

// Forget removes a snapshot: its manifest first, so that it is gone at once, then
// the rest. Forgetting again goes on where an earlier call stopped.
func (r *Repository) Forget(ctx context.Context, prefix string) error {
	if err := r.place(prefix); err != nil {
		return err
	}
	if err := r.store.Delete(ctx, prefix+"/"+snapshot.ManifestName); err != nil {
		return fmt.Errorf("forget snapshot: %w", err)
	}
	var rest []blob.Object
	for o, err := range r.store.List(ctx, prefix+"/") {
		if err != nil {
			return fmt.Errorf("forget snapshot: %w", err)
		}
		rest = append(rest, o)
	}
	_, err := r.remove(ctx, rest)
	return err
}

// Clear removes every snapshot, and whatever a draft left: of a connection that is gone,
// and whose data nobody keeps.
func (r *Repository) Clear(ctx context.Context) error {
	var all []string
	for f, err := range r.folders(ctx, r.backups()) {
		if err != nil {
			return fmt.Errorf("clear: %w", err)
		}
		all = append(all, f.prefix)
	}
	for _, prefix := range all {
		if err := r.Forget(ctx, prefix); err != nil {
			return err
		}
	}
	return nil
}

// SweepOptions of Sweep.
type SweepOptions struct {
	// Before: only what was written before it is rubbish. Leave drafts the time
	// they may take, and a day more.
	Before time.Time
	// Keep are prefixes of drafts that are still being written.
	Keep []string
}

// Swept counts what Sweep removed.
type Swept struct{ Objects, Bytes int64 }

// Sweep removes rubbish: drafts that died, and objects that their snapshot's
// manifest does not name. Of a draft the newest object counts. What cannot be
// understood is left alone.
func (r *Repository) Sweep(ctx context.Context, o SweepOptions) (Swept, error) {
	var total Swept
	for f, err := range r.folders(ctx, r.backups()) {
		if err != nil {
			return total, fmt.Errorf("sweep: %w", err)
		}
		if slices.Contains(o.Keep, f.prefix) {
			continue
		}
		rubbish, err := r.rubbish(ctx, f, o.Before)
		if err != nil {
			return total, fmt.Errorf("sweep: %w", err)
		}
		swept, err := r.remove(ctx, rubbish)
		total.Objects, total.Bytes = total.Objects+swept.Objects, total.Bytes+swept.Bytes
		if err != nil {
			return total, fmt.Errorf("sweep: %w", err)
		}
	}
	return total, nil
}

// folder is what lies below one snapshot's prefix.
type folder struct {
	prefix  string
	objects []blob.Object
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

// dead reports whether the folder is that of a draft that nobody wrote to since.
func (f folder) dead(since time.Time) bool {
	_, committed := f.object(snapshot.ManifestName)
	return !committed && !slices.ContainsFunc(f.objects, func(o blob.Object) bool { return !o.Modified.Before(since) })
}

// rubbish finds what may be removed of a folder. An error here is one of the
// store; a manifest that does not open keeps its folder.
func (r *Repository) rubbish(ctx context.Context, f folder, before time.Time) ([]blob.Object, error) {
	if _, ok := f.object(snapshot.ManifestName); !ok {
		return r.abandoned(ctx, f, before)
	}
	s, err := r.Open(ctx, f.prefix)
	if isUnreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.unnamed(f), func(o blob.Object) bool { return !o.Modified.Before(before) }), nil
}

// abandoned is all of a dead draft's folder. It is listed a second time: the first
// may be old by now, and the draft resumed and committed since.
func (r *Repository) abandoned(ctx context.Context, f folder, before time.Time) ([]blob.Object, error) {
	if !f.dead(before) {
		return nil, nil
	}
	again, err := r.folder(ctx, f.prefix)
	if err != nil || !again.dead(before) {
		return nil, err
	}
	return again.objects, nil
}

// unnamed are the objects of the snapshot's folder that are not the snapshot's.
func (s *Snapshot) unnamed(f folder) []blob.Object {
	names := map[string]bool{snapshot.ManifestName: true, snapshot.ChecksumsName: true}
	for _, g := range s.manifest.Segments {
		names[g.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(f.objects), func(o blob.Object) bool {
		_, name := split(o.Key)
		return names[name]
	})
}

func (r *Repository) remove(ctx context.Context, objects []blob.Object) (done Swept, err error) {
	for _, o := range objects {
		if err := r.store.Delete(ctx, o.Key); err != nil {
			return done, fmt.Errorf("remove: %w", err)
		}
		done.Objects++
		done.Bytes += o.Size
	}
	return done, nil
}
