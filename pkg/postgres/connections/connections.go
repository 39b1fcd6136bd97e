// Package connections keeps the orgs of an account, and the credentials to them.
package connections

import (
	"context"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/blob"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	"imago/pkg/snapshot/retention"
)

// State is how far a connection is.
type State string

// The states.
const (
	New      State = "new"      // waits for its read credential
	Checking State = "checking" // a worker tests the credential
	Ready    State = "ready"
	Failed   State = "failed" // Problem says why
)

// Access is what the read credential can do with one type.
type Access struct {
	Type     resource.Type   `json:"type"`
	Readable bool            `json:"readable"`
	Reason   snapshot.Reason `json:"reason,omitempty"`
	Detail   string          `json:"detail,omitempty"`
}

// Connection is one row.
type Connection struct {
	ID            account.ConnectionID
	AccountID     account.ID
	Provider      string
	Name          string
	OrgURL        string
	State         State
	Problem       *problem.Problem
	Share         float64
	FollowSeconds int
	OrgID         string
	Engine        string
	CheckedAt     *time.Time
	Access        []Access
	CreatedAt     time.Time
	Thin          bool // snapshots are thinned as they grow old
	// ForgetAt is when it is looked again which snapshots are let go; nil: at once.
	ForgetAt *time.Time
	// Demo is the next step of a demo org's story, DemoReady when it is told; "": no demo.
	Demo string
	// DemoApp: somebody asked for the demo's write app to be active.
	DemoApp bool
}

// Connection gives the row in the words of the journeys.
func (c Connection) Connection() account.Connection {
	return account.Connection{
		ID: c.ID, Account: c.AccountID, Provider: c.Provider, Name: c.Name,
		Org:    account.Org{URL: c.OrgURL, Share: c.Share, Demo: c.Demo != ""},
		Follow: time.Duration(c.FollowSeconds) * time.Second,
	}
}

// Retention is which of the connection's snapshots are kept, by what the account may have
// and what the store does.
func (c Connection) Retention(e billing.Entitled, store blob.Capabilities) retention.Policy {
	return retention.Policy{Keep: e.Retention, Thin: c.Thin, Lock: store.LockFor, Least: retention.AtLeast}
}

const columns = `id, account_id, provider, name, org_url, state, problem, share, follow_seconds, org_id, engine,
	checked_at, access, created_at, thin, forget_at, demo, demo_app`

// Create adds a connection: Provider, Name, OrgURL, Share, FollowSeconds, OrgID and
// Engine are taken from c. A name or an org that the account has already is a Conflict
// in that field.
func Create(ctx context.Context, tx *postgres.Tx, c Connection) (Connection, error) {
	made, err := rows.One[Connection](ctx, tx, "connection", `
		insert into connections (account_id, provider, name, org_url, share, follow_seconds, org_id, engine)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		returning `+columns, tx.Account(), c.Provider, c.Name, c.OrgURL, c.Share, c.FollowSeconds, c.OrgID, c.Engine)
	return made, taken(err, c)
}

func taken(err error, c Connection) error {
	switch {
	case rows.Violates(err, "connections_name_key"):
		p := problem.New(problem.Conflict, "a connection is called %q already", c.Name).WithHint("choose another name")
		p.Field = "name"
		return p.Because(err)
	case rows.Violates(err, "connections_org_url_key"):
		p := problem.New(problem.Conflict, "the account has a connection to %s already", c.OrgURL).
			WithHint("use that one, or change its credentials")
		p.Field = "org_url"
		return p.Because(err)
	}
	return err
}

// Get reads a connection.
func Get(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Connection, error) {
	return rows.One[Connection](ctx, tx, "connection",
		`select `+columns+` from connections where id = as_uuid($1)`, id)
}

// List lists the account's connections, newest first.
func List(ctx context.Context, tx *postgres.Tx, p postgres.Page) ([]Connection, error) {
	return rows.All[Connection](ctx, tx, `select `+columns+` from connections
		where $1::uuid is null or id < $1 order by id desc limit $2`, rows.Null(p.Before), p.Most())
}

// Settings are what a person may change of a connection.
type Settings struct {
	Name          string
	Share         float64
	FollowSeconds int
}

// Configure changes a connection's settings.
func Configure(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, s Settings) (Connection, error) {
	c, err := rows.One[Connection](ctx, tx, "connection", `
		update connections set name = $2, share = $3, follow_seconds = $4 where id = as_uuid($1)
		returning `+columns, id, s.Name, s.Share, s.FollowSeconds)
	return c, taken(err, Connection{Name: s.Name})
}

// Thin says whether a connection's snapshots are thinned as they grow old. Which ones go is
// looked at a day later, so that there is time to take it back.
func Thin(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, thin bool, now time.Time) (Connection, error) {
	return rows.One[Connection](ctx, tx, "connection", `
		update connections set thin = $2, forget_at = $3 where id = as_uuid($1)
		returning `+columns, id, thin, now.Add(24*time.Hour))
}

// KeyReplaced says that the org does not know the read app's new key yet, so that nobody
// asks it with that before somebody has seen to it: a connection that is ready or being
// checked has failed, until the next check.
func KeyReplaced(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, why *problem.Problem) (Connection, error) {
	text, err := rows.ProblemJSON(why)
	if err != nil {
		return Connection{}, err
	}
	return rows.One[Connection](ctx, tx, "connection", `
		update connections set state = case state when 'new' then state else 'failed' end,
			problem = case state when 'new' then problem else $2 end
		where id = as_uuid($1) returning `+columns, id, text)
}

