package postgres_test

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
)

func asSession(a postgrestest.Account) presented {
	return presented{"its session", "session", hex.EncodeToString(a.Token[:])}
}

// disconnect deletes the bench's connection.
func (b bench) disconnect(t *testing.T) (gone connections.Deleted, err error) {
	t.Helper()
	err = b.api.As(t.Context(), b.acme.Proof, func(tx *postgres.Tx) (err error) {
		gone, err = connections.Delete(t.Context(), tx, b.connection)
		return err
	})
	return gone, err
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := b.base.Account(t)
	err := b.api.As(t.Context(), other.Proof, func(tx *postgres.Tx) error {
		_, err := connections.Delete(t.Context(), tx, b.connection)
		return err
	})
	if !problem.Is(err, problem.NotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	gone, err := b.disconnect(t)
	if err != nil || gone.ID != b.connection || gone.Rubbish {
		t.Errorf("%+v, %v", gone, err)
	}
	if _, err := b.disconnect(t); !problem.Is(err, problem.NotFound) {
		t.Errorf("once more: %v", err)
	}
}

// Nobody deletes a connection with snapshots, whatever the program says: not a tricked
// api, and not the owner by mistake.
func TestNoConnectionGoesWithItsSnapshots(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.taken(t)
	for _, url := range []string{b.base.URL("imago_api"), b.base.OwnerURL()} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = as(t.Context(), conn, asSession(b.acme), `delete from connections where id = '`+string(b.connection)+`'`)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "IM003" {
			t.Errorf("%s: %v; want it refused", conn.Config().User, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A delete that names no connection at all reaches those of one's own account.
func TestDisconnectReachesNobodyElse(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme, other := base.Account(t), base.Account(t)
	base.Connection(t, acme.ID)
	theirs := base.Connection(t, other.ID)
	conn, err := pgx.Connect(t.Context(), base.URL("imago_api"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := as(t.Context(), conn, asSession(acme), `delete from connections`); n != 1 || err != nil {
		t.Errorf("%d were deleted: %v; want one's own", n, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left []account.ConnectionID
	err = base.Owner().QueryRow(t.Context(), `select array_agg(distinct connection_id::text) from credentials`).Scan(&left)
	if diff := cmp.Diff([]account.ConnectionID{theirs}, left); err != nil || diff != "" {
		t.Errorf("credentials are left of %v: %v %s", left, err, diff)
	}
}

// What is begun at the same moment is seen, though it was not committed yet.
func TestDisconnectWaitsForWhatBegins(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ended := make(chan error, 1)
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		if _, _, err := snapshots.Queue(t.Context(), tx, b.connection, snapshots.Manual); err != nil {
			return err
		}
		go func() {
			_, err := b.disconnect(t)
			ended <- err
		}()
		waitsForALock(t, b.base, "for update")
		return nil
	})
	if err := <-ended; !problem.Is(err, problem.Conflict) {
		t.Errorf("deleted under a snapshot that begins: %v", err)
	}
}

// waitsForALock returns when a statement that holds a text waits for somebody's lock.
func waitsForALock(t *testing.T, base *postgrestest.Database, text string) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for waiting := false; !waiting; {
		select {
		case <-deadline:
			t.Fatal("nobody waits")
		case <-tick.C:
		}
		err := base.Owner().QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock' and position($1 in query) > 0)`, text).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}
