// Package problem is the closed list of kinds of error that a person can act on.
//
// Anything that is not a Problem is internal: it is logged where the work ends
// and shown to nobody. The api turns a Kind into a status code in one place.
package problem

import (
	"errors"
	"fmt"
)

// Kind says what sort of thing went wrong. The list is closed: it crosses the
// wire, so it may only grow at its end.
type Kind string

// The kinds, and what the person can do about each.
const (
	Invalid     Kind = "invalid"     // correct the field that is named
	NotFound    Kind = "not_found"   // name something that exists
	Conflict    Kind = "conflict"    // something else has that name, or holds the place
	Denied      Kind = "denied"      // ask somebody with the role, scope or credential
	OverLimit   Kind = "over_limit"  // wait, or raise the limit
	Unavailable Kind = "unavailable" // try again: a neighbour does not answer
	Stale       Kind = "stale"       // look again: the state has moved since it was read
	StepUp      Kind = "step_up"     // prove again who you are, then ask once more
	Damaged     Kind = "damaged"     // bring back what is stored, or do without: no request is wrong, and none helps
)

// Problem is an error for a person: what is wrong, with which field, and the way out.
type Problem struct {
	Kind  Kind
	Field string // the input's field, as the person wrote it; "" if none
	What  string // what is wrong, lower case, no full stop
	Hint  string // the next action; "" if the sentence says it
	Err   error  // the cause, for the log; never shown
}

// Error renders field, sentence and hint; never the cause.
func (p *Problem) Error() string {
	s := p.What
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Err }

// New makes a Problem of a kind from a sentence.
func New(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, What: fmt.Sprintf(format, args...)}
}

// InField makes an Invalid problem that names the field.
func InField(field, format string, args ...any) *Problem {
	return &Problem{Kind: Invalid, Field: field, What: fmt.Sprintf(format, args...)}
}

// WithHint adds the next action.
func (p *Problem) WithHint(format string, args ...any) *Problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}

// Because adds the cause, for the log.
func (p *Problem) Because(err error) *Problem {
	p.Err = err
	return p
}

// Of finds the Problem in an error's chain; nil means that the error is internal.
func Of(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return nil
}

// Is reports whether the error carries a Problem of the kind.
func Is(err error, kind Kind) bool {
	p := Of(err)
	return p != nil && p.Kind == kind
}
