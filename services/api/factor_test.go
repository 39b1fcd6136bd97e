package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

// authenticator is a person's app.
type authenticator struct {
	w        *world
	secret   string
	recovery []string
}

// code is what the app shows at the api's moment, moved by steps.
func (a *authenticator) code(steps int) string {
	a.w.t.Helper()
	code, err := totp.GenerateCode(a.secret, a.w.clock.now().Add(time.Duration(steps)*period))
	if err != nil {
		a.w.t.Fatal(err)
	}
	return code
}

// enroll gives a person an authenticator; their session goes on under its new token.
func (w *world) enroll(p *person) *authenticator {
	w.t.Helper()
	begun, err := p.factors.EnrollTotp(w.t.Context(), req(&imagov1.EnrollTotpRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	if uri, err := url.Parse(begun.Msg.GetUri()); err != nil || uri.Path != "/Imago:"+p.email {
		w.t.Errorf("the URI is %v, %v; want it to name %s", uri, err, p.email)
	}
	a := &authenticator{w: w, secret: begun.Msg.GetSecret()}
	done, err := p.factors.ConfirmTotp(w.t.Context(), req(&imagov1.ConfirmTotpRequest{Code: a.code(0)}))
	if err != nil {
		w.t.Fatal(err)
	}
	p.token, a.recovery = done.Msg.GetToken(), done.Msg.GetRecoveryCodes()
	w.clients(p)
	return a
}

// half signs in with the mailed code alone.
func (w *world) half(email, want string) *person {
	w.t.Helper()
	a := w.requestCode(email)
	w.mail(a.GetAttemptId(), "123456")
	res, err := w.exchange(a, "123456")
	if err != nil {
		w.t.Fatal(err)
	}
	if res.GetSecondFactor() != want || (res.GetSession() == nil) != (want != "") {
		w.t.Fatalf("the code lets in as %v; want it to wait for %q", res, want)
	}
	return w.clients(&person{token: res.GetToken(), email: email})
}

func (w *world) verify(p *person, m *imagov1.VerifyTotpRequest) (*person, error) {
	w.t.Helper()
	res, err := p.factors.VerifyTotp(w.t.Context(), req(m))
	if err != nil {
		return nil, err
	}
	return w.clients(&person{token: res.Msg.GetToken(), email: p.email}), nil
}

func TestSecondFactorLetsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	p := w.signInAs(address(t))
	a := w.enroll(p)
	if len(a.recovery) != 10 {
		t.Errorf("%d recovery codes, want 10", len(a.recovery))
	}
	half := w.half(address(t), "totp")
	w.clock.move(period)
	in, err := w.verify(half, &imagov1.VerifyTotpRequest{Code: a.code(0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ask(in, rpc.ConnectionServiceDeleteConnectionProcedure, false); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("with both factors: %v; want only the field refused", err)
	}
	if _, err := half.factors.GetFactors(t.Context(), req(&imagov1.GetFactorsRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the token from before the second factor: %v; want unauthenticated", err)
	}
	if diff := cmp.Diff([]string{"sign_in", "enroll_totp", "sign_in", "create_account"}, w.activityOf(in)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(in)
	if n := w.count(`select count(*) from totp_factors where position(convert_to($1, 'UTF8') in secret) > 0`, a.secret); n != 0 {
		t.Error("the secret stands in clear")
	}
}

// TestASessionThatWaitsLetsIntoNothing presents it to every RPC, by both ways.
func TestASessionThatWaitsLetsIntoNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	w.enroll(w.signInAs(address(t)))
	half := w.half(address(t), "totp")
	for _, procedure := range procedures() {
		if permissions[procedure].public || permissions[procedure].pending {
			continue
		}
		err := w.ask(half, procedure, streaming[procedure[strings.LastIndexByte(procedure, '/')+1:]])
		if connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("%s: %v; want unauthenticated", procedure, err)
		}
	}
	if got := w.asks(http.Header{"Cookie": {cookieName + "=" + half.token}}); got != 401 {
		t.Errorf("as a cookie: %d, want 401", got)
	}
	if p := problemOf(t, errOf(half.factors.EnrollTotp(t.Context(), req(&imagov1.EnrollTotpRequest{}))), connect.CodePermissionDenied); p.GetHint() == "" {
		t.Errorf("another authenticator, before the first was given: %v", p)
	}
	w.exec(`update sessions set seen_at = now() - interval '16 minutes' where token_hash = $1`, hashOf(half))
	if err := errOf(half.factors.GetFactors(t.Context(), req(&imagov1.GetFactorsRequest{}))); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("it waits for more than a quarter of an hour: %v", err)
	}
}

// ipOf is an address for an attack, of its name.
func ipOf(name string) string {
	h := hash(name)
	return fmt.Sprintf("10.%d.%d.%d", h[0], h[1], h[2])
}

func errOf[T any](_ T, err error) error { return err }

// TestSecondFactorAttacks attacks the second factor.
func TestSecondFactorAttacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	for name, attack := range map[string]func(t *testing.T, w *world, email string, a *authenticator){
		"a code is taken once": func(t *testing.T, w *world, email string, a *authenticator) {
			if _, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(1)}); err != nil {
				t.Fatal(err)
			}
			_, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(1)})
			problemOf(t, err, connect.CodeInvalidArgument)
			_, err = w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(0)})
			problemOf(t, err, connect.CodeInvalidArgument) // an older one, that somebody saw
		},
		"the code that enrolled is not taken again": func(t *testing.T, w *world, email string, a *authenticator) {
			_, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(0)})
			problemOf(t, err, connect.CodeInvalidArgument)
		},
		"an old code is not taken": func(t *testing.T, w *world, email string, a *authenticator) {
			_, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(-3)})
			problemOf(t, err, connect.CodeInvalidArgument)
		},
		"five tries, over all sessions": func(t *testing.T, w *world, email string, a *authenticator) {
			for range 5 {
				_, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(-9)})
				problemOf(t, err, connect.CodeInvalidArgument)
				w.exec(`delete from sign_in_codes where email = $1`, email)
			}
			for name, m := range map[string]*imagov1.VerifyTotpRequest{"code": {Code: a.code(1)}, "recovery": {RecoveryCode: a.recovery[0]}} {
				if _, err := w.verify(w.half(email, "totp"), m); connect.CodeOf(err) != connect.CodeResourceExhausted {
					t.Errorf("the sixth try, with the right %s: %v", name, err)
				}
			}
			w.exec(`update totp_factors t set tries_since = now() - interval '11 minutes' from users u where u.id = t.user_id and u.email = $1`, email)
			if _, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(1)}); err != nil {
				t.Errorf("ten minutes later: %v", err)
			}
		},
		"a recovery code stands in once": func(t *testing.T, w *world, email string, a *authenticator) {
			typed := strings.ToUpper(strings.ReplaceAll(a.recovery[0], "-", " "))
			if _, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{RecoveryCode: typed}); err != nil {
				t.Fatal(err)
			}
			_, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{RecoveryCode: a.recovery[0]})
			problemOf(t, err, connect.CodeInvalidArgument)
		},
		"another's codes are none": func(t *testing.T, w *world, email string, a *authenticator) {
			other := w.enroll(w.signInAs("other." + email))
			for _, m := range []*imagov1.VerifyTotpRequest{{Code: other.code(1)}, {RecoveryCode: other.recovery[0]}} {
				_, err := w.verify(w.half(email, "totp"), m)
				problemOf(t, err, connect.CodeInvalidArgument)
			}
		},
		"mail does not step up who has a second factor": func(t *testing.T, w *world, email string, a *authenticator) {
			in, err := w.verify(w.half(email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(1)})
			if err != nil {
				t.Fatal(err)
			}
			w.stale(in)
			if p := problemOf(t, errOf(in.sessions.RequestStepUp(t.Context(), req(&imagov1.RequestStepUpRequest{}))), connect.CodePermissionDenied); p.GetHint() == "" {
				t.Errorf("no way out: %v", p)
			}
			for _, remove := range []error{
				errOf(in.factors.RemoveTotp(t.Context(), req(&imagov1.RemoveTotpRequest{}))),
				errOf(in.factors.EnrollTotp(t.Context(), req(&imagov1.EnrollTotpRequest{}))),
			} {
				if p := problemOf(t, remove, connect.CodePermissionDenied); p.GetKind() != "step_up" {
					t.Errorf("got %v; want step_up", p)
				}
			}
			risen, err := w.verify(in, &imagov1.VerifyTotpRequest{RecoveryCode: a.recovery[1]})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := risen.factors.RemoveTotp(t.Context(), req(&imagov1.RemoveTotpRequest{})); err != nil {
				t.Errorf("after the step-up: %v", err)
			}
			w.half(email, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			email := strings.NewReplacer(" ", ".", ",", "").Replace(name) + "@acme.test"
			w := *w
			w.t, w.ip = t, ipOf(name) // a place of its own: sign-ins are throttled by it
			attack(t, &w, email, w.enroll(w.signInAs(email)))
		})
	}
}

