package drift_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"imago/pkg/drift"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestScenarios looks into the events of every scenario: "before" is what the
// snapshot holds, "after" the org; "events" the log; "findings" what comes of it.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	rules := standard(t)
	met := make(chan string, 1000)
	t.Run("files", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				scenario(t, file, rules, met)
			})
		}
	})
	close(met)
	seen := map[string]bool{}
	for name := range met {
		seen[name] = true
	}
	for _, r := range rules.List() {
		if !seen[r.Name] {
			t.Errorf("no scenario shows the rule %s", r.Name)
		}
	}
}

func standard(t *testing.T) *drift.Rules {
	t.Helper()
	rules, err := drift.Standard()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func scenario(t *testing.T, file string, rules *drift.Rules, met chan<- string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := map[string]string{}
	for _, f := range archive.Files {
		section[f.Name] = string(f.Data)
	}
	before, after := readState(t, section["before"]), readState(t, section["after"])
	forbid(t, section["forbidden"], before, after)
	out, err := drift.Observe(t.Context(), drift.Input{Catalog: catalog, Reader: after, Snapshot: before, Seen: memory{}, Ours: ours, Wants: rules.Wants, ParentHas: rules.ParentHas, Now: fixed}, readEvents(t, section["events"]))
	if err != nil || !out.Complete {
		t.Fatalf("observe: %v, complete %v", err, out.Complete)
	}
	findings, err := rules.Evaluate(drift.Facts{Catalog: catalog, Snapshot: "snap1", Found: noon}, out.Changes)
	if err != nil {
		t.Fatal(err)
	}
	got := shown(out, findings)
	for _, f := range findings {
		met <- f.Rule
	}
	if *update {
		rewrite(t, file, archive, got)
		return
	}
	if d := cmp.Diff(section["findings"], got); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
}

// forbid makes lists unreadable, "type" or "type parent" a line: in the org, and when
// it was snapshotted.
func forbid(t *testing.T, lines string, before, after *state) {
	t.Helper()
	for line := range strings.Lines(lines) {
		typ, parent, _ := strings.Cut(strings.TrimSpace(line), " ")
		gap := snapshot.Gap{Type: resource.Type(typ), Reason: snapshot.Forbidden, Detail: "needs a super administrator"}
		before.gaps = append(before.gaps, gap)
		after.broken[resource.Key{Type: gap.Type, Parent: parent}] = &provider.Unreadable{Gap: gap}
	}
}

func rewrite(t *testing.T, file string, archive *txtar.Archive, got string) {
	t.Helper()
	for i := range archive.Files {
		if archive.Files[i].Name == "findings" {
			archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
			break
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: "findings", Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ours marks what a restore wrote.
func ours(e provider.Event) bool { return strings.HasPrefix(e.Transaction, "ours") }

func shown(out drift.Observed, findings []drift.Finding) string {
	var b strings.Builder
	for _, o := range out.Changes {
		fmt.Fprintf(&b, "%s %s “%s” of “%s”: %s%s\n", o.Change.Op, o.Change.Key, o.Label, o.ParentLabel, attributed(o.Attribution), fleeting(o))
		for _, f := range o.Change.Fields {
			fmt.Fprintf(&b, "  %s: %s -> %s\n", f.Path, text(f.Before), text(f.After))
		}
		for _, a := range o.Affected {
			fmt.Fprintf(&b, "  %d %s, gone %v: %s\n", a.Count, a.Type, a.Gone, strings.Join(a.Labels, ", "))
		}
	}
	for _, g := range out.Unknown {
		fmt.Fprintf(&b, "unknown %s/%s: %s %s\n", g.Type, g.Parent, g.Reason, g.Detail)
	}
	for _, f := range findings {
		fmt.Fprintf(&b, "FINDING %s %s “%s”\n  %s\n", f.Severity, f.Rule, f.Title, f.Sentence)
		for _, c := range f.Consequences {
			fmt.Fprintf(&b, "  + %s\n", c)
		}
	}
	return b.String()
}

func fleeting(o drift.Observation) string {
	if o.Fleeting {
		return " fleeting"
	}
	return ""
}

func attributed(a drift.Attribution) string {
	var words []string
	if a.Event != nil {
		words = append(words, a.Event.Actor.ID, a.Event.ID)
	}
	for _, c := range a.Candidates {
		words = append(words, "perhaps", c.Actor.ID, c.ID)
	}
	for _, r := range a.Related {
		words = append(words, "with", r.ID)
	}
	if a.Through != nil {
		words = append(words, "through", a.Through.String())
	}
	if a.Expected {
		words = append(words, "expected")
	}
	if len(words) == 0 {
		return "nobody is named"
	}
	return strings.Join(words, " ")
}
