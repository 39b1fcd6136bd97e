package replay

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Report says how well the simulator answered.
type Report struct {
	Total     Line    `json:"total"`
	Templates []*Line `json:"templates"`
	// Runs are counted where a step of theirs is in the report; Whole ones matched in
	// every such step.
	Runs  int `json:"runs"`
	Whole int `json:"whole"`
	// Broken are the runs that are not whole, in the order of the recordings.
	Broken []BrokenRun `json:"broken,omitempty"`
	// Excluded steps are in no other number.
	Excluded int `json:"excluded"`
	// Stuck are things that were there before a run and that the simulator cannot
	// hold, by path with ids folded, the most frequent first.
	Stuck []StuckKind `json:"stuck"`
}

// BrokenRun is a run with its steps that differ; First is the number of the first of
// them and At its template.
type BrokenRun struct {
	Name  string `json:"name"`
	Steps int    `json:"steps"`
	Wrong int    `json:"wrong"`
	First int    `json:"first"`
	At    string `json:"at"`
}

// Line counts the steps of one template, or of all.
type Line struct {
	Name  string `json:"name,omitempty"`
	Steps int    `json:"steps"`
	// Status, Shape and Values are how many steps matched in them. A wrong status is
	// wrong in the others too, and a missing field has a wrong value.
	Status int `json:"status"`
	Shape  int `json:"shape"`
	Values int `json:"values"`
	// Errors are the steps that Okta refused; Codes how many of them got its code.
	Errors int `json:"errors"`
	Codes  int `json:"codes"`
	// Breaks is how many runs have a mismatch here; First how many have their first one
	// here, so that others may follow from it; Alone how many have none elsewhere.
	Breaks int      `json:"breaks,omitempty"`
	First  int      `json:"first,omitempty"`
	Alone  int      `json:"alone,omitempty"`
	Causes []*Cause `json:"causes,omitempty"`
}

// Cause is one mismatch that occurs again and again.
type Cause struct {
	Count int `json:"count"`
	Mismatch
	// Example is the first step with it.
	Example string `json:"example"`
}

