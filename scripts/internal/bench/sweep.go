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
	cmd := exec.CommandContext(ctx, "go", "test", "-buildvcs=false", "-run", "^$", "-timeout", "20m", "-bench", "^BenchmarkSweep$", "-benchtime", "3x", "imago/services/worker")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("sweep: %w\n%s", err, said)
	}
	r.Steps["first sweep"] = measure{CPU: metric(said, "worker-first-cpu-s")}
	r.Steps["sweep"] = measure{CPU: metric(said, "worker-cpu-s"), Peak: metric(said, "worker-peak-MiB")}
	if r.Restic != nil {
		download := metric(said, "download-cpu-s")
		r.Restic["first sweep"] = measure{CPU: download + metric(said, "restic-first-cpu-s")}
		r.Restic["sweep"] = measure{CPU: download + metric(said, "restic-cpu-s")}
	}
	return nil
}

// metric finds a number in what a benchmark says; 0 if it did not say it.
func metric(said []byte, unit string) float64 {
	found := regexp.MustCompile(`\s([0-9.]+) ` + regexp.QuoteMeta(unit) + `\s`).FindSubmatch(said)
	if found == nil {
		return 0
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return 0 // no number, and not said
	}
	return n
}
