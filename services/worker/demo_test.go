package worker_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"imago/pkg/account"
	"imago/pkg/demo"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/services/worker"
)

// stage is a world whose operator has a simulator of demo orgs, and an account in it whose
// connection is a demo.
type stage struct {
	*worldtest.World
	sim *oktasimtest.Org
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{worldtest.New(t, worldtest.Options{}), oktasimtest.Start(t, oktasimtest.Options{})}
	return s
}

// config is a worker's that knows the simulator.
func (s *stage) config() worker.Config {
	return worker.Config{DemoOrgs: s.sim.URL, DemoControl: s.sim.Control}
}

func (s *stage) deps(t *testing.T) worker.Deps {
	d := deps(t, s.World)
	d.Providers = []provider.Provider{okta.New(okta.Options{Public: true, Demo: s.sim.URL})}
	return d
}

// create makes the rows and the job, as the api does.
func (s *stage) create(t *testing.T) (id account.ConnectionID) {
	t.Helper()
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		c, err := connections.CreateDemo(ctx, tx, connections.Connection{Provider: "okta", Name: "Acme Robotics (demo)", FollowSeconds: 2})
		if err != nil {
			return err
		}
		id, s.Connection = c.ID, c.ID
		if c.OrgURL != demo.URL(id) {
			t.Errorf("the org is at %s, want %s", c.OrgURL, demo.URL(id))
		}
		for _, p := range []account.Purpose{account.Read, account.Write} {
			if err := s.credential(ctx, tx, id, p); err != nil {
				return err
			}
		}
		return tx.Enqueue(ctx, job.MakeDemo{AccountID: string(tx.Account()), ConnectionID: string(id)})
	})
	return id
}

func (s *stage) credential(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p account.Purpose) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := jose.JSONWebKey{Key: key.Public(), KeyID: "k" + string(p), Algorithm: "RS256", Use: "sig"}.MarshalJSON()
	if err != nil {
		return err
	}
	box, err := s.Box.PublicKey().Seal(sealed.CredentialBox(tx.Account(), id, p), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		return err
	}
	scopes := oktasimtest.ReadScopes()
	if p == account.Write {
		scopes = oktasimtest.WriteScopes()
	}
	_, err = connections.AddCredential(ctx, tx, connections.Credential{ConnectionID: id, Purpose: p, KeyID: "k" + string(p), PublicJWK: public, Scopes: scopes}, box)
	return err
}

func (s *stage) row(t *testing.T, id account.ConnectionID) (c connections.Connection) {
	t.Helper()
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		c, err = connections.Get(ctx, tx, id)
		return err
	})
	return c
}

// told waits until the story is told, and gives the snapshots, oldest first.
func (s *stage) told(t *testing.T, id account.ConnectionID) (taken []snapshots.Snapshot) {
	t.Helper()
	worldtest.Until(t, "the demo is ready", func() bool { return s.row(t, id).Demo == connections.DemoReady })
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		taken, err = snapshots.Taken(ctx, tx, id, 10)
		return err
	})
	slices.Reverse(taken)
	return taken
}

// switchApp asks for the write app, as the api does.
func (s *stage) switchApp(t *testing.T, id account.ConnectionID, on bool) {
	t.Helper()
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		if err := connections.SwitchDemo(ctx, tx, id, on); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.SwitchDemo{AccountID: string(tx.Account()), ConnectionID: string(id)})
	})
}

// A demo org comes about by itself, with a story in its snapshots; the group that is
// deleted in it is restored to the receipt, through a window that its visitor opens and
// shuts; and it goes with all that it held.
func TestADemoFromItsBeginningToItsEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	work(t, s.World, s.config(), s.deps(t))
	id := s.create(t)
	taken := s.told(t, id)
	if len(taken) != 3 {
		t.Fatalf("%d snapshots", len(taken))
	}
	finance := s.finance(t, taken[0])
	if _, err := s.Open(t, taken[2]).Get(t.Context(), finance); !problem.Is(err, problem.NotFound) {
		t.Fatalf("the last snapshot still holds the group: %v", err)
	}
	plan := s.Plan(t, taken[1].ID, finance)
	s.Apply(t, plan)
	s.Restored(t, plan.ID, restores.Waiting)
	s.switchApp(t, id, true)
	receipt := s.Receipt(t, s.Restored(t, plan.ID, restores.Closing))
	if receipt.Failed+receipt.Skipped+len(receipt.Report.Differences) > 0 || receipt.Made < 10 {
		t.Errorf("receipt: %s", worldtest.JSON(t, receipt))
	}
	s.switchApp(t, id, false)
	s.Restored(t, plan.ID, restores.Closed)
	s.leave(t, id)
}

