package org

import (
	"errors"
	"fmt"
	"path"
)

// Disorder is what the control port wants to go wrong with coming events.
type Disorder struct {
	ID int `json:"id"`
	// EventType says which events, with * for any text; "" is all.
	EventType string `json:"eventType,omitempty"`
	// Late is how long after its publication an event arrives, in milliseconds.
	Late int64 `json:"late,omitempty"`
	// Duplicate lets the event arrive in time, and a second time Late afterwards.
	Duplicate bool `json:"duplicate,omitempty"`
	// Count ends the disorder after so many events; 0 is never.
	Count int `json:"count,omitempty"`
	Fired int `json:"fired"`
}

// Disturb puts a disorder in force. The error names what is wrong with it.
func (o *Org) Disturb(d Disorder) error {
	if _, err := path.Match(d.EventType, ""); err != nil {
		return fmt.Errorf("eventType: %w", err)
	}
	if d.Late < 0 || d.Count < 0 {
		return errors.New("late and count cannot be negative")
	}
	if d.Late == 0 && !d.Duplicate {
		return errors.New("late: give a time by which events are late, or duplicate")
	}
	d.ID, d.Fired = 1, 0
	if n := len(o.log.disorder); n > 0 {
		d.ID = o.log.disorder[n-1].ID + 1
	}
	o.log.disorder = append(o.log.disorder, &d)
	return nil
}

// Disorders copies what is in force.
func (o *Org) Disorders() []Disorder {
	out := []Disorder{}
	for _, d := range o.log.disorder {
		out = append(out, *d)
	}
	return out
}

// CalmDown ends all disorder. Events that are late already still come late.
func (o *Org) CalmDown() { o.log.disorder = nil }

// strikes says whether the disorder concerns the event, and counts it.
func (d *Disorder) strikes(e *Event) bool {
	if d.Count > 0 && d.Fired >= d.Count {
		return false
	}
	if ok, err := path.Match(d.EventType, e.EventType); d.EventType != "" && (err != nil || !ok) {
		return false
	}
	d.Fired++
	return true
}
