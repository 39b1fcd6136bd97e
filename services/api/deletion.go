package api

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

// accountService deletes the account. It asks the worker, which waits.
type accountService struct{ *Service }

var _ rpc.AccountServiceHandler = accountService{}

func (s *Service) account() accountService { return accountService{s} }

func (s accountService) GetDeletion(ctx context.Context, _ *connect.Request[imagov1.GetDeletionRequest]) (*connect.Response[imagov1.GetDeletionResponse], error) {
	res := &imagov1.GetDeletionResponse{}
	err := s.read(ctx, func(tx *postgres.Tx) error {
		d, err := accounts.DeletionOf(ctx, tx)
		if err != nil || d.ID == "" {
			return err
		}
		res.Deletion, err = deletionShape(ctx, tx, d)
		return err
	})
	return connect.NewResponse(res), err
}

func deletionShape(ctx context.Context, tx *postgres.Tx, d accounts.Deletion) (*imagov1.Deletion, error) {
	members, err := accounts.Members(ctx, tx)
	if err != nil {
		return nil, err
	}
	out := &imagov1.Deletion{AskedAt: stampAt(d.AskedAt), DueAt: stampAt(d.DueAt)}
	for _, m := range members {
		if d.AskedBy != nil && m.UserID == *d.AskedBy {
			out.AskedBy = m.Email
		}
	}
	return out, nil
}

func (s accountService) DeleteAccount(ctx context.Context, r *connect.Request[imagov1.DeleteAccountRequest]) (*connect.Response[imagov1.DeleteAccountResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.DeleteAccountResponse, error) {
		if err := w.mayDelete(ctx, r.Msg.GetName()); err != nil {
			return nil, err
		}
		d, err := accounts.AskDeletion(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		out, err := deletionShape(ctx, w.Tx, d)
		if err != nil {
			return nil, err
		}
		if err := w.Enqueue(ctx, job.DeleteAccount{AccountID: string(w.Account()), DeletionID: d.ID}); err != nil {
			return nil, err
		}
		detail := fmt.Sprintf("its keys are to be destroyed on %s", d.DueAt.UTC().Format("2006-01-02 15:04 MST"))
		return &imagov1.DeleteAccountResponse{Deletion: out}, w.record(ctx, "delete_account", "account", string(w.Account()), detail)
	})
}

// mayDelete refuses what was typed wrongly, and to go while somebody still pays.
func (w *work) mayDelete(ctx context.Context, typed string) error {
	name, err := accounts.Name(ctx, w.Tx)
	if err != nil {
		return err
	}
	if typed != name {
		return problem.InField("name", "that is not what the account is called").WithHint("type its name, exactly: it cannot be taken back after 72 hours")
	}
	standing, err := w.s.standing(ctx, w.Tx)
	if err != nil {
		return err
	}
	if standing.Live() && standing.EndsAt.IsZero() {
		return problem.New(problem.Conflict, "a subscription is paid for").WithHint("cancel it first: imago billing")
	}
	return nil
}

func (s accountService) CancelDeletion(ctx context.Context, r *connect.Request[imagov1.CancelDeletionRequest]) (*connect.Response[imagov1.CancelDeletionResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CancelDeletionResponse, error) {
		if err := accounts.CancelDeletion(ctx, w.Tx); err != nil {
			return nil, err
		}
		return &imagov1.CancelDeletionResponse{}, w.record(ctx, "cancel_deletion", "account", string(w.Account()), "the account stays")
	})
}
