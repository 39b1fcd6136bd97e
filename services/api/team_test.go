package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/team"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
)

// invite asks an address in, and does what the worker does: it makes the token.
func (w *world) invite(by *person, email string, role account.Role) (id, token string) {
	w.t.Helper()
	res, err := by.team.CreateInvitation(w.t.Context(), req(&imagov1.CreateInvitationRequest{Email: email, Role: string(role)}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg.GetInvitation().GetId(), w.mailInvitation(by, res.Msg.GetInvitation().GetId())
}

func (w *world) mailInvitation(by *person, id string) (token string) {
	w.t.Helper()
	if n := w.count(`select count(*) from river.river_job where kind = 'send_invitation' and state = 'available' and args ->> 'invitation_id' = $1`, id); n != 1 {
		w.t.Fatalf("%d jobs to mail the invitation, want 1", n)
	}
	w.exec(`delete from river.river_job where kind = 'send_invitation' and state = 'available' and args ->> 'invitation_id' = $1`, id)
	token = "imago_invite_" + secret()
	proof := w.db.Job(w.t, job.SendInvitation{AccountID: string(by.account), InvitationID: id})
	err := w.worker.As(w.t.Context(), proof, func(tx *postgres.Tx) error {
		_, err := team.SetToken(w.t.Context(), tx, id, hash(token))
		return err
	})
	if err != nil && !problem.Is(err, problem.NotFound) {
		w.t.Fatal(err)
	}
	return token
}

// join signs in by a mailed code and accepts an invitation with it.
func (w *world) join(email, token string) (*imagov1.ExchangeCodeResponse, error) {
	w.t.Helper()
	a := w.requestCode(email)
	w.mail(a.GetAttemptId(), "123456")
	res, err := w.stranger().signIn.ExchangeCode(w.t.Context(), req(&imagov1.ExchangeCodeRequest{
		AttemptId: a.GetAttemptId(), ClientSecret: a.GetClientSecret(), Code: "123456", InvitationToken: token,
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func (p *person) accept(ctx context.Context, token string) (*imagov1.AcceptInvitationResponse, error) {
	res, err := p.team.AcceptInvitation(ctx, req(&imagov1.AcceptInvitationRequest{Token: token}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func TestAnInvitedPersonComesInThoughSignUpIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpClosed})
	owner := w.owner()
	_, token := w.invite(owner, address(t), account.Operator)
	a := w.requestCode(address(t))
	if to := w.mail(a.GetAttemptId(), "123456"); to != address(t) {
		t.Fatalf("the code goes to %q", to)
	}
	if _, err := w.exchange(a, "123456"); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("without the token: %v; want denied", err)
	}
	res, err := w.join(address(t), token)
	if err != nil {
		t.Fatal(err)
	}
	if s := res.GetSession(); s.GetAccountId() != string(owner.account) || s.GetRole() != "operator" {
		t.Errorf("session %v; want an operator of the account that invited", s)
	}
	if n := w.count(`select count(*) from members m join users u on u.id = m.user_id where u.email = $1`, address(t)); n != 1 {
		t.Error("an account of their own was made")
	}
	if diff := cmp.Diff([]string{"sign_in", "accept_invitation", "create_invitation"}, w.activityOf(owner)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(owner)
	// Nobody else's address gets a code.
	stranger := w.requestCode("not." + address(t))
	if to := w.mail(stranger.GetAttemptId(), "123456"); to != "" {
		t.Errorf("a code went to %q, whom nobody has invited", to)
	}
}

func TestAMemberOfOneAccountAcceptsAndSwitches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	a, b := w.owner(), w.owner()
	_, token := w.invite(b, a.email, account.Auditor)
	res, err := a.accept(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if s := res.GetSession(); s.GetAccountId() != string(b.account) || s.GetRole() != "auditor" || s.GetEmail() != a.email {
		t.Errorf("session %v", s)
	}
	if _, err := a.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the old session lives on: %v", err)
	}
	there := w.clients(&person{token: res.GetToken(), email: a.email, account: b.account})
	mine, err := there.team.ListAccounts(t.Context(), req(&imagov1.ListAccountsRequest{}))
	if err != nil || len(mine.Msg.GetAccounts()) != 2 || mine.Msg.GetAccounts()[0].GetCurrent() || !mine.Msg.GetAccounts()[1].GetCurrent() {
		t.Fatalf("accounts: %v, %v", mine, err)
	}
	back, err := there.team.SwitchAccount(t.Context(), req(&imagov1.SwitchAccountRequest{AccountId: string(a.account)}))
	if err != nil || back.Msg.GetSession().GetRole() != "owner" {
		t.Fatalf("back: %v, %v", back, err)
	}
	home := w.clients(&person{token: back.Msg.GetToken(), email: a.email})
	if diff := cmp.Diff([]string{"sign_in", "switch_account"}, w.activityOf(home)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"switch_account", "sign_in", "accept_invitation", "create_invitation"}, w.activityOf(b)); diff != "" {
		t.Error(diff)
	}
	_, err = home.team.SwitchAccount(t.Context(), req(&imagov1.SwitchAccountRequest{AccountId: string(w.owner().account)}))
	if p := problemOf(t, err, connect.CodeNotFound); p.GetField() != "account_id" {
		t.Errorf("to somebody else's account: %v", p)
	}
	if _, err := home.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil {
		t.Errorf("a refused switch ended the session: %v", err)
	}
}

func TestABrowserSwitchesByCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	a, b := w.owner(), w.owner()
	w.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, b.account, a.user)
	r := req(&imagov1.SwitchAccountRequest{AccountId: string(b.account)})
	r.Header().Set("Cookie", cookieName+"="+a.token)
	res, err := w.stranger().team.SwitchAccount(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if set := res.Header().Get("Set-Cookie"); res.Msg.GetToken() != "" || !strings.HasPrefix(set, cookieName+"="+tokenPrefix) || !strings.Contains(set, "HttpOnly") {
		t.Errorf("token %q, cookie %q; want the session in a cookie alone", res.Msg.GetToken(), set)
	}
}

// TestInvitationsThatAreRefused attacks what a token lets in to.
func TestInvitationsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	for name, c := range map[string]struct {
		spoil func(owner, admin *person, id string)
		what  string
	}{
		"revoked": {func(owner, _ *person, id string) {
			if _, err := owner.team.RevokeInvitation(t.Context(), req(&imagov1.RevokeInvitationRequest{InvitationId: id})); err != nil {
				t.Error(err)
			}
		}, "not valid any more"},
		"expired": {func(_, _ *person, id string) {
			w.exec(`update invitations set expires_at = now() - interval '1 second' where id = $1`, id)
		}, "not valid any more"},
		"sent again": {func(owner, _ *person, id string) {
			if _, err := owner.team.ResendInvitation(t.Context(), req(&imagov1.ResendInvitationRequest{InvitationId: id})); err != nil {
				t.Error(err)
			}
			w.mailInvitation(owner, id)
		}, "no such invitation"},
		"inviter removed": {func(owner, admin *person, _ string) {
			if _, err := owner.team.RemoveMember(t.Context(), req(&imagov1.RemoveMemberRequest{UserId: string(admin.user)})); err != nil {
				t.Error(err)
			}
		}, "may not invite any more"},
		"inviter demoted": {func(owner, admin *person, _ string) {
			if _, err := owner.team.UpdateMember(t.Context(), req(&imagov1.UpdateMemberRequest{UserId: string(admin.user), Role: "operator"})); err != nil {
				t.Error(err)
			}
		}, "may not invite any more"},
	} {
		t.Run(name, func(t *testing.T) {
			owner := w.owner()
			admin, guest := w.member(owner, account.Admin), w.owner()
			id, token := w.invite(admin, guest.email, account.Operator)
			c.spoil(owner, admin, id)
			_, err := guest.accept(t.Context(), token)
			if p := problemOf(t, err, connect.CodeInvalidArgument); p.GetField() != "token" || !strings.Contains(p.GetWhat(), c.what) || p.GetHint() == "" {
				t.Errorf("signed in: %v; want %q and a hint", p, c.what)
			}
			_, err = w.join(guest.email, token)
			if p := problemOf(t, err, connect.CodeInvalidArgument); p.GetField() != "invitation_token" || !strings.Contains(p.GetWhat(), c.what) {
				t.Errorf("at a sign-in: %v; want %q", p, c.what)
			}
		})
	}
	t.Run("another address, and a token that never was, are told the same", func(t *testing.T) {
		owner, guest, thief := w.owner(), w.owner(), w.owner()
		_, token := w.invite(owner, guest.email, account.Admin)
		_, stolen := thief.accept(t.Context(), token)
		_, garbage := thief.accept(t.Context(), "imago_invite_"+secret())
		problemOf(t, stolen, connect.CodeInvalidArgument)
		if stolen.Error() != garbage.Error() {
			t.Errorf("%v, and %v", stolen, garbage)
		}
		if _, err := w.join(thief.email, token); err == nil {
			t.Error("a stolen token let in at a sign-in")
		}
		if _, err := guest.accept(t.Context(), token); err != nil {
			t.Errorf("whom it was for is shut out: %v", err)
		}
		if _, err := w.session(guest).accept(t.Context(), token); err != nil {
			t.Errorf("again, by the same person: %v; want the same account", err)
		}
		w.exec(`delete from members where account_id = $1 and user_id = $2`, owner.account, guest.user)
		_, err := w.session(guest).accept(t.Context(), token)
		if p := problemOf(t, err, connect.CodeInvalidArgument); !strings.Contains(p.GetWhat(), "used already") {
			t.Errorf("who was taken out comes back by the used token: %v", p)
		}
	})
	t.Run("no session's token, and no session's, is taken for one", func(t *testing.T) {
		owner, guest := w.owner(), w.owner()
		_, token := w.invite(owner, guest.email, account.Admin)
		as := w.clients(&person{token: token})
		if _, err := as.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("an invitation opened a session: %v", err)
		}
		if _, err := guest.accept(t.Context(), owner.token); err == nil {
			t.Error("a session's token was taken for an invitation")
		}
	})
}

func TestInvitingTellsNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner, elsewhere := w.owner(), w.owner()
	for _, email := range []string{elsewhere.email, "nobody." + address(t)} {
		res, err := owner.team.CreateInvitation(t.Context(), req(&imagov1.CreateInvitationRequest{Email: strings.ToUpper(email), Role: "viewer"}))
		if err != nil || res.Msg.GetInvitation().GetEmail() != email || res.Msg.GetInvitation().GetInvitedBy() != owner.email {
			t.Errorf("%s: %v, %v", email, res, err)
		}
		_, err = owner.team.CreateInvitation(t.Context(), req(&imagov1.CreateInvitationRequest{Email: email, Role: "viewer"}))
		if p := problemOf(t, err, connect.CodeAlreadyExists); p.GetField() != "email" || !strings.Contains(p.GetWhat(), "invited already") {
			t.Errorf("twice: %v", p)
		}
	}
	_, err := owner.team.CreateInvitation(t.Context(), req(&imagov1.CreateInvitationRequest{Email: owner.email, Role: "viewer"}))
	if p := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(p.GetWhat(), "member already") {
		t.Errorf("a member: %v", p)
	}
}

