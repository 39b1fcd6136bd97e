package worker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

// settles is how long a data key is in the keyring before anything is sealed under it: by
// then no program, and no slice of a job, has the keyring of before any more. Programs keep
// one for a minute (keyrings.Options).
const settles = 5 * time.Minute

// startRenewals has keyrings renewed that nobody sees to: an operator asked for all of
// them, or a job was lost on the way.
func (s *Service) startRenewals(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		due, err := accounts.DueRenewals(ctx, tx, batch)
		n = len(due)
		for _, d := range due {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.RenewKeyring(d))
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("start to renew keyrings: %w", err)
	}
	return n, nil
}

// rewrapInstallation wraps the keyrings anew that are no account's.
func (s *Service) rewrapInstallation(ctx context.Context, u work.Unit) (int, error) {
	return s.keyrings.RewrapInstallation(ctx, u.Proof)
}

// renewing is one slice of one job that renews a keyring.
type renewing struct {
	*Service
	unit  work.Unit
	asked accounts.Renewal
	ring  *envelope.Keyring
}

// renewKeyring does what was asked for: Postgres first, which is what programs open, then
// the bucket, then the escrows. Each is looked at anew, so it may end anywhere, and another
// job, or the tick's, goes on there.
func (s *Service) renewKeyring(ctx context.Context, u work.Unit, a job.RenewKeyring) (work.End, error) {
	r := &renewing{Service: s, unit: u}
	if err := r.open(ctx, account.ID(a.AccountID)); err != nil {
		return s.notBegun(ctx, u, err)
	}
	wait, err := r.renew(ctx)
	if problem.Is(err, problem.Stale) {
		return work.Again(0, outcome("renewed meanwhile")), nil
	}
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	overtaken, err := r.store(ctx)
	if err != nil {
		return work.End{}, fmt.Errorf("put the keyring into the store: %w", err)
	}
	if overtaken {
		return work.Again(0, outcome("renewed meanwhile")), nil
	}
	n, err := r.makeEscrows(ctx)
	if err != nil {
		return work.End{}, fmt.Errorf("make escrows: %w", err)
	}
	// Last: who dies before is followed by another job.
	err = r.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return accounts.CaughtUp(ctx, tx, r.ring.Wrapped()) })
	if err != nil {
		return work.End{}, fmt.Errorf("note that the bucket has the keyring: %w", err)
	}
	if wait > 0 {
		return work.Again(wait, outcome("lets a new data key settle")), nil
	}
	return work.Done(slog.Int("escrows", n)), nil
}

// open reads the keyring as it stands, not one that is kept.
func (r *renewing) open(ctx context.Context, id account.ID) error {
	err := r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) (err error) {
		r.asked, err = accounts.RenewalOf(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	r.ring, err = r.keyrings.Open(ctx, id, r.asked.Wrapped)
	return err
}

// renew takes the next step, if there is one; wait: until the step after it.
func (r *renewing) renew(ctx context.Context) (wait time.Duration, err error) {
	rotation := r.asked.RotationAskedAt != nil
	switch {
	case rotation && !r.ring.Prepared():
		return settles, r.replace(ctx, r.ring.Prepare, "")
	case rotation && r.left() > 0:
		return r.left(), nil
	case rotation:
		return 0, r.replace(ctx, r.ring.Rotate, "complete_rotation")
	case r.asked.RewrapAskedAt != nil:
		return 0, r.replace(ctx, r.ring.Rewrap, "rewrap_keyring")
	case r.asked.ResealAskedAt != nil && r.ring.Oldest() < r.ring.Current():
		return r.reseal(ctx)
	case r.asked.ResealAskedAt != nil: // nothing lies under another key, or it was retired and not noted
		return 0, r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error { return accounts.Retired(ctx, tx) })
	}
	return 0, nil
}

// left is how long a prepared key still settles.
func (r *renewing) left() time.Duration {
	if r.asked.PreparedAt == nil {
		return 0
	}
	return r.asked.PreparedAt.Add(settles).Sub(r.Now())
}

