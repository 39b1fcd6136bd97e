package api

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"

	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

const consoleURL = "https://imago.example.com"

// browser is the relying party as a right browser sees it.
var browser = virtualwebauthn.RelyingParty{ID: "imago.example.com", Name: "Imago", Origin: consoleURL}

// device keeps one passkey of a person's.
type device struct {
	w    *world
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
	rp   virtualwebauthn.RelyingParty
}

// newCredential makes a P-256 key whose coordinates both fill their 32 octets. The library drops
// leading zeros, which RFC 9053, section 7.1.1 forbids and browsers do not do: 1 key of 128 was
// refused, and rightly.
func newCredential() virtualwebauthn.Credential {
	const size = 77 // of a COSE key of two whole coordinates
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == size {
			return c
		}
	}
}

// device makes an authenticator that holds a passkey nobody knows of yet.
func (w *world) device(p *person) *device {
	w.t.Helper()
	who, err := p.signIn.WhoAmI(w.t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	return &device{
		w: w, rp: browser, cred: newCredential(),
		auth: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{
			UserHandle: []byte(who.Msg.GetSession().GetUserId()), BackupEligible: true, BackupState: true,
		}),
	}
}

// register registers the passkey; the person's session goes on under its new token.
func (d *device) register(p *person, name string) (*imagov1.FinishPasskeyRegistrationResponse, error) {
	d.w.t.Helper()
	begun, err := p.passkeys.BeginPasskeyRegistration(d.w.t.Context(), req(&imagov1.BeginPasskeyRegistrationRequest{}))
	if err != nil {
		return nil, err
	}
	options, err := virtualwebauthn.ParseAttestationOptions(begun.Msg.GetOptions())
	if err != nil {
		d.w.t.Fatal(err)
	}
	done, err := p.passkeys.FinishPasskeyRegistration(d.w.t.Context(), req(&imagov1.FinishPasskeyRegistrationRequest{
		CeremonyId: begun.Msg.GetCeremonyId(), Name: name, Credential: virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.cred, *options),
	}))
	if err != nil {
		return nil, err
	}
	p.token = done.Msg.GetToken()
	d.w.clients(p)
	return done.Msg, nil
}

// answer answers what a browser was asked, and counts.
func (d *device) answer(options string) string {
	d.w.t.Helper()
	asked, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		d.w.t.Fatal(err)
	}
	d.cred.Counter++
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.cred, *asked)
}

