package retention_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/snapshot/retention"
)

const day = 24 * time.Hour

// now is a Tuesday.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// ago is a complete snapshot that began a time ago; its ID is that time.
func ago(d time.Duration, set ...func(*retention.Snapshot)) retention.Snapshot {
	s := retention.Snapshot{ID: d.String(), Began: now.Add(-d), Complete: true}
	for _, f := range set {
		f(&s)
	}
	return s
}

func gaps(s *retention.Snapshot)    { s.Complete = false }
func pinned(s *retention.Snapshot)  { s.Pinned = true }
func restore(s *retention.Snapshot) { s.Restore = true }
func finding(s *retention.Snapshot) { s.Finding = true }

// words are a verdict's reasons, each with what it is of and when it ends.
func words(v retention.Verdict) string {
	var out []string
	for _, r := range v {
		word := strings.TrimSpace(string(r.Rule) + " " + r.Of)
		if !r.Until.IsZero() {
			word += " until " + r.Until.Format("01-02 15")
		}
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}

func TestJudge(t *testing.T) {
	t.Parallel()
	free, thin := retention.Policy{Keep: 7 * day}, retention.Policy{Thin: true}
	for name, c := range map[string]struct {
		policy retention.Policy
		all    []retention.Snapshot
		want   []string
	}{
		"nothing": {free, nil, nil},
		"for ever": {retention.Policy{}, []retention.Snapshot{ago(9000 * day), ago(0)},
			[]string{"plan", "newest, last_complete, plan"}},
		"to the moment": {free, []retention.Snapshot{ago(7 * day), ago(7*day - 1), ago(0)},
			[]string{"", "plan until 11-24 12", "newest, last_complete, plan until 12-01 12"}},
		"the newest of an org that nobody reads any more": {free, []retention.Snapshot{ago(80 * day), ago(90 * day)},
			[]string{"newest, last_complete", ""}},
		"the newest without a gap": {free, []retention.Snapshot{ago(90 * day), ago(80*day, gaps), ago(70*day, gaps)},
			[]string{"last_complete", "", "newest"}},
		"whatever is needed": {free, []retention.Snapshot{ago(90*day, pinned), ago(80*day, restore), ago(70*day, finding), ago(60 * day), ago(0)},
			[]string{"pinned", "restore", "finding", "", "newest, last_complete, plan until 12-01 12"}},
		"two at one moment": {free, []retention.Snapshot{{ID: "b", Began: now.Add(-90 * day), Complete: true}, {ID: "a", Began: now.Add(-90 * day), Complete: true}},
			[]string{"newest, last_complete", ""}},
		"an hour's first": {thin, []retention.Snapshot{ago(90 * time.Minute), ago(80 * time.Minute), ago(59 * time.Minute), ago(0)}, []string{
			"hourly 2026-11-24T10 until 11-25 10, daily 2026-11-24 until 12-01 10, weekly 2026-W48 until 12-24 10, monthly 2026-11 until 11-24 10",
			"", "hourly 2026-11-24T11 until 11-25 11", "newest, last_complete, hourly 2026-11-24T12 until 11-25 12"}},
		"a gap gives way": {thin, []retention.Snapshot{ago(50*time.Minute, gaps), ago(40 * time.Minute), ago(0)}, []string{
			"", "hourly 2026-11-24T11 until 11-25 11, daily 2026-11-24 until 12-01 11, weekly 2026-W48 until 12-24 11, monthly 2026-11 until 11-24 11",
			"newest, last_complete, hourly 2026-11-24T12 until 11-25 12"}},
		"a gap is better than nothing": {thin, []retention.Snapshot{ago(2*day, gaps), ago(0)}, []string{
			"daily 2026-11-22 until 11-29 12, weekly 2026-W47 until 12-22 12",
			"newest, last_complete, hourly 2026-11-24T12 until 11-25 12, daily 2026-11-24 until 12-01 12, weekly 2026-W48 until 12-24 12, monthly 2026-11 until 11-24 12"}},
		"the plan wins": {retention.Policy{Keep: 2 * day, Thin: true}, []retention.Snapshot{ago(2 * day), ago(36 * time.Hour), ago(0)}, []string{
			"", "daily 2026-11-23 until 11-25 00, weekly 2026-W48 until 11-25 00",
			"newest, last_complete, hourly 2026-11-24T12 until 11-25 12, daily 2026-11-24 until 11-26 12"}},
		"a year": {thin, []retention.Snapshot{ago(365 * day), ago(300 * day), ago(0)}, []string{
			"", "monthly 2026-01 until 01-28 12",
			"newest, last_complete, hourly 2026-11-24T12 until 11-25 12, daily 2026-11-24 until 12-01 12, weekly 2026-W48 until 12-24 12, monthly 2026-11 until 11-24 12"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range retention.Judge(c.all, c.policy, now) {
				got = append(got, words(v))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUntilIsTheLastReason(t *testing.T) {
	t.Parallel()
	a, b := retention.Reason{Until: now}, retention.Reason{Until: now.Add(day)}
	for name, c := range map[string]struct {
		verdict retention.Verdict
		want    time.Time
	}{
		"two": {retention.Verdict{b, a}, b.Until}, "one without an end": {retention.Verdict{a, {}, b}, time.Time{}}, "none": {nil, time.Time{}},
	} {
		if got := c.verdict.Until(); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestTwoYears lives through two years with a snapshot each quarter of an hour, of which
// one in five has gaps, and lets go once a day. What is left is the whole ladder at every
// time: nothing that was let go is missed later.
func TestTwoYears(t *testing.T) {
	t.Parallel()
	var kept []retention.Snapshot
	at := time.Date(2026, 1, 1, 0, 7, 0, 0, time.UTC)
	for d := range 730 {
		for n := range 96 {
			kept = append(kept, retention.Snapshot{ID: fmt.Sprint(d, "/", n), Began: at, Complete: n%5 != 0})
			at = at.Add(15 * time.Minute)
		}
		verdicts := retention.Judge(kept, retention.Policy{Thin: true}, at)
		next := kept[:0]
		for i, s := range kept {
			if verdicts[i].Keep() {
				next = append(next, s)
			}
		}
		kept = next
		holds(t, kept, at, min(d+1, 366))
	}
}

// holds fails unless each hour of the last day, day of the last week and so on has its
// snapshot, as far back as there were any.
func holds(t *testing.T, kept []retention.Snapshot, at time.Time, days int) {
	t.Helper()
	for _, rung := range []struct {
		layout    string
		step, age time.Duration
	}{
		{"2006-01-02T15", time.Hour, day}, {"2006-01-02", day, 7 * day}, {"2006-01", 28 * day, 330 * day},
	} {
		for back := rung.step; back < min(rung.age, time.Duration(days-1)*day); back += rung.step {
			of := at.Add(-back).Format(rung.layout)
			if !slices.ContainsFunc(kept, func(s retention.Snapshot) bool { return s.Complete && s.Began.Format(rung.layout) == of }) {
				t.Fatalf("after %d days, %s is missing", days, of)
			}
		}
	}
	if most := 24 + 7 + 6 + 13 + 4; len(kept) > most+96 {
		t.Fatalf("%d are kept", len(kept))
	}
}
