package api

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/checks"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
)

// TestRepositoryCheck: what a worker found is shown with the connection, its list on request,
// and to nobody of another account.
func TestRepositoryCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p, other := w.owner(), w.owner()
	c := w.db.Connection(t, p.account)
	ask := func(of *person) (*imagov1.RepositoryCheck, error) {
		res, err := of.connections.GetRepositoryCheck(t.Context(), req(&imagov1.GetRepositoryCheckRequest{ConnectionId: string(c)}))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetCheck(), nil
	}
	if got, err := ask(p); err != nil || got != nil {
		t.Errorf("before the first: %v, %v", got, err)
	}
	at := w.clock.now().Truncate(time.Microsecond)
	box, err := sealed.Check(c).Seal(p.ring, []checks.Damaged{{Object: "users/x/seg-1", What: "it is not there", Snapshots: 3, First: at, Last: at}})
	if err != nil {
		t.Fatal(err)
	}
	err = w.worker.As(t.Context(), w.db.Job(t, job.CheckRepository{AccountID: string(p.account), ConnectionID: string(c)}), func(tx *postgres.Tx) error {
		_, err := checks.Save(t.Context(), tx, checks.Check{ConnectionID: c, CheckedAt: at, Snapshots: 214, Segments: 812, SegmentsRead: 41,
			Bytes: 5, Damaged: 1, Concerned: 3, Sealed: box}, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ask(p)
	if err != nil || got.GetSnapshots() != 214 || got.GetSegments() != 812 || got.GetDamaged() != 1 || got.GetSnapshotsConcerned() != 3 || !got.GetCheckedAt().AsTime().Equal(at) {
		t.Errorf("%v, %v", got, err)
	}
	if o := got.GetObjects(); len(o) != 1 || o[0].GetObject() != "users/x/seg-1" || o[0].GetWhat() != "it is not there" || o[0].GetSnapshots() != 3 || o[0].GetLastSnapshotAt() == nil {
		t.Errorf("the list is %v", o)
	}
	res, err := p.connections.GetConnection(t.Context(), req(&imagov1.GetConnectionRequest{ConnectionId: string(c)}))
	if k := res.Msg.GetConnection().GetRepositoryCheck(); err != nil || k.GetDamaged() != 1 || len(k.GetObjects()) != 0 {
		t.Errorf("with the connection: %v, %v", k, err)
	}
	_, err = ask(other)
	problemOf(t, err, connect.CodeNotFound)
	// A worker that was tricked says nothing of it with another job.
	err = w.worker.As(t.Context(), w.db.Job(t, job.SweepRepository{AccountID: string(p.account), ConnectionID: string(c)}), func(tx *postgres.Tx) error {
		_, err := checks.Save(t.Context(), tx, checks.Check{ConnectionID: c, CheckedAt: at, Sealed: box}, false)
		return err
	})
	if err == nil {
		t.Error("a sweep said how the repository was found")
	}
}
