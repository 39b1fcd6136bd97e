package repository_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"imago/pkg/blob/fault"
)

// mishap is a way in which a store fails once, and what of a life it can happen to.
type mishap struct {
	name string
	op   fault.Op
	plan func(*fault.Fault)
	past int // steps of the life before, which it needs
}

// mishaps, by what the program is told: nothing at all in time, an error, or what is not so.
var mishaps = []mishap{
	{"fails", fault.Any, func(f *fault.Fault) { f.ErrorInstead(errAway) }, 0},
	{"answers late", fault.Any, func(f *fault.Fault) { f.ErrorAfter(errAway) }, 0},
	{"is slow", fault.Any, func(f *fault.Fault) { f.Delay(time.Hour) }, 0},
	{"breaks off at once", fault.Get, func(f *fault.Fault) { f.Truncate(0) }, 0},
	{"breaks off", fault.Get, func(f *fault.Fault) { f.Truncate(50) }, 0},
	{"stalls", fault.Get, func(f *fault.Fault) { f.Stall(50) }, 0},
	{"ends early", fault.Get, func(f *fault.Fault) { f.Alter(half) }, 0},
	{"gives other bytes", fault.Get, func(f *fault.Fault) { f.Alter(otherwise) }, 0},
	{"lists a part", fault.List, func(f *fault.Fault) { f.Truncate(3) }, 0},
	{"lists some as if all", fault.List, func(f *fault.Fault) { f.Omit(3) }, 0},
	{"lists many as if all", fault.List, func(f *fault.Fault) { f.Omit(30) }, 0},
	{"lists what was", fault.List, func(f *fault.Fault) { f.Stale(1) }, 3},
	{"lists what was long ago", fault.List, func(f *fault.Fault) { f.Stale(5) }, 3},
}

var errAway = errors.New("away")

// half is content that is cut, which nobody says.
func half(b []byte) []byte { return b[:len(b)/2] }

// otherwise is content of the same length, one bit of which is another.
func otherwise(b []byte) []byte {
	if len(b) > 0 {
		b[len(b)/3] ^= 1
	}
	return b
}

// TestMishapsOfALife has each operation of the store go wrong once, in each way: the program
// tries the step again, and loses nothing. Time is not real: who waits for a slow store
// gives up after a minute.
func TestMishapsOfALife(t *testing.T) {
	t.Parallel()
	all, calls := stages(t)
	for _, m := range mishaps {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var at []int // operations that it can happen to
			for i, c := range calls {
				if m.op == fault.Any || c.Op == m.op {
					at = append(at, i)
				}
			}
			if len(at) < 3 {
				t.Fatalf("only %d operations", len(at))
			}
			_, every := lifeEvery()
			every = min(every, (len(at)+2)/3)
			for n := len(m.name) % every; n < len(at); n += every { // others of each mishap
				from := stageOf(all, at[n], m.past)
				passed := n - len(slices.DeleteFunc(slices.Clone(at), func(i int) bool { return i >= from.calls }))
				synctest.Test(t, func(t *testing.T) {
					meets(t, from, m, passed, fmt.Sprintf("operation %d, %s, %s", at[n], calls[at[n]], m.name))
				})
			}
		})
	}
}

// meets lives through one mishap, of the operation after some of its kind.
func meets(t *testing.T, from stage, m mishap, passed int, when string) {
	t.Helper()
	l, under := from.again()
	store := fault.New(under)
	m.plan(store.AddFault(m.op).After(passed))
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
