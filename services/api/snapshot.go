package api

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/page"
	"imago/services/api/internal/valid"
)

const snapshotsHint = "list the connection's snapshots to see their IDs"

type snapshotService struct{ *Service }

var _ rpc.SnapshotServiceHandler = snapshotService{}

func (s *Service) snapshots() snapshotService { return snapshotService{s} }

func (s snapshotService) TakeSnapshot(ctx context.Context, r *connect.Request[imagov1.TakeSnapshotRequest]) (*connect.Response[imagov1.TakeSnapshotResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	trigger, err := trigger(r.Msg.GetTrigger())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.TakeSnapshotResponse, error) {
		if err := ready(ctx, w.Tx, account.ConnectionID(id)); err != nil {
			return nil, err
		}
		snap, made, err := snapshots.Queue(ctx, w.Tx, account.ConnectionID(id), trigger)
		if err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		res := &imagov1.TakeSnapshotResponse{Snapshot: s.shape(snap)}
		if !made {
			return res, nil // one is being taken already: nothing was changed
		}
		return res, w.record(ctx, "take_snapshot", "snapshot", snap.ID, string(trigger))
	})
}

// trigger checks why a person takes a snapshot.
func trigger(name string) (snapshots.Trigger, error) {
	switch t := snapshots.Trigger(name); t {
	case "":
		return snapshots.Manual, nil
	case snapshots.Manual, snapshots.Verify:
		return t, nil
	}
	return "", problem.InField("trigger", "%q is no reason to take a snapshot", name).WithHint("leave it out, or write manual or verify")
}

// ready refuses a connection that cannot be read, with what is wrong with it.
func ready(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	c, err := connections.Get(ctx, tx, id)
	if err != nil {
		return in("connection_id", connectionsHint, err)
	}
	switch c.State {
	case connections.Ready:
		return nil
	case connections.Checking:
		return problem.New(problem.Conflict, "the connection is still being checked").WithHint("try again in a moment")
	case connections.Failed:
		p := problem.New(problem.Conflict, "the connection does not work").WithHint("mend it, then check it again")
		if c.Problem != nil {
			p.What += ": " + c.Problem.Error()
		}
		return p
	}
	return problem.New(problem.Conflict, "the connection has no read credential yet").
		WithHint("make the service app in the org, then set its client ID")
}

func (s snapshotService) GetSnapshot(ctx context.Context, r *connect.Request[imagov1.GetSnapshotRequest]) (*connect.Response[imagov1.GetSnapshotResponse], error) {
	snap, err := s.current(ctx, r.Msg)
	if err != nil {
		return nil, err
	}
	var out []*imagov1.Snapshot
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		out, err = s.judged(ctx, tx, snap)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetSnapshotResponse{Snapshot: out[0]}), nil
}

// current finds the snapshot that is asked for: by ID, the newest, or that of a moment.
func (s *Service) current(ctx context.Context, m *imagov1.GetSnapshotRequest) (snap snapshots.Snapshot, err error) {
	switch {
	case m.GetAt() == nil:
		return s.find(ctx, m.GetSnapshotId(), m.GetConnectionId())
	case m.GetSnapshotId() != valid.Latest:
		return snap, problem.InField("at", "an ID names one snapshot, whatever the time").WithHint("write latest for the ID, or leave at out")
	case m.GetAt().CheckValid() != nil:
		return snap, problem.InField("at", "it is not a time").WithHint("write it as 2026-11-03T12:00:00Z")
	}
	id, err := valid.ID("connection_id", m.GetConnectionId())
	if err != nil {
		return snap, err
	}
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if _, err = connections.Get(ctx, tx, account.ConnectionID(id)); err != nil {
			return in("connection_id", connectionsHint, err)
		}
		snap, err = snapshots.At(ctx, tx, account.ConnectionID(id), m.GetAt().AsTime())
		return in("at", "choose a moment after the first snapshot", err)
	})
	return snap, err
}

// find reads a snapshot by its ID, or the newest that was taken of a connection.
func (s *Service) find(ctx context.Context, id, connectionID string) (snap snapshots.Snapshot, err error) {
	if id == valid.Latest {
		return s.latest(ctx, connectionID)
	}
	if id, err = valid.ID("snapshot_id", id); err != nil {
		return snap, err
	}
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		snap, err = snapshots.Find(ctx, tx, id)
		return in("snapshot_id", snapshotsHint, err)
	})
	return snap, err
}

func (s *Service) latest(ctx context.Context, connectionID string) (snap snapshots.Snapshot, err error) {
	id, err := valid.ID("connection_id", connectionID)
	if err != nil {
		return snap, err
	}
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if _, err = connections.Get(ctx, tx, account.ConnectionID(id)); err != nil {
			return in("connection_id", connectionsHint, err)
		}
		snap, err = snapshots.Latest(ctx, tx, account.ConnectionID(id))
		return in("snapshot_id", "take a snapshot of the connection first", err)
	})
	return snap, err
}

