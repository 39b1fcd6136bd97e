package worker

import (
	"context"
	"fmt"
	"log/slog"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/work"
	"imago/pkg/snapshot"
)

// startDeletions has deletions seen to whose job was lost.
func (s *Service) startDeletions(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		due, err := accounts.DueDeletions(ctx, tx, batch)
		n = len(due)
		for _, d := range due {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.DeleteAccount(d))
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("start deletions: %w", err)
	}
	return n, nil
}

// deleting is one slice of one job that deletes an account.
type deleting struct {
	*Service
	unit work.Unit
	id   account.ID
	accounts.Deletion
}

// deleteAccount sees a deletion through: the owners are told at once; when it is due the
// keyring is destroyed, in Postgres and in the bucket; and when nobody can have it opened any
// more the rest is removed. Each step is looked at anew: it may end anywhere.
func (s *Service) deleteAccount(ctx context.Context, u work.Unit, a job.DeleteAccount) (work.End, error) {
	d := &deleting{Service: s, unit: u, id: account.ID(a.AccountID)}
	if err := d.read(ctx); err != nil {
		return work.End{}, err
	}
	switch {
	case d.ID != a.DeletionID || d.PurgedAt != nil:
		return work.Done(outcome("not so any more")), nil
	case d.ShreddedAt != nil:
		return d.purge(ctx)
	case s.Now().Before(*d.DueAt):
		return d.announce(ctx)
	}
	return d.shred(ctx)
}

func (d *deleting) read(ctx context.Context) error {
	err := d.DB.As(ctx, d.unit.Proof, func(tx *postgres.Tx) (err error) {
		d.Deletion, err = accounts.DeletionOf(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the deletion of account %s: %w", d.id, err)
	}
	return nil
}

// announce tells every owner, and waits.
func (d *deleting) announce(ctx context.Context) (work.End, error) {
	err := d.DB.As(ctx, d.unit.Proof, func(tx *postgres.Tx) error { return messages.QueueOwners(ctx, tx, messages.AccountDeletion, d.ID) })
	if err != nil {
		return work.End{}, fmt.Errorf("tell the owners of account %s: %w", d.id, err)
	}
	return work.Again(d.DueAt.Sub(d.Now()), outcome("waits until it is due")), nil
}

// shred destroys the keyring. What the activity log says of it is the last that is sealed
// under it, and nobody will read it.
func (d *deleting) shred(ctx context.Context) (work.End, error) {
	ring, err := d.keyrings.Of(ctx, d.unit.Proof, d.id)
	if err != nil {
		return d.notBegun(ctx, d.unit, err)
	}
	shredded := false
	err = d.DB.As(ctx, d.unit.Proof, func(tx *postgres.Tx) (err error) {
		if shredded, err = d.Shred(ctx, tx); err != nil || !shredded {
			return err
		}
		return d.unit.Record(ctx, tx, ring, work.Event{At: d.Now(), Action: "shred_account", TargetType: "account", TargetID: string(d.id),
			Detail: "its keys were destroyed"})
	})
	if err != nil {
		return work.End{}, fmt.Errorf("destroy the keyring of account %s: %w", d.id, err)
	}
	if !shredded { // it was taken back this moment, or this machine's clock is ahead of the database's
		return work.Again(settles, outcome("not due")), nil
	}
	d.keyrings.Forget(d.id)
	if err := d.Store.Delete(ctx, snapshot.KeyringName(d.id)); err != nil {
		return work.End{}, fmt.Errorf("destroy the keyring of account %s in the store: %w", d.id, err)
	}
	return work.Again(settles, outcome("the keys are destroyed")), nil
}

// purge removes all objects, the keyring first, and all rows. What was under way when the
// keyring was destroyed has ended by then, and puts nothing there any more.
func (d *deleting) purge(ctx context.Context) (work.End, error) {
	if err := d.Store.Delete(ctx, snapshot.KeyringName(d.id)); err != nil {
		return work.End{}, fmt.Errorf("destroy the keyring of account %s in the store: %w", d.id, err)
	}
	if left := d.ShreddedAt.Add(settles).Sub(d.Now()); left > 0 {
		return work.Again(left, outcome("the keys are destroyed")), nil
	}
	n, err := d.clear(ctx)
	switch {
	case stopped(ctx) || err == nil && d.Now().After(d.unit.Until):
		return work.Again(0, slog.Int("objects", n)), nil
	case err != nil:
		return work.End{}, fmt.Errorf("remove what account %s has in the store: %w", d.id, err)
	}
	err = d.DB.As(ctx, d.unit.Proof, func(tx *postgres.Tx) error {
		_, err := accounts.Purge(ctx, tx)
		return err
	})
	if err != nil {
		return work.End{}, fmt.Errorf("purge account %s: %w", d.id, err)
	}
	return work.Done(slog.Int("objects", n)), nil
}

// clear removes the account's objects, for as long as the slice lasts.
func (d *deleting) clear(ctx context.Context) (n int, err error) {
	var keys []string
	for o, err := range d.Store.List(ctx, snapshot.AccountPrefix(d.id)+"/") {
		if err != nil {
			return 0, err
		}
		keys = append(keys, o.Key)
	}
	for _, key := range keys {
		if d.Now().After(d.unit.Until) {
			break
		}
		if err := d.Store.Delete(ctx, key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// readDeletion reads the deletion that a message is about.
func (l *letter) readDeletion(ctx context.Context, tx *postgres.Tx) (err error) {
	if l.account, err = accounts.Name(ctx, tx); err != nil {
		return err
	}
	if l.deletion, err = accounts.DeletionOf(ctx, tx); err != nil || l.deletion.AskedBy == nil {
		return err
	}
	members, err := accounts.Members(ctx, tx)
	l.approver = addressOf(members, *l.deletion.AskedBy)
	return err
}
