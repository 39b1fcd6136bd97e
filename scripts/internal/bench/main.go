// Command bench measures the repository beside restic, in one run and on the same org,
// and the worker's sweep beside who would do without it, and holds what it finds against
// what is promised of their sizes.
//
//	go run ./scripts/internal/bench repository [--scale 1] [--json] [--repositories 5] [--dir DIR]
//	go run ./scripts/internal/bench sweep [--json]
//
// Everything that is measured runs in a process of its own. The result goes to stdout,
// all else to stderr. The exit code is 0, 1 after an error, 2 for a misuse, and 3 where a
// promise is broken, which the whole table is told before.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"imago/pkg/memory"
	"imago/pkg/provider/okta/bigorg"
)

// Exit codes, as the command line's of Imago.
const (
	failed = 1
	misuse = 2
	broken = 3
)

func main() {
	memory.Thrift() // as the programs do whose work it measures
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return misuse
	case errors.Is(err, errBroken):
		return broken
	}
	return failed
}

var (
	errUsage  = errors.New("usage: bench repository [--scale SHARE] [--json] [--repositories N] [--dir DIR] | sweep [--json]")
	errBroken = errors.New("what is promised is broken")
)

// config is what the command line says.
type config struct {
	what         string  // "repository" or "sweep"
	scale        float64 // share of the full org
	json         bool
	repositories int    // of restic's: it cuts by a polynomial that it draws for each
	dir          string // for everything that is made; "": a temporary folder
}

func parse(args []string, errs io.Writer) (config, error) {
	c := config{scale: 1, repositories: 1}
	if len(args) == 0 || args[0] != "repository" && args[0] != "sweep" {
		return c, errUsage
	}
	c.what = args[0]
	flags := flag.NewFlagSet("bench "+c.what, flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.BoolVar(&c.json, "json", false, "one JSON object a line")
	if c.what == "repository" {
		flags.Float64Var(&c.scale, "scale", 1, "share of the full org of 100,000 users")
		flags.IntVar(&c.repositories, "repositories", 5, "of restic's, of which the median counts")
		flags.StringVar(&c.dir, "dir", "", "an empty folder with 5 GB left (default: a temporary one, in "+shm+" where 8 GiB of it and of memory are free and TMPDIR is not set)")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return c, fmt.Errorf("%w\n%w", err, errUsage)
	}
	if flags.NArg() > 0 || !(c.scale > 0 && c.scale <= 1) || c.repositories < 1 {
		return c, errUsage
	}
	return c, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 1 && args[0] == asStep {
		return runStep(ctx, os.Stdin, out)
	}
	c, err := parse(args, errs)
	if err != nil {
		return err
	}
	r := result{Type: c.what, Scale: c.scale, Org: map[string]float64{}, Steps: steps{}, Fifth: steps{}}
	if c.what == "repository" {
		err = r.repository(ctx, c, errs)
	}
	if err == nil && c.scale == 1 {
		err = r.sweep(ctx, errs)
	}
	if err != nil {
		return err
	}
	return r.report(out, c.json)
}

// repository measures it in a folder that nothing else lies in.
func (r *result) repository(ctx context.Context, c config, errs io.Writer) (err error) {
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp(temporary(), "imago-bench."); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return err
	}
	there, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--dir: %w", err)
	}
	if len(there) > 0 {
		return fmt.Errorf("--dir: %s is not empty, and what is made in it is removed at the end: give an empty folder", c.dir)
	}
	return r.measureAll(ctx, c, errs)
}

// result is all that was measured.
type result struct {
	Type   string             `json:"type"`          // "repository" or "sweep"
	Scale  float64            `json:"scale"`         // of the org
	Org    map[string]float64 `json:"org,omitempty"` // what of each day is backed up, in bytes
	Steps  steps              `json:"steps"`         // ours, by name
	Fifth  steps              `json:"fifth"`         // the same on a fifth of the org
	Restic steps              `json:"restic"`        // medians; nil: there is no restic
}

// measureAll does everything, in turn: nothing runs beside what is measured.
func (r *result) measureAll(ctx context.Context, c config, errs io.Writer) (err error) {
	whole := stage{dir: filepath.Join(c.dir, "whole"), size: bigorg.Full.Scaled(c.scale), log: errs}
	if err := whole.prepare(ctx, r.Org); err != nil {
		return err
	}
	if r.Restic, err = whole.restics(ctx, c.repositories); err != nil {
		return err
	}
	if r.Steps, err = whole.ours(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(whole.dir); err != nil {
		return err
	}
	fifth := stage{dir: filepath.Join(c.dir, "fifth"), size: bigorg.Full.Scaled(c.scale / 5), log: errs}
	if err := fifth.prepare(ctx, map[string]float64{}); err != nil {
		return err
	}
	if r.Fifth, err = fifth.ours(ctx); err != nil {
		return err
	}
	return os.RemoveAll(fifth.dir)
}

// report writes the result, and fails, when all is written, for a promise that is broken.
func (r result) report(out io.Writer, asJSON bool) error {
	write := r.writeTable
	if asJSON {
		write = r.writeJSON
	}
	if err := write(out); err != nil {
		return err
	}
	n := 0
	for _, row := range r.rows() {
		if row.broken() {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%w: rows that say BROKEN: %d", errBroken, n)
	}
	return nil
}

// writeJSON writes a line for each promise, and one with all that was measured.
func (r result) writeJSON(out io.Writer) error {
	lines := json.NewEncoder(out)
	for _, row := range r.rows() {
		if err := lines.Encode(row.line()); err != nil {
			return err
		}
	}
	return lines.Encode(r)
}
