package repository_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// called is an org whose users have a name, and a member that moves by itself.
func called(users int, name string) []resource.Resource {
	out := org(users)
	for i := range out {
		if out[i].Type == "user" {
			out[i].Body = fmt.Appendf(nil, `{"id":%q,"lastLogin":%d,"name":"%s-%d"}`, out[i].ID, i, name, i)
		}
	}
	return out
}

// TestFailuresWithinADraft: each operation of the store fails once, before it or after it, and
// the same draft goes on: what is counted, gone or named is what was met, once.
func TestFailuresWithinADraft(t *testing.T) {
	t.Parallel()
	k, under := keyring(t, alice), mem.New(mem.Options{})
	o := small
	o.Catalog = catalog
	before, met := called(60, "ada"), append(called(60, "bob")[:40:40], called(60, "ada")[50:90]...)
	parent := take(t, repo(t, under, k, conn, o), before)
	sweeps := func(t *testing.T, store blob.Store) error { return sweepAgain(t, store, k, o, parent.Prefix(), met) }
	calls := fault.New(under.Clone())
	if err := sweeps(t, calls); err != nil {
		t.Fatal(err)
	}
	if n := len(calls.Calls()); n < 50 {
		t.Fatalf("only %d operations", n)
	}
	for name, plan := range map[string]func(*fault.Fault){
		"before": func(f *fault.Fault) { f.ErrorInstead(errKilled) }, "after": func(f *fault.Fault) { f.ErrorAfter(errKilled) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 0; n < len(calls.Calls()); n += deathEvery {
				at := under.Clone()
				store := fault.New(at)
				plan(store.AddFault(fault.Any).After(n))
				when := fmt.Sprintf("operation %d, %s", n, calls.Calls()[n])
				if err := sweeps(t, store); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				store.VerifyAllFired(t)
				sweptOnce(t, repo(t, at, k, conn, o), met, when)
			}
		})
	}
}

// sweepAgain sweeps over a parent, and tries again what failed, with the same draft.
func sweepAgain(t *testing.T, store blob.Store, k *envelope.Keyring, o repository.Options, over string, met []resource.Resource) error {
	t.Helper()
	r := repo(t, store, k, conn, o)
	parent, err := r.Open(t.Context(), over)
	if errors.Is(err, errKilled) {
		parent, err = r.Open(t.Context(), over)
	}
	if err != nil {
		return err
	}
	d, err := r.Begin("again", started.Add(time.Hour), parent)
	if err != nil {
		return err
	}
	for _, res := range met {
		if err = d.Add(t.Context(), res); errors.Is(err, errKilled) {
			err = d.Add(t.Context(), res)
		}
		if err != nil {
			return err
		}
	}
	if _, err = d.Commit(t.Context(), facts()); errors.Is(err, errKilled) {
		_, err = d.Commit(t.Context(), facts())
	}
	return err
}

// sweptOnce fails unless the second snapshot is of what was met.
func sweptOnce(t *testing.T, r *repository.Repository, met []resource.Resource, when string) {
	t.Helper()
	s, err := r.Open(t.Context(), list(t, r)[1])
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if n := s.Manifest().Objects(); n != int64(len(met)) {
		t.Errorf("%s: it tells of %d objects, and %d were met", when, n, len(met))
	}
	holds(t, s, met)
	for _, name := range []string{"ada-3", "bob-3", "ada-55", "bob-55", "ada-45", "bob-39"} {
		want := ""
		for _, res := range met {
			if res.Type == "user" && string(res.Body) == fmt.Sprintf(`{"id":%q,"lastLogin":%s,"name":"%s"}`, res.ID, name[4:], name) {
				want = res.Key.String()
			}
		}
		if got := named(t, s, "user", name); got != want {
			t.Errorf("%s: %s finds %q, want %q", when, name, got, want)
		}
	}
	if report := check(t, r); len(report.Damage) != 0 {
		t.Fatalf("%s: %+v", when, report.Damage)
	}
}
