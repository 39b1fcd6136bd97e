// Command bench measures the repository beside restic, in one run and on the same org,
// and holds what it finds against what is promised of its sizes.
//
//	go run ./scripts/internal/bench repository [--scale 1] [--json] [--repositories 5] [--dir DIR]
//
// Everything that is measured runs in a process of its own. The result goes to stdout,
// all else to stderr.
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

// Exit codes.
const (
	failed = 1
	misuse = 2
)

func main() {
	memory.Thrift() // as the programs do whose work it measures
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	if errors.Is(err, errUsage) {
		os.Exit(misuse)
	}
	os.Exit(failed)
}

var errUsage = errors.New("usage: bench repository [--scale SHARE] [--json] [--repositories N] [--dir DIR]")

// config is what the command line says.
type config struct {
	scale        float64 // share of the full org
	json         bool
	repositories int    // of restic's: it cuts by a polynomial that it draws for each
	dir          string // for everything that is made; "": a temporary folder
}

func parse(args []string, errs io.Writer) (config, error) {
	var c config
	if len(args) == 0 || args[0] != "repository" {
		return c, errUsage
	}
	flags := flag.NewFlagSet("bench repository", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Float64Var(&c.scale, "scale", 1, "share of the full org of 100,000 users")
	flags.BoolVar(&c.json, "json", false, "one JSON object a line")
	flags.IntVar(&c.repositories, "repositories", 5, "of restic's, of which the median counts")
	flags.StringVar(&c.dir, "dir", "", "an empty folder with 5 GB left (default: a temporary one, in memory where there is room)")
	if err := flags.Parse(args[1:]); err != nil {
		return c, fmt.Errorf("%w\n%w", err, errUsage)
	}
	if flags.NArg() > 0 || !(c.scale > 0 && c.scale <= 1) || c.repositories < 1 {
		return c, errUsage
	}
	return c, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) (err error) {
	if len(args) == 1 && args[0] == asStep {
		return runStep(ctx, os.Stdin, out)
	}
	c, err := parse(args, errs)
	if err != nil {
		return err
	}
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
	result, err := measureAll(ctx, c, errs)
	if err != nil {
		return err
	}
	if c.json {
		return result.writeJSON(out)
	}
	return result.writeTable(out)
}

// temporary is the folder to work in, unless another is asked for: in memory where there
// is room, so that what the machine's disk has a processor do counts for nobody.
func temporary() string {
	const memory, room = "/dev/shm", 8 << 30
	var there syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(memory, &there) == nil && there.Bavail*uint64(there.Bsize) > room {
		return memory
	}
	return ""
}

// result is all that was measured.
type result struct {
	Type   string             `json:"type"`   // "repository"
	Scale  float64            `json:"scale"`  // of the org
	Org    map[string]float64 `json:"org"`    // what of each day is backed up, in bytes
	Steps  steps              `json:"steps"`  // ours, by name
	Fifth  steps              `json:"fifth"`  // the same on a fifth of the org
	Restic steps              `json:"restic"` // medians; nil: there is no restic
}

// measureAll does everything, in turn: nothing runs beside what is measured.
func measureAll(ctx context.Context, c config, errs io.Writer) (r result, err error) {
	r = result{Type: "repository", Scale: c.scale, Org: map[string]float64{}}
	whole := stage{dir: filepath.Join(c.dir, "whole"), size: bigorg.Full.Scaled(c.scale), log: errs}
	if err := whole.prepare(ctx, r.Org); err != nil {
		return r, err
	}
	if r.Restic, err = whole.restics(ctx, c.repositories); err != nil {
		return r, err
	}
	if r.Steps, err = whole.ours(ctx); err != nil {
		return r, err
	}
	if c.scale == 1 {
		if err := r.sweep(ctx, errs); err != nil {
			return r, err
		}
	}
	if err := os.RemoveAll(whole.dir); err != nil {
		return r, err
	}
	fifth := stage{dir: filepath.Join(c.dir, "fifth"), size: bigorg.Full.Scaled(c.scale / 5), log: errs}
	if err := fifth.prepare(ctx, map[string]float64{}); err != nil {
		return r, err
	}
	if r.Fifth, err = fifth.ours(ctx); err != nil {
		return r, err
	}
	return r, os.RemoveAll(fifth.dir)
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
