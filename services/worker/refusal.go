package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"imago/pkg/audit"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/work"
)

// claimRefusals has accounts told of sign-ins as their members that were refused. The
// api cannot: it is nobody's there, and must not even know whether there is an account.
func (s *Service) claimRefusals(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		untold, err := signin.ClaimRefusals(ctx, tx, batch)
		n = len(untold)
		for _, r := range untold {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.ReportFailure{AccountID: string(r.AccountID), RefusalID: r.RefusalID})
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim refused sign-ins: %w", err)
	}
	return n, nil
}

// reportRefusals writes refused sign-ins into the account's activity log, each once.
func (s *Service) reportRefusals(ctx context.Context, u work.Unit, ring *envelope.Keyring) (work.End, error) {
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		refused, err := signin.TakeRefusals(ctx, tx)
		for _, r := range refused {
			if err != nil {
				break
			}
			err = s.reportRefusal(ctx, tx, u, ring, r)
		}
		return err
	})
	if err != nil {
		return work.End{}, fmt.Errorf("report refused sign-ins: %w", err)
	}
	return work.Done(), nil
}

func (s *Service) reportRefusal(ctx context.Context, tx *postgres.Tx, u work.Unit, ring *envelope.Keyring, r signin.Refused) error {
	from, err := s.origin(ctx, u, r)
	if err != nil {
		return err
	}
	e := audit.Entry{Time: r.At, Action: refusalAction(r), TargetType: "sign_in", TargetID: r.CodeID, RequestID: from.RequestID}
	e.Sealed, err = sealed.Activity(e).Seal(ring, audit.Who{Actor: "unknown", SourceIP: from.SourceIP, Detail: refusalText(r)})
	if err != nil {
		return err
	}
	_, err = activity.Append(ctx, tx, e)
	return err
}

// origin opens where a refused request came from. That the workers have another key by
// now is no reason not to tell of the rest.
func (s *Service) origin(ctx context.Context, u work.Unit, r signin.Refused) (from signin.Origin, err error) {
	text, err := s.Box.Open(sealed.RefusalBox(r.ID), r.Box)
	if errors.Is(err, envelope.ErrNotOpened) || errors.Is(err, envelope.ErrNoKey) {
		s.Log.WarnContext(ctx, "where a refused sign-in came from cannot be opened", "job", u.Job, "refusal", r.ID, "error", err)
		return from, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &from)
	}
	return from, err
}

// refusalAction tells a wrong second factor, before which a code was right, from a wrong code.
func refusalAction(r signin.Refused) string {
	if r.Nth > 6 {
		return "refuse_second_factor"
	}
	return "refuse_code"
}

// refusalText tells what was tried, and on whom.
func refusalText(r signin.Refused) string {
	switch r.Nth {
	case 0:
		return "too many sign-in codes were asked for " + r.Email
	case 5:
		return "wrong sign-in code for " + r.Email + ", the fifth: it is used up"
	case 6:
		return "a sign-in code for " + r.Email + " was tried on after its five tries"
	case 12:
		return "the second factor of " + r.Email + " was tried on after five tries, by who had the mailed code"
	}
	if r.Nth > 6 {
		return fmt.Sprintf("wrong second factor for %s, try %d of 5, by who had the mailed code", r.Email, r.Nth-6)
	}
	return fmt.Sprintf("wrong sign-in code for %s, try %d of 5", r.Email, r.Nth)
}
