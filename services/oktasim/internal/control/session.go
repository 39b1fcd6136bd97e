package control

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// Session asks for the means to act in somebody else's name.
type Session struct {
	// Kind is ssws (an API token), console (one whose use looks like work in the admin
	// console) or oauth (an access token of a service app).
	Kind string `json:"kind"`
	// Login names the user; without one the role does, whoever holds it.
	Login string `json:"login"`
	Role  string `json:"role"`
	// Scopes are those of an access token.
	Scopes []string `json:"scopes"`
	// IP and UserAgent are what the log says of every request.
	IP        string `json:"ip"`
	UserAgent string `json:"userAgent"`
}

const (
	ssws    = "ssws"
	console = "console"
	oauth   = "oauth"
)

// consoleAgent is the user agent of those who work in the console and name no other.
const consoleAgent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// check names everything that is wrong with the request.
func (q *Session) check() error {
	var errs []error
	if q.Kind == "" {
		q.Kind = ssws
	}
	switch q.Kind {
	case ssws, console:
		if q.Login == "" && q.Role == "" {
			errs = append(errs, errors.New("login: name a user, or a role"))
		}
	case oauth:
		if q.Role == "" || len(q.Scopes) == 0 || q.Login != "" {
			errs = append(errs, errors.New("kind: oauth needs a role and scopes, and no login"))
		}
	default:
		errs = append(errs, fmt.Errorf("kind: %q is not one of ssws, console, oauth", q.Kind))
	}
	return errors.Join(append(errs, checkRole(q.Role), checkScopes(q.Scopes), checkIP(q.IP))...)
}

func checkRole(role string) error {
	if role != "" && !org.IsRole(role) {
		return fmt.Errorf("role: %q is not a standard role", role)
	}
	return nil
}

func checkScopes(scopes []string) error {
	if i := slices.IndexFunc(scopes, func(s string) bool { return !strings.HasPrefix(s, "okta.") }); i >= 0 {
		return fmt.Errorf("scopes: %q is none of Okta's", scopes[i])
	}
	return nil
}

func checkIP(ip string) error {
	if _, err := netip.ParseAddr(ip); ip != "" && err != nil {
		return fmt.Errorf("ip: %q is not an address", ip)
	}
	return nil
}

func (s *Server) createSession(r *http.Request) (any, error) {
	var q Session
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	var out doc.Doc
	err := s.host.Org.Update(func() (err error) {
		out, err = s.begin(q)
		return err
	})
	return out, err
}

// begin makes the session. It leaves no trace in the log.
func (s *Server) begin(q Session) (doc.Doc, error) {
	guise := &org.Guise{IP: q.IP, UserAgent: q.UserAgent}
	if q.Kind == oauth {
		return s.beginOAuth(q, guise)
	}
	u, err := s.actor(q)
	if err != nil {
		return nil, err
	}
	if q.Kind == console {
		guise.Session = s.host.Org.ConsoleSession()
		if guise.UserAgent == "" {
			guise.UserAgent = consoleAgent
		}
	}
	t, err := s.host.Org.CreateToken(nil, u, "control port: "+q.Kind)
	if err != nil {
		return nil, err
	}
	if err := s.giveRole(u.ID, q.Role); err != nil {
		return nil, err
	}
	t.Guise = guise
	return doc.Doc{
		"kind": q.Kind, "userId": u.ID, "login": u.Login(), "name": u.Name(), "token": t.Value, "authorization": "SSWS " + t.Value,
		"ip": guise.IP, "userAgent": guise.UserAgent, "session": guise.Session,
	}, nil
}

// actor is the user who is named, made if need be, or who holds the role.
func (s *Server) actor(q Session) (*org.User, error) {
	login := q.Login
	if login == "" {
		if u := s.host.Org.HolderOf(q.Role); u != nil {
			return u, nil
		}
		login = strings.ToLower(strings.ReplaceAll(q.Role, "_", "-")) + "@" + s.host.Org.Info().Subdomain + ".example"
	}
	return s.findOrCreate(login, "", "")
}

// giveRole assigns the role, if there is one, unless the assignee has it.
func (s *Server) giveRole(assignee, role string) error {
	if role == "" {
		return nil
	}
	_, err := s.host.Org.AssignRole(nil, assignee, role)
	if err != nil && !errors.As(err, new(*failure.Failure)) || isInvalid(err) {
		return err
	}
	return nil
}

// beginOAuth grants an access token to a service app of the role, made once.
func (s *Server) beginOAuth(q Session, guise *org.Guise) (doc.Doc, error) {
	o, label := s.host.Org, "Control port: "+q.Role
	a := o.AppLabelled(label)
	if a == nil {
		key, _, err := newKey()
		if err != nil {
			return nil, err
		}
		if a, err = o.CreateApp(nil, serviceApp(label, []any{key}), true); err != nil {
			return nil, err
		}
	}
	if err := s.giveRole(a.ClientID(), q.Role); err != nil {
		return nil, err
	}
	if err := s.grant(a, q.Scopes); err != nil {
		return nil, err
	}
	t := &org.AccessToken{ClientID: a.ClientID(), Scopes: q.Scopes, Guise: guise}
	if err := s.host.Issue(nil, a, t, q.Scopes); err != nil {
		return nil, err
	}
	return doc.Doc{
		"kind": q.Kind, "clientId": a.ClientID(), "token": t.Value, "authorization": "Bearer " + t.Value, "expires": t.Expires,
		"ip": guise.IP, "userAgent": guise.UserAgent,
	}, nil
}

// grant lets the app ask for the scopes that it does not have yet.
func (s *Server) grant(a *org.App, scopes []string) error {
	o := s.host.Org
	for _, scope := range scopes {
		if a.Granted(scope) {
			continue
		}
		if _, err := o.GrantScope(nil, a, doc.Doc{"scopeId": scope, "issuer": o.Base()}, o.Info().System); err != nil {
			return err
		}
	}
	return nil
}
