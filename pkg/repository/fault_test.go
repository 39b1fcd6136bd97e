package repository_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
)

// mishap is a way in which a store fails once, and what of a life it can happen to.
type mishap struct {
	name string
	op   fault.Op
	plan func(*fault.Fault)
}

// mishaps, by what the program is told: nothing at all in time, an error, or what is not so.
var mishaps = []mishap{
	{"fails", fault.Any, func(f *fault.Fault) { f.ErrorInstead(errAway) }},
	{"answers late", fault.Any, func(f *fault.Fault) { f.ErrorAfter(errAway) }},
	{"is slow", fault.Any, func(f *fault.Fault) { f.Delay(time.Hour) }},
	{"breaks off at once", fault.Get, func(f *fault.Fault) { f.Truncate(0) }},
	{"breaks off", fault.Get, func(f *fault.Fault) { f.Truncate(50) }},
	{"stalls", fault.Get, func(f *fault.Fault) { f.Stall(50) }},
	{"lists a part", fault.List, func(f *fault.Fault) { f.Truncate(3) }},
	{"lists what was", fault.List, func(f *fault.Fault) { f.Stale(1) }},
	{"lists what was long ago", fault.List, func(f *fault.Fault) { f.Stale(5) }},
}

var errAway = errors.New("away")

// TestMishapsOfALife has each operation of the store go wrong once, in each way: the program
// tries the step again, and loses nothing. Time is not real: who waits for a slow store
// gives up after a minute.
func TestMishapsOfALife(t *testing.T) {
	t.Parallel()
	first, calls := newLife(t), fault.New(mem.New(mem.Options{}))
	if err := first.copied().live(t.Context(), calls); err != nil {
		t.Fatal(err)
	}
	for _, m := range mishaps {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			for _, c := range calls.Calls() {
				if m.op == fault.Any || c.Op == m.op {
					n++
				}
			}
			if n < 3 {
				t.Fatalf("only %d operations", n)
			}
			_, every := lifeEvery()
			every = min(every, (n+2)/3)
			for at := len(m.name) % every; at < n; at += every { // others of each mishap
				synctest.Test(t, func(t *testing.T) { meets(t, first.copied(), m, at) })
			}
		})
	}
}

// meets lives through one mishap.
func meets(t *testing.T, l *life, m mishap, at int) {
	t.Helper()
	under := mem.New(mem.Options{})
	store := fault.New(under)
	m.plan(store.AddFault(m.op).After(at))
	when := fmt.Sprintf("%s %d %s", m.op, at, m.name)
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := l.live(ctx, store)
		cancel()
		if err == nil {
			break
		}
		if try > 2 {
			t.Fatalf("%s: %v", when, err)
		}
		l.keeps(t, under, when)
	}
	store.VerifyAllFired(t)
	if err := l.clear(t.Context(), under); err != nil { // what a listing kept from it
		t.Fatalf("%s: %v", when, err)
	}
	l.over(t, under, when)
}
