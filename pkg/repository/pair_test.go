package repository_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

// turns lets programs work on one store, one operation at a time: each waits at the door
// until it is let go on, in an order that a seed decides. So what two do at once is done
// again the same way.
type turns struct {
	waiting []chan struct{} // of each program, while it waits
	arrived chan int        // a program waits, or ended
	ended   []bool
}

// door is one program's way to the store.
type door struct {
	*mem.Store
	of *turns
	i  int
}

func (d *door) wait() {
	d.of.arrived <- d.i
	<-d.of.waiting[d.i]
}

// Put waits for its turn, as all operations do.
func (d *door) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	d.wait()
	return d.Store.Put(ctx, key, r, size)
}

func (d *door) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	d.wait()
	return d.Store.Replace(ctx, key, r, size)
}

func (d *door) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	d.wait()
	return d.Store.Get(ctx, key, rng)
}

func (d *door) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	d.wait()
	return d.Store.List(ctx, prefix)
}

func (d *door) Delete(ctx context.Context, key string) error {
	d.wait()
	return d.Store.Delete(ctx, key)
}

// interleaved runs programs by turns, and gives what each ended with.
func interleaved(store *mem.Store, seed uint64, programs ...func(blob.Store) error) []error {
	rng := rand.New(rand.NewPCG(seed, 3))
	t := &turns{arrived: make(chan int), ended: make([]bool, len(programs))}
	out := make([]error, len(programs))
	for i, run := range programs {
		t.waiting = append(t.waiting, make(chan struct{}))
		go func() {
			out[i] = run(&door{store, t, i})
			t.ended[i] = true
			t.arrived <- i
		}()
	}
	for range programs {
		<-t.arrived // each waits at the door for the first time, or never went to it
	}
	for slices.Contains(t.ended, false) {
		i := rng.IntN(len(programs))
		for range 1 << rng.IntN(8) { // one may stand still while another does a lot
			if t.ended[i] {
				break
			}
			t.waiting[i] <- struct{}{}
			<-t.arrived
		}
	}
	return out
}

// several is what programs do at once.
type several struct {
	name string
	do   []func(*life, context.Context, blob.Store) error
	// loser is what the one who was later may be told; nil: both go well.
	loser func(error) bool
}

// second takes a sweep as another program does, which does not know of the first's.
func (l *life) second(ctx context.Context, store blob.Store) error {
	l.step += 40
	defer func() { l.step -= 40 }()
	return l.sweep(ctx, store)
}

// looks checks the repository, and fails if that finds damage: there is none.
func (l *life) looks(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	report, err := r.Check(ctx, repository.CheckOptions{Data: true})
	if err == nil && len(report.Damage) > 0 {
		err = fmt.Errorf("%w: %+v", errFalseAlarm, report.Damage)
	}
	return err
}

var errFalseAlarm = errors.New("damage that is none")

// tidies clears away what is rubbish, when all that was there before is as old as that.
func (l *life) tidies(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	_, err = r.Sweep(ctx, repository.SweepOptions{Before: later.Add(-24 * time.Hour)})
	return err
}

// later is when two work at once: long after what is there was put.
var later = started.Add(100 * 24 * time.Hour)

// does is what each of them does.
type does = []func(*life, context.Context, blob.Store) error

// TestTwoAtOnce has programs work on one repository, step by step, in many orders:
// nothing is lost, no snapshot that is listed is broken, and who is too late is told.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	taken := func(err error) bool { return problem.Is(err, problem.Conflict) || errors.Is(err, blob.ErrExists) }
	for _, p := range []several{
		{"two sweeps", does{(*life).sweep, (*life).second}, nil},
		{"one sweep by two", does{(*life).sweep, (*life).sweep}, taken},
		{"sweep and forgetting", does{(*life).sweep, (*life).forget}, nil},
		{"sweep and tidying", does{(*life).sweep, (*life).tidies}, nil},
		{"sweep and sealing anew", does{(*life).sweep, (*life).reseal}, nil},
		{"sweep and keyring", does{(*life).sweep, (*life).save}, nil},
		{"point and sweep", does{(*life).point, (*life).second}, nil},
		{"check and forgetting", does{(*life).looks, (*life).forget}, nil},
		{"check and sweep", does{(*life).looks, (*life).sweep}, nil},
		{"check and sealing anew", does{(*life).looks, (*life).reseal}, nil},
		{"sealing anew by two", does{(*life).reseal, (*life).reseal}, nil},
		{"sealing anew and tidying", does{(*life).reseal, (*life).tidies}, nil},
		{"point, sealing anew and tidying", does{(*life).point, (*life).reseal, (*life).tidies}, nil},
		{"sweep, forgetting and check", does{(*life).sweep, (*life).forget, (*life).looks}, nil},
		{"forgetting and tidying", does{(*life).forget, (*life).tidies}, nil},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			now := started
			under, l := mem.New(mem.Options{Now: func() time.Time { return now }}), newLife(t)
			l.until(t, under, "reseal")
			now = later
			for seed := range uint64(orders()) {
				p.runs(t, l, under.Clone(), seed)
			}
		})
	}
}

func (p several) runs(t *testing.T, l *life, store *mem.Store, seed uint64) {
	t.Helper()
	var lives []*life
	var programs []func(blob.Store) error
	for _, do := range p.do {
		own := l.copied()
		lives = append(lives, own)
		programs = append(programs, func(s blob.Store) error { return do(own, t.Context(), s) })
	}
	got := interleaved(store, seed, programs...)
	lost := 0
	for _, err := range got {
		if err != nil {
			lost++
		}
		if err != nil && (p.loser == nil || !p.loser(err)) {
			t.Fatalf("order %d: %v", seed, err)
		}
	}
	if lost > 1 {
		t.Fatalf("order %d: nobody got through: %v", seed, got)
	}
	after := &life{ks: l.ks, ring: l.ring, rows: known(t, l, store, lives...)}
	after.keeps(t, store, fmt.Sprintf("%s, order %d", p.name, seed))
	r := repo(t, store, l.ring, conn, small)
	if n := len(list(t, r)); n != len(after.rows) {
		t.Fatalf("order %d: %d snapshots, want %d", seed, n, len(after.rows))
	}
}

// known are the snapshots that there must be: those of before, but for what was forgotten,
// and those that either has taken, with the digest that they have now, if it is right.
func known(t *testing.T, l *life, store *mem.Store, of ...*life) (out []row) {
	t.Helper()
	all := map[string][]row{}
	var order []string
	for _, m := range of {
		for _, row := range m.rows {
			if all[row.prefix] == nil {
				order = append(order, row.prefix)
			}
			all[row.prefix] = append(all[row.prefix], row)
		}
	}
	r := repo(t, store, l.ring, conn, small)
	for _, prefix := range order {
		rows := all[prefix]
		before := slices.ContainsFunc(l.rows, func(r row) bool { return r.prefix == prefix })
		if before && len(rows) < len(of) {
			continue // one has forgotten it
		}
		s := opened(t, r, rows[0])
		for _, row := range rows {
			if !s.Is(row.digest) {
				t.Fatalf("%s is not as it was written down", prefix)
			}
		}
		out = append(out, row{prefix, s.Digest(), rows[0].want})
	}
	return out
}
