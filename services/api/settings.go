package api

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres/connections"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

func (s connectionService) UpdateConnection(ctx context.Context, r *connect.Request[imagov1.UpdateConnectionRequest]) (*connect.Response[imagov1.UpdateConnectionResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.UpdateConnectionResponse, error) {
		c, err := connections.Get(ctx, w.Tx, account.ConnectionID(id))
		if err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		wanted, err := settings(c, r.Msg)
		if err != nil {
			return nil, err
		}
		if c, err = connections.Configure(ctx, w.Tx, c.ID, wanted); err != nil {
			return nil, err
		}
		out, err := s.shape(ctx, w.Tx, c)
		if err != nil {
			return nil, err
		}
		detail := fmt.Sprintf("%s, share %v, follow %ds", wanted.Name, wanted.Share, wanted.FollowSeconds)
		return &imagov1.UpdateConnectionResponse{Connection: out}, w.record(ctx, "update_connection", "connection", id, detail)
	})
}

// settings are a connection's, but for what the request says.
func settings(c connections.Connection, m *imagov1.UpdateConnectionRequest) (out connections.Settings, err error) {
	if out.Name, err = valid.Text("name", orDefault(m.GetName(), c.Name), 100); err != nil {
		return out, err
	}
	if err := staysDemo(c, out.Name); err != nil {
		return out, err
	}
	if out.Share, err = valid.Share("rate_share", m.GetRateShare(), c.Share); err != nil {
		return out, err
	}
	follow, err := valid.Seconds("follow_seconds", m.GetFollowSeconds(), 2, 3600, int32(c.FollowSeconds))
	out.FollowSeconds = int(follow)
	return out, err
}
