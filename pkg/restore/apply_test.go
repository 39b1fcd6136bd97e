package restore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// resume applies until everything has ended; only kills may happen on the way.
func resume(t *testing.T, w restore.Work, l *life) restore.Outcome {
	t.Helper()
	for range 10 {
		out, err := restore.Apply(t.Context(), w, restore.Options{Now: fixed})
		if err == nil && out.Done {
			return out
		}
		if err != nil && !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		l.end = 0
	}
	t.Fatal("ten attempts were not enough")
	return restore.Outcome{}
}

// TestKilled kills the process at every write of the journal and of the org, once
// each, before and after it; and loses the answer of every write without a kill.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"deleted_group", "remade_by_hand", "policy_and_zone", "deleted_rule", "weakened_rule", "deleted_user", "order",
		"row_of_two_phases", "row_made_and_changed", "user_with_role"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			matrix(t, "testdata/"+file+".txtar")
		})
	}
}

// matrix applies one plan once for each step that a process can die at.
func matrix(t *testing.T, file string) {
	calm := readScenario(t, file)
	p := plan(t, calm.snap, calm.org, calm.sel)
	resume(t, work(t, p, calm.org, newBook(calm.org.life)), calm.org.life)
	steps := calm.org.life.steps
	for _, once := range []bool{false, true} {
		for n := 1; n <= steps; n++ {
			s := readScenario(t, file)
			s.org.life.end, s.org.life.once = n, once
			out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
			if out.Stopped() {
				t.Fatalf("killed at %d of %d, once %v: %+v", n, steps, once, out.Entries)
			}
			if d := cmp.Diff(calm.org.sorted(), s.org.sorted()); d != "" {
				t.Fatalf("killed at %d of %d, once %v: org (-undisturbed +killed):\n%s", n, steps, once, d)
			}
			if strange := unknown(s.org.writes, out.Entries); len(strange) > 0 {
				t.Fatalf("killed at %d of %d, once %v: the journal does not know %v for its own", n, steps, once, strange)
			}
			for what, times := range s.org.creates {
				if times != 1 {
					t.Fatalf("killed at %d of %d, once %v: %s was made %d times", n, steps, once, what, times)
				}
			}
		}
	}
}

// unknown are the writes that nobody who reads the journal would know for ours: neither
// by their transaction nor, where answers were lost, by what they wrote.
func unknown(writes []string, entries []restore.Entry) (strange []string) {
	for i, w := range writes {
		ours := func(e restore.Entry) bool {
			return slices.Contains(e.Transactions, fmt.Sprintf("tx%d", i+1)) || e.Resumed && strings.HasSuffix(w, " "+e.Key.String())
		}
		if !slices.ContainsFunc(entries, ours) {
			strange = append(strange, w)
		}
	}
	return strange
}

// TestTwiceIsOnce: applying what is applied changes nothing.
func TestTwiceIsOnce(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	w := work(t, plan(t, s.snap, s.org, s.sel), s.org, newBook(s.org.life))
	first := resume(t, w, s.org.life)
	writes := len(s.org.writes)
	second := resume(t, w, s.org.life)
	if d := cmp.Diff(first.Entries, second.Entries); d != "" || len(s.org.writes) != writes {
		t.Errorf("%d writes became %d; entries (-first +second):\n%s", writes, len(s.org.writes), d)
	}
	again := plan(t, s.snap, s.org, s.sel)
	for _, step := range again.Steps {
		if step.Op != provider.Update && step.Op != provider.Create {
			t.Errorf("a second plan has the step %s %s", step.Op, step.Key)
		}
	}
}

func TestOnlyWhatWasApproved(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	w := work(t, plan(t, s.snap, s.org, s.sel), s.org, newBook(s.org.life))
	tests := map[string]func(*restore.Work){
		"another digest": func(w *restore.Work) { w.Approved = "sha256:" + strings.Repeat("0", 64) },
		"no digest":      func(w *restore.Work) { w.Approved = "" },
		"another plan":   func(w *restore.Work) { w.Plan = []byte(strings.Replace(string(w.Plan), "Finance", "Financf", 1)) },
	}
	for name, spoil := range tests {
		spoiled := w
		spoil(&spoiled)
		if _, err := restore.Apply(t.Context(), spoiled, restore.Options{}); !problem.Is(err, problem.Stale) {
			t.Errorf("%s: got %v, want a problem of kind stale", name, err)
		}
	}
	if len(s.org.writes) > 0 {
		t.Errorf("writes were made: %v", s.org.writes)
	}
}

