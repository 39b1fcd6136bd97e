package api

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/repository"
	imagov1 "imago/proto/imago/v1"
)

func (s snapshotService) GiveUpSnapshot(ctx context.Context, r *connect.Request[imagov1.GiveUpSnapshotRequest]) (*connect.Response[imagov1.GiveUpSnapshotResponse], error) {
	// By now its manifest may be back.
	if answered, err := replay[imagov1.GiveUpSnapshotResponse](ctx, s.Service, r); answered != nil || err != nil {
		return answered, err
	}
	row, err := s.find(ctx, r.Msg.GetSnapshotId(), "")
	if err != nil {
		return nil, err
	}
	how, err := s.lost(ctx, row)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.GiveUpSnapshotResponse, error) {
		row, err := snapshots.GiveUp(ctx, w.Tx, row.ID)
		if err != nil {
			return nil, in("snapshot_id", snapshotsHint, err)
		}
		out, err := w.s.judged(ctx, w.Tx, row)
		if err != nil {
			return nil, err
		}
		return &imagov1.GiveUpSnapshotResponse{Snapshot: out[0]}, w.record(ctx, "give_up_snapshot", "snapshot", row.ID,
			fmt.Sprintf("taken %s: %s", began(row).UTC().Format("2006-01-02 15:04 MST"), how))
	})
}

// lost says how a snapshot is lost, or refuses one that opens. What is kept in memory does
// not count.
func (s *Service) lost(ctx context.Context, row snapshots.Snapshot) (how string, err error) {
	if row.State != snapshots.Complete && row.State != snapshots.Partial {
		return "", problem.New(problem.Conflict, "the snapshot is %s, and there is nothing to give up", row.State)
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return "", err
	}
	repo, err := repository.New(s.Store, ring, ring.Account(), row.ConnectionID, repository.Options{})
	if err != nil {
		return "", fmt.Errorf("open repository: %w", err)
	}
	_, err = repo.OpenKnown(ctx, row.Known())
	switch {
	case problem.Is(err, problem.NotFound):
		return "its manifest is not in the bucket", nil
	case repository.Lost(err):
		return "its manifest is damaged, or another", nil
	case err != nil:
		return "", err
	}
	return "", problem.New(problem.Conflict, "the snapshot is there, and opens").
		WithHint("what nothing keeps is let go by itself: imago snapshots tells what keeps it")
}