// TestNobodyRisesByTheTeam tries to give, take and change what is above one's own.
func TestNobodyRisesByTheTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	second, admin, operator := w.member(owner, account.Owner), w.member(owner, account.Admin), w.member(owner, account.Operator)
	update := func(p *person, who *person, role string) error {
		_, err := p.team.UpdateMember(t.Context(), req(&imagov1.UpdateMemberRequest{UserId: string(who.user), Role: role}))
		return err
	}
	remove := func(p *person, who *person) error {
		_, err := p.team.RemoveMember(t.Context(), req(&imagov1.RemoveMemberRequest{UserId: string(who.user)}))
		return err
	}
	for name, err := range map[string]error{
		"an admin makes themselves an owner": update(admin, admin, "owner"),
		"an admin makes another an owner":    update(admin, operator, "owner"),
		"an admin demotes an owner":          update(admin, second, "viewer"),
		"an admin removes an owner":          remove(admin, second),
		"an operator promotes themselves":    update(operator, operator, "admin"),
		"an operator removes an admin":       remove(operator, admin),
	} {
		if p := problemOf(t, err, connect.CodePermissionDenied); p.GetHint() == "" {
			t.Errorf("%s: %v has no hint", name, p)
		}
	}
	_, err := admin.team.CreateInvitation(t.Context(), req(&imagov1.CreateInvitationRequest{Email: "x@acme.test", Role: "owner"}))
	if p := problemOf(t, err, connect.CodePermissionDenied); p.GetField() != "role" {
		t.Errorf("an admin invites an owner: %v", p)
	}
	// The database says no by itself, whatever the program would let through.
	for _, sql := range []func(*postgres.Tx) error{
		func(tx *postgres.Tx) error { return team.SetRole(t.Context(), tx, admin.user, account.Owner) },
		func(tx *postgres.Tx) error { return team.Remove(t.Context(), tx, second.user) },
		func(tx *postgres.Tx) error {
			_, err := team.Invite(t.Context(), tx, "x@acme.test", account.Owner)
			return err
		},
	} {
		if err := w.api.DB.As(t.Context(), admin.proof, sql); !problem.Is(err, problem.Denied) {
			t.Errorf("the database: %v; want denied", err)
		}
	}
	// A role that was changed counts at once, in a session that goes on.
	if err := update(owner, admin, "viewer"); err != nil {
		t.Fatal(err)
	}
	_, err = admin.team.ListInvitations(t.Context(), req(&imagov1.ListInvitationsRequest{}))
	problemOf(t, err, connect.CodePermissionDenied)
	if _, err := admin.team.ListMembers(t.Context(), req(&imagov1.ListMembersRequest{})); err != nil {
		t.Errorf("a changed role ended the session: %v", err)
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	w.member(owner, account.Admin)
	_, err := owner.team.LeaveAccount(t.Context(), req(&imagov1.LeaveAccountRequest{}))
	if p := problemOf(t, err, connect.CodePermissionDenied); !strings.Contains(p.GetWhat(), "without an owner") || p.GetHint() == "" {
		t.Errorf("leaving: %v", p)
	}
	_, err = owner.team.UpdateMember(t.Context(), req(&imagov1.UpdateMemberRequest{UserId: string(owner.user), Role: "admin"}))
	if p := problemOf(t, err, connect.CodePermissionDenied); !strings.Contains(p.GetWhat(), "without an owner") {
		t.Errorf("stepping down: %v", p)
	}
	if got := w.activityOf(owner); len(got) != 0 {
		t.Errorf("refusals stand in the log as done: %v", got)
	}
}

