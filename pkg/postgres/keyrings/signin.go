package keyrings

import (
	"context"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// signIn stands where a keyring names its account: no account has such an ID.
const signIn account.ID = "sign_in"

// SignIn opens the installation's keyring for signing in, when nobody knows yet whose
// account it is about, and makes it the first time: for imago_api. Its digests never
// change, so it is kept for as long as the program runs. Call it outside of transactions.
func (k *Keyrings) SignIn(ctx context.Context) (*envelope.Keyring, error) {
	k.opening.Lock()
	defer k.opening.Unlock()
	if k.signIn != nil {
		return k.signIn, nil
	}
	ring, err := k.openSignIn(ctx)
	if err != nil {
		return nil, fmt.Errorf("keyring for signing in: %w", away(err))
	}
	k.signIn = ring
	return ring, nil
}

func (k *Keyrings) openSignIn(ctx context.Context) (*envelope.Keyring, error) {
	wrapped, err := k.installed(ctx, nil)
	if err != nil {
		return nil, err
	}
	if wrapped == nil {
		offered, err := envelope.NewKeyring(ctx, k.keys, signIn)
		if err != nil {
			return nil, err
		}
		if wrapped, err = k.installed(ctx, offered.Wrapped()); err != nil {
			return nil, err
		}
	}
	return envelope.OpenKeyring(ctx, k.keys, signIn, wrapped)
}

// installed reads the keyring; where there is none, the offered one becomes it.
func (k *Keyrings) installed(ctx context.Context, offered []byte) (wrapped []byte, err error) {
	err = k.db.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error {
		key, err := rows.One[struct{ Wrapped []byte }](ctx, tx, "keyring",
			`select installation_key($1, $2) as wrapped`, signIn, offered)
		wrapped = key.Wrapped
		return err
	})
	return wrapped, err
}
