package standalone

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	_ "time/tzdata" // schedules name time zones, and a bare machine has none

	"imago/pkg/boot"
)

// Main is imagod, from its command line and environment to its exit code.
func Main() {
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

// setup starts everything and tells where it is.
func setup(ctx context.Context, c Config, p *boot.Process) error {
	description, err := Setup(ctx, c, p, os.Getenv)
	if err != nil {
		return err
	}
	_, err = fmt.Print(description)
	return err
}
