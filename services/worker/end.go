package worker

import (
	"context"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/work"
)

// startEnds has accounts told of sessions that their person ended from another account.
func (s *Service) startEnds(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		due, err := signin.DueEnds(ctx, tx, batch)
		n = len(due)
		for _, d := range due {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.ReportEnd(d))
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("tell of ended sessions: %w", err)
	}
	return n, nil
}

// reportEnd writes into the account's log that a session in it was ended from elsewhere.
func (s *Service) reportEnd(ctx context.Context, u work.Unit, a job.ReportEnd) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		e, ok, err := signin.TakeEnd(ctx, tx, a.SessionID)
		if err != nil || !ok {
			return err
		}
		return u.Record(ctx, tx, ring, work.Event{At: e.EndedAt, Action: "revoke_session", TargetType: "session", TargetID: a.SessionID,
			Detail: fmt.Sprintf("%s ended this %s session of theirs from another account", e.Email, e.Kind)})
	})
	if err != nil {
		return work.End{}, fmt.Errorf("tell of session %s: %w", a.SessionID, err)
	}
	return work.Done(), nil
}
