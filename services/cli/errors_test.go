package cli

import (
	"errors"
	"testing"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

// TestExitCodes: scripts tell by them what the server said. What is damaged, gone or in the
// way is the plain error: only what needs another command line, or another person, is not.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[connect.Code]int{
		connect.CodeInvalidArgument:    exitUsage,
		connect.CodeUnauthenticated:    exitRefused,
		connect.CodePermissionDenied:   exitRefused,
		connect.CodeNotFound:           exitError,
		connect.CodeAlreadyExists:      exitError,
		connect.CodeFailedPrecondition: exitError,
		connect.CodeResourceExhausted:  exitError,
		connect.CodeUnavailable:        exitError,
		connect.CodeDataLoss:           exitError,
		connect.CodeInternal:           exitError,
	} {
		detail, err := connect.NewErrorDetail(&imagov1.Problem{Field: "field", What: "what it is", Hint: "what to do"})
		if err != nil {
			t.Fatal(err)
		}
		answer := connect.NewError(code, errors.New("an answer"))
		answer.AddDetail(detail)
		f := new(program).explain(answer)
		if f.code != want || f.What != "what it is" || f.Hint != "what to do" || f.Field != "field" {
			t.Errorf("%v: exit %d, want %d; %+v", code, f.code, want, f)
		}
	}
}
