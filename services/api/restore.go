package api

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/restore"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

const restoresHint = "list the connection's restores to see their IDs"

// maxKeys bounds a selection that a person names; whole types are not named one by one.
const maxKeys = 1000

type restoreService struct{ *Service }

var _ rpc.RestoreServiceHandler = restoreService{}

func (s *Service) restores() restoreService { return restoreService{s} }

func (s restoreService) PlanRestore(ctx context.Context, r *connect.Request[imagov1.PlanRestoreRequest]) (*connect.Response[imagov1.PlanRestoreResponse], error) {
	if err := s.checkSelection(r.Msg.GetSelection()); err != nil {
		return nil, err
	}
	// By now "latest" may be another snapshot, and no snapshot is opened twice for one plan.
	if answered, err := replay[imagov1.PlanRestoreResponse](ctx, s.Service, r); answered != nil || err != nil {
		return answered, err
	}
	row, err := s.find(ctx, r.Msg.GetSnapshotId(), r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	selection, err := s.selection(ctx, ring, row, r.Msg.GetSelection())
	if err != nil {
		return nil, err
	}
	wanted, err := want(ring, row, selection)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.PlanRestoreResponse, error) {
		if err := ready(ctx, w.Tx, row.ConnectionID); err != nil {
			return nil, err
		}
		made, err := restores.Request(ctx, w.Tx, wanted)
		if err != nil {
			return nil, err
		}
		return &imagov1.PlanRestoreResponse{Restore: summary(made, nil)},
			w.record(ctx, "plan_restore", "restore", made.ID, fmt.Sprintf("%d selected of snapshot %s", len(selection.Keys), row.ID))
	})
}

// checkSelection looks at a selection's form, before anything is opened for it.
func (s restoreService) checkSelection(m *imagov1.Selection) error {
	switch n := len(m.GetKeys()) + len(m.GetExclude()); {
	case len(m.GetKeys()) == 0:
		return problem.InField("selection.keys", "nothing is selected").WithHint("name what you want back, such as group:Finance")
	case n > maxKeys:
		return problem.InField("selection.keys", "%d are named, at most %d are taken", n, maxKeys).WithHint("restore in parts")
	}
	for field, keys := range map[string][]string{"selection.keys": m.GetKeys(), "selection.exclude": m.GetExclude()} {
		for _, key := range keys {
			if err := checkWritten(field, key, s.Provider.Catalog()); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkWritten looks at the form of type:label, or of a key.
func checkWritten(field, text string, c resource.Catalog) error {
	if t, label, ok := strings.Cut(text, ":"); ok && label != "" && !strings.Contains(t, "/") {
		_, err := valid.Type(field, t, c)
		return err
	}
	_, err := valid.Key(field, text, c)
	if p := problem.Of(err); p != nil && !strings.Contains(text, "/") {
		return p.WithHint("write type:name or type/id, such as group:Finance or group/00g1")
	}
	return err
}

// selection finds what a person named: every key must be in the snapshot.
func (s restoreService) selection(ctx context.Context, ring *envelope.Keyring, row snapshots.Snapshot, m *imagov1.Selection) (restore.Selection, error) {
	out := restore.Selection{WithDependents: !m.GetOnly()}
	snap, err := s.open(ctx, ring, row, opening{action: "open_snapshot", detail: "to plan a restore"})
	if err != nil {
		return out, err
	}
	n := newNames(s.Provider.Catalog(), snap)
	if out.Keys, err = n.resolve(ctx, "selection.keys", m.GetKeys()); err != nil {
		return out, s.elsewhere(ctx, ring, row, m.GetKeys(), err)
	}
	out.Exclude, err = n.resolve(ctx, "selection.exclude", m.GetExclude())
	return out, err
}

// searched is how many snapshots are opened to find one that holds what another lacks.
const searched = 10

// elsewhere adds to a missing key's error the last snapshot that holds all the keys: what
// was deleted is missing from every snapshot that was taken since. Where none is found,
// or the search itself fails, the error stays as it is.
func (s restoreService) elsewhere(ctx context.Context, ring *envelope.Keyring, row snapshots.Snapshot, keys []string, missing error) error {
	p := problem.Of(missing)
	if p == nil || p.Kind != problem.NotFound {
		return missing
	}
	holder, err := s.holder(ctx, ring, row, keys)
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "search for a snapshot that holds a selection", "connection", row.ConnectionID, "error", err)
		return missing
	case holder.ID == "":
		return missing
	}
	found := *p
	return found.WithHint("snapshot %s, taken %s, is the last that holds it: plan from that one",
		holder.ID, holder.CreatedAt.UTC().Format("2006-01-02 15:04 UTC"))
}

// holder finds the newest snapshot of row's connection that holds all keys; none: zero.
func (s restoreService) holder(ctx context.Context, ring *envelope.Keyring, row snapshots.Snapshot, keys []string) (snapshots.Snapshot, error) {
	var taken []snapshots.Snapshot
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		taken, err = snapshots.Taken(ctx, tx, row.ConnectionID, searched)
		return err
	})
	if err != nil {
		return snapshots.Snapshot{}, err
	}
	for _, other := range taken {
		if other.ID == row.ID {
			continue
		}
		snap, err := s.open(ctx, ring, other, opening{action: "open_snapshot", detail: "to find what a restore is to bring back"})
		if err != nil {
			return snapshots.Snapshot{}, err
		}
		_, err = newNames(s.Provider.Catalog(), snap).resolve(ctx, "selection.keys", keys)
		if err == nil {
			return other, nil
		}
		if problem.Of(err) == nil {
			return snapshots.Snapshot{}, err
		}
	}
	return snapshots.Snapshot{}, nil
}