// finance is the group Finance of a snapshot.
func (s *stage) finance(t *testing.T, in snapshots.Snapshot) resource.Key {
	t.Helper()
	for r, err := range s.Open(t, in).Walk(t.Context(), "group") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(r.Body), `"name":"Finance"`) {
			return r.Key
		}
	}
	t.Fatal("the snapshot holds no group Finance")
	return resource.Key{}
}

// leave removes the demo, and looks for what is left of it.
func (s *stage) leave(t *testing.T, id account.ConnectionID) {
	t.Helper()
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := connections.Delete(ctx, tx, id); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.RemoveDemo{AccountID: string(tx.Account()), ConnectionID: string(id)})
	})
	worldtest.Until(t, "the org is gone", func() bool { return !strings.Contains(s.orgs(t), "demo-") })
	worldtest.Until(t, "the store is empty", func() bool { return s.objects(t, id) == 0 })
	var left int
	if err := s.Base.Owner().QueryRow(t.Context(), `select (select count(*) from restores where connection_id = $1)
		+ (select count(*) from snapshots where connection_id = $1) + (select count(*) from restore_steps)`, id).Scan(&left); err != nil || left > 0 {
		t.Errorf("%d rows are left: %v", left, err)
	}
}

func (s *stage) orgs(t *testing.T) string {
	t.Helper()
	return string(s.sim.Ask(http.MethodGet, "/control/v1/orgs", nil))
}

func (s *stage) objects(t *testing.T, id account.ConnectionID) (n int) {
	t.Helper()
	for _, err := range s.Store.List(t.Context(), "users/"+string(s.Account.ID)+"/connections/"+string(id)+"/") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// Wherever its worker is killed, the story goes on, and tells the same.
func TestADemoGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.create(t)
	before := ""
	for range 4 {
		stop := work(t, s.World, s.config(), s.deps(t))
		worldtest.Until(t, "the story goes on", func() bool { now := s.row(t, id).Demo; return now != before && now != connections.DemoFirst })
		before = s.row(t, id).Demo
		stop()
	}
	// The scene before was played, and nobody wrote it down.
	s.Exec(t, `update connections set demo = 'hire' where id = $1 and demo <> 'ready'`, id)
	work(t, s.World, s.config(), s.deps(t))
	if taken := s.told(t, id); len(taken) != 3 {
		t.Errorf("%d snapshots", len(taken))
	}
}

// A simulator that is away is told of, and waited for; one that has lost the org is not
// taken for an org of which all was deleted.
func TestADemoOrgThatIsAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.config()
	c.DemoControl = "http://127.0.0.1:1"
	stop := work(t, s.World, c, s.deps(t))
	id := s.create(t)
	worldtest.Until(t, "it is told", func() bool {
		row := s.row(t, id)
		return row.State == connections.Failed && row.Problem != nil && row.Problem.What == demo.Away().What
	})
	stop()
	work(t, s.World, s.config(), s.deps(t))
	taken := s.told(t, id)
	s.sim.Ask(http.MethodDelete, "/control/v1/orgs/"+strings.TrimSuffix(demo.Host(id), ".imago.invalid"), nil)
	r := s.Restored(t, s.RequestPlan(t, taken[1].ID, s.finance(t, taken[1])), restores.Failed)
	if r.Problem == nil || r.Problem.Kind != problem.Unavailable || !strings.Contains(r.Problem.What, demo.Away().What) {
		t.Errorf("a restore into an org that is not there: %s", worldtest.JSON(t, r.Problem))
	}
	if row := s.row(t, id); row.State != connections.Ready {
		t.Errorf("the connection is %s", row.State)
	}
}
