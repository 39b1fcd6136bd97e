package worker

import (
	"context"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
)

// mostEntries is how many messages a digest shows.
const mostEntries = 50

// startDigests has digests made for members whose held messages are due.
func (s *Service) startDigests(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		due, err := messages.DueDigests(ctx, tx, s.Now(), batch)
		n = len(due)
		for _, d := range due {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.SendDigest{AccountID: string(d.AccountID), UserID: string(d.UserID)})
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("start digests: %w", err)
	}
	return n, nil
}

// sendDigest makes one message of those that are held for a member.
func (s *Service) sendDigest(ctx context.Context, u work.Unit, a job.SendDigest) (work.End, error) {
	n := 0
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		n, err = messages.Gather(ctx, tx, account.UserID(a.UserID), s.Now())
		return err
	})
	if err != nil {
		return work.End{}, fmt.Errorf("gather messages: %w", err)
	}
	if n == 0 {
		return work.Done(outcome("nothing to tell")), nil
	}
	return work.Done(outcome("gathered")), nil
}

// readDigest collects the rows of the messages that a digest is made of. What is gone, or
// not so any more, is left out.
func (l *letter) readDigest(ctx context.Context, tx *postgres.Tx) (err error) {
	l.parts, l.more = nil, 0 // once more, when the transaction is
	if l.account, err = accounts.Name(ctx, tx); err != nil {
		return err
	}
	all, err := messages.Gathered(ctx, tx, l.SubjectID)
	if err != nil {
		return err
	}
	for _, m := range all {
		part := letter{Message: m, ring: l.ring, catalogs: l.catalogs}
		err := part.collect(ctx, tx)
		switch {
		case problem.Is(err, problem.NotFound) || err == nil && part.outdated():
		case err != nil:
			return err
		case len(l.parts) == mostEntries:
			l.more++
		default:
			l.parts = append(l.parts, part)
		}
	}
	return nil
}

// digest is the mail about its parts, a line each.
func (l *letter) digest() (notify.Mail, error) {
	out := notify.Digest{Account: notify.Text(l.account), Storm: l.Kind == messages.Storm, More: l.more}
	for _, p := range l.parts {
		m, err := p.mail()
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, notify.EntryOf(m, p.Severity, notify.Text(p.connection.Name), p.CreatedAt))
	}
	return out, nil
}
