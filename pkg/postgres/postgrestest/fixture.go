package postgrestest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
)

// Account is an account with one member who is signed in.
type Account struct {
	ID    account.ID
	User  account.UserID
	Email string
	Token [sha256.Size]byte // the hash of the session's token
	Proof postgres.Proof    // of the session, for imago_api
}

// Account makes an account with an owner who is signed in.
func (d *Database) Account(t testing.TB) Account {
	t.Helper()
	var a Account
	d.row(t, []any{&a.ID}, `insert into accounts (name) values ('Acme') returning id`)
	d.exec(t, `insert into account_keys (account_id, wrapped) values ($1, 'wrapped')`, a.ID)
	return d.Member(t, a.ID, account.Owner)
}

// Member adds a member who is signed in.
func (d *Database) Member(t testing.TB, id account.ID, role account.Role) Account {
	t.Helper()
	a := Account{ID: id, Email: strings.ToLower(rand.Text()) + "@acme.test"}
	d.row(t, []any{&a.User}, `insert into users (email) values ($1) returning id`, a.Email)
	d.exec(t, `insert into members (account_id, user_id, role) values ($1, $2, $3)`, id, a.User, role)
	a.Token = sha256.Sum256([]byte(rand.Text()))
	d.exec(t, `insert into sessions (account_id, user_id, token_hash, kind, idle_expires_at, expires_at)
		values ($1, $2, $3, 'cli', now() + interval '1 hour', now() + interval '1 day')`, id, a.User, a.Token[:])
	a.Proof = postgres.Session(a.Token)
	return a
}

// Connection adds a connection that is ready, with sealed credentials ("sealed read",
// "sealed write").
func (d *Database) Connection(t testing.TB, id account.ID) account.ConnectionID {
	t.Helper()
	var c account.ConnectionID
	name := strings.ToLower(rand.Text())
	d.row(t, []any{&c}, `insert into connections (account_id, provider, name, org_url, state)
		values ($1, 'okta', $2, 'https://' || $2 || '.okta.test', 'ready') returning id`, id, name)
	d.exec(t, `insert into credentials (account_id, connection_id, purpose, client_id, key_id, public_jwk, sealed_key, state)
		select $1, $2, p, 'client-' || p, 'key-' || p, '{}', convert_to('sealed ' || p, 'UTF8'), 'set'
		from unnest(array['read', 'write']) p`, id, c)
	return c
}

// Job makes a job that is running, in its kind's queue, and gives its proof: for
// imago_worker, or imago_drift if the kind is its own.
func (d *Database) Job(t testing.TB, args river.JobArgs) postgres.Proof {
	t.Helper()
	return postgres.Job(d.JobRow(t, args))
}

// JobRow makes a job that is running, and gives its ID.
func (d *Database) JobRow(t testing.TB, args river.JobArgs) (id int64) {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	d.row(t, []any{&id}, `insert into river.river_job (state, attempt, max_attempts, attempted_at, args, kind, queue)
		values ('running', 1, 25, now(), $1, $2, $3) returning id`, string(raw), args.Kind(), queue(args.Kind()))
	return id
}

// queue is where a kind is worked.
func queue(kind string) string {
	switch kind {
	case job.FollowLog{}.Kind(), job.StartFollows{}.Kind():
		return job.QueueDrift
	case job.ApplyRestore{}.Kind():
		return job.QueueRestore
	case job.SendCode{}.Kind(), job.SendInvitation{}.Kind(), job.SendMessage{}.Kind(), job.SendDigest{}.Kind(), job.SendUpdate{}.Kind(), job.ReportStopped{}.Kind(), job.ReportEnd{}.Kind(),
		job.ApplyBilling{}.Kind():
		return job.QueueMail
	case job.RunSchedules{}.Kind():
		return job.QueueTick
	}
	return job.QueueBackup
}

// EndJob says that a job is done: its proof is stale.
func (d *Database) EndJob(t testing.TB, id int64) {
	t.Helper()
	d.exec(t, `update river.river_job set state = 'completed', finalized_at = now() where id = $1`, id)
}

// Announce says which manifest is about to take the place of a snapshot's own, as a worker leaves
// it that dies before it can say that it did.
func (d *Database) Announce(t testing.TB, snapshotID, next string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), d.owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `set local session_replication_role = replica`); err != nil { // past the guard
			return err
		}
		_, err := tx.Exec(t.Context(), `update snapshots set manifest_next = $2 where id = $1`, snapshotID, next)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *Database) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := d.owner.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (d *Database) row(t testing.TB, into []any, sql string, args ...any) {
	t.Helper()
	if err := d.owner.QueryRow(t.Context(), sql, args...).Scan(into...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
