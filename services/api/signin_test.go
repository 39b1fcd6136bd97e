package api

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/audit"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	imagov1 "imago/proto/imago/v1"
)

// ask begins a sign-in.
func (w *world) requestCode(email string) *imagov1.RequestCodeResponse {
	w.t.Helper()
	res, err := w.stranger().signIn.RequestCode(w.t.Context(), req(&imagov1.RequestCodeRequest{Email: email}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg
}

func (w *world) exchange(a *imagov1.RequestCodeResponse, code string) (*imagov1.ExchangeCodeResponse, error) {
	res, err := w.stranger().signIn.ExchangeCode(w.t.Context(), req(&imagov1.ExchangeCodeRequest{
		AttemptId: a.GetAttemptId(), ClientSecret: a.GetClientSecret(), Code: code,
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// signIn goes the whole way of a person.
func (w *world) signInAs(email string) *person {
	w.t.Helper()
	a := w.requestCode(email)
	if to := w.mail(a.GetAttemptId(), "123456"); to != email {
		w.t.Fatalf("the code goes to %q, want %q", to, email)
	}
	res, err := w.exchange(a, "123456")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.clients(&person{token: res.GetToken(), email: email})
}

func address(t testing.TB) string {
	return strings.ToLower(strings.ReplaceAll(t.Name(), "/", ".")) + "@acme.test"
}

func TestSignInMakesAnAccountOnceAndReturnsToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	first := w.signInAs(address(t))
	who, err := first.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	s := who.Msg.GetSession()
	if s.GetEmail() != address(t) || s.GetRole() != "owner" || s.GetAccountId() == "" {
		t.Errorf("the session is %v; want an owner", s)
	}
	again := w.signInAs(address(t))
	who, err = again.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil || who.Msg.GetSession().GetAccountId() != s.GetAccountId() {
		t.Errorf("the second sign-in is %v, %v; want the same account", who, err)
	}
	log := w.activityOf(first)
	if diff := cmp.Diff([]string{"sign_in", "sign_in", "create_account"}, log); diff != "" {
		t.Errorf("activity, newest first: %s", diff)
	}
	w.verifyChain(first)
}

// activityOf lists the actions of the account's log, newest first.
func (w *world) activityOf(p *person) []string {
	w.t.Helper()
	res, err := p.activity.ListActivity(w.t.Context(), req(&imagov1.ListActivityRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range res.Msg.GetActivity() {
		if a.GetActor() == "" || a.GetSourceIp() != w.ip || len(a.GetRequestId()) != 36 || a.GetTime() == nil {
			w.t.Errorf("the row %v lacks who, from where or when", a)
		}
	}
	return each(res.Msg.GetActivity(), (*imagov1.Activity).GetAction)
}

// verifyChain walks the account's rows as an auditor would.
func (w *world) verifyChain(p *person) {
	w.t.Helper()
	err := w.api.DB.As(w.t.Context(), postgres.Session(hash(p.token)), func(tx *postgres.Tx) error {
		end, err := audit.Verify(tx.Account(), audit.Head{}, activity.Walk(w.t.Context(), tx, 0))
		if err != nil {
			return err
		}
		if head, err := activity.Head(w.t.Context(), tx); err != nil || head != end {
			w.t.Errorf("the log ends at %v, the chain at %v: %v", head, end, err)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func TestSignOutEndsTheSessionAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	if _, err := p.signIn.SignOut(t.Context(), req(&imagov1.SignOutRequest{})); err != nil {
		t.Fatal(err)
	}
	if _, err := p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("after signing out: %v; want unauthenticated", err)
	}
	if diff := cmp.Diff([]string{"sign_out"}, w.activityOf(w.session(p))); diff != "" {
		t.Error(diff)
	}
}

// TestCodes attacks the exchange of a code.
func TestCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	refused := func(t *testing.T, err error, field, what string) {
		t.Helper()
		c, ok := errors.AsType[*connect.Error](err)
		if !ok {
			t.Fatalf("got %v; want it refused", err)
		}
		if p := problemOf(t, err, c.Code()); p.GetField() != field || !strings.Contains(p.GetWhat(), what) || p.GetHint() == "" {
			t.Errorf("got %v; want field %q, %q and a hint", p, field, what)
		}
	}
	for name, attack := range map[string]func(t *testing.T, a *imagov1.RequestCodeResponse){
		"five wrong tries use the code up": func(t *testing.T, a *imagov1.RequestCodeResponse) {
			for left := 4; left >= 0; left-- {
				_, err := w.exchange(a, "000000")
				refused(t, err, "code", "not the code")
				if left > 0 && !strings.Contains(problemOf(t, err, connect.CodeInvalidArgument).GetHint(), fmt.Sprint(left)) {
					t.Errorf("the hint does not say that %d tries are left: %v", left, err)
				}
			}
			_, err := w.exchange(a, "123456")
			refused(t, err, "", "too often")
		},
		"a code lets in once": func(t *testing.T, a *imagov1.RequestCodeResponse) {
			if _, err := w.exchange(a, "123456"); err != nil {
				t.Fatal(err)
			}
			_, err := w.exchange(a, "123456")
			refused(t, err, "code", "used already")
		},
		"a code expires": func(t *testing.T, a *imagov1.RequestCodeResponse) {
			w.exec(`update sign_in_codes set expires_at = now() - interval '1 second' where id = $1`, a.GetAttemptId())
			_, err := w.exchange(a, "123456")
			refused(t, err, "code", "expired")
		},
		"another client cannot use the code": func(t *testing.T, a *imagov1.RequestCodeResponse) {
			_, err := w.exchange(&imagov1.RequestCodeResponse{AttemptId: a.GetAttemptId(), ClientSecret: secret()}, "123456")
			refused(t, err, "attempt_id", "no such sign-in")
			if _, err := w.exchange(a, "123456"); err != nil {
				t.Errorf("the client that asked is shut out: %v", err)
			}
		},
		"another attempt's code does not fit": func(t *testing.T, a *imagov1.RequestCodeResponse) {
			other := w.requestCode("other." + address(t))
			w.mail(other.GetAttemptId(), "654321")
			_, err := w.exchange(a, "654321")
			refused(t, err, "code", "not the code")
		},
		"an attempt that never was": func(t *testing.T, a *imagov1.RequestCodeResponse) {
			_, err := w.exchange(&imagov1.RequestCodeResponse{AttemptId: "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", ClientSecret: a.GetClientSecret()}, "123456")
			refused(t, err, "attempt_id", "no such sign-in")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.requestCode(strings.ReplaceAll(name, " ", ".") + "@acme.test")
			w.mail(a.GetAttemptId(), "123456")
			attack(t, a)
		})
	}
}

// TestACodeLetsInOnceAtTheSameMoment sends the right code many times at once.
func TestACodeLetsInOnceAtTheSameMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	a := w.requestCode(address(t))
	w.mail(a.GetAttemptId(), "123456")
	var let sync.Map
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if res, err := w.exchange(a, "123456"); err == nil {
				let.Store(i, res.GetToken())
			}
		})
	}
	group.Wait()
	n := 0
	let.Range(func(any, any) bool { n++; return true })
	if sessions := w.count(`select count(*) from sessions s join users u on u.id = s.user_id where u.email = $1`, address(t)); n != 1 || sessions != 1 {
		t.Errorf("%d were let in, %d sessions; want one", n, sessions)
	}
}

// TestNobodyLearnsWhoHasAnAccount compares what a known and an unknown address get.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpClosed})
	known := w.owner()
	shape := func(email string) string {
		a := w.requestCode(email)
		w.mail(a.GetAttemptId(), "123456")
		_, err := w.exchange(a, "000000")
		return fmt.Sprintf("%d %d %v %v", len(a.GetAttemptId()), len(a.GetClientSecret()), a.GetExpiresAt() != nil, err)
	}
	if k, u := shape(known.email), shape("unknown."+address(t)); k != u {
		t.Errorf("known: %s\nunknown: %s", k, u)
	}
	a := w.requestCode("uninvited." + address(t))
	if to := w.mail(a.GetAttemptId(), "123456"); to != "" {
		t.Errorf("a code is mailed to %s, whom it cannot let in", to)
	}
	_, err := w.exchange(a, "123456")
	if p := problemOf(t, err, connect.CodeInvalidArgument); p.GetField() != "code" {
		t.Errorf("got %v", p)
	}
	if n := w.count(`select count(*) from users where email = $1`, "uninvited."+address(t)); n != 0 {
		t.Error("a user was made for an address that nobody invited")
	}
}

// What is refused is noted for the workers, who alone can open from where it came; of an
// address that has no account just the same.
func TestRefusalsAreNotedAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpClosed})
	known, unknown := w.owner().email, "unknown."+address(t)
	noted := func(email string) (out []string) {
		t.Helper()
		rows, err := w.db.Owner().Query(t.Context(), `select f.id::text, f.nth, f.box from sign_in_refusals f
			join sign_in_codes c on c.id = f.code_id where c.email = $1 order by f.nth`, email)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id string
			var nth int
			var box []byte
			if err := rows.Scan(&id, &nth, &box); err != nil {
				t.Fatal(err)
			}
			text, err := w.box.Open(sealed.RefusalBox(id), box)
			if err != nil {
				t.Fatal(err)
			}
			var from signin.Origin
			if err := json.Unmarshal(text, &from); err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprint(nth, " ", from.SourceIP, " ", len(from.RequestID)))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, email := range []string{known, unknown} {
		a := w.requestCode(email)
		w.mail(a.GetAttemptId(), "123456")
		for range 8 {
			if _, err := w.exchange(a, "000000"); err == nil {
				t.Fatal("a wrong code lets in")
			}
		}
		for range 4 {
			w.requestCode(email)
		}
		for range 3 {
			_, err := w.stranger().signIn.RequestCode(t.Context(), req(&imagov1.RequestCodeRequest{Email: email}))
			problemOf(t, err, connect.CodeResourceExhausted)
		}
	}
	var want []string
	for nth := range 7 {
		want = append(want, fmt.Sprint(nth, " ", w.ip, " 36"))
	}
	if diff := cmp.Diff(want, noted(known)); diff != "" {
		t.Errorf("of an account: %s", diff)
	}
	if diff := cmp.Diff(noted(known), noted(unknown)); diff != "" {
		t.Errorf("an address without an account differs: %s", diff)
	}
}