func (w *world) beginPasskey() *imagov1.BeginPasskeySignInResponse {
	w.t.Helper()
	begun, err := w.stranger().passkeys.BeginPasskeySignIn(w.t.Context(), req(&imagov1.BeginPasskeySignInRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	return begun.Msg
}

func (w *world) finishPasskey(b *imagov1.BeginPasskeySignInResponse, credential string) (*person, error) {
	w.t.Helper()
	res, err := w.stranger().passkeys.FinishPasskeySignIn(w.t.Context(), req(&imagov1.FinishPasskeySignInRequest{
		CeremonyId: b.GetCeremonyId(), ClientSecret: b.GetClientSecret(), Credential: credential,
	}))
	if err != nil {
		return nil, err
	}
	return w.clients(&person{token: res.Msg.GetToken(), email: res.Msg.GetSession().GetEmail()}), nil
}

// signIn signs in by the passkey.
func (d *device) signIn() (*person, error) {
	d.w.t.Helper()
	begun := d.w.beginPasskey()
	return d.w.finishPasskey(begun, d.answer(begun.GetOptions()))
}

// prove gives the passkey in a session that is there.
func (d *device) prove(p *person) (*person, error) {
	d.w.t.Helper()
	begun, err := p.passkeys.BeginPasskeyProof(d.w.t.Context(), req(&imagov1.BeginPasskeyProofRequest{}))
	if err != nil {
		return nil, err
	}
	res, err := p.passkeys.FinishPasskeyProof(d.w.t.Context(), req(&imagov1.FinishPasskeyProofRequest{
		CeremonyId: begun.Msg.GetCeremonyId(), Credential: d.answer(begun.Msg.GetOptions()),
	}))
	if err != nil {
		return nil, err
	}
	return d.w.clients(&person{token: res.Msg.GetToken(), email: p.email}), nil
}

// withPasskey is a new person who has one.
func (w *world) withPasskey(email string) (*person, *device) {
	w.t.Helper()
	p := w.signInAs(email)
	d := w.device(p)
	if _, err := d.register(p, "Laptop of Ada"); err != nil {
		w.t.Fatal(err)
	}
	return p, d
}

func TestPasskeyLetsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	p := w.signInAs(address(t))
	d := w.device(p)
	made, err := d.register(p, "Laptop of Ada")
	if err != nil {
		t.Fatal(err)
	}
	if got := made.GetPasskey(); got.GetName() != "Laptop of Ada" || !got.GetSynced() || len(made.GetRecoveryCodes()) != 10 {
		t.Errorf("registered: %v", made)
	}
	second, err := w.device(p).register(p, "")
	if err != nil || len(second.GetRecoveryCodes()) != 0 || second.GetPasskey().GetName() != "Passkey" {
		t.Errorf("a second one: %v, %v", second, err)
	}
	in, err := d.signIn()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ask(in, rpc.ConnectionServiceDeleteConnectionProcedure, false); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("let in by a passkey: %v; want only the field refused, since it is proof of now", err)
	}
	list, err := in.passkeys.ListPasskeys(t.Context(), req(&imagov1.ListPasskeysRequest{}))
	if err != nil || len(list.Msg.GetPasskeys()) != 2 || list.Msg.GetPasskeys()[0].GetUsedAt() == nil || list.Msg.GetPasskeys()[1].GetUsedAt() != nil {
		t.Errorf("%v, %v", list, err)
	}
	if diff := cmp.Diff([]string{"sign_in", "add_passkey", "add_passkey", "sign_in", "create_account"}, w.activityOf(in)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(in)
	if n := w.count(`select count(*) from passkeys where position(convert_to('Laptop', 'UTF8') in record) > 0 or position($1::bytea in record) > 0`, d.cred.ID); n != 0 {
		t.Error("a record stands in clear")
	}
}

// TestPasskeyAnswersThatDoNotCount are what somebody else could try.
func TestPasskeyAnswersThatDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	_, d := w.withPasskey(address(t))
	if _, err := d.signIn(); err != nil { // its counter is above zero from now on
		t.Fatal(err)
	}
	_, other := w.withPasskey("other-" + address(t))
	for name, try := range map[string]struct {
		answer func(d device, b *imagov1.BeginPasskeySignInResponse) string
		want   connect.Code
	}{
		"made for another origin": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.rp.Origin = "https://imago.example.net"
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"made for another host": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.rp.ID = "example.net"
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"its owner was not verified": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.auth.Options.UserNotVerified = true
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"nobody was there": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.auth.Options.UserNotPresent = true
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"for another person": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.auth.Options.UserHandle = other.auth.Options.UserHandle
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"for nobody": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.auth.Options.UserHandle = []byte("x")
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"by another key": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.cred.Key = other.cred.Key
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"its counter went back": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			d.cred.Counter = 0
			return d.answer(b.GetOptions())
		}, connect.CodeInvalidArgument},
		"to another challenge": {func(d device, _ *imagov1.BeginPasskeySignInResponse) string {
			return d.answer(w.beginPasskey().GetOptions())
		}, connect.CodeInvalidArgument},
		"no JSON": {func(device, *imagov1.BeginPasskeySignInResponse) string { return "{" }, connect.CodeInvalidArgument},
		"of another client": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			b.ClientSecret = "somebody else's"
			return d.answer(b.GetOptions())
		}, connect.CodeFailedPrecondition},
		"too late": {func(d device, b *imagov1.BeginPasskeySignInResponse) string {
			w.exec(`update passkey_ceremonies set created_at = now() - interval '6 minutes' where id = $1`, b.GetCeremonyId())
			return d.answer(b.GetOptions())
		}, connect.CodeFailedPrecondition},
	} {
		begun := w.beginPasskey()
		if _, err := w.finishPasskey(begun, try.answer(*d, begun)); connect.CodeOf(err) != try.want {
			t.Errorf("%s: %v; want %v", name, err, try.want)
		}
	}
	begun := w.beginPasskey()
	answer := d.answer(begun.GetOptions())
	if _, err := w.finishPasskey(begun, answer); err != nil {
		t.Errorf("a right answer: %v", err)
	}
	if _, err := w.finishPasskey(begun, answer); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("the same answer again: %v; want it to be over", err)
	}
}

