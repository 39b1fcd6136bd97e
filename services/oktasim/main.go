// Command oktasim is a simulated Okta org: it answers Okta's management API from memory
// and behaves as Okta does, rate limits and System Log included.
package main

import (
	"context"
	"errors"
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
)

const usage = `oktasim is a simulated Okta org.

Usage:
  oktasim serve [flags]   answer until SIGTERM or SIGINT
  oktasim help            show this text

Flags of serve:
  --listen ADDR           where the org answers (127.0.0.1:0)
  --control ADDR          where the control port answers (127.0.0.1:0)
  --url URL               the org's URL, if clients do not reach it at --listen
  --engine oie|classic    Identity Engine or Classic (oie)
  --state FILE            load the org at start if the file is there, save it on changes and at the end
  --seed demo|FILE        furnish a new org: the demonstration company, or a plan in JSON
  --rate-plan PLAN        published rate limits: workforce, enterprise or free (workforce)
  --rate-multiplier N     scale every rate limit (1)
  --ready-file FILE       write the ready line there too, once ready

When ready it prints one line on stdout:
  {"type":"ready","url":"http://127.0.0.1:PORT","control":"http://127.0.0.1:PORT"}

Exit codes: 0 done, 1 error, 2 usage.
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
	default:
		fmt.Fprintf(stderr, "oktasim: unknown command %q; try oktasim help\n", args[0])
		return exitUsage
	}
	c, err := parseConfig(args[1:])
	if err != nil {
		fmt.Fprintf(stderr, "oktasim: %v; try oktasim help\n", err)
		return exitUsage
	}
	if err := serve(ctx, c, stdout, stderr); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "oktasim: %v\n", err)
		return exitError
	}
	return exitDone
}
