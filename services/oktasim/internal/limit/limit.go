// Package limit counts requests against Okta's rate limits: per bucket for the org, a
// share of it for each token or app, and the number of requests at the same time. It also
// stands for the traffic of others, which uses the same limits.
package limit

import (
	"slices"
	"sync"
	"time"
)

// Window is how long a count lasts. It begins with its first request, not on the
// minute (documented: about 60 s, not aligned).
const Window = 60 * time.Second

// burst is by how much a bucket that bursts may be exceeded (documented).
const burst = 5

// Options configure a Limiter.
type Options struct {
	// Plan is "workforce" (default), "enterprise" or "free".
	Plan string
	// Multiplier scales every limit; 1 by default.
	Multiplier float64
	// Share is the part of a bucket, and of the concurrency, that one token or app gets
	// unless the org says otherwise; 0.5 by default (documented).
	Share float64
	// Concurrency is the number of requests at the same time; 75 by default, 35 on
	// the free plan.
	Concurrency int
}

// Limiter is safe for concurrent use.
type Limiter struct {
	mu        sync.Mutex
	opt       Options
	overrides map[string]int
	windows   map[key]*window
	// others is how many requests a minute other clients make, by bucket; busy is how
	// many requests they have running.
	others  map[string]int
	busy    int
	running map[string]int
}

type key struct{ bucket, principal string }

type window struct {
	start time.Time
	used  int
	told  map[string]bool
}

// Principal is who makes a request: a token or an app, "" for nobody. Rate and
// Concurrency are its parts of the org's limits; 0 is the standard share.
type Principal struct {
	ID                string
	Rate, Concurrency float64
}

// The events that a request can bring about, each once in a window.
const (
	// Warning is when the org's use of the bucket reaches the threshold.
	Warning = "warning"
	// Burst is when it exceeds the limit of a bucket that may be exceeded.
	Burst = "burst"
	// Violation is when the org's limit refuses a request.
	Violation = "violation"
	// OwnViolation is when the principal's does.
	OwnViolation = "own violation"
)

// Result is what one request finds. Limit, Remaining and Reset are of the narrower of the
// two limits.
type Result struct {
	Allowed          bool
	Limit, Remaining int
	Reset            time.Time
	Events           []string
}

// IsPlan says whether limits are published for a plan; "" is the default one.
func IsPlan(name string) bool {
	return slices.Contains([]string{"", "workforce", "enterprise", "free"}, name)
}

// New makes a limiter.
func New(o Options) *Limiter {
	if o.Plan == "" {
		o.Plan = "workforce"
	}
	if o.Multiplier == 0 {
		o.Multiplier = 1
	}
	if o.Share == 0 {
		o.Share = 0.5
	}
	if o.Concurrency == 0 {
		o.Concurrency = 75
		if o.Plan == "free" {
			o.Concurrency = 35
		}
	}
	return &Limiter{opt: o, overrides: map[string]int{}, windows: map[key]*window{}, others: map[string]int{}, running: map[string]int{}}
}

// Take counts one request against a bucket. A refused request is not counted. warn is the
// part of the org's limit, in percent, at which it wants to be warned.
func (l *Limiter) Take(bucket string, p Principal, warn int, now time.Time) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	org, own := l.window(key{bucket, ""}, now), &window{start: now}
	whole := l.limit(bucket)
	used, most, share := org.used+l.elsewhere(bucket, org, now), whole, whole
	if b := named(bucket); b != nil && b.bursts {
		most *= burst
	}
	if p.ID != "" {
		own, share = l.window(key{bucket, p.ID}, now), part(whole, p.Rate, l.opt.Share)
	}
	r := Result{Limit: whole, Remaining: max(0, whole-used), Reset: org.start.Add(Window), Allowed: used < most}
	if left := share - own.used; p.ID != "" && left <= most-used {
		r = Result{Limit: share, Remaining: left, Reset: own.start.Add(Window), Allowed: left > 0}
		if !r.Allowed {
			r.Events = own.tell(r.Events, OwnViolation, true)
		}
	} else {
		r.Events = org.tell(r.Events, Violation, !r.Allowed)
	}
	if r.Allowed {
		org.used, own.used, used, r.Remaining = org.used+1, own.used+1, used+1, max(0, r.Remaining-1)
		r.Events = org.tell(r.Events, Burst, used > whole)
		r.Events = org.tell(r.Events, Warning, used*100 >= whole*warn)
	}
	return r
}

// tell adds an event if it has come about, the first time in the window.
func (w *window) tell(events []string, event string, so bool) []string {
	if !so || w.told[event] {
		return events
	}
	if w.told == nil {
		w.told = map[string]bool{}
	}
	w.told[event] = true
	return append(events, event)
}

// part is a principal's part of a limit, 1 at least.
func part(whole int, own, standard float64) int {
	if own == 0 {
		own = standard
	}
	return max(1, int(float64(whole)*own))
}

// elsewhere is what other clients have used of the bucket since the window began.
func (l *Limiter) elsewhere(bucket string, w *window, now time.Time) int {
	return int(float64(l.others[bucket]) * now.Sub(w.start).Seconds() / Window.Seconds())
}

// window returns the running window, a new one if it is over.
func (l *Limiter) window(k key, now time.Time) *window {
	w := l.windows[k]
	if w == nil || now.Sub(w.start) >= Window || now.Before(w.start) {
		w = &window{start: now}
		l.windows[k] = w
	}
	return w
}

func (l *Limiter) limit(bucket string) int {
	if n, ok := l.overrides[bucket]; ok {
		return n
	}
	return max(1, int(float64(published(bucket, l.opt.Plan))*l.opt.Multiplier))
}

// Override sets the limit of one bucket; 0 returns to the published one.
func (l *Limiter) Override(bucket string, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit == 0 {
		delete(l.overrides, bucket)
		return
	}
	l.overrides[bucket] = limit
}

// Burden lets other clients make so many requests a minute of a bucket, evenly.
func (l *Limiter) Burden(bucket string, others int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others[bucket] = others
}

// Occupy lets other clients have so many requests running all the time.
func (l *Limiter) Occupy(busy int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = busy
}

// Configure changes multiplier, share and concurrency; zero leaves a value alone.
func (l *Limiter) Configure(o Options) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.Multiplier > 0 {
		l.opt.Multiplier = o.Multiplier
	}
	if o.Share > 0 {
		l.opt.Share = o.Share
	}
	if o.Concurrency > 0 {
		l.opt.Concurrency = o.Concurrency
	}
}

// Reset forgets all counts.
func (l *Limiter) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.windows = map[key]*window{}
}

// Enter admits a request unless too many are running; each admission needs a Leave. A
// refusal names the limit that it comes from: Violation or OwnViolation.
func (l *Limiter) Enter(p Principal) (refused string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.running[""]+l.busy >= l.opt.Concurrency:
		return Violation
	case p.ID != "" && l.running[p.ID] >= part(l.opt.Concurrency, p.Concurrency, l.opt.Share):
		return OwnViolation
	}
	l.running[""]++
	if p.ID != "" {
		l.running[p.ID]++
	}
	return ""
}

// Leave ends a request that Enter admitted.
func (l *Limiter) Leave(p Principal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[""]--
	if p.ID == "" {
		return
	}
	if l.running[p.ID]--; l.running[p.ID] == 0 {
		delete(l.running, p.ID)
	}
}
