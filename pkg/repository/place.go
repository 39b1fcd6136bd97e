package repository

import (
	"context"
	"fmt"
	"strings"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/snapshot"
)

// Place is an account, and a connection of it, of which a store holds something.
type Place struct {
	Account    account.ID
	Connection account.ConnectionID // "": only the account's keyring
}

// Places lists what a store holds things of, by their names alone: of one account, or of
// all, with "". It needs no key, and trusts nothing: what lies there may be anything.
func Places(ctx context.Context, store blob.Store, id account.ID) ([]Place, error) {
	under := "users/"
	if id != "" {
		under = snapshot.AccountPrefix(id) + "/"
	}
	var out []Place
	for o, err := range store.List(ctx, under) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", under, err)
		}
		if p, ok := placeOf(o.Key); ok && (len(out) == 0 || out[len(out)-1] != p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// placeOf tells of what an object is.
func placeOf(key string) (Place, bool) {
	parts := strings.Split(key, "/")
	switch {
	case len(parts) == 3 && key == snapshot.KeyringName(account.ID(parts[1])):
		return Place{Account: account.ID(parts[1])}, true
	case len(parts) != 7:
		return Place{}, false
	}
	p := Place{account.ID(parts[1]), account.ConnectionID(parts[3])}
	_, ok := snapshot.ParsePrefix(p.Account, p.Connection, strings.Join(parts[:6], "/"))
	return p, ok
}
