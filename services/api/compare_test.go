package api

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/blob/count"
	"imago/pkg/diff"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// point puts a point into store and database, as the worker would: what changed since the
// snapshot before it. A thing without a body is gone.
func (w *world) point(p *person, c account.ConnectionID, before string, changed ...thing) string {
	w.t.Helper()
	repo, parent, err := w.stored(p, before)
	if err != nil {
		w.t.Fatal(err)
	}
	id, at := uuid.Must(uuid.NewV7()).String(), parent.Manifest().Started.Add(time.Millisecond)
	draft, err := repo.BeginNamed(id, at, parent)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range changed {
		key, _ := resource.ParseKey(o.key)
		if err = draft.Remove(w.t.Context(), key); o.body != "" {
			err = draft.Add(w.t.Context(), resource.Resource{Key: key, Body: []byte(o.body)})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := draft.Commit(w.t.Context(), snapshot.Manifest{Provider: "okta", Ended: at.Add(time.Second), Previous: parent.Digest()}); err != nil {
		w.t.Fatal(err)
	}
	w.exec(`insert into snapshots (id, account_id, connection_id, trigger, state, started_at, ended_at, manifest_digest, objects)
		values ($1, $2, $3, 'change', 'complete', $4, $4, $5, 1)`, id, p.account, c, at, draft.Digest())
	return id
}

// TestComparePointsOfALargeOrg: what two points of an org of 100,000 have in common is not
// read: of either its manifest, the list that both name, and the layers between them.
func TestComparePointsOfALargeOrg(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	org := make([]thing, large)
	for n := range org {
		org[n] = user(id(n), fmt.Sprintf("person.%05d@acme.test", n))
	}
	swept := w.take(p, c, append(org, group("00g1", "Finance")))
	one := w.point(p, c, swept, group("00g1", "Finances"))
	two := w.point(p, c, one, thing{"user/" + id(70_007), fmt.Sprintf(`{"id":%q,"lastLogin":"2026-01-02T03:04:05.000Z","profile":{"login":"p@acme.test"},"status":"ACTIVE"}`, id(70_007))},
		thing{key: "user/" + id(3)}, membership("00g1", id(70_007)))
	for _, tt := range []struct {
		name          string
		m             *imagov1.CompareRequest
		want          []string
		reads, weighs int64
	}{
		{"a minute apart", &imagov1.CompareRequest{BeforeSnapshotId: one, AfterSnapshotId: two}, []string{
			"create group_membership/00g1/" + id(70_007) + " p@acme.test",
			"delete user/" + id(3) + " person.00003@acme.test",
			"update user/" + id(70_007) + ` p@acme.test profile.login:"person.70007@acme.test">"p@acme.test"`,
			"+1 ~1 -1 ?0 of 100002",
		}, 10, 200 << 10},
		{"groups alone", &imagov1.CompareRequest{BeforeSnapshotId: swept, AfterSnapshotId: two, Types: []string{"group"}},
			[]string{`update group/00g1 Finances profile.name:"Finance">"Finances"`, "+0 ~1 -0 ?0 of 1"}, 6, 100 << 10},
	} {
		w.api.cache = repository.NewCache(cached)
		w.reads.Reset()
		if d := cmp.Diff(tt.want, w.compared(p, tt.m)); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		got := w.reads.Reset()
		t.Logf("%s: %+v", tt.name, got)
		if got[count.Get].Requests > tt.reads || got[count.Get].Bytes > tt.weighs || got.Total() != got[count.Get] {
			t.Errorf("%s: %+v, want at most %d reads of %d bytes", tt.name, got, tt.reads, tt.weighs)
		}
	}
}

// TestComparisonsTellTheSame: what is told of two snapshots, and counted, is what reading
// both of them whole gives, whatever they lack.
func TestComparisonsTellTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	rng := rand.New(rand.NewPCG(7, 7))
	var unknown, created int64
	for range 120 {
		c := w.db.Connection(t, p.account)
		lack, lacks := someGaps(rng), someGaps(rng)
		before, after := w.take(p, c, without(some(rng), lack), lack...), w.take(p, c, without(some(rng), lacks), lacks...)
		if rng.IntN(2) == 0 {
			after = w.point(p, c, before, some(rng)...)
		}
		whole, apart := w.comparison(p, before, after), w.comparison(p, before, after)
		want := told(t, diff.Changes(whole.catalog, whole.side(t.Context(), whole.from, whole.to), whole.side(t.Context(), whole.to, whole.from), diff.Options{Tally: &whole.tally}))
		got := told(t, apart.changes(t.Context()))
		if err := apart.count(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" || whole.tally != apart.tally {
			t.Fatalf("%+v, want %+v:\n%s", apart.tally, whole.tally, d)
		}
		unknown, created = unknown+whole.tally.Unknown, created+whole.tally.Created
	}
	if unknown == 0 || created == 0 {
		t.Error("nothing was unknown, or nothing created")
	}
}

func told(t *testing.T, changes iter.Seq2[diff.Change, error]) (out []string) {
	t.Helper()
	for c, err := range changes {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(c.Op, c.Key, c.Gap, c.Fields))
	}
	return out
}

