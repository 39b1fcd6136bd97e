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
	for ch, err := range diff.Changes(c.catalog, c.side(ctx, c.before, c.after), c.side(ctx, c.after, c.before), diff.Options{IDs: c.ids, Tally: &c.tally}) {
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
	return to.Send(c.summary())
}

// comparison is two open snapshots and how to compare them.
type comparison struct {
	catalog       resource.Catalog
	types         []resource.Type
	before, after *names
	ids           diff.IDs
	tally         diff.Tally
}

func (s snapshotService) comparison(ctx context.Context, m *imagov1.CompareRequest) (*comparison, error) {
	c := &comparison{catalog: s.Provider.Catalog()}
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
	if c.before, err = s.named(ctx, ring, before, "with "+after.ID); err != nil {
		return nil, err
	}
	c.after, err = s.named(ctx, ring, after, "with "+before.ID)
	return c, err
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

func (s snapshotService) named(ctx context.Context, ring *envelope.Keyring, row snapshots.Snapshot, with string) (*names, error) {
	snap, err := s.open(ctx, ring, row, opening{action: "compare_snapshot", detail: with})
	if err != nil {
		return nil, err
	}
	return newNames(s.Provider.Catalog(), snap), nil
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

// side is one of the states. What only the other one was asked for is unknown here: a
// type that a snapshot never read was not deleted from it.
func (c *comparison) side(ctx context.Context, n, other *names) diff.Side {
	here, there := n.snap.Manifest(), other.snap.Manifest()
	var types []resource.Type
	var gaps []diff.Gap
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
	return diff.Side{
		Resources: diff.Stream(types, func(t resource.Type) iter.Seq2[resource.Resource, error] { return n.snap.Walk(ctx, t) }),
		Gaps:      gaps,
	}
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
