package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/account"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// company is an org with something to look for.
var company = []thing{
	group("00g1", "Finance"), group("00g2", "Sales"), user("00u1", "fiona@acme.test"), user("00u2", "sam@acme.test"),
	{"user/00u3", `{"id":"00u3","profile":{"login":"eve@acme.test","department":"Finance"},"credentials":{"password":{"value":"finance-secret"}},"status":"ACTIVE"}`},
	membership("00g1", "00u1"), membership("00g2", "00u1"), membership("00g1", "00u2"),
}

// search asks page by page, of one hit each, and answers keys with paths.
func (w *world) search(p *person, m *imagov1.SearchSnapshotRequest) (got []string) {
	w.t.Helper()
	for m.PageSize = 1; ; {
		res, err := p.snapshots.SearchSnapshot(w.t.Context(), req(m))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, h := range res.Msg.GetHits() {
			got = append(got, h.GetResource().GetKey()+" "+h.GetPath())
		}
		if m.PageToken = res.Msg.GetNextPageToken(); m.PageToken == "" {
			return got
		}
	}
}

func TestSearchGoesThroughAllTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	snap := w.take(p, w.db.Connection(t, p.account), company)
	for name, c := range map[string]struct {
		ask  *imagov1.SearchSnapshotRequest
		want []string
	}{
		"name":             {&imagov1.SearchSnapshotRequest{Search: "FINANCE"}, []string{"group/00g1 "}},
		"over types":       {&imagov1.SearchSnapshotRequest{Search: "fi"}, []string{"group/00g1 ", "user/00u1 "}},
		"ID, not links":    {&imagov1.SearchSnapshotRequest{Search: "00u1"}, []string{"user/00u1 "}},
		"links, if asked":  {&imagov1.SearchSnapshotRequest{Search: "fiona", Types: []string{"group_membership"}}, []string{"group_membership/00g1/00u1 ", "group_membership/00g2/00u1 "}},
		"values of fields": {&imagov1.SearchSnapshotRequest{Search: "finance", Fields: true}, []string{"group/00g1 ", "user/00u3 profile.department"}},
		"no secrets":       {&imagov1.SearchSnapshotRequest{Search: "finance-secret", Fields: true}, nil},
		"nothing":          {&imagov1.SearchSnapshotRequest{Search: "nobody"}, nil},
	} {
		c.ask.SnapshotId = snap
		if diff := cmp.Diff(c.want, w.search(p, c.ask)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, err := w.member(p, account.Viewer).snapshots.SearchSnapshot(t.Context(), req(&imagov1.SearchSnapshotRequest{SnapshotId: snap, Search: "f"}))
	problemOf(t, err, connect.CodePermissionDenied)
}

func TestReferencesGoBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	snap := w.take(p, w.db.Connection(t, p.account), company)
	for key, want := range map[string][]string{
		"user/00u1":  {"group_membership/00g1/00u1", "group_membership/00g2/00u1"},
		"group/00g1": {"group_membership/00g1/00u1", "group_membership/00g1/00u2"},
		"user/00u3":  nil,
	} {
		res, err := p.snapshots.GetResource(t.Context(), req(&imagov1.GetResourceRequest{SnapshotId: snap, Key: key, ReferencedBy: true}))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range res.Msg.GetReferencedBy() {
			got = append(got, r.GetKey())
		}
		if diff := cmp.Diff(want, got); diff != "" || res.Msg.GetReferencedByMore() {
			t.Errorf("%s: %s", key, diff)
		}
	}
}

// turn sets a time of a snapshot that has ended, past the trigger that keeps it as it is.
func (w *world) turn(id, column, to string) {
	w.t.Helper()
	w.exec(fmt.Sprintf(`begin; set local session_replication_role = replica; update snapshots set %s = %s where id = '%s'; commit`, column, to, id))
}

func TestVersionsOfAnObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	var ids []string
	for _, s := range []struct {
		org  []thing
		gaps []snapshot.Gap
	}{
		{org: nil}, {org: []thing{group("00g1", "Finance")}}, {org: []thing{group("00g1", "Finance")}},
		{org: []thing{group("00g1", "Money")}}, {gaps: []snapshot.Gap{{Type: "group", Reason: snapshot.Failed}}},
		{org: []thing{group("00g1", "Money")}}, {org: nil},
	} {
		ids = append(ids, w.take(p, c, s.org, s.gaps...))
	}
	id := w.finding(p, c) // that group/00g1 was deleted, a moment ago
	w.turn(ids[6], "ended_at", "now() + interval '1 minute'")
	for _, size := range []int32{0, 2} {
		m := &imagov1.ListVersionsRequest{ConnectionId: string(c), Key: "group/00g1", PageSize: size}
		var got []string
		for {
			res, err := p.snapshots.ListVersions(t.Context(), req(m))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range res.Msg.GetVersions() {
				i := 0
				for i < len(ids) && ids[i] != v.GetSnapshotId() {
					i++
				}
				got = append(got, fmt.Sprint(i, " ", v.GetOp(), " ", len(v.GetFields()), " ", len(v.GetFindingIds()), " ", v.GetActor()))
				if v.GetOp() == "delete" && (len(v.GetFindingIds()) != 1 || v.GetFindingIds()[0] != id) {
					t.Errorf("the deletion's findings are %v", v.GetFindingIds())
				}
			}
			if m.PageToken = res.Msg.GetNextPageToken(); m.PageToken == "" {
				break
			}
		}
		if diff := cmp.Diff([]string{"6 delete 0 1 eve@acme.test", "3 update 1 0 ", "1 create 0 0 "}, got); diff != "" {
			t.Errorf("in pages of %d: %s", size, diff)
		}
	}
}

func TestTheSnapshotOfAMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	first, second := w.take(p, c, company), w.take(p, c, company)
	w.turn(first, "started_at", "now() - interval '10 hours'")
	w.turn(second, "started_at", "now() - interval '5 hours'")
	for hours, want := range map[int]string{1: second, 5: second, 6: first, 10: first} {
		at := timestamppb.New(time.Now().Add(-time.Duration(hours) * time.Hour))
		res, err := p.snapshots.GetSnapshot(t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: "latest", ConnectionId: string(c), At: at}))
		if err != nil || res.Msg.GetSnapshot().GetId() != want {
			t.Errorf("%d hours ago: %v, %v", hours, res, err)
		}
	}
	long := timestamppb.New(time.Now().Add(-20 * time.Hour))
	_, err := p.snapshots.GetSnapshot(t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: "latest", ConnectionId: string(c), At: long}))
	if pr := problemOf(t, err, connect.CodeNotFound); pr.GetField() != "at" {
		t.Errorf("before all: %v", pr)
	}
	_, err = p.snapshots.GetSnapshot(t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: first, At: long}))
	problemOf(t, err, connect.CodeInvalidArgument)
}

// lines are an index of so many groups.
func lines(n int) (x index) {
	for i := range n {
		x = append(x, line{key: resource.Key{Type: "group", ID: fmt.Sprintf("%04d", i)}, label: "g", folded: "g"})
	}
	return x
}

func TestIndexesAreHeldWithinABound(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	ten := lines(10)
	x := newIndexes(2*ten.cost(), time.Hour, func() time.Time { return now })
	of := func(a account.ID, s string) spot { return spot{a, s, "group"} }
	has := func(s spot) bool { _, ok := x.get(s); return ok }
	x.put(of("a", "1"), ten)
	x.put(of("a", "2"), ten)
	if !has(of("a", "1")) || has(of("b", "1")) {
		t.Error("an index is another account's, or its own is lost")
	}
	x.put(of("a", "3"), ten)
	if has(of("a", "2")) || !has(of("a", "1")) || !has(of("a", "3")) || x.held != 2*ten.cost() {
		t.Errorf("what was not used for longest stays: %d bytes of %d are held", x.held, x.most)
	}
	x.put(of("a", "4"), lines(21))
	if has(of("a", "4")) || !has(of("a", "1")) {
		t.Error("one that is over the bound is kept, or drives the others out")
	}
	now = now.Add(59 * time.Minute)
	has(of("a", "1"))
	now = now.Add(2 * time.Minute)
	if x.sweep(); x.order.Len() != 1 || !has(of("a", "1")) {
		t.Errorf("%d are left, want the one that was used", x.order.Len())
	}
	now = now.Add(2 * time.Hour)
	if x.sweep(); x.order.Len() != 0 || x.held != 0 {
		t.Errorf("%d are left, %d bytes", x.order.Len(), x.held)
	}
}

