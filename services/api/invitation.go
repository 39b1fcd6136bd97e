package api

import (
	"cmp"
	"context"
	"errors"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/postgres"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/postgres/team"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

func (s teamService) CreateInvitation(ctx context.Context, r *connect.Request[imagov1.CreateInvitationRequest]) (*connect.Response[imagov1.CreateInvitationResponse], error) {
	email, err := valid.Email("email", r.Msg.GetEmail())
	if err != nil {
		return nil, err
	}
	role, err := s.gives(ctx, r.Msg.GetRole())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CreateInvitationResponse, error) {
		i, err := team.Invite(ctx, w.Tx, email, role)
		if err != nil {
			return nil, err
		}
		if err := w.seated(ctx); err != nil {
			return nil, err
		}
		return &imagov1.CreateInvitationResponse{Invitation: invitationShape(i)}, w.invited(ctx, "create_invitation", i)
	})
}

func (s teamService) ListInvitations(ctx context.Context, _ *connect.Request[imagov1.ListInvitationsRequest]) (*connect.Response[imagov1.ListInvitationsResponse], error) {
	out := &imagov1.ListInvitationsResponse{}
	err := s.read(ctx, func(tx *postgres.Tx) error {
		all, err := team.Invitations(ctx, tx)
		out.Invitations = each(all, invitationShape)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s teamService) RevokeInvitation(ctx context.Context, r *connect.Request[imagov1.RevokeInvitationRequest]) (*connect.Response[imagov1.RevokeInvitationResponse], error) {
	id, err := valid.ID("invitation_id", r.Msg.GetInvitationId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RevokeInvitationResponse, error) {
		i, err := team.Revoke(ctx, w.Tx, id)
		if err != nil {
			return nil, in("invitation_id", "ListInvitations tells which are open", err)
		}
		return &imagov1.RevokeInvitationResponse{}, w.invited(ctx, "revoke_invitation", i)
	})
}

func (s teamService) ResendInvitation(ctx context.Context, r *connect.Request[imagov1.ResendInvitationRequest]) (*connect.Response[imagov1.ResendInvitationResponse], error) {
	id, err := valid.ID("invitation_id", r.Msg.GetInvitationId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.ResendInvitationResponse, error) {
		i, err := team.Resend(ctx, w.Tx, id)
		if err != nil {
			return nil, in("invitation_id", "ListInvitations tells which are open", err)
		}
		if err := w.seated(ctx); err != nil { // one that had expired takes a seat again
			return nil, err
		}
		return &imagov1.ResendInvitationResponse{Invitation: invitationShape(i)}, w.invited(ctx, "resend_invitation", i)
	})
}

func (s teamService) AcceptInvitation(ctx context.Context, r *connect.Request[imagov1.AcceptInvitationRequest]) (*connect.Response[imagov1.AcceptInvitationResponse], error) {
	invitation, err := valid.Text("token", r.Msg.GetToken(), 200)
	if err != nil {
		return nil, err
	}
	if by, err := s.acceptOnly(ctx, invitation); err != nil || by != "" {
		return nil, cmp.Or(err, enterBy(by))
	}
	m, err := s.move(ctx, func(tx *postgres.Tx) (account.ID, error) { return s.accept(ctx, tx, invitation) })
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.AcceptInvitationResponse{Session: m.shape(), SecondFactor: m.waits})
	res.Msg.Token = handOver(ctx, res, m.token, m.session)
	return res, nil
}

func (s teamService) accept(ctx context.Context, tx *postgres.Tx, invitation string) (account.ID, error) {
	id, err := team.Accept(ctx, tx, hash(invitation))
	if err != nil {
		return "", invalidToken("token", err)
	}
	return id, s.joined(ctx, tx, id)
}

// acceptOnly accepts an invitation into an account that this session cannot enter, and says
// by which identity provider the new member does; "" where it can, and nothing is changed.
func (s teamService) acceptOnly(ctx context.Context, invitation string) (by string, err error) {
	err = s.read(ctx, func(tx *postgres.Tx) error {
		id, err := s.accept(ctx, tx, invitation)
		if err != nil {
			return err
		}
		if by, err = signin.EnteredBy(ctx, tx, id); err == nil && by == "" {
			err = errEnters
		}
		return err
	})
	if errors.Is(err, errEnters) {
		err = nil
	}
	return by, err
}

// errEnters undoes an acceptance that is made with the switch.
var errEnters = errors.New("the session can enter the account")

func enterBy(provider string) error {
	return problem.New(problem.Denied, "you are a member now, and the account is entered by its identity provider").
		WithHint("sign in with your company as %q", provider)
}

// acceptWithCode accepts an invitation at a sign-in, and answers the account that is entered.
func (s *Service) acceptWithCode(ctx context.Context, tx *postgres.Tx, o signin.Opening, invitation string) (account.ID, error) {
	id, err := team.AcceptWithCode(ctx, tx, o.AttemptID, o.Client, hash(invitation))
	if err != nil {
		return "", invalidToken("invitation_token", err)
	}
	return id, s.joined(ctx, tx, id)
}

// joined refuses who has just come in where the account's plan has no room for them: it
// had when they were invited, and may be a lesser one now.
func (s *Service) joined(ctx context.Context, tx *postgres.Tx, id account.ID) error {
	if s.Billing == nil {
		return nil
	}
	of, members, err := subscriptions.Joined(ctx, tx, id)
	if err != nil || members == 0 {
		return err
	}
	return billing.Entitlements(of.Subscription, s.now()).AllowMember(members - 1)
}

// seated refuses one more invitation than the account's plan has room for.
func (w *work) seated(ctx context.Context) error {
	e, has, err := w.entitled(ctx)
	if err != nil {
		return err
	}
	return e.AllowMember(has.Members + has.Invited - 1)
}

// invalidToken says of a refused invitation which field named it.
func invalidToken(field string, err error) error {
	p := problem.Of(err)
	if p == nil || p.Kind != problem.Denied {
		return err
	}
	return &problem.Problem{Kind: problem.Invalid, Field: field, What: p.What, Hint: p.Hint, Err: p.Err}
}

// invited writes down what was done to an invitation.
func (w *work) invited(ctx context.Context, action string, i team.Invitation) error {
	return w.record(ctx, action, "invitation", i.ID, i.Email+" as "+string(i.Role))
}

// recordAccepted writes down which invitations the person who comes in has accepted.
func (w *work) recordAccepted(ctx context.Context) error {
	accepted, err := team.TakeAccepted(ctx, w.Tx)
	if err != nil {
		return err
	}
	for _, a := range accepted {
		if err := w.record(ctx, "accept_invitation", "invitation", a.ID, "as "+string(a.Role)); err != nil {
			return err
		}
	}
	return nil
}

func invitationShape(i team.Invitation) *imagov1.Invitation {
	return &imagov1.Invitation{
		Id: i.ID, Email: i.Email, Role: string(i.Role), InvitedBy: i.InvitedBy,
		CreatedAt: stamp(i.CreatedAt), ExpiresAt: stamp(i.ExpiresAt), SentAt: stampAt(i.SentAt),
	}
}
