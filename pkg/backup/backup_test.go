package backup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/backup"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	out := finish(t, o, s, backup.Options{Now: fixed})
	if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	m := out.Manifest
	if m.OrgID != "00o1" || m.Engine != "oie" || m.LogCursor != "log@0" || !m.Ended.Equal(noon) || m.ID != "s1" {
		t.Errorf("the manifest lacks facts: %+v", m)
	}
	if !m.Complete() || m.Objects() != int64(len(o.want())) {
		t.Errorf("got %d objects and gaps %v, want %d and none", m.Objects(), m.Gaps(), len(o.want()))
	}
	objects, calls, bytes, gaps := out.Progress.Sum()
	if objects != m.Objects() || calls != int64(o.calls) || bytes == 0 || gaps != 0 {
		t.Errorf("progress says %d objects, %d calls, %d bytes, %d gaps; %d calls were made", objects, calls, bytes, gaps, o.calls)
	}
	for _, p := range out.Progress.Types {
		if !p.Done {
			t.Errorf("%s is not said to be done", p.Type)
		}
	}
}

// TestKilled kills the process at every step, once each, and resumes it.
func TestKilled(t *testing.T) {
	t.Parallel()
	calm := newOrg()
	want := newStore(calm.life)
	undisturbed := finish(t, calm, want, backup.Options{Now: fixed})
	steps := calm.life.steps
	if steps < 100 {
		t.Fatalf("only %d steps: the matrix proves little", steps)
	}
	for _, every := range []time.Duration{0, time.Hour} {
		for n := 1; n <= steps; n++ {
			o := newOrg()
			s := newStore(o.life)
			o.life.end = n
			out := finish(t, o, s, backup.Options{Now: fixed, Every: every})
			if d := cmp.Diff(undisturbed.Manifest, out.Manifest); d != "" {
				t.Fatalf("killed at step %d, every %s: manifest (-undisturbed +killed):\n%s", n, every, d)
			}
			if d := cmp.Diff(sorted(want.records), sorted(s.records)); d != "" {
				t.Fatalf("killed at step %d, every %s: records (-undisturbed +killed):\n%s", n, every, d)
			}
		}
	}
}

// TestSlices ends a slice after every page: each goes on where the last one was.
func TestSlices(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	slices := 0
	for done := false; !done; slices++ {
		out, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed, Until: noon})
		if err != nil || slices > 100 {
			t.Fatalf("slice %d: %v", slices, err)
		}
		done = out.Done
	}
	if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	if pages := 24; slices < pages {
		t.Errorf("got %d slices, want at least %d", slices, pages)
	}
	if o.calls > slices {
		t.Errorf("%d calls in %d slices: something was listed twice", o.calls, slices)
	}
	if o.anew != 1 {
		t.Errorf("the rights were asked for anew %d times in %d slices, want once at the start", o.anew, slices)
	}
}

func TestCheckpointsAreSpaced(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	now := noon
	clock := func() time.Time { now = now.Add(100 * time.Millisecond); return now }
	finish(t, o, s, backup.Options{Now: clock, Every: time.Second})
	if s.saves < 3 || s.saves > 10 {
		t.Errorf("got %d checkpoints for %d pages, want one in ten or so", s.saves, o.calls)
	}
}

func unreadable(t resource.Type, parent string, why snapshot.Reason) error {
	return &provider.Unreadable{Gap: snapshot.Gap{Type: t, Parent: parent, Reason: why, Detail: "grant the scope"}}
}

