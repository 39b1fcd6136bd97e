package api

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

const (
	// mostEscrows is how many recipients an account has its keys sealed to.
	mostEscrows = 5
	// mostKeys is how many data keys a keyring has room for where it is stored.
	mostKeys = 1000

	escrowsHint = "imago keys lists them"
)

// keyService keeps the account's data keys. It asks the worker, who alone changes them.
type keyService struct{ *Service }

var _ rpc.KeyServiceHandler = keyService{}

func (s *Service) keys() keyService { return keyService{s} }

func (s keyService) GetKeys(ctx context.Context, _ *connect.Request[imagov1.GetKeysRequest]) (*connect.Response[imagov1.GetKeysResponse], error) {
	res := &imagov1.GetKeysResponse{}
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		res.Keys, err = keysOf(ctx, tx)
		return err
	})
	return connect.NewResponse(res), err
}

// keysOf shows how the account's keys stand.
func keysOf(ctx context.Context, tx *postgres.Tx) (*imagov1.Keys, error) {
	row, err := accounts.RenewalOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	escrows, err := accounts.Escrows(ctx, tx)
	if err != nil {
		return nil, err
	}
	uses, err := accounts.KeyUses(ctx, tx)
	if err != nil {
		return nil, err
	}
	w := envelope.WrappingOf(row.Wrapped)
	kind, _, _ := strings.Cut(w.By, " ") // which master key it is, is the operator's business
	return &imagov1.Keys{
		Version: int32(w.Version), WrappedBy: kind, Rotating: row.RotationAskedAt != nil, Retiring: row.ResealAskedAt != nil, Oldest: int32(max(1, w.Oldest)),
		RenewedAt: stampAt(row.RenewedAt), Escrows: each(escrows, escrowShape), Uses: each(uses, useShape),
	}, nil
}

func useShape(u accounts.KeyUse) *imagov1.KeyUse {
	return &imagov1.KeyUse{Version: u.Version, Objects: u.Objects}
}

func escrowShape(e accounts.Escrow) *imagov1.Escrow {
	return &imagov1.Escrow{Id: e.ID, Recipient: e.Recipient, Version: e.Version, CreatedAt: stamp(e.CreatedAt), MadeAt: stampAt(e.MadeAt)}
}

func (s keyService) RotateKey(ctx context.Context, r *connect.Request[imagov1.RotateKeyRequest]) (*connect.Response[imagov1.RotateKeyResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RotateKeyResponse, error) {
		if w.ring.Current() >= mostKeys {
			return nil, problem.New(problem.OverLimit, "the account has had %d data keys, and there is no room for more", mostKeys).
				WithHint("the operator of this installation can help")
		}
		asked, err := accounts.AskRotation(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		keys, err := keysOf(ctx, w.Tx)
		if err != nil || !asked {
			return &imagov1.RotateKeyResponse{Keys: keys}, err
		}
		if err := w.renew(ctx); err != nil {
			return nil, err
		}
		return &imagov1.RotateKeyResponse{Keys: keys}, w.record(ctx, "rotate_key", "account", string(w.Account()), "a new data key was asked for")
	})
}

func (s keyService) RetireKeys(ctx context.Context, r *connect.Request[imagov1.RetireKeysRequest]) (*connect.Response[imagov1.RetireKeysResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RetireKeysResponse, error) {
		row, err := accounts.RenewalOf(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		if now := envelope.WrappingOf(row.Wrapped); row.RotationAskedAt == nil && max(1, now.Oldest) >= max(1, now.Version) {
			return nil, problem.New(problem.Conflict, "there is no older data key: all is sealed under key %d", max(1, now.Version)).
				WithHint("make a new one first: imago keys rotate")
		}
		asked, err := accounts.AskReseal(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		keys, err := keysOf(ctx, w.Tx)
		if err != nil || !asked {
			return &imagov1.RetireKeysResponse{Keys: keys}, err
		}
		if err := w.renew(ctx); err != nil {
			return nil, err
		}
		return &imagov1.RetireKeysResponse{Keys: keys}, w.record(ctx, "ask_retirement", "account", string(w.Account()), "everything is to be sealed under the newest data key, and the older ones retired")
	})
}

// renew has the worker do to the keyring what was asked for.
func (w *work) renew(ctx context.Context) error {
	return w.Enqueue(ctx, job.RenewKeyring{AccountID: string(w.Account())})
}

func (s keyService) CreateEscrow(ctx context.Context, r *connect.Request[imagov1.CreateEscrowRequest]) (*connect.Response[imagov1.CreateEscrowResponse], error) {
	to, err := envelope.ParseRecipient(r.Msg.GetRecipient())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CreateEscrowResponse, error) {
		have, err := accounts.Escrows(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		if len(have) >= mostEscrows {
			return nil, problem.New(problem.OverLimit, "the keys are sealed to %d recipients already", len(have)).WithHint("remove one: imago keys escrow remove ID")
		}
		made, err := accounts.AddEscrow(ctx, w.Tx, to.String(), w.User())
		if err != nil {
			return nil, err
		}
		if err := w.renew(ctx); err != nil {
			return nil, err
		}
		return &imagov1.CreateEscrowResponse{Escrow: escrowShape(made)}, w.record(ctx, "create_escrow", "escrow", made.ID, "the keys are to be sealed to "+to.String())
	})
}

func (s keyService) GetEscrow(ctx context.Context, r *connect.Request[imagov1.GetEscrowRequest]) (*connect.Response[imagov1.GetEscrowResponse], error) {
	id, err := valid.ID("escrow_id", r.Msg.GetEscrowId())
	if err != nil {
		return nil, err
	}
	var e accounts.Escrow
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		e, err = accounts.FindEscrow(ctx, tx, id)
		return in("escrow_id", escrowsHint, err)
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetEscrowResponse{Escrow: escrowShape(e), File: e.File}), nil
}

func (s keyService) DeleteEscrow(ctx context.Context, r *connect.Request[imagov1.DeleteEscrowRequest]) (*connect.Response[imagov1.DeleteEscrowResponse], error) {
	id, err := valid.ID("escrow_id", r.Msg.GetEscrowId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.DeleteEscrowResponse, error) {
		e, err := accounts.RemoveEscrow(ctx, w.Tx, id)
		if err != nil {
			return nil, in("escrow_id", escrowsHint, err)
		}
		return &imagov1.DeleteEscrowResponse{}, w.record(ctx, "delete_escrow", "escrow", id, "the keys are no longer kept sealed to "+e.Recipient)
	})
}
