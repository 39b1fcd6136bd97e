// Command oktasim is a simulated Okta org: it answers Okta's management API from memory
// and behaves as Okta does, rate limits and System Log included.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes.
const (
	exitDone  = 0
	exitError = 1
	exitUsage = 2
	// exitBelow says that replay missed a threshold.
	exitBelow = 3
)

const usage = `oktasim is a simulated Okta org.

Usage:
  oktasim serve [flags]   answer until SIGTERM or SIGINT
  oktasim replay [flags] FILE…
                          play recorded runs (JSON lines, plain or .zst) and compare
  oktasim help            show this text

Flags of serve:
  --listen ADDR           where the org answers (127.0.0.1:0)
  --control ADDR          where the control port answers (127.0.0.1:0)
  --https ADDR            answer on HTTPS too, at any loopback address ([::1]:443), with
                          certificates of an authority that is made at start
  --authority-file FILE   write the authority's certificate there, for clients to trust
  --url URL               the org's URL in links, if it is neither the --https address nor,
                          without that, the --listen address
  --engine oie|classic    Identity Engine or Classic (oie)
  --state FILE            load the org at start if the file is there, save it on changes and at the end;
                          other orgs in files beside it
  --seed demo|FILE        furnish a new org: the demonstration company, or a plan in JSON
  --rate-plan PLAN        published rate limits: workforce, enterprise or free (workforce)
  --rate-multiplier N     scale every rate limit (1)
  --ready-file FILE       write the ready line there too, once ready
  --record FILE           write down every request and answer, secrets included, as replay reads them

Flags of replay:
  --only TEMPLATE         report only steps of these path templates (a beginning, or with
                          * for anything; may be repeated); every step is still played
  --failures N            show the N most frequent differences of every template (0)
  --exclude FILE          rules of steps that prove nothing, instead of the built-in ones
  --json                  the whole report as JSON
  --min-status P, --min-codes P, --min-shape P, --min-values P, --min-runs P
                          the least percentages (98, 85, 96, 95, 75)

When ready serve prints one line on stdout:
  {"type":"ready","url":"http://127.0.0.1:PORT","http":"http://127.0.0.1:PORT","control":"http://127.0.0.1:PORT"}
url is the org's own, which its links name; https stands there too if it listens.

Exit codes: 0 done, 1 error, 2 usage, 3 replay is below a threshold.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return exitDone
	case "serve":
		c, err := parseConfig(args[1:])
		return finish(stdout, stderr, err, func() error { return serve(ctx, c, stdout, stderr) })
	case "replay":
		c, err := parseReplay(args[1:])
		return finish(stdout, stderr, err, func() error { return replayRuns(c, stdout, stderr) })
	}
	fmt.Fprintf(stderr, "oktasim: unknown command %q; try oktasim help\n", args[0])
	return exitUsage
}

// finish runs a command unless its flags were wrong, and says how it ended.
func finish(stdout, stderr io.Writer, usageErr error, command func() error) int {
	if errors.Is(usageErr, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitDone
	}
	if usageErr != nil {
		fmt.Fprintf(stderr, "oktasim: %v; try oktasim help\n", usageErr)
		return exitUsage
	}
	err := command()
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return exitDone
	case errors.Is(err, errBelow):
		return exitBelow
	}
	fmt.Fprintf(stderr, "oktasim: %v\n", err)
	return exitError
}
