package worker

import (
	"context"
	"fmt"
	"log/slog"

	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/updates"
	"imago/pkg/postgres/work"
)

// startUpdates has product updates sent. Without a link that ends them with one click
// nobody is sent any: they wait until the console has an https address.
func (s *Service) startUpdates(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		due, err := updates.ListDue(ctx, tx, batch)
		if err == nil && len(due) > 0 && !s.oneClick() {
			s.Log.WarnContext(ctx, "product updates wait: without IMAGO_PUBLIC_URL, as https, nobody could end them with one click")
			return nil
		}
		n = len(due)
		for _, d := range due {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.SendUpdate(d))
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("start product updates: %w", err)
	}
	return n, nil
}

// sendUpdate makes the messages of a product update for the members of one account.
func (s *Service) sendUpdate(ctx context.Context, u work.Unit, a job.SendUpdate) (work.End, error) {
	n := 0
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		n, err = updates.Queue(ctx, tx, a.UpdateID)
		return err
	})
	if err != nil {
		return work.End{}, fmt.Errorf("queue product update %s: %w", a.UpdateID, err)
	}
	return work.Done(slog.Int("messages", n)), nil
}

// readUpdate reads the product update that a message is about, and whether its recipient
// still asks for such.
func (l *letter) readUpdate(ctx context.Context, tx *postgres.Tx) (err error) {
	if l.wanted, err = updates.Wanted(ctx, tx, l.ID); err != nil {
		return err
	}
	u, err := updates.Get(ctx, tx, l.SubjectID)
	l.update = notify.ProductUpdate{Title: u.Subject, Body: notify.Markdown(u.Body)}
	return err
}
