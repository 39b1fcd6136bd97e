// Command demo shows Imago's main job on this machine: it starts a simulated Okta
// org, a mailbox and imagod, and tells the story of a deleted group by running the
// commands that a customer would run. It knows the programs from outside only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the demo was asked for.
type options struct {
	bin   string // the folder of imago, imagod and oktasim
	data  string
	once  bool
	reset bool
	set   []string // imagod's settings, each NAME=VALUE
}

// The outcome of an interrupted demo is not a failure of it.
var errInterrupted = errors.New("interrupted")

func main() {
	// The programs that are started die with the thread that started them.
	runtime.LockOSThread()
	err := run(os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errInterrupted):
		os.Exit(130)
	default:
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.reset {
		if err := reset(o.data); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	err = s.tell(ctx)
	if err == nil && !o.once {
		s.stay(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	return errors.Join(err, s.close())
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("scripts/demo", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", ".bin", "the folder of the programs")
	f.StringVar(&o.data, "data", "", "where everything is kept (default .demo in the repository, /var/lib/imago-demo for root)")
	f.BoolVar(&o.once, "once", false, "end after the story instead of staying up")
	f.BoolVar(&o.reset, "reset", false, "delete what an earlier run left, and start anew")
	f.Func("set", "a setting of imagod's, as SIGN_UP=open; may be repeated", func(setting string) error {
		if name, _, ok := strings.Cut(setting, "="); !ok || name == "" {
			return errors.New("give NAME=VALUE")
		}
		o.set = append(o.set, "IMAGO_"+setting)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is one argument too many", f.Arg(0))
	}
	if o.data == "" {
		o.data = defaultData()
	}
	var errs [2]error
	o.bin, errs[0] = filepath.Abs(o.bin)
	o.data, errs[1] = filepath.Abs(o.data)
	return o, errors.Join(errs[:]...)
}

// defaultData is a folder that the database's user can come to: where root runs
// this, Postgres runs as somebody else, and /root is closed to it.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/imago-demo"
	}
	return ".demo"
}

// marker names the folders that the demo made, and may delete.
const marker = "made-by-imago-demo"

func reset(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("%s was not made by the demo, and is not deleted: %w", dir, err)
	}
	return os.RemoveAll(dir)
}

// prepare makes the data folder, or takes one that the demo made before. A folder
// with anything else in it is refused: reset would delete that too.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	has, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	made := slices.ContainsFunc(has, func(e os.DirEntry) bool { return e.Name() == marker })
	if len(has) > 0 && !made {
		return fmt.Errorf("%s is in use for something else: name a folder that does not exist yet by --data", dir)
	}
	return os.WriteFile(filepath.Join(dir, marker), nil, 0o600)
}

// await looks at a condition until it holds, until patience ends.
func await(ctx context.Context, what string, patience time.Duration, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s: not within %s", what, patience))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := holds()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