func TestGaps(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil   func(*org)
		giveUp  int
		without []string // lists that are not in the snapshot
		want    []string // type/parent reason
		calls   int      // fewer than of a whole snapshot
		odd     bool     // what has a slash in its ID is not in the snapshot either
	}{
		"a type that is forbidden": {
			spoil:   func(o *org) { o.gone["zone"] = unreadable("zone", "", snapshot.Forbidden) },
			without: []string{"zone"}, want: []string{"zone/ forbidden"},
		},
		"a parent type that is forbidden leaves its children unknown": {
			spoil:   func(o *org) { o.gone["policy"] = unreadable("policy", "", snapshot.NotLicensed) },
			without: []string{"policy", "policy_rule/p1"}, want: []string{"policy/ not_licensed", "policy_rule/ not_licensed"}, calls: 1,
		},
		"a type that no parent answers is asked once": {
			spoil:   func(o *org) { o.gone["app_user/a0"] = unreadable("app_user", "", snapshot.Forbidden) },
			without: []string{"app_user/a0", "app_user/a1", "app_user/a2", "app_user_key/a0/u1", "app_user_key/a1/u1", "app_user_key/a2/u1"},
			want:    []string{"app_user/ forbidden", "app_user_key/ forbidden"}, calls: 5,
		},
		"one parent that is forbidden": {
			spoil:   func(o *org) { o.gone["group_membership/g2"] = unreadable("", "g2", snapshot.Forbidden) },
			without: []string{"group_membership/g2"}, want: []string{"group_membership/g2 forbidden"}, calls: 1,
		},
		"a type that the first three parents refuse, and the last, is asked no more": {
			spoil: func(o *org) {
				o.put("group", "", "g4", `{"type":"OKTA"}`)
				o.put("group", "", "g5", `{"type":"OKTA"}`)
				for i := range 6 {
					g := fmt.Sprintf("g%d", i)
					o.gone["group_membership/"+g] = unreadable("", g, snapshot.Forbidden)
				}
			},
			without: []string{"group_membership/g2", "group_membership/g3"}, want: []string{"group_membership/ forbidden"}, calls: 1,
		},
		"three refusals are three, when the last parent answers": {
			spoil: func(o *org) {
				o.put("group", "", "g4", `{"type":"OKTA"}`)
				o.put("group", "", "g5", `{"type":"OKTA"}`)
				o.put("group_membership", "g4", "u1", `{}`)
				o.put("group_membership", "g5", "u1", `{}`)
				for _, g := range []string{"g0", "g2", "g3"} {
					o.gone["group_membership/"+g] = unreadable("", g, snapshot.Forbidden)
				}
			},
			without: []string{"group_membership/g2", "group_membership/g3"},
			want:    []string{"group_membership/g0 forbidden", "group_membership/g2 forbidden", "group_membership/g3 forbidden"}, calls: -1,
		},
		"one parent's list that was cut off": {
			spoil:   func(o *org) { o.gone["group_membership/g2"] = unreadable("group_membership", "", snapshot.Truncated) },
			without: []string{"group_membership/g2"}, want: []string{"group_membership/g2 truncated"}, calls: 1,
		},
		"a type that is swept": {
			spoil:   func(o *org) { o.gone["user_role"] = unreadable("user_role", "", snapshot.Forbidden) },
			without: []string{"user_role"}, want: []string{"user_role/ forbidden"},
		},
		"a parent that was deleted meanwhile is in the snapshot, and what it held is not known": {
			spoil: func(o *org) {
				o.gone["group_membership/g2"] = problem.New(problem.NotFound, "no such group")
			},
			without: []string{"group_membership/g2"}, want: []string{"group_membership/g2 failed"}, calls: 1,
		},
		"a parent of a parent that was deleted meanwhile": {
			spoil: func(o *org) {
				o.gone["app_user_key/a1/u1"] = problem.New(problem.NotFound, "no such app")
			},
			without: []string{"app_user_key/a1/u1"}, want: []string{"app_user_key/a1/u1 failed"},
		},
		"an ID that no record can hold": {
			spoil: func(o *org) {
				o.gone["app_user_key/a2/u/2"] = errors.New("nobody asks below what is not kept")
				o.put("app_user", "a2", "u/2", `{}`)
				o.put("user_role", "u1", "r/2", `{}`)
				o.put("zone", "", "z/1", `{}`)
			},
			odd: true, want: []string{"app_user/a2 failed", "user_role/u1 failed", "zone/ failed"},
		},
		"one parent of a type that is swept": {
			spoil: func(o *org) { o.lacks["user_role"] = []string{"u3"} },
			want:  []string{"user_role/u3 failed"},
		},
		"a log that nobody may read is no gap": {
			spoil: func(o *org) { o.gone["log"] = unreadable("log", "", snapshot.Forbidden) },
		},
	}
	whole := newOrg()
	finish(t, whole, newStore(whole.life), backup.Options{Now: fixed})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg()
			tt.spoil(o)
			s := newStore(o.life)
			out := finish(t, o, s, backup.Options{Now: fixed, GiveUp: tt.giveUp})
			var got []string
			for _, g := range out.Manifest.Gaps() {
				got = append(got, fmt.Sprintf("%s/%s %s", g.Type, g.Parent, g.Reason))
				if g.Detail == "" {
					t.Errorf("the gap %v says nothing to a person", g)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("gaps (-want +got):\n%s", d)
			}
			want := o.want(tt.without...)
			if tt.odd {
				want = slices.DeleteFunc(want, func(r resource.Resource) bool { return strings.Contains(r.ID, "/") })
			}
			if d := cmp.Diff(want, sorted(s.records)); d != "" {
				t.Errorf("records (-want +got):\n%s", d)
			}
			if o.calls != whole.calls-tt.calls {
				t.Errorf("got %d calls, want %d", o.calls, whole.calls-tt.calls)
			}
			for _, p := range s.shown.Types {
				for _, g := range p.Gaps {
					if g.Parent != "" {
						t.Errorf("the progress names the parent %s", g.Parent)
					}
				}
			}
		})
	}
}

