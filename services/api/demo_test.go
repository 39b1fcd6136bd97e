package api

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/demo"
	imagov1 "imago/proto/imago/v1"
)

// demos is a world whose operator has a simulator.
func demos(t *testing.T) *world {
	t.Helper()
	return newWorld(t, Config{DemoOrgs: "http://127.0.0.1:1"})
}

func (w *world) demo(p *person) *imagov1.Connection {
	w.t.Helper()
	res, err := p.connections.CreateDemo(w.t.Context(), req(&imagov1.CreateDemoRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg.GetConnection()
}

func (w *world) offered(p *person) bool {
	w.t.Helper()
	res, err := p.connections.ListConnections(w.t.Context(), req(&imagov1.ListConnectionsRequest{}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg.GetDemoOffered()
}

func TestADemoIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := demos(t)
	p := w.owner()
	if !w.offered(p) {
		t.Error("no demo is offered")
	}
	c := w.demo(p)
	if c.GetDemo() != "preparing" || c.GetOrgUrl() != demo.URL(account.ConnectionID(c.GetId())) || !strings.Contains(c.GetName(), "demo") || len(c.GetCredentials()) != 2 {
		t.Errorf("made %v", c)
	}
	if w.offered(p) {
		t.Error("a second demo is offered")
	}
	_, err := p.connections.CreateDemo(t.Context(), req(&imagov1.CreateDemoRequest{}))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); pr.GetHint() == "" {
		t.Errorf("a second one: %v", pr)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'make_demo' and args ->> 'connection_id' = $1`, c.GetId()); n != 1 {
		t.Errorf("%d jobs make it", n)
	}
	if diff := cmp.Diff("create_demo", w.activityOf(p)[0]); diff != "" {
		t.Error(diff)
	}
	w.exec(`update connections set demo = 'ready' where id = $1`, c.GetId())
	got, err := p.connections.GetConnection(t.Context(), req(&imagov1.GetConnectionRequest{ConnectionId: c.GetId()}))
	if err != nil || got.Msg.GetConnection().GetDemo() != "ready" {
		t.Errorf("got %v, %v", got, err)
	}
}

// Where the operator has no simulator, nothing is offered, and nobody gets it.
func TestWithoutASimulatorThereIsNoDemo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	if w.offered(p) {
		t.Error("a demo is offered")
	}
	_, err := p.connections.CreateDemo(t.Context(), req(&imagov1.CreateDemoRequest{}))
	if pr := problemOf(t, err, connect.CodeUnavailable); pr.GetHint() == "" {
		t.Errorf("%v", pr)
	}
}

// The address of a demo, and the simulator's own, cannot be given by anybody.
func TestNobodyConnectsToTheSimulatorByItsAddress(t *testing.T) {
	t.Parallel()
	w := demos(t)
	p := w.owner()
	for _, url := range []string{"http://127.0.0.1:1", "http://demo-0123456789ab.imago.invalid", demo.URL(account.ConnectionID(w.demo(p).GetId()))} {
		_, err := p.connections.CreateConnection(t.Context(), req(&imagov1.CreateConnectionRequest{OrgUrl: url}))
		if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "org_url" {
			t.Errorf("%s: %v", url, pr)
		}
	}
}

// A demo says that it is one, whatever somebody calls it.
func TestADemoKeepsItsMark(t *testing.T) {
	t.Parallel()
	w := demos(t)
	p := w.owner()
	c := w.demo(p)
	rename := func(name string) error {
		_, err := p.connections.UpdateConnection(t.Context(), req(&imagov1.UpdateConnectionRequest{ConnectionId: c.GetId(), Name: name}))
		return err
	}
	if pr := problemOf(t, rename("Production"), connect.CodeInvalidArgument); pr.GetField() != "name" {
		t.Errorf("%v", pr)
	}
	if err := rename("Playground (demo)"); err != nil {
		t.Error(err)
	}
}

func TestOnlyADemosWriteAppIsSwitched(t *testing.T) {
	t.Parallel()
	w := demos(t)
	p := w.owner()
	c, real := w.demo(p), w.db.Connection(t, p.account)
	for range 2 { // what was asked a moment ago may be done by now, so it is asked again
		if _, err := p.connections.SwitchDemoApp(t.Context(), req(&imagov1.SwitchDemoAppRequest{ConnectionId: c.GetId(), Active: true})); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'switch_demo' and args @> jsonb_build_object('connection_id', $1::text)`, c.GetId()); n != 2 {
		t.Errorf("%d jobs switch it", n)
	}
	if diff := cmp.Diff("switch_demo_app", w.activityOf(p)[0]); diff != "" {
		t.Error(diff)
	}
	_, err := p.connections.SwitchDemoApp(t.Context(), req(&imagov1.SwitchDemoAppRequest{ConnectionId: string(real), Active: true}))
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "connection_id" {
		t.Errorf("an org's: %v", pr)
	}
}

// A demo goes with its snapshots, though one is being taken and it is being checked; what
// it has in the simulator and in the store is removed by a worker.
func TestADemoGoesWithItsSnapshots(t *testing.T) {
	t.Parallel()
	w := demos(t)
	p := w.owner()
	c := w.demo(p).GetId()
	w.exec(`update connections set state = 'ready' where id = $1`, c)
	w.exec(`update credentials set client_id = '0oa1' where connection_id = $1 and purpose = 'read'`, c)
	taken := w.take(p, account.ConnectionID(c), acme)
	if _, err := w.plan(p, taken, "group/00g1"); err != nil {
		t.Fatal(err)
	}
	w.say(p, &imagov1.SetFindingStateRequest{FindingId: w.finding(p, account.ConnectionID(c)), State: "acknowledged"})
	if _, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c})); err != nil {
		t.Fatal(err)
	}
	if err := w.disconnect(p, c, "k"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"snapshots", "restores", "findings", "credentials"} {
		if n := w.count(`select count(*) from `+table+` where connection_id = $1`, c); n != 0 {
			t.Errorf("%d %s are left of it", n, table)
		}
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'remove_demo' and args ->> 'connection_id' = $1`, c); n != 1 {
		t.Errorf("%d jobs remove it", n)
	}
	w.verifyChain(p)
	w.demo(p) // another one may come
}
