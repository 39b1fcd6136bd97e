package api

import (
	"bytes"
	"context"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/page"
	"imago/services/api/internal/valid"
)

func (s snapshotService) ListVersions(ctx context.Context, r *connect.Request[imagov1.ListVersionsRequest]) (*connect.Response[imagov1.ListVersionsResponse], error) {
	h, err := s.history(ctx, r.Msg)
	if err != nil {
		return nil, err
	}
	if err := h.read(ctx, r.Msg); err != nil {
		return nil, err
	}
	out := &imagov1.ListVersionsResponse{}
	if out.Versions, err = h.versions(ctx); err != nil {
		return nil, err
	}
	if h.more {
		out.NextPageToken, err = page.Token(mac(h.ring), r.Msg, h.rows[len(h.rows)-2].ID)
	}
	return connect.NewResponse(out), err
}

// history is one object over a part of a connection's snapshots.
type history struct {
	s        snapshotService
	id       account.ConnectionID
	key      resource.Key
	info     resource.Info
	ring     *envelope.Keyring
	rows     []snapshots.Snapshot // newest first; the last one only to compare with, if there is more
	more     bool
	findings []finding
}

// finding is an opened finding about the object.
type finding struct {
	findings.Finding
	what drift.Finding
}

func (s snapshotService) history(ctx context.Context, m *imagov1.ListVersionsRequest) (*history, error) {
	id, err := valid.ID("connection_id", m.GetConnectionId())
	if err != nil {
		return nil, err
	}
	h := &history{s: s, id: account.ConnectionID(id)}
	if h.key, err = valid.Key("key", m.GetKey(), s.Provider.Catalog()); err != nil {
		return nil, err
	}
	h.info, _ = s.Provider.Catalog().Info(h.key.Type)
	h.ring, err = s.keyring(ctx)
	return h, err
}

// read reads which snapshots there are, and what was found about the object; that
// somebody looks into them is written down.
func (h *history) read(ctx context.Context, m *imagov1.ListVersionsRequest) error {
	most, err := page.Size(m)
	if err != nil {
		return err
	}
	before, err := page.Position(mac(h.ring), m)
	if err != nil {
		return err
	}
	var found []findings.Finding
	err = h.s.read(ctx, func(tx *postgres.Tx) (err error) {
		if _, err := connections.Get(ctx, tx, h.id); err != nil {
			return in("connection_id", connectionsHint, err)
		}
		if h.rows, err = snapshots.TakenBefore(ctx, tx, h.id, before, most+1); err != nil {
			return err
		}
		if found, err = findings.About(ctx, tx, h.id, h.key.Type); err != nil || before != "" {
			return err
		}
		h.s.metrics.opened.WithLabelValues("versions").Inc()
		w := &work{tx, h.s.Service, h.ring, requestOf(ctx)}
		return w.record(ctx, "open_versions", "connection", string(h.id), h.key.String())
	})
	h.more = len(h.rows) > most
	for _, row := range found {
		if err == nil {
			err = h.about(row)
		}
	}
	return err
}

// about keeps a finding, if it is about the object.
func (h *history) about(row findings.Finding) error {
	f := finding{Finding: row}
	if err := sealed.Finding(row.ConnectionID, row.DedupKey).Open(h.ring, row.Sealed, &f.what); err != nil {
		return err
	}
	if f.what.Change.Key == h.key {
		h.findings = append(h.findings, f)
	}
	return nil
}

// sight is the object as one snapshot holds it.
type sight struct {
	row  snapshots.Snapshot
	body []byte // nil: it is not there
}

// versions tells what changed from one snapshot to the next.
func (h *history) versions(ctx context.Context) ([]*imagov1.Version, error) {
	var out []*imagov1.Version
	var newer *sight
	for _, row := range h.rows {
		now, known, err := h.sight(ctx, row)
		if err != nil {
			return nil, err
		}
		if !known {
			continue // a gap is no deletion
		}
		if newer != nil && !bytes.Equal(newer.body, now.body) {
			v, err := h.version(now, *newer)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		newer = &now
	}
	if !h.more && newer != nil && newer.body != nil {
		out = append(out, h.shape(*newer, "", time.Time{}))
	}
	return out, nil
}

// sight looks the object up; known is false where the snapshot has a gap.
func (h *history) sight(ctx context.Context, row snapshots.Snapshot) (out sight, known bool, err error) {
	repo, err := repository.New(h.s.Store, h.ring, row.AccountID, row.ConnectionID, repository.Options{})
	if err != nil {
		return out, false, err
	}
	snap, err := repo.Open(ctx, row.Place())
	if err != nil {
		return out, false, err
	}
	out.row = row
	found, err := snap.Get(ctx, h.key)
	switch {
	case err == nil:
		out.body, err = resource.Without(found.Body, h.info.Secret...)
		return out, true, err
	case !problem.Is(err, problem.NotFound):
		return out, false, err
	}
	for _, g := range snap.Manifest().Gaps() {
		if g.Covers(h.key.Type, h.key.Parent) {
			return out, false, nil
		}
	}
	return out, true, nil
}

// version shapes the step from an older sight to a newer one.
func (h *history) version(older, newer sight) (*imagov1.Version, error) {
	op := diff.Update
	switch {
	case older.body == nil:
		op = diff.Create
	case newer.body == nil:
		op = diff.Delete
	}
	out := h.shape(newer, op, began(older.row))
	if op != diff.Update {
		return out, nil
	}
	fields, err := diff.Compare(h.info, older.body, newer.body)
	out.Fields = each(fields, fieldShape)
	return out, err
}

// shape tells of a version with the findings from after a moment until it was taken; the
// oldest one has none.
func (h *history) shape(s sight, op diff.Op, after time.Time) *imagov1.Version {
	out := &imagov1.Version{SnapshotId: s.row.ID, TakenAt: stampAt(s.row.EndedAt), Op: string(op)}
	for _, f := range h.findings {
		if op == "" || !f.EventTime.After(after) || s.row.EndedAt == nil || f.EventTime.After(*s.row.EndedAt) {
			continue
		}
		if len(out.FindingIds) == 0 {
			who := attributionShape(f.what.Attribution)
			out.Actor, out.ChangedAt = who.GetActor(), stamp(f.EventTime)
		}
		out.FindingIds = append(out.FindingIds, f.ID)
	}
	return out
}

// began is when a snapshot was begun.
func began(row snapshots.Snapshot) time.Time {
	if row.StartedAt == nil {
		return row.CreatedAt
	}
	return *row.StartedAt
}
