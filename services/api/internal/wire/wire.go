// Package wire turns errors into what clients see: a Connect code with a Problem
// as its detail, or application/problem+json (RFC 9457) with the right status.
// Nothing internal passes it.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
)

// Unauthenticated marks a problem that signing in would cure.
type Unauthenticated struct{ Problem *problem.Problem }

// Error says what is wrong.
func (u *Unauthenticated) Error() string { return u.Problem.Error() }

// Unwrap gives the problem, which is of kind Denied.
func (u *Unauthenticated) Unwrap() error { return u.Problem }

// Precondition marks a conflict that is not with another thing, but with what the
// thing itself holds or does.
type Precondition struct{ Problem *problem.Problem }

// Error says what is wrong.
func (p *Precondition) Error() string { return p.Problem.Error() }

// Unwrap gives the problem, which is of kind Conflict.
func (p *Precondition) Unwrap() error { return p.Problem }

// NoSession is the answer to everybody who is not signed in, whatever the reason:
// a token that never was, has expired or was revoked looks the same.
func NoSession() error {
	return &Unauthenticated{problem.New(problem.Denied, "you are not signed in").
		WithHint("sign in and send the token as \"Authorization: Bearer …\"")}
}

// kinds is the one table from a problem's kind to codes and titles.
var kinds = map[problem.Kind]struct {
	code   connect.Code
	status int
	title  string
}{
	problem.Invalid:     {connect.CodeInvalidArgument, http.StatusBadRequest, "Invalid request"},
	problem.NotFound:    {connect.CodeNotFound, http.StatusNotFound, "Not found"},
	problem.Conflict:    {connect.CodeAlreadyExists, http.StatusConflict, "Conflict"},
	problem.Denied:      {connect.CodePermissionDenied, http.StatusForbidden, "Not allowed"},
	problem.OverLimit:   {connect.CodeResourceExhausted, http.StatusTooManyRequests, "Over the limit"},
	problem.Unavailable: {connect.CodeUnavailable, http.StatusServiceUnavailable, "Unavailable"},
	problem.Stale:       {connect.CodeFailedPrecondition, http.StatusPreconditionFailed, "Out of date"},
	problem.StepUp:      {connect.CodePermissionDenied, http.StatusForbidden, "Prove who you are"},
	problem.Damaged:     {connect.CodeDataLoss, http.StatusInternalServerError, "Damaged"},
}

// Error turns any error into the one that goes out. One that carries no problem is
// internal: the client learns only the request ID, by which the log finds it.
func Error(err error, requestID string) *connect.Error {
	if c, ok := errors.AsType[*connect.Error](err); ok && problem.Of(err) == nil {
		return c
	}
	switch p := problem.Of(err); {
	case p != nil:
		return withDetail(connect.NewError(code(err, p.Kind), errors.New(p.Error())), detail(p))
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the request was cancelled"))
	case errors.Is(err, context.DeadlineExceeded):
		p := problem.New(problem.Unavailable, "the request took too long").WithHint("try again")
		return withDetail(connect.NewError(connect.CodeDeadlineExceeded, errors.New(p.Error())), detail(p))
	}
	return connect.NewError(connect.CodeInternal, fmt.Errorf("something went wrong on our side (request %s)", requestID))
}

// Internal reports whether the error is to be logged and shown to nobody.
func Internal(err error) bool {
	if err == nil || problem.Of(err) != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, ok := errors.AsType[*connect.Error](err)
	return !ok
}

func code(err error, k problem.Kind) connect.Code {
	if _, ok := errors.AsType[*Unauthenticated](err); ok {
		return connect.CodeUnauthenticated
	}
	if _, ok := errors.AsType[*Precondition](err); ok {
		return connect.CodeFailedPrecondition
	}
	return kinds[k].code
}

func detail(p *problem.Problem) *imagov1.Problem {
	return &imagov1.Problem{Kind: string(p.Kind), Field: p.Field, What: p.What, Hint: p.Hint}
}

func withDetail(e *connect.Error, m proto.Message) *connect.Error {
	d, err := connect.NewErrorDetail(m)
	if err != nil {
		// A message that cannot be marshalled is a defect; its text is in e already.
		return e
	}
	e.AddDetail(d)
	return e
}
