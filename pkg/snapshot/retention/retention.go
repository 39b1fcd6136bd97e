// Package retention says which snapshots are kept, and why. It is pure: whoever asks
// brings the time.
package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// AtLeast is the Least of every policy.
const AtLeast = 3

// Policy is what is kept besides what always is.
type Policy struct {
	Keep time.Duration // how long snapshots are kept at most; zero: for ever
	// Thin keeps the first snapshot of every hour for a day, of every day for a week, of
	// every week for a month and of every month for a year, and no others.
	Thin bool
	// Lock is for how long the store locks what is put there; zero: it does not. What is
	// locked cannot be removed, and is shown for as long as it is there.
	Lock time.Duration
	// Least is how many of the newest sweeps stay whatever their age, with gaps or without:
	// so that an org that could not be reached for longer than Keep, or that is let down to a
	// plan of few days, still has some. LastComplete sees to one without a gap.
	Least int
}

// Snapshot is what is known of one that was taken.
type Snapshot struct {
	ID       string
	Began    time.Time // what it shows is the org of then
	Ended    time.Time // its manifest was put before
	Complete bool      // without a gap
	Point    bool      // of what changed alone, between sweeps
	Pinned   bool
	Restore  bool  // a restore that has not ended is about it
	Finding  bool  // a finding that is not settled points to it
	Bytes    int64 // what it added to the store: no verdict depends on it
}

// Rule is why a snapshot is kept.
type Rule string

// The rules. Those before Plan hold whatever the age.
const (
	Newest       Rule = "newest"
	LastComplete Rule = "last_complete" // the newest without a gap
	Least        Rule = "least"         // it is one of the newest sweeps, and not the newest
	Pinned       Rule = "pinned"
	Restore      Rule = "restore"
	Finding      Rule = "finding"
	Plan         Rule = "plan" // it is younger than the plan's limit
	Hourly       Rule = "hourly"
	Daily        Rule = "daily"
	Weekly       Rule = "weekly"
	Monthly      Rule = "monthly"
	Change       Rule = "change"        // it is a point of the last day
	ChangeHourly Rule = "change_hourly" // it is the first point of an hour of the last week
	Locked       Rule = "locked"        // the store locks it
)

// Reason is one of the rules that keep a snapshot.
type Reason struct {
	Rule  Rule
	Of    string    // the hour, day, week or month that it is the first of, such as 2026-11-03; UTC. Of Least: how many
	Until time.Time // when it ends; zero: no end is known
}

// Verdict is all that keeps a snapshot.
type Verdict []Reason

// Keep reports whether anything does.
func (v Verdict) Keep() bool { return len(v) > 0 }

// Until is when nothing will, as things stand; zero: no end is known.
func (v Verdict) Until() (last time.Time) {
	for _, r := range v {
		if r.Until.IsZero() {
			return time.Time{}
		}
		if r.Until.After(last) {
			last = r.Until
		}
	}
	return last
}

// rung is a step of the ladder by which snapshots are thinned.
type rung struct {
	rule Rule
	age  time.Duration
	of   func(time.Time) string
}

var ladder = []rung{
	{Hourly, day, hour},
	{Daily, 7 * day, stamp(time.DateOnly)},
	{Weekly, 30 * day, week},
	{Monthly, 365 * day, stamp("2006-01")},
}

// points is the ladder of points.
var points = []rung{{ChangeHourly, 7 * day, hour}}

func hour(t time.Time) string { return stamp("2006-01-02T15")(t) }

func stamp(layout string) func(time.Time) string {
	return func(t time.Time) string { return t.UTC().Format(layout) }
}

func week(t time.Time) string {
	year, n := t.UTC().ISOWeek()
	return fmt.Sprintf("%d-W%02d", year, n)
}

// Judge gives a verdict on each snapshot of one connection, in their order. Points are judged
// for themselves: none stands for a sweep, as it knows only what the log named. A snapshot that
// is the first of its time stays that whatever comes after it, unless it has gaps and the
// other has none: so what is let go today is not missed tomorrow.
func Judge(all []Snapshot, p Policy, now time.Time) []Verdict {
	j := judge{policy: p, now: now, first: firsts(all), least: newest(all, p.Least)}
	for _, s := range all {
		j.last = later(j.last, s, true)
		j.newest = later(j.newest, s, !s.Point)
		j.complete = later(j.complete, s, s.Complete && !s.Point)
	}
	out := make([]Verdict, len(all))
	for i, s := range all {
		out[i] = j.locked(slices.Concat(j.always(s), j.aged(s)), s)
	}
	return out
}

