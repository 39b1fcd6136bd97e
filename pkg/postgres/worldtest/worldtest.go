// Package worldtest furnishes a world for tests of services: a real Postgres, the
// simulated Okta org as a process, a mail server, a store, and an account whose
// connection is ready.
package worldtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/audit"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/notify/notifytest"
	"imago/pkg/notify/smtp"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/repository"
	"imago/pkg/repository/repositorytest"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// Options of New; the zero value is the demonstration company and a store in memory.
type Options struct {
	Seed  string
	Store blob.Store
	// Follow is how often the org's log is read; zero: every second.
	Follow time.Duration
	Base   *postgrestest.Database // nil: a fresh one
}

// World is one account with one org.
type World struct {
	Base       *postgrestest.Database
	Account    postgrestest.Account
	API        *postgres.DB // as imago_api: ask with Account.Proof
	Org        *oktasimtest.Org
	Read       *oktasimtest.App
	Write      *oktasimtest.App
	Connection account.ConnectionID

	Dir   string // holds master.keys and credentials.key
	Keys  *local.KeyService
	Box   *envelope.PrivateKey
	Ring  *envelope.Keyring
	Store blob.Store
	Mails *notifytest.Receiver
}

// New makes a world in a database of its own.
func New(t testing.TB, o Options) *World {
	t.Helper()
	if o.Seed == "" {
		o.Seed = "demo"
	}
	if o.Store == nil {
		o.Store = mem.New(mem.Options{})
	}
	if o.Follow == 0 {
		o.Follow = time.Second
	}
	if o.Base == nil {
		o.Base = postgrestest.Fresh(t)
	}
	w := &World{Base: o.Base, Store: o.Store, Dir: t.TempDir(), Mails: notifytest.StartReceiver(t, notifytest.ReceiverOptions{})}
	w.Org = oktasimtest.Start(t, oktasimtest.Options{Seed: o.Seed})
	w.Org.Unlimited()
	w.Read, w.Write = w.Org.ReadApp(), w.Org.WriteApp()
	w.Write.Deactivate()
	w.keys(t)
	w.account(t, o)
	w.API = w.Base.Open(t, "imago_api")
	return w
}

// keys makes the key files, as an operator has them.
func (w *World) keys(t testing.TB) {
	t.Helper()
	var err error
	w.Keys, err = local.Create(filepath.Join(w.Dir, "master.keys"), time.Now())
	must(t, err)
	w.Box, err = envelope.NewBoxKey()
	must(t, err)
	must(t, local.WriteBoxKey(filepath.Join(w.Dir, "credentials.key"), w.Box))
}

// account makes the rows that the api makes.
func (w *World) account(t testing.TB, o Options) {
	t.Helper()
	w.Account = w.Base.Account(t)
	var err error
	w.Ring, err = envelope.NewKeyring(t.Context(), w.Keys, w.Account.ID)
	must(t, err)
	w.Exec(t, `update account_keys set wrapped = $2 where account_id = $1`, w.Account.ID, w.Ring.Wrapped())
	w.Connection = w.Base.Connection(t, w.Account.ID)
	w.Exec(t, `update connections set org_url = $2, follow_seconds = $3 where id = $1`, w.Connection, w.Org.URL, max(1, int(o.Follow.Seconds())))
	w.Credential(t, w.Read.Credential)
	w.Credential(t, w.Write.Credential)
}

// Credential stores a service app's credential in the place of the one that was there.
func (w *World) Credential(t testing.TB, c account.Credential) {
	t.Helper()
	shut, err := w.Box.PublicKey().Seal(sealed.CredentialBox(w.Account.ID, w.Connection, c.Purpose), []byte(c.PrivateKey.Reveal()))
	must(t, err)
	w.Exec(t, `update credentials set client_id = $3, key_id = $4, scopes = $5, sealed_key = $6 where connection_id = $1 and purpose = $2`,
		w.Connection, c.Purpose, c.ClientID, c.KeyID, c.Scopes, shut)
}

