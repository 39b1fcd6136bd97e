package migrate

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"imago/pkg/boot"
	"imago/pkg/postgres/keyrings"
)

// Keyrings is a command about accounts' keyrings, as a command line asks for it.
type Keyrings struct {
	Rewrap bool   // else only say how they stand
	Data   string // imagod's data directory; "": not named
}

// ReadKeyrings reads the flags of a command about keyrings; ok: the command line is one.
func ReadKeyrings(args []string) (k Keyrings, ok bool, err error) {
	if !slices.ContainsFunc(args, func(arg string) bool {
		name := strings.TrimLeft(arg, "-")
		return strings.HasPrefix(arg, "-") && (name == "keyrings" || name == "rewrap")
	}) {
		return k, false, nil
	}
	f := flag.NewFlagSet("keyrings", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Bool("keyrings", false, "")
	f.BoolVar(&k.Rewrap, "rewrap", false, "")
	f.StringVar(&k.Data, "data", "", "")
	if err := f.Parse(args); err != nil {
		return k, false, err
	}
	if f.NArg() > 0 {
		return k, false, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	return k, true, nil
}

// Do has the keyrings of the database that the URL names wrapped anew, by its workers, or
// says by which master keys they are wrapped; it gives the exit code: 3 while some wait.
func (k Keyrings) Do(ctx context.Context, program, url string, out, errs io.Writer) int {
	if k.Rewrap {
		n, err := keyrings.AskRewrap(ctx, url)
		if err != nil {
			return max(exitFailed, say(errs, exitDone, "%s: %s\n", program, err))
		}
		return say(out, exitDone, "%d keyrings will be wrapped anew, by the key service that the workers use; %s -keyrings tells how far that is\n", n, program)
	}
	all, err := keyrings.Wrapped(ctx, url)
	if err != nil {
		return max(exitFailed, say(errs, exitDone, "%s: %s\n", program, err))
	}
	code := exitDone
	for _, by := range all {
		name := by.Name
		if name == "" {
			name = "a master key that they do not name"
		}
		line := fmt.Sprintf("%d wrapped by %s", by.Keyrings, name)
		if by.Waiting > 0 {
			code = exitLeft
			line += fmt.Sprintf(", %d of them to be wrapped anew: keep that master key", by.Waiting)
		}
		code = max(code, say(out, exitDone, "%s\n", line))
	}
	return code
}

// aboutKeyrings is the command of imago-migrate.
func aboutKeyrings(ctx context.Context, k Keyrings, environ []string, out, errs io.Writer) int {
	c, err := boot.Load[Config](environ)
	if err != nil {
		return wrong(errs, err)
	}
	return k.Do(ctx, "imago-migrate", c.url(), out, errs)
}
