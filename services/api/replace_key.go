package api

import (
	"context"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

func (s connectionService) ReplaceKey(ctx context.Context, r *connect.Request[imagov1.ReplaceKeyRequest]) (*connect.Response[imagov1.ReplaceKeyResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	purpose, err := valid.Purpose("purpose", r.Msg.GetPurpose())
	if err != nil {
		return nil, err
	}
	pair, err := newKeyPair()
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.ReplaceKeyResponse, error) {
		c, err := s.replace(ctx, w.Tx, account.ConnectionID(id), purpose, pair)
		if err != nil {
			return nil, err
		}
		out, err := s.shape(ctx, w.Tx, c)
		if err != nil {
			return nil, err
		}
		return &imagov1.ReplaceKeyResponse{Connection: out}, w.record(ctx, "replace_key", "connection", id, string(purpose)+" "+pair.id)
	})
}

// replace puts a new key pair in the place of a service app's. With that of the read app
// the org is not read before somebody has added the new key there and asked for a check.
func (s connectionService) replace(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p account.Purpose, pair keyPair) (connections.Connection, error) {
	c, err := connections.Get(ctx, tx, id)
	if err != nil {
		return c, in("connection_id", connectionsHint, err)
	}
	if err := mayReplace(ctx, tx, id, p); err != nil {
		return c, err
	}
	box, err := s.seal(tx, id, p, pair)
	if err != nil {
		return c, err
	}
	err = connections.ReplaceKey(ctx, tx, connections.Credential{ConnectionID: id, Purpose: p, KeyID: pair.id, PublicJWK: pair.public}, box)
	if problem.Is(err, problem.NotFound) { // a connection that came back from the bucket has no credentials
		err = s.addCredential(ctx, tx, c, p, pair)
	}
	if err != nil || p != account.Read {
		return c, err
	}
	return connections.KeyReplaced(ctx, tx, id, problem.New(problem.Denied, "the key of the service app that reads was replaced").
		WithHint("add the new public key to the app in the org, then check the connection"))
}
