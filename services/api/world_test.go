package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/blob/count"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// world is an api with a real database, and what stands around it.
type world struct {
	t        testing.TB
	db       *postgrestest.Database
	worker   *postgres.DB // for what the worker would do
	api      *Service
	url      string
	store    *mem.Store
	reads    *count.Store // the store as the api reaches it
	nameless bool         // snapshots are taken by who knows no names
	keys     envelope.KeyService
	box      *envelope.PrivateKey
	log      *logBook
	clock    *clock
	ip       string // from where its clients come, as a proxy says: sign-ins are throttled by it
}

// clock is the api's own; the database has one of its own, which tests move in rows.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logBook keeps what the api logs, to look for what must not stand there.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// master is the key service of all who share the package's database, as those of one
// installation do.
var master = sync.OnceValues(func() (envelope.KeyService, error) {
	dir, err := os.MkdirTemp("", "imago-api-test-")
	if err != nil {
		return nil, err
	}
	keys, err := local.Create(dir+"/master.keys", time.Now())
	return keys, errors.Join(err, os.RemoveAll(dir))
})

func newWorld(t testing.TB, c Config) *world {
	t.Helper()
	return worldOn(t, postgrestest.New(t), c)
}

func worldOn(t testing.TB, db *postgrestest.Database, c Config) *world {
	t.Helper()
	return worldThatSells(t, db, c, nil)
}

// worldThatSells is a world in which plans are sold; nil: in which none are.
func worldThatSells(t testing.TB, db *postgrestest.Database, c Config, by billing.Processor) *world {
	t.Helper()
	w := &world{t: t, db: db, worker: db.Open(t, "imago_worker"), store: mem.New(mem.Options{}), log: new(logBook), clock: &clock{at: time.Now()}}
	w.reads = count.New(w.store)
	var err error
	if w.keys, err = master(); err != nil {
		t.Fatal(err)
	}
	if w.box, err = envelope.NewBoxKey(); err != nil {
		t.Fatal(err)
	}
	if c.Poll == 0 {
		c.Poll = time.Millisecond
	}
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	b := make([]byte, 3)
	rand.Read(b)
	w.ip = fmt.Sprintf("10.%d.%d.%d", b[0], b[1], b[2])
	w.api, err = New(c, Deps{
		DB: db.Open(t, "imago_api"), Store: w.reads, Keys: w.keys, Box: w.box.PublicKey(), Provider: orgs{okta.New(okta.Options{})},
		Log: slog.New(slog.NewJSONHandler(w.log, nil)), Metrics: prometheus.NewRegistry(), Now: w.clock.now, Billing: by,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// orgs is Okta with an org at every made-up address. One on this machine is asked itself.
type orgs struct{ provider.Provider }

func (o orgs) Org(ctx context.Context, org account.Org) (provider.OrgFacts, error) {
	if strings.HasPrefix(org.URL, "http://") {
		return o.Provider.Org(ctx, org)
	}
	return provider.OrgFacts{ID: "00omadeup", Engine: "oie"}, nil
}

// person is a member who is signed in, with clients that speak for them.
type person struct {
	account account.ID
	user    account.UserID
	email   string
	token   string
	proof   postgres.Proof
	ring    *envelope.Keyring

	signIn      rpc.SignInServiceClient
	sessions    rpc.SessionServiceClient
	factors     rpc.FactorServiceClient
	passkeys    rpc.PasskeyServiceClient
	connections rpc.ConnectionServiceClient
	snapshots   rpc.SnapshotServiceClient
	drift       rpc.DriftServiceClient
	overview    rpc.OverviewServiceClient
	restores    rpc.RestoreServiceClient
	activity    rpc.ActivityServiceClient
	billing     rpc.BillingServiceClient
	team        rpc.TeamServiceClient
	mail        rpc.MailServiceClient
	devices     rpc.DeviceServiceClient
	tokens      rpc.TokenServiceClient
	sso         rpc.SsoServiceClient
	keys        rpc.KeyServiceClient
	deletion    rpc.AccountServiceClient
}

// owner makes an account and its owner.
func (w *world) owner() *person {
	w.t.Helper()
	var id account.ID
	w.row([]any{&id}, `insert into accounts (name) values ('Acme') returning id`)
	ring, err := envelope.NewKeyring(w.t.Context(), w.keys, id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`insert into account_keys (account_id, wrapped) values ($1, $2)`, id, ring.Wrapped())
	return w.member(&person{account: id, ring: ring}, account.Owner)
}

// member adds somebody to an account.
func (w *world) member(of *person, role account.Role) *person {
	w.t.Helper()
	p := &person{account: of.account, ring: of.ring, email: strings.ToLower(rand.Text()) + "@acme.test"}
	w.row([]any{&p.user}, `insert into users (email) values ($1) returning id`, p.email)
	w.exec(`insert into members (account_id, user_id, role) values ($1, $2, $3)`, p.account, p.user, role)
	return w.session(p)
}

// session signs a person in, without a code.
func (w *world) session(p *person) *person {
	w.t.Helper()
	return w.sessionWith(p, tokenPrefix+rand.Text())
}

func (w *world) sessionWith(p *person, token string) *person {
	w.t.Helper()
	in := *p
	in.token = token
	hash := sha256.Sum256([]byte(token))
	in.proof = postgres.Session(hash)
	w.exec(`insert into sessions (account_id, user_id, token_hash, kind, idle_expires_at, expires_at)
		values ($1, $2, $3, 'cli', now() + interval '1 hour', now() + interval '1 day')`, in.account, in.user, hash[:])
	return w.clients(&in)
}

// clients gives somebody clients that send their token, if they have one.
func (w *world) clients(p *person) *person {
	o := connect.WithInterceptors(from{p.token, w.ip})
	c := http.DefaultClient
	p.signIn = rpc.NewSignInServiceClient(c, w.url, o)
	p.sessions = rpc.NewSessionServiceClient(c, w.url, o)
	p.factors = rpc.NewFactorServiceClient(c, w.url, o)
	p.passkeys = rpc.NewPasskeyServiceClient(c, w.url, o)
	p.connections = rpc.NewConnectionServiceClient(c, w.url, o)
	p.snapshots = rpc.NewSnapshotServiceClient(c, w.url, o)
	p.drift = rpc.NewDriftServiceClient(c, w.url, o)
	p.overview = rpc.NewOverviewServiceClient(c, w.url, o)
	p.restores = rpc.NewRestoreServiceClient(c, w.url, o)
	p.activity = rpc.NewActivityServiceClient(c, w.url, o)
	p.billing = rpc.NewBillingServiceClient(c, w.url, o)
	p.team = rpc.NewTeamServiceClient(c, w.url, o)
	p.mail = rpc.NewMailServiceClient(c, w.url, o)
	p.tokens = rpc.NewTokenServiceClient(c, w.url, o)
	p.sso = rpc.NewSsoServiceClient(c, w.url, o)
	p.keys = rpc.NewKeyServiceClient(c, w.url, o)
	p.deletion = rpc.NewAccountServiceClient(c, w.url, o)
	p.devices = rpc.NewDeviceServiceClient(c, w.url, o)
	return p
}

func (w *world) stranger() *person { return w.clients(&person{}) }

// from says with every request who sends it, and from where.
type from struct{ token, ip string }

func (f from) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		f.sign(r.Header())
		return next(ctx, r)
	}
}

func (f from) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, s connect.Spec) connect.StreamingClientConn {
		c := next(ctx, s)
		f.sign(c.RequestHeader())
		return c
	}
}

