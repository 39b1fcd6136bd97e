// Package api is the HTTP face of the simulated org: paths, credentials, scopes, admin
// roles, rate limits, pages and error bodies as Okta has them.
package api

import (
	"cmp"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/hook"
	"imago/services/oktasim/internal/jose"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// Server answers for one or more orgs. It is safe for concurrent use.
type Server struct {
	log    *slog.Logger
	router *router
	mu     sync.RWMutex
	guests guests
	home   *Host
}

// Host is an org with what stands around it.
type Host struct {
	Org    *org.Org
	Limits *limit.Limiter
	Faults *fault.Set
	Counts *Counts
	// Hooks calls the org's hooks; deliveries are those on their way.
	Hooks      *hook.Caller
	deliveries sync.WaitGroup
	signer     jose.Signer
}

// NewHost wraps an org.
func NewHost(o *org.Org, l *limit.Limiter) *Host {
	h := &Host{Org: o, Limits: l, Faults: &fault.Set{}, Counts: NewCounts(), Hooks: hook.NewCaller(hook.DefaultTimeout)}
	o.OnDelivery(h.deliverEvents)
	return h
}

// New makes a server whose default org is home.
func New(home *Host, log *slog.Logger) *Server {
	return &Server{log: log, router: newRouter(operations()), guests: guests{map[string]*Guest{}, map[string]*Guest{}}, home: home}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, below := s.find(r)
	r = without(r, below)
	c := &call{host: h, org: h.Org, r: r, below: below, query: r.URL.Query(), requestID: requestID()}
	h.Org.Settle()
	op, params, allowed := s.router.find(r.Method, r.URL.EscapedPath())
	c.op, c.params, c.allowed = op, params, allowed
	c.hit = h.Faults.Hit(r.Method, r.URL.Path, c.template())
	if wait := c.hit.Wait(); wait > 0 {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
	}
	s.answer(c)
	h.Counts.add(c)
	s.deliver(w, c)
}

// answer fills the response, by the handler or by the reason why it was not reached.
func (s *Server) answer(c *call) {
	err := s.run(c)
	if err == nil && c.suffers(fault.DoneButFailed) {
		err = failure.WithStatus(cmp.Or(c.hit.Status, http.StatusInternalServerError))
	}
	if err != nil {
		c.fail(err)
	}
	if c.internal != nil {
		s.log.Error("request failed", "method", c.r.Method, "path", c.r.URL.Path, "err", c.internal)
	}
}

// run takes a request through the stages at which Okta may refuse it.
func (s *Server) run(c *call) error {
	if err := c.shareOrigin(); err != nil {
		return err
	}
	switch {
	case c.suffers(fault.Status):
		return failure.WithStatus(c.hit.Status)
	case c.suffers(fault.RateLimited):
		return c.injectedLimit(time.Duration(c.hit.Delay))
	case c.r.Method == http.MethodOptions && c.allowed != nil:
		return c.options()
	case c.op == nil && c.allowed != nil:
		c.set("Allow", strings.Join(c.allowed, ", "))
		return failure.WrongMethod()
	case c.op == nil:
		return failure.NoPath()
	}
	authErr := c.authenticate()
	who := c.principal.limits()
	if refused := c.host.Limits.Enter(who); refused != "" {
		return c.tooManyAtOnce(refused)
	}
	defer c.host.Limits.Leave(who)
	if err := c.takeLimit(who); err != nil {
		return err
	}
	if authErr != nil {
		return authErr
	}
	if err := c.authorise(); err != nil {
		return err
	}
	if err := c.readBody(); err != nil {
		return err
	}
	if err := c.understands(); err != nil {
		return err
	}
	if c.op.prepare != nil {
		if err := c.op.prepare(c); err != nil {
			return err
		}
	}
	switch {
	case c.op.outward:
		return c.op.run(c)
	case c.op.write || c.op.notes:
		return c.org.Update(c.perform)
	}
	return c.org.View(c.perform)
}

// perform runs the operation; its answer shows nothing that the org lacks.
func (c *call) perform() error {
	err := c.op.run(c)
	if err != nil {
		return err
	}
	c.response, err = c.org.Trim(c.op.path, c.response)
	return err
}

// deliver writes the response, with the fault's damage if there is one.
func (s *Server) deliver(w http.ResponseWriter, c *call) {
	head := w.Header()
	for k, v := range c.header {
		head[k] = v
	}
	c.dress(head)
	if c.repeat(head); c.hit != nil {
		s.damage(w, c)
		return
	}
	if c.response != nil {
		head.Set("Content-Length", strconv.Itoa(len(c.response)))
	}
	w.WriteHeader(c.status)
	s.write(w, c.response)
}

// write sends bytes; a client that has gone away is none of the simulator's faults.
func (s *Server) write(w io.Writer, b []byte) {
	if _, err := w.Write(b); err != nil {
		s.log.Debug("client went away", "err", err)
	}
}
