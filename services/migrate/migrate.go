// Package migrate is the command that brings the database to the schema of a release:
// the owner runs it, once for each, before the programs start.
package migrate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"imago/pkg/account"
	"imago/pkg/boot"
	"imago/pkg/postgres/migrate"
	"imago/pkg/problem"
)

// summary says what the command does.
const summary = "brings the database to the schema of this release"

// usage explains the command.
const usage = `imago-migrate ` + summary + `.

  imago-migrate              run what is left to be run; safe to repeat, and side by side
  imago-migrate -check       change nothing; exit 3 if something is left to be run
  imago-migrate -announce FILE -subject TEXT [-dry-run]
                             mail FILE, Markdown or plain text, to everybody who asked for
                             product updates, once each, also if it is run again;
                             -dry-run: only say how many they are
  imago-migrate -keyrings    say which master key wraps how many accounts' keyrings; exit 3 while
                             some wait to be wrapped anew
  imago-migrate -rewrap      have the workers wrap every keyring anew, by the key service that
                             they use: after a new master key, or another key service
  imago-migrate -reference   print the variables as a table in Markdown, and exit

The owner needs createrole the first time. It need not be a superuser.

`

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLeft   = 3
)

// Config is what the command works on. A role whose password is not given keeps what it has.
type Config struct {
	Database boot.File `env:"DATABASE_URL_FILE,required" help:"file with the database's URL, as its owner"`
	API      boot.File `env:"API_PASSWORD_FILE" help:"file with the password that the role imago_api is to have"`
	Worker   boot.File `env:"WORKER_PASSWORD_FILE" help:"file with the password that the role imago_worker is to have"`
	Drift    boot.File `env:"DRIFT_PASSWORD_FILE" help:"file with the password that the role imago_drift is to have"`
}

// url is the database's, as its owner.
func (c Config) url() string { return c.Database.Text() }

// passwords are those that were given, by role.
func (c Config) passwords() map[string]account.Secret {
	out := map[string]account.Secret{}
	for role, f := range map[string]boot.File{"imago_api": c.API, "imago_worker": c.Worker, "imago_drift": c.Drift} {
		if f.Set() {
			out[role] = f.Secret()
		}
	}
	return out
}

// Run migrates, and sets the passwords that were given.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	log.Info("migrating")
	result, err := migrate.Run(ctx, c.url())
	if err != nil {
		return err
	}
	log.Info("migrated", "version", result.Version, "applied", len(result.Applied), "river", len(result.River))
	if passwords := c.passwords(); len(passwords) > 0 {
		return migrate.SetPasswords(ctx, c.url(), passwords)
	}
	return nil
}

// Main is the command: it gives the exit code.
func Main(ctx context.Context, args, environ []string, out, errs io.Writer) int {
	if a, ok, err := ReadAnnouncement(args); err != nil {
		return max(exitUsage, say(errs, exitDone, "imago-migrate: %s\n", err))
	} else if ok {
		return announce(ctx, a, environ, out, errs)
	}
	if k, ok, err := ReadKeyrings(args); err != nil {
		return max(exitUsage, say(errs, exitDone, "imago-migrate: %s\n", err))
	} else if ok {
		return aboutKeyrings(ctx, k, environ, out, errs)
	}
	asked := ""
	if len(args) > 0 {
		asked = strings.TrimLeft(args[0], "-")
	}
	switch {
	case len(args) > 1, !slices.Contains([]string{"", "check", "reference", "help"}, asked):
		return help(errs, exitUsage)
	case asked == "help":
		return help(errs, exitDone)
	case asked == "reference":
		return say(out, exitDone, "%s", boot.Reference[Config]("imago-migrate", summary))
	}
	c, err := boot.Load[Config](environ)
	if err != nil {
		return wrong(errs, err)
	}
	if asked == "check" {
		return check(ctx, c, out, errs)
	}
	if err := Run(ctx, c, slog.New(slog.NewJSONHandler(errs, nil))); err != nil {
		return say(errs, exitFailed, "imago-migrate: %s\n", err)
	}
	return exitDone
}

func help(errs io.Writer, code int) int {
	code = max(code, say(errs, exitDone, "%s", usage))
	boot.Variables[Config](errs)
	return code
}

// check says whether something is left to be run.
func check(ctx context.Context, c Config, out, errs io.Writer) int {
	switch err := migrate.Check(ctx, c.url()); {
	case problem.Is(err, problem.Stale):
		return say(errs, exitLeft, "imago-migrate: %s\n", err)
	case err != nil:
		return say(errs, exitFailed, "imago-migrate: %s\n", err)
	}
	return say(out, exitDone, "imago-migrate: the schema is that of this release\n")
}

// say prints, and gives the exit code; one that could not print has failed.
func say(w io.Writer, code int, format string, args ...any) int {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return exitFailed
	}
	return code
}
