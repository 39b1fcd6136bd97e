// Package orgs opens the way to an account's org for a running job: the connection,
// its credential, and a reader or writer of its provider.
package orgs

import (
	"context"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/sealed"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

// Orgs opens orgs. It is safe for concurrent use.
type Orgs struct {
	db        *postgres.DB
	box       *envelope.PrivateKey
	providers []provider.Provider
}

// New makes an opener: box is the workers' private key, to which the api sealed the
// service apps' keys.
func New(db *postgres.DB, box *envelope.PrivateKey, providers ...provider.Provider) *Orgs {
	return &Orgs{db: db, box: box, providers: providers}
}

// Org is a connection, and the provider that reaches its org.
type Org struct {
	connections.Connection
	Provider provider.Provider
	Reader   provider.Reader // by the read credential
}

// Read opens an org for reading, in the name of a running job. Its connection is
// known also when the credential is refused.
func (o *Orgs) Read(ctx context.Context, proof postgres.Proof, id account.ConnectionID) (Org, error) {
	org, credential, err := o.open(ctx, proof, id, account.Read)
	if err != nil {
		return org, err
	}
	if org.Reader, err = org.Provider.Reader(ctx, org.Connection.Connection().Org, credential); err != nil {
		return org, fmt.Errorf("open reader: %w", err)
	}
	return org, nil
}

// Write opens an org for writing: for a running apply_restore job alone, the database
// sees to that.
func (o *Orgs) Write(ctx context.Context, proof postgres.Proof, id account.ConnectionID) (provider.Writer, error) {
	org, credential, err := o.open(ctx, proof, id, account.Write)
	if err != nil {
		return nil, err
	}
	w, err := org.Provider.Writer(ctx, org.Connection.Connection().Org, credential)
	if err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	return w, nil
}

// open reads the rows and opens the credential.
func (o *Orgs) open(ctx context.Context, proof postgres.Proof, id account.ConnectionID, purpose account.Purpose) (Org, account.Credential, error) {
	var org Org
	var c connections.Sealed
	err := o.db.As(ctx, proof, func(tx *postgres.Tx) (err error) {
		if org.Connection, err = connections.Get(ctx, tx, id); err != nil {
			return err
		}
		c, err = connections.SealedCredential(ctx, tx, id, purpose)
		return err
	})
	if err != nil {
		return org, account.Credential{}, fmt.Errorf("read connection %s: %w", id, err)
	}
	if org.Provider, err = o.provider(org.Connection.Provider); err != nil {
		return org, account.Credential{}, err
	}
	key, err := o.box.Open(sealed.CredentialBox(org.AccountID, id, purpose), c.SealedKey)
	if err != nil {
		return org, account.Credential{}, fmt.Errorf("open %s credential of connection %s: %w", purpose, id, lost(purpose, err))
	}
	return org, account.Credential{
		Purpose: purpose, ClientID: c.ClientID, KeyID: c.KeyID, PrivateKey: account.Secret(key), Scopes: c.Scopes,
	}, nil
}

// lost says that a key cannot be opened. An operator may find the workers' key file again;
// whoever manages the connection can do without.
func lost(purpose account.Purpose, cause error) error {
	hint := "have Imago make a new one, and add it to the app in the org: imago connect NAME --new-key"
	if purpose == account.Write {
		hint = "once no restore is under way, have Imago make a new one, and add it to the app in the org: imago connect NAME --new-key --write"
	}
	return problem.New(problem.Conflict, "the workers cannot open the key of the service app that %ss", purpose).WithHint("%s", hint).Because(cause)
}

func (o *Orgs) provider(name string) (provider.Provider, error) {
	for _, p := range o.providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, problem.InField("provider", "this program knows no provider %q", name)
}
