package api

import (
	"context"
	"iter"
	"slices"

	"connectrpc.com/connect"

	"imago/pkg/diff"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/restore"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

func (s snapshotService) Compare(ctx context.Context, r *connect.Request[imagov1.CompareRequest], to *connect.ServerStream[imagov1.CompareResponse]) error {
	c, err := s.comparison(ctx, r.Msg)
	if err != nil {
		return err
	}
	for ch, err := range c.changes(ctx) {
		if err != nil {
			return err
		}
		part, err := c.part(ctx, ch)
		if err != nil {
			return err
		}
		if err := to.Send(part); err != nil {
			return err
		}
	}
	if c.ids == nil {
		err = c.count(ctx)
	}
	if err != nil {
		return err
	}
	return to.Send(c.summary())
}

// comparison is two open snapshots and how to compare them.
type comparison struct {
	catalog       resource.Catalog
	repo          *repository.Repository
	types         []resource.Type
	from, to      *repository.Snapshot
	before, after *names // of what stands in them
	ids           diff.IDs
	tally         diff.Tally
	lone          map[resource.Type]lone // of what is not on both sides, where both know it
}

// lone counts resources that stand on one side alone.
type lone struct{ before, after int64 }

func (s snapshotService) comparison(ctx context.Context, m *imagov1.CompareRequest) (*comparison, error) {
	c := &comparison{catalog: s.Provider.Catalog(), lone: map[resource.Type]lone{}}
	var err error
	if c.types, err = s.types(m.GetTypes()); err != nil {
		return nil, err
	}
	before, after, err := s.pair(ctx, m)
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	if c.ids, err = s.identities(ctx, ring, m.GetRestoreId()); err != nil {
		return nil, err
	}
	if c.repo, err = s.repository(ring, before.ConnectionID); err != nil {
		return nil, err
	}
	if c.from, err = s.open(ctx, ring, before, opening{action: "compare_snapshot", detail: "with " + after.ID}); err != nil {
		return nil, err
	}
	if c.to, err = s.open(ctx, ring, after, opening{action: "compare_snapshot", detail: "with " + before.ID}); err != nil {
		return nil, err
	}
	c.before, c.after = newNames(c.catalog, c.from), newNames(c.catalog, c.to)
	return c, nil
}

// types checks which types are to be compared; all if none is named.
func (s snapshotService) types(wanted []string) ([]resource.Type, error) {
	var out []resource.Type
	for _, name := range wanted {
		t, err := valid.Type("types", name, s.Provider.Catalog())
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return each(s.Provider.Catalog(), func(i resource.Info) resource.Type { return i.Type }), nil
	}
	return out, nil
}

// pair finds the two snapshots, which must be of one connection.
func (s snapshotService) pair(ctx context.Context, m *imagov1.CompareRequest) (before, after snapshots.Snapshot, err error) {
	one, err := valid.ID("before_snapshot_id", m.GetBeforeSnapshotId())
	if err != nil {
		return before, after, err
	}
	other, err := valid.ID("after_snapshot_id", m.GetAfterSnapshotId())
	if err != nil {
		return before, after, err
	}
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if before, err = snapshots.Find(ctx, tx, one); err != nil {
			return in("before_snapshot_id", snapshotsHint, err)
		}
		after, err = snapshots.Find(ctx, tx, other)
		return in("after_snapshot_id", snapshotsHint, err)
	})
	if err == nil && before.ConnectionID != after.ConnectionID {
		err = problem.InField("after_snapshot_id", "it is of another connection than before_snapshot_id").
			WithHint("choose two snapshots of one connection")
	}
	return before, after, err
}

// identities are the IDs that a restore gave to what it made again; nil without one.
func (s snapshotService) identities(ctx context.Context, ring *envelope.Keyring, restoreID string) (diff.IDs, error) {
	if restoreID == "" {
		return nil, nil
	}
	id, err := valid.ID("restore_id", restoreID)
	if err != nil {
		return nil, err
	}
	row, steps, err := s.restoreRows(ctx, id)
	if err != nil {
		return nil, in("restore_id", restoresHint, err)
	}
	plan, journal, err := openPlan(ring, row, steps)
	if err != nil {
		return nil, err
	}
	return restore.IDs(plan, journal), nil
}

// changes reads what the snapshots do not have in common. Under identities that a restore
// gave, what is the same may differ: then both are read whole.
func (c *comparison) changes(ctx context.Context) iter.Seq2[diff.Change, error] {
	if c.ids != nil {
		return diff.Changes(c.catalog, c.side(ctx, c.from, c.to), c.side(ctx, c.to, c.from), diff.Options{IDs: c.ids, Tally: &c.tally})
	}
	types, before := c.known(c.from, c.to)
	_, after := c.known(c.to, c.from)
	return diff.Pairs(c.catalog, c.pairs(ctx, types), before, after, &c.tally)
}