// some is a small org, drawn so that two have much in common.
func some(rng *rand.Rand) (out []thing) {
	for n := range 6 {
		if rng.IntN(3) > 0 {
			out = append(out, group(fmt.Sprint("00g", n), fmt.Sprint("G", rng.IntN(2))))
		}
		for m := range 3 {
			if rng.IntN(3) > 0 {
				out = append(out, membership(fmt.Sprint("00g", n), fmt.Sprint("00u", m)))
			}
		}
	}
	return out
}

// without leaves out what lies under gaps, but for what was read before it failed.
func without(org []thing, gaps []snapshot.Gap) []thing {
	return slices.DeleteFunc(org, func(o thing) bool {
		k, _ := resource.ParseKey(o.key)
		return slices.ContainsFunc(gaps, func(g snapshot.Gap) bool { return g.Reason != snapshot.Truncated && g.Covers(k.Type, k.Parent) })
	})
}

func someGaps(rng *rand.Rand) (out []snapshot.Gap) {
	for _, g := range []snapshot.Gap{
		{Type: "group", Reason: snapshot.Failed}, {Type: "user", Reason: snapshot.NotLicensed}, {Type: "group_membership", Reason: snapshot.Forbidden},
		{Type: "group_membership", Parent: "00g0", Reason: snapshot.Failed}, {Type: "group_membership", Parent: "00g1", Reason: snapshot.Truncated},
		{Type: "group_membership", Parent: "00g2", Reason: snapshot.Failed},
	} {
		if rng.IntN(3) == 0 {
			out = append(out, g)
		}
	}
	return out
}

// comparison opens two snapshots to compare all of them.
func (w *world) comparison(p *person, before, after string) *comparison {
	w.t.Helper()
	c := &comparison{catalog: w.api.Provider.Catalog(), types: types, lone: map[resource.Type]lone{}}
	for id, into := range map[string]**repository.Snapshot{before: &c.from, after: &c.to} {
		var err error
		if c.repo, *into, err = w.stored(p, id); err != nil {
			w.t.Fatal(err)
		}
	}
	return c
}

// stored opens a snapshot of a test without asking anybody.
func (w *world) stored(p *person, id string) (*repository.Repository, *repository.Snapshot, error) {
	w.t.Helper()
	var c account.ConnectionID
	var began time.Time
	w.row([]any{&c, &began}, `select connection_id, started_at from snapshots where id = $1`, id)
	repo, err := repository.New(w.store, p.ring, p.account, c, repository.Options{Catalog: w.api.Provider.Catalog()})
	if err != nil {
		return nil, nil, err
	}
	s, err := repo.Open(w.t.Context(), snapshot.Prefix(p.account, c, began, id))
	return repo, s, err
}
