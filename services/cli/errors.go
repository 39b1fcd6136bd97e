package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// usageError is a command line that cannot be carried out as it is written.
type usageError struct{ what string }

func (e *usageError) Error() string { return e.what }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// hinted is an error with the next action.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func withHint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// refused is a sign-in that was refused, whatever the reason is called.
type refused struct{ error }

func (r *refused) Unwrap() error { return r.error }

// failure is an error as it is shown.
type failure struct {
	Type  string `json:"type"` // "error"
	Kind  string `json:"kind"`
	Field string `json:"field,omitempty"`
	What  string `json:"what"`
	Hint  string `json:"hint,omitempty"`
	code  int
}

// fail shows an error and gives the exit code.
func (p *program) fail(err error) int {
	if errors.Is(err, errIncomplete) {
		return exitIncomplete
	}
	f := p.explain(err)
	if p.json {
		p.failJSON(f)
		return f.code
	}
	what := f.What
	if f.Field != "" {
		what = f.Field + ": " + what
	}
	p.notice("%s", what)
	if f.Hint != "" {
		p.notice("hint: %s", f.Hint)
	}
	return f.code
}

// failJSON puts the error on the error stream as one object, like the results.
func (p *program) failJSON(f failure) {
	line, err := json.Marshal(f)
	if err != nil {
		p.notice("%v", err)
		return
	}
	p.tell("%s\n", escape(string(line)))
}

// explain finds what to say of an error.
func (p *program) explain(err error) failure {
	f := failure{Type: "error", Kind: "error", What: err.Error(), code: exitError}
	h, knows := errors.AsType[*hinted](err)
	if knows {
		f.Hint, f.What = h.hint, h.Error()
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		f.Kind, f.code = "usage", exitUsage
		if f.Hint == "" {
			f.Hint = p.command + " --help shows what it takes"
		}
	}
	if errors.Is(err, context.Canceled) && connect.CodeOf(err) != connect.CodeUnavailable {
		f.Kind, f.What, f.Hint = "interrupted", "interrupted", ""
	}
	if c, ok := errors.AsType[*connect.Error](err); ok {
		p.explainAnswer(&f, c)
		if knows { // more of what was wanted than the server does
			f.Hint = h.hint
		}
	}
	if found := problem.Of(err); found != nil {
		explainProblem(&f, found)
	}
	if errors.Is(err, repository.ErrDamaged) && !errors.Is(err, snapshot.ErrFormat) {
		f.Hint = "bring it back from the bucket's versions or from another copy, or open another snapshot; imago open verify tells which stand on it"
	}
	if _, ok := errors.AsType[*refused](err); ok {
		f.code = exitRefused
	}
	return f
}

// explainAnswer reads an error that the server, or the way to it, gave.
func (p *program) explainAnswer(f *failure, err *connect.Error) {
	f.Kind, f.What = err.Code().String(), err.Message()
	f.code = exitCode(err.Code())
	if problem := problemOf(err); problem != nil {
		f.Kind, f.Field, f.What, f.Hint = problem.GetKind(), problem.GetField(), problem.GetWhat(), problem.GetHint()
	} else if err.Code() == connect.CodeUnavailable {
		f.What = "cannot reach " + p.serverName() + ": " + cause(err)
		f.Hint = "is the server running? name another with --server or IMAGO_SERVER"
	} else if foreign(err) {
		f.What = strings.TrimSuffix(p.serverName()+" does not answer as an Imago server does: "+err.Message(), ": ")
		f.Hint = "is it the right address? name another with --server or IMAGO_SERVER"
		f.code = exitError // whatever the other program meant by its status
		return
	}
	if err.Code() == connect.CodeUnauthenticated && f.Field == "" { // the server's hint is for programs
		f.Hint = "sign in with imago login"
	}
}

// foreign reports whether an answer that names no problem came from something else
// than Imago: another program at that address, or a proxy in between.
func foreign(err *connect.Error) bool {
	switch err.Code() {
	case connect.CodeUnimplemented:
		return true
	case connect.CodeUnknown:
		return !errors.Is(err, context.Canceled) && !errors.Is(err, errCutOff)
	}
	return err.Message() == ""
}

// cause is the last link of an error's chain: "connection refused".
func cause(err error) string {
	s := err.Error()
	if e, ok := errors.AsType[*connect.Error](err); ok {
		s = e.Message()
	}
	if i := strings.LastIndex(s, ": "); i >= 0 {
		return s[i+2:]
	}
	return s
}

// exitCode maps the server's codes to ours.
func exitCode(code connect.Code) int {
	switch code {
	case connect.CodeInvalidArgument:
		return exitUsage
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return exitRefused
	default:
		return exitError
	}
}

// problemOf finds the Problem that the server attached; nil if there is none.
func problemOf(err *connect.Error) *imagov1.Problem {
	for _, d := range err.Details() {
		value, err := d.Value()
		if err != nil { // a detail that this version does not know
			continue
		}
		if p, ok := value.(*imagov1.Problem); ok {
			return p
		}
	}
	return nil
}

// errCutOff is an answer that ended before its end.
var errCutOff = errors.New("the answer was cut off before its end")

// problemError makes an error of a problem that stands in an answer.
func problemError(p *imagov1.Problem, otherwise string) error {
	if p.GetWhat() == "" {
		return errors.New(otherwise)
	}
	what := p.GetWhat()
	if p.GetField() != "" {
		what = p.GetField() + ": " + what
	}
	if p.GetHint() == "" {
		return errors.New(what)
	}
	return withHint(errors.New(what), "%s", p.GetHint())
}
