// Package replay plays recorded runs of requests against fresh simulated orgs and
// compares every answer with the one that Okta gave. It is strict about what the
// requests, earlier answers and Okta's rules determine, and indifferent to what the
// recorded org happened to hold.
package replay

import (
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// Options say how runs are played.
type Options struct {
	// Workers is how many runs are played at the same time; 0 means two at most.
	Workers int
	// Only keeps the steps of these templates in the report, by prefix or with * for
	// anything; empty means all. Every step is played all the same.
	Only []string
	// Exclusions are the steps that prove nothing.
	Exclusions []Exclusion
}

func (o Options) excludes(s *Step, engine string) bool {
	return slices.ContainsFunc(o.Exclusions, func(x Exclusion) bool { return x.matches(s, engine) })
}

// Play plays every run against an org of its own.
func Play(runs []Run, o Options) *Report {
	workers := o.Workers
	if workers == 0 {
		workers = min(2, runtime.NumCPU())
	}
	outcomes := make([]outcome, len(runs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				outcomes[i] = playOnce(runs[i], o)
			}
		})
	}
	for i := range runs {
		next <- i
	}
	close(next)
	wg.Wait()
	return newReport(outcomes, o)
}

// playOnce reads a run, plays it and lets go of it.
func playOnce(r Run, o Options) outcome {
	if err := r.prepare(); err != nil {
		return lost(&r, err)
	}
	defer r.forget()
	return play(r, o)
}

// lost is the outcome of a run that cannot be played: no step of it matches.
func lost(r *Run, err error) outcome {
	out := outcome{run: r, stuck: []Stuck{{Path: "/", Reason: err.Error()}}}
	for _, s := range r.Steps {
		out.results = append(out.results, result{s, []Mismatch{{Status, "", strconv.Itoa(s.Status), err.Error()}}})
	}
	return out
}

// outcome is what playing a run gave.
type outcome struct {
	run     *Run
	engine  string
	results []result
	// stuck are the paths of things that were there before and that the simulator
	// does not know how to hold, with the reason.
	stuck []Stuck
}

// result is what one step gave; no mismatch means that it answered as Okta did.
type result struct {
	step       *Step
	mismatches []Mismatch
}

// The aspects of an answer that are compared.
const (
	Status = "status"
	Code   = "code"
	Shape  = "shape"
	Values = "values"
)

// Mismatch is one difference between Okta's answer and ours.
type Mismatch struct {
	// Aspect is status, code, shape or values.
	Aspect string `json:"aspect"`
	// Path is where in the body, with [] for any element of a list.
	Path string `json:"path"`
	// Recorded and Ours are what stands there, shortened; "" for nothing.
	Recorded string `json:"recorded"`
	Ours     string `json:"ours"`
}