// pairs gives what differs, but for what moves by itself, which is never compared.
func (c *comparison) pairs(ctx context.Context, types []resource.Type) iter.Seq2[diff.Pair, error] {
	return func(yield func(diff.Pair, error) bool) {
		o := repository.CompareOptions{Types: types, Still: true}
		for ch, err := range c.repo.Changes(ctx, c.from, c.to, o) {
			n := c.lone[ch.Type]
			switch {
			case err != nil:
			case ch.From == nil:
				n.after++
			case ch.To == nil:
				n.before++
			}
			c.lone[ch.Type] = n
			if !yield(diff.Pair{Key: ch.Key, Before: ch.From, After: ch.To}, err) {
				return
			}
		}
	}
}

// side is one of the states, to be read whole.
func (c *comparison) side(ctx context.Context, one, other *repository.Snapshot) diff.Side {
	types, gaps := c.known(one, other)
	return diff.Side{
		Resources: diff.Stream(types, func(t resource.Type) iter.Seq2[resource.Resource, error] { return one.Walk(ctx, t) }),
		Gaps:      gaps,
	}
}

// known are the types that both snapshots were asked for, and the gaps of one of them. What
// only the other one was asked for is unknown here: a type that a snapshot never read was
// not deleted from it.
func (c *comparison) known(one, other *repository.Snapshot) (types []resource.Type, gaps []diff.Gap) {
	here, there := one.Manifest(), other.Manifest()
	types = []resource.Type{} // none is not all
	for _, t := range c.types {
		switch {
		case absent(here, t) && absent(there, t):
			continue // nothing to compare, and nothing unknown
		case has(here, t) && has(there, t):
			types, gaps = append(types, t), append(gaps, each(gapsIn(here, t), gapOf)...)
		case has(there, t):
			gaps = append(gaps, diff.Gap{Type: t, Reason: string(snapshot.Failed), Detail: "the snapshot does not hold this type"})
		}
	}
	return types, gaps
}

// count puts into the tally how many resources stand on one side or on both: what the
// manifests and the changes tell need not be read.
func (c *comparison) count(ctx context.Context) error {
	types, _ := c.known(c.from, c.to)
	c.tally.Compared = 0
	for _, t := range types {
		n, err := c.either(ctx, t)
		if err != nil {
			return err
		}
		c.tally.Compared += n
	}
	return nil
}

// either counts a type's resources. Those on one side alone are known but in places that
// the other one hides.
func (c *comparison) either(ctx context.Context, t resource.Type) (n int64, err error) {
	before, _ := c.from.Manifest().Status(t)
	after, _ := c.to.Manifest().Status(t)
	if before.Hides("") || !hides(after) {
		return after.Objects + c.lone[t].before, nil
	}
	n = before.Objects + c.lone[t].after
	for _, g := range before.Gaps {
		if g.Hides && !after.Hides(g.Parent) {
			for _, err := range c.to.Below(ctx, t, g.Parent) {
				if err != nil {
					return 0, err
				}
				n++
			}
		}
	}
	return n, nil
}

func hides(s snapshot.TypeStatus) bool {
	return slices.ContainsFunc(s.Gaps, func(g snapshot.Gap) bool { return g.Hides })
}

// gapsIn are a manifest's gaps of one type.
func gapsIn(m snapshot.Manifest, t resource.Type) []snapshot.Gap {
	return slices.DeleteFunc(m.Gaps(), func(g snapshot.Gap) bool { return g.Type != t })
}

// absent reports whether the org had nothing of the type, for want of a feature.
func absent(m snapshot.Manifest, t resource.Type) bool {
	gaps := gapsIn(m, t)
	return len(gaps) > 0 && !slices.ContainsFunc(gaps, snapshot.Gap.Missing)
}

func has(m snapshot.Manifest, t resource.Type) bool {
	for _, s := range m.Types {
		if s.Type == t {
			return true
		}
	}
	return false
}

func gapOf(g snapshot.Gap) diff.Gap {
	return diff.Gap{Type: g.Type, Parent: g.Parent, Reason: string(g.Reason), Detail: g.Detail}
}

// part shapes one change, named by the state in which it stands.
func (c *comparison) part(ctx context.Context, ch diff.Change) (*imagov1.CompareResponse, error) {
	if ch.Op == diff.Unknown {
		g := ch.Gap
		return &imagov1.CompareResponse{Part: &imagov1.CompareResponse_Unknown{Unknown: &imagov1.Gap{
			Type: string(g.Type), Parent: g.Parent, Reason: g.Reason, Detail: g.Detail,
		}}}, nil
	}
	n, body := c.after, ch.After
	if ch.Op == diff.Delete {
		n, body = c.before, ch.Before
	}
	label, err := n.of(ctx, resource.Resource{Key: ch.Key, Body: body})
	if err != nil {
		return nil, err
	}
	parent, err := n.parent(ctx, ch.Key)
	return &imagov1.CompareResponse{Part: &imagov1.CompareResponse_Change{Change: changeShape(c.catalog, ch, label, parent)}}, err
}

func (c *comparison) summary() *imagov1.CompareResponse {
	t := c.tally
	return &imagov1.CompareResponse{Part: &imagov1.CompareResponse_Summary{Summary: &imagov1.CompareSummary{
		Created: t.Created, Updated: t.Updated, Deleted: t.Deleted, Unknown: t.Unknown, Compared: t.Compared,
	}}}
}
