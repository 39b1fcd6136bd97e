package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"imago/pkg/audit"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/idempotency"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/schedules"
	"imago/pkg/problem"
)

func entry(n int) audit.Entry {
	return audit.Entry{Time: time.Date(2026, 3, 1, 12, 0, n, 123456789, time.UTC), Action: "take_snapshot",
		TargetType: "snapshot", TargetID: fmt.Sprint(n), RequestID: "r", Sealed: []byte("who")}
}

// verify reads the whole log back, and holds it against the head that is kept apart.
func verify(t *testing.T, db *postgres.DB, a postgrestest.Account) (n int64, err error) {
	t.Helper()
	err = db.As(t.Context(), a.Proof, func(tx *postgres.Tx) error {
		got, err := audit.Verify(a.ID, audit.Head{}, activity.Walk(t.Context(), tx, 0))
		if err != nil {
			return err
		}
		want, err := activity.Head(t.Context(), tx)
		if err == nil && got != want {
			err = fmt.Errorf("the log ends at %d, its head stands at %d", got.Seq, want.Seq)
		}
		n = got.Seq
		return err
	})
	return n, err
}

// Twenty write at once, from all three programs: the chain holds, and nothing is lost.
func TestActivityChainHoldsUnderManyWriters(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme, other := base.Account(t), base.Account(t)
	api, worker, drift := base.Open(t, "imago_api"), base.Open(t, "imago_worker"), base.Open(t, "imago_drift")
	work, follow := base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID)}), base.Job(t, job.FollowLog{AccountID: string(acme.ID)})
	ended := make(chan error)
	const writers, each = 20, 10
	for w := range writers {
		go func() {
			var all error
			for n := range each {
				db, proof := api, acme.Proof
				switch w % 3 {
				case 1:
					db, proof = worker, work
				case 2:
					db, proof = drift, follow
				}
				all = errors.Join(all, db.As(t.Context(), proof, func(tx *postgres.Tx) error {
					_, err := activity.Append(t.Context(), tx, entry(w*each+n))
					return err
				}))
			}
			ended <- all
		}()
	}
	in(t, api, other.Proof, func(tx *postgres.Tx) error { _, err := activity.Append(t.Context(), tx, entry(0)); return err })
	for range writers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n, err := verify(t, api, acme); err != nil || n != writers*each {
		t.Errorf("%d rows: %v", n, err)
	}
	if n, err := verify(t, api, other); err != nil || n != 1 {
		t.Errorf("another account's log has %d rows: %v", n, err)
	}
}