// resolve turns what a person wrote (a key, or type:name) into keys of the snapshot.
func (n *names) resolve(ctx context.Context, field string, written []string) ([]resource.Key, error) {
	var wanted []called
	for _, text := range written {
		if t, name, ok := labelled(text, n.catalog); ok {
			wanted = append(wanted, called{t, name})
		}
	}
	named, err := n.find(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var out []resource.Key
	for _, text := range written {
		key, err := n.resolveOne(ctx, field, text, named)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	return out, nil
}

func (n *names) resolveOne(ctx context.Context, field, text string, named map[called][]resource.Key) (resource.Key, error) {
	t, label, ok := labelled(text, n.catalog)
	if !ok {
		key, err := valid.Key(field, text, n.catalog)
		if err != nil {
			return key, err
		}
		if _, err := n.snap.Get(ctx, key); err != nil {
			return key, in(field, hintAt(n.snap.Manifest(), key), err)
		}
		return key, nil
	}
	return n.only(field, called{t, label}, named[called{t, label}.folded()])
}

// only gives the only one of those that are called so.
func (n *names) only(field string, c called, found []resource.Key) (resource.Key, error) {
	t, label := c.t, c.name
	switch {
	case len(found) == 0:
		p := problem.New(problem.NotFound, "the snapshot holds no %s called %q", title(n.catalog, t), label).
			WithHint("%s", hintAt(n.snap.Manifest(), resource.Key{Type: t}))
		p.Field = field
		return resource.Key{}, p
	case len(found) > 1:
		return resource.Key{}, problem.InField(field, "%d of that type are called %q", len(found), label).
			WithHint("name one by its key: %s", strings.Join(each(found[:min(len(found), 5)], resource.Key.String), ", "))
	}
	return found[0], nil
}

// want seals a selection for a new restore.
func want(ring *envelope.Keyring, row snapshots.Snapshot, selection restore.Selection) (restores.Wanted, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return restores.Wanted{}, err
	}
	out := restores.Wanted{ID: id.String(), ConnectionID: row.ConnectionID, SnapshotID: row.ID}
	out.SelectionSealed, err = sealed.Selection(out.ID).Seal(ring, selection)
	return out, err
}

func (s restoreService) GetRestore(ctx context.Context, r *connect.Request[imagov1.GetRestoreRequest]) (*connect.Response[imagov1.GetRestoreResponse], error) {
	id, err := valid.ID("restore_id", r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	out, err := s.get(ctx, id, false)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetRestoreResponse{Restore: out}), nil
}

func (s restoreService) ListRestores(ctx context.Context, r *connect.Request[imagov1.ListRestoresRequest]) (*connect.Response[imagov1.ListRestoresResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	var out imagov1.ListRestoresResponse
	out.NextPageToken, err = list(ctx, s.Service, r.Msg, func(tx *postgres.Tx, p postgres.Page) ([]string, error) {
		if _, err := connections.Get(ctx, tx, account.ConnectionID(id)); err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		members, err := accounts.Members(ctx, tx)
		if err != nil {
			return nil, err
		}
		found, err := restores.List(ctx, tx, account.ConnectionID(id), p)
		out.Restores = each(cut(found, p), func(r restores.Restore) *imagov1.Restore { return summary(r, members) })
		return each(found, func(r restores.Restore) string { return r.ID }), err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&out), nil
}

func (s restoreService) ApproveRestore(ctx context.Context, r *connect.Request[imagov1.ApproveRestoreRequest]) (*connect.Response[imagov1.ApproveRestoreResponse], error) {
	id, err := valid.ID("restore_id", r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	digest, err := valid.Digest("digest", r.Msg.GetDigest())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.ApproveRestoreResponse, error) {
		if _, err := restores.Approve(ctx, w.Tx, id, digest); err != nil {
			return nil, in("restore_id", restoresHint, err)
		}
		out, err := w.restore(ctx, id)
		if err != nil {
			return nil, err
		}
		return &imagov1.ApproveRestoreResponse{Restore: out}, w.record(ctx, "approve_restore", "restore", id, digest)
	})
}

func (s restoreService) ApplyRestore(ctx context.Context, r *connect.Request[imagov1.ApplyRestoreRequest]) (*connect.Response[imagov1.ApplyRestoreResponse], error) {
	id, err := valid.ID("restore_id", r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.ApplyRestoreResponse, error) {
		row, err := restores.Apply(ctx, w.Tx, id)
		if err != nil {
			return nil, in("restore_id", restoresHint, err)
		}
		if err := canWrite(ctx, w.Tx, row.ConnectionID); err != nil {
			return nil, err
		}
		if err := restores.Free(ctx, w.Tx, row.ConnectionID, id); err != nil {
			return nil, err
		}
		out, err := w.restore(ctx, id)
		if err != nil {
			return nil, err
		}
		return &imagov1.ApplyRestoreResponse{Restore: out}, w.record(ctx, "apply_restore", "restore", id, "")
	})
}

// canWrite refuses a connection whose write app is not known: the restore would wait for ever.
func canWrite(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	all, err := connections.Credentials(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Purpose == account.Write && c.ClientID != "" {
			return nil
		}
	}
	return problem.New(problem.Conflict, "the connection has no write credential yet").
		WithHint("make the second service app in the org, then set its client ID")
}

func (s restoreService) CancelRestore(ctx context.Context, r *connect.Request[imagov1.CancelRestoreRequest]) (*connect.Response[imagov1.CancelRestoreResponse], error) {
	id, err := valid.ID("restore_id", r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CancelRestoreResponse, error) {
		if _, err := restores.Cancel(ctx, w.Tx, id); err != nil {
			return nil, in("restore_id", restoresHint, err)
		}
		out, err := w.restore(ctx, id)
		if err != nil {
			return nil, err
		}
		return &imagov1.CancelRestoreResponse{Restore: out}, w.record(ctx, "cancel_restore", "restore", id, "")
	})
}

