package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// patience is how long a look at the running program may take: a container's health
	// check waits for it.
	patience = 10 * time.Second
	// thorough is how long each step of a look at the neighbours may take: longer than the
	// attempts of any client of ours, which know better why nobody answers.
	thorough = 30 * time.Second
)

// look opens what the program needs and says of each whether it answers, without serving
// anything or changing anything: for -check. Each step has its own time, so that a
// neighbour that does not answer is not told of those after it.
func (p *Process) look(ctx context.Context, w world, within time.Duration, setup func(context.Context) error) int {
	p.looking = true
	code := say(w.out, exitDone, "%s: the configuration is right\n", p.Name)
	opening, cancel := context.WithTimeout(ctx, within)
	defer cancel() // not before: what was opened is asked below
	if err := setup(opening); err != nil {
		code = say(w.err, exitFailed, "%s: it could not start:\n%s\n", p.Name, indent(err))
	}
	for _, c := range p.checks {
		if err := c.within(ctx, within); err != nil {
			code = say(w.err, exitFailed, "%s: %s: %s\n", p.Name, c.name, err)
		} else {
			code = max(code, say(w.out, exitDone, "%s: %s: ok\n", p.Name, c.name))
		}
	}
	for _, line := range p.told {
		code = max(code, say(w.out, exitDone, "%s: %s\n", p.Name, line))
	}
	if err := p.close(); err != nil {
		return say(w.err, exitFailed, "%s: %s\n", p.Name, err)
	}
	return code
}

// within asks whether a check holds, for no longer than that.
func (c check) within(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return c.holds(ctx)
}

// ask asks the program that runs beside this one whether it is ready: for -ready, by which
// a container without a shell has its health checked.
func (p *Process) ask(ctx context.Context, w world, health Listener) int {
	if health.Addr == "" || health.secure() {
		return say(w.err, exitConfig, "%s: IMAGO_HEALTH_ADDR: -ready asks there, and needs it on a loopback address, without TLS\n", p.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said, err := readiness(ctx, "http://"+health.Addr+"/readyz")
	if err != nil {
		return say(w.err, exitFailed, "%s: not ready: %s\n", p.Name, err)
	}
	return say(w.out, exitDone, "%s", said)
}

// readiness is what /readyz answers; an error if that is not 200.
func readiness(ctx context.Context, url string) (said []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	said, err = io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", said)
	}
	return said, err
}
