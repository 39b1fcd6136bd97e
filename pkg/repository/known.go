package repository

import (
	"context"
	"slices"
)

// Known is a snapshot as somebody knows it who does not learn of it from the store.
type Known struct {
	Prefix string
	Digest string // of its manifest, or of one that this is in the place of since it was sealed anew
}

// digestsOf are the digests of manifests by their snapshots' prefixes.
func digestsOf(known []Known) map[string]string {
	out := map[string]string{}
	for _, k := range known {
		out[k.Prefix] = k.Digest
	}
	return out
}

// openAmong opens a snapshot: one that is known, as what it is known to be.
func (r *Repository) openAmong(ctx context.Context, prefix string, known map[string]string) (*Snapshot, error) {
	digest, ok := known[prefix]
	if !ok {
		return r.Open(ctx, prefix)
	}
	return r.OpenKnown(ctx, prefix, digest)
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