// TestWaitForTheLastParent: a slice may end between the refusals and the question that
// tells whether they hold for all.
func TestWaitForTheLastParent(t *testing.T) {
	t.Parallel()
	o := newOrg()
	o.put("group", "", "g4", `{"type":"OKTA"}`)
	for _, g := range []string{"g0", "g2", "g3", "g4"} {
		o.gone["group_membership/"+g] = unreadable("", g, snapshot.Forbidden)
	}
	o.wrong["group_membership/g4"] = []error{&provider.Wait{Until: noon}}
	s := newStore(o.life)
	if out, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed}); err != nil || out.Wait.IsZero() {
		t.Fatalf("%+v, %v; want to wait", out, err)
	}
	out := finish(t, o, s, backup.Options{Now: fixed})
	want := []snapshot.Gap{{Type: "group_membership", Reason: snapshot.Forbidden, Detail: "grant the scope"}}
	if d := cmp.Diff(want, out.Manifest.Gaps()); d != "" {
		t.Errorf("gaps (-want +got):\n%s", d)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	later := noon.Add(time.Minute)
	o.wrong["user"] = []error{nil, &provider.Wait{Until: later, Reason: "users"}}
	out, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed, Every: time.Hour})
	if err != nil || out.Done || !out.Wait.Equal(later) {
		t.Fatalf("got %+v, %v; want to wait until %v", out, err, later)
	}
	if objects, _, _, _ := s.shown.Sum(); objects != 1+3 {
		t.Errorf("%d objects were saved before waiting, want 4", objects)
	}
	finish(t, o, s, backup.Options{Now: fixed})
	if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
}

func TestWaitBeforeAnything(t *testing.T) {
	t.Parallel()
	o := newOrg()
	o.down = &provider.Wait{Until: noon, Reason: "org"}
	out, err := backup.Slice(t.Context(), input(o, newStore(o.life)), backup.Options{Now: fixed})
	if err != nil || !out.Wait.Equal(noon) {
		t.Errorf("got %+v, %v; want to wait", out, err)
	}
}

func TestFailuresAreToldAndCounted(t *testing.T) {
	t.Parallel()
	cut := errors.New("connection reset")
	o := newOrg()
	s := newStore(o.life)
	o.gone["zone"] = cut
	opt := backup.Options{Now: fixed, GiveUp: 3}
	slice := func() (backup.Outcome, error) { return backup.Slice(t.Context(), input(o, s), opt) }
	if _, err := slice(); !errors.Is(err, cut) || !strings.Contains(err.Error(), "list zone") {
		t.Fatalf("got %v, want to hear of the zones' failure", err)
	}
	o.down = errors.New("no route")
	for range 5 {
		if _, err := slice(); !errors.Is(err, cut) {
			t.Fatalf("got %v while the org is down, want the failure and no gap", err)
		}
	}
	o.down = nil
	if _, err := slice(); !errors.Is(err, cut) {
		t.Fatalf("got %v at the second failure", err)
	}
	out, err := slice()
	if err != nil || !out.Done {
		t.Fatalf("got %+v, %v; want to be done with a gap", out, err)
	}
	want := []snapshot.Gap{{Type: "zone", Reason: snapshot.Failed, Detail: "the provider failed 3 times in a row"}}
	if d := cmp.Diff(want, out.Manifest.Gaps()); d != "" {
		t.Errorf("gaps (-want +got):\n%s", d)
	}
}

// TestMisplacedIsGivenUp: a list that holds what does not belong there is read again, and
// left at that when it stays so.
func TestMisplacedIsGivenUp(t *testing.T) {
	t.Parallel()
	o := newOrg()
	o.lists["user"][5].Type = "group"
	s := newStore(o.life)
	var last error
	for n := range 5 {
		var out backup.Outcome
		if out, last = backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed, GiveUp: 3}); out.Done {
			if gaps := out.Manifest.Gaps(); n != 2 || len(gaps) == 0 || gaps[0].Type != "user" || gaps[0].Reason != snapshot.Failed {
				t.Errorf("in slice %d: gaps %v", n+1, gaps)
			}
			return
		}
	}
	t.Errorf("not given up: %v", last)
}

