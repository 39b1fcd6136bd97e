package migrate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"imago/pkg/boot"
	"imago/pkg/postgres/updates"
)

// Announcement is a product update as a command line names it.
type Announcement struct {
	File    string // Markdown or plain text
	Subject string
	Data    string // imagod's data directory; "": not named
	DryRun  bool
}

// ReadAnnouncement reads the flags of a product update; ok: the command line is about one.
func ReadAnnouncement(args []string) (a Announcement, ok bool, err error) {
	if !slices.ContainsFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return strings.HasPrefix(arg, "-") && name == "announce"
	}) {
		return a, false, nil
	}
	f := flag.NewFlagSet("announce", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&a.File, "announce", "", "")
	f.StringVar(&a.Subject, "subject", "", "")
	f.StringVar(&a.Data, "data", "", "")
	f.BoolVar(&a.DryRun, "dry-run", false, "")
	if err := f.Parse(args); err != nil {
		return a, false, err
	}
	switch {
	case f.NArg() > 0:
		return a, false, fmt.Errorf("%q is not a flag", f.Arg(0))
	case a.File == "" || a.Subject == "":
		return a, false, errors.New("a product update needs a file and a subject: -announce FILE -subject TEXT")
	}
	return a, true, nil
}

// Send has the update sent by the workers of the database that the URL names, as its
// owner, or only says to how many it would be; it gives the exit code.
func (a Announcement) Send(ctx context.Context, program, url string, out, errs io.Writer) int {
	u, err := a.read()
	if err == nil {
		err = u.Validate()
	}
	if err != nil {
		return max(exitUsage, say(errs, exitDone, "%s: %s\n", program, err))
	}
	do, form := updates.Announce, "%s will get it, by the workers that send mail\n"
	if a.DryRun {
		do, form = updates.Count, "%s would get it; nothing was sent\n"
	}
	n, err := do(ctx, url, u)
	if err != nil {
		return max(exitFailed, say(errs, exitDone, "%s: %s\n", program, err))
	}
	return say(out, exitDone, form, people(n))
}

// read reads the file.
func (a Announcement) read() (updates.Update, error) {
	text, err := os.ReadFile(a.File)
	return updates.Update{Subject: strings.TrimSpace(a.Subject), Body: strings.TrimSpace(string(text))}, err
}

func people(n int) string {
	if n == 1 {
		return "1 person who asked for product updates"
	}
	return fmt.Sprintf("%d people who asked for product updates", n)
}

// announce is the command of imago-migrate.
func announce(ctx context.Context, a Announcement, environ []string, out, errs io.Writer) int {
	c, err := boot.Load[Config](environ)
	if err != nil {
		return wrong(errs, err)
	}
	return a.Send(ctx, "imago-migrate", c.url(), out, errs)
}

// wrong tells what is wrong with the configuration.
func wrong(errs io.Writer, err error) int {
	return say(errs, exitUsage, "imago-migrate: the configuration is wrong:\n  %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
}
