// Package fault holds the misbehaviour that a test asks for: which requests it meets,
// how often, and what happens to them.
package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The kinds of fault.
const (
	Status        = "status"
	RateLimited   = "429"
	Delay         = "delay"
	Cut           = "cut"
	HalfPage      = "half_page"
	ShortPage     = "short_page"
	Duplicate     = "duplicate"
	DropLink      = "drop_link"
	JoinLink      = "join_link"
	FoldLink      = "fold_link"
	MalformedLink = "malformed_link"
	MalformedJSON = "malformed_json"
	ContentType   = "content_type"
	Headers       = "headers"
	DoneButFailed = "done_but_failed"
)

var kinds = []string{
	Status, RateLimited, Delay, Cut, HalfPage, ShortPage, Duplicate, DropLink, JoinLink, FoldLink, MalformedLink,
	MalformedJSON, ContentType, Headers, DoneButFailed,
}

// Fault is one rule of misbehaviour.
type Fault struct {
	// ID numbers the faults of a set; Add gives it.
	ID int `json:"id"`
	// Method is a method or "" for all. Path is a path in which * stands for any text, or
	// a template (/api/v1/groups/{groupId}), whatever its variables are called.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Kind   string `json:"kind"`
	// Status is the answer's status for the kinds status and done_but_failed.
	Status int `json:"status,omitempty"`
	// After skips this many matching requests; Count ends it after so many, 0 is never.
	After int `json:"after,omitempty"`
	Count int `json:"count,omitempty"`
	// Probability is how likely a request is hit, 0 is always; Seed decides which.
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`
	// Delay is how long to wait before the answer, or until the reset of a 429.
	Delay Duration `json:"delay,omitempty"`
	// Bytes is where cut and half_page end the body; 0 is the middle.
	Bytes int `json:"bytes,omitempty"`
	// Headers replace those of the answer, whatever the kind; "" takes one away.
	Headers map[string]string `json:"headers,omitempty"`
	// Seen and Fired count the requests that matched and that were hit.
	Seen  int `json:"seen"`
	Fired int `json:"fired"`

	pattern pattern
	dice    *rand.Rand
}

// Duration is a time.Duration written as "2s".
type Duration time.Duration

// UnmarshalJSON reads "2s".
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is not a duration such as \"2s\"", b)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration such as \"2s\"", s)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalJSON writes "2s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// check names everything that is wrong with a fault.
func (f *Fault) check() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad := f.Status < 400 || f.Status > 599
	refuse(!slices.Contains(kinds, f.Kind), "kind: %q is not one of %s", f.Kind, strings.Join(kinds, ", "))
	refuse(bad && (f.Kind == Status || f.Status != 0), "status: %d is not between 400 and 599", f.Status)
	refuse(f.Delay < 0 || f.Kind == Delay && f.Delay == 0, "delay: %v is no time to wait", time.Duration(f.Delay))
	refuse(f.Count < 0 || f.After < 0 || f.Bytes < 0, "count, after and bytes cannot be negative")
	refuse(f.Probability < 0 || f.Probability > 1, "probability: %v is not between 0 and 1", f.Probability)
	refuse(f.Kind == Headers && len(f.Headers) == 0, "headers: the kind headers needs some")
	return errors.Join(errs...)
}

// Wait is how long the answer is held back.
func (f *Fault) Wait() time.Duration {
	if f == nil || f.Kind == RateLimited {
		return 0
	}
	return time.Duration(f.Delay)
}

// strikes counts a matching request and says whether the fault hits it.
func (f *Fault) strikes() bool {
	f.Seen++
	if f.Seen <= f.After || f.Count > 0 && f.Fired >= f.Count {
		return false
	}
	if f.Probability > 0 && f.dice.Float64() >= f.Probability {
		return false
	}
	f.Fired++
	return true
}
