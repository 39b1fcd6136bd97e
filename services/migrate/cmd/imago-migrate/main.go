// Command imago-migrate brings the database to the schema of this release.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"imago/services/migrate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := migrate.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
