package api

import (
	"errors"
	"strconv"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// limits are the principal's shares of the org's limits.
func (p *principal) limits() limit.Principal {
	if p == nil {
		return limit.Principal{}
	}
	return p.share
}

// shareOf reads the shares of a token or client. The caller is inside View.
func (c *call) shareOf(id string) limit.Principal {
	rate, concurrency := c.org.Shares(id)
	return limit.Principal{ID: id, Rate: rate, Concurrency: concurrency}
}

// takeLimit counts the request against its bucket, for the headers to tell.
func (c *call) takeLimit(who limit.Principal) error {
	bucket := limit.Bucket(c.r.Method, c.op.path)
	if bucket == "" {
		return nil
	}
	warn := 0
	if err := c.org.View(func() error { warn = c.org.WarningThreshold(); return nil }); err != nil {
		return err
	}
	res := c.host.Limits.Take(bucket, who, warn, c.org.Now())
	c.rate = &res
	for _, e := range res.Events {
		c.noteLimit(e, bucket)
	}
	if !res.Allowed {
		return failure.TooMany()
	}
	return nil
}

// limitEvents are the log's names for what happens to rate limits.
var limitEvents = map[string]string{
	limit.Warning: "system.org.rate_limit.warning", limit.Burst: "system.org.rate_limit.burst",
	limit.Violation: "system.org.rate_limit.violation", limit.OwnViolation: "system.operation.rate_limit.violation",
}

// noteLimit writes the event. A bucket's endpoints are its target (documented for rate
// limits of operations).
func (c *call) noteLimit(event, bucket string) {
	debug := doc.Doc{"threshold": strconv.Itoa(c.rate.Limit), "timeSpan": "1", "timeUnit": "MINUTES"}
	if event == limit.OwnViolation {
		debug = c.operationLimit()
	}
	c.note(limitEvents[event], debug, event == limit.OwnViolation, org.Party{ID: bucket, Type: "URL Pattern", AlternateID: "unknown", DisplayName: bucket})
}

// operationLimit describes the share of a token or app (documented).
func (c *call) operationLimit() doc.Doc {
	kind := "ssws_token"
	if c.principal.app != nil {
		kind = "oauth_client"
	}
	return doc.Doc{
		"operationRateLimitType": "web_request", "operationRateLimitSubtype": kind, "operationRateLimitScopeType": kind,
		"operationRateLimitThreshold": strconv.Itoa(c.rate.Limit), "operationRateLimitTimeSpan": "1", "operationRateLimitTimeUnit": "MINUTES",
		"operationRateLimitSecondsToReset": strconv.Itoa(int(c.rate.Reset.Sub(c.org.Now()).Seconds())),
	}
}

// note writes an event about the request beside what the request does.
func (c *call) note(event string, debug doc.Doc, denied bool, targets ...org.Party) {
	err := c.org.Update(func() error {
		e := c.org.Note(c.cause(), event, debug, targets...)
		e.Severity = "WARN"
		if denied {
			e.Result, e.Reason = "DENY", "Too many requests"
		}
		return nil
	})
	c.internal = errors.Join(c.internal, err)
}

// tooManyAtOnce answers a breach of the concurrency limit, the org's or the principal's:
// limit and remaining are 0 and the reset is only a suggestion (documented).
func (c *call) tooManyAtOnce(refused string) error {
	c.rate = &limit.Result{Reset: c.org.Now().Add(10 * time.Second)}
	if refused == limit.OwnViolation {
		c.note("system.operation.concurrency_limit.violation", c.operationLimit(), true)
	} else {
		c.note("core.concurrency.org.limit.violation", nil, false)
	}
	return failure.TooMany()
}

func (c *call) injectedLimit(wait time.Duration) error {
	if wait == 0 {
		wait = 30 * time.Second
	}
	c.rate = &limit.Result{Limit: 100, Reset: c.org.Now().Add(wait)}
	return failure.TooMany()
}
