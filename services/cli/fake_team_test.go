package cli_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

// members of the fake account: whoever is signed in, and bob.
func (f *fake) members() []*imagov1.Member {
	if f.team == nil {
		f.team = []*imagov1.Member{
			{UserId: id(2), Email: "ada@example.com", Role: "owner", JoinedAt: at(-time.Hour), Me: true},
			{UserId: id(4), Email: "bob@example.com", Role: "operator", JoinedAt: at(0)},
		}
	}
	return f.team
}

func (f *fake) ListMembers(context.Context, *connect.Request[imagov1.ListMembersRequest]) (*connect.Response[imagov1.ListMembersResponse], error) {
	return connect.NewResponse(&imagov1.ListMembersResponse{Members: f.members()}), nil
}

func (f *fake) ListInvitations(context.Context, *connect.Request[imagov1.ListInvitationsRequest]) (*connect.Response[imagov1.ListInvitationsResponse], error) {
	if f.set["viewer"] {
		return nil, problem(connect.CodePermissionDenied, "denied", "", "the role viewer does not allow this", "ask an owner or admin of the account")
	}
	return connect.NewResponse(&imagov1.ListInvitationsResponse{Invitations: f.invited}), nil
}

func (f *fake) CreateInvitation(_ context.Context, r *connect.Request[imagov1.CreateInvitationRequest]) (*connect.Response[imagov1.CreateInvitationResponse], error) {
	if r.Msg.GetRole() == "king" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "role", "it is no role", "owner, admin, operator, auditor or viewer")
	}
	i := &imagov1.Invitation{
		Id: id(300 + len(f.invited)), Email: r.Msg.GetEmail(), Role: r.Msg.GetRole(), InvitedBy: "ada@example.com",
		CreatedAt: at(0), ExpiresAt: at(7 * 24 * time.Hour),
	}
	f.invited = append(f.invited, i)
	return connect.NewResponse(&imagov1.CreateInvitationResponse{Invitation: i}), nil
}

func (f *fake) ResendInvitation(_ context.Context, r *connect.Request[imagov1.ResendInvitationRequest]) (*connect.Response[imagov1.ResendInvitationResponse], error) {
	for _, i := range f.invited {
		if i.GetId() == r.Msg.GetInvitationId() {
			i.ExpiresAt = at(8 * 24 * time.Hour)
			return connect.NewResponse(&imagov1.ResendInvitationResponse{Invitation: i}), nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "invitation_id", "there is no such invitation", "")
}

func (f *fake) RevokeInvitation(_ context.Context, r *connect.Request[imagov1.RevokeInvitationRequest]) (*connect.Response[imagov1.RevokeInvitationResponse], error) {
	f.invited = slices.DeleteFunc(f.invited, func(i *imagov1.Invitation) bool { return i.GetId() == r.Msg.GetInvitationId() })
	return connect.NewResponse(&imagov1.RevokeInvitationResponse{}), nil
}

func (f *fake) UpdateMember(_ context.Context, r *connect.Request[imagov1.UpdateMemberRequest]) (*connect.Response[imagov1.UpdateMemberResponse], error) {
	for _, m := range f.members() {
		if m.GetUserId() == r.Msg.GetUserId() && !m.GetMe() {
			m.Role = r.Msg.GetRole()
			return connect.NewResponse(&imagov1.UpdateMemberResponse{Member: m}), nil
		}
	}
	return nil, problem(connect.CodePermissionDenied, "denied", "", "the account would be left without an owner", "make somebody else an owner first")
}

func (f *fake) RemoveMember(_ context.Context, r *connect.Request[imagov1.RemoveMemberRequest]) (*connect.Response[imagov1.RemoveMemberResponse], error) {
	f.team = slices.DeleteFunc(f.members(), func(m *imagov1.Member) bool { return m.GetUserId() == r.Msg.GetUserId() })
	return connect.NewResponse(&imagov1.RemoveMemberResponse{}), nil
}

func (f *fake) LeaveAccount(context.Context, *connect.Request[imagov1.LeaveAccountRequest]) (*connect.Response[imagov1.LeaveAccountResponse], error) {
	return connect.NewResponse(&imagov1.LeaveAccountResponse{}), nil
}

func (f *fake) AcceptInvitation(_ context.Context, r *connect.Request[imagov1.AcceptInvitationRequest]) (*connect.Response[imagov1.AcceptInvitationResponse], error) {
	if !strings.HasPrefix(r.Msg.GetToken(), "imago_invite_") {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "token", "there is no such invitation for this address", "ask for a new invitation")
	}
	return connect.NewResponse(&imagov1.AcceptInvitationResponse{Token: token, Session: f.other()}), nil
}

// other is the session in another account.
func (f *fake) other() *imagov1.Session {
	s := f.session()
	s.AccountId, s.AccountName, s.Role = id(5), "Globex", "viewer"
	return s
}

func (f *fake) ListAccounts(context.Context, *connect.Request[imagov1.ListAccountsRequest]) (*connect.Response[imagov1.ListAccountsResponse], error) {
	return connect.NewResponse(&imagov1.ListAccountsResponse{Accounts: []*imagov1.Account{
		{Id: id(3), Name: "Acme", Role: "owner", JoinedAt: at(-time.Hour), Current: true},
		{Id: id(5), Name: "Globex", Role: "viewer", JoinedAt: at(0)},
	}}), nil
}

func (f *fake) SwitchAccount(_ context.Context, r *connect.Request[imagov1.SwitchAccountRequest]) (*connect.Response[imagov1.SwitchAccountResponse], error) {
	if r.Msg.GetAccountId() != id(5) {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "account_id", "the session is for this account", "name another one of ListAccounts")
	}
	if f.set["waits"] {
		f.set["left"] = true
		return connect.NewResponse(&imagov1.SwitchAccountResponse{Token: token + "-waiting", SecondFactor: "totp"}), nil
	}
	return connect.NewResponse(&imagov1.SwitchAccountResponse{Token: token, Session: f.other()}), nil
}

func (f *fake) UpdateAccount(_ context.Context, r *connect.Request[imagov1.UpdateAccountRequest]) (*connect.Response[imagov1.UpdateAccountResponse], error) {
	return connect.NewResponse(&imagov1.UpdateAccountResponse{Name: r.Msg.GetName()}), nil
}