func (s restoreService) CloseRestore(ctx context.Context, r *connect.Request[imagov1.CloseRestoreRequest]) (*connect.Response[imagov1.CloseRestoreResponse], error) {
	id, err := valid.ID("restore_id", r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	client := r.Msg.GetClientId()
	if client == "" {
		return nil, problem.InField("client_id", "is missing").WithHint("name the write app, once it is deactivated or deleted in the org")
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CloseRestoreResponse, error) {
		row, err := restores.Close(ctx, w.Tx, id)
		if err != nil {
			return nil, in("restore_id", restoresHint, err)
		}
		if err := isWriteApp(ctx, w.Tx, row.ConnectionID, client); err != nil {
			return nil, err
		}
		out, err := w.restore(ctx, id)
		if err != nil {
			return nil, err
		}
		return &imagov1.CloseRestoreResponse{Restore: out},
			w.record(ctx, "close_window", "restore", id, "on a person's word, the org was not asked: the write app "+client+" is deactivated")
	})
}

// isWriteApp refuses the client ID of another app: what was deactivated may have been
// that one.
func isWriteApp(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, client string) error {
	all, err := connections.Credentials(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Purpose == account.Write && c.ClientID == client {
			return nil
		}
	}
	return problem.InField("client_id", "is not that of the connection's write app").WithHint("imago connections shows it; nothing was closed")
}

