package signin

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Token is an API token: a session by which programs act for a member, with the actions
// that it names.
type Token struct {
	ID        string
	Name      string
	Owner     string // address
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time // to the minute; nil: never
}

// MakeToken makes a token of the presented session's person, who has stepped up, and
// answers its ID. OverLimit: they have 50.
func MakeToken(ctx context.Context, tx *postgres.Tx, name string, scopes []account.Action, ends time.Time, token Hash) (string, error) {
	words := make([]string, 0, len(scopes))
	for _, s := range scopes {
		words = append(words, string(s))
	}
	made, err := rows.One[struct{ ID string }](ctx, tx, "token", `select make_token($1, $2, $3, $4)::text as id`, name, words, ends, token[:])
	return made.ID, err
}

// Tokens lists the person's live tokens in the account, newest first; for owners and
// admins, those of all members.
func Tokens(ctx context.Context, tx *postgres.Tx) ([]Token, error) {
	return rows.All[Token](ctx, tx, `select id, name, owner, scopes, created_at, expires_at, used_at from account_tokens()`)
}

// EndToken ends a token at once, and answers its name. NotFound: there is none such, or it
// is another member's and the person's role does not reach there.
func EndToken(ctx context.Context, tx *postgres.Tx, id string) (string, error) {
	ended, err := rows.One[struct{ Name *string }](ctx, tx, "token", `select end_token(as_uuid($1)) as name`, id)
	if err == nil && ended.Name == nil {
		return "", problem.New(problem.NotFound, "there is no such token")
	}
	if err != nil {
		return "", err
	}
	return *ended.Name, nil
}
