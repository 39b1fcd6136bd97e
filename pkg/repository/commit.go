package repository

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"imago/pkg/blob"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Commit makes the snapshot exist. facts says what only the caller knows: provider,
// org, engine, software, end, log cursor, previous, and of each type calls and gaps;
// all else is filled in. A type that was read and is empty must be in facts.Types. Of a
// draft of what is named alone, facts.Types are those of which more is known than before, with
// all of their gaps.
//
// What a sweep did not meet is gone, but for what lies under a gap: where nothing of a
// place was read, what was there before is kept, hidden.
//
// Commit may be called again after an error, or after Resume, also when it was the
// answer that got lost: the manifest that is there then is given back.
func (d *Draft) Commit(ctx context.Context, facts snapshot.Manifest) (snapshot.Manifest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.commit(ctx, facts)
	if err != nil && problem.Of(err) == nil {
		err = fmt.Errorf("commit snapshot %s: %w", d.facts.ID, err)
	}
	return m, err
}

func (d *Draft) commit(ctx context.Context, facts snapshot.Manifest) (snapshot.Manifest, error) {
	if !d.fresh {
		done, err := d.r.Open(ctx, d.Prefix())
		switch {
		case err == nil:
			return d.committed(ctx, done)
		case !problem.Is(err, problem.NotFound):
			return snapshot.Manifest{}, err
		}
	}
	types, err := d.complete(ctx, facts.Types)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	for _, l := range d.lanes() {
		if err := l.settle(ctx); err != nil {
			return snapshot.Manifest{}, fmt.Errorf("settle: %w", err)
		}
	}
	wasFresh := d.fresh
	d.fresh = false // whoever comes again may find a manifest
	if !wasFresh {
		if err := d.present(ctx); err != nil {
			return snapshot.Manifest{}, err
		}
	}
	m, err := d.manifest(ctx, facts, types)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	return d.seal(ctx, m)
}

// complete takes in all that was added, and counts out what is gone. It gives what is to
// be said of each type.
func (d *Draft) complete(ctx context.Context, told []snapshot.TypeStatus) ([]snapshot.TypeStatus, error) {
	for _, l := range d.lanes() {
		if err := l.join(ctx); err != nil {
			return nil, err
		}
	}
	types, err := d.types(ctx, told)
	if err != nil {
		return nil, err
	}
	if d.facts.Scope == Sweep {
		status := map[resource.Type]snapshot.TypeStatus{}
		for _, t := range types {
			status[t.Type] = t
		}
		for _, l := range d.states() {
			keep := func(k resource.Key) bool { return status[k.Type].Hides(k.Parent) }
			if err := l.missing(ctx, keep); err != nil {
				return nil, err
			}
		}
	}
	for i := range types {
		if d.facts.Scope == Named && !d.facts.Added[types[i].Type] {
			continue // as its parent tells
		}
		if err := d.count(ctx, &types[i]); err != nil {
			return nil, err
		}
	}
	return types, nil
}

// types lists what the snapshot tells of, each with its gaps.
func (d *Draft) types(ctx context.Context, told []snapshot.TypeStatus) ([]snapshot.TypeStatus, error) {
	out := slices.Clone(told)
	for i := range out {
		out[i].Gaps = slices.Clone(out[i].Gaps)
		for j, g := range out[i].Gaps {
			if d.facts.Scope == Named {
				continue // what its parent hides stays hidden, and nothing else is
			}
			read, err := d.read(ctx, g)
			if err != nil {
				return nil, err
			}
			out[i].Gaps[j].Hides = !read
		}
	}
	known := func(t resource.Type) bool {
		return slices.ContainsFunc(out, func(s snapshot.TypeStatus) bool { return s.Type == t })
	}
	if d.facts.Scope == Named {
		for _, s := range d.parent.manifest.Types {
			if !known(s.Type) {
				out = append(out, s)
			}
		}
	}
	for _, t := range sortedTypes(d.facts.Added) {
		if !known(t) {
			out = append(out, snapshot.TypeStatus{Type: t})
		}
	}
	return out, nil
}

// read reports whether something of a gap's place was read.
func (d *Draft) read(ctx context.Context, g snapshot.Gap) (bool, error) {
	if !d.facts.Added[g.Type] || g.Parent == "" {
		return d.facts.Added[g.Type], nil
	}
	w := d.bodies.walk(ofPlace(g.Type, g.Parent))
	for {
		all, err := w.next(ctx)
		if err != nil || len(all) == 0 {
			return false, err
		}
		if !all[0].Deleted() && d.bodies.seen.met(all[0]) {
			return true, nil
		}
	}
}

