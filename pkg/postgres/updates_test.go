package postgres_test

import (
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/updates"
	"imago/pkg/problem"
)

// news is a product update and those who may get it.
type news struct {
	*testing.T
	base   *postgrestest.Database
	api    *postgres.DB
	worker *postgres.DB
	update updates.Update
}

func newNews(t *testing.T) *news {
	t.Helper()
	base := postgrestest.Fresh(t)
	return &news{t, base, base.Open(t, "imago_api"), base.Open(t, "imago_worker"), updates.Update{Subject: "Imago 1.2", Body: "New."}}
}

// chooses has somebody say whether they want product updates.
func (n *news) chooses(who postgrestest.Account, timing notify.Timing) {
	n.Helper()
	in(n.T, n.api, who.Proof, func(tx *postgres.Tx) error {
		return messages.Prefer(n.Context(), tx, messages.Preference{Topic: notify.Updates, Timing: timing})
	})
}

// joins makes somebody a member of another account, and signs them in there.
func (n *news) joins(who postgrestest.Account, other account.ID) postgrestest.Account {
	n.Helper()
	m := n.base.Member(n.T, other, account.Viewer)
	for _, sql := range []string{`update sessions set user_id = $1 where user_id = $2`, `update members set user_id = $1 where user_id = $2`} {
		if _, err := n.base.Owner().Exec(n.Context(), sql, who.User, m.User); err != nil {
			n.Fatal(err)
		}
	}
	m.User, m.Email = who.User, who.Email
	return m
}

// announce has the update sent, and counts who is to get it.
func (n *news) announce() int {
	n.Helper()
	count, err := updates.Announce(n.Context(), n.base.OwnerURL(), n.update)
	if err != nil {
		n.Fatal(err)
	}
	return count
}

// tick does what the worker's tick and the jobs that it starts do, and gives the accounts.
func (n *news) tick() (queued map[account.ID]int) {
	n.Helper()
	var due []updates.Due
	in(n.T, n.worker, n.base.Job(n.T, job.RunSchedules{}), func(tx *postgres.Tx) (err error) {
		due, err = updates.ListDue(n.Context(), tx, 100)
		return err
	})
	queued = map[account.ID]int{}
	for _, d := range due {
		in(n.T, n.worker, n.base.Job(n.T, job.SendUpdate(d)), func(tx *postgres.Tx) error {
			k, err := updates.Queue(n.Context(), tx, d.UpdateID)
			if k > 0 {
				queued[account.ID(d.AccountID)] += k
			}
			return err
		})
	}
	return queued
}

// Who asked for product updates gets each once: one mail in several accounts, none again
// when it is sent again, none where mail bounced, whatever another account of theirs says.
func TestProductUpdateIsOnceForWhoAsked(t *testing.T) {
	t.Parallel()
	n := newNews(t)
	one, two := n.base.Account(t), n.base.Account(t)
	n.chooses(one, notify.Now)
	n.chooses(n.joins(one, two.ID), notify.Now)
	n.chooses(two, notify.Never)
	bounced := n.base.Member(t, one.ID, account.Admin)
	n.chooses(bounced, notify.Now)
	n.chooses(n.joins(bounced, two.ID), notify.Now)
	n.base.Member(t, one.ID, account.Admin) // who never chose
	if _, err := n.base.Owner().Exec(t.Context(), `update mail_preferences set stopped = 'bounce', stopped_at = now()
		where user_id = $1 and account_id = $2`, bounced.User, two.ID); err != nil {
		t.Fatal(err)
	}
	if count, err := updates.Count(t.Context(), n.base.OwnerURL(), n.update); count != 1 || err != nil {
		t.Errorf("counted %d (%v)", count, err)
	}
	if got := n.tick(); len(got) != 0 {
		t.Errorf("nothing was announced, and is queued: %v", got)
	}
	if got := n.announce(); got != 1 {
		t.Errorf("announced to %d", got)
	}
	if got := n.tick(); len(got) != 1 || got[one.ID] != 1 {
		t.Errorf("queued %v", got)
	}
	if got := n.announce(); got != 0 {
		t.Errorf("announced again, to %d", got)
	}
	if got := n.tick(); len(got) != 0 {
		t.Errorf("queued again: %v", got)
	}
	late := n.base.Member(t, two.ID, account.Viewer)
	n.chooses(late, notify.Now)
	if got := n.tick(); len(got) != 0 {
		t.Errorf("who asked afterwards gets what was done with: %v", got)
	}
	if got := n.announce(); got != 1 {
		t.Errorf("announced once more, to %d", got)
	}
	if got := n.tick(); got[two.ID] != 1 {
		t.Errorf("queued once more: %v", got)
	}
}

