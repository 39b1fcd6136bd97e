package api

import (
	"context"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/checks"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

func (s connectionService) GetRepositoryCheck(ctx context.Context, r *connect.Request[imagov1.GetRepositoryCheckRequest]) (*connect.Response[imagov1.GetRepositoryCheckResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	res := &imagov1.GetRepositoryCheckResponse{}
	err = s.read(ctx, func(tx *postgres.Tx) error {
		if _, err := connections.Get(ctx, tx, account.ConnectionID(id)); err != nil {
			return in("connection_id", connectionsHint, err)
		}
		c, ok, err := checks.Get(ctx, tx, account.ConnectionID(id))
		if err != nil || !ok {
			return err
		}
		var all []checks.Damaged
		if err := sealed.Check(c.ConnectionID).Open(ring, c.Sealed, &all); err != nil {
			return err
		}
		res.Check = checkShape(c)
		res.Check.Objects = each(all, damagedShape)
		return nil
	})
	return connect.NewResponse(res), err
}

// checkShape is a check without the list of what is damaged.
func checkShape(c checks.Check) *imagov1.RepositoryCheck {
	return &imagov1.RepositoryCheck{
		CheckedAt: stamp(c.CheckedAt), Snapshots: c.Snapshots, Segments: c.Segments, SegmentsRead: c.SegmentsRead,
		StoredBytes: c.Bytes, Damaged: int32(c.Damaged), SnapshotsConcerned: int32(c.Concerned),
	}
}

func damagedShape(d checks.Damaged) *imagov1.DamagedObject {
	return &imagov1.DamagedObject{
		Object: d.Object, What: d.What, Snapshots: int32(d.Snapshots), FirstSnapshotAt: stamp(d.First), LastSnapshotAt: stamp(d.Last),
	}
}
