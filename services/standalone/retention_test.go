package standalone

import (
	"slices"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/postgres/worldtest"
	imagov1 "imago/proto/imago/v1"
)

// aYear puts snapshots into the database as they are after a year that nobody looked through:
// with gaps, pinned, the newest at once, and points. None is within half an hour of any age that retention knows.
func aYear(t *testing.T, w *worldtest.World) {
	t.Helper()
	w.Exec(t, `insert into snapshots (account_id, connection_id, trigger, state, created_at, started_at, ended_at, manifest_digest, bytes, pinned_at, pinned_by)
		select $1, $2, kind, case when n % 5 = 0 then 'partial' else 'complete' end, at, at, at, 'sha256:x', n,
			case when n % 90 = 1 then now() end, case when n % 90 = 1 then $3::uuid end
		from (
			select 'schedule' as kind, n, now() - make_interval(hours => n * 7, mins => 30) as at from generate_series(0, 1400) n
			union all select 'schedule', 2, now() - make_interval(mins => 30, secs => -n) from generate_series(1, 6) n
			union all select 'change', n, now() - make_interval(mins => n * 20 + 10) from generate_series(0, 700) n) as taken`,
		w.Account.ID, w.Connection, w.Account.User)
	w.Exec(t, `update connections set forget_at = now() + interval '1 hour'`)
}

// previewed are the IDs of all that would be let go if they were thinned, sorted.
func (i installation) previewed(t *testing.T, w *worldtest.World) (ids []string) {
	t.Helper()
	thin, token := true, ""
	for {
		res, err := i.connections.PreviewRetention(t.Context(), connect.NewRequest(&imagov1.PreviewRetentionRequest{
			ConnectionId: string(w.Connection), Thin: &thin, Points: true, PageSize: 200, PageToken: token,
		}))
		must(t, err)
		for _, s := range res.Msg.GetSnapshots() {
			ids = append(ids, s.GetId())
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			if n := res.Msg.GetSweepCount() + res.Msg.GetPointCount(); n != int64(len(ids)) {
				t.Errorf("it counts %d and lists %d", n, len(ids))
			}
			slices.Sort(ids)
			return ids
		}
	}
}

// TestWhatIsPreviewedIsLetGo by the worker: that and no more.
func TestWhatIsPreviewedIsLetGo(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	aYear(t, w)
	want := serve(t, w).previewed(t, w)
	w.Exec(t, `update connections set thin = true, forget_at = null`)
	worldtest.Until(t, "the snapshots are looked through", func() (done bool) {
		must(t, w.Base.Owner().QueryRow(t.Context(), `select exists (select from river.river_job where kind = 'forget_snapshots' and state = 'completed')`).Scan(&done))
		return done
	})
	var got []string
	var sweeps, points int
	must(t, w.Base.Owner().QueryRow(t.Context(), `select array_agg(id::text order by id::text), count(*) filter (where trigger <> 'change'), count(*) filter (where trigger = 'change')
		from snapshots where expired_at is not null`).Scan(&got, &sweeps, &points))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-previewed +let go:\n%s", diff)
	}
	if sweeps < 1000 || points < 400 {
		t.Errorf("%d snapshots and %d points were let go: too few to tell", sweeps, points)
	}
}
