package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"imago/services/oktasim/internal/replay"
)

// replayConfig is what replay is told.
type replayConfig struct {
	Files     []string
	Only      list
	Exclude   string
	Failures  int
	JSON      bool
	Threshold replay.Thresholds
}

// list is a flag that may be given again and again.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

//go:embed replay-exclusions.txt
var standardExclusions []byte

// parseReplay reads the flags of replay, which may stand before and after the files.
func parseReplay(args []string) (replayConfig, error) {
	var c replayConfig
	f := flag.NewFlagSet("replay", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Var(&c.Only, "only", "")
	f.StringVar(&c.Exclude, "exclude", "", "")
	f.IntVar(&c.Failures, "failures", 0, "")
	f.BoolVar(&c.JSON, "json", false, "")
	f.Float64Var(&c.Threshold.Status, "min-status", 98, "")
	f.Float64Var(&c.Threshold.Codes, "min-codes", 85, "")
	f.Float64Var(&c.Threshold.Shape, "min-shape", 96, "")
	f.Float64Var(&c.Threshold.Values, "min-values", 95, "")
	f.Float64Var(&c.Threshold.Runs, "min-runs", 75, "")
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return c, err
		}
		if args = f.Args(); len(args) > 0 {
			c.Files, args = append(c.Files, args[0]), args[1:]
		}
	}
	return c, c.check()
}

func (c replayConfig) check() error {
	var errs []error
	if len(c.Files) == 0 {
		errs = append(errs, errors.New("replay needs a file of recorded runs"))
	}
	if c.Failures < 0 {
		errs = append(errs, errors.New("--failures must not be negative"))
	}
	t := c.Threshold
	for name, v := range map[string]float64{"status": t.Status, "codes": t.Codes, "shape": t.Shape, "values": t.Values, "runs": t.Runs} {
		if v < 0 || v > 100 {
			errs = append(errs, fmt.Errorf("--min-%s %g is no percentage", name, v))
		}
	}
	return errors.Join(errs...)
}

// errBelow says that the report misses a threshold; the report itself says more.
var errBelow = errors.New("the simulator is not as Okta is")

// replayRuns plays the files' runs and writes the report.
func replayRuns(c replayConfig, stdout, stderr io.Writer) error {
	exclusions, err := readExclusions(c.Exclude)
	if err != nil {
		return err
	}
	runs, err := replay.Load(c.Files...)
	if err != nil {
		return err
	}
	report := replay.Play(runs, replay.Options{Only: c.Only, Exclusions: exclusions})
	if c.JSON {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		err = enc.Encode(report)
	} else {
		err = report.Print(stdout, c.Failures)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	missed := report.Check(c.Threshold)
	for _, m := range missed {
		fmt.Fprintf(stderr, "oktasim: %s\n", m)
	}
	if len(missed) > 0 {
		return errBelow
	}
	return nil
}

func readExclusions(file string) ([]replay.Exclusion, error) {
	b, name := standardExclusions, "replay-exclusions.txt"
	if file != "" {
		var err error
		if b, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read the exclusions: %w", err)
		}
		name = file
	}
	all, err := replay.ReadExclusions(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}
