package okta

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// clock is the time here and, as far as its Date headers tell, in the org.
type clock struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu   sync.Mutex
	skew time.Duration // the org's clock less ours
	seen bool
}

// observe learns the org's time from an answer that came just now. The header has
// whole seconds, so a skew below two is taken for none.
func (c *clock) observe(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return // an answer without a readable Date teaches nothing
	}
	skew := date.Sub(c.now())
	if skew.Abs() < 2*time.Second {
		skew = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew, c.seen = skew, true
}

// offset is the org's clock less ours.
func (c *clock) offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}

// there is the org's time.
func (c *clock) there() time.Time { return c.now().Add(c.offset()) }

// here turns the org's time into ours.
func (c *clock) here(t time.Time) time.Time { return t.Add(-c.offset()) }

// backoff is how long to wait after the nth try that went wrong, from 1: it
// doubles from a quarter of a second to eight, and varies by half either way, so
// that many workers do not come back at once.
func backoff(n int) time.Duration {
	const first, most = 250 * time.Millisecond, 8 * time.Second
	d := min(first<<min(n-1, 10), most)
	return d/2 + rand.N(d)
}

// pause sleeps for d or until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
