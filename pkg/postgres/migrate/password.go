package migrate

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imago/pkg/account"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// roles are the programs' roles.
func roles() []string { return []string{"imago_api", "imago_worker", "imago_drift"} }

// SetPasswords gives the programs' roles their passwords, by role. Only verifiers are
// sent to the server, so that no password is in its log.
func SetPasswords(ctx context.Context, url string, passwords map[string]account.Secret) error {
	err := locked(ctx, url, func(_ *pgxpool.Pool, db *sql.DB) error {
		for _, role := range roles() {
			password, ok := passwords[role]
			if !ok {
				continue
			}
			if err := setPassword(ctx, db, role, password); err != nil {
				return fmt.Errorf("set password of %s: %w", role, err)
			}
		}
		return nil
	})
	return rows.Problem(err)
}

func setPassword(ctx context.Context, db *sql.DB, role string, password account.Secret) error {
	if len(password) < 12 {
		return problem.New(problem.Invalid, "the password of %s has fewer than 12 characters", role)
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	v, err := verifier(password, salt)
	if err != nil {
		return err
	}
	// The verifier is base64 and a few signs, none of them a quote.
	_, err = db.ExecContext(ctx, fmt.Sprintf("alter role %s password '%s'", pgx.Identifier{role}.Sanitize(), v))
	return err
}

// verifier makes what Postgres stores for SCRAM-SHA-256 (RFC 5803, RFC 7677).
func verifier(password account.Secret, salt []byte) (string, error) {
	const rounds = 4096
	salted, err := pbkdf2.Key(sha256.New, password.Reveal(), salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	sign := func(message string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(message))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(sign("Server Key"))), nil
}
