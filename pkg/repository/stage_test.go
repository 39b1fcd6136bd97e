package repository_test

import (
	"testing"
	"time"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
)

// stage is a life before one of its steps, with what is in the store by then.
type stage struct {
	life  *life
	store *mem.Store
	calls int // operations of the store until then
}

// stages are those of an undisturbed life, with all operations of the store in it. Whoever
// tries what happens at one of them begins with its stage, and not with the first.
func stages(t *testing.T) (out []stage, calls []fault.Call) {
	t.Helper()
	old := func() time.Time { return time.Unix(0, 0) } // for whoever clears away, by whichever clock
	l, under := newLife(t), mem.New(mem.Options{Now: old})
	store := fault.New(under)
	for ; l.step < len(steps); l.step++ {
		out = append(out, stage{l.copied(), under.Clone(), len(store.Calls())})
		if err := steps[l.step].do(l, t.Context(), store); err != nil {
			t.Fatal(err)
		}
	}
	l.over(t, under, "undisturbed")
	return out, store.Calls()
}

// stageOf is the stage whose step makes an operation, or one some steps before it.
func stageOf(all []stage, operation, before int) (s stage) {
	n := 0
	for i := range all {
		if all[i].calls <= operation {
			n = i
		}
	}
	return all[max(0, n-before)]
}

// again is the stage to live on from.
func (s stage) again() (*life, *mem.Store) { return s.life.copied(), s.store.Clone() }
