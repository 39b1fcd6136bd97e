package worker_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/services/worker"
)

// keyless is a key service that is away for a while.
type keyless struct {
	envelope.KeyService
	back atomic.Bool
}

func (k *keyless) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	if !k.back.Load() {
		return nil, problem.New(problem.Unavailable, "the key service does not answer")
	}
	return k.KeyService.Unwrap(ctx, id, wrapped)
}

// Without the key service no job can begin, and none uses up an attempt for that: there
// are enough of them for some twenty minutes only.
func TestKeyServiceIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	d := deps(t, w)
	keys := &keyless{KeyService: d.Keys}
	d.Keys = keys
	id, connection := string(w.Account.ID), string(w.Connection)
	for _, args := range []river.JobArgs{
		job.CheckConnection{AccountID: id, ConnectionID: connection},
		job.SendMessage{AccountID: id, MessageID: connection}, // there is none: it is found gone
		job.ReportFailure{AccountID: id, ConnectionID: connection},
		job.SweepRepository{AccountID: id, ConnectionID: connection},
	} {
		row := w.Base.JobRow(t, args)
		w.Exec(t, `update river.river_job set state = 'available', attempt = 0, attempted_at = null where id = $1`, row)
	}
	// those tells of which kinds something is so.
	those := func(so string) string {
		var kinds []string
		if err := w.Base.Owner().QueryRow(t.Context(), `select coalesce(array_agg(distinct kind order by kind), '{}') from river.river_job
			where kind in ('check_connection', 'send_message', 'report_failure', 'sweep_repository') and `+so).Scan(&kinds); err != nil {
			t.Fatal(err)
		}
		return strings.Join(kinds, " ")
	}
	const all = "check_connection report_failure send_message sweep_repository"
	work(t, w, worker.Config{}, d)
	worldtest.Until(t, "all were tried", func() bool {
		return those(`((metadata ->> 'snoozes')::int > 0 or errors is not null)`) == all
	})
	if failed := those(`errors is not null`); failed != "" {
		t.Errorf("attempts were used up of %s", failed)
	}
	keys.back.Store(true)
	worldtest.Until(t, "all are done", func() bool {
		w.Exec(t, `update river.river_job set scheduled_at = now() where state = 'scheduled'`)
		return those(`state = 'completed'`) == all
	})
}
