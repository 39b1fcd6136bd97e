package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/problem"
	"imago/services/api/internal/wire"
)

// request is what is known of one HTTP request while it is answered. The
// outermost handler makes it, the interceptor fills in who asks and what, and the
// log line at its end tells it.
type request struct {
	id        string
	ip        string
	agent     string // what the client calls itself, cut short
	procedure string // "" until the RPC is known
	caller    caller
	code      string // the Connect code of what the RPC answered; "" until it refuses
	err       error  // what the handler answered, if it is internal
	cause     error  // of an outage, or of a refusal by a neighbour: the answer does not tell it
}

// caller is a signed-in member, as the database knows them by their session.
type caller struct {
	account   account.ID
	user      account.UserID
	role      account.Role
	steppedUp bool
	scopes    []string       // of an API token; nil: a person
	waits     bool           // for the second factor: the session lets into nothing
	cookie    bool           // the session came as a browser's cookie
	proof     postgres.Proof // the session that let them in
}

// may reports whether the caller's role allows an action, and the token, if it is one.
func (c caller) may(a account.Action) bool {
	return c.role.May(a) && (c.scopes == nil || slices.Contains(c.scopes, string(a)))
}

type requestKey struct{}

// requestOf gives the request that ctx belongs to; there is always one below observe.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// observe names every request, answers its ID in X-Request-Id, logs one line at its
// end and counts it. Bodies, paths and queries are not logged: they may hold
// directory data.
func (s *Service) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.now()
		id, err := uuid.NewV7()
		if err != nil {
			http.Error(w, "no randomness", http.StatusInternalServerError)
			return
		}
		q := &request{id: id.String(), ip: s.clientIP(r), agent: agent(r.UserAgent())}
		w.Header().Set("X-Request-Id", q.id)
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { s.report(r, q, seen.status, s.now().Sub(began)) }()
		survive(seen, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)), next)
	})
}

// survive answers a request whose handling panics, where connect's own net (recovered)
// is not below: the defect is logged, and not only that the client was cut off.
func survive(w *statusWriter, r *http.Request, next http.Handler) {
	defer func() {
		what := recover()
		switch what {
		case nil:
			return
		case http.ErrAbortHandler:
			panic(what)
		}
		q := requestOf(r.Context())
		q.err = fmt.Errorf("panic: %v\n%s", what, debug.Stack())
		if w.begun {
			panic(http.ErrAbortHandler) // what was sent so far must not look whole
		}
		p := problem.New("", "something went wrong on our side (request %s)", q.id)
		wire.WriteProblem(w, http.StatusInternalServerError, p, q.id)
	}()
	next.ServeHTTP(w, r)
}

// agent keeps of a User-Agent what fits beside a session and can be shown.
func agent(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200])
	}
	return strings.TrimSpace(s)
}

func (s *Service) report(r *http.Request, q *request, status int, took time.Duration) {
	if q.procedure == "" {
		q.procedure = "none"
	}
	s.metrics.request(q.procedure, q.outcome(status), took)
	attrs := []slog.Attr{
		slog.String("request", q.id), slog.String("rpc", q.procedure), slog.Int("status", status), slog.String("code", q.outcome(status)),
		slog.Duration("took", took), slog.String("account", string(q.caller.account)),
	}
	level := slog.LevelInfo
	switch {
	case q.err != nil:
		level = slog.LevelError
		attrs = append(attrs, slog.Any("error", q.err))
	case q.cause != nil:
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("cause", q.cause))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// outcome is how a request ended: the Connect code of an RPC, or ok, whatever it is sent
// as (a stream that fails has begun with 200). What never became an RPC has its status.
func (q *request) outcome(status int) string {
	switch {
	case q.code != "":
		return q.code
	case status < http.StatusBadRequest:
		return "ok"
	}
	return strconv.Itoa(status)
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
	begun  bool
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if !w.begun {
		w.status, w.begun = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Flush is for streams, which send each message at once.
func (w *statusWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// clientIP tells from where a request comes. A forwarding header counts only as far
// as trusted proxies vouch for it: the last address that none of them has.
func (s *Service) clientIP(r *http.Request) string {
	peer := addressOf(r.RemoteAddr)
	if !s.trusted(peer) {
		return peer.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		peer = hop.Unmap()
		if !s.trusted(peer) {
			break
		}
	}
	return peer.String()
}

func (s *Service) trusted(a netip.Addr) bool {
	for _, p := range s.config.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressOf reads a peer's "host:port"; what cannot be read is the zero address,
// which no proxy has.
func addressOf(hostport string) netip.Addr {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// secure sets the headers that keep browsers from doing more with an answer than
// to read it. HSTS is set where TLS is.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
