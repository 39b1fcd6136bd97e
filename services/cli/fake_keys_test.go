package cli_test

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

func (f *fake) GetKeys(context.Context, *connect.Request[imagov1.GetKeysRequest]) (*connect.Response[imagov1.GetKeysResponse], error) {
	return connect.NewResponse(&imagov1.GetKeysResponse{Keys: f.keys}), nil
}

func (f *fake) RotateKey(context.Context, *connect.Request[imagov1.RotateKeyRequest]) (*connect.Response[imagov1.RotateKeyResponse], error) {
	f.keys.Rotating = true
	return connect.NewResponse(&imagov1.RotateKeyResponse{Keys: f.keys}), nil
}

func (f *fake) RetireKeys(context.Context, *connect.Request[imagov1.RetireKeysRequest]) (*connect.Response[imagov1.RetireKeysResponse], error) {
	f.keys.Retiring, f.keys.Uses = true, []*imagov1.KeyUse{{Objects: 2}, {Version: 1, Objects: 40}, {Version: 2, Objects: 7}}
	return connect.NewResponse(&imagov1.RetireKeysResponse{Keys: f.keys}), nil
}

func (f *fake) CreateEscrow(_ context.Context, r *connect.Request[imagov1.CreateEscrowRequest]) (*connect.Response[imagov1.CreateEscrowResponse], error) {
	if r.Msg.GetRecipient() != "age1acme" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "recipient", "it is not an age recipient", "write the public key that age-keygen prints, age1…")
	}
	e := &imagov1.Escrow{Id: id(600 + len(f.keys.GetEscrows())), Recipient: "age1acme", CreatedAt: at(0)}
	f.keys.Escrows, f.looks = append(f.keys.Escrows, e), 0
	return connect.NewResponse(&imagov1.CreateEscrowResponse{Escrow: e}), nil
}

// GetEscrow has made it when it is looked for a second time.
func (f *fake) GetEscrow(_ context.Context, r *connect.Request[imagov1.GetEscrowRequest]) (*connect.Response[imagov1.GetEscrowResponse], error) {
	i := slices.IndexFunc(f.keys.GetEscrows(), func(e *imagov1.Escrow) bool { return e.GetId() == r.Msg.GetEscrowId() })
	if i < 0 {
		return nil, problem(connect.CodeNotFound, "not_found", "escrow_id", "there is no such escrow", "imago keys lists them")
	}
	res := &imagov1.GetEscrowResponse{Escrow: f.keys.GetEscrows()[i]}
	if f.looks++; f.looks > 1 {
		res.Escrow.Version, res.Escrow.MadeAt = 1, at(0)
		res.File = "-----BEGIN AGE ENCRYPTED FILE-----\n"
	}
	return connect.NewResponse(res), nil
}

func (f *fake) DeleteEscrow(_ context.Context, r *connect.Request[imagov1.DeleteEscrowRequest]) (*connect.Response[imagov1.DeleteEscrowResponse], error) {
	f.keys.Escrows = slices.DeleteFunc(f.keys.GetEscrows(), func(e *imagov1.Escrow) bool { return e.GetId() == r.Msg.GetEscrowId() })
	return connect.NewResponse(&imagov1.DeleteEscrowResponse{}), nil
}

func (f *fake) DeleteAccount(_ context.Context, r *connect.Request[imagov1.DeleteAccountRequest]) (*connect.Response[imagov1.DeleteAccountResponse], error) {
	if r.Msg.GetName() != "Acme" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "name", "that is not what the account is called", "type its name, exactly")
	}
	f.set["deleted"] = true
	return connect.NewResponse(&imagov1.DeleteAccountResponse{Deletion: &imagov1.Deletion{AskedBy: "ada@example.com", AskedAt: at(0), DueAt: at(72 * 3600e9)}}), nil
}

func (f *fake) CancelDeletion(context.Context, *connect.Request[imagov1.CancelDeletionRequest]) (*connect.Response[imagov1.CancelDeletionResponse], error) {
	if !f.set["deleted"] {
		return nil, problem(connect.CodeNotFound, "not_found", "", "nobody has asked to have the account deleted", "")
	}
	f.set["deleted"] = false
	return connect.NewResponse(&imagov1.CancelDeletionResponse{}), nil
}
