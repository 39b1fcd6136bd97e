package api

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

// strict is an account that wants a second factor, of which p is a member.
func (w *world) strict(p *person) *person {
	w.t.Helper()
	owner := w.owner()
	w.enroll(owner)
	if err := require(owner, true); err != nil {
		w.t.Fatal(err)
	}
	w.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, owner.account, p.user)
	return owner
}

func (w *world) switchTo(p, owner *person) (*imagov1.SwitchAccountResponse, error) {
	w.t.Helper()
	res, err := p.team.SwitchAccount(w.t.Context(), req(&imagov1.SwitchAccountRequest{AccountId: string(owner.account)}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// waits wants a session that moved to wait for its second factor, and to let into nothing.
func (w *world) waits(p *person, token, factor, want string, s *imagov1.Session) *person {
	w.t.Helper()
	if factor != want || s != nil {
		w.t.Fatalf("it waits for %q, as %v; want %q", factor, s, want)
	}
	half := w.clients(&person{token: token, email: p.email})
	for _, procedure := range []string{
		rpc.SignInServiceWhoAmIProcedure, rpc.TeamServiceListAccountsProcedure,
		rpc.TeamServiceSwitchAccountProcedure, rpc.TeamServiceAcceptInvitationProcedure,
	} {
		if err := w.ask(half, procedure, false); connect.CodeOf(err) != connect.CodeUnauthenticated {
			w.t.Errorf("%s while it waits: %v", procedure, err)
		}
	}
	return half
}

// TestSwitchingDoesNotGoAroundTheSecondFactor: the account that wants one gets one.
func TestSwitchingDoesNotGoAroundTheSecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	before := w.session(p) // opened when there was no authenticator
	strict := w.strict(p)
	a := w.enroll(p)
	res, err := w.switchTo(before, strict)
	if err != nil {
		t.Fatal(err)
	}
	half := w.waits(p, res.GetToken(), res.GetSecondFactor(), "totp", res.GetSession())
	if got := w.activityOf(strict); len(got) != 2 { // its own
		t.Errorf("the account was told of one who is not in: %v", got)
	}
	in, err := w.verify(half, &imagov1.VerifyTotpRequest{Code: a.code(1)})
	if err != nil {
		t.Fatal(err)
	}
	if me, err := in.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil || me.Msg.GetSession().GetAccountId() != string(strict.account) {
		t.Errorf("with the factor: %v, %v", me, err)
	}
	if diff := cmp.Diff([]string{"sign_in", "require_second_factor", "enroll_totp"}, w.activityOf(strict)); diff != "" {
		t.Error(diff)
	}
	// The session that enrolled it has given it.
	if res, err := w.switchTo(p, strict); err != nil || res.GetSecondFactor() != "" || res.GetSession().GetRole() != "viewer" {
		t.Errorf("a session that gave it: %v, %v", res, err)
	}
}

// TestAFactorThatIsGoneIsNone: an authenticator that was removed opens nothing, and who
// has none enrols only with a step-up.
func TestAFactorThatIsGoneIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	w.enroll(p)
	if _, err := p.factors.RemoveTotp(t.Context(), req(&imagov1.RemoveTotpRequest{})); err != nil {
		t.Fatal(err)
	}
	strict := w.strict(p)
	_, err := w.switchTo(w.stale(p), strict)
	if got := problemOf(t, err, connect.CodePermissionDenied); got.GetKind() != "step_up" {
		t.Errorf("with an old proof: %v; want step_up", got)
	}
	if _, err := p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil {
		t.Errorf("a refused switch ended the session: %v", err)
	}
	w.exec(`update sessions set stepped_up_at = now() where token_hash = $1`, hashOf(p))
	res, err := w.switchTo(p, strict)
	if err != nil {
		t.Fatal(err)
	}
	half := w.waits(p, res.GetToken(), res.GetSecondFactor(), "enroll", res.GetSession())
	w.enroll(half)
	if _, err := half.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil {
		t.Errorf("once it is enrolled: %v", err)
	}
}

// TestJoiningDoesNotGoAroundTheSecondFactor, by either way in.
func TestJoiningDoesNotGoAroundTheSecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpClosed})
	owner, p := w.owner(), w.owner()
	_, token := w.invite(owner, p.email, account.Viewer)
	_, fresh := w.invite(owner, address(t), account.Viewer)
	w.enroll(owner)
	if err := require(owner, true); err != nil {
		t.Fatal(err)
	}
	res, err := p.accept(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	w.waits(p, res.GetToken(), res.GetSecondFactor(), "enroll", res.GetSession())
	joined, err := w.join(address(t), fresh)
	if err != nil {
		t.Fatal(err)
	}
	half := w.waits(&person{email: address(t)}, joined.GetToken(), joined.GetSecondFactor(), "enroll", joined.GetSession())
	w.enroll(half)
	if diff := cmp.Diff([]string{"sign_in", "enroll_totp", "accept_invitation", "require_second_factor", "enroll_totp", "create_invitation", "create_invitation"}, w.activityOf(owner)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(owner)
}

// TestPlansLimitMembers: who is invited has a seat, and a plan that became a lesser one
// takes in nobody beyond it.
func TestPlansLimitMembers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	owner, p := s.owner(), s.owner()
	_, first := s.invite(owner, "first."+address(t), account.Viewer)
	second, late := s.invite(owner, p.email, account.Viewer)
	_, third := s.invite(owner, "third."+address(t), account.Viewer)
	s.old(owner) // the trial is over: two members
	full := func(err error) {
		t.Helper()
		if got := problemOf(t, err, connect.CodeResourceExhausted); got.GetHint() == "" {
			t.Errorf("no way out: %v", got)
		}
	}
	full(errOf(owner.team.CreateInvitation(t.Context(), req(&imagov1.CreateInvitationRequest{Email: "fourth@acme.test", Role: "viewer"}))))
	full(errOf(owner.team.ResendInvitation(t.Context(), req(&imagov1.ResendInvitationRequest{InvitationId: second}))))
	if n := s.count(`select count(*) from invitations where account_id = $1 and mails > 1 or email = 'fourth@acme.test'`, owner.account); n != 0 {
		t.Error("what was refused was done")
	}
	if _, err := s.join("first."+address(t), first); err != nil {
		t.Fatalf("the second member: %v", err)
	}
	full(errOf(p.accept(t.Context(), late)))
	full(errOf(s.join("third."+address(t), third)))
	if n := s.count(`select count(*) from members where account_id = $1`, owner.account); n != 2 {
		t.Errorf("%d members; want 2", n)
	}
	// The seat that comes free takes who was invited.
	s.exec(`delete from members where account_id = $1 and role = 'viewer'`, owner.account)
	if _, err := p.accept(t.Context(), late); err != nil {
		t.Errorf("when there is a seat: %v", err)
	}
}
