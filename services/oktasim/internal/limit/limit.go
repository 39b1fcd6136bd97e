// Package limit counts requests against Okta's rate limits: per bucket for the org,
// half of it for each token or app, and the number of requests at the same time.
package limit

import (
	"sync"
	"time"
)

// Window is how long a count lasts. It begins with its first request, not on the
// minute (documented: about 60 s, not aligned).
const Window = 60 * time.Second

// Options configure a Limiter.
type Options struct {
	// Plan is "workforce" (default), "enterprise" or "free".
	Plan string
	// Multiplier scales every limit; 1 by default.
	Multiplier float64
	// Share is the part of a bucket that one token or app gets; 0.5 by default.
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
	inFlight  int
}

type key struct{ bucket, principal string }

type window struct {
	start time.Time
	used  int
	told  bool
}

// Result is what one request finds.
type Result struct {
	Allowed          bool
	Limit, Remaining int
	Reset            time.Time
	// First is set on the first refusal of a window.
	First bool
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
	return &Limiter{opt: o, overrides: map[string]int{}, windows: map[key]*window{}}
}

// Take counts one request of a principal ("" for nobody) against a bucket. A refused
// request is not counted. The result describes the narrower of the two limits.
func (l *Limiter) Take(bucket, principal string, now time.Time) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole := l.limit(bucket)
	org := l.window(key{bucket, ""}, now)
	narrow, limit := org, whole
	if principal != "" {
		own := l.window(key{bucket, principal}, now)
		share := max(1, int(float64(whole)*l.opt.Share))
		if share-own.used <= whole-org.used {
			narrow, limit = own, share
		} else if narrow.used < limit {
			own.used++
		}
	}
	r := Result{Limit: limit, Reset: narrow.start.Add(Window), Allowed: narrow.used < limit}
	switch {
	case r.Allowed:
		narrow.used++
		if narrow != org {
			org.used++
		}
	case !narrow.told:
		narrow.told, r.First = true, true
	}
	r.Remaining = limit - narrow.used
	return r
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

// Enter admits a request unless too many are running; each true needs a Leave.
func (l *Limiter) Enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight >= l.opt.Concurrency {
		return false
	}
	l.inFlight++
	return true
}

// Leave ends a request that Enter admitted.
func (l *Limiter) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
}
