package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"

	"imago/pkg/provider/okta/bigorg"
)

// sweep runs the worker's own benchmark, which has the full org and a fifth of it in a
// simulator, and a database, and takes its numbers into the steps: the worker's, and those
// of who would do without it.
func (r *result) sweep(ctx context.Context, log io.Writer) error {
	if r.Restic == nil && hasRestic(log) {
		r.Restic = steps{}
	}
	fmt.Fprintln(log, "bench: sweep by the worker")
	cmd := exec.CommandContext(ctx, "go", "test", "-buildvcs=false", "-run", "^$", "-timeout", "60m", "-bench", "^BenchmarkSweep$", "-benchtime", "1x", "imago/services/worker")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("sweep: %w\n%s", err, said)
	}
	return r.takeSweep(said)
}

// takeSweep takes what the benchmark says, of restic only where there is one.
func (r *result) takeSweep(said []byte) error {
	whole, fifth := sweepOf(1), sweepOf(1.0/5)
	for _, at := range []struct {
		name string
		into steps
	}{{whole, r.Steps}, {fifth, r.Fifth}} {
		n, err := metrics(said, at.name, "worker-first-cpu-s", "worker-first-peak-MiB", "worker-cpu-s", "worker-peak-MiB", "floor-cpu-s")
		if err != nil {
			return err
		}
		at.into["first sweep"], at.into["sweep"] = measure{CPU: n[0], Peak: n[1]}, measure{CPU: n[2], Peak: n[3]}
		at.into["floor of the sweep"] = measure{CPU: n[4]}
	}
	if r.Restic == nil {
		return nil
	}
	n, err := metrics(said, whole, "download-cpu-s", "restic-first-cpu-s", "restic-cpu-s")
	if err != nil {
		return err
	}
	r.Restic["first sweep"], r.Restic["sweep"] = measure{CPU: n[0] + n[1]}, measure{CPU: n[0] + n[2]}
	return nil
}

// sweepOf names the benchmark of a share of the full org.
func sweepOf(share float64) string {
	return fmt.Sprintf("BenchmarkSweep/users=%d", bigorg.Full.Scaled(share).Users)
}

// metrics finds numbers in what a benchmark says.
func metrics(said []byte, benchmark string, units ...string) (out []float64, err error) {
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(benchmark) + `(-\d+)?\s.*$`).Find(said)
	for _, unit := range units {
		found := regexp.MustCompile(`\s([0-9.]+) ` + regexp.QuoteMeta(unit) + `(\s|$)`).FindSubmatch(line)
		if found == nil {
			return nil, fmt.Errorf("%s does not say %s:\n%s", benchmark, unit, said)
		}
		n, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", unit, err)
		}
		out = append(out, n)
	}
	return out, nil
}