// Exec runs a statement as the database's owner.
func (w *World) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := w.Base.Owner().Exec(t.Context(), sql, args...)
	must(t, err)
}

// Providers are those of the programs.
func Providers() []provider.Provider { return []provider.Provider{okta.New(okta.Options{})} }

// Sender delivers to the world's mail server.
func (w *World) Sender(t testing.TB) notify.Sender {
	t.Helper()
	s, err := smtp.New(w.Mails.Address, "Imago <imago@backup.example>", smtp.Options{TLS: smtp.Plain})
	must(t, err)
	return s
}

// Run runs a service until the test ends, or until the returned function is called.
func Run(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	var err error
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err = <-ended; err != nil {
			t.Errorf("the service ended: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// Logger writes to the test's output.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// Ask runs a transaction of the account's owner.
func (w *World) Ask(t testing.TB, fn func(context.Context, *postgres.Tx) error) {
	t.Helper()
	must(t, w.API.As(t.Context(), w.Account.Proof, func(tx *postgres.Tx) error { return fn(t.Context(), tx) }))
}

// Patience bounds every waiting of a test.
const Patience = 90 * time.Second

// Until asks again until the answer is true, and fails the test after Patience.
func Until(t testing.TB, what string, true func() bool) {
	t.Helper()
	UntilWithin(t, Patience, what, true)
}

// UntilWithin is Until for what takes longer.
func UntilWithin(t testing.TB, limit time.Duration, what string, true func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !true() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// Queue asks for a snapshot.
func (w *World) Queue(t testing.TB) string {
	t.Helper()
	var s snapshots.Snapshot
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		s, _, err = snapshots.Queue(ctx, tx, w.Connection, snapshots.Manual)
		return err
	})
	return s.ID
}

// Snapshot reads a snapshot's row.
func (w *World) Snapshot(t testing.TB, id string) (s snapshots.Snapshot) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		s, err = snapshots.Get(ctx, tx, id)
		return err
	})
	return s
}

// Taken waits until a snapshot has ended.
func (w *World) Taken(t testing.TB, id string) (s snapshots.Snapshot) {
	t.Helper()
	Until(t, "snapshot ends", func() bool { s = w.Snapshot(t, id); return s.State.Ended() })
	return s
}

// Open opens a snapshot in the store.
func (w *World) Open(t testing.TB, s snapshots.Snapshot) *repository.Snapshot {
	t.Helper()
	repo, err := repository.New(w.Store, w.Ring, w.Account.ID, w.Connection, repository.Options{})
	must(t, err)
	snap, err := repo.Open(t.Context(), s.Place())
	must(t, err)
	return snap
}

// Rotate gives the account another data key, and the keyring of before. Programs that run
// hear of it within a minute.
func (w *World) Rotate(t testing.TB) (old *envelope.Keyring) {
	t.Helper()
	old = w.Ring
	w.Ring = repositorytest.Rotate(t, w.Keys, old)
	w.Exec(t, `update account_keys set wrapped = $2 where account_id = $1`, w.Account.ID, w.Ring.Wrapped())
	return old
}

// Name names objects as the drift monitor does; a worker reads them again at once.
func (w *World) Name(t testing.TB, keys ...resource.Key) {
	t.Helper()
	var objects []snapshots.Object
	for _, k := range keys {
		o := snapshots.Object{Resource: k.String()}
		var err error
		o.Sealed, err = sealed.Named(w.Connection, o.Resource).Seal(w.Ring, k)
		must(t, err)
		objects = append(objects, o)
	}
	proof := w.Base.Job(t, job.FollowLog{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	must(t, w.Base.Open(t, "imago_drift").As(t.Context(), proof, func(tx *postgres.Tx) error {
		return snapshots.Name(t.Context(), tx, w.Connection, time.Time{}, objects)
	}))
}

// Points waits until so many points were taken and none is under way, and gives them,
// newest first.
func (w *World) Points(t testing.TB, n int) (out []snapshots.Snapshot) {
	t.Helper()
	Until(t, fmt.Sprintf("%d points are taken", n), func() bool {
		out = nil
		busy := false
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
			all, err := snapshots.ListAll(ctx, tx, w.Connection, postgres.Page{})
			for _, s := range all {
				if s.Trigger == snapshots.Change {
					out, busy = append(out, s), busy || !s.State.Ended()
				}
			}
			return err
		})
		return len(out) >= n && !busy
	})
	return out
}

