package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"

	"imago/services/oktasim/internal/api"
)

// Config is what serve is told.
type Config struct {
	// Listen and Control are the addresses of the two ports; both loopback, port 0 is
	// any free one.
	Listen, Control string
	// HTTPS is the address of a second port for the org, with a certificate of the
	// simulator's own authority; "" for none.
	HTTPS string
	// AuthorityFile receives that authority's certificate.
	AuthorityFile string
	// URL is the org's own, "" for the HTTPS port's, or the plain one's without it.
	URL string
	// Engine is "oie" or "classic".
	Engine string
	// State is the file that keeps the org between runs; "" for none.
	State string
	// Seed is "demo", a file with a plan, or "".
	Seed string
	// RatePlan and RateMultiplier choose the rate limits.
	RatePlan       string
	RateMultiplier float64
	// ReadyFile receives the ready line; "" for none.
	ReadyFile string
	// Record receives a line for each exchange, as replay reads them; "" for none.
	Record string
}

// parseConfig reads the flags of serve and names everything that is wrong with them.
func parseConfig(args []string) (Config, error) {
	var c Config
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.Listen, "listen", "127.0.0.1:0", "")
	f.StringVar(&c.Control, "control", "127.0.0.1:0", "")
	f.StringVar(&c.HTTPS, "https", "", "")
	f.StringVar(&c.AuthorityFile, "authority-file", "", "")
	f.StringVar(&c.URL, "url", "", "")
	f.StringVar(&c.Engine, "engine", "oie", "")
	f.StringVar(&c.State, "state", "", "")
	f.StringVar(&c.Seed, "seed", "", "")
	f.StringVar(&c.RatePlan, "rate-plan", "workforce", "")
	f.Float64Var(&c.RateMultiplier, "rate-multiplier", 1, "")
	f.StringVar(&c.ReadyFile, "ready-file", "", "")
	f.StringVar(&c.Record, "record", "", "")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	return c, c.check(f.Args())
}

func (c Config) check(rest []string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	if c.Engine != "oie" && c.Engine != "classic" {
		errs = append(errs, fmt.Errorf("--engine %q is neither oie nor classic", c.Engine))
	}
	if !slices.Contains([]string{"workforce", "enterprise", "free"}, c.RatePlan) {
		errs = append(errs, fmt.Errorf("--rate-plan %q is not workforce, enterprise or free", c.RatePlan))
	}
	if c.RateMultiplier <= 0 {
		errs = append(errs, errors.New("--rate-multiplier must be more than 0"))
	}
	if (c.HTTPS == "") != (c.AuthorityFile == "") {
		errs = append(errs, errors.New("--https and --authority-file belong together: nobody trusts an authority whose certificate is not known"))
	}
	if c.URL != "" {
		if err := api.CheckURL(c.URL); err != nil {
			errs = append(errs, fmt.Errorf("--url: %w", err))
		}
	}
	return errors.Join(append(errs, c.checkAddresses()...)...)
}

func (c Config) checkAddresses() []error {
	var errs []error
	for _, a := range []struct{ flag, address string }{{"--listen", c.Listen}, {"--control", c.Control}, {"--https", c.HTTPS}} {
		if a.address == "" && a.flag == "--https" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.flag, err))
		}
	}
	return errs
}
