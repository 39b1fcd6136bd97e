package api

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"imago/pkg/account"
	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
	imagov1 "imago/proto/imago/v1"
)

// plans asks for a restore of some keys.
func (w *world) plan(p *person, snapshot string, keys ...string) (*imagov1.Restore, error) {
	res, err := p.restores.PlanRestore(w.t.Context(), req(&imagov1.PlanRestoreRequest{SnapshotId: snapshot, Selection: &imagov1.Selection{Keys: keys}}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetRestore(), nil
}

// asWorker runs what the worker does for a restore, under a lease.
func (w *world) asWorker(p *person, id string, fn func(tx *postgres.Tx, row restores.Restore, l restores.Lease) error) {
	w.t.Helper()
	proof := w.db.Job(w.t, job.ApplyRestore{AccountID: string(p.account), RestoreID: id})
	err := w.worker.As(w.t.Context(), proof, func(tx *postgres.Tx) error {
		row, lease, err := restores.Begin(w.t.Context(), tx, id)
		if err != nil {
			return err
		}
		return fn(tx, row, lease)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// planned stores a plan, as the worker does; it answers the plan's digest.
func (w *world) planned(p *person, id string) string {
	w.t.Helper()
	plan := restore.Plan{Format: 1, Org: "https://acme.okta.com", Warnings: []string{"mail is sent"}, Steps: []restore.Step{
		{N: 1, Op: provider.Create, Key: resource.Key{Type: "group", ID: "00g1"}, Title: "Group", Label: "Finance", Why: "it was selected"},
		{N: 2, Op: provider.Create, Key: resource.Key{Type: "group_membership", Parent: "00g1", ID: "00u1"}, Title: "Group membership", Label: "ann@acme.test", Parent: "Finance", Why: "it belongs to it", After: []int{1}},
	}}
	encoded, err := plan.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	digest, err := plan.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	w.asWorker(p, id, func(tx *postgres.Tx, row restores.Restore, l restores.Lease) error {
		var s restore.Selection
		if err := sealed.Selection(id).Open(p.ring, row.SelectionSealed, &s); err != nil || len(s.Keys) != 1 || !s.WithDependents {
			w.t.Errorf("the worker reads the selection %v, %v", s, err)
		}
		b, err := sealed.Plan(id).SealBytes(p.ring, encoded)
		if err != nil {
			return err
		}
		return restores.SetPlan(w.t.Context(), tx, l, b, digest)
	})
	return digest
}

func TestARestoreGoesItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	r, err := w.plan(p, w.take(p, c, acme), "group:finance")
	if err != nil {
		t.Fatal(err)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'plan_restore' and args ->> 'restore_id' = $1`, r.GetId()); r.GetState() != "planning" || n != 1 {
		t.Fatalf("the restore is %v with %d jobs", r, n)
	}
	id := r.GetId()
	digest := w.planned(p, id)

	approve := func(digest string) (*connect.Response[imagov1.ApproveRestoreResponse], error) {
		return p.restores.ApproveRestore(t.Context(), req(&imagov1.ApproveRestoreRequest{RestoreId: id, Digest: digest}))
	}
	_, err = p.restores.ApplyRestore(t.Context(), req(&imagov1.ApplyRestoreRequest{RestoreId: id}))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), "not approved") {
		t.Errorf("applying what nobody approved: %v", pr)
	}
	_, err = approve("sha256:" + strings.Repeat("0", 64))
	if pr := problemOf(t, err, connect.CodeFailedPrecondition); pr.GetField() != "digest" || !strings.Contains(pr.GetWhat(), digest) {
		t.Errorf("approving another plan: %v", pr)
	}
	approved, err := approve(digest)
	if err != nil {
		t.Fatal(err)
	}
	a := approved.Msg.GetRestore()
	if a.GetState() != "approved" || a.GetApprovedBy() != p.email || a.GetPlanDigest() != digest || len(a.GetPlan().GetSteps()) != 2 || a.GetPlan().GetSteps()[0].GetState() != "pending" {
		t.Errorf("approved: %v", a)
	}
	_, err = approve(digest)
	if pr := problemOf(t, err, connect.CodeFailedPrecondition); !strings.Contains(pr.GetWhat(), "approved") {
		t.Errorf("approving twice: %v", pr)
	}
	if _, err := p.restores.ApplyRestore(t.Context(), req(&imagov1.ApplyRestoreRequest{RestoreId: id})); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'apply_restore' and args ->> 'restore_id' = $1 and state = 'available'`, id); n != 1 {
		t.Errorf("%d jobs to apply it, want 1", n)
	}
	w.carriedOut(p, id)
	got, err := p.restores.GetRestore(t.Context(), req(&imagov1.GetRestoreRequest{RestoreId: id}))
	if err != nil {
		t.Fatal(err)
	}
	g := got.Msg.GetRestore()
	if g.GetStepsDone() != 1 || g.GetPlan().GetSteps()[0].GetNewId() != "00g9" || g.GetPlan().GetSteps()[1].GetState() != "begun" || g.GetWindowOpenedAt() == nil {
		t.Errorf("half way: %v", g)
	}
	_, err = p.restores.CancelRestore(t.Context(), req(&imagov1.CancelRestoreRequest{RestoreId: id}))
	if pr := problemOf(t, err, connect.CodeFailedPrecondition); !strings.Contains(pr.GetWhat(), "cannot be cancelled") {
		t.Errorf("cancelling what is being written: %v", pr)
	}
	if diff := cmp.Diff([]string{"open_restore", "apply_restore", "approve_restore", "plan_restore", "open_snapshot"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)

	// The IDs that the restore gave are taken for the ones that they replace.
	after := w.take(p, c, []thing{group("00g9", "Finance"), user("00u1", "ann@acme.test"), membership("00g9", "00u1")})
	before := w.take(p, c, []thing{group("00g1", "Finance"), user("00u1", "ann@acme.test"), membership("00g1", "00u1")})
	same := w.compared(p, &imagov1.CompareRequest{BeforeSnapshotId: before, AfterSnapshotId: after, RestoreId: id})
	if diff := cmp.Diff([]string{"+0 ~0 -0 ?0 of 3"}, same); diff != "" {
		t.Errorf("through the restore's IDs: %s", diff)
	}
	if apart := w.compared(p, &imagov1.CompareRequest{BeforeSnapshotId: before, AfterSnapshotId: after}); len(apart) != 5 {
		t.Errorf("without them: %v; want what differs", apart)
	}
}

// carriedOut makes the first step, and begins the second.
func (w *world) carriedOut(p *person, id string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.asWorker(p, id, func(tx *postgres.Tx, _ restores.Restore, l restores.Lease) error {
		if err := restores.Move(ctx, tx, l, restores.Applying); err != nil {
			return err
		}
		if err := restores.BeginStep(ctx, tx, l, 1, provider.Create, "group"); err != nil {
			return err
		}
		b, err := sealed.Step(id, 1).Seal(p.ring, restore.Entry{N: 1, State: restore.Done, Key: resource.Key{Type: "group", ID: "00g9"}})
		if err != nil {
			return err
		}
		if err := restores.EndStep(ctx, tx, l, 1, restores.StepDone, b); err != nil {
			return err
		}
		return restores.BeginStep(ctx, tx, l, 2, provider.Create, "group_membership")
	})
}

// A window is closed on the word of somebody who names the write app; the activity log has
// who it was.
func TestAWindowIsClosedOnOnesWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	r, err := w.plan(p, w.take(p, c, acme), "group:finance")
	if err != nil {
		t.Fatal(err)
	}
	id := r.GetId()
	if _, err := p.restores.ApproveRestore(t.Context(), req(&imagov1.ApproveRestoreRequest{RestoreId: id, Digest: w.planned(p, id)})); err != nil {
		t.Fatal(err)
	}
	w.carriedOut(p, id)
	closeIt := func(client string) (*connect.Response[imagov1.CloseRestoreResponse], error) {
		return p.restores.CloseRestore(t.Context(), req(&imagov1.CloseRestoreRequest{RestoreId: id, ClientId: client}))
	}
	_, err = closeIt("")
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "client_id" {
		t.Errorf("without the app: %v", pr)
	}
	_, err = closeIt("0oawrite")
	if pr := problemOf(t, err, connect.CodeFailedPrecondition); !strings.Contains(pr.GetWhat(), "is applying") {
		t.Errorf("while it writes: %v", pr)
	}
	why := problem.New(problem.Unavailable, "it was given up")
	w.asWorker(p, id, func(tx *postgres.Tx, _ restores.Restore, l restores.Lease) error {
		if err := restores.Move(t.Context(), tx, l, restores.Closing); err != nil {
			return err
		}
		return restores.SetProblem(t.Context(), tx, l, why)
	})
	w.exec(`update restores set seen_open_at = now() - interval '2 hours' where id = $1`, id)
	w.exec(`update credentials set client_id = '0oawrite' where connection_id = $1 and purpose = 'write'`, c)
	_, err = closeIt("0oaother")
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "client_id" || !strings.Contains(pr.GetHint(), "nothing was closed") {
		t.Errorf("another app: %v", pr)
	}
	closed, err := closeIt("0oawrite")
	if err != nil {
		t.Fatal(err)
	}
	got := closed.Msg.GetRestore()
	if got.GetState() != "stopped" || got.GetClosedBy() != p.email || got.GetWindowClosedAt() == nil || got.GetProblem().GetWhat() != why.What {
		t.Errorf("closed: %v", got)
	}
	if actions := w.activityOf(p); actions[0] != "close_window" {
		t.Errorf("activity: %v", actions)
	}
	w.verifyChain(p)
}

// TestASelectionThatAnOlderSnapshotHolds: what was deleted is missing from what was taken
// since; the error names the last snapshot that holds all of it.
func TestASelectionThatAnOlderSnapshotHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	w.take(p, w.db.Connection(t, p.account), acme) // another org's is none
	w.take(p, c, acme)
	last := w.take(p, c, acme)
	w.take(p, c, acme[1:2]) // has Sales only
	newest := w.take(p, c, acme[2:3])
	for _, keys := range [][]string{{"group:finance"}, {"group/00g1"}, {"group:Sales", "group/00g1"}} {
		_, err := w.plan(p, newest, keys...)
		if pr := problemOf(t, err, connect.CodeNotFound); pr.GetField() != "selection.keys" || !strings.Contains(pr.GetHint(), "snapshot "+last+", taken ") {
			t.Errorf("%v: %v; want a hint at %s", keys, pr, last)
		}
	}
	_, err := w.plan(p, newest, "group:Nowhere")
	if pr := problemOf(t, err, connect.CodeNotFound); strings.Contains(pr.GetHint(), "the last that holds") {
		t.Errorf("what no snapshot holds: %v", pr)
	}
	if n := w.count(`select count(*) from restores where account_id = $1`, p.account); n != 0 {
		t.Errorf("%d restores were begun", n)
	}
	for _, action := range w.activityOf(p) { // each look into a snapshot is written down
		if action != "open_snapshot" {
			t.Errorf("the log says %s", action)
		}
	}
}

func TestASelectionNamesWhatIsInTheSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	snap := w.take(p, w.db.Connection(t, p.account), append([]thing{group("00g7", "Twice"), group("00g8", "twice")}, acme...))
	for name, c := range map[string]struct {
		key, what string
		code      connect.Code
	}{
		"no such label":     {"group:Nowhere", "no Group called", connect.CodeNotFound},
		"an ambiguous one":  {"group:Twice", "2 of that type", connect.CodeInvalidArgument},
		"no such key":       {"group/00gX", "", connect.CodeNotFound},
		"no such type":      {"robot/1", "no type", connect.CodeInvalidArgument},
		"neither of both":   {"finance", "not a key", connect.CodeInvalidArgument},
		"an unknown prefix": {"robot:Finance", "no type \"robot\"", connect.CodeInvalidArgument},
	} {
		_, err := w.plan(p, snap, c.key)
		if pr := problemOf(t, err, c.code); pr.GetField() != "selection.keys" || !strings.Contains(pr.GetWhat(), c.what) || pr.GetHint() == "" {
			t.Errorf("%s: %v", name, pr)
		}
	}
	_, err := w.plan(p, snap)
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "selection.keys" {
		t.Errorf("nothing selected: %v", pr)
	}
	if n := w.count(`select count(*) from restores where account_id = $1`, p.account); n != 0 {
		t.Errorf("%d restores were begun", n)
	}
}

func TestWatchRestoreRestsWhereAPersonIsNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	r, err := w.plan(p, w.take(p, w.db.Connection(t, p.account), acme), "group/00g1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.restores.WatchRestore(patient(t), req(&imagov1.WatchRestoreRequest{RestoreId: r.GetId()}))
	if err != nil || !s.Receive() || s.Msg().GetRestore().GetState() != "planning" {
		t.Fatalf("got %v, %v", s.Msg(), err)
	}
	digest := w.planned(p, r.GetId())
	if !s.Receive() || s.Msg().GetRestore().GetPlanDigest() != digest {
		t.Errorf("got %v, %v; want the plan", s.Msg(), s.Err())
	}
	if s.Receive() || s.Err() != nil {
		t.Errorf("the stream goes on while a person is waited for: %v", s.Err())
	}
}

func TestARestoreWithoutAWriteAppIsNotApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	w.exec(`update credentials set client_id = '' where connection_id = $1 and purpose = 'write'`, c)
	r, err := w.plan(p, w.take(p, c, acme), "group/00g1")
	if err != nil {
		t.Fatal(err)
	}
	digest := w.planned(p, r.GetId())
	if _, err := p.restores.ApproveRestore(t.Context(), req(&imagov1.ApproveRestoreRequest{RestoreId: r.GetId(), Digest: digest})); err != nil {
		t.Fatal(err)
	}
	_, err = p.restores.ApplyRestore(t.Context(), req(&imagov1.ApplyRestoreRequest{RestoreId: r.GetId()}))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), "no write credential") || pr.GetHint() == "" {
		t.Errorf("got %v", pr)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'apply_restore' and args ->> 'restore_id' = $1 and state = 'available'`, r.GetId()); n != 0 {
		t.Error("a job was enqueued all the same")
	}
	if _, err := p.restores.CancelRestore(t.Context(), req(&imagov1.CancelRestoreRequest{RestoreId: r.GetId()})); err != nil {
		t.Error(err)
	}
}

// finding stores a finding, as the drift monitor does.
func (w *world) finding(p *person, c account.ConnectionID) string {
	w.t.Helper()
	f := drift.Finding{Rule: "deleted_group", Severity: drift.High, Title: "Group deleted", Snapshot: nobodys, Sentence: "Eve deleted Finance from 203.0.113.9.", Observation: drift.Observation{
		Change: diff.Change{Key: resource.Key{Type: "group", ID: "00g1"}, Op: diff.Delete}, Label: "Finance",
		Attribution: drift.Attribution{Event: &provider.Event{ID: "e1", Name: "group.lifecycle.delete", Actor: provider.Actor{ID: "00u9", Login: "eve@acme.test"}, Client: provider.Client{IP: "203.0.113.9"}, Time: time.Now()}},
	}}
	b, err := sealed.Finding(c, "dedup").Seal(p.ring, f)
	if err != nil {
		w.t.Fatal(err)
	}
	var id string
	w.row([]any{&id}, `insert into findings (account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time)
		values ($1, $2, 'deleted_group', 'high', 'dedup', 'group', $3, now()) returning id`, p.account, c, b)
	return id
}

func TestFindingsShowTheDirectoryOnlyToThoseWhoMayOpenIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	id := w.finding(p, c)
	got, err := p.drift.GetFinding(t.Context(), req(&imagov1.GetFindingRequest{FindingId: id}))
	if err != nil {
		t.Fatal(err)
	}
	f := got.Msg.GetFinding()
	if f.GetAttribution().GetActor() != "eve@acme.test" || !f.GetAttribution().GetCertain() || f.GetChange().GetLabel() != "Finance" || f.GetChange().GetTypeTitle() != "Group" || f.GetSnapshotId() != nobodys {
		t.Errorf("the finding is %v", f)
	}
	list, err := p.drift.ListFindings(t.Context(), req(&imagov1.ListFindingsRequest{ConnectionId: string(c)}))
	if err != nil || len(list.Msg.GetFindings()) != 1 || !proto.Equal(list.Msg.GetFindings()[0], f) {
		t.Errorf("the list: %v, %v; want the finding as it is by itself", list, err)
	}
	viewer := w.member(p, account.Viewer)
	list, err = viewer.drift.ListFindings(t.Context(), req(&imagov1.ListFindingsRequest{ConnectionId: string(c)}))
	if err != nil || len(list.Msg.GetFindings()) != 1 {
		t.Fatalf("a viewer's list: %v, %v", list, err)
	}
	if text := list.Msg.String(); strings.Contains(text, "Finance") || strings.Contains(text, "eve@") || strings.Contains(text, "203.0.113.9") || !strings.Contains(text, "deleted_group") {
		t.Errorf("a viewer sees %s", text)
	}
}

// TestWatchRestoreTellsThePlanOnce: what a step costs to tell does not grow with the plan.
func TestWatchRestoreTellsThePlanOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	id := w.approved(p, w.db.Connection(t, p.account))
	w.exec(`update restores set apply_requested_at = now() where id = $1`, id)
	s, err := p.restores.WatchRestore(patient(t), req(&imagov1.WatchRestoreRequest{RestoreId: id}))
	if err != nil || !s.Receive() || len(s.Msg().GetRestore().GetPlan().GetSteps()) != 2 || len(s.Msg().GetProgress()) != 0 {
		t.Fatalf("at first: %v, %v; want the plan", s.Msg(), err)
	}
	w.carriedOut(p, id)
	if !s.Receive() {
		t.Fatal(s.Err())
	}
	m := s.Msg()
	want := []*imagov1.StepProgress{{N: 1, State: "done", NewId: "00g9"}, {N: 2, State: "begun"}}
	if diff := cmp.Diff(want, m.GetProgress(), protocmp.Transform()); diff != "" || m.GetRestore().GetPlan() != nil || m.GetRestore().GetStepsDone() != 1 {
		t.Errorf("then: %v; want what has changed (-want +got): %s", m, diff)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := w.count(`select count(*) from activity_logs where account_id = $1 and action = 'open_restore'`, p.account); n != 1 {
		t.Errorf("%d looks stand in the activity log, want 1", n)
	}
}

// TestAStreamEndsWithWhatLetItIn: a member who loses the role, or signs out, sees no more.
func TestAStreamEndsWithWhatLetItIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	c := w.db.Connection(t, owner.account)
	id := w.approved(owner, c)
	for name, c := range map[string]struct {
		sql   string
		codes []connect.Code
	}{
		"the role": {`update members set role = 'viewer' where user_id = $1`, []connect.Code{connect.CodePermissionDenied}},
		// Between two statements of one look, the account's rows are nobody's any more.
		"the session": {`update sessions set revoked_at = now() where user_id = $1`, []connect.Code{connect.CodeUnauthenticated, connect.CodeNotFound}},
	} {
		p := w.member(owner, account.Operator)
		s, err := p.restores.WatchRestore(patient(t), req(&imagov1.WatchRestoreRequest{RestoreId: id}))
		if err != nil || !s.Receive() {
			t.Fatal(err, s.Err())
		}
		w.exec(c.sql, p.user)
		for s.Receive() {
		}
		if !slices.Contains(c.codes, connect.CodeOf(s.Err())) {
			t.Errorf("without %s: %v, want %v", name, s.Err(), c.codes)
		}
	}
	if text := w.metric("imago_api_requests_total"); !strings.Contains(text, `code="permission_denied" rpc="/imago.v1.RestoreService/WatchRestore" 1`) {
		t.Errorf("failed streams are counted as\n%s", text)
	}
}

func TestASessionHasSoManyStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	id := w.approved(p, w.db.Connection(t, p.account))
	ctx := patient(t)
	watch := func(p *person) *connect.ServerStreamForClient[imagov1.WatchRestoreResponse] {
		t.Helper()
		s, err := p.restores.WatchRestore(ctx, req(&imagov1.WatchRestoreRequest{RestoreId: id}))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for range maxStreams {
		if s := watch(p); !s.Receive() {
			t.Fatal(s.Err())
		}
	}
	over := watch(p)
	if over.Receive() {
		t.Error("one more is served")
	}
	if pr := problemOf(t, over.Err(), connect.CodeResourceExhausted); pr.GetHint() == "" {
		t.Errorf("got %v", pr)
	}
	if s := watch(w.session(p)); !s.Receive() {
		t.Errorf("another session: %v", s.Err())
	}
	w.exec(`update restores set state = 'cancelled', ended_at = now() where id = $1`, id) // ends them all
	for deadline := time.Now().Add(time.Minute); ; {
		if s := watch(p); s.Receive() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the places of streams that ended are not free")
		}
	}
}

// TestPlanningIsAnsweredOnce: the snapshots that were taken meanwhile change nothing.
func TestPlanningIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	w.take(p, c, acme)
	plan := func() (*connect.Response[imagov1.PlanRestoreResponse], error) {
		return p.restores.PlanRestore(t.Context(), keyed(&imagov1.PlanRestoreRequest{SnapshotId: "latest", ConnectionId: string(c), Selection: &imagov1.Selection{Keys: []string{"group:finance"}}}, "k"))
	}
	first, err := plan()
	if err != nil {
		t.Fatal(err)
	}
	w.take(p, c, acme[1:2]) // without it
	again, err := plan()
	if err != nil || !proto.Equal(first.Msg, again.Msg) {
		t.Errorf("again: %v, %v; want the first answer", again, err)
	}
	if diff := cmp.Diff([]string{"plan_restore", "open_snapshot"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
}

// TestManyNamesTakeOneWalk counts how often a type is read to find what people named.
func TestManyNamesTakeOneWalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	var org []thing
	var keys []string
	for i := range 300 {
		org = append(org, thing{fmt.Sprintf("user/00u%03d", i), fmt.Sprintf(`{"id":"00u%03d","profile":{"login":"u%d@acme.test","displayName":"User %d"}}`, i, i, i)})
		keys = append(keys, []string{fmt.Sprintf("user:U%d@acme.test", i), fmt.Sprintf("user:user %d", i)}[i%2])
	}
	row, err := w.api.find(w.as(p), w.take(p, w.db.Connection(t, p.account), org), "")
	if err != nil {
		t.Fatal(err)
	}
	snap, err := w.api.open(w.as(p), p.ring, row, opening{action: "open_snapshot"})
	if err != nil {
		t.Fatal(err)
	}
	counting := &counted{opened: snap}
	found, err := newNames(w.api.Provider.Catalog(), counting).resolve(t.Context(), "selection.keys", keys)
	if err != nil || counting.walks != 1 {
		t.Errorf("%d walks, %v", counting.walks, err)
	}
	for i, k := range found {
		if want := fmt.Sprintf("00u%03d", i); k.ID != want {
			t.Errorf("%s is %s, want %s", keys[i], k.ID, want)
		}
	}
}

// counted counts how often a snapshot's types are read through.
type counted struct {
	opened
	walks int
}

func (c *counted) Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	c.walks++
	return c.opened.Walk(ctx, t)
}

// as is the context of a request of somebody who is signed in.
func (w *world) as(p *person) context.Context {
	return context.WithValue(w.t.Context(), requestKey{}, &request{id: nobodys, caller: caller{account: p.account, user: p.user, role: account.Owner, proof: p.proof}})
}

// metric shows a metric, a line for each of its labels.
func (w *world) metric(name string) string {
	w.t.Helper()
	var out strings.Builder
	families, err := w.api.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != name {
				continue
			}
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&out, "%s=%q ", l.GetName(), l.GetValue())
			}
			fmt.Fprintln(&out, m.GetCounter().GetValue())
		}
	}
	return out.String()
}

func TestLooksAtAFindingAreWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	id := w.finding(p, c)
	open := func() int64 {
		t.Helper()
		res, err := p.connections.GetConnection(t.Context(), req(&imagov1.GetConnectionRequest{ConnectionId: string(c)}))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg.GetConnection().GetOpenFindings()
	}
	if open() != 1 {
		t.Errorf("%d are open, want 1", open())
	}
	if _, err := p.drift.GetFinding(t.Context(), req(&imagov1.GetFindingRequest{FindingId: id})); err != nil {
		t.Fatal(err)
	}
	res, err := p.drift.ResolveFinding(t.Context(), req(&imagov1.ResolveFindingRequest{FindingId: id}))
	if err != nil || res.Msg.GetFinding().GetState() != "resolved" || open() != 0 {
		t.Errorf("resolved: %v, %v, %d open", res, err, open())
	}
	if diff := cmp.Diff([]string{"resolve_finding", "open_finding"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	if text := w.metric("imago_api_opened_total"); text != "what=\"finding\" 1\n" {
		t.Errorf("counted: %s", text)
	}
}
