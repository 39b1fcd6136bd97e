package postgres_test

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
)

func hash(s string) signin.Hash { return sha256.Sum256([]byte(s)) }

// door is a database with an api and a worker, to sign in at.
type door struct {
	base        *postgrestest.Database
	api, worker *postgres.DB
}

func newDoor(t *testing.T) door {
	t.Helper()
	base := postgrestest.New(t)
	return door{base, base.Open(t, "imago_api"), base.Open(t, "imago_worker")}
}

// begin asks for a code, and lets the job set it to "123456".
func (d door) begin(t *testing.T, email, client string) signin.Attempt {
	t.Helper()
	attempt := d.ask(t, email, client)
	to, err := d.send(t, attempt, "123456")
	if err != nil {
		t.Fatal(err)
	}
	if to.Email != strings.ToLower(email) || !to.ExpiresAt.Equal(attempt.ExpiresAt) {
		t.Errorf("the code goes to %+v", to)
	}
	return attempt
}

func (d door) ask(t *testing.T, email, client string) (attempt signin.Attempt) {
	t.Helper()
	err := d.api.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) (err error) {
		attempt, err = signin.Begin(t.Context(), tx, email, hash(client), hash(rand.Text()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return attempt
}

func (d door) send(t *testing.T, attempt signin.Attempt, code string) (to signin.Recipient, err error) {
	t.Helper()
	err = d.worker.As(t.Context(), d.base.Job(t, job.SendCode{CodeID: attempt.ID}), func(tx *postgres.Tx) (err error) {
		to, err = signin.SetCodeHash(t.Context(), tx, hash(code))
		return err
	})
	return to, err
}

func (d door) check(t *testing.T, id, code, client string) (answer signin.Answer) {
	t.Helper()
	err := d.api.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) (err error) {
		answer, err = signin.Check(t.Context(), tx, id, hash(code), hash(client))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (d door) open(t *testing.T, o signin.Opening) (opened signin.Opened, err error) {
	t.Helper()
	o.Kind, o.Idle, o.Life = "cli", time.Hour, 24*time.Hour
	err = d.api.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) (err error) {
		opened, err = signin.OpenSession(t.Context(), tx, o)
		return err
	})
	return opened, err
}

func newID(t *testing.T, base *postgrestest.Database) (id account.ID) {
	t.Helper()
	if err := base.Owner().QueryRow(t.Context(), `select new_id()`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func address() string { return strings.ToLower(rand.Text()) + "@acme.test" }

func TestFirstSignInMakesTheAccount(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	email, id, token := address(), newID(t, d.base), hash(rand.Text())
	attempt := d.begin(t, strings.ToUpper(email), "client")
	answer := d.check(t, attempt.ID, "123456", "client")
	if answer.Wrong != nil || len(answer.Memberships) != 0 {
		t.Fatalf("got %+v", answer)
	}
	o := signin.Opening{AttemptID: attempt.ID, Client: hash("client"), Account: id, Name: "Acme", Wrapped: []byte("keys"), Token: token}
	opened, err := d.open(t, o)
	if err != nil || !opened.Made {
		t.Fatalf("%+v: %v", opened, err)
	}
	err = d.api.As(t.Context(), postgres.Session(token), func(tx *postgres.Tx) error {
		s, err := signin.Current(t.Context(), tx)
		if s.Email != email || s.AccountID != id || s.AccountName != "Acme" || s.Role != account.Owner || s.UserID != opened.UserID {
			t.Errorf("signed in as %+v", s)
		}
		if err != nil {
			return err
		}
		wrapped, err := accounts.Keyring(t.Context(), tx)
		if string(wrapped) != "keys" {
			t.Errorf("keyring %q", wrapped)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := d.open(t, o); !problem.Is(err, problem.Denied) {
		t.Errorf("a code opens twice: %v", err)
	}

	again := d.begin(t, email, "other client")
	answer = d.check(t, again.ID, "123456", "other client")
	if diff := cmp.Diff([]signin.Membership{{Account: id, Role: account.Owner}}, answer.Memberships); diff != "" {
		t.Error(diff)
	}
	other := signin.Opening{AttemptID: again.ID, Client: hash("other client"), Token: hash(rand.Text())}
	other.Account, other.Wrapped = newID(t, d.base), []byte("keys")
	if _, err := d.open(t, other); !problem.Is(err, problem.Denied) {
		t.Errorf("a member makes a second account: %v", err)
	}
	other.Account = d.base.Account(t).ID
	if _, err := d.open(t, other); !problem.Is(err, problem.Denied) {
		t.Errorf("somebody else's account is opened: %v", err)
	}
	other.Account, other.Wrapped = id, nil
	if opened, err := d.open(t, other); err != nil || opened.Made {
		t.Errorf("the own account: %+v: %v", opened, err)
	}
}

func TestCodeMayBeTriedFiveTimes(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	attempt := d.begin(t, address(), "client")
	for left := 4; left >= 0; left-- {
		answer := d.check(t, attempt.ID, "000000", "client")
		if answer.Wrong == nil || answer.Wrong.Field != "code" {
			t.Fatalf("%d left: %+v", left, answer)
		}
	}
	if answer := d.check(t, attempt.ID, "123456", "client"); !problem.Is(answer.Wrong, problem.OverLimit) {
		t.Errorf("the sixth try, right: %+v", answer.Wrong)
	}
	if _, err := d.open(t, signin.Opening{AttemptID: attempt.ID, Client: hash("client"), Account: newID(t, d.base), Name: "n", Wrapped: []byte("k"), Token: hash("t")}); !problem.Is(err, problem.Denied) {
		t.Errorf("opened: %v", err)
	}
}

func TestCodeIsBoundToItsClientAndTime(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	attempt := d.begin(t, address(), "client")
	if answer := d.check(t, attempt.ID, "123456", "thief"); answer.Wrong == nil || answer.Wrong.Field != "attempt_id" {
		t.Errorf("another client: %+v", answer.Wrong)
	}
	if answer := d.check(t, "no id", "123456", "client"); answer.Wrong == nil || answer.Wrong.Field != "attempt_id" {
		t.Errorf("no ID: %+v", answer.Wrong)
	}
	unsent := d.ask(t, address(), "client")
	if answer := d.check(t, unsent.ID, "", "client"); answer.Wrong == nil {
		t.Error("a code that was not made yet lets in")
	}
	if _, err := d.base.Owner().Exec(t.Context(), `update sign_in_codes set expires_at = now() where id = $1`, attempt.ID); err != nil {
		t.Fatal(err)
	}
	if answer := d.check(t, attempt.ID, "123456", "client"); answer.Wrong == nil || answer.Wrong.What != "it has expired" {
		t.Errorf("expired: %+v", answer.Wrong)
	}
	if _, err := d.send(t, attempt, "654321"); !problem.Is(err, problem.NotFound) {
		t.Errorf("a code is sent for an expired attempt: %v", err)
	}
}

func TestOnlyItsOwnJobSetsACode(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	mine, others := d.ask(t, address(), "client"), d.begin(t, address(), "client")
	err := d.worker.As(t.Context(), d.base.Job(t, job.TakeSnapshot{AccountID: string(newID(t, d.base))}), func(tx *postgres.Tx) error {
		_, err := signin.SetCodeHash(t.Context(), tx, hash("000000"))
		return err
	})
	if !problem.Is(err, problem.NotFound) {
		t.Errorf("another kind of job: %v", err)
	}
	if _, err := d.send(t, mine, "111111"); err != nil {
		t.Error(err)
	}
	if answer := d.check(t, others.ID, "123456", "client"); answer.Wrong != nil {
		t.Errorf("the other's code was changed: %v", answer.Wrong)
	}
}

// asks asks for codes from a place, and stops at the first that is refused.
func (d door) asks(t *testing.T, times int, email string, place signin.Hash) (err error) {
	t.Helper()
	for range times {
		err = d.api.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error {
			_, err := signin.Begin(t.Context(), tx, email, hash("client"), place)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func TestSignInIsThrottled(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	email, place := address(), hash(rand.Text())
	may := func(what string, times int, email string, place signin.Hash) {
		t.Helper()
		if err := d.asks(t, times, email, place); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	mayNot := func(what, email string, place signin.Hash) {
		t.Helper()
		if err := d.asks(t, 1, email, place); !problem.Is(err, problem.OverLimit) {
			t.Errorf("%s: %v", what, err)
		}
	}
	may("an address from a place", 5, email, place)
	mayNot("a sixth time", email, place)
	may("from elsewhere", 1, email, hash(rand.Text()))
	for range 15 {
		may("other addresses from the place", 1, address(), place)
	}
	mayNot("a 21st code from one place", address(), place)
	if _, err := d.base.Owner().Exec(t.Context(), `update sign_in_codes set created_at = now() - interval '61 minutes' where ip_hash = $1`, place[:]); err != nil {
		t.Fatal(err)
	}
	may("an hour later", 1, email, place)
}

// Whoever asks for codes in somebody's name keeps them from signing in neither where
// they have signed in before nor, for long, anywhere else.
func TestAskingForCodesLocksNobodyOut(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	email, home := address(), hash(rand.Text())
	attempt, client := signin.Attempt{}, hash("client")
	in(t, d.api, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		attempt, err = signin.Begin(t.Context(), tx, email, client, home)
		return err
	})
	if _, err := d.send(t, attempt, "123456"); err != nil {
		t.Fatal(err)
	}
	d.check(t, attempt.ID, "123456", "client")
	o := signin.Opening{AttemptID: attempt.ID, Client: client, Account: newID(t, d.base), Name: "Acme", Wrapped: []byte("keys"), Token: hash(rand.Text())}
	if _, err := d.open(t, o); err != nil {
		t.Fatal(err)
	}
	if err := d.asks(t, 3, email, home); err != nil {
		t.Fatal(err)
	}
	for n := range 4 { // 20 codes; those from home do not count among them
		if err := d.asks(t, 5, email, hash(rand.Text())); err != nil {
			t.Fatalf("place %d: %v", n+1, err)
		}
	}
	err := d.asks(t, 1, email, hash(rand.Text()))
	if p := problem.Of(err); p == nil || p.Kind != problem.OverLimit || !strings.Contains(p.Hint, "a network that you have signed in from") {
		t.Errorf("a fifth place: %v", err)
	}
	if err := d.asks(t, 1, address(), hash(rand.Text())); err != nil {
		t.Errorf("another address: %v", err)
	}
	if err := d.asks(t, 1, email, home); err != nil {
		t.Errorf("from home: %v", err)
	}
	if err := d.asks(t, 1, email, home); !problem.Is(err, problem.OverLimit) {
		t.Errorf("from home, a sixth time: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	acme := d.base.Account(t)
	err := d.api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error { return signin.SignOut(t.Context(), tx) })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.api.As(t.Context(), acme.Proof, nothing); !problem.Is(err, problem.Denied) {
		t.Errorf("signed out: %v", err)
	}
}

func TestTouchKeepsASessionFromIdling(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	acme := d.base.Account(t)
	set := func(seen string) {
		if _, err := d.base.Owner().Exec(t.Context(), `update sessions set seen_at = now() - $2::interval,
			idle_expires_at = now() + interval '1 minute' where token_hash = $1`, acme.Token[:], seen); err != nil {
			t.Fatal(err)
		}
	}
	touch := func() (s signin.Session) {
		err := d.api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) (err error) {
			if err := signin.Touch(t.Context(), tx, signin.Idle{CLI: 48 * time.Hour, Web: 48 * time.Hour}); err != nil {
				return err
			}
			s, err = signin.Current(t.Context(), tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	set("30 seconds")
	if s := touch(); s.IdleExpiresAt.Equal(s.ExpiresAt) {
		t.Error("written twice within a minute")
	}
	set("2 minutes")
	if s := touch(); !s.IdleExpiresAt.Equal(s.ExpiresAt) {
		t.Errorf("idles out at %s, and ends at %s", s.IdleExpiresAt, s.ExpiresAt)
	}
}

func TestMembersAreOnesOwn(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	acme := d.base.Account(t)
	viewer := d.base.Member(t, acme.ID, account.Viewer)
	d.base.Account(t)
	err := d.api.As(t.Context(), viewer.Proof, func(tx *postgres.Tx) error {
		members, err := accounts.Members(t.Context(), tx)
		want := []accounts.Member{{UserID: acme.User, Email: acme.Email, Role: account.Owner}, {UserID: viewer.User, Email: viewer.Email, Role: account.Viewer}}
		if diff := cmp.Diff(want, members); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Two who come first at the same moment: one of them is.
func TestOnlyOneIsFirst(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	d := door{base, base.Open(t, "imago_api"), base.Open(t, "imago_worker")}
	first := make(chan bool)
	for n := range 2 {
		attempt := d.begin(t, address(), "client")
		d.check(t, attempt.ID, "123456", "client")
		o := signin.Opening{AttemptID: attempt.ID, Client: hash("client"), Account: newID(t, base), Name: "Acme", Wrapped: []byte("k"),
			Token: hash(attempt.ID), Kind: "cli", Idle: time.Hour, Life: time.Hour}
		go func() {
			was := false
			err := d.api.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) (err error) {
				if was, err = signin.First(t.Context(), tx); err != nil || !was {
					return err
				}
				_, err = signin.OpenSession(t.Context(), tx, o)
				return err
			})
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
			first <- was
		}()
	}
	if one, two := <-first, <-first; one == two {
		t.Errorf("first: %v and %v", one, two)
	}
}

// Nobody locks themselves out of an account by wanting of others what they lack: the
// database says so, whatever the program does.
func TestWantingASecondFactorTakesOne(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	acme := d.base.Account(t)
	err := d.api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		_, err := rows.Exec(t.Context(), tx, `update accounts set require_second_factor = true`)
		return err
	})
	if !problem.Is(err, problem.Denied) {
		t.Errorf("got %v; want denied", err)
	}
}