// TestOneOwnerIsLeftOfMany has all owners go in every way, at the same moment.
func TestOneOwnerIsLeftOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	for round := range 3 {
		owners := []*person{w.owner()}
		for range 5 {
			owners = append(owners, w.member(owners[0], account.Owner))
		}
		var all sync.WaitGroup
		for i, p := range owners {
			next := owners[(i+1)%len(owners)]
			all.Go(func() {
				var err error
				switch i % 3 {
				case 0:
					_, err = p.team.LeaveAccount(t.Context(), req(&imagov1.LeaveAccountRequest{}))
				case 1:
					_, err = p.team.RemoveMember(t.Context(), req(&imagov1.RemoveMemberRequest{UserId: string(next.user)}))
				default:
					_, err = p.team.UpdateMember(t.Context(), req(&imagov1.UpdateMemberRequest{UserId: string(p.user), Role: "viewer"}))
				}
				switch connect.CodeOf(err) { // who was removed in between, or would be missed
				case connect.CodePermissionDenied, connect.CodeUnauthenticated, connect.CodeNotFound:
				default:
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n := w.count(`select count(*) from members where account_id = $1 and role = 'owner'`, owners[0].account); n < 1 {
			t.Errorf("round %d: no owner is left", round)
		}
	}
}

func TestWhoIsRemovedIsSignedOutForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	gone := w.member(owner, account.Admin)
	second := w.session(gone)
	if _, err := owner.team.RemoveMember(t.Context(), req(&imagov1.RemoveMemberRequest{UserId: string(gone.user)})); err != nil {
		t.Fatal(err)
	}
	// Also when they come back.
	w.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, gone.account, gone.user)
	for _, p := range []*person{gone, second} {
		if _, err := p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("a removed member is still signed in: %v", err)
		}
	}
	left := w.member(owner, account.Viewer)
	if _, err := left.team.LeaveAccount(t.Context(), req(&imagov1.LeaveAccountRequest{})); err != nil {
		t.Fatal(err)
	}
	if _, err := left.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("who left is still signed in: %v", err)
	}
	if diff := cmp.Diff([]string{"leave_account", "remove_member"}, w.activityOf(owner)); diff != "" {
		t.Error(diff)
	}
}

