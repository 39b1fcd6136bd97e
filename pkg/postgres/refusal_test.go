package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
)

// refuse tries a wrong code and notes it, as the api does.
func (d door) refuse(t *testing.T, id, client string) {
	t.Helper()
	in(t, d.api, postgres.Nobody, func(tx *postgres.Tx) error {
		answer, err := signin.Check(t.Context(), tx, id, hash("000000"), hash(client))
		if err != nil || !answer.Suspicious {
			return err
		}
		return signin.Note(t.Context(), tx, id, hash(client), signin.Refusal{ID: string(newID(t, d.base)), Box: []byte("box")})
	})
}

// noted lists what is noted of a code.
func (d door) noted(t *testing.T, id string) (nths []int) {
	t.Helper()
	if err := d.base.Owner().QueryRow(t.Context(), `select coalesce(array_agg(nth order by nth), '{}')
		from sign_in_refusals where code_id = $1`, id).Scan(&nths); err != nil {
		t.Fatal(err)
	}
	return nths
}

// claim does the tick's part, and gives the refusals by account.
func (d door) claim(t *testing.T, proof postgres.Proof) map[account.ID][]string {
	t.Helper()
	out := map[account.ID][]string{}
	in(t, d.worker, proof, func(tx *postgres.Tx) error {
		all, err := signin.ClaimRefusals(t.Context(), tx, 100)
		for _, r := range all {
			out[r.AccountID] = append(out[r.AccountID], r.RefusalID)
		}
		return err
	})
	return out
}

// Each wrong try is noted, then one more and no flood; for every address alike, so that
// the api's work tells nobody which of them has an account.
func TestWrongCodesAreNotedAlikeForAll(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, email := range map[string]string{"known": d.base.Account(t).Email, "unknown": address()} {
		attempt := d.begin(t, email, "client")
		d.refuse(t, attempt.ID, "thief") // of another client: it is not known which code was meant
		if got := d.noted(t, attempt.ID); len(got) != 0 {
			t.Errorf("%s: noted of another client: %v", name, got)
		}
		for range 9 {
			d.refuse(t, attempt.ID, "client")
		}
		if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6}, d.noted(t, attempt.ID)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Refusals are told to each account of their address, in their order, once.
func TestRefusalsAreTakenOnceByEachAccount(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	d := door{base, base.Open(t, "imago_api"), base.Open(t, "imago_worker")}
	acme, second, stranger := base.Account(t), base.Account(t), base.Account(t)
	if _, err := base.Owner().Exec(t.Context(), `insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, second.ID, acme.User); err != nil {
		t.Fatal(err)
	}
	attempt := d.begin(t, acme.Email, "client")
	for range 3 {
		d.refuse(t, attempt.ID, "client")
	}
	d.refuse(t, d.begin(t, address(), "client").ID, "client")
	if got := d.claim(t, base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID)})); len(got) != 0 {
		t.Errorf("a snapshot's job claims %v", got)
	}
	tick := base.Job(t, job.RunSchedules{})
	got := d.claim(t, tick)
	if len(got) != 2 || len(got[acme.ID]) != 3 || !cmp.Equal(got[acme.ID], got[second.ID]) {
		t.Fatalf("claimed: %v", got)
	}
	if again := d.claim(t, tick); len(again) != 0 {
		t.Errorf("claimed again: %v", again)
	}
	refusal := got[acme.ID][0]
	for id, may := range map[account.ID]bool{acme.ID: true, second.ID: true, stranger.ID: false} {
		err := d.worker.As(t.Context(), tick, func(tx *postgres.Tx) error {
			return tx.Enqueue(t.Context(), job.ReportFailure{AccountID: string(id), RefusalID: refusal})
		})
		if may && err != nil || !may && !problem.Is(err, problem.Denied) {
			t.Errorf("the tick has it told to an account of the address (%v): %v", may, err)
		}
	}
	take := func(args interface{ Kind() string }) (n int) {
		in(t, d.worker, base.Job(t, args), func(tx *postgres.Tx) error {
			all, err := signin.TakeRefusals(t.Context(), tx)
			n = len(all)
			for i, r := range all {
				if r.CodeID != attempt.ID || r.Email != acme.Email || r.Nth != i+1 || string(r.Box) != "box" {
					t.Errorf("took %+v", r)
				}
			}
			return err
		})
		return n
	}
	for _, c := range []struct {
		name string
		args interface{ Kind() string }
		want int
	}{
		{"somebody else's account", job.ReportFailure{AccountID: string(stranger.ID), RefusalID: refusal}, 0},
		{"a job of another kind", job.SendMessage{AccountID: string(acme.ID), MessageID: refusal}, 0},
		{"a report of something else", job.ReportFailure{AccountID: string(acme.ID), SnapshotID: refusal}, 0},
		{"the account", job.ReportFailure{AccountID: string(acme.ID), RefusalID: refusal}, 3},
		{"the account again", job.ReportFailure{AccountID: string(acme.ID), RefusalID: refusal}, 0},
		{"the other account", job.ReportFailure{AccountID: string(second.ID), RefusalID: refusal}, 3},
	} {
		if n := take(c.args); n != c.want {
			t.Errorf("%s takes %d, want %d", c.name, n, c.want)
		}
	}
	if _, err := base.Owner().Exec(t.Context(), `update sign_in_codes set created_at = now() - interval '25 hours'`); err != nil {
		t.Fatal(err)
	}
	in(t, d.worker, tick, func(tx *postgres.Tx) error { return schedules.Purge(t.Context(), tx) })
	if left := d.noted(t, attempt.ID); len(left) != 0 {
		t.Errorf("refusals outlive their code: %v", left)
	}
}

// Codes that are asked for too often are noted once an hour, if it was for the address.
func TestThrottleIsNotedOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	email := address()
	note := func() {
		in(t, d.api, postgres.Nobody, func(tx *postgres.Tx) error {
			return signin.NoteThrottle(t.Context(), tx, email, signin.Refusal{ID: string(newID(t, d.base)), Box: []byte("box")})
		})
	}
	count := func() (n int) {
		if err := d.base.Owner().QueryRow(t.Context(), `select count(*) from sign_in_refusals f
			join sign_in_codes c on c.id = f.code_id where c.email = $1 and f.nth = 0`, email).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 4 {
		d.ask(t, email, "client")
	}
	note() // it was the asker's place that was throttled
	if n := count(); n != 0 {
		t.Errorf("%d notes of an address that is not throttled", n)
	}
	d.ask(t, email, "client")
	for range 3 {
		note()
	}
	if n := count(); n != 1 {
		t.Errorf("%d notes", n)
	}
	if _, err := d.base.Owner().Exec(t.Context(), `update sign_in_codes set created_at = now() - interval '61 minutes' where email = $1`, email); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		d.ask(t, email, "client")
	}
	note()
	if n := count(); n != 2 {
		t.Errorf("%d notes an hour later", n)
	}
}
