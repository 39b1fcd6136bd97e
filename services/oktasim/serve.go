package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/control"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
	"imago/services/oktasim/internal/seed"
)

// serve runs both ports until ctx ends, then saves and stops.
func serve(ctx context.Context, c Config, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	o, err := openOrg(c)
	if err != nil {
		return err
	}
	host := api.NewHost(o, limit.New(limit.Options{Plan: c.RatePlan, Multiplier: c.RateMultiplier}))
	public := api.New(host, log)
	door, written, err := recording(public, c)
	if err != nil {
		return err
	}
	p, err := listen(c, o.Clock().Now)
	if err != nil {
		return errors.Join(err, written())
	}
	o.SetBase(p.url(c))
	port := control.New(public, log)
	kept := newStore(c.State, public)
	if err := kept.loadGuests(port); err != nil {
		return errors.Join(err, p.close(), written())
	}
	servers, failed := p.serve(door, port)
	if err := p.ready(c).announce(stdout, c.ReadyFile); err != nil {
		return errors.Join(err, stop(servers), written())
	}
	err = kept.follow(ctx, failed)
	err = errors.Join(err, stop(servers), written())
	host.Settle()
	return errors.Join(err, kept.save())
}

// stop lets running requests end, for a moment.
func stop(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var errs []error
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// openOrg loads the state file, or makes a new org and furnishes it.
func openOrg(c Config) (*org.Org, error) {
	o, err := org.New(clock.New(nil), org.Options{
		Engine: c.Engine, Seed: 1, Subdomain: "acme-robotics", Company: "Acme Robotics",
	})
	if err != nil {
		return nil, err
	}
	loaded, err := load(o, c.State)
	if err != nil || loaded || c.Seed == "" {
		return o, err
	}
	plan := seed.Plan{Preset: c.Seed}
	if c.Seed != "demo" {
		if plan, err = readPlan(c.Seed); err != nil {
			return nil, fmt.Errorf("read the seed plan: %w", err)
		}
	}
	if _, err := seed.Fill(o, plan); err != nil {
		return nil, fmt.Errorf("seed the org: %w", err)
	}
	return o, nil
}

// readPlan reads a plan; a misspelt field is an error.
func readPlan(file string) (p seed.Plan, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return p, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return p, dec.Decode(&p)
}

// newMark is at the end of the names of files that are being written.
const newMark = ".new"

// writeWhole replaces a file at once: readers see the old or the new, never a part.
func writeWhole(file string, write func(io.Writer) error) (err error) {
	tmp := file + newMark
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	return nil
}