// replace stores a new keyring in the place of the one that was read, and tells of it.
func (r *renewing) replace(ctx context.Context, make func(context.Context, envelope.KeyService) (*envelope.Keyring, error), action string) error {
	next, err := r.keyrings.Make(ctx, make)
	if err != nil {
		return err
	}
	now := r.Now()
	var prepared *time.Time
	if next.Prepared() {
		prepared = &now
	}
	err = r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		if err := r.asked.Renew(ctx, tx, next.Wrapped(), prepared, action == "complete_rotation", now); err != nil || action == "" {
			return err
		}
		if action == "retire_keys" {
			if err := accounts.Retired(ctx, tx); err != nil {
				return err
			}
		}
		return r.unit.Record(ctx, tx, r.ring, work.Event{At: now, Action: action, TargetType: "account", TargetID: string(next.Account()), Detail: renewed(next, action)})
	})
	if err != nil {
		return err
	}
	r.ring, r.asked.Behind = next, true
	r.keyrings.Forget(next.Account())
	return nil
}

// renewed says in the activity log what was done.
func renewed(k *envelope.Keyring, action string) string {
	switch action {
	case "rewrap_keyring":
		return "the keyring was wrapped anew by the installation's master key"
	case "retire_keys":
		return fmt.Sprintf("nothing of any snapshot lies under a data key before %d any more, and nothing that does is believed", k.Current())
	}
	return fmt.Sprintf("data key %d seals from now on; %s of before stay to open what they sealed", k.Current(), count(int64(len(k.Versions())-1), "key"))
}

// store puts the keyring into the bucket. One that is newer there is of a job that was
// faster, if Postgres has another one meanwhile: overtaken. Else the database is one of
// before, and lacks what seals there.
func (r *renewing) store(ctx context.Context) (overtaken bool, err error) {
	if !r.asked.Behind {
		return false, nil
	}
	stale := repository.SaveKeyring(ctx, r.Store, r.ring)
	if !problem.Is(stale, problem.Stale) {
		return false, stale
	}
	var now accounts.Renewal
	err = r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) (err error) {
		now, err = accounts.RenewalOf(ctx, tx)
		return err
	})
	if err != nil || !bytes.Equal(now.Wrapped, r.ring.Wrapped()) {
		return err == nil, err
	}
	return false, fmt.Errorf("the database is older than the bucket, whose keyring it gets by imago repo rebuild: %w", stale)
}

// makeEscrows seals the keyring to each recipient whose escrow lacks a key, or holds one
// that is retired.
func (r *renewing) makeEscrows(ctx context.Context) (n int, err error) {
	var all []accounts.Escrow
	err = r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) (err error) {
		all, err = accounts.Escrows(ctx, tx)
		return err
	})
	versions := r.ring.Versions()
	last := versions[len(versions)-1]
	for _, e := range all {
		if err != nil || uint32(e.Version) >= last && uint32(e.Oldest) >= r.ring.Oldest() {
			continue
		}
		n++
		err = r.makeEscrow(ctx, e, last)
	}
	return n, err
}

func (r *renewing) makeEscrow(ctx context.Context, e accounts.Escrow, last uint32) error {
	to, err := envelope.ParseRecipient(e.Recipient)
	if err != nil {
		return err
	}
	file, err := r.ring.Escrow(to)
	if err != nil {
		return err
	}
	return r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		if err := accounts.MakeEscrow(ctx, tx, e.ID, r.ring.Oldest(), last, file, r.Now()); err != nil {
			return err
		}
		if e.Version == 0 {
			if err := messages.QueueOwners(ctx, tx, messages.EscrowMade, e.ID); err != nil {
				return err
			}
		}
		return r.unit.Record(ctx, tx, r.ring, work.Event{At: r.Now(), Action: "make_escrow", TargetType: "escrow", TargetID: e.ID,
			Detail: fmt.Sprintf("the keyring up to data key %d was sealed to %s", last, e.Recipient)})
	})
}

// readEscrow reads the escrow that a message is about. One that was removed meanwhile is
// told of all the same: its file may have been fetched.
func (l *letter) readEscrow(ctx context.Context, tx *postgres.Tx) (err error) {
	if l.account, err = accounts.Name(ctx, tx); err != nil {
		return err
	}
	if l.escrow, err = accounts.EscrowEver(ctx, tx, l.SubjectID); err != nil {
		return err
	}
	l.approver = "Somebody who is no member any more"
	members, err := accounts.Members(ctx, tx)
	for _, m := range members {
		if l.escrow.CreatedBy != nil && m.UserID == *l.escrow.CreatedBy {
			l.approver = m.Email
		}
	}
	return err
}