// TestAnAuthenticatorTakesThePlaceOfAnother: of a lost one, which an account's wish for a
// second factor keeps from being removed.
func TestAnAuthenticatorTakesThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	p := w.signInAs(address(t))
	lost := w.enroll(p)
	if err := require(p, true); err != nil {
		t.Fatal(err)
	}
	begun, err := p.factors.EnrollTotp(t.Context(), req(&imagov1.EnrollTotpRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	next := &authenticator{w: w, secret: begun.Msg.GetSecret()}
	w.clock.move(period)
	half := w.half(address(t), "totp")
	if err := errOf(w.verify(half, &imagov1.VerifyTotpRequest{Code: next.code(0)})); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("the new one, before it was confirmed: %v; want it refused", err)
	}
	if _, err := w.verify(half, &imagov1.VerifyTotpRequest{Code: lost.code(0)}); err != nil {
		t.Errorf("the old one until then: %v", err)
	}
	if err := errOf(p.factors.ConfirmTotp(t.Context(), req(&imagov1.ConfirmTotpRequest{Code: lost.code(1)}))); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("confirmed by a code of the old one: %v", err)
	}
	done, err := p.factors.ConfirmTotp(t.Context(), req(&imagov1.ConfirmTotpRequest{Code: next.code(0)}))
	if err != nil || len(done.Msg.GetRecoveryCodes()) != 10 {
		t.Fatalf("confirmed: %v, %v", done, err)
	}
	half = w.half(address(t), "totp")
	for name, m := range map[string]*imagov1.VerifyTotpRequest{"code": {Code: lost.code(1)}, "recovery code": {RecoveryCode: lost.recovery[0]}} {
		if err := errOf(w.verify(half, m)); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("the lost one's %s: %v; want it refused", name, err)
		}
	}
	if _, err := w.verify(half, &imagov1.VerifyTotpRequest{Code: next.code(1)}); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