func states(out restore.Outcome) map[int]restore.State {
	m := map[int]restore.State{}
	for _, e := range out.Entries {
		m[e.N] = e.State
	}
	return m
}

// find gives the number of the step about a key.
func find(t *testing.T, p restore.Plan, op provider.Op, key string) int {
	t.Helper()
	for _, s := range p.Steps {
		if s.Op == op && s.Key.String() == key {
			return s.N
		}
	}
	t.Fatalf("no step to %s %s", op, key)
	return 0
}

// TestMoved: an object that moved since the plan stops its own step, and nothing else.
func TestMoved(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	moved := `{"type":"OKTA_SIGN_ON","name":"Strict","description":"newer words","status":"ACTIVE","priority":1,"system":false,"conditions":{}}`
	if err := s.happen("set policy_okta_sign_on/00pStrict " + moved); err != nil {
		t.Fatal(err)
	}
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	stale := find(t, p, provider.Update, "policy_okta_sign_on/00pStrict")
	for n, state := range states(out) {
		want := restore.Done
		if n == stale {
			want = restore.Failed
		}
		if state != want {
			t.Errorf("step %d is %s, want %s", n, state, want)
		}
	}
	k, _ := resource.ParseKey("policy_okta_sign_on/00pStrict")
	if !strings.Contains(string(s.org.resource(k).Body), "newer words") {
		t.Error("what somebody wrote meanwhile was overwritten")
	}
	if !out.Stopped() {
		t.Error("the outcome does not say that something was not made")
	}
}

// TestNameTaken: somebody makes a group of the same name after the plan. It is not
// taken for ours, and nothing is put into it.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	if err := s.happen(`set group/00gTheirs01 {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"theirs"}}`); err != nil {
		t.Fatal(err)
	}
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	group := find(t, p, provider.Create, "group/00gFinance01")
	for n, state := range states(out) {
		want := restore.Skipped // everything needs the group
		if n == group {
			want = restore.Failed
		}
		if state != want {
			t.Errorf("step %d %s %s is %s, want %s", n, p.Steps[n-1].Op, p.Steps[n-1].Key, state, want)
		}
	}
	for _, r := range s.org.sorted() {
		if r.Parent == "00gTheirs01" {
			t.Errorf("%s was put into somebody else's group", r.Key)
		}
	}
}

// TestLeavesAfterThePlan: somebody leaves between approval and applying.
func TestLeavesAfterThePlan(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	if err := s.happen(`set user/00uAda {"status":"DEPROVISIONED","profile":{"login":"ada@acme.test"}}`); err != nil {
		t.Fatal(err)
	}
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	n := find(t, p, provider.Create, "group_membership/00gFinance01/00uAda")
	if got := states(out)[n]; got != restore.Skipped {
		t.Errorf("the membership is %s, want skipped", got)
	}
	for _, r := range s.org.sorted() {
		if r.Type == "group_membership" && r.ID == "00uAda" && r.Parent != "00gSales0001" {
			t.Errorf("a leaver got access back: %s", r.Key)
		}
	}
}

// TestAddedByHand: a member was added by hand since the plan: that is no failure.
func TestAddedByHand(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/lost_members.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	if err := s.happen("set group_membership/00gFinance01/00uBob {}"); err != nil {
		t.Fatal(err)
	}
	if out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life); out.Stopped() {
		t.Errorf("stopped: %+v", out.Entries)
	}
}

func TestSlices(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	w := work(t, p, s.org, newBook(s.org.life))
	now := noon
	opt := restore.Options{Until: noon.Add(time.Second), Now: func() time.Time { now = now.Add(time.Second / 2); return now }}
	slices := 0
	for done := false; !done; slices++ {
		now = noon.Add(-time.Second / 2)
		out, err := restore.Apply(t.Context(), w, opt)
		if err != nil || slices > 100 {
			t.Fatalf("slice %d: %v", slices, err)
		}
		done = out.Done
	}
	if slices < len(p.Steps)/2 {
		t.Errorf("got %d slices for %d steps, want two steps a slice", slices, len(p.Steps))
	}
}

func TestWaitAndDenied(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	w := work(t, plan(t, s.snap, s.org, s.sel), s.org, newBook(s.org.life))
	s.org.deny = &provider.Wait{Until: noon}
	if out, err := restore.Apply(t.Context(), w, restore.Options{}); err != nil || out.Done || !out.Wait.Equal(noon) {
		t.Errorf("got %+v, %v; want to wait", out, err)
	}
	s.org.deny = problem.New(problem.Denied, "the write app is not active")
	if _, err := restore.Apply(t.Context(), w, restore.Options{}); !problem.Is(err, problem.Denied) {
		t.Errorf("got %v, want to hear that the write was denied", err)
	}
	s.org.deny = problem.New(problem.Unavailable, "no answer")
	if _, err := restore.Apply(t.Context(), w, restore.Options{}); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v, want to hear that the org does not answer", err)
	}
	s.org.deny = nil
	if out := resume(t, w, s.org.life); out.Stopped() {
		t.Errorf("stopped after the org answered again: %+v", out.Entries)
	}
}

