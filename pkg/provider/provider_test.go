package provider

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// said is a provider's answer in its own words.
type said struct{}

func (said) Error() string  { return "refused" }
func (said) Detail() string { return "Finance exists already" }

func TestErrors(t *testing.T) {
	t.Parallel()
	wait := fmt.Errorf("list groups: %w", &Wait{Until: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Reason: "the limit"})
	if w := WaitOf(wait); w == nil || w.Error() != "wait until 2026-03-01T12:00:00Z: the limit" {
		t.Errorf("WaitOf = %v", w)
	}
	if WaitOf(errors.New("other")) != nil || WaitOf(nil) != nil {
		t.Error("a wait where there is none")
	}
	refused := problem.New(problem.Conflict, "create group").Because(said{})
	if got := Detail(refused); got != "Finance exists already" || refused.Error() != "create group" {
		t.Errorf("Detail = %q beside %q: the provider's words must not be in the error's", got, refused)
	}
	if got := Detail(errors.New("other")); got != "" {
		t.Errorf("Detail = %q", got)
	}
	u := &Unreadable{Gap: snapshot.Gap{Type: "app", Reason: snapshot.Forbidden, Detail: "no scope"}, Err: said{}}
	if !errors.Is(u, said{}) || u.Error() != "app: forbidden: no scope" {
		t.Errorf("Unreadable = %v", u)
	}
}
