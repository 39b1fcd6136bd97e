package okta

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Name stands in connections and manifests.
const Name = "okta"

// defaultShare of each rate limit is ours unless the org says otherwise. Okta gives
// one app half of every bucket by default, so asking for more would rarely help.
const defaultShare = 0.5

// Options of a Provider; the zero value is for production.
type Options struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Sleep waits, or ends with the context's error; nil: a timer.
	Sleep func(context.Context, time.Duration) error
	// Transport carries the calls; nil: TLS 1.2 or newer, the environment's proxy.
	Transport http.RoundTripper
	// Public refuses orgs at addresses that are not of the public Internet, whatever
	// their names say: for a service in whose network customers must not look around.
	// It has no effect on a Transport that is given, nor where a proxy makes the
	// connections, which has to refuse them itself.
	Public bool
	// Demo is where the operator's simulator of demo orgs answers, as http://oktasim:8080:
	// all calls of demo orgs go there, and nowhere else, and no other org's do. Without it,
	// or with what is no address, demo orgs are away.
	Demo string
	// MaxBody bounds one answer, in bytes; zero: 64 MiB.
	MaxBody int64
	// Part of an org's share is this program's, where others read the same orgs beside
	// it, over 0 up to 1; zero: all of it. What is learned of a rate limit stays in one
	// process, so several keep to the share together only by parting it.
	Part float64
}

// Provider reads and writes Okta orgs. It remembers the token of each org and
// credential, and what was learned of each org's clock and rate limits, so that readers
// may be made as often as is convenient. It is safe for use by many goroutines.
type Provider struct {
	options  Options
	demo     http.RoundTripper // carries the calls of demo orgs
	registry registry

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]*session
	limits   map[string]*limiter // by the org's URL; as long as there is a session with it
}

var _ provider.Provider = (*Provider)(nil)

// session is one org as one service app.
type session struct {
	client *client
	tokens *tokens
	used   time.Time
}

// New makes a provider. It calls nobody.
func New(o Options) *Provider {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = pause
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Part == 0 {
		o.Part = 1
	}
	if o.Transport == nil {
		o.Transport = newTransport(o.Public)
	}
	return &Provider{options: o, demo: newDemo(o.Demo), registry: newRegistry(), sessions: map[[sha256.Size]byte]*session{}, limits: map[string]*limiter{}}
}

// address reads an org's URL, and refuses one that this provider may not reach.
func (p *Provider) address(org account.Org) (*url.URL, error) {
	if org.Demo {
		return url.Parse(org.URL)
	}
	u, err := parseOrg(org.URL)
	if err == nil && p.options.Public && u.Scheme != "https" {
		return nil, notHTTPS()
	}
	return u, err
}

// base carries an org's calls.
func (p *Provider) base(org account.Org) http.RoundTripper {
	if org.Demo {
		return p.demo
	}
	return p.options.Transport
}

// Name is "okta".
func (p *Provider) Name() string { return Name }

// Catalog lists the registered types in reading order.
func (p *Provider) Catalog() resource.Catalog { return p.registry.catalog() }

// Reader reads an org. The credential's purpose must be Read. Nothing is sent yet:
// errors are problems of kind Invalid with the field that is wrong.
func (p *Provider) Reader(ctx context.Context, org account.Org, c account.Credential) (provider.Reader, error) {
	s, err := p.session(ctx, org, c, account.Read)
	if err != nil {
		return nil, err
	}
	return &Reader{session: s, registry: p.registry}, nil
}

// Writer writes an org. The credential's purpose must be Write.
func (p *Provider) Writer(ctx context.Context, org account.Org, c account.Credential) (provider.Writer, error) {
	s, err := p.session(ctx, org, c, account.Write)
	if err != nil {
		return nil, err
	}
	return &Writer{Reader: &Reader{session: s, registry: p.registry}}, nil
}

// session finds or makes the session of an org and credential.
func (p *Provider) session(ctx context.Context, org account.Org, c account.Credential, purpose account.Purpose) (*session, error) {
	if c.Purpose != purpose {
		return nil, problem.InField("purpose", "is %q where a credential to %s is needed", c.Purpose, purpose)
	}
	if org.Share < 0 || org.Share > 1 {
		return nil, problem.InField("share", "must lie between 0 and 1")
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%q", []any{org, c.Purpose, c.ClientID, c.KeyID, c.PrivateKey.Reveal(), c.Scopes}))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetIdle()
	if s := p.sessions[id]; s != nil {
		s.used = p.options.Now()
		return s, nil
	}
	s, err := p.open(ctx, org, c)
	if err == nil {
		p.sessions[id] = s
	}
	return s, err
}

// forgetIdle drops sessions that nobody asked for in an hour: by then the token
// has ended too, and every window of a rate limit.
func (p *Provider) forgetIdle() {
	live := map[string]bool{}
	for id, s := range p.sessions {
		if p.options.Now().Sub(s.used) > time.Hour {
			delete(p.sessions, id)
		} else {
			live[s.client.org.String()] = true
		}
	}
	maps.DeleteFunc(p.limits, func(org string, _ *limiter) bool { return !live[org] })
}

// limiter is the one of an org, which all of its sessions share.
func (p *Provider) limiter(org *url.URL) *limiter {
	l := p.limits[org.String()]
	if l == nil {
		l = &limiter{clock: &clock{now: p.options.Now, sleep: p.options.Sleep}, buckets: map[string]*bucket{}}
		p.limits[org.String()] = l
	}
	return l
}

func (p *Provider) open(ctx context.Context, org account.Org, c account.Credential) (*session, error) {
	u, err := p.address(org)
	if err != nil {
		return nil, err
	}
	if org.Share == 0 {
		org.Share = defaultShare
	}
	limits := p.limiter(u)
	tokens, err := newTokens(p.base(org), limits.clock, u, c)
	if err != nil {
		return nil, err
	}
	client, err := newClient(ctx, &transport{
		base: p.base(org), org: u, clock: limits.clock, tokens: tokens, maxBody: p.options.MaxBody,
		limits: limits, share: org.Share, part: p.options.Part,
	})
	if err != nil {
		return nil, err
	}
	return &session{client: client, tokens: tokens, used: p.options.Now()}, nil
}