// TestAPageOfOneAccountDoesNothingInAnother: a browser has one session for all of its pages.
func TestAPageOfOneAccountDoesNothingInAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p, other := w.owner(), w.owner()
	for meant, want := range map[string]connect.Code{string(p.account): 0, "": 0, string(other.account): connect.CodeAlreadyExists} {
		r := req(&imagov1.UpdateAccountRequest{Name: "Renamed"})
		r.Header().Set("Imago-Account", meant)
		_, err := p.team.UpdateAccount(t.Context(), r)
		if err != nil && connect.CodeOf(err) != want || err == nil && want != 0 {
			t.Errorf("meant for %q: %v; want %v", meant, err, want)
		}
	}
}

func TestTeamIsOneAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	a, b := w.owner(), w.owner()
	id, _ := w.invite(b, "guest."+address(t), account.Viewer)
	for name, err := range map[string]error{
		"update": func() error {
			_, err := a.team.UpdateMember(t.Context(), req(&imagov1.UpdateMemberRequest{UserId: string(b.user), Role: "viewer"}))
			return err
		}(),
		"remove": func() error {
			_, err := a.team.RemoveMember(t.Context(), req(&imagov1.RemoveMemberRequest{UserId: string(b.user)}))
			return err
		}(),
		"revoke": func() error {
			_, err := a.team.RevokeInvitation(t.Context(), req(&imagov1.RevokeInvitationRequest{InvitationId: id}))
			return err
		}(),
		"resend": func() error {
			_, err := a.team.ResendInvitation(t.Context(), req(&imagov1.ResendInvitationRequest{InvitationId: id}))
			return err
		}(),
	} {
		if p := problemOf(t, err, connect.CodeNotFound); p.GetField() == "" || p.GetHint() == "" {
			t.Errorf("%s: %v names no field or way out", name, p)
		}
	}
	res, err := a.team.UpdateAccount(t.Context(), req(&imagov1.UpdateAccountRequest{Name: "Acme Inc."}))
	if err != nil || res.Msg.GetName() != "Acme Inc." || w.count(`select count(*) from accounts where id = $1 and name = 'Acme'`, b.account) != 1 {
		t.Errorf("rename: %v, %v", res, err)
	}
	members, err := a.team.ListMembers(t.Context(), req(&imagov1.ListMembersRequest{}))
	if err != nil || len(members.Msg.GetMembers()) != 1 || !members.Msg.GetMembers()[0].GetMe() || members.Msg.GetMembers()[0].GetEmail() != a.email {
		t.Errorf("members: %v, %v", members, err)
	}
}

func TestInvitationsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	id, _ := w.invite(owner, "guest."+address(t), account.Viewer)
	for n := 2; n <= 11; n++ {
		_, err := owner.team.ResendInvitation(t.Context(), req(&imagov1.ResendInvitationRequest{InvitationId: id}))
		if n <= 10 && err != nil {
			t.Fatalf("mail %d: %v", n, err)
		}
		if n == 11 {
			problemOf(t, err, connect.CodeResourceExhausted)
		}
	}
	w.exec(`insert into invitations (account_id, email, role, invited_by) select $1, 'n' || n || '@acme.test', 'viewer', $2 from generate_series(1, 99) n`, owner.account, owner.user)
	_, err := owner.team.CreateInvitation(t.Context(), req(&imagov1.CreateInvitationRequest{Email: "more." + address(t), Role: "viewer"}))
	if p := problemOf(t, err, connect.CodeResourceExhausted); p.GetHint() == "" {
		t.Error(fmt.Sprint(p))
	}
}
