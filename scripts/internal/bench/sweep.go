package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
)

// sweep runs the worker's own benchmark, which has an org of its size and a database, and
// takes its numbers into the steps: the worker's, and those of who would do without it.
func (r *result) sweep(ctx context.Context, log io.Writer) error {
	fmt.Fprintln(log, "bench: sweep by the worker (scripts/bench sweep)")
	cmd := exec.CommandContext(ctx, "go", "test", "-buildvcs=false", "-run", "^$", "-timeout", "20m", "-bench", "^BenchmarkSweep$", "-benchtime", "5x", "imago/services/worker")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("sweep: %w\n%s", err, said)
	}
	n, err := metrics(said, "worker-first-cpu-s", "worker-cpu-s", "worker-peak-MiB")
	if err != nil {
		return err
	}
	r.Steps["first sweep"], r.Steps["sweep"] = measure{CPU: n[0]}, measure{CPU: n[1], Peak: n[2]}
	if r.Restic == nil {
		return nil
	}
	if n, err = metrics(said, "download-cpu-s", "restic-first-cpu-s", "restic-cpu-s"); err != nil {
		return err
	}
	r.Restic["first sweep"], r.Restic["sweep"] = measure{CPU: n[0] + n[1]}, measure{CPU: n[0] + n[2]}
	return nil
}

// metrics finds numbers in what a benchmark says.
func metrics(said []byte, units ...string) (out []float64, err error) {
	for _, unit := range units {
		found := regexp.MustCompile(`\s([0-9.]+) ` + regexp.QuoteMeta(unit) + `\s`).FindSubmatch(said)
		if found == nil {
			return nil, fmt.Errorf("the benchmark does not say %s:\n%s", unit, said)
		}
		n, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", unit, err)
		}
		out = append(out, n)
	}
	return out, nil
}