func TestSignUpByTheFirstPersonOnly(t *testing.T) {
	t.Parallel()
	w := worldOn(t, postgrestest.Fresh(t), Config{SignUp: SignUpFirst})
	var group sync.WaitGroup
	errs, asked := make([]error, 4), make([]*imagov1.RequestCodeResponse, 4)
	for i := range asked {
		asked[i] = w.requestCode(fmt.Sprintf("p%d@acme.test", i))
		w.mail(asked[i].GetAttemptId(), "123456")
	}
	for i, a := range asked {
		group.Go(func() { _, errs[i] = w.exchange(a, "123456") })
	}
	group.Wait()
	in := 0
	for _, err := range errs {
		if err == nil {
			in++
		} else {
			problemOf(t, err, connect.CodePermissionDenied)
		}
	}
	if n := w.count(`select count(*) from accounts`); in != 1 || n != 1 {
		t.Errorf("%d got in, %d accounts; want one of each", in, n)
	}
	late := w.requestCode("late@acme.test")
	if to := w.mail(late.GetAttemptId(), "123456"); to != "" {
		t.Errorf("a code is mailed to %s, whom it cannot let in", to)
	}
}

func TestAskingForCodesIsThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	for range 5 {
		w.requestCode(address(t))
	}
	_, err := w.stranger().signIn.RequestCode(t.Context(), req(&imagov1.RequestCodeRequest{Email: strings.ToUpper(address(t))}))
	if p := problemOf(t, err, connect.CodeResourceExhausted); p.GetKind() != "over_limit" || p.GetHint() == "" {
		t.Errorf("got %v; want over_limit with a hint", p)
	}
	if status, body := w.rest(w.stranger(), "POST", "/v1/sign-in/codes", `{"email":"`+address(t)+`"}`); status != 429 || body["kind"] != "over_limit" {
		t.Errorf("by REST: %d %v", status, body)
	}
}

