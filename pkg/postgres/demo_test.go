package postgres_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/demo"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/problem"
)

// demoOf makes the account's demo, with two service apps.
func (s surgery) demoOf(t *testing.T) (c connections.Connection) {
	t.Helper()
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) (err error) {
		if c, err = connections.CreateDemo(t.Context(), tx, connections.Connection{Provider: "okta", Name: "Demo (demo)", FollowSeconds: 10}); err != nil {
			return err
		}
		for _, p := range []account.Purpose{account.Read, account.Write} {
			if _, err = connections.AddCredential(t.Context(), tx, connections.Credential{ConnectionID: c.ID, Purpose: p, KeyID: "k", PublicJWK: []byte(`{}`)}, []byte("sealed")); err != nil {
				return err
			}
		}
		return nil
	})
	return c
}

func TestADemoIsOneAndDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	c := s.demoOf(t)
	if c.OrgURL != demo.URL(c.ID) || c.Demo != connections.DemoFirst || !c.Connection().Org.Demo {
		t.Errorf("made %+v", c)
	}
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
		has, err := subscriptions.Use(t.Context(), tx)
		if err == nil && has.Connections != 1 {
			t.Errorf("%d connections count", has.Connections)
		}
		return err
	})
	err := s.api.As(t.Context(), s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := connections.CreateDemo(t.Context(), tx, connections.Connection{Provider: "okta", Name: "Another", FollowSeconds: 10})
		return err
	})
	if !problem.Is(err, problem.Conflict) {
		t.Errorf("a second one: %v", err)
	}
}

// No program makes a demo of somebody's org, nor somebody's org of a demo's address: with
// the first its snapshots could be deleted, with the second a customer could have Imago ask
// for another's demo.
func TestWhatIsADemoIsForTheDatabaseToSay(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	s.demoOf(t)
	check := job.CheckConnection{AccountID: string(s.acme.ID), ConnectionID: string(s.connection)}
	insert := func(url, demo string) string {
		return fmt.Sprintf(`insert into connections (account_id, provider, name, org_url, demo) values (current_account(), 'okta', 'x', '%s', '%s')`, url, demo)
	}
	session, work := presented{"session", "session", hex.EncodeToString(s.acme.Token[:])}, presented{"job", "job", fmt.Sprint(s.base.JobRow(t, check))}
	for name, try := range map[string]struct {
		role string
		as   presented
		sql  string
	}{
		"an org becomes a demo":          {"imago_worker", work, `update connections set demo = 'ready' where demo = ''`},
		"a demo becomes an org":          {"imago_worker", work, `update connections set demo = '' where demo <> ''`},
		"the api changes what is a demo": {"imago_api", session, `update connections set demo = 'ready'`},
		"an org is made as a demo":       {"imago_api", session, insert("https://acme.okta.com", "ready")},
		"a demo is made as an org":       {"imago_api", session, insert("http://demo-0123456789ab.imago.invalid", "")},
		"a demo elsewhere":               {"imago_api", session, insert("http://169.254.169.254/demo-0123456789ab.imago.invalid", "ready")},
		"a second demo":                  {"imago_api", session, insert("http://demo-0123456789ab.imago.invalid", "ready")},
		"an org with snapshots goes":     {"imago_api", session, `delete from connections where demo = ''`},
	} {
		conn, err := pgx.Connect(t.Context(), s.base.URL(try.role))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := as(t.Context(), conn, try.as, try.sql); err == nil {
			t.Errorf("%s: %d rows", name, n)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// The service apps of a demo are written, and the write app's public key is seen, by the
// job that makes it; no other org's are.
func TestOnlyADemosJobWritesItsApps(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	c := s.demoOf(t)
	for name, try := range map[string]struct {
		job  river.JobArgs
		may  bool
		sees int
	}{
		"its own job":     {job.MakeDemo{AccountID: string(s.acme.ID), ConnectionID: string(c.ID)}, true, 1},
		"an org's":        {job.MakeDemo{AccountID: string(s.acme.ID), ConnectionID: string(s.connection)}, false, 0},
		"another kind":    {job.CheckConnection{AccountID: string(s.acme.ID), ConnectionID: string(c.ID)}, false, 0},
		"another account": {job.MakeDemo{AccountID: string(newSurgery(t).acme.ID), ConnectionID: string(c.ID)}, false, 0},
	} {
		if seen := s.writable(t, try.job); len(seen) != try.sees {
			t.Errorf("%s: sees the write apps of %v", name, seen)
		}
		err := s.worker.As(t.Context(), s.base.Job(t, try.job), func(tx *postgres.Tx) error {
			return connections.SetDemoClient(t.Context(), tx, account.Write, "0oademo")
		})
		if (err == nil) != try.may {
			t.Errorf("%s: writes its apps: %v", name, err)
		}
	}
	s.wantJob(t, "a check of it", s.worker, job.MakeDemo{AccountID: string(s.acme.ID), ConnectionID: string(c.ID)}, job.CheckConnection{AccountID: string(s.acme.ID), ConnectionID: string(c.ID)}, true)
	s.wantJob(t, "a check of an org", s.worker, job.MakeDemo{AccountID: string(s.acme.ID), ConnectionID: string(c.ID)}, job.CheckConnection{AccountID: string(s.acme.ID), ConnectionID: string(s.connection)}, false)
	s.wantJob(t, "a check by an org's job", s.worker, job.MakeDemo{AccountID: string(s.acme.ID), ConnectionID: string(s.connection)}, job.CheckConnection{AccountID: string(s.acme.ID), ConnectionID: string(s.connection)}, false)
}
