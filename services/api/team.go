package api

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/team"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// teamService says who is in an account. What nobody may do stands in the database.
type teamService struct{ *Service }

var _ rpc.TeamServiceHandler = teamService{}

func (s *Service) team() teamService { return teamService{s} }

func (s teamService) ListMembers(ctx context.Context, _ *connect.Request[imagov1.ListMembersRequest]) (*connect.Response[imagov1.ListMembersResponse], error) {
	out := &imagov1.ListMembersResponse{}
	err := s.read(ctx, func(tx *postgres.Tx) error {
		all, err := team.List(ctx, tx)
		out.Members = each(all, memberShape(tx.User()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s teamService) UpdateMember(ctx context.Context, r *connect.Request[imagov1.UpdateMemberRequest]) (*connect.Response[imagov1.UpdateMemberResponse], error) {
	id, err := valid.ID("user_id", r.Msg.GetUserId())
	if err != nil {
		return nil, err
	}
	role, err := s.gives(ctx, r.Msg.GetRole())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.UpdateMemberResponse, error) {
		m, err := w.member(ctx, id)
		if err != nil {
			return nil, err
		}
		was := m.Role
		m.Role = role
		if err := team.SetRole(ctx, w.Tx, m.UserID, role); err != nil {
			return nil, err
		}
		out := &imagov1.UpdateMemberResponse{Member: memberShape(w.User())(m)}
		return out, w.record(ctx, "update_member", "user", id, m.Email+": "+string(was)+" to "+string(role))
	})
}

func (s teamService) RemoveMember(ctx context.Context, r *connect.Request[imagov1.RemoveMemberRequest]) (*connect.Response[imagov1.RemoveMemberResponse], error) {
	id, err := valid.ID("user_id", r.Msg.GetUserId())
	if err != nil {
		return nil, err
	}
	if account.UserID(id) == requestOf(ctx).caller.user {
		return nil, problem.InField("user_id", "this is yourself").WithHint("leave the account instead")
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RemoveMemberResponse, error) {
		m, err := w.member(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := team.Remove(ctx, w.Tx, m.UserID); err != nil {
			return nil, err
		}
		return &imagov1.RemoveMemberResponse{}, w.record(ctx, "remove_member", "user", id, m.Email+", "+string(m.Role))
	})
}

// member reads who is about to be changed, and keeps others from changing who is in.
func (w *work) member(ctx context.Context, id string) (team.Member, error) {
	if err := team.Hold(ctx, w.Tx); err != nil {
		return team.Member{}, err
	}
	m, err := team.Get(ctx, w.Tx, id)
	return m, in("user_id", "ListMembers tells who there is", err)
}

func (s teamService) LeaveAccount(ctx context.Context, _ *connect.Request[imagov1.LeaveAccountRequest]) (*connect.Response[imagov1.LeaveAccountResponse], error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	// No idempotency key: the session that would ask again has ended.
	err = s.read(ctx, func(tx *postgres.Tx) error {
		if err := team.Hold(ctx, tx); err != nil {
			return err
		}
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		if err := w.record(ctx, "leave_account", "user", string(tx.User()), string(tx.Role())); err != nil {
			return err
		}
		return team.Remove(ctx, tx, tx.User())
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.LeaveAccountResponse{})
	dropCookie(res.Header())
	return res, nil
}

func (s teamService) ListAccounts(ctx context.Context, _ *connect.Request[imagov1.ListAccountsRequest]) (*connect.Response[imagov1.ListAccountsResponse], error) {
	out := &imagov1.ListAccountsResponse{}
	err := s.read(ctx, func(tx *postgres.Tx) error {
		all, err := team.Accounts(ctx, tx)
		out.Accounts = each(all, accountShape(tx.Account()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s teamService) UpdateAccount(ctx context.Context, r *connect.Request[imagov1.UpdateAccountRequest]) (*connect.Response[imagov1.UpdateAccountResponse], error) {
	name, err := valid.Text("name", r.Msg.GetName(), 100)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.UpdateAccountResponse, error) {
		if err := team.Rename(ctx, w.Tx, name); err != nil {
			return nil, err
		}
		return &imagov1.UpdateAccountResponse{Name: name}, w.record(ctx, "update_account", "account", string(w.Account()), name)
	})
}

func (s teamService) SwitchAccount(ctx context.Context, r *connect.Request[imagov1.SwitchAccountRequest]) (*connect.Response[imagov1.SwitchAccountResponse], error) {
	id, err := valid.ID("account_id", r.Msg.GetAccountId())
	if err != nil {
		return nil, err
	}
	if account.ID(id) == requestOf(ctx).caller.account {
		return nil, problem.InField("account_id", "the session is for this account").WithHint("name another one of ListAccounts")
	}
	m, err := s.move(ctx, func(*postgres.Tx) (account.ID, error) { return account.ID(id), nil })
	if err != nil {
		return nil, in("account_id", "ListAccounts tells which are yours", err)
	}
	res := connect.NewResponse(&imagov1.SwitchAccountResponse{Session: m.shape(), SecondFactor: m.waits})
	res.Msg.Token = handOver(ctx, res, m.token, m.session)
	return res, nil
}

// moved is a session that went to another account.
type moved struct {
	token   string
	session signin.Session
	waits   string // what it waits for; "": nothing
}

func (m moved) shape() *imagov1.Session {
	if m.waits != "" {
		return nil
	}
	return sessionShape(m.session)
}

// move takes the session that asks to another account: the one that to finds. The new
// token is worth something only when both logs have it, and until then nobody holds it.
// What waits in the new account for its second factor is written down there when it is in.
func (s teamService) move(ctx context.Context, to func(*postgres.Tx) (account.ID, error)) (m moved, err error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return m, err
	}
	m.token = tokenPrefix + secret()
	var id account.ID
	// No idempotency key: the token that would ask again has ended.
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if id, err = to(tx); err != nil {
			return err
		}
		if m.session, err = signin.Current(ctx, tx); err != nil {
			return err
		}
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		if err := w.record(ctx, "switch_account", "session", tx.SessionID(), ""); err != nil {
			return err
		}
		m.waits, err = switchTo(ctx, tx, id, m.token)
		return err
	})
	if err == nil && m.waits == "" {
		m.session, err = s.welcome(ctx, id, hash(m.token))
	}
	return m, err
}

// switchTo gives the session to the account. A session that was left open must not do to
// enrol a factor in its person's name: who has none to give has stepped up.
func switchTo(ctx context.Context, tx *postgres.Tx, id account.ID, token string) (waits string, err error) {
	if err := team.Switch(ctx, tx, id, hash(token)); err != nil {
		return "", err
	}
	waits, err = signin.WaitsFor(ctx, tx, hash(token))
	if err == nil && waits == "enroll" && !tx.SteppedUp() {
		err = stepUpFirst()
	}
	return waits, err
}

// gives reads the role that the caller wants to give somebody.
func (s teamService) gives(ctx context.Context, name string) (account.Role, error) {
	role, own := account.Role(name), requestOf(ctx).caller.role
	if !slices.Contains(account.Roles(), role) {
		return "", problem.InField("role", "it is no role").WithHint("owner, admin, operator, auditor or viewer")
	}
	if role.Above(own) {
		p := problem.New(problem.Denied, "the role %s is above your own", role).WithHint("ask an owner of the account")
		p.Field = "role"
		return "", p
	}
	return role, nil
}

func memberShape(me account.UserID) func(team.Member) *imagov1.Member {
	return func(m team.Member) *imagov1.Member {
		return &imagov1.Member{
			UserId: string(m.UserID), Email: m.Email, Role: string(m.Role), JoinedAt: stamp(m.JoinedAt), Me: m.UserID == me,
		}
	}
}

func accountShape(current account.ID) func(team.Mine) *imagov1.Account {
	return func(m team.Mine) *imagov1.Account {
		return &imagov1.Account{
			Id: string(m.AccountID), Name: m.Name, Role: string(m.Role), JoinedAt: stamp(m.JoinedAt), Current: m.AccountID == current,
		}
	}
}