// Whoever gets past the database's own guard is found by the chain.
func TestTamperedActivityIsFound(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"changed":  `update activity_logs set action = 'sign_in' where account_id = $1 and seq = 2`,
		"resealed": `update activity_logs set sealed = 'someone else' where account_id = $1 and seq = 2`,
		"left out": `delete from activity_logs where account_id = $1 and seq = 2`,
		"cut off":  `delete from activity_logs where account_id = $1 and seq = 4`,
		"moved":    `update activity_logs set seq = case seq when 2 then 3 else 2 end + 100 where account_id = $1 and seq in (2, 3)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := postgrestest.New(t)
			acme := base.Account(t)
			api := base.Open(t, "imago_api")
			for n := range 4 {
				in(t, api, acme.Proof, func(tx *postgres.Tx) error { _, err := activity.Append(t.Context(), tx, entry(n)); return err })
			}
			if _, err := base.Owner().Exec(t.Context(), sql, acme.ID); err == nil {
				t.Fatal("the owner itself may change the log")
			}
			tx, err := base.Owner().Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{`set local session_replication_role = replica`, sql} {
				args := []any{acme.ID}
				if s != sql {
					args = nil
				}
				if _, err := tx.Exec(t.Context(), s, args...); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := verify(t, api, acme); err == nil {
				t.Error("nothing was found")
			}
		})
	}
}

// A program that makes its own rows cannot fork or rewrite the chain.
func TestRowThatDoesNotFollowIsRefused(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	for range 2 {
		in(t, api, acme.Proof, func(tx *postgres.Tx) error { _, err := activity.Append(t.Context(), tx, entry(1)); return err })
	}
	zeros := make([]byte, 32)
	for name, seq := range map[string]int{"again": 2, "first": 1, "far ahead": 9, "wrong hash": 3} {
		_, err := base.Owner().Exec(t.Context(), `insert into activity_logs (account_id, seq, at, action, sealed, prev_hash, hash)
			values ($1, $2, now(), 'x', '', $3, $3)`, acme.ID, seq, zeros)
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if n, err := verify(t, api, acme); err != nil || n != 2 {
		t.Errorf("%d rows: %v", n, err)
	}
}

func TestActivityIsListedNewestFirst(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	for n := range 3 {
		in(t, api, acme.Proof, func(tx *postgres.Tx) error { _, err := activity.Append(t.Context(), tx, entry(n)); return err })
	}
	in(t, api, acme.Proof, func(tx *postgres.Tx) error {
		first, err := activity.List(t.Context(), tx, postgres.Page{Limit: 2})
		if err != nil || len(first) != 2 || first[0].Seq != 3 || first[0].TargetID != "2" {
			t.Errorf("first %+v: %v", first, err)
		}
		rest, err := activity.List(t.Context(), tx, postgres.Page{Before: "2"})
		if err != nil || len(rest) != 1 || rest[0].Seq != 1 {
			t.Errorf("rest %+v: %v", rest, err)
		}
		_, err = activity.List(t.Context(), tx, postgres.Page{Before: "x"})
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("no number: %v", err)
		}
		return nil
	})
}

func TestActivityBelongsToAnAccount(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	err := base.Open(t, "imago_worker").As(t.Context(), base.Job(t, job.RunSchedules{}), func(tx *postgres.Tx) error {
		_, err := activity.Append(t.Context(), tx, entry(1))
		return err
	})
	if err == nil {
		t.Error("written to nobody's log")
	}
}

func TestRequestIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	colleague := base.Member(t, acme.ID, "admin")
	api := base.Open(t, "imago_api")
	request := idempotency.Request{Key: "k", Method: "TakeSnapshot", Hash: hash("body")}
	work := func(a postgrestest.Account, r idempotency.Request, answer bool) (before idempotency.Response, done bool, err error) {
		err = api.As(t.Context(), a.Proof, func(tx *postgres.Tx) (err error) {
			if before, done, err = idempotency.Reserve(t.Context(), tx, r); err != nil || done || !answer {
				return err
			}
			return idempotency.Store(t.Context(), tx, r.Key, idempotency.Response{Status: 0, Body: []byte("answer")})
		})
		return before, done, err
	}
	if _, done, err := work(acme, request, true); done || err != nil {
		t.Fatalf("the first: %v %v", done, err)
	}
	if before, done, err := work(acme, request, true); !done || err != nil || string(before.Body) != "answer" {
		t.Errorf("the second: %v %q %v", done, before.Body, err)
	}
	other := request
	other.Hash = hash("another body")
	if _, _, err := work(acme, other, true); !problem.Is(err, problem.Conflict) {
		t.Errorf("another request: %v", err)
	}
	if _, done, err := work(colleague, request, true); done || err != nil {
		t.Errorf("a colleague's key: %v %v", done, err)
	}
	open := idempotency.Request{Key: "open", Method: "TakeSnapshot", Hash: hash("body")}
	if _, _, err := work(acme, open, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := work(acme, open, true); !problem.Is(err, problem.Conflict) {
		t.Errorf("begun and not answered: %v", err)
	}
}

func TestSameRequestAtOnceIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	request := idempotency.Request{Key: "k", Method: "TakeSnapshot", Hash: hash("body")}
	ended := make(chan error)
	worked := make(chan bool, 8)
	for range 8 {
		go func() {
			ended <- api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
				_, done, err := idempotency.Reserve(t.Context(), tx, request)
				if err != nil || done {
					return err
				}
				worked <- true
				return idempotency.Store(t.Context(), tx, request.Key, idempotency.Response{Body: []byte("answer")})
			})
		}()
	}
	for range 8 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if len(worked) != 1 {
		t.Errorf("worked %d times", len(worked))
	}
}

func TestPurgeForgetsWhatHasExpired(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	for _, key := range []string{"old", "new"} {
		in(t, api, acme.Proof, func(tx *postgres.Tx) error {
			_, _, err := idempotency.Reserve(t.Context(), tx, idempotency.Request{Key: key, Method: "m", Hash: hash("b")})
			return err
		})
	}
	if _, err := base.Owner().Exec(t.Context(), `update idempotency_keys set created_at = now() - interval '25 hours' where key = 'old'`); err != nil {
		t.Fatal(err)
	}
	if _, err := base.Owner().Exec(t.Context(), `insert into billing_events (account_id, event_id, kind, received_at)
		select $1, e, 'x', now() - make_interval(days => d) from (values ('old', 91), ('new', 89)) v (e, d)`, acme.ID); err != nil {
		t.Fatal(err)
	}
	in(t, base.Open(t, "imago_worker"), base.Job(t, job.RunSchedules{}), func(tx *postgres.Tx) error { return schedules.Purge(t.Context(), tx) })
	for _, query := range []string{`select string_agg(key, ' ') from idempotency_keys`, `select string_agg(event_id, ' ') from billing_events`} {
		var left string
		if err := base.Owner().QueryRow(t.Context(), query).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left != "new" {
			t.Errorf("%s: %s", query, left)
		}
	}
	if err := api.As(t.Context(), acme.Proof, nothing); err != nil {
		t.Errorf("a live session was forgotten: %v", err)
	}
}