// TestConflictThatCannotBeLookedInto is tried again, and no failure of the step.
func TestConflictThatCannotBeLookedInto(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/weakened_rule.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	w := work(t, p, s.org, newBook(s.org.life))
	s.org.deny = problem.New(problem.Conflict, "perhaps it is as it should be already")
	s.org.broken[p.Steps[0].Target] = &provider.Wait{Until: noon}
	if out, err := restore.Apply(t.Context(), w, restore.Options{}); err != nil || out.Done || out.Stopped() || !out.Wait.Equal(noon) {
		t.Errorf("got %+v, %v; want to wait", out, err)
	}
	s.org.deny = nil
	delete(s.org.broken, p.Steps[0].Target)
	if out := resume(t, w, s.org.life); out.Stopped() {
		t.Errorf("stopped: %+v", out.Entries)
	}
}

// A write that is denied fails its step where the org lets the credential in, and ends
// the slice where it does not: the step is made when it does again.
func TestDeniedFailsItsStepIfTheCredentialIsLetIn(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/weakened_rule.txtar")
	w := work(t, plan(t, s.snap, s.org, s.sel), s.org, newBook(s.org.life))
	s.org.deny = problem.New(problem.Denied, "needs a super administrator")
	away := errors.New("the org lets nobody in")
	out, err := restore.Apply(t.Context(), w, restore.Options{SignIn: func(context.Context) error { return away }})
	if !errors.Is(err, away) || out.Stopped() {
		t.Errorf("not let in: got %+v, %v; want the step to be tried again", out, err)
	}
	out, err = restore.Apply(t.Context(), w, restore.Options{SignIn: func(context.Context) error { return nil }})
	if err != nil || !out.Done || states(out)[1] != restore.Failed || !strings.Contains(out.Entries[0].Problem, "super administrator") {
		t.Errorf("let in: got %+v, %v; want the step to fail and say why", out, err)
	}
}

// lost is a journal that another worker has taken over.
type lost struct{ *book }

var errLost = errors.New("another worker has it")

func (lost) Begin(context.Context, restore.Step) error { return errLost }

func TestLeaseLost(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	w := work(t, plan(t, s.snap, s.org, s.sel), s.org, lost{newBook(s.org.life)})
	if _, err := restore.Apply(t.Context(), w, restore.Options{}); !errors.Is(err, errLost) {
		t.Errorf("got %v, want the journal's error", err)
	}
	if len(s.org.writes) > 0 {
		t.Errorf("a worker without a lease wrote %v", s.org.writes)
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	w := work(t, p, s.org, newBook(s.org.life))
	out := resume(t, w, s.org.life)
	report, err := restore.Verify(t.Context(), restore.Check{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Plan: p, Entries: out.Entries})
	if err != nil {
		t.Fatal(err)
	}
	r, err := restore.NewReceipt(restore.Facts{Restore: "r1", ApprovedBy: "u1", Approved: noon, Ended: noon}, p, out.Entries, report)
	if err != nil {
		t.Fatal(err)
	}
	if r.Plan != w.Approved || r.Made != len(p.Steps) || r.Failed+r.Skipped != 0 || len(r.LeftOut) != 2 || r.IDs["00gFinance01"] != "NEW1group" {
		t.Errorf("got %+v", r)
	}
	digest, err := r.Digest()
	if err != nil || !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("digest %q, %v", digest, err)
	}
}

// TestVerifyTells: what somebody undoes after the restore is told.
func TestVerifyTells(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group_clean.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	for _, line := range []string{"delete group_membership/NEW1group/00uBob",
		`set group/NEW1group {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"hacked"}}`} {
		if err := s.happen(line); err != nil {
			t.Fatal(err)
		}
	}
	report, err := restore.Verify(t.Context(), restore.Check{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Plan: p, Entries: out.Entries})
	if err != nil {
		t.Fatal(err)
	}
	want := "11 checked, 9 same\nupdate group/NEW1group “Finance” profile.description \"Money\" -> \"hacked\"\ndelete group_membership/NEW1group/00uBob “”\n"
	if d := cmp.Diff(want, reported(report)); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
}