func (s restoreService) WatchRestore(ctx context.Context, r *connect.Request[imagov1.WatchRestoreRequest], to *connect.ServerStream[imagov1.WatchRestoreResponse]) error {
	id, err := valid.ID("restore_id", r.Msg.GetRestoreId())
	if err != nil {
		return err
	}
	shown := false // that somebody looks at the plan is written down once
	look := func() (*imagov1.Restore, bool, error) {
		out, err := s.get(ctx, id, shown)
		shown = shown || out.GetPlan() != nil
		return out, rests(restores.State(out.GetState())), err
	}
	return watch(ctx, s.Service, look, func(last, now *imagov1.Restore) error { return to.Send(turn(last, now)) })
}

// turn is a restore for somebody who has seen it as it was before: without the plan that
// they know, but for the steps that are not as they were.
func turn(last, now *imagov1.Restore) *imagov1.WatchRestoreResponse {
	if last.GetPlan() == nil || last.GetPlanDigest() != now.GetPlanDigest() {
		return &imagov1.WatchRestoreResponse{Restore: now}
	}
	out := &imagov1.WatchRestoreResponse{Restore: proto.CloneOf(now)}
	out.Restore.Plan = nil
	before := last.GetPlan().GetSteps() // of one plan, so they stand in the same places
	for i, s := range now.GetPlan().GetSteps() {
		if !proto.Equal(s, before[i]) {
			out.Progress = append(out.Progress, &imagov1.StepProgress{N: s.GetN(), State: s.GetState(), Problem: s.GetProblem(), NewId: s.GetNewId()})
		}
	}
	return out
}

// rests reports whether a restore goes on only when somebody does something.
func rests(s restores.State) bool {
	switch s {
	case restores.Planned, restores.Waiting, restores.Closing:
		return true
	}
	return s.Ended()
}

// get reads a restore with its plan and its journal, which are directory data; again: it
// goes on with an earlier look.
func (s restoreService) get(ctx context.Context, id string, again bool) (*imagov1.Restore, error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	var out *imagov1.Restore
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		if out, err = w.restore(ctx, id); err != nil {
			return in("restore_id", restoresHint, err)
		}
		if again || out.GetPlan() == nil {
			return nil
		}
		s.metrics.opened.WithLabelValues("restore").Inc()
		return w.record(ctx, "open_restore", "restore", id, "")
	})
	return out, err
}

// restore reads a restore in the change's own transaction.
func (w *work) restore(ctx context.Context, id string) (*imagov1.Restore, error) {
	row, err := restores.Get(ctx, w.Tx, id)
	if err != nil {
		return nil, err
	}
	steps, err := restores.Steps(ctx, w.Tx, id)
	if err != nil {
		return nil, err
	}
	members, err := accounts.Members(ctx, w.Tx)
	if err != nil {
		return nil, err
	}
	return restoreShape(w.ring, row, steps, members)
}
