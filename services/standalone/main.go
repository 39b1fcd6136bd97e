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
	"imago/pkg/envelope/local"
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
	if len(os.Args) == 3 && strings.TrimLeft(os.Args[1], "-") == "new-master-key" {
		os.Exit(newMasterKey(os.Args[2], os.Stdout, os.Stderr))
	}
	if k, ok, err := migrate.ReadKeyrings(os.Args[1:]); ok || err != nil {
		os.Exit(aboutKeyrings(context.Background(), k, err, os.Stdout, os.Stderr))
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
	return beside(a.Data, wrong, errs, func(url string) int { return a.Send(ctx, "imagod", url, out, errs) })
}

// aboutKeyrings has keyrings wrapped anew by the imagod that runs on the data directory.
func aboutKeyrings(ctx context.Context, k migrate.Keyrings, wrong error, out, errs io.Writer) int {
	return beside(k.Data, wrong, errs, func(url string) int { return k.Do(ctx, "imagod", url, out, errs) })
}

// beside does something in the database of the imagod that runs on a data directory.
func beside(data string, wrong error, errs io.Writer, do func(url string) int) int {
	if wrong != nil {
		fmt.Fprintln(errs, "imagod:", wrong)
		return 2
	}
	url, err := runningURL(cmp.Or(data, os.Getenv("IMAGO_DATA")))
	if err != nil {
		fmt.Fprintln(errs, "imagod:", err)
		return 1
	}
	return do(url)
}

// newMasterKey adds a master key to the file in a directory. It wraps from the next start on.
func newMasterKey(dir string, out, errs io.Writer) int {
	ks, err := local.Open(filepath.Join(dir, "master.keys"))
	if err == nil {
		ks, err = ks.Rotate(time.Now())
	}
	if err != nil {
		fmt.Fprintln(errs, "imagod:", err)
		return 1
	}
	fmt.Fprintf(out, "%s has master key %d, beside the older ones. Copy it to where the other programs and your safe have it,\n"+
		"start every program anew, and have the keyrings wrapped by it: imago-migrate -rewrap, or imagod --rewrap.\n", filepath.Join(dir, "master.keys"), ks.Version())
	return 0
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
