package api

import (
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
	out.NextPageToken, err = page.Token(mac(h.ring), r.Msg, h.next)
	return connect.NewResponse(out), err
}

// history is one object over a connection's snapshots, points included.
type history struct {
	s        snapshotService
	id       account.ConnectionID
	key      resource.Key
	info     resource.Info
	ring     *envelope.Keyring
	most     int
	rows     []snapshots.Moment // newest first, from where the page begins
	findings []finding
	next     string // when the snapshot began with which the next page begins; "": there is none
}

// latestOr is the moment of a page's position; the zero time: it begins with the newest.
func latestOr(position string) (time.Time, error) {
	if position == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, position)
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
	var err error
	if h.most, err = page.Size(m); err != nil {
		return err
	}
	position, err := page.Position(mac(h.ring), m)
	if err != nil {
		return err
	}
	from, err := latestOr(position)
	if err != nil {
		return err
	}
	var found []findings.Finding
	err = h.s.read(ctx, func(tx *postgres.Tx) (err error) {
		if _, err := connections.Get(ctx, tx, h.id); err != nil {
			return in("connection_id", connectionsHint, err)
		}
		if h.rows, err = snapshots.Moments(ctx, tx, h.id, from); err != nil {
			return err
		}
		if found, err = findings.About(ctx, tx, h.id, h.key.Type); err != nil || position != "" {
			return err
		}
		h.s.metrics.opened.WithLabelValues("versions").Inc()
		w := &work{tx, h.s.Service, h.ring, requestOf(ctx)}
		return w.record(ctx, "open_versions", "connection", string(h.id), h.key.String())
	})
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

// versions tells what changed from one snapshot to the next. Where nothing did but what
// moves without anybody, or what nobody may see, there is no version.
func (h *history) versions(ctx context.Context) (out []*imagov1.Version, err error) {
	repo, err := h.s.repository(h.ring, h.id)
	if err != nil {
		return nil, err
	}
	of := map[string]snapshots.Moment{}
	var prefixes []string
	for _, m := range h.rows {
		of[m.Place()] = m
		prefixes = append(prefixes, m.Place())
	}
	open := func(ctx context.Context, prefix string) (*repository.Snapshot, error) {
		return repo.OpenKnown(ctx, of[prefix].Known())
	}
	for v, err := range repo.History(ctx, h.key, prefixes, open) {
		if err != nil {
			return nil, err
		}
		if len(out) == h.most {
			h.next = of[v.Snapshot].StartedAt.UTC().Format(time.RFC3339Nano)
			break
		}
		shown, err := h.version(of[v.Since], of[v.Snapshot], v)
		if err != nil {
			return nil, err
		}
		if shown != nil {
			out = append(out, shown)
		}
	}
	return out, nil
}

// version shapes the step from an older snapshot to a newer one; nil: it shows none.
func (h *history) version(older, newer snapshots.Moment, v repository.Version) (*imagov1.Version, error) {
	if v.Since == "" {
		return h.shape(newer, "", time.Time{}), nil
	}
	op := diff.Update
	switch {
	case v.From == nil:
		op = diff.Create
	case v.To == nil:
		op = diff.Delete
	}
	out := h.shape(newer, op, older.StartedAt)
	if op != diff.Update {
		return out, nil
	}
	fields, err := h.fields(v)
	if out.Fields = each(fields, fieldShape); len(fields) == 0 {
		return nil, err
	}
	return out, err
}

// fields are those that differ and may be seen.
func (h *history) fields(v repository.Version) ([]diff.Field, error) {
	from, err := resource.Without(v.From, h.info.Secret...)
	if err != nil {
		return nil, err
	}
	to, err := resource.Without(v.To, h.info.Secret...)
	if err != nil {
		return nil, err
	}
	return diff.Compare(h.info, from, to)
}

// shape tells of a version with the findings from after a moment until it was taken; the
// oldest one has none.
func (h *history) shape(m snapshots.Moment, op diff.Op, after time.Time) *imagov1.Version {
	out := &imagov1.Version{SnapshotId: m.ID, TakenAt: stamp(m.EndedAt), Op: string(op)}
	for _, f := range h.findings {
		if op == "" || !f.EventTime.After(after) || f.EventTime.After(m.EndedAt) {
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
