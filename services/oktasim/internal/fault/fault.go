// Package fault holds the misbehaviour that a test asks for: which requests it meets,
// how often, and what happens to them.
package fault

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// The kinds of fault.
const (
	Status        = "status"
	RateLimited   = "429"
	Delay         = "delay"
	Cut           = "cut"
	HalfPage      = "half_page"
	DropLink      = "drop_link"
	MalformedJSON = "malformed_json"
	DoneButFailed = "done_but_failed"
)

var kinds = []string{Status, RateLimited, Delay, Cut, HalfPage, DropLink, MalformedJSON, DoneButFailed}

// Fault is one rule of misbehaviour.
type Fault struct {
	// Method is a method or "" for all; Path is a path in which * stands for any text.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Kind   string `json:"kind"`
	// Status is the answer's status for the kinds status and done_but_failed.
	Status int `json:"status,omitempty"`
	// After skips this many matching requests; Count ends it after so many, 0 is never.
	After int `json:"after,omitempty"`
	Count int `json:"count,omitempty"`
	// Delay is how long to wait, or until the reset of a 429.
	Delay Duration `json:"delay,omitempty"`
	// Bytes is where cut and half_page end the body; 0 is the middle.
	Bytes int `json:"bytes,omitempty"`
	// Seen and Fired count the requests that matched and that were hit.
	Seen  int `json:"seen"`
	Fired int `json:"fired"`
}

// Duration is a time.Duration written as "2s".
type Duration time.Duration

// UnmarshalJSON reads "2s".
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("delay must be a text such as \"2s\": %w", err)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("delay: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalJSON writes "2s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// Set is the faults in force. It is safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	faults []*Fault
}

// Add puts a fault in force.
func (s *Set) Add(f Fault) error {
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("kind: %q is not one of %s", f.Kind, strings.Join(kinds, ", "))
	}
	if f.Kind == Status && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("status: %d is not between 400 and 599", f.Status)
	}
	if f.Kind == Delay && f.Delay <= 0 {
		return fmt.Errorf("delay: the kind delay needs one")
	}
	if f.Count < 0 || f.After < 0 || f.Bytes < 0 {
		return fmt.Errorf("count, after and bytes cannot be negative")
	}
	if _, err := path.Match(glob(f.Path), ""); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	f.Seen, f.Fired = 0, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// Clear ends all faults.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// List copies the faults with their counts.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		out[i] = *f
	}
	return out
}

// Hit counts the request and returns the first fault that strikes it, nil if none does.
func (s *Set) Hit(method, requestPath string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if !f.matches(method, requestPath) {
			continue
		}
		f.Seen++
		if f.Seen <= f.After || f.Count > 0 && f.Fired >= f.Count {
			continue
		}
		f.Fired++
		hit := *f
		return &hit
	}
	return nil
}

func (f *Fault) matches(method, requestPath string) bool {
	if f.Method != "" && !strings.EqualFold(f.Method, method) {
		return false
	}
	if f.Path == "" || f.Path == "*" {
		return true
	}
	ok, err := path.Match(glob(f.Path), glob(requestPath))
	return err == nil && ok
}

// glob lets * run over slashes: path.Match stops at them.
func glob(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