// Plan asks for a plan and waits for it.
func (w *World) Plan(t testing.TB, snapshotID string, keys ...resource.Key) restores.Restore {
	t.Helper()
	return w.Restored(t, w.RequestPlan(t, snapshotID, keys...), restores.Planned)
}

// RequestPlan asks for a plan.
func (w *World) RequestPlan(t testing.TB, snapshotID string, keys ...resource.Key) (restoreID string) {
	t.Helper()
	id, err := uuid.NewV7()
	must(t, err)
	shut, err := sealed.Selection(id.String()).Seal(w.Ring, restore.Selection{Keys: keys, WithDependents: true})
	must(t, err)
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := restores.Request(ctx, tx, restores.Wanted{ID: id.String(), ConnectionID: w.Connection, SnapshotID: snapshotID, SelectionSealed: shut})
		return err
	})
	return id.String()
}

// Apply approves the plan as it is and asks for it to be applied.
func (w *World) Apply(t testing.TB, r restores.Restore) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := restores.Approve(ctx, tx, r.ID, *r.PlanDigest); err != nil {
			return err
		}
		_, err := restores.Apply(ctx, tx, r.ID)
		return err
	})
}

// Restored waits until a restore is in one of the states; one that ended otherwise
// fails the test.
func (w *World) Restored(t testing.TB, id string, states ...restores.State) (r restores.Restore) {
	t.Helper()
	Until(t, "restore is one of "+strings.Join(words(states), ", "), func() bool {
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
			r, err = restores.Get(ctx, tx, id)
			return err
		})
		if r.State.Ended() && !slices.Contains(states, r.State) {
			t.Fatalf("the restore is %s: %v", r.State, r.Problem)
		}
		return slices.Contains(states, r.State)
	})
	return r
}

func words(states []restores.State) (out []string) {
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}

// Receipt opens a restore's receipt.
func (w *World) Receipt(t testing.TB, r restores.Restore) (out restore.Receipt) {
	t.Helper()
	must(t, sealed.Receipt(r.ID).Open(w.Ring, r.ReceiptSealed, &out))
	return out
}

// Group finds a group by its name; ok is false when there is none.
func (w *World) Group(t testing.TB, name string) (id string, ok bool) {
	t.Helper()
	var found []struct {
		ID      string
		Profile struct{ Name string }
	}
	w.Org.Call("GET", "/api/v1/groups?limit=200", nil, &found)
	for _, g := range found {
		if g.Profile.Name == name {
			id, ok = g.ID, true
		}
	}
	return id, ok
}

// Actions lists the actions in the account's activity log, oldest first; but for a look at
// the repository, whose day of the week hangs on the connection's ID.
func (w *World) Actions(t testing.TB) (out []string) {
	t.Helper()
	rows, err := w.Base.Owner().Query(t.Context(), `select action from activity_logs where account_id = $1 and action <> 'check_repository' order by seq`, w.Account.ID)
	must(t, err)
	for rows.Next() {
		var action string
		must(t, rows.Scan(&action))
		out = append(out, action)
	}
	must(t, rows.Err())
	return out
}

// Detail opens what the account's activity log says of an action, the last time.
func (w *World) Detail(t testing.TB, action string) string {
	t.Helper()
	var who audit.Who
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		all, err := activity.List(ctx, tx, postgres.Page{})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(r audit.Row) bool { return r.Action == action })
		if i < 0 {
			return fmt.Errorf("the activity log tells of no %s", action)
		}
		return sealed.Activity(all[i].Entry).Open(w.Ring, all[i].Sealed, &who)
	})
	return who.Detail
}

// JSON is a value in JSON, for messages of tests.
func JSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	must(t, err)
	return string(text)
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}
