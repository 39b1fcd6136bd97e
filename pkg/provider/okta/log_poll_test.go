package okta

import (
	"net/http"
	"testing"
	"time"

	"imago/pkg/problem"
)

// The log begins a little before now: what happened while the clocks were compared,
// or was stored late, must not be skipped.
func TestFollowBeginsBeforeNow(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t)
	var since time.Time
	org.script = []http.HandlerFunc{answer(200, `{"id":"00o1","pipeline":"idx"}`), func(w http.ResponseWriter, r *http.Request) {
		var err error
		if since, err = time.Parse(time.RFC3339, r.URL.Query().Get("since")); err != nil {
			t.Error(err)
		}
		w.Header().Set("Link", `</api/v1/logs?after=1>; rel="next"`)
		write(w, `[]`)
	}}
	r := testReader(t, org.URL, org.clock.options())
	if _, err := r.Follow(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if early := org.clock.now().Sub(since); early < 10*time.Second || early > 10*time.Minute {
		t.Errorf("begins %v before now", early)
	}
}

// A page of events that leads to itself would be told for ever.
func TestFollowInACircle(t *testing.T) {
	t.Parallel()
	event := `[{"uuid":"1","eventType":"x","published":"2026-03-01T12:00:00.000Z"}]`
	org := newFakeOrg(t, answer(200, event, "Link", `</api/v1/logs?after=1>; rel="next"`))
	r := testReader(t, org.URL, org.clock.options())
	if got, err := r.Follow(t.Context(), "/api/v1/logs?after=1"); !problem.Is(err, problem.Unavailable) {
		t.Errorf("%+v, %v; want a problem of kind unavailable", got, err)
	}
	org.script = []http.HandlerFunc{answer(200, `[]`, "Link", `</api/v1/logs?after=1>; rel="next"`)}
	if got, err := r.Follow(t.Context(), "/api/v1/logs?after=1"); err != nil || got.Cursor != "/api/v1/logs?after=1" {
		t.Errorf("nothing new: %+v, %v", got, err)
	}
}
