// Package hook makes the calls that an org makes to the outside: verification and
// deliveries of event hooks, and inline hooks. A simulator must not call out, so it calls
// nothing but loopback addresses, whatever a hook's URI says; a host of another kind can
// be led to one.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DefaultTimeout is how long Okta waits for an answer (documented).
const DefaultTimeout = 3 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// Caller calls hooks. It is safe for concurrent use.
type Caller struct {
	client *http.Client
	mu     sync.RWMutex
	hosts  map[string]*url.URL
}

// NewCaller makes a caller that waits so long for each answer.
func NewCaller(timeout time.Duration) *Caller {
	dialer := &net.Dialer{Timeout: timeout, Control: onlyLoopback}
	return &Caller{hosts: map[string]*url.URL{}, client: &http.Client{
		Timeout: timeout,
		// No proxy, and a connection of its own for each call.
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		// A redirect is an answer: it is not followed (documented).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// onlyLoopback refuses every connection that would leave this machine.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", address)
	}
	return nil
}

// Lead leads calls of a host, as it stands in a URI, to another URL, whose host must be a
// loopback address; "" ends that.
func (c *Caller) Lead(host, to string) error {
	if host == "" || strings.ContainsAny(host, "/ ") {
		return errors.New("host is a name, or a name with a port")
	}
	target, err := url.Parse(to)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if to != "" && (target.Scheme != "http" && target.Scheme != "https" || !isLoopback(target.Hostname())) {
		return errors.New("url must begin with http:// or https:// and a loopback address")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if host = strings.ToLower(host); to == "" {
		delete(c.hosts, host)
		return nil
	}
	c.hosts[host] = target
	return nil
}

// Hosts lists which hosts are led where.
func (c *Caller) Hosts() map[string]string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := map[string]string{}
	for host, target := range maps.All(c.hosts) {
		out[host] = target.String()
	}
	return out
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// reach is the URL that is called for a URI; nil if there is none that may be called.
func (c *Caller) reach(uri string) *url.URL {
	u, err := url.Parse(uri)
	if err != nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if to := c.hosts[strings.ToLower(u.Host)]; to != nil {
		u.Scheme, u.Host, u.Path = to.Scheme, to.Host, strings.TrimSuffix(to.Path, "/")+u.Path
		return u
	}
	if isLoopback(u.Hostname()) {
		return u
	}
	return nil
}

// Reaches says whether anybody can be called at the URI.
func (c *Caller) Reaches(uri string) bool { return c.reach(uri) != nil }

// Request is one call.
type Request struct {
	Method, URI string
	Header      http.Header
	Body        []byte
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   []byte
}

// OK says whether the answer is a success.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Call makes the call, and once more after silence or an answer of 500 or more
// (documented); an error says that no answer came.
func (c *Caller) Call(ctx context.Context, r Request) (Answer, error) {
	a, err := c.once(ctx, r)
	if err == nil && a.Status < http.StatusInternalServerError {
		return a, nil
	}
	return c.once(ctx, r)
}

func (c *Caller) once(ctx context.Context, r Request) (answer Answer, err error) {
	target := c.reach(r.URI)
	if target == nil {
		return answer, errors.New("nobody can be called at " + r.URI)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return answer, fmt.Errorf("make the request: %w", err)
	}
	req.Header = r.Header.Clone()
	res, err := c.client.Do(req)
	if err != nil {
		return answer, fmt.Errorf("call the hook: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	answer.Status = res.StatusCode
	answer.Body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("read the answer: %w", err)
	}
	return answer, nil
}

// Silent says whether the error is that no answer came in time.
func Silent(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
