package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/snapshot/retention"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

// mostPins is how many snapshots of a connection are kept past what a plan keeps.
const mostPins = 10

// lookAround is how far before a snapshot others may have begun that its hour, day, week
// or month has.
const lookAround = 32 * 24 * time.Hour

func (s connectionService) SetRetention(ctx context.Context, r *connect.Request[imagov1.SetRetentionRequest]) (*connect.Response[imagov1.SetRetentionResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.SetRetentionResponse, error) {
		c, err := connections.Thin(ctx, w.Tx, account.ConnectionID(id), r.Msg.GetThin(), s.now())
		if err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		out, err := s.shape(ctx, w.Tx, c)
		if err != nil {
			return nil, err
		}
		detail := "all that the plan keeps"
		if c.Thin {
			detail = "hourly for a day, daily for a week, weekly for a month, monthly for a year"
		}
		return &imagov1.SetRetentionResponse{Connection: out}, w.record(ctx, "set_retention", "connection", id, detail)
	})
}

// PreviewRetention judges as the worker does once a day, and lets nothing go.
func (s connectionService) PreviewRetention(ctx context.Context, r *connect.Request[imagov1.PreviewRetentionRequest]) (*connect.Response[imagov1.PreviewRetentionResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	var out *imagov1.PreviewRetentionResponse
	next, err := list(ctx, s.Service, r.Msg, func(tx *postgres.Tx, p postgres.Page) (ids []string, err error) {
		out, ids, err = s.preview(ctx, tx, account.ConnectionID(id), r.Msg, p)
		return ids, err
	})
	if err != nil {
		return nil, err
	}
	out.NextPageToken = next
	return connect.NewResponse(out), nil
}

// preview sums up what would be let go, and shows a page of it.
func (s *Service) preview(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, m *imagov1.PreviewRetentionRequest, p postgres.Page) (*imagov1.PreviewRetentionResponse, []string, error) {
	c, err := connections.Get(ctx, tx, id)
	if err != nil {
		return nil, nil, in("connection_id", connectionsHint, err)
	}
	if m.Thin != nil {
		c.Thin = m.GetThin()
	}
	policy, err := s.policy(ctx, tx, c)
	if err != nil {
		return nil, nil, err
	}
	gone, err := snapshots.LetGo(ctx, tx, id, policy, s.now())
	if err != nil {
		return nil, nil, err
	}
	out, ids := tally(gone), listed(gone, m.GetPoints(), p)
	out.NextLookAt = stampAt(c.ForgetAt)
	rows, err := snapshots.Some(ctx, tx, cut(ids, p))
	if err != nil {
		return nil, nil, err
	}
	out.Snapshots, err = s.judged(ctx, tx, rows...)
	for _, o := range out.GetSnapshots() {
		o.Types = nil
	}
	return out, ids, err
}

func tally(all []retention.Snapshot) *imagov1.PreviewRetentionResponse {
	out := &imagov1.PreviewRetentionResponse{}
	for _, snap := range all {
		out.StoredBytes += snap.Bytes
		if snap.Point {
			out.PointCount++
		} else {
			out.SweepCount++
		}
	}
	return out
}

// listed are the IDs of a page, and one more: newest first.
func listed(all []retention.Snapshot, points bool, p postgres.Page) (ids []string) {
	for _, snap := range all {
		if (points || !snap.Point) && (p.Before == "" || snap.ID < p.Before) {
			ids = append(ids, snap.ID)
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids[:min(len(ids), p.Limit)]
}

func (s snapshotService) PinSnapshot(ctx context.Context, r *connect.Request[imagov1.PinSnapshotRequest]) (*connect.Response[imagov1.PinSnapshotResponse], error) {
	id, err := valid.ID("snapshot_id", r.Msg.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.PinSnapshotResponse, error) {
		row, err := snapshots.Find(ctx, w.Tx, id)
		if err != nil {
			return nil, in("snapshot_id", snapshotsHint, err)
		}
		if err := w.mayPin(ctx, row); err != nil {
			return nil, err
		}
		out, err := w.pin(ctx, id, "pin_snapshot", snapshots.Pin)
		return &imagov1.PinSnapshotResponse{Snapshot: out}, err
	})
}

func (s snapshotService) UnpinSnapshot(ctx context.Context, r *connect.Request[imagov1.UnpinSnapshotRequest]) (*connect.Response[imagov1.UnpinSnapshotResponse], error) {
	id, err := valid.ID("snapshot_id", r.Msg.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.UnpinSnapshotResponse, error) {
		out, err := w.pin(ctx, id, "unpin_snapshot", snapshots.Unpin)
		return &imagov1.UnpinSnapshotResponse{Snapshot: out}, err
	})
}

// mayPin refuses one more pin than there may be where the plan's retention ends: what is
// pinned outlasts it.
func (w *work) mayPin(ctx context.Context, row snapshots.Snapshot) error {
	e, _, err := w.entitled(ctx)
	if err != nil || row.PinnedAt != nil || e.Retention == 0 {
		return err
	}
	if have, err := snapshots.Pins(ctx, w.Tx, row.ConnectionID); err != nil || have < mostPins {
		return err
	}
	return problem.New(problem.OverLimit, "%d snapshots of the connection are pinned, and the %s plan has no more", mostPins, e.Plan.Title()).
		WithHint("unpin one, or choose the Business plan, which keeps every snapshot")
}

// pin changes whether a snapshot is pinned.
func (w *work) pin(ctx context.Context, id, action string, set func(context.Context, *postgres.Tx, string) (snapshots.Snapshot, error)) (*imagov1.Snapshot, error) {
	row, err := set(ctx, w.Tx, id)
	if err != nil {
		return nil, in("snapshot_id", snapshotsHint, err)
	}
	out, err := w.s.judged(ctx, w.Tx, row)
	if err != nil {
		return nil, err
	}
	return out[0], w.record(ctx, action, "snapshot", id, fmt.Sprintf("taken %s", began(row).UTC().Format("2006-01-02 15:04 MST")))
}

// judged shows snapshots of one connection, with what keeps each.
func (s *Service) judged(ctx context.Context, tx *postgres.Tx, rows ...snapshots.Snapshot) ([]*imagov1.Snapshot, error) {
	out := each(rows, s.shape)
	if len(rows) == 0 {
		return out, nil
	}
	verdicts, err := s.verdicts(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	for _, o := range out {
		v := verdicts[o.GetId()]
		o.KeptUntil = stamp(v.Until())
		o.KeptBecause = each(v, func(r retention.Reason) *imagov1.KeptBecause {
			return &imagov1.KeptBecause{Rule: string(r.Rule), Of: r.Of, Until: stamp(r.Until)}
		})
	}
	return out, nil
}

// verdicts judges snapshots among those that have a say in it.
func (s *Service) verdicts(ctx context.Context, tx *postgres.Tx, rows []snapshots.Snapshot) (map[string]retention.Verdict, error) {
	oldest := s.now()
	for _, row := range rows {
		if at := began(row); row.StartedAt != nil && at.Before(oldest) {
			oldest = at
		}
	}
	c, err := connections.Get(ctx, tx, rows[0].ConnectionID)
	if err != nil {
		return nil, err
	}
	p, err := s.policy(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	kept, err := snapshots.Kept(ctx, tx, c.ID, oldest.Add(-lookAround))
	if err != nil {
		return nil, err
	}
	out := map[string]retention.Verdict{}
	for i, v := range retention.Judge(kept, p, s.now()) {
		out[kept[i].ID] = v
	}
	return out, nil
}

// policy is what is kept of a connection, by its account's plan and what it is set to.
func (s *Service) policy(ctx context.Context, tx *postgres.Tx, c connections.Connection) (retention.Policy, error) {
	standing, err := s.standing(ctx, tx)
	return c.Retention(billing.Entitlements(standing.Subscription, s.now()), s.Store.Capabilities()), err
}

// began is when a snapshot was begun.
func began(row snapshots.Snapshot) time.Time {
	if row.StartedAt == nil {
		return row.CreatedAt
	}
	return *row.StartedAt
}
