package okta

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// limiter keeps our calls within our share of an org's rate limits, whichever of its
// service apps makes them. What it knows it learned from the X-Rate-Limit headers of the
// org's answers; before the first answer of a bucket it lets calls pass.
//
// https://developer.okta.com/docs/reference/rate-limits/
type limiter struct {
	clock *clock

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is the quota that some calls have in common, in the window that ends at reset.
type bucket struct {
	limit     int
	remaining int       // for everybody, as last told, less what we sent since
	used      int       // by us
	reset     time.Time // in the org's clock; zero: not known
}

// logBucket is that of the System Log.
const logBucket = "/api/v1/logs"

// bucketOf names the quota that a call counts against. Okta's own names are the
// path patterns; the sizes come with the answers. An ID alone has a bucket of its
// own, everything below it counts against the collection's.
func bucketOf(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	steps := strings.Split(strings.Trim(path, "/"), "/")
	for _, family := range [...]string{"users", "groups", "apps"} {
		if len(steps) < 3 || steps[2] != family || steps[0] != "api" {
			continue
		}
		name := "/api/v1/" + family
		if len(steps) != 4 || family == "groups" && steps[3] == "rules" {
			return name
		}
		if family == "users" && method != http.MethodGet {
			return method + " " + name + "/{id}"
		}
		return name + "/{id}"
	}
	for _, own := range [...]string{logBucket, "/api/v1/iam", "/api/v1/devices", "/oauth2/v1/clients"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return own
		}
	}
	return "/api/v1"
}

// take counts a call against its bucket, or says until when (in our clock) our
// share of it, over 0 up to 1, is used up. ok means: send it.
func (l *limiter) take(name string, share float64) (until time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name)
	if !b.reset.IsZero() && !l.clock.there().Before(b.reset) {
		b.used, b.remaining, b.reset = 0, b.limit, time.Time{}
	}
	if b.reset.IsZero() || b.used < allowance(b.limit, share) && b.remaining > reserve(b.limit, share) {
		b.used++
		b.remaining--
		return time.Time{}, true
	}
	return l.clock.here(b.reset), false
}

func (l *limiter) bucket(name string) *bucket {
	b := l.buckets[name]
	if b == nil {
		b = &bucket{}
		l.buckets[name] = b
	}
	return b
}

// allowance is how many calls of a window are ours.
func allowance(limit int, share float64) int { return max(1, int(share*float64(limit))) }

// reserve is what we leave untouched even of our own share, so that the org's
// other programs never find the bucket empty because of us.
func reserve(limit int, share float64) int { return int((1 - share) * float64(limit) / 5) }

// learn takes in what an answer says about its bucket. Answers arrive in any
// order, so within a window only the least remainder counts.
func (l *limiter) learn(name string, h http.Header) {
	limit, remaining, reset, ok := limits(h, l.clock)
	if !ok || limit <= 0 {
		return // no headers, or the limit on calls at one time, which says nothing of the bucket
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name)
	b.limit = limit
	switch {
	case b.reset.IsZero():
		b.reset, b.remaining = reset, remaining
	case reset.Sub(b.reset) > time.Second:
		b.reset, b.remaining, b.used = reset, remaining, 1
	case b.reset.Sub(reset) <= time.Second:
		b.remaining = min(b.remaining, remaining)
	}
}

// longestWait bounds what an answer can make us wait. Okta's windows are of a minute: a
// reset that is far off is a mistake, such as milliseconds for seconds, and must not
// hold an org up for good.
const longestWait = 10 * time.Minute

// limits reads the rate limit headers; reset is in the org's clock.
func limits(h http.Header, c *clock) (limit, remaining int, reset time.Time, ok bool) {
	limit, err1 := strconv.Atoi(h.Get("X-Rate-Limit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-Rate-Limit-Remaining"))
	epoch, err3 := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
	reset = time.Unix(epoch, 0)
	if last := c.there().Add(longestWait); reset.After(last) {
		reset = last
	}
	return limit, remaining, reset, err1 == nil && err2 == nil && err3 == nil
}
