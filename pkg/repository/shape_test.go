package repository_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/mem"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// TestManyTypesMostlyEmpty: each of 157 types is told of, and those that are empty take no
// more than that, in a full snapshot and in a layer.
func TestManyTypesMostlyEmpty(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	r := repo(t, store, keyring(t, alice), conn, small)
	f := facts()
	f.Types = nil
	for i := range 157 {
		f.Types = append(f.Types, snapshot.TypeStatus{Type: resource.Type(fmt.Sprintf("type_%03d", i)), Calls: 1})
	}
	all := []resource.Resource{res("type_003", "", "a", `{"n":9007199254740993}`), res("type_150", "p", "b", `{"n":-18446744073709551617}`)}
	d := begin(t, r)
	for n := range 3 {
		addAll(t, d, all)
		m, err := d.Commit(t.Context(), f)
		if err != nil || len(m.Types) != 157 || m.Objects() != int64(len(all)) || len(m.Segments) > 1+n {
			t.Fatalf("%d types, %d objects, %d segments: %v", len(m.Types), m.Objects(), len(m.Segments), err)
		}
		s, err := r.Open(t.Context(), d.Prefix())
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, all)
		if got, err := collect(s.Walk(t.Context(), "type_077")); err != nil || len(got) != max(0, n-1) {
			t.Errorf("%v, %v", got, err)
		}
		all = append(all, res("type_077", "", fmt.Sprint("c", n), `{}`))[:2+n]
		if d, err = r.Begin(fmt.Sprint("next", n), started.Add(time.Duration(1+n)*time.Hour), s); err != nil {
			t.Fatal(err)
		}
	}
	if report := check(t, r); len(report.Damage) != 0 {
		t.Errorf("%+v", report)
	}
}

// TestALargeRecord: one of 5 MB is kept among small ones, changed, and gone.
func TestALargeRecord(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	body := func(c string) string { return `{"text":"` + strings.Repeat(c, 5_000_000) + `"}` }
	first := append(org(10), res("user", "", "00u000003x", body("a")))
	second := append(org(10), res("user", "", "00u000003x", body("b")))
	s := take(t, r, first)
	holds(t, s, first)
	for n, all := range [][]resource.Resource{second, org(10)} {
		d, err := r.Begin(fmt.Sprint("next", n), started.Add(time.Duration(1+n)*time.Hour), s)
		if err != nil {
			t.Fatal(err)
		}
		addAll(t, d, shuffled(all, 3))
		commit(t, d)
		if s, err = r.Open(t.Context(), d.Prefix()); err != nil {
			t.Fatal(err)
		}
		holds(t, s, all)
	}
	if report := check(t, r); len(report.Damage) != 0 {
		t.Errorf("%+v", report)
	}
}

// TestAClockThatJumps: a snapshot stands on nothing that began after it; one that may is a
// full one then, and nothing of what is there suffers.
func TestAClockThatJumps(t *testing.T) {
	t.Parallel()
	now := started
	store := mem.New(mem.Options{Now: func() time.Time { return now }})
	r := repo(t, store, keyring(t, alice), conn, small)
	s := take(t, r, org(20))
	for n, jump := range []time.Duration{time.Hour, -3 * time.Hour, 0, 9000 * time.Hour, -8999 * time.Hour} {
		now = now.Add(jump)
		back := jump <= 0
		if _, err := r.BeginNamed("named", now, s); problem.Is(err, problem.Unavailable) != back {
			t.Errorf("jump %d: a point: %v", n, err)
		}
		d, err := r.Begin(fmt.Sprint("jump", n), now, s)
		if err != nil {
			t.Fatal(err)
		}
		if full := d.Parent() == ""; full != (back || jump > 720*time.Hour) {
			t.Errorf("jump %d: over %q", n, d.Parent())
		}
		now = now.Add(-time.Hour) // within it
		addAll(t, d, org(20)[:15+n])
		now = now.Add(2 * time.Hour)
		commit(t, d)
		if s, err = r.Open(t.Context(), d.Prefix()); err != nil {
			t.Fatal(err)
		}
		holds(t, s, org(20)[:15+n])
		now = s.Manifest().Started
	}
	if report := check(t, r); len(report.Damage) != 0 || report.Snapshots != 6 {
		t.Errorf("%+v", report)
	}
}