func (s snapshotService) ListSnapshots(ctx context.Context, r *connect.Request[imagov1.ListSnapshotsRequest]) (*connect.Response[imagov1.ListSnapshotsResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	var found []snapshots.Snapshot
	var out imagov1.ListSnapshotsResponse
	out.NextPageToken, err = list(ctx, s.Service, r.Msg, func(tx *postgres.Tx, p postgres.Page) ([]string, error) {
		if _, err := connections.Get(ctx, tx, account.ConnectionID(id)); err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		list := snapshots.List
		if r.Msg.GetPoints() {
			list = snapshots.ListAll
		}
		if found, err = list(ctx, tx, account.ConnectionID(id), p); err != nil {
			return nil, err
		}
		out.Snapshots, err = s.judged(ctx, tx, cut(found, p)...)
		return each(found, func(s snapshots.Snapshot) string { return s.ID }), err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&out), nil
}

func (s snapshotService) WatchSnapshot(ctx context.Context, r *connect.Request[imagov1.WatchSnapshotRequest], to *connect.ServerStream[imagov1.WatchSnapshotResponse]) error {
	id, err := valid.ID("snapshot_id", r.Msg.GetSnapshotId())
	if err != nil {
		return err
	}
	look := func() (*imagov1.Snapshot, bool, error) {
		snap, err := s.find(ctx, id, "")
		return s.shape(snap), snap.State.Ended(), err
	}
	return watch(ctx, s.Service, look, func(_, now *imagov1.Snapshot) error {
		return to.Send(&imagov1.WatchSnapshotResponse{Snapshot: now})
	})
}

// heartbeat is how often a stream sends what has not changed, so that neither side
// waits for one that is gone.
const heartbeat = 15 * time.Second

// watch sends what look sees whenever it changes, until nothing more will happen. send is
// told what was sent before; nil at first.
func watch[T any](ctx context.Context, s *Service, look func() (*T, bool, error), send func(last, now *T) error) error {
	var last *T
	var sent time.Time
	tick := time.NewTicker(s.config.Poll)
	defer tick.Stop()
	for {
		at := s.now()
		now, ended, err := look()
		if err != nil {
			return err
		}
		if last == nil || at.Sub(sent) >= heartbeat || !proto.Equal(message(last), message(now)) {
			if err := send(last, now); err != nil {
				return err
			}
			last, sent = now, at
		}
		if ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s snapshotService) ListResources(ctx context.Context, r *connect.Request[imagov1.ListResourcesRequest]) (*connect.Response[imagov1.ListResourcesResponse], error) {
	q, err := s.query(r.Msg)
	if err != nil {
		return nil, err
	}
	row, err := s.find(ctx, r.Msg.GetSnapshotId(), "")
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	if q.after, err = page.Position(mac(ring), r.Msg); err != nil {
		return nil, err
	}
	// The pages that follow belong to the same look.
	snap, err := s.open(ctx, ring, row, opening{"open_snapshot", string(q.t), q.after != ""})
	if err != nil {
		return nil, err
	}
	found, more, err := s.listed(ctx, newNames(s.Provider.Catalog(), snap), spot{row.AccountID, row.ID, q.t}, q)
	if err != nil {
		return nil, err
	}
	out := &imagov1.ListResourcesResponse{Resources: found}
	if more {
		out.NextPageToken, err = page.Token(mac(ring), r.Msg, found[len(found)-1].GetKey())
	}
	return connect.NewResponse(out), err
}

// query checks what is looked for.
func (s snapshotService) query(m *imagov1.ListResourcesRequest) (q query, err error) {
	if q.t, err = valid.Type("type", m.GetType(), s.Provider.Catalog()); err != nil {
		return q, err
	}
	if q.search = m.GetSearch(); q.search != "" {
		if q.search, err = valid.Text("search", q.search, 200); err != nil {
			return q, err
		}
	}
	if q.parent = m.GetParent(); q.parent != "" {
		if q.parent, err = valid.Text("parent", q.parent, 500); err != nil {
			return q, err
		}
	}
	q.most, err = page.Size(m)
	return q, err
}

func (s snapshotService) GetResource(ctx context.Context, r *connect.Request[imagov1.GetResourceRequest]) (*connect.Response[imagov1.GetResourceResponse], error) {
	if _, _, named := labelled(r.Msg.GetKey(), s.Provider.Catalog()); !named {
		if _, err := valid.Key("key", r.Msg.GetKey(), s.Provider.Catalog()); err != nil {
			return nil, err
		}
	}
	row, err := s.find(ctx, r.Msg.GetSnapshotId(), "")
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := s.open(ctx, ring, row, opening{action: "open_resource", detail: r.Msg.GetKey()})
	if err != nil {
		return nil, err
	}
	n := newNames(s.Provider.Catalog(), snap)
	key, err := s.keyOf(ctx, n, spot{account: row.AccountID, snapshot: row.ID}, r.Msg.GetKey())
	if err != nil {
		return nil, err
	}
	out, err := s.resource(ctx, n, key)
	if err != nil {
		return nil, err
	}
	if r.Msg.GetReferencedBy() {
		if out.ReferencedBy, out.ReferencedByMore, err = s.referring(ctx, n, key); err != nil {
			return nil, err
		}
	}
	return connect.NewResponse(out), nil
}

func (s snapshotService) resource(ctx context.Context, n *names, key resource.Key) (*imagov1.GetResourceResponse, error) {
	found, err := n.snap.Get(ctx, key)
	if err != nil {
		return nil, in("key", hintAt(n.snap.Manifest(), key), err)
	}
	summary, err := n.summary(ctx, found)
	if err != nil {
		return nil, err
	}
	references, err := n.references(ctx, found)
	if err != nil {
		return nil, err
	}
	info, _ := n.catalog.Info(key.Type)
	// What nobody may see is left out; the snapshot itself keeps it.
	body, err := resource.Without(found.Body, info.Secret...)
	return &imagov1.GetResourceResponse{Summary: summary, Body: string(body), References: references}, err
}

// hintAt tells why a snapshot may lack something: a gap is not an absence.
func hintAt(m snapshot.Manifest, key resource.Key) string {
	for _, g := range m.Gaps() {
		if g.Covers(key.Type, key.Parent) {
			return "the snapshot has a gap there: " + g.Detail
		}
	}
	return "list the snapshot's resources of that type to see their keys"
}

// opening is why a snapshot is opened.
type opening struct {
	action string // for the activity log
	detail string
	again  bool // goes on with an earlier look, which stands in the log already
}

// open opens a snapshot's manifest. That somebody looks into directory data is counted,
// and written down before anything is read.
func (s *Service) open(ctx context.Context, ring *envelope.Keyring, row snapshots.Snapshot, why opening) (*repository.Snapshot, error) {
	if row.State != snapshots.Complete && row.State != snapshots.Partial {
		return nil, problem.New(problem.Conflict, "the snapshot is %s, so there is nothing to open", row.State).
			WithHint("choose one that is complete, or wait for this one")
	}
	s.metrics.opened.WithLabelValues("snapshot").Inc()
	if !why.again {
		err := s.read(ctx, func(tx *postgres.Tx) error {
			w := &work{tx, s, ring, requestOf(ctx)}
			return w.record(ctx, why.action, "snapshot", row.ID, why.detail)
		})
		if err != nil {
			return nil, err
		}
	}
	repo, err := s.repository(ring, row.ConnectionID)
	if err != nil {
		return nil, err
	}
	return repo.OpenKnown(ctx, row.Known())
}

// repository opens that of a connection. What it keeps in memory is sealed.
func (s *Service) repository(ring *envelope.Keyring, id account.ConnectionID) (*repository.Repository, error) {
	r, err := repository.New(s.Store, ring, ring.Account(), id, repository.Options{Cache: s.cache})
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return r, nil
}

func (s *Service) shape(row snapshots.Snapshot) *imagov1.Snapshot {
	out := &imagov1.Snapshot{
		Id: row.ID, ConnectionId: string(row.ConnectionID), State: string(row.State), Trigger: string(row.Trigger),
		CreatedAt: stamp(row.CreatedAt), StartedAt: stampAt(row.StartedAt), EndedAt: stampAt(row.EndedAt), WaitsUntil: stampAt(row.WaitsUntil), WaitsFor: row.WaitsFor, PinnedAt: stampAt(row.PinnedAt), GivenUpAt: stampAt(row.GivenUpAt),
		Objects: row.Objects, StoredBytes: row.Bytes, PlainBytes: row.PlainBytes, Calls: row.Calls,
		Types:   each(row.Types, s.typeShape),
		Problem: problemShape(row.Problem), ManifestDigest: row.ManifestDigest,
	}
	if row.ManifestDigest != "" {
		out.Location = row.Place() + "/"
	}
	return out
}

func (s *Service) typeShape(t snapshots.Type) *imagov1.SnapshotType {
	info, _ := s.Provider.Catalog().Info(t.Type)
	return &imagov1.SnapshotType{
		Type: string(t.Type), Title: title(s.Provider.Catalog(), t.Type), Family: info.Family,
		Objects: t.Objects, Calls: t.Calls, Done: t.Done, Gaps: gapShapes(t.Gaps),
	}
}