// locked adds that the store locks a snapshot, before the reasons that last longer.
func (j judge) locked(v Verdict, s Snapshot) Verdict {
	until := s.Ended.Add(j.policy.Lock)
	if j.policy.Lock == 0 || !j.now.Before(until) {
		return v
	}
	at := slices.IndexFunc(v, func(r Reason) bool { return r.Until.After(until) })
	if at < 0 {
		at = len(v)
	}
	return slices.Insert(v, at, Reason{Rule: Locked, Until: until})
}

type judge struct {
	policy           Policy
	now              time.Time
	newest, complete Snapshot            // sweeps
	last             Snapshot            // the newest, or a point after it, which the next one stands on
	first            map[string]Snapshot // by rule and time
	least            map[string]bool     // the IDs of the newest sweeps
}

// always is what keeps a snapshot whatever its age.
func (j judge) always(s Snapshot) (v Verdict) {
	for _, r := range []struct {
		Reason
		holds bool
	}{
		{Reason{Rule: Newest}, s.ID == j.newest.ID || s.ID == j.last.ID}, {Reason{Rule: LastComplete}, s.ID == j.complete.ID},
		{Reason{Rule: Least, Of: strconv.Itoa(j.policy.Least)}, j.least[s.ID] && s.ID != j.newest.ID},
		{Reason{Rule: Pinned}, s.Pinned}, {Reason{Rule: Restore}, s.Restore}, {Reason{Rule: Finding}, s.Finding},
	} {
		if r.holds {
			v = append(v, r.Reason)
		}
	}
	return v
}

// aged is what keeps a snapshot for some time.
func (j judge) aged(s Snapshot) (v Verdict) {
	if s.Point {
		return j.point(s)
	}
	if !j.policy.Thin {
		return j.reason(nil, s, Reason{Rule: Plan}, 0)
	}
	return j.climb(nil, s, ladder)
}

// climb adds the rungs that hold.
func (j judge) climb(v Verdict, s Snapshot, rungs []rung) Verdict {
	for _, r := range rungs {
		if of := r.of(s.Began); j.first[string(r.rule)+of].ID == s.ID {
			v = j.reason(v, s, Reason{Rule: r.rule, Of: of}, r.age)
		}
	}
	return v
}

// point is what keeps a point for some time, thinned or not: there may be one a minute.
func (j judge) point(s Snapshot) Verdict {
	return j.climb(j.reason(nil, s, Reason{Rule: Change}, day), s, points)
}

// reason adds a reason that holds up to an age, and no longer than the plan's limit.
func (j judge) reason(v Verdict, s Snapshot, r Reason, age time.Duration) Verdict {
	if keep := j.policy.Keep; age == 0 || keep != 0 && keep < age {
		age = keep
	}
	if age != 0 {
		r.Until = s.Began.Add(age)
	}
	if age != 0 && !j.now.Before(r.Until) {
		return v
	}
	return append(v, r)
}

// firsts finds the first snapshot of every hour, day, week and month; of those without a
// gap, if there is one.
func firsts(all []Snapshot) map[string]Snapshot {
	out := map[string]Snapshot{}
	for _, s := range all {
		rungs := ladder
		if s.Point {
			rungs = points
		}
		for _, r := range rungs {
			key := string(r.rule) + r.of(s.Began)
			if was, ok := out[key]; !ok || better(s, was) {
				out[key] = s
			}
		}
	}
	return out
}

// newest finds the newest n sweeps.
func newest(all []Snapshot, n int) map[string]bool {
	sweeps := slices.DeleteFunc(slices.Clone(all), func(s Snapshot) bool { return s.Point })
	slices.SortFunc(sweeps, func(a, b Snapshot) int { return compare(b, a) })
	out := map[string]bool{}
	for _, s := range sweeps[:min(n, len(sweeps))] {
		out[s.ID] = true
	}
	return out
}

// better reports whether a stands for their time rather than b.
func better(a, b Snapshot) bool {
	if a.Complete != b.Complete {
		return a.Complete
	}
	return before(a, b)
}

// later is s, if it counts and comes after was.
func later(was, s Snapshot, counts bool) Snapshot {
	if counts && (was.ID == "" || before(was, s)) {
		return s
	}
	return was
}

func before(a, b Snapshot) bool { return compare(a, b) < 0 }

func compare(a, b Snapshot) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) }
