package postgres_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cluster"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/migrate"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/problem"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func nothing(*postgres.Tx) error { return nil }

func TestProofLetsIn(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	viewer := base.Member(t, acme.ID, account.Viewer)
	err := base.Open(t, "imago_api").As(t.Context(), viewer.Proof, func(tx *postgres.Tx) error {
		if tx.Account() != acme.ID || tx.User() != viewer.User || tx.Role() != account.Viewer || tx.SessionID() == "" {
			t.Errorf("let in as %s %s %s", tx.Account(), tx.User(), tx.Role())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = base.Open(t, "imago_worker").As(t.Context(), base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID)}), func(tx *postgres.Tx) error {
		if tx.Account() != acme.ID || tx.User() != "" || tx.Role() != "" {
			t.Errorf("let in as %s %s %s", tx.Account(), tx.User(), tx.Role())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestProofThatIsNoneIsDenied(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	ended := base.JobRow(t, job.TakeSnapshot{AccountID: string(acme.ID)})
	base.EndJob(t, ended)
	for name, c := range map[string]struct {
		role  string
		proof postgres.Proof
	}{
		"unknown token":         {"imago_api", postgres.Session(sha256.Sum256([]byte("guess")))},
		"finished job":          {"imago_worker", postgres.Job(ended)},
		"no such job":           {"imago_worker", postgres.Job(987654321)},
		"session to a worker":   {"imago_worker", acme.Proof},
		"job to the api":        {"imago_api", base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID)})},
		"worker's job to drift": {"imago_drift", base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID)})},
		"drift's job to worker": {"imago_worker", base.Job(t, job.FollowLog{AccountID: string(acme.ID)})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := base.Open(t, c.role).As(t.Context(), c.proof, func(*postgres.Tx) error {
				t.Error("let in")
				return nil
			})
			if !problem.Is(err, problem.Denied) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestProofDoesNotOutliveItsTransaction(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	db, err := postgres.Open(t.Context(), base.URL("imago_api"), postgres.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.As(t.Context(), acme.Proof, nothing); err != nil {
		t.Fatal(err)
	}
	err = db.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error {
		list, err := connections.List(t.Context(), tx, postgres.Page{})
		if len(list) != 0 || tx.Account() != "" {
			t.Errorf("the next transaction of the connection is still %q", tx.Account())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestProofDoesNotShowItsValue(t *testing.T) {
	t.Parallel()
	proof := postgres.Session(sha256.Sum256([]byte("token")))
	if s := proof.String(); s != "session" {
		t.Errorf("got %q", s)
	}
}

func TestErrorInTransactionUndoesIt(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	broken := errors.New("broken")
	c := connections.Connection{Provider: "okta", Name: "n", OrgURL: "https://x.okta.test", Share: 0.5, FollowSeconds: 60}
	err := api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		if _, err := connections.Create(t.Context(), tx, c); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	err = api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		list, err := connections.List(t.Context(), tx, postgres.Page{})
		if len(list) != 0 {
			t.Error("the row is there")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Two transactions that take two rows in opposite order: one of them loses, and is run
// again without its caller knowing.
func TestDeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	one, two := base.Connection(t, acme.ID), base.Connection(t, acme.ID)
	api := base.Open(t, "imago_api")
	var met sync.WaitGroup // both hold their first row
	met.Add(2)
	var runs [2]int
	touch := func(n int, first, second account.ConnectionID) error {
		return api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
			runs[n]++
			if _, err := connections.StartCheck(t.Context(), tx, first); err != nil {
				return err
			}
			if runs[n] == 1 {
				met.Done()
				met.Wait()
			}
			_, err := connections.StartCheck(t.Context(), tx, second)
			return err
		})
	}
	ended := make(chan error, 2)
	go func() { ended <- touch(0, one, two) }()
	go func() { ended <- touch(1, two, one) }()
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Error(err)
	}
	if runs[0]+runs[1] < 3 {
		t.Errorf("no transaction was run again: %v", runs)
	}
}

func TestErrorsOfPostgresBecomeProblems(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme, other := base.Account(t), base.Account(t)
	theirs := base.Connection(t, other.ID)
	api := base.Open(t, "imago_api")
	c := connections.Connection{Provider: "okta", Name: "n", OrgURL: "https://x.okta.test", Share: 0.5, FollowSeconds: 60}
	for name, want := range map[string]struct {
		kind problem.Kind
		run  func(context.Context, *postgres.Tx) error
	}{
		"twice": {problem.Conflict, func(ctx context.Context, tx *postgres.Tx) error {
			if _, err := connections.Create(ctx, tx, c); err != nil {
				return err
			}
			_, err := connections.Create(ctx, tx, c)
			return err
		}},
		"somebody else's": {problem.NotFound, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := connections.Get(ctx, tx, theirs)
			return err
		}},
		"no ID at all": {problem.NotFound, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := connections.Get(ctx, tx, "'; drop table accounts; --")
			return err
		}},
		"a credential for somebody else's": {problem.NotFound, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := connections.AddCredential(ctx, tx, connections.Credential{ConnectionID: theirs, Purpose: account.Read, PublicJWK: []byte("{}")}, []byte("x"))
			return err
		}},
		"a job for somebody else": {problem.Denied, func(ctx context.Context, tx *postgres.Tx) error {
			return tx.Enqueue(ctx, job.TakeSnapshot{AccountID: string(other.ID)})
		}},
		"a job for nobody": {problem.Denied, func(ctx context.Context, tx *postgres.Tx) error {
			return tx.Enqueue(ctx, job.RunSchedules{})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error { return want.run(t.Context(), tx) })
			if !problem.Is(err, want.kind) {
				t.Errorf("got %v (%v), want %s", err, errors.Unwrap(err), want.kind)
			}
		})
	}
}

func TestOpenNeedsTheSchema(t *testing.T) {
	t.Parallel()
	base := postgrestest.Empty(t)
	_, err := postgres.Open(t.Context(), base.URL("imago_api"), postgres.Options{})
	if p := problem.Of(err); p == nil || p.Kind != problem.Unavailable || p.Hint != "run imago-migrate" {
		t.Errorf("got %v", err)
	}
}

func TestOpenNamesABadURL(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://user:hunter2@host:port/x", postgres.Options{})
	if p := problem.Of(err); p == nil || p.Field != "DATABASE_URL" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// Postgres goes away and comes back: in between it is unavailable, afterwards the same
// DB works on.
func TestServerGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := openUp(dir); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Start(t.Context(), dir, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrate.Run(t.Context(), c.URL("postgres", cluster.Superuser)); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), c.URL("postgres", "imago_api"), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // an old connection that is closed, then none to be had
		if err := db.As(t.Context(), postgres.Nobody, nothing); !problem.Is(err, problem.Unavailable) {
			t.Errorf("while away: %v", err)
		}
	}
	if err := db.Ready(t.Context()); !problem.Is(err, problem.Unavailable) {
		t.Errorf("ready while away: %v", err)
	}
	if c, err = cluster.Start(t.Context(), dir, cluster.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := db.As(t.Context(), postgres.Nobody, nothing); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	db.Close()
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

var _ river.JobArgs = job.TakeSnapshot{}
