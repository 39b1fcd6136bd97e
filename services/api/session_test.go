package api

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
)

// stale makes a session one whose person proved long ago who they are.
func (w *world) stale(p *person) *person {
	w.t.Helper()
	w.exec(`update sessions set stepped_up_at = now() - interval '11 minutes' where token_hash = $1`, hashOf(p))
	return p
}

// stepUp asks for a code, which is mailed, and gives the attempt.
func (w *world) stepUp(p *person, code string) string {
	w.t.Helper()
	res, err := p.sessions.RequestStepUp(w.t.Context(), req(&imagov1.RequestStepUpRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	id := res.Msg.GetAttemptId()
	if to := w.mail(id, code); to != p.email {
		w.t.Fatalf("the code goes to %q, want %q", to, p.email)
	}
	return id
}

func (w *world) prove(p *person, attempt, code string) (*imagov1.StepUpResponse, error) {
	w.t.Helper()
	res, err := p.sessions.StepUp(w.t.Context(), req(&imagov1.StepUpRequest{AttemptId: attempt, Code: code}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func TestWhatNeedsAStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	stale, viewer := w.stale(w.session(owner)), w.stale(w.member(owner, account.Viewer))
	var needs []string
	for _, procedure := range procedures() {
		name := procedure[strings.LastIndexByte(procedure, '/')+1:]
		if !permissions[procedure].stepUp {
			continue
		}
		needs = append(needs, name)
		if p := problemOf(t, w.ask(stale, procedure, false), connect.CodePermissionDenied); p.GetKind() != "step_up" || p.GetHint() == "" {
			t.Errorf("%s with an old proof: %v; want step_up and a hint", name, p)
		}
		err := w.ask(w.session(owner), procedure, false)
		if connect.CodeOf(err) == connect.CodePermissionDenied && problemOf(t, err, connect.CodePermissionDenied).GetKind() == "step_up" {
			t.Errorf("%s just after signing in: %v", name, err)
		}
		if permissions[procedure].action == "" {
			continue // of one's own
		}
		if p := problemOf(t, w.ask(viewer, procedure, false), connect.CodePermissionDenied); p.GetKind() != "denied" {
			t.Errorf("%s as a viewer: %v; want denied: stepping up would not help", name, p)
		}
	}
	want := []string{
		"DeleteAccount", "DeleteConnection", "ReplaceKey", "SetCredential", "SetRetention", "ApproveDevice", "RemoveTotp", "RequireSecondFactor", "CreateEscrow", "DeleteEscrow", "RetireKeys", "RotateKey", "RemovePasskey", "ApplyRestore",
		"ApproveRestore", "CloseRestore", "CreateDownload", "GiveUpSnapshot", "UnpinSnapshot", "DeleteSso", "SetSso", "CreateInvitation", "LeaveAccount", "RemoveMember", "ResendInvitation", "UpdateMember", "CreateToken",
	}
	if diff := cmp.Diff(want, needs); diff != "" {
		t.Errorf("what needs a step-up: %s", diff)
	}
	if status, body := w.rest(stale, "DELETE", "/v1/connections/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", ""); status != 403 || body["kind"] != "step_up" {
		t.Errorf("by REST: %d %v; want 403, step_up", status, body)
	}
}

// TestSteppingUpGivesANewToken: whoever knew the old one has nothing of the rise.
func TestSteppingUpGivesANewToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.stale(w.owner())
	res, err := w.prove(p, w.stepUp(p, "123456"), "123456")
	if err != nil {
		t.Fatal(err)
	}
	const procedure = "/imago.v1.ConnectionService/DeleteConnection"
	if err := w.ask(p, procedure, false); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the old token: %v; want unauthenticated", err)
	}
	risen := *p
	risen.token = res.GetToken()
	if err := w.ask(w.clients(&risen), procedure, false); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("the new token: %v; want only the field refused", err)
	}
	if diff := cmp.Diff([]string{"step_up"}, w.activityOf(&risen)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(&risen)
	w.stale(&risen)
	if p := problemOf(t, w.ask(&risen, procedure, false), connect.CodePermissionDenied); p.GetKind() != "step_up" {
		t.Errorf("eleven minutes later: %v; want step_up", p)
	}
}

func TestSteppingUpSetsABrowsersCookieAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	before := w.browser(address(t))
	p := w.clients(&person{token: before.Value, email: address(t)})
	attempt := w.stepUp(p, "123456")
	r := req(&imagov1.StepUpRequest{AttemptId: attempt, Code: "123456"})
	r.Header().Set("Cookie", before.Name+"="+before.Value)
	res, err := w.stranger().sessions.StepUp(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	after, err := http.ParseSetCookie(res.Header().Get("Set-Cookie"))
	if err != nil || after.Name != before.Name || after.Value == before.Value || !after.HttpOnly || !after.Secure || res.Msg.GetToken() != "" {
		t.Errorf("the cookie is %v, %v, the token %q", after, err, res.Msg.GetToken())
	}
	if got := w.asks(http.Header{"Cookie": {before.Name + "=" + before.Value}}); got != 401 {
		t.Errorf("the old cookie: %d, want 401", got)
	}
	if got := w.asks(http.Header{"Cookie": {after.Name + "=" + after.Value}}); got != 200 {
		t.Errorf("the new cookie: %d, want 200", got)
	}
}

// TestStepUpCodes attacks the step-up.
func TestStepUpCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	refused := func(t *testing.T, err error, code connect.Code, field string) {
		t.Helper()
		if p := problemOf(t, err, code); p.GetField() != field || p.GetHint() == "" {
			t.Errorf("got %v; want field %q and a hint", p, field)
		}
	}
	for name, attack := range map[string]func(t *testing.T, p *person, attempt string){
		"five wrong tries use the code up": func(t *testing.T, p *person, attempt string) {
			for range 4 {
				_, err := w.prove(p, attempt, "000000")
				refused(t, err, connect.CodeInvalidArgument, "code")
			}
			_, err := w.prove(p, attempt, "000000")
			refused(t, err, connect.CodeResourceExhausted, "code")
			_, err = w.prove(p, attempt, "123456")
			refused(t, err, connect.CodeResourceExhausted, "")
			if n := w.count(`select count(*) from activity_logs where account_id = $1 and action = 'refuse_step_up'`, p.account); n != 6 {
				t.Errorf("%d rows tell of it, want 6", n)
			}
		},
		"a code works once": func(t *testing.T, p *person, attempt string) {
			res, err := w.prove(p, attempt, "123456")
			if err != nil {
				t.Fatal(err)
			}
			p.token = res.GetToken()
			_, err = w.prove(w.clients(p), attempt, "123456")
			refused(t, err, connect.CodeFailedPrecondition, "code")
		},
		"a code expires": func(t *testing.T, p *person, attempt string) {
			w.exec(`update sign_in_codes set expires_at = now() - interval '1 second' where id = $1`, attempt)
			_, err := w.prove(p, attempt, "123456")
			refused(t, err, connect.CodeFailedPrecondition, "code")
		},
		"another session of the same person cannot use it": func(t *testing.T, p *person, attempt string) {
			_, err := w.prove(w.session(p), attempt, "123456")
			refused(t, err, connect.CodeInvalidArgument, "attempt_id")
		},
		"another person cannot use it": func(t *testing.T, p *person, attempt string) {
			_, err := w.prove(w.member(p, account.Admin), attempt, "123456")
			refused(t, err, connect.CodeInvalidArgument, "attempt_id")
		},
		"it does not sign in": func(t *testing.T, p *person, attempt string) {
			for _, client := range []string{p.token, secret(), "client"} {
				_, err := w.exchange(&imagov1.RequestCodeResponse{AttemptId: attempt, ClientSecret: client}, "123456")
				refused(t, err, connect.CodeInvalidArgument, "attempt_id")
			}
		},
		"a code to sign in does not step up": func(t *testing.T, p *person, _ string) {
			a := w.requestCode(p.email)
			w.mail(a.GetAttemptId(), "654321")
			_, err := w.prove(p, a.GetAttemptId(), "654321")
			refused(t, err, connect.CodeInvalidArgument, "attempt_id")
		},
		"a session that has ended does not step up": func(t *testing.T, p *person, attempt string) {
			w.exec(`update sessions set revoked_at = now() where token_hash = $1`, hashOf(p))
			if _, err := w.prove(p, attempt, "123456"); connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("got %v; want unauthenticated", err)
			}
		},
		"the eleventh code of an hour is refused, and signing in is not": func(t *testing.T, p *person, _ string) {
			for range 9 {
				w.stepUp(p, "123456")
			}
			_, err := w.session(p).sessions.RequestStepUp(t.Context(), req(&imagov1.RequestStepUpRequest{}))
			refused(t, err, connect.CodeResourceExhausted, "")
			w.requestCode(p.email)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.stale(w.owner())
			attack(t, p, w.stepUp(p, "123456"))
		})
	}
}