// TestFactorsTellWhatTheAccountWants, and what another one of the person's does.
func TestFactorsTellWhatTheAccountWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	strict := w.strict(p)
	for name, c := range map[string]struct {
		p    *person
		here bool
	}{"the one that does": {strict, true}, "another": {p, false}} {
		f, err := c.p.factors.GetFactors(t.Context(), req(&imagov1.GetFactorsRequest{}))
		if err != nil || !f.Msg.GetRequired() || f.Msg.GetAccountRequires() != c.here {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

func require(p *person, yes bool) error {
	return errOf(p.factors.RequireSecondFactor(context.Background(), req(&imagov1.RequireSecondFactorRequest{Required: yes})))
}

// TestAccountsMayWantASecondFactor: whoever has none is out, and enrolls it at the next
// sign-in.
func TestAccountsMayWantASecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	p := w.owner()
	if got := problemOf(t, require(p, true), connect.CodeAlreadyExists); got.GetHint() == "" {
		t.Errorf("by who has none: %v", got)
	}
	w.enroll(p)
	colleague, other := w.member(p, account.Viewer), w.session(p)
	elsewhere := w.session(&person{account: w.owner().account, user: colleague.user, email: colleague.email})
	w.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, elsewhere.account, colleague.user)
	if err := require(p, true); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p    *person
		code connect.Code
	}{
		"a colleague without one":      {colleague, connect.CodeUnauthenticated},
		"one's session from before it": {other, connect.CodeUnauthenticated},
		"who asked":                    {p, 0},
		"the colleague elsewhere":      {elsewhere, 0},
	} {
		if err := w.ask(c.p, rpc.SignInServiceWhoAmIProcedure, false); err != nil && connect.CodeOf(err) != c.code || err == nil && c.code != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	half := w.half(colleague.email, "enroll")
	w.enroll(half)
	if diff := cmp.Diff([]string{"sign_in", "enroll_totp", "require_second_factor", "enroll_totp"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
	if got := problemOf(t, errOf(p.factors.RemoveTotp(t.Context(), req(&imagov1.RemoveTotpRequest{}))), connect.CodePermissionDenied); got.GetKind() != "denied" {
		t.Errorf("removing it: %v", got)
	}
	if err := require(p, false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.factors.RemoveTotp(t.Context(), req(&imagov1.RemoveTotpRequest{})); err != nil {
		t.Errorf("when it is not wanted any more: %v", err)
	}
	if err := require(w.member(w.owner(), account.Operator), true); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("an operator: %v", err)
	}
}

// TestWrongSecondFactorsAreTold: in the log of who is in, and to the accounts of who is not.
func TestWrongSecondFactorsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	p := w.signInAs(address(t))
	a := w.enroll(p)
	wrong := []*imagov1.VerifyTotpRequest{{Code: a.code(-9)}, {Code: a.code(0)}, {RecoveryCode: "aaaa-bbbb-cccc-dddd"}}
	for _, m := range wrong {
		problemOf(t, errOf(w.verify(p, m)), connect.CodeInvalidArgument)
	}
	if diff := cmp.Diff([]string{"refuse_step_up", "refuse_step_up", "refuse_step_up", "enroll_totp", "sign_in", "create_account"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
	half := w.half(address(t), "totp")
	w.exec(`update totp_factors set tries = 0 from users u where u.id = user_id and u.email = $1`, address(t))
	for range 3 {
		for _, m := range wrong {
			if err := errOf(w.verify(half, m)); err == nil {
				t.Fatal("a wrong factor lets in")
			}
		}
	}
	var nths []int
	w.row([]any{&nths}, `select coalesce(array_agg(nth order by nth), '{}') 
		from sign_in_refusals r join sign_in_codes c on c.id = r.code_id where c.email = $1`, address(t))
	if diff := cmp.Diff([]int{7, 8, 9, 10, 11, 12}, nths); diff != "" {
		t.Errorf("noted for the accounts: %s", diff)
	}
	// What is not a factor at all is no wrong one.
	problemOf(t, errOf(w.verify(p, &imagov1.VerifyTotpRequest{Code: "12"})), connect.CodeInvalidArgument)
	if n := len(w.activityOf(p)); n != 6 {
		t.Errorf("%d rows; want 6", n)
	}
}

// TestASecondFactorSetsABrowsersCookieAnew: whoever planted the first cookie has nothing.
func TestASecondFactorSetsABrowsersCookieAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	a := w.enroll(w.signInAs(address(t)))
	before := w.browser(address(t))
	r := req(&imagov1.VerifyTotpRequest{Code: a.code(1)})
	r.Header().Set("Cookie", before.Name+"="+before.Value)
	res, err := w.stranger().factors.VerifyTotp(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	after, err := http.ParseSetCookie(res.Header().Get("Set-Cookie"))
	if err != nil || after.Name != before.Name || after.Value == before.Value || !after.HttpOnly || res.Msg.GetToken() != "" {
		t.Errorf("the cookie is %v, %v", after, err)
	}
	for want, c := range map[int]*http.Cookie{401: before, 200: after} {
		if got := w.asks(http.Header{"Cookie": {c.Name + "=" + c.Value}}); got != want {
			t.Errorf("%s: %d, want %d", c.Value, got, want)
		}
	}
}
