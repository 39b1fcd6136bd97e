package api

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
)

func (w *world) disconnect(p *person, id, key string) error {
	w.t.Helper()
	_, err := p.connections.DeleteConnection(w.t.Context(), keyed(&imagov1.DeleteConnectionRequest{ConnectionId: id}, key))
	return err
}

func TestAConnectionGoesWithAllThatHangsOnIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.connect(p, "https://acme.okta.com").GetId()
	stays := w.connect(p, "https://other.okta.com").GetId()
	for _, id := range []string{c, stays} {
		_, err := p.connections.SetSchedule(t.Context(), req(&imagov1.SetScheduleRequest{ConnectionId: id, Cron: "0 2 * * *", TimeZone: "UTC", Enabled: true}))
		if err != nil {
			t.Fatal(err)
		}
		w.exec(`insert into log_cursors (account_id, connection_id, cursor) values ($1, $2, 'c')`, p.account, id)
		w.exec(`insert into sightings (account_id, connection_id, resource, sealed, seen_at) values ($1, $2, 'r', 's', now())`, p.account, id)
		w.exec(`insert into change_days (account_id, connection_id, day, changes) values ($1, $2, now(), 1)`, p.account, id)
		w.say(p, &imagov1.SetFindingStateRequest{FindingId: w.finding(p, account.ConnectionID(id)), State: "acknowledged"})
	}
	for range 2 { // the second time it is the first one's answer
		if err := w.disconnect(p, c, "k"); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"credentials", "schedules", "log_cursors", "sightings", "findings", "snapshots", "change_days"} {
		if n := w.count(`select count(*) from `+table+` where connection_id = $1`, c); n != 0 {
			t.Errorf("%d %s are left of it", n, table)
		}
	}
	if n := w.count(`select count(*) from credentials where connection_id = $1`, stays); n != 2 {
		t.Errorf("%d credentials are left of the other one", n)
	}
	_, err := p.connections.GetConnection(t.Context(), req(&imagov1.GetConnectionRequest{ConnectionId: c}))
	problemOf(t, err, connect.CodeNotFound)
	if pr := problemOf(t, w.disconnect(p, c, "another key"), connect.CodeNotFound); pr.GetField() != "connection_id" || pr.GetHint() == "" {
		t.Errorf("once more: %v", pr)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'sweep_repository' and args ->> 'connection_id' = $1`, c); n != 0 {
		t.Error("a repository that nothing was written to is to be swept")
	}
	if diff := cmp.Diff("delete_connection", w.activityOf(p)[0]); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
	w.connect(p, "https://acme.okta.com") // its name and its org are free
}

func TestDisconnectingByREST(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.connect(p, "https://acme.okta.com").GetId()
	if status, body := w.rest(p, "DELETE", "/v1/connections/"+c, ""); status != 200 || len(body) != 0 {
		t.Errorf("%d %v", status, body)
	}
	if status, body := w.rest(p, "DELETE", "/v1/connections/"+c, ""); status != 404 || body["field"] != "connection_id" {
		t.Errorf("once more: %d %v", status, body)
	}
}

// Whoever has stolen a session must not be able to destroy backups with it.
func TestAConnectionWithSnapshotsStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	for _, c := range []struct {
		name, says string
		furnish    func(account.ConnectionID)
	}{
		{"one", "holds 1 snapshot", func(c account.ConnectionID) { w.take(p, c, acme) }},
		{"several", "holds 3 snapshots", func(c account.ConnectionID) {
			for range 3 {
				w.take(p, c, acme)
			}
			w.exec(`update connections set state = 'failed' where id = $1`, c)
		}},
		{"being taken", "is being taken", func(c account.ConnectionID) {
			if _, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: string(c)})); err != nil {
				t.Fatal(err)
			}
		}},
		{"being checked", "is being checked", func(c account.ConnectionID) {
			if _, err := p.connections.CheckConnection(t.Context(), req(&imagov1.CheckConnectionRequest{ConnectionId: string(c)})); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		id := w.db.Connection(t, p.account)
		c.furnish(id)
		before := w.everything(p)
		pr := problemOf(t, w.disconnect(p, string(id), c.name), connect.CodeFailedPrecondition)
		if pr.GetKind() != "conflict" || !strings.Contains(pr.GetWhat(), c.says) || pr.GetHint() == "" {
			t.Errorf("%s: %v; want a conflict that says %q, and a way out", c.name, pr, c.says)
		}
		if status, body := w.rest(p, "DELETE", "/v1/connections/"+string(id), ""); status != 409 || body["title"] != "Conflict" || !strings.Contains(body["detail"].(string), c.says) {
			t.Errorf("%s by REST: %d %v", c.name, status, body)
		}
		if after := w.everything(p); after != before {
			t.Errorf("%s: something changed: %s, was %s", c.name, after, before)
		}
	}
}

// A snapshot that failed holds nothing; what it may have left in the store is swept when
// that is surely rubbish.
func TestAFailedSnapshotHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	w.exec(`insert into snapshots (account_id, connection_id, trigger, state, started_at, ended_at) values ($1, $2, 'manual', 'failed', now(), now())`, p.account, c)
	if err := w.disconnect(p, string(c), "k"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`select count(*) from snapshots where connection_id = $1`, c); n != 0 {
		t.Errorf("%d snapshots are left", n)
	}
	n := w.count(`select count(*) from river.river_job where kind = 'sweep_repository' and queue = 'backup' and state = 'scheduled'
		and args = jsonb_build_object('account_id', $1::text, 'connection_id', $2::text) and scheduled_at > now() + interval '1 day'`, p.account, c)
	if n != 1 {
		t.Errorf("%d sweeps are to be made a day from now, want 1", n)
	}
}
