package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"imago/pkg/blob"
	"imago/pkg/snapshot"
)

// Object is one object of the store, to be copied as it lies.
type Object struct {
	Key    string
	Bytes  int64
	sha256 string
	data   []byte // of a small one that is at hand; nil: it is read
}

// Objects are those that the snapshot stands on, and in the end its checksums and its
// manifest: whoever has copied all has a repository of one snapshot.
func (s *Snapshot) Objects() []Object {
	var out []Object
	for _, g := range s.manifest.Segments {
		out = append(out, Object{Key: s.r.keyOf(g.Ref), Bytes: g.Bytes, sha256: g.SHA256})
	}
	if l := s.listRef(); l != nil {
		out = append(out, Object{Key: s.r.keyOf(*l), Bytes: l.Bytes, sha256: l.SHA256})
	}
	own := func(name string, data []byte) {
		out = append(out, Object{Key: s.Prefix() + "/" + name, Bytes: int64(len(data)), data: data})
	}
	own(snapshot.ChecksumsName, snapshot.EncodeChecksums(s.checksums()))
	own(snapshot.ManifestName, s.sealed)
	return out
}

// Copy writes an object as it lies. One that is not as it was written is a problem, which
// names it and wraps ErrDamaged; some of it may have been written by then.
func (r *Repository) Copy(ctx context.Context, o Object, to io.Writer) (err error) {
	if o.data != nil {
		_, err := to.Write(o.data)
		return err
	}
	body, err := r.store.Get(ctx, o.Key, blob.Whole)
	if errors.Is(err, blob.ErrNotFound) {
		return damaged(o.Key, errors.New("it is not there"))
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", o.Key, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(body, o.Bytes))
	switch {
	case err != nil:
		return fmt.Errorf("copy %s: %w", o.Key, err)
	case n != o.Bytes || hex.EncodeToString(sum.Sum(nil)) != o.sha256:
		return damaged(o.Key, errors.New("it is not what the manifest tells of"))
	}
	return nil
}
