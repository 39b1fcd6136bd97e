// Package migrate is the command that brings the database to the schema of a release:
// the owner runs it, once for each, before the programs start.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"imago/pkg/account"
	"imago/pkg/postgres/migrate"
	"imago/pkg/problem"
)

// usage explains the command.
const usage = `imago-migrate brings the database to the schema of this release.

  imago-migrate          run what is left to be run; safe to repeat, and side by side
  imago-migrate -check   change nothing; exit 3 if something is left to be run

It is configured by the environment:
  IMAGO_DATABASE_URL_FILE          file with the URL of the database, as its owner (required)
  IMAGO_API_PASSWORD_FILE          file with the password that the role imago_api is to have
  IMAGO_WORKER_PASSWORD_FILE       the same for imago_worker
  IMAGO_DRIFT_PASSWORD_FILE        the same for imago_drift

The owner needs createrole the first time. It need not be a superuser.
`

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLeft   = 3
)

// Config is what the command works on.
type Config struct {
	URL       account.Secret            // of the database, as its owner
	Passwords map[string]account.Secret // by role; the others keep what they have
}

// Load reads the configuration from the environment, and tells all that is wrong.
func Load(getenv func(string) string) (Config, error) {
	c := Config{Passwords: map[string]account.Secret{}}
	var wrong []error
	read := func(name string) account.Secret {
		text, err := os.ReadFile(getenv(name))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		} else if strings.TrimSpace(string(text)) == "" {
			wrong = append(wrong, fmt.Errorf("%s: %s is empty", name, getenv(name)))
		}
		return account.Secret(strings.TrimSpace(string(text)))
	}
	if getenv("IMAGO_DATABASE_URL_FILE") == "" {
		wrong = append(wrong, errors.New("IMAGO_DATABASE_URL_FILE: it is missing"))
	} else {
		c.URL = read("IMAGO_DATABASE_URL_FILE")
	}
	for _, role := range migrate.Roles() {
		name := strings.ToUpper(role) + "_PASSWORD_FILE"
		if getenv(name) != "" {
			c.Passwords[role] = read(name)
		}
	}
	return c, errors.Join(wrong...)
}

// Run migrates, and sets the passwords that were given.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	log.Info("migrating")
	result, err := migrate.Run(ctx, c.URL.Reveal())
	if err != nil {
		return err
	}
	log.Info("migrated", "version", result.Version, "applied", len(result.Applied), "river", len(result.River))
	if len(c.Passwords) == 0 {
		return nil
	}
	return migrate.SetPasswords(ctx, c.URL.Reveal(), c.Passwords)
}

// Main is the command: it gives the exit code.
func Main(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) int {
	check := len(args) == 1 && strings.TrimLeft(args[0], "-") == "check"
	if len(args) > 0 && !check {
		if _, err := fmt.Fprint(errs, usage); err != nil || strings.TrimLeft(args[0], "-") != "help" {
			return exitUsage
		}
		return exitDone
	}
	c, err := Load(getenv)
	if err != nil {
		return say(errs, exitUsage, "imago-migrate: the configuration is wrong:\n  %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	if check {
		switch err := migrate.Check(ctx, c.URL.Reveal()); {
		case problem.Is(err, problem.Stale):
			return say(errs, exitLeft, "imago-migrate: %s\n", err)
		case err != nil:
			return say(errs, exitFailed, "imago-migrate: %s\n", err)
		}
		return say(out, exitDone, "imago-migrate: the schema is that of this release\n")
	}
	if err := Run(ctx, c, slog.New(slog.NewJSONHandler(errs, nil))); err != nil {
		return say(errs, exitFailed, "imago-migrate: %s\n", err)
	}
	return exitDone
}

// say prints, and gives the exit code; one that could not print has failed.
func say(w io.Writer, code int, format string, args ...any) int {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return exitFailed
	}
	return code
}
