package api

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/drift"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

const findingsHint = "list the connection's findings to see their IDs"

type driftService struct{ *Service }

var _ rpc.DriftServiceHandler = driftService{}

func (s *Service) drift() driftService { return driftService{s} }

func (s driftService) ListFindings(ctx context.Context, r *connect.Request[imagov1.ListFindingsRequest]) (*connect.Response[imagov1.ListFindingsResponse], error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := s.wanted(ctx, ring, r.Msg)
	if err != nil {
		return nil, err
	}
	var found []findings.Finding
	next, err := list(ctx, s.Service, r.Msg, func(tx *postgres.Tx, p postgres.Page) ([]string, error) {
		if _, err := connections.Get(ctx, tx, wanted.Connection); err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		all, err := findings.List(ctx, tx, wanted, p)
		found = cut(all, p)
		return each(all, func(f findings.Finding) string { return f.ID }), err
	})
	if err != nil {
		return nil, err
	}
	out := &imagov1.ListFindingsResponse{NextPageToken: next}
	for _, f := range found {
		shape, err := s.finding(ctx, ring, f)
		if err != nil {
			return nil, err
		}
		out.Findings = append(out.Findings, shape)
	}
	return connect.NewResponse(out), nil
}

func (s driftService) GetFinding(ctx context.Context, r *connect.Request[imagov1.GetFindingRequest]) (*connect.Response[imagov1.GetFindingResponse], error) {
	id, err := valid.ID("finding_id", r.Msg.GetFindingId())
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	var row findings.Finding
	var words []findings.Word
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if row, err = findings.Get(ctx, tx, id); err != nil {
			return in("finding_id", findingsHint, err)
		}
		if words, err = findings.History(ctx, tx, id); err != nil {
			return err
		}
		s.metrics.opened.WithLabelValues("finding").Inc()
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		return w.record(ctx, "open_finding", "finding", id, "")
	})
	if err != nil {
		return nil, err
	}
	shape, err := s.told(ctx, ring, row, words)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetFindingResponse{Finding: shape}), nil
}

// finding shapes a row. What of it is directory data is for those who may open
// snapshots; the others learn that there is a finding, by which rule, and when.
func (s driftService) finding(ctx context.Context, ring *envelope.Keyring, row findings.Finding) (*imagov1.Finding, error) {
	out := &imagov1.Finding{
		Id: row.ID, ConnectionId: string(row.ConnectionID), Rule: row.Rule, Severity: row.Severity,
		Title: strings.ReplaceAll(row.Rule, "_", " "), FoundAt: stamp(row.FoundAt), State: row.State,
		SnoozedUntil: stampAt(row.SnoozedUntil),
	}
	if !requestOf(ctx).caller.may(account.OpenSnapshot) {
		return out, nil
	}
	return out, s.reveal(ring, row, out)
}

// told shapes a finding with what was said of it.
func (s driftService) told(ctx context.Context, ring *envelope.Keyring, row findings.Finding, words []findings.Word) (*imagov1.Finding, error) {
	out, err := s.finding(ctx, ring, row)
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		shape, err := wordShape(ring, row.ID, w)
		if err != nil {
			return nil, err
		}
		out.History = append(out.History, shape)
	}
	return out, nil
}

func (s driftService) reveal(ring *envelope.Keyring, row findings.Finding, out *imagov1.Finding) error {
	var f drift.Finding
	if err := sealed.Finding(row.ConnectionID, row.DedupKey).Open(ring, row.Sealed, &f); err != nil {
		return err
	}
	out.Title, out.Sentence, out.Consequences, out.SnapshotId = f.Title, f.Sentence, f.Consequences, f.Snapshot
	out.Change = changeShape(s.Provider.Catalog(), f.Change, f.Label, f.ParentLabel)
	out.Attribution = attributionShape(f.Attribution)
	return nil
}