// The link in a product update ends them in every account, and a message that was queued
// before is not wanted any more.
func TestProductUpdatesEndEverywhere(t *testing.T) {
	t.Parallel()
	n := newNews(t)
	one, two := n.base.Account(t), n.base.Account(t)
	n.chooses(one, notify.Now)
	n.chooses(n.joins(one, two.ID), notify.Now)
	n.announce()
	n.tick()
	token := hash("token")
	var id string
	if err := n.base.Owner().QueryRow(t.Context(), `select id from messages where kind = 'product_update'`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	wanted := func() (ok bool) {
		in(t, n.worker, n.base.Job(t, job.SendMessage{AccountID: string(one.ID), MessageID: id}), func(tx *postgres.Tx) (err error) {
			if err := messages.SetUnsubscribe(t.Context(), tx, id, token); err != nil {
				return err
			}
			ok, err = updates.Wanted(t.Context(), tx, id)
			return err
		})
		return ok
	}
	if !wanted() {
		t.Error("it is not wanted")
	}
	for _, want := range []bool{true, false} {
		in(t, n.api, postgres.Nobody, func(tx *postgres.Tx) error {
			ended, err := messages.End(t.Context(), tx, token)
			if ended != want {
				t.Errorf("ended: %t, want %t", ended, want)
			}
			return err
		})
	}
	if wanted() {
		t.Error("it is still wanted")
	}
	var accounts, jobs int
	if err := n.base.Owner().QueryRow(t.Context(), `select (select count(distinct account_id) from mail_events where kind = 'unsubscribe'),
		(select count(distinct args ->> 'account_id') from river.river_job where kind = 'report_stopped')`).Scan(&accounts, &jobs); err != nil {
		t.Fatal(err)
	}
	if accounts != 2 || jobs != 2 {
		t.Errorf("ended in %d accounts, told in %d", accounts, jobs)
	}
	n.update.Subject = "Imago 1.3"
	if got := n.announce(); got != 0 {
		t.Errorf("the next one goes to %d", got)
	}
}

// Only the owner announces, and jobs come of nothing but a tick that has somebody to tell.
func TestProductUpdatesAreTheOperators(t *testing.T) {
	t.Parallel()
	n := newNews(t)
	one, other := n.base.Account(t), n.base.Account(t)
	n.chooses(one, notify.Now)
	n.announce()
	for _, role := range programs {
		if _, err := updates.Announce(t.Context(), n.base.URL(role), n.update); !problem.Is(err, problem.Denied) {
			t.Errorf("%s announces: %v", role, err)
		}
		if _, err := updates.Count(t.Context(), n.base.URL(role), n.update); !problem.Is(err, problem.Denied) {
			t.Errorf("%s counts: %v", role, err)
		}
	}
	var id string
	if err := n.base.Owner().QueryRow(t.Context(), `select id from product_updates`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]struct {
		proof postgres.Proof
		args  job.SendUpdate
		ok    bool
	}{
		"somebody who asked": {n.base.Job(t, job.RunSchedules{}), job.SendUpdate{AccountID: string(one.ID), UpdateID: id}, true},
		"nobody who asked":   {n.base.Job(t, job.RunSchedules{}), job.SendUpdate{AccountID: string(other.ID), UpdateID: id}, false},
		"no such update":     {n.base.Job(t, job.RunSchedules{}), job.SendUpdate{AccountID: string(one.ID), UpdateID: string(one.ID)}, false},
		"no tick":            {n.base.Job(t, job.SendDigest{AccountID: string(other.ID)}), job.SendUpdate{AccountID: string(one.ID), UpdateID: id}, false},
	} {
		err := n.worker.As(t.Context(), a.proof, func(tx *postgres.Tx) error { return tx.Enqueue(t.Context(), a.args) })
		if a.ok != (err == nil) || !a.ok && !problem.Is(err, problem.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in(t, n.worker, n.base.Job(t, job.SendUpdate{AccountID: string(other.ID), UpdateID: id}), func(tx *postgres.Tx) error {
		k, err := updates.Queue(t.Context(), tx, id)
		if k != 0 {
			t.Errorf("another account's job queues %d", k)
		}
		return err
	})
	for _, u := range []updates.Update{{Body: "x"}, {Subject: "x"}, {Subject: strings.Repeat("x", 121), Body: "x"}, {Subject: "x", Body: strings.Repeat("x", 20_001)}} {
		if _, err := updates.Announce(t.Context(), n.base.OwnerURL(), u); !problem.Is(err, problem.Invalid) {
			t.Errorf("a subject of %d, a body of %d: %v", len(u.Subject), len(u.Body), err)
		}
	}
}