// TestOurOwnFailureIsNoWrongPasskey spoils what is kept of a passkey: its owner did nothing wrong.
func TestOurOwnFailureIsNoWrongPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	_, d := w.withPasskey(address(t))
	w.exec(`update passkeys set record = 'spoiled' where user_id = $1`, string(d.auth.Options.UserHandle))
	if _, err := d.signIn(); err == nil || connect.CodeOf(err) == connect.CodeInvalidArgument {
		t.Errorf("%v; want a failure of ours", err)
	}
}

// TestPasskeyIsASecondFactor lets a session in that waits, and steps one up.
func TestPasskeyIsASecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	p, d := w.withPasskey(address(t))
	half := w.half(address(t), "passkey")
	if _, err := w.device(p).register(half, "Thief's"); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a session that waits registers another passkey: %v", err)
	}
	in, err := d.prove(half)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.passkeys.ListPasskeys(t.Context(), req(&imagov1.ListPasskeysRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the token from before: %v; want unauthenticated", err)
	}
	w.exec(`update sessions set stepped_up_at = now() - interval '1 hour' where user_id = $1`, string(d.auth.Options.UserHandle))
	if _, err := in.sessions.RequestStepUp(t.Context(), req(&imagov1.RequestStepUpRequest{})); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a step-up by mail beside a passkey: %v; want it denied", err)
	}
	if _, err := w.device(in).register(in, "Second"); problemOf(t, err, connect.CodePermissionDenied).GetKind() != "step_up" {
		t.Errorf("registered without a step-up: %v", err)
	}
	risen, err := d.prove(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ask(risen, rpc.ConnectionServiceDeleteConnectionProcedure, false); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("stepped up: %v; want only the field refused", err)
	}
	_, stranger := w.withPasskey("other-" + address(t))
	if _, err := stranger.prove(risen); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("another person's passkey: %v; want it not to count", err)
	}
}

// TestAMailedCodeDoesNotGoAroundAPasskey: whoever reads a person's mail would enrol an
// authenticator of their own in their name, beside the passkey that the session waits for.
func TestAMailedCodeDoesNotGoAroundAPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	p := w.signInAs(address(t))
	d := w.device(p)
	w.exec(`update accounts set require_second_factor = true where id in (
		select m.account_id from members m join users u on u.id = m.user_id where u.email = $1)`, p.email)
	early := w.half(address(t), "enroll") // begins before there is a passkey
	begun, err := early.factors.EnrollTotp(t.Context(), req(&imagov1.EnrollTotpRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.register(w.half(address(t), "enroll"), "")
	if err != nil {
		t.Fatal(err)
	}
	thief := w.half(address(t), "passkey")
	if got := problemOf(t, errOf(thief.factors.EnrollTotp(t.Context(), req(&imagov1.EnrollTotpRequest{}))), connect.CodePermissionDenied); got.GetHint() == "" {
		t.Errorf("no way out: %v", got)
	}
	known := &authenticator{w: w, secret: begun.Msg.GetSecret()}
	for name, half := range map[string]*person{"who began before": early, "who comes after": thief} {
		_, err := half.factors.ConfirmTotp(t.Context(), req(&imagov1.ConfirmTotpRequest{Code: known.code(0)}))
		if connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("%s confirms an authenticator: %v; want it denied", name, err)
		}
	}
	if _, err := w.verify(thief, &imagov1.VerifyTotpRequest{RecoveryCode: made.GetRecoveryCodes()[0]}); err != nil {
		t.Errorf("the person's own recovery code: %v", err)
	}
}

func TestRecoveryCodeStandsInForAPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	p := w.signInAs(address(t))
	made, err := w.device(p).register(p, "")
	if err != nil {
		t.Fatal(err)
	}
	code := made.GetRecoveryCodes()[3]
	if _, err := w.verify(w.half(address(t), "passkey"), &imagov1.VerifyTotpRequest{RecoveryCode: code}); err != nil {
		t.Errorf("the first time: %v", err)
	}
	if _, err := w.verify(w.half(address(t), "passkey"), &imagov1.VerifyTotpRequest{RecoveryCode: code}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("the second time: %v; want it refused", err)
	}
}

func TestLastFactorStaysWhereOneIsWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	p, d := w.withPasskey(address(t))
	if _, err := p.factors.RequireSecondFactor(t.Context(), req(&imagov1.RequireSecondFactorRequest{Required: true})); err != nil {
		t.Fatal(err)
	}
	list, err := p.passkeys.ListPasskeys(t.Context(), req(&imagov1.ListPasskeysRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	remove := &imagov1.RemovePasskeyRequest{PasskeyId: list.Msg.GetPasskeys()[0].GetId()}
	if _, err := p.passkeys.RemovePasskey(t.Context(), req(remove)); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("the last factor: %v; want it to stay", err)
	}
	w.enroll(p)
	if _, err := p.passkeys.RemovePasskey(t.Context(), req(remove)); err != nil {
		t.Errorf("beside an authenticator: %v", err)
	}
	if _, err := d.signIn(); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("signed in by a passkey that was removed: %v", err)
	}
	if _, err := p.passkeys.RemovePasskey(t.Context(), req(remove)); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("removed again: %v", err)
	}
}

// TestFirstPasskeyLetsInWhereOneIsWanted enrols it in the session that waits for it.
func TestFirstPasskeyLetsInWhereOneIsWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	p := w.signInAs(address(t))
	d := w.device(p)
	w.exec(`update accounts set require_second_factor = true where id in (select account_id from members where user_id = $1)`, string(d.auth.Options.UserHandle))
	half := w.half(address(t), "enroll")
	if _, err := d.register(half, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := half.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil {
		t.Errorf("after its first passkey: %v", err)
	}
}

func TestWhereThereAreNoPasskeys(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{consoleURL: true, "http://localhost:8420": true, "": false, "http://127.0.0.1:8420": false, "https://[::1]": false} {
		rp, err := relyingParty(url)
		if err != nil || (rp != nil) != want {
			t.Errorf("%q: %v %v", url, rp, err)
		}
	}
	w := newWorld(t, Config{SignUp: SignUpOpen})
	methods, err := w.stranger().signIn.GetSignInMethods(t.Context(), req(&imagov1.GetSignInMethodsRequest{}))
	if err != nil || methods.Msg.GetPasskeys() {
		t.Errorf("offered: %v %v", methods, err)
	}
	_, err = w.stranger().passkeys.BeginPasskeySignIn(t.Context(), req(&imagov1.BeginPasskeySignInRequest{}))
	if err == nil || !strings.Contains(err.Error(), "offers no passkeys") {
		t.Error(err)
	}
}

func TestTooManyCeremoniesFromOnePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL})
	begun := w.beginPasskey()
	w.exec(`insert into passkey_ceremonies (kind, client_hash, ip_hash, data)
		select 'sign_in', c.client_hash, c.ip_hash, c.data from passkey_ceremonies c, generate_series(1, 299) where c.id = $1`, begun.GetCeremonyId())
	if _, err := w.stranger().passkeys.BeginPasskeySignIn(t.Context(), req(&imagov1.BeginPasskeySignInRequest{})); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("the 301st: %v", err)
	}
}
