// Package keyrings opens accounts' keyrings and keeps them for a while, so that the key
// service is asked once a minute for an account and not for every request or job.
package keyrings

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/problem"
)

// Options tunes Keyrings. Its zero value is right for a program.
type Options struct {
	Keep time.Duration    // how long a keyring is kept, and a rotation may go unnoticed; zero: a minute
	Now  func() time.Time // nil: time.Now
}

// Keyrings opens keyrings. It is safe for concurrent use.
type Keyrings struct {
	db   *postgres.DB
	keys envelope.KeyService
	keep time.Duration
	now  func() time.Time

	mu   sync.Mutex
	open map[account.ID]kept

	opening sync.Mutex // held while signIn is opened
	signIn  *envelope.Keyring
}

type kept struct {
	ring  *envelope.Keyring
	until time.Time
}

// New makes an opener of keyrings.
func New(db *postgres.DB, keys envelope.KeyService, o Options) *Keyrings {
	k := &Keyrings{db: db, keys: keys, keep: o.Keep, now: o.Now, open: map[account.ID]kept{}}
	if k.keep == 0 {
		k.keep = time.Minute
	}
	if k.now == nil {
		k.now = time.Now
	}
	return k
}

// Of opens the keyring of an account that the proof lets in. The caller has presented
// the proof already, or does so before it uses what the keyring opens: one that is kept
// is given without asking the database. It asks the key service, so call it outside of
// transactions.
func (k *Keyrings) Of(ctx context.Context, proof postgres.Proof, id account.ID) (*envelope.Keyring, error) {
	if ring := k.kept(id); ring != nil {
		return ring, nil
	}
	var wrapped []byte
	err := k.db.As(ctx, proof, func(tx *postgres.Tx) (err error) {
		if tx.Account() != id {
			return errors.New("the proof is for another account")
		}
		wrapped, err = accounts.Keyring(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read keyring of account %s: %w", id, err)
	}
	ring, err := k.Open(ctx, id, wrapped)
	if err != nil {
		return nil, err
	}
	k.put(ring)
	return ring, nil
}

// Open opens a keyring that was read, and keeps nothing.
func (k *Keyrings) Open(ctx context.Context, id account.ID, wrapped []byte) (*envelope.Keyring, error) {
	ring, err := envelope.OpenKeyring(ctx, k.keys, id, wrapped)
	return ring, away(err)
}

// Make has a keyring made of another one: prepared, rotated, wrapped anew.
func (k *Keyrings) Make(ctx context.Context, of func(context.Context, envelope.KeyService) (*envelope.Keyring, error)) (*envelope.Keyring, error) {
	ring, err := of(ctx, k.keys)
	return ring, away(err)
}

// away has what waits for the key service go on later: the installation's operator, who
// reads why in the log, sees to it, and nobody else can.
func away(err error) error {
	if errors.Is(err, envelope.ErrUnavailable) || errors.Is(err, envelope.ErrRefused) {
		return problem.New(problem.Unavailable, "the key service does not open what is sealed").
			WithHint("it goes on by itself once that does; why, the installation's log says").Because(err)
	}
	return err
}

// Forget drops an account's keyring: after a rotation, or when the account goes.
func (k *Keyrings) Forget(id account.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, id)
}

func (k *Keyrings) kept(id account.ID) *envelope.Keyring {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o := k.open[id]; k.now().Before(o.until) {
		return o.ring
	}
	return nil
}

// put keeps a keyring, and drops those whose time is over.
func (k *Keyrings) put(ring *envelope.Keyring) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	for id, o := range k.open {
		if !now.Before(o.until) {
			delete(k.open, id)
		}
	}
	k.open[ring.Account()] = kept{ring, now.Add(k.keep)}
}
