package backup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/backup"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// changed is an org in which app a1 is gone, with what hung on it, user u1 is another, user
// u9 is new, and zone z1 is refused.
type changed struct {
	*org
	live  map[resource.Key]string
	fails map[resource.Key][]error // what reading it answers with, one a call
	reads int
}

var _ provider.Reader = (*changed)(nil)

func (c *changed) Get(_ context.Context, k resource.Key) (resource.Resource, error) {
	if err := c.life.step(); err != nil {
		return resource.Resource{}, err
	}
	c.reads++
	if errs := c.fails[k]; len(errs) > 0 {
		c.fails[k] = errs[1:]
		return resource.Resource{}, errs[0]
	}
	if body, ok := c.live[k]; ok {
		return resource.Resource{Key: k, Body: []byte(body)}, nil
	}
	return resource.Resource{}, problem.New(problem.NotFound, "there is none")
}

var (
	u1, u9 = resource.Key{Type: "user", ID: "u1"}, resource.Key{Type: "user", ID: "u9"}
	a1, z1 = resource.Key{Type: "app", ID: "a1"}, resource.Key{Type: "zone", ID: "z1"}
)

// bench is a point that is to be taken over a snapshot of the whole org.
type bench struct {
	*changed
	store *store // the journal alone
	repo  *repository.Repository
	over  *repository.Snapshot
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{changed: &changed{org: newOrg(), fails: map[resource.Key][]error{}}, repo: testRepository(t)}
	b.put("zone", "", "z1", `{"v":1}`)
	b.live = map[resource.Key]string{u1: `{"n":1}`, u9: `{"n":9}`}
	b.fails[z1] = []error{&provider.Unreadable{Gap: snapshot.Gap{Reason: snapshot.Forbidden, Detail: "grant the scope"}}}
	b.store = newStore(b.life)
	d, err := b.repo.Begin("s0", noon.Add(-time.Hour), nil)
	must(t, err)
	for _, r := range b.want() {
		must(t, d.Add(t.Context(), r))
	}
	_, err = d.Commit(t.Context(), snapshot.Manifest{Provider: "okta", OrgID: "00o1", Ended: noon})
	must(t, err)
	b.over, err = b.repo.Open(t.Context(), d.Prefix())
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// dying is a draft whose commit is killed, before or after it.
type dying struct {
	*repository.Draft
	life *life
}

func (d dying) Commit(ctx context.Context, m snapshot.Manifest) (out snapshot.Manifest, err error) {
	err = d.life.around(func() (err error) { out, err = d.Draft.Commit(ctx, m); return err })
	return out, err
}

func (b *bench) point(t *testing.T, o backup.Options) (backup.Outcome, error) {
	t.Helper()
	in := input(b.org, b.store)
	in.Reader = b.changed
	in.Open = func(ctx context.Context, state []byte) (backup.Draft, error) {
		var d *repository.Draft
		var err error
		if state != nil {
			d, err = b.repo.Resume(ctx, state)
		} else {
			d, err = b.repo.BeginNamed("s1", noon, b.over)
		}
		return dying{d, b.life}, err
	}
	return backup.Point(t.Context(), backup.Named{Input: in, Over: b.over, Keys: []resource.Key{a1, u1, u9, z1}}, o)
}

// finished takes slices until the point is done, and gives what it holds.
func (b *bench) finished(t *testing.T, o backup.Options) (backup.Outcome, map[resource.Key]string) {
	t.Helper()
	for range 100 {
		out, err := b.point(t, o)
		if errors.Is(err, errKilled) {
			b.life.end = 0
			b.fails[z1] = []error{&provider.Unreadable{Gap: snapshot.Gap{Reason: snapshot.Forbidden, Detail: "grant the scope"}}}
			continue
		}
		must(t, err)
		if out.Done {
			return out, b.holds(t)
		}
	}
	t.Fatal("a hundred slices were not enough")
	return backup.Outcome{}, nil
}

func (b *bench) holds(t *testing.T) map[resource.Key]string {
	t.Helper()
	snap, err := b.repo.Open(t.Context(), snapshot.Prefix("acc", "con", noon, "s1"))
	must(t, err)
	out := map[resource.Key]string{}
	for _, info := range catalog {
		for r, err := range snap.Walk(t.Context(), info.Type) {
			must(t, err)
			out[r.Key] = string(r.Body)
		}
	}
	return out
}

// wanted is the whole org as it was, but for what changed.
func (b *bench) wanted() map[resource.Key]string {
	out := map[resource.Key]string{}
	for _, r := range b.want() {
		out[r.Key] = string(r.Body)
	}
	for _, k := range []resource.Key{a1, {Type: "app_user", Parent: "a1", ID: "u1"}, {Type: "app_user_key", Parent: "a1/u1", ID: "k1"}} {
		delete(out, k)
	}
	out[u1], out[u9] = `{"n":1}`, `{"n":9}`
	return out
}

// A point killed after any single step ends as one that was not.
func TestPointKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, o := range []backup.Options{{Now: fixed, Every: time.Hour}, {Now: fixed}, {Now: fixed, Until: noon}} {
		for end, done := 0, false; !done; end++ {
			b := newBench(t)
			b.life.steps, b.life.end = 0, end
			out, got := b.finished(t, o)
			if done = end > 0 && b.life.end == end; done && end < 5 {
				t.Errorf("only %d steps", end)
			}
			if diff := cmp.Diff(b.wanted(), got); diff != "" {
				t.Fatalf("killed at %d (-want +got):\n%s", end, diff)
			}
			wantGap(t, out, snapshot.Forbidden)
		}
	}
}