// Where a client is is known again, here and nowhere else: without this installation's
// key the few addresses that there are cannot be tried.
func TestPlacesAreKeyed(t *testing.T) {
	t.Parallel()
	var places []string
	for range 2 {
		w := worldOn(t, postgrestest.Fresh(t), Config{SignUp: SignUpOpen})
		w.ip = "10.0.0.1"
		w.requestCode("ann@acme.test")
		a := w.requestCode("bob@acme.test")
		w.mail(a.GetAttemptId(), "918273")
		if _, err := w.exchange(a, "918273"); err != nil {
			t.Fatal(err)
		}
		var place string
		err := w.db.Owner().QueryRow(t.Context(), `select encode(s.ip_hash, 'hex') from sessions s
			where (select count(*) from sign_in_codes c where c.ip_hash = s.ip_hash) = 2`).Scan(&place)
		if err != nil {
			t.Fatalf("one client is not in one place: %v", err)
		}
		places = append(places, place)
	}
	if places[0] == places[1] {
		t.Errorf("two installations tell a client's place alike: %s", places[0])
	}
}

func TestUseKeepsASessionFromEndingForIdleness(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SessionIdle: time.Hour})
	p := w.owner()
	w.exec(`update sessions set seen_at = now() - interval '50 minutes', idle_expires_at = now() + interval '10 minutes' where token_hash = $1`, hashOf(p))
	if _, err := p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`select count(*) from sessions where token_hash = $1 and idle_expires_at > now() + interval '50 minutes' and seen_at > now() - interval '1 minute'`, hashOf(p)); n != 1 {
		t.Error("the session was not kept alive")
	}
}