func TestStoreFailuresNeverBecomeGaps(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	s.broken = errors.New("bucket away")
	for range 5 {
		if _, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed, GiveUp: 1}); !errors.Is(err, s.broken) {
			t.Fatalf("got %v, want the store's error", err)
		}
	}
	s.broken = nil
	if out := finish(t, o, s, backup.Options{Now: fixed}); !out.Manifest.Complete() {
		t.Errorf("got gaps %v", out.Manifest.Gaps())
	}
}

func TestLeaseLostStops(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	s.fail = errors.New("another worker has it")
	if _, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed}); !errors.Is(err, s.fail) {
		t.Fatalf("got %v, want the journal's error", err)
	}
	if o.calls > 0 || s.manifest != nil {
		t.Errorf("%d calls were made without a lease", o.calls)
	}
}

// TestStaleCursor: a list that must be read anew gives nothing twice, also when
// the slice ends in the middle of it.
func TestStaleCursor(t *testing.T) {
	t.Parallel()
	for _, until := range []time.Time{{}, noon} {
		o := newOrg()
		s := newStore(o.life)
		o.wrong["user"] = []error{nil, nil, &provider.Wait{Until: noon}}
		if _, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed}); err != nil {
			t.Fatal(err)
		}
		o.stale["user@6"] = true
		finish(t, o, s, backup.Options{Now: fixed, Until: until})
		if len(o.stale) > 0 {
			t.Fatal("the stale cursor was never used")
		}
		if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
			t.Errorf("until %v: records (-want +got):\n%s", until, d)
		}
	}
}

func TestDuplicatesStandOnce(t *testing.T) {
	t.Parallel()
	for _, until := range []time.Time{{}, noon} {
		o := newOrg()
		s := newStore(o.life)
		o.twice["user"], o.twice["group_membership/g3"] = true, true
		out := finish(t, o, s, backup.Options{Now: fixed, Until: until})
		if objects, _, _, _ := out.Progress.Sum(); objects != int64(len(o.want())) {
			t.Errorf("until %v: %d objects are told of, of %d", until, objects, len(o.want()))
		}
		if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
			t.Errorf("until %v: records (-want +got):\n%s", until, d)
		}
	}
}

func TestBrokenReaders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(*org)
		want  string
	}{
		"a list that ends in silence": {func(o *org) { o.early["user"] = true }, "without a last page"},
		"another type in a list": {func(o *org) {
			o.lists["user"][0].Type = "group"
		}, "another place"},
		"another parent in a list": {func(o *org) {
			o.lists["group_membership/g2"][0].Parent = "g3"
		}, "another place"},
		"an org that refuses": {func(o *org) {
			o.down = problem.New(problem.Denied, "the app is not active")
		}, "not active"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg()
			tt.spoil(o)
			s := newStore(o.life)
			_, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			if s.manifest != nil {
				t.Error("a snapshot was committed")
			}
		})
	}
}

func TestCheckpointsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{"a later version": `{"version":99,"draft":"e30="}`, "rubbish": `{`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg()
			s := newStore(o.life)
			s.journal = []byte(raw)
			if _, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed}); err == nil || !strings.Contains(err.Error(), "checkpoint") {
				t.Errorf("got error %v, want one about the checkpoint", err)
			}
		})
	}
}

// TestCheckpointOfAnOlderProgram: its snapshot is begun again, and ends as any other.
func TestCheckpointOfAnOlderProgram(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	s.journal = []byte(`{"version":1,"draft":"WyIwLTEiXQ==","org_id":"00o1","types":[{"type":"user","done":true},{"type":"group","objects":2,"cursor":"group@2"}]}`)
	finish(t, o, s, backup.Options{Now: fixed})
	if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
}

// TestTypesThatAppear: a program with a longer catalog takes a snapshot over.
func TestTypesThatAppear(t *testing.T) {
	t.Parallel()
	o := newOrg()
	s := newStore(o.life)
	in := input(o, s)
	in.Catalog = catalog[:4]
	if _, err := backup.Slice(t.Context(), in, backup.Options{Now: fixed, Until: noon}); err != nil {
		t.Fatal(err)
	}
	finish(t, o, s, backup.Options{Now: fixed})
	if d := cmp.Diff(o.want(), sorted(s.records)); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := newOrg()
	s := newStore(o.life)
	o.gone["org"] = context.Canceled
	if _, err := backup.Slice(ctx, input(o, s), backup.Options{Now: fixed, GiveUp: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want to be cancelled", err)
	}
}