// StartCheck says that a worker is about to test the read credential. A connection
// that is ready stays so until the test has failed: its schedule goes on.
func StartCheck(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Connection, error) {
	return rows.One[Connection](ctx, tx, "connection", `
		update connections set state = case state when 'ready' then state else 'checking' end, problem = null
		where id = as_uuid($1) returning `+columns, id)
}

// Checked is what a worker found out.
type Checked struct {
	Problem *problem.Problem // why the credential does not work; nil: it does
	OrgID   string
	Engine  string
	Access  []Access
	At      time.Time
}

// SetChecked stores what a worker found out: the connection is ready, or has failed. A
// failure keeps what an earlier check found of the org.
func SetChecked(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, c Checked) error {
	why, err := rows.ProblemJSON(c.Problem)
	if err != nil {
		return err
	}
	if c.Problem != nil {
		return rows.Must(ctx, tx, missing(), `update connections set state = 'failed', problem = $2, checked_at = $3
			where id = as_uuid($1)`, id, why, c.At)
	}
	access, err := rows.JSON(c.Access)
	if err != nil {
		return err
	}
	return rows.Must(ctx, tx, missing(), `
		update connections set state = 'ready', problem = null, checked_at = $2, org_id = $3, engine = $4, access = $5
		where id = as_uuid($1)`, id, c.At, c.OrgID, c.Engine, access)
}

func missing() error { return problem.New(problem.NotFound, "there is no such connection") }

// Credential is a service app in the org. Its private key is not read with it.
type Credential struct {
	ID           string
	ConnectionID account.ConnectionID
	Purpose      account.Purpose
	ClientID     string // "" until somebody tells it
	KeyID        string
	PublicJWK    []byte // JSON
	Scopes       []string
	State        string // "new", "set", "working", "refused"
	CreatedAt    time.Time
}

const credentialColumns = `id, connection_id, purpose, client_id, key_id, public_jwk, scopes, state, created_at`

// AddCredential stores a key pair that was made for a connection: ConnectionID,
// Purpose, ClientID, KeyID, PublicJWK and Scopes are taken from c. The private key is
// sealed to the workers, with account/connection/purpose as associated data.
func AddCredential(ctx context.Context, tx *postgres.Tx, c Credential, sealedKey []byte) (Credential, error) {
	if c.Scopes == nil {
		c.Scopes = []string{}
	}
	return rows.One[Credential](ctx, tx, "credential", `
		insert into credentials (account_id, connection_id, purpose, client_id, key_id, public_jwk, sealed_key, scopes, state)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		returning `+credentialColumns, tx.Account(), c.ConnectionID, c.Purpose, c.ClientID, c.KeyID, c.PublicJWK,
		sealedKey, c.Scopes, known(c.ClientID))
}

func known(clientID string) string {
	if clientID == "" {
		return "new"
	}
	return "set"
}

// SetClientID stores the client ID that the org gave to the service app, and the
// scopes that it is to ask for.
func SetClientID(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, purpose account.Purpose,
	clientID string, scopes []string,
) (Credential, error) {
	if scopes == nil {
		scopes = []string{}
	}
	return rows.One[Credential](ctx, tx, string(purpose)+" credential", `
		update credentials set client_id = $3, scopes = $4, state = 'set'
		where connection_id = as_uuid($1) and purpose = $2
		returning `+credentialColumns, id, purpose, strings.TrimSpace(clientID), scopes)
}

// ReplaceKey puts another key pair in the place of a credential's: KeyID and PublicJWK
// are taken from c. The service app in the org stays the same.
func ReplaceKey(ctx context.Context, tx *postgres.Tx, c Credential, sealedKey []byte) error {
	return rows.Must(ctx, tx, problem.New(problem.NotFound, "there is no such credential"), `
		update credentials set key_id = $3, public_jwk = $4, sealed_key = $5,
			state = case client_id when '' then 'new' else 'set' end
		where connection_id = as_uuid($1) and purpose = $2`, c.ConnectionID, c.Purpose, c.KeyID, c.PublicJWK, sealedKey)
}

// Credentials lists a connection's credentials, without their private keys.
func Credentials(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Credential, error) {
	return rows.All[Credential](ctx, tx, `select `+credentialColumns+` from credentials
		where connection_id = as_uuid($1) order by purpose`, id)
}

// Sealed is a credential with its private key, still sealed.
type Sealed struct {
	Credential
	SealedKey []byte
}

// SealedCredential reads a credential with its sealed private key: for imago_worker
// and imago_drift. The write credential is NotFound but for a running apply_restore.
func SealedCredential(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, purpose account.Purpose) (Sealed, error) {
	return rows.One[Sealed](ctx, tx, string(purpose)+" credential", `
		select `+credentialColumns+`, sealed_key from credentials
		where connection_id = as_uuid($1) and purpose = $2`, id, purpose)
}

// SetCredentialState stores whether the org takes the credential: "working", "refused".
func SetCredentialState(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, purpose account.Purpose, state string) error {
	return rows.Must(ctx, tx, problem.New(problem.NotFound, "there is no such credential"),
		`update credentials set state = $3 where connection_id = as_uuid($1) and purpose = $2`, id, purpose, state)
}

// WriteClient is the client ID of the service app that restores; "" if there is none:
// for imago_drift, to know our own writes in the org's log.
func WriteClient(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (string, error) {
	c, err := rows.One[struct{ ID string }](ctx, tx, "connection", `select coalesce(write_client(as_uuid($1)), '') as id`, id)
	return c.ID, err
}
