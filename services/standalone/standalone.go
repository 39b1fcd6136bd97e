// Package standalone is all of Imago in one process on one machine: api, worker and
// drift monitor as they run in production, each with its own database role, over a
// private Postgres and an S3 server inside.
package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/retry"
	"imago/pkg/blob/s3"
	"imago/pkg/boot"
	"imago/pkg/notify"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/services/api"
	"imago/services/drift"
	"imago/services/standalone/gateway"
	"imago/services/worker"
)

// ground is what the services stand on.
type ground struct {
	place    *place
	keys     keys
	mail     notify.Sender
	database *database
	store    blob.Store
}

// Setup makes or opens the installation, from the ground up: directory, keys,
// database, bucket, services. It adds them to the process, which starts the services
// together and stops everything in the opposite order, and it answers for people
// where everything is.
func Setup(ctx context.Context, c Config, p *boot.Process, getenv func(string) string) (string, error) {
	told := c.API.PublicURL != ""
	c = c.addressed()
	g, err := open(ctx, c, p, getenv)
	if err != nil {
		return "", err
	}
	front, err := g.assemble(c, p)
	if err != nil {
		return "", err
	}
	if !told && c.API.PublicURL != "" {
		front = homeward(c.API.PublicURL, c.listener().Addr, front)
	}
	mux := http.NewServeMux()
	mux.Handle("/", front)
	for _, path := range []string{"/healthz", "/readyz"} {
		mux.Handle(path, p.Health())
	}
	address, err := p.Listen(ctx, "api", c.listener(), mux)
	if err != nil {
		return "", err
	}
	return g.describe(c, p.Version, address), nil
}

// open opens what lies below the services.
func open(ctx context.Context, c Config, p *boot.Process, getenv func(string) string) (g ground, err error) {
	if c.Data == "" {
		if c.Data, err = DefaultData(getenv); err != nil {
			return g, err
		}
	}
	if g.place, err = openPlace(c.Data); err != nil {
		return g, err
	}
	p.OnStop(g.place.close)
	if g.keys, err = g.place.openKeys(ctx, time.Now(), c.Keys, c.NewKey); err != nil {
		return g, err
	}
	if g.mail, err = c.Mail.sender(g.place.path("mail"), time.Now); err != nil {
		return g, err
	}
	if err = g.place.makeObjects(); err != nil {
		return g, err
	}
	if g.database, err = openDatabase(ctx, g.place.path("postgres")); err != nil {
		return g, err
	}
	p.OnStop(g.database.close)
	p.Go("postgres", g.database.watch)
	g.store, err = openStore(ctx, g.place.path("objects"), p)
	return g, err
}

// openStore starts the S3 server and opens its bucket, by the same client that
// speaks to Amazon's.
func openStore(ctx context.Context, dir string, p *boot.Process) (blob.Store, error) {
	server, err := gateway.Start(ctx, dir, gateway.Options{Log: p.Log.With("part", "objects")})
	if err != nil {
		return nil, err
	}
	p.OnStop(server.Close)
	p.Go("objects", server.Watch)
	p.Check("objects", server.Ready)
	store, err := s3.New(ctx, server.Bucket, s3.Options{
		Endpoint: server.Endpoint, Region: server.Region, PathStyle: true, Encryption: "none",
		AccessKeyID: server.AccessKeyID, SecretAccessKey: account.Secret(server.SecretAccessKey),
	})
	if err != nil {
		return nil, err
	}
	p.OnStop(func() error {
		store.Close()
		return nil
	})
	return retry.New(store, retry.Options{})
}

// assemble makes the three services, each with what it may touch and no more. It
// answers the one that is reached from outside.
func (g ground) assemble(c Config, p *boot.Process) (http.Handler, error) {
	part := func(name string) (*slog.Logger, prometheus.Registerer) {
		return p.Log.With("part", name), prometheus.WrapRegistererWith(prometheus.Labels{"part": name}, p.Metrics)
	}
	shop, err := c.Stripe.processor()
	if err != nil {
		return nil, err
	}
	org := okta.New(okta.Options{Public: !c.API.AllowLoopbackOrgs, Demo: c.Worker.DemoOrgs})
	events, err := c.Mail.listener()
	if err != nil {
		return nil, err
	}
	log, metrics := part("api")
	front, apiErr := api.New(c.API, api.Deps{
		DB: g.database.api, Store: g.store, Keys: g.keys.master, Box: g.keys.box.PublicKey(), Provider: org, Billing: shop, Log: log, Metrics: metrics,
		MailEvents: events,
	})
	log, metrics = part("worker")
	hands, workerErr := worker.New(c.Worker, worker.Deps{
		DB: g.database.worker, Store: g.store, Keys: g.keys.master, Box: g.keys.box, Providers: []provider.Provider{org}, Mail: g.mail, Billing: shop,
		Software: "imagod " + p.Version, Log: log, Metrics: metrics,
	})
	log, metrics = part("drift")
	eyes, driftErr := drift.New(c.Drift, drift.Deps{
		DB: g.database.drift, Store: g.store, Keys: g.keys.master, Box: g.keys.box, Providers: []provider.Provider{org}, Log: log, Metrics: metrics,
	})
	if err := errors.Join(apiErr, workerErr, driftErr); err != nil {
		return nil, fmt.Errorf("prepare the services: %w", err)
	}
	p.Go("worker", hands.Run)
	p.Go("drift", eyes.Run)
	p.Check("api", front.Ready)
	p.Check("worker", hands.Ready)
	p.Check("drift", eyes.Ready)
	return front, nil
}
