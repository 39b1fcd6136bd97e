package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"imago/pkg/blob"
	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// Commit makes the snapshot exist. facts says what only the caller knows: provider,
// org, engine, software, end, log cursor, previous, and of each type calls and gaps;
// all else is filled in. A type that was read and is empty must be in facts.Types.
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
	done, err := d.r.Open(ctx, d.facts.Prefix)
	switch {
	case err == nil:
		return d.committed(ctx, done)
	case !problem.Is(err, problem.NotFound):
		return snapshot.Manifest{}, err
	}
	if err := d.flush(ctx); err != nil {
		return snapshot.Manifest{}, err
	}
	if err := d.settle(ctx); err != nil {
		return snapshot.Manifest{}, err
	}
	if err := d.present(ctx); err != nil {
		return snapshot.Manifest{}, err
	}
	m, err := d.manifest(facts)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	return d.seal(ctx, m)
}

// committed is for a manifest that was there already. It counts, whoever wrote it;
// checksums that a late writer left in the place of its own are put right.
func (d *Draft) committed(ctx context.Context, s *Snapshot) (snapshot.Manifest, error) {
	if s.manifest.ID != d.facts.ID {
		return snapshot.Manifest{}, problem.New(problem.Conflict, "snapshot %s lies at %s already", s.manifest.ID, d.facts.Prefix)
	}
	if err := d.checksums(ctx, s.checksums()); err != nil {
		return snapshot.Manifest{}, err
	}
	d.digest = s.Digest()
	return s.manifest, nil
}

// present makes sure that the store lists every segment before a manifest names it.
func (d *Draft) present(ctx context.Context) error {
	sizes := map[string]int64{}
	for o, err := range d.r.store.List(ctx, d.facts.Prefix+"/") {
		if err != nil {
			return err
		}
		_, name := split(o.Key)
		sizes[name] = o.Size
	}
	for _, s := range d.facts.Segments {
		if size, ok := sizes[s.Name]; !ok || size != s.Bytes {
			return damaged(d.facts.Prefix+"/"+s.Name, errors.New("it was written, and is not listed with its size"))
		}
	}
	return nil
}

func (d *Draft) manifest(facts snapshot.Manifest) (snapshot.Manifest, error) {
	m := facts
	m.Format, m.ID, m.Started = snapshot.Format, d.facts.ID, d.facts.Started
	m.Account, m.Connection = string(d.r.account), string(d.r.connection)
	m.Segments = slices.Clone(d.facts.Segments)
	slices.SortFunc(m.Segments, func(a, b snapshot.Segment) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		return a.Last.Compare(b.Last)
	})
	return m, m.Settle()
}

// seal writes checksums and manifest.
func (d *Draft) seal(ctx context.Context, m snapshot.Manifest) (snapshot.Manifest, error) {
	key := d.facts.Prefix + "/" + snapshot.ManifestName
	object, err := d.r.encode(key, m)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	// Once it is put, the snapshot is listed: so it must open. What is given back is
	// what was written, down to the times' precision.
	if m, err = d.r.decode(key, object); err != nil {
		return snapshot.Manifest{}, fmt.Errorf("the manifest would not open again: %w", err)
	}
	if err := d.checksums(ctx, checksums(m, object)); err != nil {
		return snapshot.Manifest{}, err
	}
	err = d.r.put(ctx, key, object)
	if errors.Is(err, blob.ErrExists) {
		return d.overtaken(ctx)
	}
	if err != nil {
		return snapshot.Manifest{}, err
	}
	d.digest = hexSum(object)
	return m, nil
}

// encode seals a manifest for its place.
func (r *Repository) encode(key string, m snapshot.Manifest) ([]byte, error) {
	text, err := snapshot.EncodeManifest(m)
	if err != nil {
		return nil, err
	}
	return r.keys.SealObject(manifestPurpose, snapshot.SealedName(r.account, key), r.enc.EncodeAll(text, nil))
}

// overtaken is for a manifest that another writer of the same snapshot put in the
// meantime.
func (d *Draft) overtaken(ctx context.Context) (snapshot.Manifest, error) {
	done, err := d.r.Open(ctx, d.facts.Prefix)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	return d.committed(ctx, done)
}

// checksums writes the list of sums. Another one in its place is of a manifest that
// never came to be: it is replaced.
func (d *Draft) checksums(ctx context.Context, sums []snapshot.Checksum) error {
	key := d.facts.Prefix + "/" + snapshot.ChecksumsName
	text := snapshot.EncodeChecksums(sums)
	err := d.r.put(ctx, key, text)
	if !errors.Is(err, blob.ErrExists) {
		return err
	}
	if err := d.r.store.Delete(ctx, key); err != nil {
		return err
	}
	return d.r.put(ctx, key, text)
}

// checksums lists the sums of a snapshot's sealed objects, the manifest last.
func checksums(m snapshot.Manifest, sealed []byte) []snapshot.Checksum {
	out := make([]snapshot.Checksum, 0, len(m.Segments)+1)
	for _, s := range m.Segments {
		out = append(out, snapshot.Checksum{Name: s.Name, Bytes: s.Bytes, SHA256: s.SHA256})
	}
	return append(out, snapshot.Checksum{Name: snapshot.ManifestName, Bytes: int64(len(sealed)), SHA256: hexSum(sealed)})
}

// Digest is that of the committed manifest, for the next snapshot's Previous and
// for the record of what was taken; "" before Commit.
func (d *Draft) Digest() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.digest
}

func hexSum(object []byte) string {
	sum := sha256.Sum256(object)
	return hex.EncodeToString(sum[:])
}
