// Command imago-drift follows the log of every connected org and finds drift.
package main

import (
	"context"

	"imago/pkg/blob"
	"imago/pkg/blob/s3"
	"imago/pkg/boot"
	"imago/pkg/envelope"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/envelope/local"
	"imago/pkg/postgres"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/services/drift"
)

// config is the program's environment; -help lists it.
type config struct {
	boot.Common
	drift.Config
	Database boot.File `env:"DATABASE_URL_FILE,required" help:"file with the database's URL, as the role imago_drift"`
	Keys     keyservice.Config
	// AllowLoopbackOrgs is for trying things with a simulated org, as the api's is: else
	// a customer's address must not lead into the service's own network.
	AllowLoopbackOrgs bool      `env:"ALLOW_LOOPBACK_ORGS" help:"true reaches orgs in private networks, and simulated ones; never in production"`
	Box               string    `env:"CREDENTIALS_KEY,required" help:"file of the private key that opens credentials"`
	Store             s3.Config `envPrefix:"STORE_"`
}

func main() {
	boot.Main("imago-drift", "follows the log of every connected org and finds drift", setup)
}

func setup(ctx context.Context, c config, p *boot.Process) error {
	org := okta.New(okta.Options{Public: !c.AllowLoopbackOrgs, Demo: c.DemoOrgs, Part: 0.2}) // the rest is the worker's
	deps := drift.Deps{Providers: []provider.Provider{org}, Log: p.Log, Metrics: p.Metrics}
	var err error
	if deps.Keys, err = c.Keys.Open(ctx); err != nil {
		return err
	}
	if deps.Box, err = local.ReadBoxKey(c.Box); err != nil {
		return err
	}
	if deps.Store, err = c.Store.OpenToRead(ctx); err != nil {
		return err
	}
	if deps.DB, err = postgres.Open(ctx, c.Database.Text(), postgres.Options{}); err != nil {
		return err
	}
	p.OnStop(func() error { deps.DB.Close(); return nil })
	service, err := drift.New(c.Config, deps)
	if err != nil {
		return err
	}
	p.Check("database", service.Ready)
	if p.Looking() { // else it would be asked with every look at /readyz
		p.Check("key service", func(ctx context.Context) error { return envelope.Check(ctx, deps.Keys) })
	}
	p.Check("store", func(ctx context.Context) error { return blob.Ready(ctx, deps.Store) })
	p.Go("jobs", service.Run)
	return nil
}
