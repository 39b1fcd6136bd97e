package standalone

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // schedules name time zones, and a bare machine has none

	"imago/pkg/boot"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/postgres/cluster"
	"imago/services/migrate"
)

// Main is imagod, from its command line and environment to its exit code.
func Main() {
	if len(os.Args) == 3 && strings.TrimLeft(os.Args[1], "-") == "make-keys" {
		os.Exit(makeKeys(os.Args[2], os.Stdout, os.Stderr))
	}
	if a, ok, err := migrate.ReadAnnouncement(os.Args[1:]); ok || err != nil {
		os.Exit(announce(context.Background(), a, err, os.Stdout, os.Stderr))
	}
	rest, err := ApplyFlags(os.Args[1:], os.Setenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, help())
		rest = []string{"-help"} // boot goes on with the variables
	case err != nil:
		fmt.Fprintf(os.Stderr, "imagod: %v (imagod --help shows the flags)\n", err)
		os.Exit(2)
	}
	os.Args = append(os.Args[:1], rest...)
	if err := os.Unsetenv("IMAGO_SERVER"); err != nil { // the customer's program's, not ours
		fmt.Fprintln(os.Stderr, "imagod:", err)
		os.Exit(1)
	}
	boot.Main("imagod", "is all of Imago in one program", setup)
}

// announce mails a product update through the imagod that runs on the data directory.
func announce(ctx context.Context, a migrate.Announcement, wrong error, out, errs io.Writer) int {
	if wrong != nil {
		fmt.Fprintln(errs, "imagod:", wrong)
		return 2
	}
	url, err := runningURL(cmp.Or(a.Data, os.Getenv("IMAGO_DATA")))
	if err != nil {
		fmt.Fprintln(errs, "imagod:", err)
		return 1
	}
	return a.Send(ctx, "imagod", url, out, errs)
}

// runningURL reaches the database of the imagod that runs on a data directory; "": the usual.
func runningURL(dir string) (_ string, err error) {
	if dir == "" {
		if dir, err = DefaultData(os.Getenv); err != nil {
			return "", err
		}
	}
	return cluster.URLOf(filepath.Join(dir, "postgres"), databaseName, cluster.Superuser)
}

// makeKeys makes the keys of an installation of several machines; those that are there stay.
func makeKeys(dir string, out, errs io.Writer) int {
	p, err := openPlace(dir)
	if err == nil {
		_, err = p.openKeys(context.Background(), time.Now(), keyservice.Remote{}, false)
		err = errors.Join(err, p.close())
	}
	if err != nil {
		fmt.Fprintln(errs, "imagod:", err)
		return 1
	}
	fmt.Fprintf(out, "%s holds master.keys (api, worker, drift), credentials.key (worker, drift) and credentials.pub (api).\n"+
		"Keep a copy of the first two elsewhere: without master.keys no snapshot opens.\n", p.dir)
	return 0
}

// setup starts everything and tells where it is. To look, the configuration's own
// validation is enough: what imagod needs, it makes when it starts.
func setup(ctx context.Context, c Config, p *boot.Process) error {
	if p.Looking() {
		return nil
	}
	description, err := Setup(ctx, c, p, os.Getenv)
	if err != nil {
		return err
	}
	_, err = fmt.Print(description)
	return err
}
