package api

import (
	"context"
	"strconv"

	"connectrpc.com/connect"

	"imago/pkg/audit"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

type activityService struct{ *Service }

var _ rpc.ActivityServiceHandler = activityService{}

func (s *Service) activity() activityService { return activityService{s} }

func (s activityService) ListActivity(ctx context.Context, r *connect.Request[imagov1.ListActivityRequest]) (*connect.Response[imagov1.ListActivityResponse], error) {
	var found []audit.Row
	next, err := list(ctx, s.Service, r.Msg, func(tx *postgres.Tx, p postgres.Page) ([]string, error) {
		all, err := activity.List(ctx, tx, p)
		found = cut(all, p)
		return each(all, func(r audit.Row) string { return strconv.FormatInt(r.Seq, 10) }), err
	})
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	out := &imagov1.ListActivityResponse{NextPageToken: next}
	for _, row := range found {
		a, err := activityShape(ring, row)
		if err != nil {
			return nil, err
		}
		out.Activity = append(out.Activity, a)
	}
	return connect.NewResponse(out), nil
}

func activityShape(ring *envelope.Keyring, row audit.Row) (*imagov1.Activity, error) {
	var who audit.Who
	if err := sealed.Activity(row.Entry).Open(ring, row.Sealed, &who); err != nil {
		return nil, err
	}
	return &imagov1.Activity{
		Sequence: row.Seq, Time: stamp(row.Time), Action: row.Action, TargetType: row.TargetType, TargetId: row.TargetID,
		RequestId: row.RequestID, Hash: row.Hash.String(), Actor: who.Actor, SourceIp: who.SourceIP, Detail: who.Detail,
	}, nil
}
