package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/account"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// thing is one resource of a test's org.
type thing struct{ key, body string }

func group(id, name string) thing {
	return thing{"group/" + id, fmt.Sprintf(`{"id":%q,"profile":{"name":%q},"type":"OKTA_GROUP"}`, id, name)}
}

func user(id, login string) thing {
	return thing{"user/" + id, fmt.Sprintf(`{"id":%q,"profile":{"login":%q},"status":"ACTIVE"}`, id, login)}
}

func membership(group, user string) thing {
	return thing{"group_membership/" + group + "/" + user, fmt.Sprintf(`{"id":%q}`, user)}
}

// types are what the tests' snapshots are read for.
var types = []resource.Type{"group", "user", "group_membership", "group_rule"}

// take puts a snapshot of an org into the store and its row into the database, as the
// worker would. Types that are gaps were not read.
func (w *world) take(p *person, c account.ConnectionID, org []thing, gaps ...snapshot.Gap) string {
	w.t.Helper()
	id, at := uuid.Must(uuid.NewV7()).String(), time.Now().Truncate(time.Millisecond)
	o := repository.Options{Catalog: w.api.Provider.Catalog()}
	if w.nameless {
		o.Catalog = nil
	}
	repo, err := repository.New(w.store, p.ring, p.account, c, o)
	if err != nil {
		w.t.Fatal(err)
	}
	draft, err := repo.Begin(id, at, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	facts := snapshot.Manifest{Provider: "okta", Ended: at.Add(time.Second)}
	for _, t := range types {
		facts.Types = append(facts.Types, snapshot.TypeStatus{Type: t, Gaps: gapsOf(t, gaps)})
		for _, o := range org {
			key, _ := resource.ParseKey(o.key)
			body, err := resource.Canonical(nil, []byte(o.body))
			if key.Type != t {
				continue
			}
			if err != nil {
				w.t.Fatal(err)
			}
			if err := draft.Add(w.t.Context(), resource.Resource{Key: key, Body: body}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if _, err := draft.Commit(w.t.Context(), facts); err != nil {
		w.t.Fatal(err)
	}
	state := "complete"
	if len(gaps) > 0 {
		state = "partial"
	}
	w.exec(`insert into snapshots (id, account_id, connection_id, trigger, state, started_at, ended_at, manifest_digest, objects)
		values ($1, $2, $3, 'manual', $4, $5, now(), $6, $7)`, id, p.account, c, state, at, draft.Digest(), len(org))
	return id
}

func gapsOf(t resource.Type, gaps []snapshot.Gap) []snapshot.Gap {
	return slices.DeleteFunc(slices.Clone(gaps), func(g snapshot.Gap) bool { return g.Type != t })
}

// sales is an ID as long as Okta's: in expressions nothing shorter is taken for one.
const sales = "00g22222222222222222"

var acme = []thing{
	group("00g1", "Finance"), group(sales, "Sales"), group("00g3", "Finance archive"),
	user("00u1", "ann@acme.test"), user("00u2", "bob@acme.test"),
	membership("00g1", "00u1"), membership("00g1", "00u2"), membership(sales, "00u1"),
	{"group_rule/0pr1", `{"id":"0pr1","name":"To finance","conditions":{"expression":{"value":"isMemberOfAnyGroup(\"00g22222222222222222\")"}},"actions":{"assignUserToGroups":{"groupIds":["00g1"]}}}`},
}

func TestTakeSnapshotOnceAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	take := func() *imagov1.Snapshot {
		t.Helper()
		res, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c}))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg.GetSnapshot()
	}
	first, second := take(), take()
	if first.GetId() == "" || first.GetState() != "queued" || first.GetTrigger() != "manual" || first.GetId() != second.GetId() {
		t.Errorf("got %v, then %v; want the same one, queued", first, second)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'take_snapshot' and args ->> 'snapshot_id' = $1`, first.GetId()); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
	if diff := cmp.Diff([]string{"take_snapshot"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
}

// Points are listed on request alone; they are what was current at their time, and no
// latest.
func TestPointsAreListedOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	sweep, point := w.take(p, c, acme), uuid.Must(uuid.NewV7()).String()
	w.exec(`insert into snapshots (id, account_id, connection_id, trigger, state, started_at, ended_at, manifest_digest)
		values ($1, $2, $3, 'change', 'complete', now() + interval '1 second', now(), 'digest')`, point, p.account, c)
	for points, want := range map[bool][]string{false: {sweep}, true: {point, sweep}} {
		res, err := p.snapshots.ListSnapshots(t.Context(), req(&imagov1.ListSnapshotsRequest{ConnectionId: string(c), Points: points}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, each(res.Msg.GetSnapshots(), (*imagov1.Snapshot).GetId)); diff != "" {
			t.Errorf("points %v (-want +got):\n%s", points, diff)
		}
	}
	for at, want := range map[*timestamppb.Timestamp]string{nil: sweep, timestamppb.New(time.Now().Add(time.Hour)): point} {
		res, err := p.snapshots.GetSnapshot(t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: "latest", ConnectionId: string(c), At: at}))
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Msg.GetSnapshot(); got.GetId() != want || len(got.GetKeptBecause()) == 0 {
			t.Errorf("at %v: %s, want %s; kept because %v", at, got.GetId(), want, got.GetKeptBecause())
		}
	}
}

func TestTakeSnapshotOfAConnectionThatIsNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	for state, what := range map[string]string{"new": "no read credential", "checking": "being checked", "failed": "the key is refused"} {
		w.exec(`update connections set state = $2, problem = case $2 when 'failed' then '{"kind":"denied","what":"the key is refused"}'::jsonb end where id = $1`, c, state)
		_, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c}))
		if pr := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), what) || pr.GetHint() == "" {
			t.Errorf("%s: %v", state, pr)
		}
	}
	if n := w.count(`select count(*) from snapshots where connection_id = $1`, c); n != 0 {
		t.Error("a snapshot was queued")
	}
}

func TestBrowse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	id := w.take(p, c, acme)
	list := func(m *imagov1.ListResourcesRequest) (out []string) {
		t.Helper()
		m.SnapshotId = id
		for {
			res, err := p.snapshots.ListResources(t.Context(), req(m))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range res.Msg.GetResources() {
				out = append(out, r.GetKey()+" "+r.GetLabel()+" "+r.GetParentLabel())
			}
			if m.PageToken = res.Msg.GetNextPageToken(); m.PageToken == "" {
				return out
			}
		}
	}
	for name, c := range map[string]struct {
		m    *imagov1.ListResourcesRequest
		want []string
	}{
		"all, in pages": {&imagov1.ListResourcesRequest{Type: "group", PageSize: 2}, []string{"group/00g1 Finance ", "group/00g22222222222222222 Sales ", "group/00g3 Finance archive "}},
		"search":        {&imagov1.ListResourcesRequest{Type: "group", Search: "FINANCE", PageSize: 1}, []string{"group/00g1 Finance ", "group/00g3 Finance archive "}},
		"links by what they link": {&imagov1.ListResourcesRequest{Type: "group_membership", Search: "ann"},
			[]string{"group_membership/00g1/00u1 ann@acme.test Finance", "group_membership/00g22222222222222222/00u1 ann@acme.test Sales"}},
		"below a parent": {&imagov1.ListResourcesRequest{Type: "group_membership", Parent: "00g1"},
			[]string{"group_membership/00g1/00u1 ann@acme.test Finance", "group_membership/00g1/00u2 bob@acme.test Finance"}},
		"nothing": {&imagov1.ListResourcesRequest{Type: "group", Search: "zzz"}, nil},
	} {
		if diff := cmp.Diff(c.want, list(c.m)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := w.count(`select count(*) from activity_logs where account_id = $1 and action = 'open_snapshot' and target_id = $2`, p.account, id); got != 5 {
		t.Errorf("%d looks stand in the activity log, want one each", got)
	}
	for _, word := range []string{"Finance", "FINANCE", "ann", "00g1"} {
		if strings.Contains(w.log.String(), word) {
			t.Errorf("the log holds directory data: %q", word)
		}
	}
}

func TestGetResourceWithItsReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	id := w.take(p, w.db.Connection(t, p.account), acme)
	status, body := w.rest(p, "GET", "/v1/snapshots/"+id+"/resource?key=group_rule/0pr1", "")
	if status != 200 {
		t.Fatalf("%d %v", status, body)
	}
	var refs []string
	for _, r := range body["references"].([]any) {
		refs = append(refs, fmt.Sprint(r.(map[string]any)["key"], " ", r.(map[string]any)["label"]))
	}
	if diff := cmp.Diff([]string{"group/00g1 Finance", "group/00g22222222222222222 Sales"}, refs); diff != "" {
		t.Error(diff)
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(body["body"].(string)), &sent); err != nil || sent["name"] != "To finance" {
		t.Errorf("the body is %v, %v", body["body"], err)
	}
	_, err := p.snapshots.GetResource(t.Context(), req(&imagov1.GetResourceRequest{SnapshotId: id, Key: "group/gone"}))
	if pr := problemOf(t, err, connect.CodeNotFound); pr.GetField() != "key" || pr.GetHint() == "" {
		t.Errorf("something that is not there: %v", pr)
	}
}

func TestWhatAGapHidesIsNotSaidToBeAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	gap := snapshot.Gap{Type: "group_rule", Reason: snapshot.Forbidden, Detail: "grant okta.groups.read"}
	id := w.take(p, w.db.Connection(t, p.account), acme[:5], gap)
	_, err := p.snapshots.GetResource(t.Context(), req(&imagov1.GetResourceRequest{SnapshotId: id, Key: "group_rule/0pr1"}))
	if pr := problemOf(t, err, connect.CodeNotFound); !strings.Contains(pr.GetHint(), "gap") || !strings.Contains(pr.GetHint(), "grant okta.groups.read") {
		t.Errorf("the hint is %q; want the gap", pr.GetHint())
	}
}

// compared runs a comparison and writes down what came.
func (w *world) compared(p *person, m *imagov1.CompareRequest) []string {
	w.t.Helper()
	s, err := p.snapshots.Compare(w.t.Context(), req(m))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	var out []string
	for s.Receive() {
		switch part := s.Msg().GetPart().(type) {
		case *imagov1.CompareResponse_Change:
			c := part.Change
			line := c.GetOp() + " " + c.GetKey() + " " + c.GetLabel()
			for _, f := range c.GetFields() {
				line += fmt.Sprintf(" %s:%s>%s", f.GetPath(), f.GetBefore(), f.GetAfter())
			}
			out = append(out, line)
		case *imagov1.CompareResponse_Unknown:
			out = append(out, "unknown "+part.Unknown.GetType()+" "+part.Unknown.GetDetail())
		case *imagov1.CompareResponse_Summary:
			out = append(out, fmt.Sprintf("+%d ~%d -%d ?%d of %d", part.Summary.GetCreated(), part.Summary.GetUpdated(), part.Summary.GetDeleted(), part.Summary.GetUnknown(), part.Summary.GetCompared()))
		}
	}
	if err := s.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestCompare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	before := w.take(p, c, acme)
	after := w.take(p, c, []thing{group("00g1", "Finances"), group(sales, "Sales"), group("00g4", "New"), user("00u1", "ann@acme.test"), user("00u2", "bob@acme.test"),
		membership("00g1", "00u1"), membership(sales, "00u1")}, snapshot.Gap{Type: "group_rule", Reason: snapshot.Forbidden, Detail: "grant it"})
	want := []string{
		"unknown group_rule grant it",
		`update group/00g1 Finances profile.name:"Finance">"Finances"`,
		"delete group/00g3 Finance archive",
		"create group/00g4 New",
		"delete group_membership/00g1/00u2 bob@acme.test",
		"+1 ~1 -2 ?1 of 10",
	}
	if diff := cmp.Diff(want, w.compared(p, &imagov1.CompareRequest{BeforeSnapshotId: before, AfterSnapshotId: after})); diff != "" {
		t.Error(diff)
	}
	only := w.compared(p, &imagov1.CompareRequest{BeforeSnapshotId: before, AfterSnapshotId: after, Types: []string{"user"}})
	if diff := cmp.Diff([]string{"+0 ~0 -0 ?0 of 2"}, only); diff != "" {
		t.Errorf("users alone: %s", diff)
	}
}

// TestCompareWhatTheOrgHasNot: a feature that the org had at neither moment is nothing
// unknown; one that it had at one of them is.
func TestCompareWhatTheOrgHasNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	without := snapshot.Gap{Type: "group_rule", Reason: snapshot.NotLicensed, Detail: "the org does not have it"}
	first, second, third := w.take(p, c, acme[:3], without), w.take(p, c, acme[:3], without), w.take(p, c, acme)
	if diff := cmp.Diff([]string{"+0 ~0 -0 ?0 of 0"}, w.compared(p, &imagov1.CompareRequest{BeforeSnapshotId: first, AfterSnapshotId: second, Types: []string{"group_rule"}})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"unknown group_rule the org does not have it", "+0 ~0 -0 ?1 of 1"}, w.compared(p, &imagov1.CompareRequest{BeforeSnapshotId: second, AfterSnapshotId: third, Types: []string{"group_rule"}})); diff != "" {
		t.Error(diff)
	}
}

func TestWatchSnapshotFollowsItsRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	res, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c}))
	if err != nil {
		t.Fatal(err)
	}
	id := res.Msg.GetSnapshot().GetId()
	s, err := p.snapshots.WatchSnapshot(patient(t), req(&imagov1.WatchSnapshotRequest{SnapshotId: id}))
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range []string{
		``,
		`update snapshots set state = 'running', started_at = now() where id = $1`,
		`update snapshots set objects = 7, types = '[{"type":"group","objects":7}]' where id = $1`,
		`update snapshots set waits_until = now(), waits_for = 'okta answers 503' where id = $1`,
		`update snapshots set state = 'failed', ended_at = now(), waits_until = null, waits_for = '', problem = '{"kind":"unavailable","what":"Okta is away"}' where id = $1`,
	} {
		if change != "" {
			w.exec(change, id)
		}
		if !s.Receive() {
			t.Fatalf("the stream ended at %d: %v", i, s.Err())
		}
		if got := s.Msg().GetSnapshot(); (got.GetWaitsFor() == "okta answers 503") != (i == 3) || (got.GetWaitsUntil() != nil) != (i == 3) {
			t.Errorf("%d: waits for %q until %v", i, got.GetWaitsFor(), got.GetWaitsUntil())
		}
	}
	last := s.Msg().GetSnapshot()
	if last.GetState() != "failed" || last.GetObjects() != 7 || last.GetTypes()[0].GetTitle() != "Group" || last.GetProblem().GetWhat() != "Okta is away" {
		t.Errorf("the last is %v", last)
	}
	if s.Receive() || s.Err() != nil {
		t.Errorf("after its end the stream goes on: %v, %v", s.Msg(), s.Err())
	}
}

func TestAStreamThatHasNothingToTellGivesASign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	res, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.snapshots.WatchSnapshot(patient(t), req(&imagov1.WatchSnapshotRequest{SnapshotId: res.Msg.GetSnapshot().GetId()}))
	if err != nil || !s.Receive() {
		t.Fatal(err, s.Err())
	}
	w.clock.move(heartbeat)
	if !s.Receive() || s.Msg().GetSnapshot().GetState() != "queued" {
		t.Errorf("got %v, %v; want the same once more", s.Msg(), s.Err())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAStreamEndsAfterItsLongestTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{Watch: 50 * time.Millisecond})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	res, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.snapshots.WatchSnapshot(patient(t), req(&imagov1.WatchSnapshotRequest{SnapshotId: res.Msg.GetSnapshot().GetId()}))
	if err != nil {
		t.Fatal(err)
	}
	for s.Receive() {
	}
	if connect.CodeOf(s.Err()) != connect.CodeDeadlineExceeded {
		t.Errorf("a stream past its longest time: %v; want deadline exceeded", s.Err())
	}
}

func TestNoSnapshotIsOpenedThatWasNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	res, err := p.snapshots.TakeSnapshot(t.Context(), req(&imagov1.TakeSnapshotRequest{ConnectionId: c}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.snapshots.ListResources(t.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: res.Msg.GetSnapshot().GetId(), Type: "group"}))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), "queued") || pr.GetHint() == "" {
		t.Errorf("got %v", pr)
	}
	_, err = p.snapshots.GetSnapshot(t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: "latest", ConnectionId: c}))
	if pr := problemOf(t, err, connect.CodeNotFound); pr.GetHint() != "take a snapshot of the connection first" {
		t.Errorf("latest of none: %v", pr)
	}
	id := w.take(p, account.ConnectionID(c), nil)
	got, err := p.snapshots.GetSnapshot(t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: "latest", ConnectionId: c}))
	if err != nil || got.Msg.GetSnapshot().GetId() != id {
		t.Errorf("latest is %v, %v; want %s", got, err, id)
	}
}