// TestNoSecretIsKeptOrLogged looks for what was typed and given out, in the tables and
// in the log.
func TestNoSecretIsKeptOrLogged(t *testing.T) {
	t.Parallel()
	w := worldOn(t, postgrestest.Fresh(t), Config{SignUp: SignUpOpen})
	a := w.requestCode(address(t))
	w.mail(a.GetAttemptId(), "918273")
	res, err := w.exchange(a, "918273")
	if err != nil {
		t.Fatal(err)
	}
	token := sha256.Sum256([]byte(res.GetToken()))
	if n := w.count(`select count(*) from sessions where token_hash = $1`, token[:]); n != 1 {
		t.Fatal("the session is not known by its token's hash")
	}
	for _, secret := range []string{res.GetToken(), a.GetClientSecret(), "918273"} {
		for _, table := range []string{"sessions", "sign_in_codes", "accounts", "users", "activity_logs", "river.river_job"} {
			if n := w.count(`select count(*) from ` + table + ` r where position('` + secret + `' in r::text) > 0
				or position(encode('` + secret + `'::bytea, 'hex') in r::text) > 0`); n != 0 {
				t.Errorf("a secret stands in %s", table)
			}
		}
		if strings.Contains(w.log.String(), secret) {
			t.Error("a secret stands in the log")
		}
	}
	if strings.Contains(w.log.String(), address(t)) {
		t.Error("an address stands in the log")
	}
	if !strings.Contains(w.log.String(), "/imago.v1.SignInService/ExchangeCode") {
		t.Error("the log does not tell of the request")
	}
}
