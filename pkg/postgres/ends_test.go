package postgres_test

import (
	"testing"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
)

// Only a job of the session's own account is told whose it was, once, and only if its person
// ended it from another one.
func TestEndsAreTheAccountsOwn(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	worker := base.Open(t, "imago_worker")
	a, b := base.Account(t), base.Account(t)
	var session string
	err := base.Owner().QueryRow(t.Context(), `update sessions set tell_end = true, revoked_at = now() where user_id = $1 returning id`, a.User).Scan(&session)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := base.Owner().Exec(t.Context(), `update sessions set tell_end = true where user_id = $1`, a.User); err != nil {
		t.Fatal(err) // the trigger has seen nobody's session end it
	}
	enqueue := func(proof postgres.Proof, account string) error {
		return worker.As(t.Context(), proof, func(tx *postgres.Tx) error {
			return tx.Enqueue(t.Context(), job.ReportEnd{AccountID: account, SessionID: session})
		})
	}
	tick := base.Job(t, job.RunSchedules{})
	if err := enqueue(tick, string(b.ID)); !problem.Is(err, problem.Denied) {
		t.Errorf("another account is to be told: %v", err)
	}
	if err := enqueue(base.Job(t, job.ReportEnd{AccountID: string(b.ID)}), string(a.ID)); !problem.Is(err, problem.Denied) {
		t.Errorf("another job has it told: %v", err)
	}
	if err := enqueue(tick, string(a.ID)); err != nil {
		t.Error(err)
	}
	for _, who := range []struct {
		name  string
		proof postgres.Proof
		ok    bool
	}{
		{"another account's job", base.Job(t, job.ReportEnd{AccountID: string(b.ID), SessionID: session}), false},
		{"another kind of job", base.Job(t, job.SendMessage{AccountID: string(a.ID), MessageID: session}), false},
		{"its own", base.Job(t, job.ReportEnd{AccountID: string(a.ID), SessionID: session}), true},
		{"its own, again", base.Job(t, job.ReportEnd{AccountID: string(a.ID), SessionID: session + " "}), false},
	} {
		in(t, worker, who.proof, func(tx *postgres.Tx) error {
			e, ok, err := signin.TakeEnd(t.Context(), tx, session)
			if ok != who.ok || ok && e.Email != a.Email {
				t.Errorf("%s is told %+v, %t", who.name, e, ok)
			}
			return err
		})
	}
}