// The index answers what a walk answers.
func TestListsByTheIndexAreTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	snap := w.take(p, w.db.Connection(t, p.account), company)
	for _, q := range []query{
		{t: "group", most: 10}, {t: "user", most: 2}, {t: "user", after: "user/00u1", most: 10}, {t: "user", after: "user/00u15", most: 1},
		{t: "group_membership", parent: "00g1", most: 10}, {t: "group_membership", search: "Fiona", most: 1}, {t: "user", search: "00U2", most: 10},
	} {
		n := w.opened(p, snap)
		want, wantMore, err := n.list(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		x, err := n.index(t.Context(), q.t)
		if err != nil {
			t.Fatal(err)
		}
		got, more := x.list(q)
		if fmt.Sprint(got, more) != fmt.Sprint(want, wantMore) {
			t.Errorf("%+v: %v %v, want %v %v", q, got, more, want, wantMore)
		}
	}
}

// TestTheFirstPageHasTheIndexMade, so that the search that comes after it need not wait;
// and whoever goes away while one is made leaves it to those who stay.
func TestTheFirstPageHasTheIndexMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	snap := w.take(p, w.db.Connection(t, p.account), company)
	made := func(of resource.Type) bool {
		_, ok := w.api.indexes.get(spot{p.account, snap, of})
		return ok
	}
	page := func(m *imagov1.ListResourcesRequest) {
		m.SnapshotId = snap
		if _, err := p.snapshots.ListResources(t.Context(), req(m)); err != nil {
			t.Fatal(err)
		}
	}
	page(&imagov1.ListResourcesRequest{Type: "group", PageSize: 10})
	page(&imagov1.ListResourcesRequest{Type: "user", PageSize: 1})
	// What is being made is waited for, and not made twice.
	// Nothing is there for this call to make one of: only the look can have.
	n := w.opened(p, snap)
	n.snap = unreadable{n.snap}
	<-w.api.build(t.Context(), n, spot{p.account, snap, "user"})
	if !made("user") || made("group") {
		t.Errorf("made: user %v, group %v; want that of which there is more", made("user"), made("group"))
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := w.api.indexed(gone, w.opened(p, snap), spot{p.account, snap, "group_membership"}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("who goes away: %v", err)
	}
	built := <-w.api.build(t.Context(), w.opened(p, snap), spot{p.account, snap, "group_membership"})
	if built.Err != nil || !made("group_membership") {
		t.Errorf("what was begun for them: %v", built.Err)
	}
}

// TestALookAtOneTypeHasOthersMade: who begins with the apps will look for a person next.
func TestALookAtOneTypeHasOthersMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	people := []thing{group("00g1", "Finance"), membership("00g1", "00u00001")}
	for n := range worthwhile + 1 {
		people = append(people, user(fmt.Sprintf("00u%05d", n), fmt.Sprintf("p%d@acme.test", n)))
	}
	snap := w.take(p, w.db.Connection(t, p.account), people)
	if _, err := p.snapshots.ListResources(t.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: snap, Type: "group", PageSize: 10})); err != nil {
		t.Fatal(err)
	}
	at := spot{p.account, snap, "group"}
	n := w.opened(p, snap)
	n.snap = unreadable{n.snap}
	if done := <-w.api.foresee(t.Context(), n, at, false); done.Err != nil { // it waits for what the look began
		t.Fatal(done.Err)
	}
	for of, want := range map[resource.Type]bool{"user": true, "group": false, "group_membership": false} {
		at.of = of
		if _, made := w.api.indexes.get(at); made != want {
			t.Errorf("%s: made %t, want %t", of, made, want)
		}
	}
}

// unreadable is a snapshot from which nothing more is to be read.
type unreadable struct{ opened }

func (unreadable) Walk(context.Context, resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		yield(resource.Resource{}, errors.New("it is read again"))
	}
}

// opened opens a snapshot as a request of somebody does.
func (w *world) opened(p *person, id string) *names {
	w.t.Helper()
	row, err := w.api.find(w.as(p), id, "")
	if err != nil {
		w.t.Fatal(err)
	}
	snap, err := w.api.open(w.as(p), p.ring, row, opening{again: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return newNames(w.api.Provider.Catalog(), snap)
}
