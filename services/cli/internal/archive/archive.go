// Package archive opens what Imago keeps out of a bucket, or out of a directory that one
// was copied into, with the keys alone: it asks no service and no database, and writes
// nothing there.
package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/dir"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// Source says where the objects lie.
type Source struct {
	Place  string    // a directory, or s3://BUCKET
	Bucket s3.Config // how to reach the bucket; its name stands in Place
}

// Keys say what opens them: a key service, or an escrow and the identity that opens it.
type Keys struct {
	Service          envelope.KeyService
	Escrow, Identity string // files
}

// Archive is open for reading.
type Archive struct {
	place  string
	store  blob.Store
	keys   Keys
	escrow *envelope.Keyring
	rings  map[account.ID]*envelope.Keyring
	found  []repository.Place
}

// smallObjects is how many bytes of manifests, lists and layers are held in memory.
const smallObjects = 32 << 20

const scheme = "s3://"

// Open looks for what lies there, of one account or, with "", of all. A problem of kind
// NotFound says that it is no repository.
func Open(ctx context.Context, from Source, keys Keys, id account.ID) (*Archive, error) {
	a := &Archive{place: from.Place, keys: keys, rings: map[account.ID]*envelope.Keyring{}}
	if err := a.openEscrow(id); err != nil {
		return nil, err
	}
	if a.escrow != nil {
		id = a.escrow.Account()
	}
	var err error
	if a.store, err = from.open(ctx); err != nil {
		return nil, err
	}
	if a.found, err = repository.Places(ctx, a.store, id); err != nil {
		return nil, fmt.Errorf("%s: %w", a.place, err)
	}
	if len(a.found) == 0 {
		return nil, a.nothing(ctx, id)
	}
	return a, nil
}

func (s Source) open(ctx context.Context) (blob.Store, error) {
	bucket, ok := strings.CutPrefix(s.Place, scheme)
	if !ok {
		return dir.Open(s.Place, dir.Options{})
	}
	s.Bucket.Bucket = strings.TrimSuffix(bucket, "/")
	return s.Bucket.OpenToList(ctx)
}

// nothing tells what is there instead of a repository.
func (a *Archive) nothing(ctx context.Context, id account.ID) error {
	all, err := repository.Places(ctx, a.store, "")
	if err != nil {
		return fmt.Errorf("%s: %w", a.place, err)
	}
	if others := accounts(all); len(others) > 0 {
		return problem.New(problem.NotFound, "%s holds nothing of account %s, but of %s", a.place, id, strings.Join(others, ", "))
	}
	return problem.New(problem.NotFound, "%s holds no repository: nothing in it is called users/ACCOUNT/…", a.place).
		WithHint("name the bucket, or the directory that holds its users/, not one above or below it")
}

func accounts(all []repository.Place) (out []string) {
	for _, p := range all {
		out = append(out, string(p.Account))
	}
	return slices.Compact(out)
}

func (a *Archive) openEscrow(id account.ID) (err error) {
	if a.keys.Escrow == "" {
		return nil
	}
	file, err := os.Open(a.keys.Escrow)
	if err != nil {
		return problem.New(problem.NotFound, "escrow: %v", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	identity, err := os.Open(a.keys.Identity)
	if err != nil {
		return problem.New(problem.NotFound, "identity: %v", err)
	}
	defer func() { err = errors.Join(err, identity.Close()) }()
	if a.escrow, err = envelope.OpenEscrow(file, identity); err != nil {
		return fmt.Errorf("%s: %w", a.keys.Escrow, err)
	}
	if id != "" && id != a.escrow.Account() {
		return problem.New(problem.Denied, "%s holds the keys of account %s, not of %s", a.keys.Escrow, a.escrow.Account(), id).
			WithHint("give that account's own escrow")
	}
	return nil
}

// Place names where it lies.
func (a *Archive) Place() string { return a.place }

// Copied reports whether it is a copy in a directory.
func (a *Archive) Copied() bool { return !strings.HasPrefix(a.place, scheme) }

// Accounts lists whose repositories there are.
func (a *Archive) Accounts() []string { return accounts(a.found) }

// Connections lists those of an account of which there are snapshots.
func (a *Archive) Connections(id account.ID) (out []account.ConnectionID) {
	for _, p := range a.found {
		if p.Account == id && p.Connection != "" {
			out = append(out, p.Connection)
		}
	}
	return out
}

// Repository is one connection's.
type Repository struct {
	*repository.Repository
	Account    account.ID
	Connection account.ConnectionID
}

// Repositories opens all of an account, by one call to the key service.
func (a *Archive) Repositories(ctx context.Context, id account.ID) ([]Repository, error) {
	ring, err := a.Keyring(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []Repository
	cache := repository.NewCache(smallObjects)
	for _, c := range a.Connections(id) {
		r, err := repository.New(a.store, ring, id, c, repository.Options{Cache: cache})
		if err != nil {
			return nil, err
		}
		out = append(out, Repository{r, id, c})
	}
	if len(out) == 0 {
		return nil, problem.New(problem.NotFound, "%s holds the keyring of account %s, and no snapshot", a.place, id).
			WithHint("copy all that lies below %s", snapshot.AccountPrefix(id))
	}
	return out, nil
}

// Keyring opens an account's keyring. Errors name the object, and say what it means.
func (a *Archive) Keyring(ctx context.Context, id account.ID) (*envelope.Keyring, error) {
	if a.escrow != nil {
		return a.escrow, nil
	}
	name := snapshot.KeyringName(id)
	wrapped, err := repository.LoadKeyring(ctx, a.store, id)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, problem.New(problem.NotFound, "%s is not there: without it no snapshot of the account opens", name).
			WithHint("copy it, too; or open with an escrow: --escrow FILE --identity FILE").Because(err)
	}
	if err != nil {
		return nil, err
	}
	ring, err := envelope.OpenKeyring(ctx, a.keys.Service, id, wrapped)
	if err != nil {
		return nil, a.shut(name, wrapped, err)
	}
	return ring, nil
}

// shut explains a keyring that does not open.
func (a *Archive) shut(name string, wrapped []byte, err error) error {
	by, ours := cmp.Or(envelope.WrappingOf(wrapped).By, "an older version"), a.keys.Service.Name()
	const bringBack = "no snapshot of the account opens without it: bring it back from another copy or the bucket's versions, or open with an escrow"
	switch {
	case !json.Valid(wrapped):
		return problem.New(problem.Invalid, "%s is damaged: it is no keyring, or a part of one", name).WithHint(bringBack).Because(err)
	case errors.Is(err, envelope.ErrFormat):
		return problem.New(problem.Invalid, "%v", fmt.Errorf("%s: %w", name, err)).
			WithHint("no snapshot of the account opens without it: open it with a newer version of Imago, or with an escrow").Because(err)
	case errors.Is(err, envelope.ErrOtherAccount):
		return problem.New(problem.Denied, "%s is %v", name, err).
			WithHint("no snapshot below opens with it: bring back the account's own from another copy, or from the bucket's versions").Because(err)
	case errors.Is(err, envelope.ErrNotOpened) && by != ours:
		return problem.New(problem.Denied, "the key is another one: %s was wrapped by %s, and yours is %s", name, by, ours).
			WithHint("give the master key of the installation that wrote this, or an escrow").Because(err)
	case errors.Is(err, envelope.ErrNotOpened):
		return problem.New(problem.Invalid, "%s is damaged: your key is the one that wrapped it, and it does not open", name).
			WithHint(bringBack).Because(err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
