package api

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

// atPlace is the same world seen from a place of its own: much is throttled by it.
func (w *world) atPlace(t *testing.T, name string) *world {
	here := *w
	here.t, here.ip = t, ipOf(name)
	return &here
}

func (w *world) beginDevice() *imagov1.BeginDeviceResponse {
	w.t.Helper()
	res, err := w.stranger().devices.BeginDevice(w.t.Context(), req(&imagov1.BeginDeviceRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg
}

// poll asks as a machine does that has waited long enough.
func (w *world) poll(d *imagov1.BeginDeviceResponse) *imagov1.ExchangeDeviceResponse {
	w.t.Helper()
	h := hash(d.GetDeviceCode())
	w.exec(`update device_sign_ins set polled_at = polled_at - interval '1 minute' where device_hash = $1`, h[:])
	return w.pollAtOnce(d)
}

func (w *world) pollAtOnce(d *imagov1.BeginDeviceResponse) *imagov1.ExchangeDeviceResponse {
	w.t.Helper()
	res, err := w.stranger().devices.ExchangeDevice(w.t.Context(), req(&imagov1.ExchangeDeviceRequest{DeviceCode: d.GetDeviceCode()}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg
}

func (w *world) approve(p *person, code string) error {
	w.t.Helper()
	return errOf(p.devices.ApproveDevice(w.t.Context(), req(&imagov1.ApproveDeviceRequest{UserCode: code})))
}

func publicWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, Config{PublicURL: "https://imago.example.com"})
}

func TestABrowserLetsACommandLineIn(t *testing.T) {
	t.Parallel()
	w := publicWorld(t)
	p, d := w.owner(), w.beginDevice()
	if want := "https://imago.example.com/device?code=" + d.GetUserCode(); d.GetVerificationUriComplete() != want || d.GetIntervalSeconds() != 5 {
		t.Errorf("it is told %v; want %s", d, want)
	}
	if got := w.poll(d); got.GetStatus() != "pending" || got.GetToken() != "" {
		t.Errorf("before anybody approves: %v", got)
	}
	sloppy := strings.ToLower(strings.ReplaceAll(d.GetUserCode(), "-", " "))
	seen, err := p.devices.GetDevice(t.Context(), req(&imagov1.GetDeviceRequest{UserCode: sloppy}))
	if err != nil || seen.Msg.GetDevice().GetSourceIp() != w.ip || !strings.HasPrefix(seen.Msg.GetDevice().GetUserAgent(), "connect-go/") {
		t.Errorf("it is shown as %v, %v", seen, err)
	}
	if err := w.approve(p, sloppy); err != nil {
		t.Fatal(err)
	}
	got := w.poll(d)
	if got.GetStatus() != "approved" || got.GetSession().GetEmail() != p.email || got.GetSession().GetAccountId() != string(p.account) {
		t.Fatalf("once it is approved: %v", got)
	}
	in := w.clients(&person{token: got.GetToken(), email: p.email})
	err = w.ask(in, rpc.ConnectionServiceDeleteConnectionProcedure, false)
	if got := problemOf(t, err, connect.CodePermissionDenied); got.GetKind() != "step_up" {
		t.Errorf("the machine deletes a connection: %v; want step_up, which the browser gave for itself alone", got)
	}
	if again := w.poll(d); again.GetStatus() != "expired" || again.GetToken() != "" {
		t.Errorf("asked once more: %v; want it used up", again)
	}
	if err := w.approve(p, d.GetUserCode()); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("approved twice: %v", err)
	}
	if diff := cmp.Diff([]string{"sign_in", "approve_device"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
	if n := w.count(`select count(*) from device_sign_ins where position(convert_to($1, 'UTF8') in origin) > 0`, w.ip); n != 0 {
		t.Error("an address stands in clear")
	}
}

// TestDeviceAttacks attacks the device sign-in.
func TestDeviceAttacks(t *testing.T) {
	t.Parallel()
	w := publicWorld(t)
	for name, attack := range map[string]func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse){
		"asking too soon slows down, also when it is approved": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			w.poll(d)
			if got := w.pollAtOnce(d); got.GetStatus() != "slow_down" || got.GetIntervalSeconds() != 10 {
				t.Errorf("got %v; want slow_down, 10", got)
			}
			if err := w.approve(p, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			if got := w.pollAtOnce(d); got.GetStatus() != "slow_down" || got.GetToken() != "" {
				t.Errorf("got %v; want slow_down", got)
			}
			if got := w.poll(d); got.GetStatus() != "approved" {
				t.Errorf("got %v; want approved", got)
			}
		},
		"what is denied stays denied": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			if _, err := p.devices.DenyDevice(t.Context(), req(&imagov1.DenyDeviceRequest{UserCode: d.GetUserCode()})); err != nil {
				t.Fatal(err)
			}
			if err := w.approve(p, d.GetUserCode()); connect.CodeOf(err) != connect.CodeNotFound {
				t.Errorf("approved after all: %v", err)
			}
			if got := w.poll(d); got.GetStatus() != "denied" || got.GetToken() != "" {
				t.Errorf("got %v; want denied", got)
			}
		},
		"a code expires, for both sides": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			h := hash(d.GetDeviceCode())
			w.exec(`update device_sign_ins set expires_at = now() - interval '1 second' where device_hash = $1`, h[:])
			if err := w.approve(p, d.GetUserCode()); connect.CodeOf(err) != connect.CodeNotFound {
				t.Errorf("approved: %v", err)
			}
			if got := w.poll(d); got.GetStatus() != "expired" {
				t.Errorf("got %v; want expired", got)
			}
		},
		"approved and then expired lets nobody in": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			if err := w.approve(p, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			h := hash(d.GetDeviceCode())
			w.exec(`update device_sign_ins set expires_at = now() - interval '1 second' where device_hash = $1`, h[:])
			if got := w.poll(d); got.GetStatus() != "expired" || got.GetToken() != "" {
				t.Errorf("got %v; want expired", got)
			}
		},
		"the user code is not the device's": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			if err := w.approve(p, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			for _, guess := range []string{d.GetUserCode(), strings.ReplaceAll(d.GetUserCode(), "-", ""), "x"} {
				if got := w.pollAtOnce(&imagov1.BeginDeviceResponse{DeviceCode: guess}); got.GetStatus() != "expired" || got.GetToken() != "" {
					t.Errorf("%s: %v", guess, got)
				}
			}
		},
		"ten wrong codes end guessing": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			get := func(p *person, code string) error {
				return errOf(p.devices.GetDevice(t.Context(), req(&imagov1.GetDeviceRequest{UserCode: code})))
			}
			for n := range 10 {
				if err := get(p, "BCDFGHJ"+letters[n:n+1]); connect.CodeOf(err) != connect.CodeNotFound {
					t.Errorf("guess %d: %v", n, err)
				}
			}
			for _, who := range []*person{p, w.session(p)} {
				if err := get(who, d.GetUserCode()); connect.CodeOf(err) != connect.CodeResourceExhausted {
					t.Errorf("the right one after ten wrong ones: %v", err)
				}
			}
			if err := w.approve(p, d.GetUserCode()); connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("approving: %v", err)
			}
			w.exec(`update device_guesses set since = now() - interval '11 minutes' where user_id = $1`, p.user)
			if err := get(p, d.GetUserCode()); err != nil {
				t.Errorf("eleven minutes later: %v", err)
			}
		},
		"nor are more made at the same time": func(t *testing.T, w *world, p *person, _ *imagov1.BeginDeviceResponse) {
			told := make(chan connect.Code)
			for n := range 30 {
				go func() {
					_, err := p.devices.GetDevice(t.Context(), req(&imagov1.GetDeviceRequest{UserCode: "BCDFGH" + letters[n/10:n/10+1] + letters[n%10:n%10+1]}))
					told <- connect.CodeOf(err)
				}()
			}
			got := map[connect.Code]int{}
			for range 30 {
				got[<-told]++
			}
			if diff := cmp.Diff(map[connect.Code]int{connect.CodeNotFound: 10, connect.CodeResourceExhausted: 20}, got); diff != "" {
				t.Error(diff)
			}
		},
		"signing out everywhere takes back what was not fetched": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			if err := w.approve(p, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			if _, err := p.sessions.RevokeOtherSessions(t.Context(), req(&imagov1.RevokeOtherSessionsRequest{})); err != nil {
				t.Fatal(err)
			}
			if got := w.poll(d); got.GetStatus() != "denied" || got.GetToken() != "" {
				t.Errorf("got %v; want denied", got)
			}
		},
		"a session that was left open approves nothing": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			if got := problemOf(t, w.approve(w.stale(p), d.GetUserCode()), connect.CodePermissionDenied); got.GetKind() != "step_up" {
				t.Errorf("got %v; want step_up", got)
			}
			if got := w.poll(d); got.GetStatus() != "pending" {
				t.Errorf("got %v; want pending", got)
			}
		},
		"who was removed lets nobody in": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			gone := w.member(p, account.Admin)
			if err := w.approve(gone, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			w.exec(`delete from members where user_id = $1`, gone.user)
			if got := w.poll(d); got.GetStatus() != "denied" || got.GetToken() != "" {
				t.Errorf("got %v; want denied", got)
			}
		},
		"the second factor is not gone around": func(t *testing.T, w *world, p *person, d *imagov1.BeginDeviceResponse) {
			before := w.session(p)
			a := w.enroll(p)
			if err := w.approve(before, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			got := w.poll(d)
			if got.GetStatus() != "approved" || got.GetSecondFactor() != "totp" || got.GetSession() != nil {
				t.Fatalf("approved by who gave none: %v; want it to wait", got)
			}
			half := w.clients(&person{token: got.GetToken(), email: p.email})
			if err := w.ask(half, rpc.SignInServiceWhoAmIProcedure, false); connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("while it waits: %v", err)
			}
			if _, err := w.verify(half, &imagov1.VerifyTotpRequest{Code: a.code(1)}); err != nil {
				t.Error(err)
			}
			d = w.beginDevice()
			if err := w.approve(p, d.GetUserCode()); err != nil {
				t.Fatal(err)
			}
			if got := w.poll(d); got.GetSecondFactor() != "" || got.GetSession() == nil {
				t.Errorf("approved by who gave it: %v", got)
			}
		},
		"twenty an hour from one place": func(t *testing.T, w *world, p *person, _ *imagov1.BeginDeviceResponse) {
			for range 19 {
				w.beginDevice()
			}
			_, err := w.stranger().devices.BeginDevice(t.Context(), req(&imagov1.BeginDeviceRequest{}))
			problemOf(t, err, connect.CodeResourceExhausted)
		},
		"what is no code": func(t *testing.T, w *world, p *person, _ *imagov1.BeginDeviceResponse) {
			for _, code := range []string{"", "BCDF", "AEIO-UYAE", "BCDF-GHJKL", "BCDF'GHJK", strings.Repeat("B", 4000)} {
				if got := problemOf(t, w.approve(p, code), connect.CodeInvalidArgument); got.GetField() != "user_code" || got.GetHint() == "" {
					t.Errorf("%q: %v", code, got)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.atPlace(t, name)
			attack(t, w, w.owner(), w.beginDevice())
		})
	}
}

func TestWithoutAConsoleNoDeviceIsLetIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	_, err := w.stranger().devices.BeginDevice(t.Context(), req(&imagov1.BeginDeviceRequest{}))
	if p := problemOf(t, err, connect.CodeNotFound); p.GetHint() == "" {
		t.Error(fmt.Sprint(p))
	}
}
