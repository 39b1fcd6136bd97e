package signin

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Provider is an account's identity provider, its client's secret sealed (sealed.Sso).
type Provider struct {
	AccountID account.ID
	Issuer    string
	ClientID  string
	Secret    []byte
}

// FindProvider finds, for postgres.Nobody, an account's identity provider by the name that
// people write. NotFound: there is none.
func FindProvider(ctx context.Context, tx *postgres.Tx, slug string) (Provider, error) {
	return rows.One[Provider](ctx, tx, "identity provider", `select account_id, issuer, client_id, secret from find_sso($1, null)`, slug)
}

// ProviderOf finds it by its account.
func ProviderOf(ctx context.Context, tx *postgres.Tx, id account.ID) (Provider, error) {
	return rows.One[Provider](ctx, tx, "identity provider", `select account_id, issuer, client_id, secret from find_sso('', as_uuid($1))`, id)
}

// Sent is somebody who was sent to an identity provider.
type Sent struct {
	Account account.ID // whose provider it is; "": the installation's own
	State   Hash
	Client  Hash
}

func (s Sent) account() any { return rows.Null(string(s.Account)) }

// BeginSso keeps who was sent, and the sealed box that they are looked at with when they
// come back. OverLimit: more than 100 in an hour from one place.
func BeginSso(ctx context.Context, tx *postgres.Tx, s Sent, place Hash, box []byte) error {
	_, err := rows.Exec(ctx, tx, `select begin_sso(as_uuid($1), $2, $3, $4, $5)`, s.account(), s.State[:], s.Client[:], place[:], box)
	return err
}

// Back is what was kept of somebody who comes back.
type Back struct {
	Box   []byte
	Place []byte `db:"ip_hash"`
}

// TakeSso gives what was kept, once: commit it before looking at what they came with.
// Stale: it is over, was taken, or another browser's or provider's.
func TakeSso(ctx context.Context, tx *postgres.Tx, s Sent) (Back, error) {
	b, err := rows.One[Back](ctx, tx, "sign-in", `select box, ip_hash from take_sso(as_uuid($1), $2, $3)`, s.account(), s.State[:], s.Client[:])
	if problem.Is(err, problem.NotFound) {
		err = problem.New(problem.Stale, "this sign-in was begun more than ten minutes ago, in another browser, or is over").WithHint("begin again")
	}
	return b, err
}

// Vouched is whom a provider names.
type Vouched struct {
	Account  account.ID // whose provider it is; "": the installation's own
	Identity Hash       // of account, issuer and subject
	Email    string
	Verified bool // the provider says that the address is theirs
}

// SignInBySso makes of a provider's word what a mailed code is once it was checked: an
// attempt that OpenSession uses up. An account's provider is believed of the account's
// members alone, and of an address only the first time. Denied: it may not let them in.
func SignInBySso(ctx context.Context, tx *postgres.Tx, v Vouched, client Hash, place []byte) (attempt string, of []Membership, err error) {
	found, err := rows.All[struct {
		Code       string
		AccountID  *account.ID
		MemberRole *account.Role
	}](ctx, tx, `select code, account_id, member_role from sign_in_by_sso(as_uuid($1), $2, $3, $4, $5, $6)`,
		rows.Null(string(v.Account)), v.Identity[:], v.Email, v.Verified, client[:], place)
	if err == nil && len(found) == 0 {
		err = notVouched(v)
	}
	for _, f := range found {
		attempt = f.Code
		if f.AccountID != nil {
			of = append(of, Membership{*f.AccountID, *f.MemberRole})
		}
	}
	return attempt, of, err
}

func notVouched(v Vouched) error {
	if !v.Verified {
		return problem.New(problem.Denied, "the identity provider does not say that this address is yours").
			WithHint("have it verified there, or sign in by a mailed code")
	}
	return problem.New(problem.Denied, "nobody whom the identity provider means by you is in the account").
		WithHint("open the link of your invitation, or ask an owner or an admin of the account for one; if you were known there by another login, to remove you first")
}

// EnteredBy is the name of the identity provider by which alone the presented person may
// enter an account of theirs; "": also by this session.
func EnteredBy(ctx context.Context, tx *postgres.Tx, id account.ID) (string, error) {
	answer, err := rows.One[struct{ Name string }](ctx, tx, "answer", `select coalesce(entered_by(as_uuid($1)), '') as name`, id)
	return answer.Name, err
}

// Sso is where an account's members sign in, as its own people see it.
type Sso struct {
	Slug      string
	Issuer    string
	ClientID  string
	Secret    []byte // sealed
	Required  bool
	UpdatedAt time.Time
	Members   int64 // who have come in by it
}

// SsoOf reads the account's identity provider. NotFound: it has none.
func SsoOf(ctx context.Context, tx *postgres.Tx) (Sso, error) {
	return rows.One[Sso](ctx, tx, "identity provider",
		`select slug, issuer, client_id, secret, required, updated_at, (select count(*) from sso_identities) as members from sso_providers`)
}

// SetSso says where the account's members sign in. Conflict: another account goes by that
// name. Stale: it is to be required, and nobody has come in by it yet.
func SetSso(ctx context.Context, tx *postgres.Tx, s Sso) error {
	n, err := rows.Exec(ctx, tx, `
		update sso_providers set slug = $1, issuer = $2, client_id = $3, secret = $4, required = $5, updated_at = now()
		where account_id = current_account()`, s.Slug, s.Issuer, s.ClientID, s.Secret, s.Required)
	if err == nil && n == 0 {
		_, err = rows.Exec(ctx, tx, `
			insert into sso_providers (account_id, slug, issuer, client_id, secret, required)
			values (current_account(), $1, $2, $3, $4, $5)`, s.Slug, s.Issuer, s.ClientID, s.Secret, s.Required)
	}
	return rows.Problem(err)
}

// RemoveSso takes the identity provider away, and ends the sessions that it let in.
func RemoveSso(ctx context.Context, tx *postgres.Tx) error {
	n, err := rows.Exec(ctx, tx, `delete from sso_providers where account_id = current_account()`)
	if err == nil && n == 0 {
		err = problem.New(problem.NotFound, "the account has no identity provider")
	}
	return err
}