// wantGap: the zone alone could not be read, and nothing is hidden by that.
func wantGap(t *testing.T, out backup.Outcome, why snapshot.Reason) {
	t.Helper()
	gaps := out.Manifest.Gaps()
	if len(gaps) != 1 || gaps[0].Type != "zone" || gaps[0].Reason != why || gaps[0].Hides {
		t.Fatalf("gaps: %+v", gaps)
	}
	if objects, _, _, _ := out.Progress.Sum(); objects != out.Manifest.Objects() || out.Manifest.OrgID != "00o1" {
		t.Errorf("%d objects are told of, the manifest has %d", objects, out.Manifest.Objects())
	}
}

// A point that must wait goes on where it was; what was read is not read again.
func TestPointWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fails[u9] = []error{&provider.Wait{Until: noon.Add(time.Minute)}}
	out, err := b.point(t, backup.Options{Now: fixed, Every: time.Hour})
	if err != nil || out.Done || !out.Wait.Equal(noon.Add(time.Minute)) {
		t.Fatalf("%+v, %v", out, err)
	}
	_, got := b.finished(t, backup.Options{Now: fixed, Every: time.Hour})
	if diff := cmp.Diff(b.wanted(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if b.reads != 5 {
		t.Errorf("%d reads of 4 objects, one of which had to wait", b.reads)
	}
}

// What fails again and again is left as it was, unless the org is away as a whole.
func TestPointGivesUpAnObject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fails[z1] = nil
	for n := range 20 {
		b.fails[z1] = append(b.fails[z1], fmt.Errorf("answer %d is cut off", n))
	}
	o := backup.Options{Now: fixed, GiveUp: 3}
	b.down = errors.New("no route to the org")
	for range 5 {
		if _, err := b.point(t, o); err == nil {
			t.Fatal("an org that is away is given up")
		}
	}
	b.down = nil
	for range 2 {
		if out, err := b.point(t, o); err == nil {
			t.Fatalf("given up at once: %+v", out)
		}
	}
	out, err := b.point(t, o)
	if err != nil || !out.Done {
		t.Fatalf("%+v, %v", out, err)
	}
	wantGap(t, out, snapshot.Failed)
	if diff := cmp.Diff(b.wanted(), b.holds(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
