package worker

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/provider"
	"imago/pkg/resource"
)

// limited answers with a wait before each call that it lets through.
type limited struct {
	provider.Reader
	until time.Time
	asked []string
}

func (l *limited) turn() error {
	if len(l.asked)%2 == 0 {
		return nil
	}
	return &provider.Wait{Until: l.until, Reason: "test"}
}

func (l *limited) List(_ context.Context, _ resource.Type, _ resource.Key, cursor string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		for _, next := range map[string][]string{"": {"1", "2", ""}, "1": {"2", ""}, "2": {""}}[cursor] {
			l.asked = append(l.asked, "list from "+cursor)
			if err := l.turn(); err != nil {
				yield(provider.Page{}, err)
				return
			}
			if !yield(provider.Page{Cursor: next}, nil) {
				return
			}
			cursor = next
		}
	}
}

func (l *limited) Get(context.Context, resource.Key) (resource.Resource, error) {
	l.asked = append(l.asked, "get")
	return resource.Resource{}, l.turn()
}

func (l *limited) Find(context.Context, resource.Resource) ([]resource.Resource, error) {
	l.asked = append(l.asked, "find")
	return nil, l.turn()
}

// A list goes on from the page after which the org asked to wait: every page comes once.
func TestWaitingGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	now := time.Now()
	under := &limited{until: now}
	w := waiting{under, func() time.Time { return now }}
	var cursors []string
	for page, err := range w.List(t.Context(), "group", resource.Key{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, page.Cursor)
	}
	if diff := cmp.Diff([]string{"1", "2", ""}, cursors); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	want := []string{"list from ", "list from ", "list from 1", "list from 1", "list from 2", "list from 2"}
	if _, err := w.Get(t.Context(), resource.Key{}); err != nil {
		t.Error(err)
	}
	if _, err := w.Find(t.Context(), resource.Resource{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(append(want, "get", "get", "find", "find"), under.asked); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// A wait for which there is no time is told, and one ends with its context.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := waiting{&limited{until: now.Add(time.Hour), asked: []string{"-", "-"}}, func() time.Time { return now }}
	short, cancel := context.WithDeadline(t.Context(), now.Add(time.Minute))
	defer cancel()
	if _, err := w.Get(short, resource.Key{}); provider.WaitOf(err) == nil {
		t.Errorf("get: %v", err)
	}
	w.Reader = &limited{until: now.Add(time.Hour), asked: []string{"-", "-"}}
	for _, err := range w.List(short, "group", resource.Key{}, "") {
		if provider.WaitOf(err) == nil {
			t.Errorf("list: %v", err)
		}
	}
	w.Reader = &limited{until: now.Add(time.Hour), asked: []string{"-", "-"}}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := w.Get(ended, resource.Key{}); !errors.Is(err, context.Canceled) {
		t.Errorf("get of an ended context: %v", err)
	}
}
