package drift

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// parentOf finds what a child is a part of, when the log does not say.
func (l *look) parentOf(ctx context.Context, info resource.Info, id string) (string, error) {
	for r, err := range l.Snapshot.Walk(ctx, info.Type) {
		if err != nil {
			return "", err
		}
		if r.ID == id {
			return r.Parent, nil
		}
	}
	return "", nil
}

// known is what was known of a resource before this look.
type known struct {
	Sighting
	gap      bool   // the snapshot has a gap there: nothing was known
	snapshot string // ID of the one that it was compared with; "": of the look's
}

// doubt takes the state before the snapshot's, where the snapshot may hold already what
// the events did: if nothing is to be seen of it, not even in what each write changes.
func (l *look) doubt(ctx context.Context, base known, now []byte) (known, error) {
	if l.Earlier == nil || !base.At.IsZero() || !bytes.Equal(base.Body, now) {
		return base, nil
	}
	before, err := l.baseIn(ctx, l.Earlier, base.Key)
	if err != nil || before.gap {
		return base, err
	}
	before.snapshot = l.Earlier.Manifest().ID
	return before, nil
}

func (l *look) base(ctx context.Context, k resource.Key) (known, error) {
	return l.baseIn(ctx, l.Snapshot, k)
}

// baseIn is the last sighting, if it is newer than the snapshot, else the snapshot's.
func (l *look) baseIn(ctx context.Context, in Snapshot, k resource.Key) (known, error) {
	if l.Seen != nil {
		s, ok, err := l.Seen.Last(ctx, k)
		if err != nil {
			return known{}, fmt.Errorf("read what was seen last: %w", err)
		}
		if ok && s.At.After(in.Manifest().Started) {
			return known{Sighting: s}, nil
		}
	}
	out := known{Sighting: Sighting{Key: k}, gap: l.gap(in, k)}
	if k.ID == "" {
		return out, nil
	}
	r, err := in.Get(ctx, k)
	if problem.Is(err, problem.NotFound) {
		return out, nil
	}
	if err != nil {
		return known{}, fmt.Errorf("read the snapshot: %w", err)
	}
	out.Body, out.gap = slices.Clone(r.Body), false
	return out, nil
}

// gap reports whether a snapshot does not know a place, or what it is below.
func (l *look) gap(in Snapshot, k resource.Key) bool {
	gaps := in.Manifest().Gaps()
	for t, parent := k.Type, k.Parent; t != ""; {
		if slices.ContainsFunc(gaps, func(g snapshot.Gap) bool { return g.Covers(t, parent) }) {
			return true
		}
		info, _ := l.Catalog.Info(t)
		t, parent = info.Parent, parentKey(info.Parent, parent).Parent
	}
	return false
}

// live is the resource as it stands; nil when the org says that there is none.
func (l *look) live(ctx context.Context, k resource.Key) ([]byte, error) {
	r, err := l.Reader.Get(ctx, k)
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.Body), nil
}
