package worker

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/work"
)

// endSnooze opens a finding again whose snooze is over. If somebody said something else
// of it since, that stands.
func (s *Service) endSnooze(ctx context.Context, u work.Unit, a job.EndSnooze) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	result := outcome("opened")
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		f, ok, err := findings.Snooze(ctx, tx, a.FindingID, a.WordID)
		if err != nil {
			return err
		}
		if !ok {
			result = outcome("overtaken")
			return nil
		}
		if err := say(ctx, tx, ring, f.ID, findings.Word{State: findings.Open}, "the snooze is over"); err != nil {
			return err
		}
		return u.Record(ctx, tx, ring, work.Event{At: s.Now(), Action: "reopen_finding", TargetType: "finding", TargetID: f.ID, Detail: "the snooze is over"})
	})
	if err != nil {
		return work.End{}, fmt.Errorf("end the snooze of finding %s: %w", a.FindingID, err)
	}
	return work.Done(result), nil
}

// say sets a finding's state in nobody's name.
func say(ctx context.Context, tx *postgres.Tx, ring *envelope.Keyring, findingID string, w findings.Word, reason string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	w.ID = id.String()
	if w.Sealed, err = sealed.Word(findingID, w.ID).Seal(ring, findings.Said{Actor: "imago", Reason: reason}); err != nil {
		return err
	}
	return findings.Say(ctx, tx, findingID, w)
}