// count says how much of a type the state holds, and how much is hidden.
func (d *Draft) count(ctx context.Context, s *snapshot.TypeStatus) error {
	s.Held, s.Hidden = *d.held(s.Type), snapshot.Held{}
	if s.Hides("") {
		s.Held, s.Hidden = snapshot.Held{}, s.Held
		return nil
	}
	hidden := map[string]bool{}
	for _, g := range s.Gaps {
		if !g.Hides || hidden[g.Parent] {
			continue
		}
		hidden[g.Parent] = true
		for _, l := range d.states() {
			if err := l.weigh(ctx, ofPlace(s.Type, g.Parent), &s.Hidden); err != nil {
				return err
			}
		}
	}
	s.Held.Sub(s.Hidden)
	return nil
}

// committed is for a manifest that was there already. It counts, whoever wrote it;
// checksums that a late writer left in the place of its own are put right.
func (d *Draft) committed(ctx context.Context, s *Snapshot) (snapshot.Manifest, error) {
	if s.manifest.ID != d.facts.ID {
		return snapshot.Manifest{}, problem.New(problem.Conflict, "snapshot %s lies at %s already", s.manifest.ID, d.Prefix())
	}
	if err := d.checksums(ctx, s.checksums()); err != nil {
		return snapshot.Manifest{}, err
	}
	d.done = s.Digest()
	return s.manifest, nil
}

// present makes sure that the store lists every segment before a manifest names it: what
// this very process was told is written needs no second look.
func (d *Draft) present(ctx context.Context) error {
	sizes := map[string]int64{}
	for o, err := range d.r.store.List(ctx, d.Prefix()+"/") {
		if err != nil {
			return err
		}
		_, name := split(o.Key)
		sizes[name] = o.Size
	}
	for _, s := range d.own() {
		if size, ok := sizes[s.Name]; !ok || size != s.Bytes {
			return damaged(d.r.keyOf(s.Ref), errors.New("it was written, and is not listed with its size"))
		}
	}
	return nil
}

// manifest words the manifest, as it is stored, and writes the list that it needs.
func (d *Draft) manifest(ctx context.Context, facts snapshot.Manifest, types []snapshot.TypeStatus) (snapshot.Manifest, error) {
	m := facts
	m.Format, m.ID, m.Started, m.Kind = snapshot.Format, d.facts.ID, d.facts.Started, snapshot.Full
	m.Account, m.Connection = string(d.r.account), string(d.r.connection)
	m.Point = d.facts.Scope == Named
	all := append(d.base(), d.own()...)
	slices.SortFunc(all, func(a, b snapshot.Segment) int {
		return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Family, b.Family), a.First.Compare(b.First))
	})
	slices.SortFunc(types, func(a, b snapshot.TypeStatus) int { return cmp.Compare(a.Type, b.Type) })
	if d.parent != nil {
		m.Kind, m.Parent = snapshot.Incremental, d.parent.folder
	}
	if over, ok, err := d.over(m, types, all); ok || err != nil {
		return over, err
	}
	ref, err := d.writeList(ctx, snapshot.List{Format: snapshot.Format, Types: types, Segments: d.local(all), Names: d.facts.Names})
	m.List, m.Types, m.Segments = &ref, nil, nil
	return m, err
}

// over words the manifest as a difference from its parent's list; false: that has grown
// too large, or tells of a type that the snapshot does not.
func (d *Draft) over(m snapshot.Manifest, types []snapshot.TypeStatus, all []snapshot.Segment) (over snapshot.Manifest, ok bool, err error) {
	if d.parent == nil || d.parent.stored.List == nil {
		return m, false, nil
	}
	list := d.parent.list
	m.List, m.Types, m.Dropped, m.Names = d.parent.listRef(), nil, nil, d.facts.Names.Besides(list.Names)
	was := map[resource.Type]snapshot.TypeStatus{}
	for _, s := range list.Types {
		was[s.Type] = s
	}
	for _, s := range types {
		if old, ok := was[s.Type]; !ok || !reflect.DeepEqual(old, s) {
			m.Types = append(m.Types, s)
		}
		delete(was, s.Type)
	}
	named := map[string]bool{}
	for _, s := range all {
		named[s.Name] = true
	}
	for _, s := range list.Segments {
		if !named[s.Name] {
			m.Dropped = append(m.Dropped, s.Name)
		}
		delete(named, s.Name)
	}
	m.Segments = d.local(slices.DeleteFunc(slices.Clone(all), func(s snapshot.Segment) bool { return !named[s.Name] }))
	text, err := json.Marshal(m.Segments)
	if err != nil {
		return m, false, fmt.Errorf("word the manifest: %w", err)
	}
	return m, len(was) == 0 && len(text) <= d.r.o.Inline, nil
}