// StuckKind is how often a kind of thing could not be made.
type StuckKind struct {
	Count  int    `json:"count"`
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// tally builds a report.
type tally struct {
	Report
	opt    Options
	lines  map[string]*Line
	causes map[string]*Cause
	stuck  map[StuckKind]int
}

func newReport(outcomes []outcome, o Options) *Report {
	t := &tally{opt: o, lines: map[string]*Line{}, causes: map[string]*Cause{}, stuck: map[StuckKind]int{}}
	for i := range outcomes {
		t.run(&outcomes[i])
		t.unmade(&outcomes[i])
	}
	t.finish()
	return &t.Report
}

func (t *tally) run(o *outcome) {
	broken := map[string]bool{}
	b := BrokenRun{Name: o.run.Name()}
	for _, r := range o.results {
		if !t.wanted(r.step) {
			continue
		}
		if t.opt.excludes(r.step, o.engine) {
			t.Excluded++
			continue
		}
		b.Steps++
		t.step(o.run, r)
		if len(r.mismatches) > 0 {
			if b.Wrong++; b.Wrong == 1 {
				b.First, b.At = r.step.Seq, r.step.name()
			}
			broken[r.step.name()] = true
		}
	}
	if b.Steps == 0 {
		return
	}
	t.Runs++
	if b.Wrong == 0 {
		t.Whole++
		return
	}
	t.Broken = append(t.Broken, b)
	t.lines[b.At].First++
	for name := range broken {
		t.lines[name].Breaks++
		if len(broken) == 1 {
			t.lines[name].Alone++
		}
	}
}

func (t *tally) unmade(o *outcome) {
	for _, s := range o.stuck {
		t.stuck[StuckKind{Path: foldPath(s.Path), Reason: foldText(s.Reason)}]++
	}
}

func (t *tally) wanted(s *Step) bool {
	return len(t.opt.Only) == 0 || slices.ContainsFunc(t.opt.Only, func(p string) bool {
		return glob(p, s.Template, true) || glob(p, s.name(), true)
	})
}

func (t *tally) step(run *Run, r result) {
	name := r.step.name()
	l := t.lines[name]
	if l == nil {
		l = &Line{Name: name}
		t.lines[name] = l
	}
	l.add(r)
	t.Total.add(r)
	for _, m := range r.mismatches {
		t.cause(l, run, r.step, m)
	}
}

func (l *Line) add(r result) {
	wrong := map[string]bool{}
	for _, m := range r.mismatches {
		wrong[m.Aspect] = true
		if m.Aspect == Shape && m.Recorded != "" {
			wrong[Values] = true
		}
	}
	count := func(n *int, aspect string) {
		if !wrong[Status] && !wrong[aspect] {
			*n++
		}
	}
	l.Steps++
	count(&l.Status, Status)
	count(&l.Shape, Shape)
	count(&l.Values, Values)
	if r.step.Status >= 400 {
		l.Errors++
		count(&l.Codes, Code)
	}
}

// hostForm is the host of an org, stampForm a timestamp: neither makes a cause of its own.
var hostForm = regexp.MustCompile(`https://[A-Za-z0-9.-]+\.(?:okta|oktapreview|dne-okta)\.com/`)

var stampForm = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.0-9]*Z?|[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]+ \d{4}`)

// cause groups equal mismatches: those that differ in ids and numbers only.
func (t *tally) cause(l *Line, run *Run, s *Step, m Mismatch) {
	key := strings.Join([]string{l.Name, m.Aspect, m.Path, gist(m.Recorded), gist(m.Ours)}, "\x00")
	c := t.causes[key]
	if c == nil {
		c = &Cause{Mismatch: m, Example: fmt.Sprintf("%s:%d", run.Name(), s.Seq)}
		t.causes[key] = c
		l.Causes = append(l.Causes, c)
	}
	c.Count++
}

// gist is what a value looks like, so that causes group: ids, words made for a test
// and numbers folded, and only its beginning.
func gist(s string) string {
	const enough = 40
	s = hostForm.ReplaceAllString(s, "https://org/")
	s = foldText(stampForm.ReplaceAllString(s, "time"))
	if len(s) > enough {
		s = s[:enough]
	}
	return s
}

func foldText(s string) string {
	return plain.replace(s, func(w string) string {
		switch {
		case isRandom(w):
			return w[:3] + "…"
		case strings.Trim(w, "0123456789") == "" && len(w) > 3:
			return "9"
		}
		return w
	})
}

func (t *tally) finish() {
	for _, l := range t.lines {
		slices.SortStableFunc(l.Causes, func(a, b *Cause) int { return b.Count - a.Count })
		t.Templates = append(t.Templates, l)
	}
	slices.SortFunc(t.Templates, func(a, b *Line) int {
		return cmp.Or(cmp.Compare(b.First, a.First), cmp.Compare(b.Breaks, a.Breaks), cmp.Compare(b.Steps, a.Steps), cmp.Compare(a.Name, b.Name))
	})
	for k, n := range t.stuck {
		k.Count = n
		t.Stuck = append(t.Stuck, k)
	}
	slices.SortFunc(t.Stuck, func(a, b StuckKind) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
}

// Thresholds are the least percentages.
type Thresholds struct{ Status, Codes, Shape, Values, Runs float64 }

// maxExcluded is the largest part of the steps that may be excluded.
const maxExcluded = 0.05

// Check lists what the report misses.
func (r *Report) Check(t Thresholds) []string {
	var missed []string
	check := func(name string, n, of int, least float64) {
		if got := percent(n, of); of > 0 && got < least {
			missed = append(missed, fmt.Sprintf("%s %.2f %% is below %g %%", name, got, least))
		}
	}
	if all := r.Excluded + r.Total.Steps; float64(r.Excluded) > maxExcluded*float64(all) {
		missed = append(missed, fmt.Sprintf("%d of %d steps are excluded, more than %g %%", r.Excluded, all, maxExcluded*100))
	}
	check(Status, r.Total.Status, r.Total.Steps, t.Status)
	check("error codes", r.Total.Codes, r.Total.Errors, t.Codes)
	check(Shape, r.Total.Shape, r.Total.Steps, t.Shape)
	check(Values, r.Total.Values, r.Total.Steps, t.Values)
	check("whole runs", r.Whole, r.Runs, t.Runs)
	return missed
}

func percent(n, of int) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
}
