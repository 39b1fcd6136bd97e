package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

// alive are the jobs that run here and do not come in slices, by ID, with the attempt
// that runs: what another process has taken over is not kept from a third.
type alive struct {
	mu   sync.Mutex
	jobs map[int64]int
}

func (a *alive) add(id int64, attempt int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[id] = attempt
}

func (a *alive) remove(id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.jobs, id)
}

func (a *alive) list() (ids []int64, attempts []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, attempt := range a.jobs {
		ids, attempts = append(ids, id), append(attempts, attempt)
	}
	return ids, attempts
}

// beat says of all of them that they are alive.
func (a *alive) beat(ctx context.Context, pool *pgxpool.Pool) error {
	ids, attempts := a.list()
	if len(ids) == 0 {
		return nil
	}
	_, err := pool.Exec(ctx, `
		update river.river_job j set attempted_at = now()
		from unnest($1::bigint[], $2::int[]) as here(id, attempt)
		where j.id = here.id and j.attempt = here.attempt and j.state = 'running'`, ids, attempts)
	if err != nil {
		return fmt.Errorf("note that jobs are alive: %w", err)
	}
	return nil
}

// long works a kind that does not come in slices.
type long[T river.JobArgs] struct {
	river.Worker[T]
	alive *alive
}

// Timeout is longer than a slice's.
func (long[T]) Timeout(*river.Job[T]) time.Duration { return LongTimeout }

// Work notes that the job runs here.
func (l long[T]) Work(ctx context.Context, j *river.Job[T]) error {
	l.alive.add(j.ID, j.Attempt)
	defer l.alive.remove(j.ID)
	return l.Worker.Work(ctx, j)
}