// local leaves out the folder of what lies in the snapshot's own.
func (d *Draft) local(segments []snapshot.Segment) []snapshot.Segment {
	out := slices.Clone(segments)
	for i := range out {
		if out[i].Folder == d.folder() {
			out[i].Folder = ""
		}
	}
	return out
}

func (d *Draft) writeList(ctx context.Context, l snapshot.List) (ref snapshot.Ref, err error) {
	random, err := randomName()
	if err != nil {
		return ref, err
	}
	text, err := d.r.listText(l)
	if err != nil {
		return ref, err
	}
	ref.Name, ref.Key = snapshot.ListName(random), d.r.keys.Current()
	key := d.Prefix() + "/" + ref.Name
	object, err := d.r.pack(listPurpose, key, text)
	if err != nil {
		return ref, err
	}
	if len(object) > maxManifest {
		return ref, fmt.Errorf("a list %w than %d bytes", blob.ErrLonger, maxManifest)
	}
	ref.Bytes, ref.SHA256 = int64(len(object)), hexSum(object)
	if err := d.r.put(ctx, key, object); err != nil {
		return ref, fmt.Errorf("write list: %w", err)
	}
	d.r.o.Cache.put(key, object)
	return ref, nil
}

// seal writes checksums and manifest.
func (d *Draft) seal(ctx context.Context, m snapshot.Manifest) (snapshot.Manifest, error) {
	key := d.Prefix() + "/" + snapshot.ManifestName
	text, err := d.r.manifestText(m)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	object, err := d.r.pack(manifestPurpose, key, text)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	// Once it is put, the snapshot is listed: so it must open. What is given back is
	// what was written, down to the times' precision.
	s, err := d.r.decode(d.folder(), object)
	if err == nil {
		s, err = d.r.resolve(ctx, s)
	}
	if err != nil {
		return snapshot.Manifest{}, fmt.Errorf("the manifest would not open again: %w", err)
	}
	if err := d.checksums(ctx, s.checksums()); err != nil {
		return snapshot.Manifest{}, err
	}
	err = d.r.put(ctx, key, object)
	if errors.Is(err, blob.ErrExists) {
		return d.overtaken(ctx)
	}
	if err != nil {
		return snapshot.Manifest{}, err
	}
	d.r.o.Cache.put(key, object)
	d.done = hexSum(object)
	return s.manifest, nil
}

// overtaken is for a manifest that another writer of the same snapshot put in the
// meantime.
func (d *Draft) overtaken(ctx context.Context) (snapshot.Manifest, error) {
	done, err := d.r.Open(ctx, d.Prefix())
	if err != nil {
		return snapshot.Manifest{}, err
	}
	return d.committed(ctx, done)
}

// checksums writes the list of sums. Another one in its place is of a manifest that
// never came to be: it is replaced, and no harm where the store holds on to it behind this. Where
// the store does not write over it while it is locked, there is no snapshot before that ends.
func (d *Draft) checksums(ctx context.Context, sums []snapshot.Checksum) error {
	key := d.Prefix() + "/" + snapshot.ChecksumsName
	text := snapshot.EncodeChecksums(sums)
	err := d.r.put(ctx, key, text)
	if errors.Is(err, blob.ErrExists) {
		err = d.r.replace(ctx, key, text)
	}
	if blob.Replaced(err) {
		return nil
	}
	return err
}

// checksums lists the sums of the sealed objects in a snapshot's folder, the manifest
// last.
func checksums(m snapshot.Manifest, list snapshot.List, sealed []byte) []snapshot.Checksum {
	var out []snapshot.Checksum
	add := func(r snapshot.Ref) {
		if r.Folder == "" {
			out = append(out, snapshot.Checksum{Name: r.Object(), Bytes: r.Bytes, SHA256: r.SHA256})
		}
	}
	if m.List != nil && m.List.Folder == "" {
		for _, s := range list.Segments {
			add(s.Ref)
		}
		add(*m.List)
	}
	for _, s := range m.Segments {
		add(s.Ref)
	}
	return append(out, snapshot.Checksum{Name: snapshot.ManifestName, Bytes: int64(len(sealed)), SHA256: hexSum(sealed)})
}

// Digest is that of the committed manifest, for the next snapshot's Previous and
// for the record of what was taken; "" before Commit.
func (d *Draft) Digest() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func hexSum(object []byte) string {
	sum := sha256.Sum256(object)
	return hex.EncodeToString(sum[:])
}

func sortedTypes[V any](m map[resource.Type]V) []resource.Type {
	out := make([]resource.Type, 0, len(m))
	for t := range m {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}
