package drift_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/drift"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// catalog is the real one: what is noticed depends on it.
var catalog = okta.New(okta.Options{}).Catalog()

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed() time.Time { return noon }

// state is an org, or a snapshot of it, in memory.
type state struct {
	id     string
	age    time.Duration       // of a snapshot, besides an hour
	all    []resource.Resource // in key order
	gaps   []snapshot.Gap
	broken map[resource.Key]error // reads that fail
	reads  []string
	walks  []resource.Type
	takes  func(resource.Type) // called when something of the type is read
}

// readState reads lines "type/parent/id {body}".
func readState(t *testing.T, text string) *state {
	t.Helper()
	s := &state{id: "snap1", broken: map[resource.Key]error{}, takes: func(resource.Type) {}}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		s.put(t, line)
	}
	return s
}

func (s *state) put(t *testing.T, line string) {
	t.Helper()
	key, body, _ := strings.Cut(line, " ")
	k, ok := resource.ParseKey(key)
	if !ok {
		t.Fatalf("no key: %q", line)
	}
	if body == "" {
		body = "{}"
	}
	canonical, err := resource.Canonical(nil, []byte(body))
	if err == nil {
		canonical, err = resource.With(canonical, "id", resource.Quote(k.ID))
	}
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	s.delete(k)
	s.all = append(s.all, resource.Resource{Key: k, Body: canonical})
	slices.SortFunc(s.all, func(a, b resource.Resource) int { return a.Compare(b.Key) })
}

func (s *state) delete(k resource.Key) {
	s.all = slices.DeleteFunc(s.all, func(r resource.Resource) bool { return r.Key == k })
}

func (s *state) body(t *testing.T, k resource.Key) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return r.Body
}

func (s *state) Manifest() snapshot.Manifest {
	return snapshot.Manifest{ID: s.id, Started: noon.Add(-time.Hour - s.age), Ended: noon.Add(-50*time.Minute - s.age), Types: []snapshot.TypeStatus{{Gaps: s.gaps}}}
}

func (s *state) Get(_ context.Context, k resource.Key) (resource.Resource, error) {
	s.reads = append(s.reads, k.String())
	s.takes(k.Type)
	if err := s.broken[k]; err != nil {
		return resource.Resource{}, err
	}
	for _, r := range s.all {
		if r.Key == k {
			return r, nil
		}
	}
	return resource.Resource{}, problem.New(problem.NotFound, "there is no %s", k)
}

func (s *state) Walk(_ context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	s.walks = append(s.walks, t)
	return func(yield func(resource.Resource, error) bool) {
		for _, r := range s.all {
			if r.Type != t {
				continue
			}
			s.takes(t)
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (s *state) List(_ context.Context, t resource.Type, parent resource.Key, _ string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		s.reads = append(s.reads, string(t)+"/"+parent.ID+"/*")
		if err := s.broken[resource.Key{Type: t, Parent: parent.ID}]; err != nil {
			yield(provider.Page{}, err)
			return
		}
		for _, r := range s.all { // a page each
			if r.Type == t && r.Parent == parent.ID && !yield(provider.Page{Resources: []resource.Resource{r}, Cursor: "on"}, nil) {
				return
			}
		}
		yield(provider.Page{}, nil)
	}
}

func (s *state) Find(context.Context, resource.Resource) ([]resource.Resource, error) {
	return nil, fmt.Errorf("the monitor does not look for names")
}

func (s *state) Org(context.Context) (provider.OrgFacts, error) { return provider.OrgFacts{}, nil }

// memory is what earlier looks saw.
type memory map[resource.Key]drift.Sighting

func (m memory) Last(_ context.Context, k resource.Key) (drift.Sighting, bool, error) {
	s, ok := m[k]
	return s, ok, nil
}

func (m memory) keep(all []drift.Sighting) {
	for _, s := range all {
		m[s.Key] = s
	}
}

var (
	_ provider.Reader = (*state)(nil)
	_ drift.Snapshot  = (*state)(nil)
	_ drift.Seen      = memory(nil)
)

// readEvents reads lines
//
//	id time actor outcome transaction name touch; touch …
//
// where a touch is "op key", a list's key ending in a slash, with "+type" for each list of children, and
// "says" and a summary may follow. The actor
// "system" is the provider itself.
func readEvents(t *testing.T, text string) (out []provider.Event) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 6 {
			t.Fatalf("cannot read the event %q", line)
		}
		at, err := time.Parse("15:04:05", words[1])
		if err != nil {
			t.Fatal(err)
		}
		e := provider.Event{
			ID: words[0], Time: noon.Truncate(24 * time.Hour).Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second),
			Outcome: words[3], Name: words[5], Transaction: strings.Trim(words[4], "-"),
			Actor:  provider.Actor{ID: "id-" + words[2], Type: "User", Login: words[2] + "@acme.test"},
			Client: provider.Client{IP: "203.0.113.7"},
		}
		if words[2] == "system" {
			e.Actor, e.Client = provider.Actor{ID: "system", Type: "SystemPrincipal", Name: "Okta System", System: true}, provider.Client{}
		}
		touches, said, _ := strings.Cut(strings.Join(words[6:], " "), " says ")
		e.Summary = said
		for touch := range strings.SplitSeq(touches, ";") {
			if parts := strings.Fields(touch); len(parts) >= 2 {
				e.Touched = append(e.Touched, readTouch(parts))
			}
		}
		out = append(out, e)
	}
	return out
}

func readTouch(parts []string) provider.Touch {
	k, ok := resource.ParseKey(parts[1])
	if !ok { // a key without an ID: the log may say no more
		typ, parent, _ := strings.Cut(strings.TrimSuffix(parts[1], "/"), "/")
		k = resource.Key{Type: resource.Type(typ), Parent: parent}
	}
	out := provider.Touch{Op: provider.Op(parts[0]), Key: k}
	for _, p := range parts[2:] {
		out.Children = append(out.Children, resource.Type(strings.TrimPrefix(p, "+")))
	}
	return out
}

// text of a body, for comparing.
func text(raw json.RawMessage) string {
	if raw == nil {
		return "-"
	}
	return string(raw)
}
