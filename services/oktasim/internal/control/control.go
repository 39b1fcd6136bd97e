// Package control is the simulator's back door: it furnishes orgs, moves the clock,
// asks for faults, hands out tokens and shows the whole state. Okta has nothing of the
// kind, so it listens on a port of its own.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/org"
	"imago/services/oktasim/internal/seed"
)

// Server answers what the control port is asked of one org.
type Server struct {
	host *api.Host
	log  *slog.Logger
	mux  *http.ServeMux
}

// newServer makes the part of the control port that is for one org.
func newServer(h *api.Host, log *slog.Logger) *Server {
	s := &Server{host: h, log: log, mux: http.NewServeMux()}
	routes := map[string]func(*http.Request) (any, error){
		"POST /control/v1/seed":          s.seed,
		"GET /control/v1/org":            s.describe,
		"POST /control/v1/reset":         s.reset,
		"GET /control/v1/clock":          s.showClock,
		"POST /control/v1/clock":         s.moveClock,
		"GET /control/v1/faults":         s.listFaults,
		"POST /control/v1/faults":        s.addFault,
		"DELETE /control/v1/faults":      s.clearFaults,
		"DELETE /control/v1/faults/{id}": s.removeFault,
		"GET /control/v1/log":            s.showDisorder,
		"POST /control/v1/log":           s.disturbLog,
		"DELETE /control/v1/log":         s.calmLog,
		"POST /control/v1/log/events":    s.fillLog,
		"POST /control/v1/api-tokens":    s.createToken,
		"POST /control/v1/sessions":      s.createSession,
		"POST /control/v1/admins":        s.createAdmin,
		"POST /control/v1/service-apps":  s.createServiceApp,
		"GET /control/v1/requests":       s.countRequests,
		"DELETE /control/v1/requests":    s.resetRequests,
		"POST /control/v1/limits":        s.setLimits,
		"GET /control/v1/search":         s.showSearch,
		"POST /control/v1/search":        s.setSearch,
		"GET /control/v1/features":       s.listFeatures,
		"POST /control/v1/features":      s.setFeature,
		"PUT /control/v1/state":          s.restoreState,
		"GET /control/v1/hook-hosts":     s.listHookHosts,
		"POST /control/v1/hook-hosts":    s.leadHookHost,
	}
	for pattern, run := range routes {
		s.mux.HandleFunc(pattern, s.handle(run))
	}
	s.mux.HandleFunc("GET /control/v1/state", s.dumpState)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, known := s.mux.Handler(r); known == "" {
		s.handle(nowhere)(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// errNowhere refuses a request that the control port does not know.
var errNowhere = errors.New("the control port has no")

func nowhere(r *http.Request) (any, error) {
	return nil, fmt.Errorf("%w %s %s", errNowhere, r.Method, r.URL.Path)
}

func (s *Server) handle(run func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := run(r)
		status := http.StatusOK
		switch {
		case errors.Is(err, errNowhere):
			v, status = doc.Doc{"error": err.Error()}, http.StatusNotFound
		case err != nil:
			v, status = doc.Doc{"error": explain(err)}, http.StatusBadRequest
		}
		b, err := doc.Bytes(v)
		if err != nil {
			s.log.Error("cannot write a control answer", "path", r.URL.Path, "err", err)
			status, b = http.StatusInternalServerError, []byte(`{"error":"internal"}`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := w.Write(append(b, '\n')); err != nil {
			s.log.Debug("client went away", "err", err)
		}
	}
}

// explain adds the causes of an org's refusal.
func explain(err error) string {
	var f *failure.Failure
	if errors.As(err, &f) && len(f.Causes) > 0 {
		return fmt.Sprintf("%s: %v", f.Summary, f.Causes)
	}
	return err.Error()
}

// read decodes a body strictly: a misspelt field is an error, not a default. No body is {}.
func read(r *http.Request, into any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more after the object")
		}
	}
	if err != nil {
		return fmt.Errorf("read the request: %s", misread(err))
	}
	return nil
}

// misread says what is wrong with a body without telling of Go.
func misread(err error) string {
	var other *json.UnmarshalTypeError
	if !errors.As(err, &other) {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	return strings.TrimPrefix(fmt.Sprintf("%s: %s does not belong there", strings.Trim(other.Field, "."), other.Value), ": ")
}

func (s *Server) seed(r *http.Request) (any, error) {
	var p seed.Plan
	if err := read(r, &p); err != nil {
		return nil, err
	}
	return seed.Fill(s.host.Org, p)
}

func (s *Server) describe(*http.Request) (any, error) {
	var out doc.Doc
	err := s.host.Org.View(func() error {
		o := s.host.Org
		out = doc.Doc{"url": o.Base(), "info": o.Info(), "counts": o.Counts(), "now": o.Now()}
		return nil
	})
	return out, err
}

func (s *Server) reset(*http.Request) (any, error) {
	s.host.Org.Reset(1)
	s.host.Faults.Clear()
	s.host.Limits.Reset()
	s.host.Counts.Reset()
	return s.describe(nil)
}

func (s *Server) showClock(*http.Request) (any, error) {
	c := s.host.Org.Clock()
	return doc.Doc{"now": c.Now().Format(time.RFC3339Nano), "offset": c.Offset().String()}, nil
}

func (s *Server) moveClock(r *http.Request) (any, error) {
	var body struct {
		Advance string `json:"advance"`
		Set     string `json:"set"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	// Within Update, as the state that is saved has the offset.
	err := s.host.Org.Update(func() error { return setClock(s.host.Org.Clock(), body.Advance, body.Set) })
	if err != nil {
		return nil, err
	}
	return s.showClock(r)
}

func setClock(c *clock.Clock, advance, set string) error {
	switch {
	case advance != "" && set != "":
		return errors.New("give either advance or set")
	case advance != "":
		d, err := time.ParseDuration(advance)
		if err != nil {
			return fmt.Errorf("advance: %q is not a duration such as 90s", advance)
		}
		c.Advance(d)
	case set != "":
		t, err := time.Parse(time.RFC3339, set)
		if err != nil {
			return fmt.Errorf("set: %q is not a moment such as 2026-01-05T08:00:00Z", set)
		}
		c.Set(t)
	default:
		return errors.New("give advance (90s) or set (2026-01-05T08:00:00Z)")
	}
	return nil
}

func (s *Server) listFaults(*http.Request) (any, error) {
	return doc.Doc{"faults": s.host.Faults.List()}, nil
}

func (s *Server) addFault(r *http.Request) (any, error) {
	var f fault.Fault
	if err := read(r, &f); err != nil {
		return nil, err
	}
	if err := s.host.Faults.Add(f); err != nil {
		return nil, err
	}
	return s.listFaults(r)
}

func (s *Server) clearFaults(r *http.Request) (any, error) {
	s.host.Faults.Clear()
	return s.listFaults(r)
}

func (s *Server) removeFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, fmt.Errorf("id: %q is no number", r.PathValue("id"))
	}
	if err := s.host.Faults.Remove(id); err != nil {
		return nil, err
	}
	return s.listFaults(r)
}

func (s *Server) createToken(r *http.Request) (any, error) {
	var body struct {
		Login string `json:"login"`
		Name  string `json:"name"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if body.Name == "" {
		body.Name = "control port"
	}
	var out doc.Doc
	err := s.host.Org.Update(func() error {
		u, err := s.host.Org.User(body.Login)
		if err != nil {
			return err
		}
		t, err := s.host.Org.CreateToken(s.cause(u), u, body.Name)
		if err != nil {
			return err
		}
		out = doc.Doc{"id": t.ID, "token": t.Value, "userId": u.ID, "login": u.Login()}
		return nil
	})
	return out, err
}

// cause makes the token's owner the one who asks, as in the admin console.
func (s *Server) cause(u *org.User) *org.Cause {
	return &org.Cause{Actor: u.Party(), IP: "127.0.0.1", UserAgent: "oktasim control port", URI: "/api/internal/tokens", RequestID: u.ID, Session: "idx" + u.ID[3:]}
}

// createAdmin makes an active user with an admin role and a token, or gives role and
// token to one who exists. The address comes back to be sent as X-Forwarded-For.
func (s *Server) createAdmin(r *http.Request) (any, error) {
	var body struct {
		Login     string `json:"login"`
		Role      string `json:"role"`
		IP        string `json:"ip"`
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if err := errors.Join(checkRole(body.Role), checkIP(body.IP)); err != nil {
		return nil, err
	}
	var out doc.Doc
	err := s.host.Org.Update(func() error {
		o := s.host.Org
		u, err := s.findOrCreate(body.Login, body.FirstName, body.LastName)
		if err != nil {
			return err
		}
		t, err := o.CreateToken(nil, u, "admin convenience")
		if err != nil {
			return err
		}
		if err := s.giveRole(u.ID, body.Role); err != nil {
			return err
		}
		out = doc.Doc{"id": u.ID, "login": u.Login(), "name": u.Name(), "role": body.Role, "token": t.Value, "ip": body.IP}
		return nil
	})
	return out, err
}

// isInvalid tells an unknown role from one that the user has already.
func isInvalid(err error) bool {
	var f *failure.Failure
	return errors.As(err, &f) && f.Status == http.StatusBadRequest
}

func (s *Server) findOrCreate(login, first, last string) (*org.User, error) {
	if u, err := s.host.Org.User(login); err == nil {
		return u, nil
	}
	if first == "" {
		first, last = "Admin", "Istrator"
	}
	return s.host.Org.CreateUser(nil, org.NewUser{Activate: true, Body: doc.Doc{
		"profile":     doc.Doc{"login": login, "email": login, "firstName": first, "lastName": last},
		"credentials": doc.Doc{"password": doc.Doc{"value": "Not-kept-by-the-simulator-1"}},
	}})
}

func (s *Server) countRequests(*http.Request) (any, error) { return s.host.Counts.Tables(), nil }

func (s *Server) resetRequests(r *http.Request) (any, error) {
	s.host.Counts.Reset()
	return s.countRequests(r)
}

// dumpState writes the whole org; ?only=objects leaves out ids, tokens, clock and log.
func (s *Server) dumpState(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := s.host.Org.WriteState(w, r.URL.Query().Get("only") != "objects"); err != nil {
		s.log.Error("cannot write the state", "err", err)
	}
}

func (s *Server) restoreState(r *http.Request) (any, error) {
	if err := s.host.Org.ReadState(r.Body); err != nil {
		return nil, err
	}
	return s.describe(r)
}
