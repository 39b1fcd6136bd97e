package repository

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// Known is a snapshot as somebody knows it who does not learn of it from the store.
type Known struct {
	Prefix string
	Digest string // of its manifest, or of one that this is in the place of since it was sealed anew
	Next   string // digest of the manifest that is about to be put there, sealed anew; "": none is
}

func byPrefix(known []Known) map[string]Known {
	out := map[string]Known{}
	for _, k := range known {
		out[k.Prefix] = k
	}
	return out
}

// openAmong opens a snapshot: one that is known, as what it is known to be.
func (r *Repository) openAmong(ctx context.Context, prefix string, known map[string]Known) (*Snapshot, error) {
	k, ok := known[prefix]
	if !ok {
		return r.Open(ctx, prefix)
	}
	return r.OpenKnown(ctx, k)
}

// OpenKnown opens a snapshot that is known, whichever of the two manifests is there: what opens
// besides is as bad as damaged, as who has an old data key, and the bucket, may have put it
// there. A manifest that the cache has from before it was sealed anew, or may have been, is read
// again: what that one stands on may be gone.
func (r *Repository) OpenKnown(ctx context.Context, k Known) (*Snapshot, error) {
	key := k.Prefix + "/" + snapshot.ManifestName
	if object, ok := r.o.Cache.get(key); ok && hexSum(object) != cmp.Or(k.Next, k.Digest) {
		r.o.Cache.drop(key)
	}
	s, err := r.Open(ctx, k.Prefix)
	if err != nil {
		return nil, err
	}
	if !s.Is(k.Digest) && (k.Next == "" || !s.Is(k.Next)) {
		return nil, damaged(key, errReplaced)
	}
	return s, nil
}

// Lost reports whether an error of opening says that there is no such snapshot any more, or none
// that anybody can open. One in another format may be whole, and so may one without a key.
func Lost(err error) bool {
	return problem.Is(err, problem.NotFound) || errors.Is(err, ErrDamaged) && !errors.Is(err, snapshot.ErrFormat)
}

// Chain follows which snapshot each one names as the one before it, oldest first.
type Chain struct {
	before []string // digests that the manifest before has, and had
	passed bool     // that one is not known
}

// Breaks reports whether a snapshot names a previous one which is not the one that came
// before it here: that was forgotten, or somebody removed it or put another in its place.
func (c *Chain) Breaks(s *Snapshot) bool {
	p := s.manifest.Previous
	breaks := p != "" && !c.passed && !slices.Contains(c.before, p)
	c.before, c.passed = append(slices.Clone(s.manifest.Was), s.Digest()), false
	return breaks
}

// Pass goes past a snapshot that is there and is not opened.
func (c *Chain) Pass() { c.passed = true }
