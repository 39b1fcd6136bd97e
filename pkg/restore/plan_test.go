package restore_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"imago/pkg/diff"
	"imago/pkg/resource"
	"imago/pkg/restore"
	"imago/pkg/snapshot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scenario is one file: "org" is the org that the snapshot holds, "then" what
// happened to it, "select" what is wanted back, and plan, journal and org
// afterwards are what comes of it.
type scenario struct {
	*txtar.Archive
	snap *snap
	org  *org
	sel  restore.Selection
}

func (s *scenario) section(name string) []byte {
	for _, f := range s.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func (s *scenario) set(name string, data []byte) {
	for i := range s.Files {
		if s.Files[i].Name == name {
			s.Files[i].Data = data
			return
		}
	}
	s.Files = append(s.Files, txtar.File{Name: name, Data: data})
}

func readScenario(t *testing.T, file string) *scenario {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, archive)
}

func open(t *testing.T, archive *txtar.Archive) *scenario {
	t.Helper()
	s := &scenario{Archive: archive, org: newOrg()}
	if err := s.org.load(s.section("org")); err != nil {
		t.Fatal(err)
	}
	s.snap = &snap{org: s.org.copy()}
	for line := range strings.Lines(string(s.section("then"))) {
		if err := s.happen(strings.TrimSpace(line)); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(string(s.section("select"))) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		key, _ := resource.ParseKey(rest)
		switch word {
		case "only":
			s.sel.Keys = append(s.sel.Keys, key)
		case "with":
			s.sel.Keys, s.sel.WithDependents = append(s.sel.Keys, key), true
		case "without":
			s.sel.Exclude = append(s.sel.Exclude, key)
		default:
			t.Fatalf("cannot read %q", line)
		}
	}
	return s
}

// happen changes the org: "delete key", "set key {body}", "gap type parent".
func (s *scenario) happen(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "":
		return nil
	case "delete":
		k, _ := resource.ParseKey(rest)
		s.org.delete(k)
		return nil
	case "set":
		return s.org.load([]byte(rest))
	case "gap":
		t, parent, _ := strings.Cut(rest, " ")
		s.snap.gaps = append(s.snap.gaps, snapshot.Gap{Type: resource.Type(t), Parent: parent, Reason: snapshot.Forbidden, Detail: "grant the scope"})
		return nil
	}
	return fmt.Errorf("cannot read %q", line)
}

// TestScenarios plans, applies and verifies every scenario against its golden parts.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := readScenario(t, file)
			all := play(t, s)
			for _, name := range []string{"plan", "journal", "report", "afterwards"} {
				got := all[name]
				if *update {
					s.set(name, got)
				} else if d := cmp.Diff(string(s.section(name)), string(got)); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(s.Archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// play does everything that a scenario shows.
func play(t *testing.T, s *scenario) map[string][]byte {
	p := plan(t, s.snap, s.org, s.sel)
	j := newBook(s.org.life)
	out, err := restore.Apply(t.Context(), work(t, p, s.org, j), restore.Options{Now: fixed})
	if err != nil || !out.Done {
		t.Fatalf("apply: done %v, %v", out.Done, err)
	}
	report, err := restore.Verify(t.Context(), restore.Check{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Plan: p, Entries: out.Entries})
	if err != nil {
		t.Fatal(err)
	}
	var journal, ended bytes.Buffer
	for _, e := range out.Entries {
		fmt.Fprintln(&journal, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", e.N, e.State, keyOr(e.Key), e.Problem)))
	}
	for _, r := range s.org.sorted() {
		fmt.Fprintf(&ended, "%s %s\n", r.Key, r.Body)
	}
	return map[string][]byte{"plan": []byte(shown(p)), "journal": journal.Bytes(), "report": []byte(reported(report)), "afterwards": ended.Bytes()}
}

func keyOr(k resource.Key) string {
	if k == (resource.Key{}) {
		return "-"
	}
	return k.String()
}

// shown writes a plan for reading.
func shown(p restore.Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%d %s %s as %s\n", s.N, s.Op, s.Key, s.Target)
		fmt.Fprintf(&b, "  %s “%s” of “%s”: %s\n", s.Title, s.Label, s.Parent, s.Why)
		if len(s.After) > 0 {
			fmt.Fprintf(&b, "  after %v\n", s.After)
		}
		if s.Person != nil {
			fmt.Fprintf(&b, "  for %s\n", s.Person)
		}
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "  %s %s %s -> %s\n", f.Op, f.Path, f.Before, f.After)
		}
		for _, w := range s.Warn {
			fmt.Fprintf(&b, "  ! %s\n", w)
		}
		if len(s.Namesakes) > 0 {
			fmt.Fprintf(&b, "  not %v\n", s.Namesakes)
		}
		if s.Want != nil {
			fmt.Fprintf(&b, "  want %s\n", s.Want)
		}
		if s.Expect != nil {
			fmt.Fprintf(&b, "  expect %s\n", s.Expect)
		}
	}
	for _, l := range p.LeftOut {
		fmt.Fprintf(&b, "left out %s “%s”: %s\n", l.Key, l.Label, l.Reason)
	}
	for _, c := range p.Identical {
		fmt.Fprintf(&b, "identical %d %s\n", c.N, c.Type)
	}
	for _, c := range p.Follows {
		fmt.Fprintf(&b, "follows %d %s\n", c.N, c.Type)
	}
	for was, now := range p.Matched {
		fmt.Fprintf(&b, "matched %s %s\n", was, now)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "! %s\n", w)
	}
	for _, l := range p.Lost {
		fmt.Fprintf(&b, "lost %s\n", l)
	}
	fmt.Fprintf(&b, "scopes %v\n", p.Scopes)
	return b.String()
}

func reported(r restore.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d checked, %d same\n", r.Checked, r.Same)
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s %s “%s”", d.Op, d.Key, d.Label)
		for _, f := range d.Fields {
			fmt.Fprintf(&b, " %s %s -> %s", f.Path, f.Before, f.After)
		}
		fmt.Fprintln(&b)
	}
	for _, c := range r.Pending {
		fmt.Fprintf(&b, "pending %d %s\n", c.N, c.Type)
	}
	return b.String()
}

// TestFinanceComesBack: after the main job the org differs from the snapshot in
// identities and times only.
func TestFinanceComesBack(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group_clean.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	out, err := restore.Apply(t.Context(), work(t, p, s.org, newBook(s.org.life)), restore.Options{Now: fixed})
	if err != nil || out.Stopped() {
		t.Fatalf("apply: %+v, %v", out, err)
	}
	for c, err := range diff.Changes(catalog, whole(s.snap.org), whole(s.org), diff.Options{IDs: restore.IDs(p, out.Entries)}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s %s %v", c.Op, c.Key, c.Fields)
	}
}

func whole(o *org) diff.Side {
	return diff.Side{Resources: func(yield func(resource.Resource, error) bool) {
		for _, r := range o.sorted() {
			if !yield(r, nil) {
				return
			}
		}
	}}
}
