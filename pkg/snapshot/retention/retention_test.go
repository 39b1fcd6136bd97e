package retention_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
	s := retention.Snapshot{ID: d.String(), Began: now.Add(-d), Ended: now.Add(-d), Complete: true}
	for _, f := range set {
		f(&s)
	}
	return s
}

func gaps(s *retention.Snapshot)    { s.Complete = false }
func pinned(s *retention.Snapshot)  { s.Pinned = true }
func restore(s *retention.Snapshot) { s.Restore = true }
func finding(s *retention.Snapshot) { s.Finding = true }
func point(s *retention.Snapshot)   { s.Point = true }

// update rewrites the golden files.
var update = flag.Bool("update", false, "rewrite the golden files")

// shown is a snapshot, and all that keeps it: each reason with what it is of and when it ends.
func shown(s retention.Snapshot, v retention.Verdict) string {
	line := s.Began.UTC().Format("2006-01-02 15:04")
	for _, f := range []struct {
		word string
		set  bool
	}{{"point", s.Point}, {"gaps", !s.Complete}, {"pinned", s.Pinned}, {"restore", s.Restore}, {"finding", s.Finding}} {
		if f.set {
			line += " " + f.word
		}
	}
	if !v.Keep() {
		return line + "\n  let go\n"
	}
	line += "\n"
	for _, r := range v {
		line += "  " + strings.TrimSpace(string(r.Rule)+" "+r.Of)
		if !r.Until.IsZero() {
			line += " until " + r.Until.Format("2006-01-02 15:04")
		}
		line += "\n"
	}
	return line
}

// TestJudge compares each decision, with all of its reasons, with testdata/NAME.golden. All is
// judged at noon of 2026-11-24.
func TestJudge(t *testing.T) {
	t.Parallel()
	free, thin := retention.Policy{Keep: 7 * day}, retention.Policy{Thin: true}
	three, thinThree := retention.Policy{Keep: 7 * day, Least: 3}, retention.Policy{Thin: true, Least: 3}
	for name, c := range map[string]struct {
		policy retention.Policy
		all    []retention.Snapshot
	}{
		"nothing":       {free, nil},
		"for ever":      {retention.Policy{}, []retention.Snapshot{ago(9000 * day), ago(0)}},
		"to the moment": {free, []retention.Snapshot{ago(7 * day), ago(7*day - 1), ago(0)}},
		"the newest of an org that nobody reads any more": {free, []retention.Snapshot{ago(80 * day), ago(90 * day)}},
		"the newest without a gap":                        {free, []retention.Snapshot{ago(90 * day), ago(80*day, gaps), ago(70*day, gaps)}},
		"whatever is needed":                              {free, []retention.Snapshot{ago(90*day, pinned), ago(80*day, restore), ago(70*day, finding), ago(60 * day), ago(0)}},
		"two at one moment":                               {free, []retention.Snapshot{{ID: "b", Began: now.Add(-90 * day), Complete: true}, {ID: "a", Began: now.Add(-90 * day), Complete: true}}},
		"an hour's first":                                 {thin, []retention.Snapshot{ago(90 * time.Minute), ago(80 * time.Minute), ago(59 * time.Minute), ago(0)}},
		"a gap gives way":                                 {thin, []retention.Snapshot{ago(50*time.Minute, gaps), ago(40 * time.Minute), ago(0)}},
		"a gap is better than nothing":                    {thin, []retention.Snapshot{ago(2*day, gaps), ago(0)}},
		"the plan wins":                                   {retention.Policy{Keep: 2 * day, Thin: true}, []retention.Snapshot{ago(2 * day), ago(36 * time.Hour), ago(0)}},
		"a year":                                          {thin, []retention.Snapshot{ago(365 * day), ago(300 * day), ago(0)}},
		"points of a day":                                 {retention.Policy{}, []retention.Snapshot{ago(day, point), ago(day-time.Minute, point), ago(day-2*time.Minute, point), ago(0)}},
		"an hour's first point stays for a week":          {thin, []retention.Snapshot{ago(7*day, point), ago(6*day, point), ago(6*day-30*time.Minute, point), ago(0)}},
		"a point stands for no sweep":                     {thin, []retention.Snapshot{ago(50*time.Minute, point), ago(40 * time.Minute), ago(20*time.Minute, gaps), ago(10*time.Minute, point)}},
		"the point that the next snapshot stands on":      {free, []retention.Snapshot{ago(90 * day), ago(80*day, point), ago(70*day, point)}},
		"a point that is needed":                          {thin, []retention.Snapshot{ago(90*day, point, pinned), ago(80*day, point, restore), ago(70 * day)}},
		"the plan wins over points":                       {retention.Policy{Keep: 12 * time.Hour}, []retention.Snapshot{ago(12*time.Hour, point), ago(11*time.Hour, point), ago(0)}},
		"sweeps and points of ten days":                   {thin, tenDays()},
		"points of ten days under a plan of two":          {retention.Policy{Keep: 2 * day}, tenDays()},
		"locked":                                          {retention.Policy{Keep: 7 * day, Lock: 30 * day}, []retention.Snapshot{ago(30 * day), ago(29 * day), ago(30*day, pinned), ago(2*day, point), ago(0)}},
		"fewer than the least":                            {three, []retention.Snapshot{ago(90 * day), ago(80 * day)}},
		"points are none of the least":                    {three, []retention.Snapshot{ago(90 * day), ago(80 * day), ago(75*day, point), ago(70 * day), ago(65*day, point), ago(60 * day), ago(55*day, point)}},
		"the least after a downgrade":                     {three, []retention.Snapshot{ago(60 * day), ago(30 * day), ago(29 * day), ago(day)}},
		"the least within the plan":                       {three, []retention.Snapshot{ago(4 * day), ago(3 * day), ago(2 * day), ago(day)}},
		"the least are not thinned":                       {thinThree, []retention.Snapshot{ago(50 * time.Minute), ago(40 * time.Minute), ago(30 * time.Minute), ago(20 * time.Minute), ago(10 * time.Minute)}},
		"the least may have gaps":                         {three, []retention.Snapshot{ago(100 * day), ago(90 * day), ago(80*day, gaps), ago(70*day, gaps), ago(60*day, gaps)}},
		"what else is kept is one of the least":           {three, []retention.Snapshot{ago(90 * day), ago(80 * day), ago(70*day, pinned), ago(60*day, gaps)}},
		"locked for less than it is kept":                 {retention.Policy{Keep: 7 * day, Lock: day}, []retention.Snapshot{ago(2 * day), ago(time.Hour), ago(0)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			for i, v := range retention.Judge(c.all, c.policy, now) {
				got.WriteString(shown(c.all[i], v))
			}
			golden(t, name, got.String())
		})
	}
}

// tenDays are a sweep each night, and a point each eight minutes of some hours.
func tenDays() (out []retention.Snapshot) {
	for d := 10; d >= 0; d-- {
		night := time.Duration(d)*day + 10*time.Hour
		out = append(out, ago(night))
		for n := range 9 {
			out = append(out, ago(night-time.Hour-time.Duration(n)*8*time.Minute, point))
		}
	}
	return out
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "'", "")+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
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
