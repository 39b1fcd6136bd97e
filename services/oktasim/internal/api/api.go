// Package api is the HTTP face of the simulated org: paths, credentials, scopes, admin
// roles, rate limits, pages and error bodies as Okta has them.
package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// Server answers for one or more orgs. It is safe for concurrent use.
type Server struct {
	log    *slog.Logger
	router *router
	mu     sync.RWMutex
	orgs   map[string]*Host
	home   *Host
}

// Host is an org with what stands around it.
type Host struct {
	Org    *org.Org
	Limits *limit.Limiter
	Faults *fault.Set
	Counts *Counts
	signer signer
}

// NewHost wraps an org.
func NewHost(o *org.Org, l *limit.Limiter) *Host {
	return &Host{Org: o, Limits: l, Faults: &fault.Set{}, Counts: NewCounts()}
}

// New makes a server whose default org is home.
func New(home *Host, log *slog.Logger) *Server {
	return &Server{log: log, router: newRouter(operations()), orgs: map[string]*Host{}, home: home}
}

// Add serves another org under a host name.
func (s *Server) Add(hostName string, h *Host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orgs[strings.ToLower(hostName)] = h
}

// host finds the org of a request by host name; everything unknown is the default org.
func (s *Server) host(r *http.Request) *Host {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if h := s.orgs[strings.ToLower(name)]; h != nil {
		return h
	}
	return s.home
}

// maxBody bounds request bodies.
const maxBody = 10 << 20

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.host(r)
	c := &call{host: h, org: h.Org, r: r, query: r.URL.Query(), requestID: requestID()}
	hit := h.Faults.Hit(r.Method, r.URL.Path)
	if hit != nil && hit.Kind == fault.Delay {
		select {
		case <-time.After(time.Duration(hit.Delay)):
		case <-r.Context().Done():
		}
	}
	s.answer(c, hit)
	h.Counts.add(c)
	s.deliver(w, c, hit)
}

// answer fills the response, by the handler or by the reason why it was not reached.
func (s *Server) answer(c *call, hit *fault.Fault) {
	err := s.run(c, hit)
	if err == nil && hit != nil && hit.Kind == fault.DoneButFailed {
		status := hit.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		err = failure.WithStatus(status)
	}
	if err != nil {
		c.fail(err)
	}
	if c.internal != nil {
		s.log.Error("request failed", "method", c.r.Method, "path", c.r.URL.Path, "err", c.internal)
	}
}

// run takes a request through the stages at which Okta may refuse it.
func (s *Server) run(c *call, hit *fault.Fault) error {
	op, params, known := s.router.find(c.r.Method, c.r.URL.EscapedPath())
	if op != nil {
		c.op, c.params = op, params
	}
	if hit != nil && hit.Kind == fault.Status {
		return failure.WithStatus(hit.Status)
	}
	if hit != nil && hit.Kind == fault.RateLimited {
		return c.injectedLimit(time.Duration(hit.Delay))
	}
	switch {
	case op == nil && known:
		return failure.WrongMethod()
	case op == nil:
		return failure.NoPath()
	}
	if !c.host.Limits.Enter() {
		return c.tooManyAtOnce()
	}
	defer c.host.Limits.Leave()
	if err := c.readBody(); err != nil {
		return err
	}
	authErr := c.authenticate()
	if err := c.takeLimit(); err != nil {
		return err
	}
	if authErr != nil {
		return authErr
	}
	if err := c.authorise(); err != nil {
		return err
	}
	if op.write || op.notes {
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

// takeLimit counts the request against its bucket and sets the headers.
func (c *call) takeLimit() error {
	now := c.org.Now()
	bucket := limit.Bucket(c.r.Method, c.op.path)
	res := c.host.Limits.Take(bucket, c.principal.limitKey(), now)
	c.rate = &res
	if res.Allowed {
		return nil
	}
	if res.First {
		c.noteViolation("system.org.rate_limit.violation", bucket)
	}
	return failure.TooMany()
}

func (c *call) noteViolation(event, bucket string) {
	err := c.org.Update(func() error {
		c.org.Note(c.cause(), event, doc.Doc{"threshold": strconv.Itoa(c.rate.Limit), "rateLimitBucket": bucket},
			org.Party{ID: bucket, Type: "Bucket Name", AlternateID: "unknown", DisplayName: bucket})
		return nil
	})
	c.internal = errors.Join(c.internal, err)
}

// tooManyAtOnce answers a breach of the concurrency limit: limit and remaining are 0
// and the reset is only a suggestion (documented).
func (c *call) tooManyAtOnce() error {
	c.rate = &limit.Result{Reset: c.org.Now().Add(10 * time.Second)}
	c.noteViolation("core.concurrency.org.limit.violation", "concurrency")
	return failure.TooMany()
}

func (c *call) injectedLimit(wait time.Duration) error {
	if wait == 0 {
		wait = 30 * time.Second
	}
	c.rate = &limit.Result{Limit: 100, Reset: c.org.Now().Add(wait)}
	return failure.TooMany()
}

func (c *call) readBody() error {
	b, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err != nil || len(b) > maxBody {
		return failure.Malformed()
	}
	c.body = b
	return nil
}

// deliver writes the response, with the fault's damage if there is one.
func (s *Server) deliver(w http.ResponseWriter, c *call, hit *fault.Fault) {
	head := w.Header()
	for k, v := range c.header {
		head[k] = v
	}
	head.Set("Date", c.org.Now().Format(http.TimeFormat))
	head.Set("X-Okta-Request-Id", c.requestID)
	head.Set("Cache-Control", "no-cache, no-store")
	if c.rate != nil {
		head.Set("X-Rate-Limit-Limit", strconv.Itoa(c.rate.Limit))
		head.Set("X-Rate-Limit-Remaining", strconv.Itoa(c.rate.Remaining))
		head.Set("X-Rate-Limit-Reset", strconv.FormatInt(c.rate.Reset.Unix(), 10))
	}
	if c.response != nil && head.Get("Content-Type") == "" {
		head.Set("Content-Type", "application/json")
	}
	if hit != nil {
		s.damage(w, c, hit)
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

// damage delivers a response as the fault wants it.
func (s *Server) damage(w http.ResponseWriter, c *call, hit *fault.Fault) {
	body := c.response
	cut := hit.Bytes
	if cut == 0 || cut > len(body) {
		cut = len(body) / 2
	}
	switch hit.Kind {
	case fault.Cut:
		s.hangUp(w, c, body[:cut], len(body))
		return
	case fault.HalfPage:
		// The length promises the whole body; the server closes the connection early.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		body = body[:cut]
	case fault.DropLink:
		w.Header().Del("Link")
	case fault.MalformedJSON:
		body = append(body[:cut:cut], `"}{`...)
	}
	w.WriteHeader(c.status)
	s.write(w, body)
}

// hangUp sends the head and a piece of the body and closes the connection.
func (s *Server) hangUp(w http.ResponseWriter, c *call, piece []byte, whole int) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Error("cannot cut the connection", "err", err)
		return
	}
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", c.status, http.StatusText(c.status))
	w.Header().Set("Content-Length", strconv.Itoa(whole))
	if err := w.Header().Write(&head); err != nil {
		s.log.Error("cannot write headers", "err", err)
	}
	head.WriteString("\r\n")
	s.write(buf, []byte(head.String()))
	s.write(buf, piece)
	if err := errors.Join(buf.Flush(), conn.Close()); err != nil {
		s.log.Debug("client went away", "err", err)
	}
}