func TestSessionsAreSeenAndEndedByTheirPersonAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	here := w.signInAs(address(t))
	there := w.signInAs(address(t))
	stranger := w.signInAs("stranger." + address(t))
	list := func(p *person) []*imagov1.SignedIn {
		res, err := p.sessions.ListSessions(t.Context(), req(&imagov1.ListSessionsRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg.GetSessions()
	}
	all := list(here)
	if len(all) != 2 {
		t.Fatalf("%d sessions, want 2: %v", len(all), all)
	}
	var other string
	for _, s := range all {
		if !s.GetCurrent() {
			other = s.GetId()
		}
		if s.GetSourceIp() != w.ip || !strings.HasPrefix(s.GetUserAgent(), "connect-go/") || s.GetKind() != "cli" || s.GetAccountName() != "My account" {
			t.Errorf("a session is shown as %v", s)
		}
	}
	if n := w.count(`select count(*) from sessions where position(convert_to($1, 'UTF8') in origin) > 0`, w.ip); n != 0 {
		t.Error("an address stands in clear")
	}
	revoke := func(p *person, id string) error {
		_, err := p.sessions.RevokeSession(t.Context(), req(&imagov1.RevokeSessionRequest{SessionId: id}))
		return err
	}
	if p := problemOf(t, revoke(stranger, other), connect.CodeNotFound); p.GetField() != "session_id" {
		t.Errorf("another's session: %v", p)
	}
	if err := revoke(here, other); err != nil {
		t.Fatal(err)
	}
	if _, err := there.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the session that was ended: %v", err)
	}
	if p := problemOf(t, revoke(here, other), connect.CodeNotFound); p.GetField() != "session_id" {
		t.Errorf("ended twice: %v", p)
	}
	if p := problemOf(t, revoke(here, list(here)[0].GetId()), connect.CodeInvalidArgument); p.GetHint() != "sign out instead" {
		t.Errorf("one's own: %v", p)
	}
	if diff := cmp.Diff([]string{"revoke_session", "sign_in", "sign_in", "create_account"}, w.activityOf(here)); diff != "" {
		t.Error(diff)
	}
}

// TestEndingAllOthersReachesEveryAccount: a stolen laptop may be signed in to another of
// the person's accounts.
func TestEndingAllOthersReachesEveryAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	away := *p
	away.account = w.owner().account
	w.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, away.account, p.user)
	elsewhere, colleague := w.session(&away), w.member(p, account.Admin)
	res, err := p.sessions.RevokeOtherSessions(t.Context(), req(&imagov1.RevokeOtherSessionsRequest{}))
	if err != nil || res.Msg.GetRevoked() != 1 {
		t.Fatalf("%v, %v; want one ended", res, err)
	}
	for name, try := range map[string]struct {
		p    *person
		want connect.Code
	}{"elsewhere": {elsewhere, connect.CodeUnauthenticated}, "here": {p, 0}, "a colleague": {colleague, 0}} {
		if _, err := try.p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil && connect.CodeOf(err) != try.want || err == nil && try.want != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