func (f from) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (f from) sign(h http.Header) {
	h.Set("X-Forwarded-For", "198.51.100.7, "+f.ip)
	if f.token != "" {
		h.Set("Authorization", "Bearer "+f.token)
	}
}

// rest sends a REST request and reads the JSON that comes back.
func (w *world) rest(p *person, method, path, body string, headers ...string) (int, map[string]any) {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	from{p.token, w.ip}.sign(r.Header)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		w.t.Fatalf("%s %s: %d: %v", method, path, res.StatusCode, err)
	}
	return res.StatusCode, out
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Owner().Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) row(into []any, sql string, args ...any) {
	w.t.Helper()
	if err := w.db.Owner().QueryRow(w.t.Context(), sql, args...).Scan(into...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// count answers a query for one number.
func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.row([]any{&n}, sql, args...)
	return n
}

// mail does what the worker does for a sign-in: it makes the code. It answers where the
// code would be sent; "" if nobody is to have one.
func (w *world) mail(attemptID, code string) string {
	w.t.Helper()
	if n := w.count(`select count(*) from river.river_job where kind = 'send_code' and args ->> 'code_id' = $1`, attemptID); n != 1 {
		w.t.Fatalf("%d jobs to mail the code, want 1", n)
	}
	// Only a running job may store a code.
	w.exec(`delete from river.river_job where kind = 'send_code' and args ->> 'code_id' = $1`, attemptID)
	proof := w.db.Job(w.t, job.SendCode{CodeID: attemptID})
	var to signin.Recipient
	err := w.worker.As(w.t.Context(), proof, func(tx *postgres.Tx) (err error) {
		to, err = signin.SetCodeHash(w.t.Context(), tx, signin.CodeHash(attemptID, code))
		return err
	})
	if err != nil && !problem.Is(err, problem.NotFound) {
		w.t.Fatal(err)
	}
	return to.Email
}

// problemOf finds the Problem of a Connect error; its code is checked, too.
func problemOf(t testing.TB, err error, code connect.Code) *imagov1.Problem {
	t.Helper()
	if connect.CodeOf(err) != code {
		t.Fatalf("got %v; want code %v", err, code)
	}
	c, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("%v is no Connect error", err)
	}
	for _, d := range c.Details() {
		m, err := d.Value()
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := m.(*imagov1.Problem); ok {
			return p
		}
	}
	t.Fatalf("%v carries no Problem", err)
	return nil
}

func req[T any](m *T) *connect.Request[T] { return connect.NewRequest(m) }

// patient ends a stream that tells nothing for too long, so that its test fails and
// does not hang.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
