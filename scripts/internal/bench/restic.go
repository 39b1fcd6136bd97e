package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"imago/pkg/provider/okta/bigorg"
)

// restic is one repository of restic's in a folder.
type restic struct {
	stage
	repository string
}

// restics measures restic in several repositories, and gives the medians of each step;
// nil where there is no restic.
func (s stage) restics(ctx context.Context, repositories int) (steps, error) {
	if !hasRestic(s.log) {
		return nil, nil
	}
	if err := os.WriteFile(filepath.Join(s.dir, "password"), []byte("benchmark\n"), 0o600); err != nil {
		return nil, err
	}
	all := map[string][]measure{}
	for n := range repositories {
		r := restic{s, filepath.Join(s.dir, "restic")}
		if err := r.measure(ctx, n, all); err != nil {
			return nil, err
		}
		if err := gone(r.repository, r.repository+".2a", r.repository+".2b", r.repository+".2c", r.cache()); err != nil {
			return nil, err
		}
	}
	medians := steps{}
	for name, of := range all {
		medians[name] = medianOf(of)
	}
	return medians, nil
}

// hasRestic reports whether there is one, and says so where there is none.
func hasRestic(log io.Writer) bool {
	_, err := exec.LookPath("restic")
	if err != nil {
		fmt.Fprintln(log, "bench: THERE IS NO RESTIC to measure beside: apt-get install restic")
	}
	return err == nil
}

// measure does every step once. Each day is backed up over the first.
func (r restic) measure(ctx context.Context, n int, all map[string][]measure) error {
	do := func(name string, args ...string) error {
		fmt.Fprintf(r.log, "bench: restic %d: %s\n", n+1, name)
		m, err := r.run(ctx, args...)
		all[name] = append(all[name], m)
		return err
	}
	if _, err := r.run(ctx, "init"); err != nil {
		return err
	}
	if err := r.lay(bigorg.First, func(org string) error { return do("first", "backup", org) }); err != nil {
		return err
	}
	first := r.repository
	for _, day := range days[1:] {
		r.repository = first + "." + string(day)
		if err := link(first, r.repository); err != nil {
			return err
		}
		if err := r.lay(day, func(org string) error { return do(string(day), "backup", org) }); err != nil {
			return err
		}
	}
	r.repository = first + "." + string(bigorg.Edited)
	if err := do("dump", "dump", "latest", filepath.Join(r.laid(), "group.jsonl")); err != nil {
		return err
	}
	if err := do("check", "check", "--read-data"); err != nil {
		return err
	}
	return do("forget", "forget", "--keep-last", "1", "--prune")
}

// laid is the one folder that is backed up, whichever day's it is.
func (r restic) laid() string  { return filepath.Join(r.dir, "org") }
func (r restic) cache() string { return filepath.Join(r.dir, "cache") }

// lay puts a day's dump in its place for as long as do takes.
func (r restic) lay(day bigorg.Day, do func(org string) error) error {
	lines := dumpOf(r.dir, day).lines
	if err := os.Rename(lines, r.laid()); err != nil {
		return err
	}
	return errors.Join(do(r.laid()), os.Rename(r.laid(), lines))
}

// run runs restic, and says what it used and added.
func (r restic) run(ctx context.Context, args ...string) (m measure, err error) {
	before, err := size(r.repository)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	cmd := exec.CommandContext(ctx, "restic", append([]string{"--quiet", "--repo", r.repository,
		"--password-file", filepath.Join(r.dir, "password"), "--cache-dir", r.cache()}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RESTIC_") })
	if err := cmd.Run(); err != nil {
		return m, fmt.Errorf("restic %s: %w: %s", args[0], err, said.Bytes())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return m, errors.New("this system does not tell what a process used")
	}
	after, err := size(r.repository)
	return measure{
		CPU:  (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		Peak: float64(usage.Maxrss) / 1024, Bytes: float64(after - before),
	}, err
}

// medianOf takes the median of each number by itself; of an even count what lies midway.
func medianOf(of []measure) measure {
	middle := func(number func(measure) float64) float64 {
		var all []float64
		for _, m := range of {
			all = append(all, number(m))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	return measure{
		CPU:   middle(func(m measure) float64 { return m.CPU }),
		Peak:  middle(func(m measure) float64 { return m.Peak }),
		Bytes: middle(func(m measure) float64 { return m.Bytes }),
	}
}
