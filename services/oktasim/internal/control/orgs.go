package control

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// Port is the control port: it makes and ends orgs, and hands everything else on to the
// part for the org that the path names, /control/v1/orgs/NAME/…, or for the default one.
type Port struct {
	public *api.Server
	log    *slog.Logger
	mux    *http.ServeMux
	mu     sync.Mutex
	parts  map[*api.Host]*Server
}

// New makes the control port of a server.
func New(public *api.Server, log *slog.Logger) *Port {
	p := &Port{public: public, log: log, mux: http.NewServeMux(), parts: map[*api.Host]*Server{}}
	home := p.part(public.Home())
	p.mux.Handle("/", home)
	p.mux.HandleFunc("GET /control/v1/orgs", home.handle(p.list))
	p.mux.HandleFunc("POST /control/v1/orgs", home.handle(p.create))
	p.mux.HandleFunc("DELETE /control/v1/orgs/{name}", home.handle(p.remove))
	p.mux.HandleFunc("/control/v1/orgs/{name}/", p.forward)
	return p
}

// ServeHTTP answers one request.
func (p *Port) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// part is the one for an org.
func (p *Port) part(h *api.Host) *Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parts[h] == nil {
		p.parts[h] = newServer(h, p.log)
	}
	return p.parts[h]
}

func (p *Port) forward(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	g := p.public.Guest(name)
	if g == nil {
		p.part(p.public.Home()).handle(func(*http.Request) (any, error) { return nil, missing(name) })(w, r)
		return
	}
	target := *r.URL
	target.Path, target.RawPath = "/control/v1"+r.URL.Path[len("/control/v1/orgs/"+name):], ""
	shorter := *r
	shorter.URL = &target
	p.part(g.Host).ServeHTTP(w, &shorter)
}

func missing(name string) error { return fmt.Errorf("name: there is no org %q", name) }

func (p *Port) list(*http.Request) (any, error) {
	all := []any{}
	for _, g := range p.public.Guests() {
		all = append(all, describe(g))
	}
	return doc.Doc{"default": p.public.Home().Org.Base(), "orgs": all}, nil
}

func describe(g *api.Guest) doc.Doc {
	return doc.Doc{"name": g.Name, "hosts": g.Hosts, "url": g.Org.Base(), "control": "/control/v1/orgs/" + g.Name}
}

// hostName is what a host of an org may be called (RFC 1123).
var hostName = regexp.MustCompile(`^(?i)[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// orgName is what an org may be called: its name is part of URLs.
var orgName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// NewOrg is the body of a request for an org. Everything but the name may be left out.
type NewOrg struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	// URL is what clients are told, if they do not reach the org where it would be.
	URL            string  `json:"url"`
	Engine         string  `json:"engine"`
	Seed           uint64  `json:"seed"`
	Company        string  `json:"company"`
	RatePlan       string  `json:"ratePlan"`
	RateMultiplier float64 `json:"rateMultiplier"`
}

func (p *Port) create(r *http.Request) (any, error) {
	var n NewOrg
	if err := read(r, &n); err != nil {
		return nil, err
	}
	g, err := p.Open(n)
	if err != nil {
		return nil, err
	}
	return describe(g), nil
}

// Open makes an org and serves it. The error names the field that is wrong.
func (p *Port) Open(n NewOrg) (*api.Guest, error) {
	if n.Hosts == nil {
		n.Hosts = []string{}
	}
	g, err := n.make()
	if err != nil {
		return nil, err
	}
	if g.Order, err = json.Marshal(n); err != nil {
		return nil, fmt.Errorf("write the order of an org: %w", err)
	}
	if n.URL == "" {
		n.URL, err = p.public.Address(g)
	} else if err = api.CheckURL(n.URL); err != nil {
		err = fmt.Errorf("url: %w", err)
	}
	if err != nil {
		return nil, err
	}
	g.Org.SetBase(n.URL)
	return g, p.public.Add(g)
}

// make makes the org with a clock, limits, faults and counts of its own.
func (n NewOrg) make() (*api.Guest, error) {
	wrong := slices.IndexFunc(n.Hosts, func(h string) bool { return !hostName.MatchString(h) })
	switch {
	case !orgName.MatchString(n.Name):
		return nil, fmt.Errorf("name: %q is not made of lower case letters, digits and hyphens", n.Name)
	case wrong >= 0:
		return nil, fmt.Errorf("hosts: %q is no name of a host", n.Hosts[wrong])
	case n.RateMultiplier < 0:
		return nil, fmt.Errorf("rateMultiplier: %v is negative", n.RateMultiplier)
	case !limit.IsPlan(n.RatePlan):
		return nil, fmt.Errorf("ratePlan: %q is not workforce, enterprise or free", n.RatePlan)
	}
	if n.Seed == 0 {
		n.Seed = 1
	}
	if n.Company == "" {
		n.Company = n.Name
	}
	o, err := org.New(clock.New(nil), org.Options{Engine: n.Engine, Seed: n.Seed, Subdomain: n.Name, Company: n.Company})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	host := api.NewHost(o, limit.New(limit.Options{Plan: n.RatePlan, Multiplier: n.RateMultiplier}))
	return &api.Guest{Name: n.Name, Hosts: n.Hosts, Host: host}, nil
}

func (p *Port) remove(r *http.Request) (any, error) {
	name := r.PathValue("name")
	g := p.public.Guest(name)
	if g == nil || !p.public.Remove(name) {
		return nil, missing(name)
	}
	p.mu.Lock()
	delete(p.parts, g.Host)
	p.mu.Unlock()
	return p.list(r)
}
