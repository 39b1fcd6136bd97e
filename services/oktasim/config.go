package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
)

// Config is what serve is told.
type Config struct {
	// Listen and Control are the addresses of the two ports; both loopback, port 0 is
	// any free one.
	Listen, Control string
	// URL is the org's own, "" for http:// and the listen address.
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
}

// parseConfig reads the flags of serve and names everything that is wrong with them.
func parseConfig(args []string) (Config, error) {
	var c Config
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.Listen, "listen", "127.0.0.1:0", "")
	f.StringVar(&c.Control, "control", "127.0.0.1:0", "")
	f.StringVar(&c.URL, "url", "", "")
	f.StringVar(&c.Engine, "engine", "oie", "")
	f.StringVar(&c.State, "state", "", "")
	f.StringVar(&c.Seed, "seed", "", "")
	f.StringVar(&c.RatePlan, "rate-plan", "workforce", "")
	f.Float64Var(&c.RateMultiplier, "rate-multiplier", 1, "")
	f.StringVar(&c.ReadyFile, "ready-file", "", "")
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
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("--listen: %w", err))
	}
	if _, _, err := net.SplitHostPort(c.Control); err != nil {
		errs = append(errs, fmt.Errorf("--control: %w", err))
	}
	return errors.Join(errs...)
}
