package replay

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// player plays one run against one org.
type player struct {
	run     *Run
	survey  *survey
	binding *binding
	org     *org.Org
	server  http.Handler
	token   string
	admin   string
	now     time.Time
	// held are the paths of what was taken for granted and is in the org.
	held    map[string]bool
	pending []*given
	stuck   []Stuck
}

// Stuck is something that was there before a run and could not be made.
type Stuck struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// adminLogin is the login of the administrator who plays runs that never ask who
// they are.
const adminLogin = "replay.admin@example.com"

// play plays a run from its first step to its last. An excluded step that Okta refused
// is not sent: it changed nothing there and might here.
func play(r Run, opt Options) outcome {
	out := outcome{run: &r, engine: r.engine()}
	p, err := newPlayer(&r, out.engine)
	if err != nil {
		out.stuck = []Stuck{{Path: "/", Reason: err.Error()}}
		for _, s := range r.Steps {
			out.results = append(out.results, result{s, []Mismatch{{Status, "", fmt.Sprint(s.Status), err.Error()}}})
		}
		return out
	}
	for i, s := range r.Steps {
		p.arrive(i)
		if !s.ok() && opt.excludes(s, out.engine) {
			out.results = append(out.results, result{step: s})
			continue
		}
		out.results = append(out.results, result{s, p.step(s)})
	}
	out.stuck = p.stuck
	return out
}

func newPlayer(r *Run, engine string) (*player, error) {
	h := hostsOf(r)
	p := &player{run: r, survey: surveyOf(r, h), binding: newBinding(h), held: map[string]bool{}, now: r.Steps[0].at.Add(-time.Minute)}
	c := clock.New(func() time.Time { return p.now })
	o, err := org.New(c, org.Options{Engine: engine, Seed: 1, Subdomain: h.subdomain, Company: h.subdomain})
	if err != nil {
		return nil, err
	}
	o.SetBase(h.base)
	p.org = o
	host := api.NewHost(o, limit.New(limit.Options{Multiplier: 1e6, Share: 1, Concurrency: 1000}))
	p.server = api.New(host, slog.New(slog.DiscardHandler))
	if err := p.org.Update(p.recognise); err != nil {
		return nil, err
	}
	if err := p.org.Update(p.appoint); err != nil {
		return nil, fmt.Errorf("appoint the administrator: %w", err)
	}
	p.pending = p.survey.order()
	p.arrive(0)
	return p, nil
}

// recognise gives the org the features that the recorded one showed to have.
func (p *player) recognise() error {
	var e org.Evidence
	for _, s := range p.run.Steps {
		switch {
		case s.ok():
			e.Note(s.Template, s.body)
		case s.Status == http.StatusUnauthorized && strings.Contains(string(s.Response), notLicensed):
			e.NoteRefusal(s.Path, s.sent)
		default:
			body, _ := s.body.(doc.Doc)
			e.NoteCode(doc.String(body, "errorCode"))
		}
	}
	p.org.Accept(&e)
	return p.recogniseEnrollment()
}

// recogniseEnrollment lets the org have the authenticators, and the factors, that the run's
// first answer about an enrollment policy lists, but for those that the run had changed by
// then.
func (p *player) recogniseEnrollment() error {
	changed, known := map[string]bool{}, map[string]bool{}
	for _, s := range p.run.Steps {
		settings := enrollmentIn(s.body)
		if kind := doc.String(settings, "type"); settings != nil && !known[kind] {
			known[kind] = true
			if err := p.org.RecogniseEnrollment(settings, changed); err != nil {
				return err
			}
		}
		if d, ok := s.body.(doc.Doc); ok && s.changes() {
			changed[doc.String(d, "key")], changed[identity(d)] = true, true
		}
	}
	return nil
}

// enrollmentIn are the settings of the enrollment policy in an answer, or of the first in
// a list.
func enrollmentIn(body any) doc.Doc {
	if list, ok := body.([]any); ok && len(list) > 0 {
		body = list[0]
	}
	d, _ := body.(doc.Doc)
	if d["type"] != "MFA_ENROLL" {
		return nil
	}
	return doc.Object(d, "settings")
}

// notLicensed is the code with which Okta refuses what an org lacks.
const notLicensed = `"E0000015"`

// appoint makes the super administrator whose token the run uses: whoever the recorded
// org said it was. The org was founded with them.
func (p *player) appoint() (err error) {
	p.org.At(org.Founded, func() { err = p.appointAt() })
	return err
}

func (p *player) appointAt() error {
	u, err := p.administrator()
	if err != nil {
		return err
	}
	p.admin = u.ID
	if _, err := p.org.AssignRole(nil, u.ID, "SUPER_ADMIN"); err != nil {
		return err
	}
	t, err := p.org.CreateToken(nil, u, "replay")
	if err != nil {
		return err
	}
	t.LastUsed = org.StampOf(p.now)
	p.token = t.Value
	return nil
}

// administrator is whom the run asked for itself, or who stands as the author of what it
// made; somebody if it shows neither.
func (p *player) administrator() (*org.User, error) {
	id, body := "", doc.Doc{}
	for _, s := range p.run.Steps {
		d, ok := s.body.(doc.Doc)
		if ok && s.Path == "/api/v1/users/me" && s.ok() {
			id, body = identity(d), d
			break
		}
		if author := s.author(); id == "" && author != "" {
			id, body = author, doc.Doc{"id": author}
		}
	}
	if id == "" {
		profile := doc.Doc{"login": adminLogin, "email": adminLogin, "firstName": "Replay", "lastName": "Admin"}
		return p.org.CreateUser(nil, org.NewUser{Body: doc.Doc{"profile": profile}, Activate: true})
	}
	if err := p.org.Adopt("/api/v1/users/"+id, body); err != nil {
		return nil, err
	}
	return p.org.User(id)
}

// author is the user who is said to have made the step's change, "" if that is not said.
func (s *Step) author() string {
	d, ok := s.body.(doc.Doc)
	if !ok || !s.changes() {
		return ""
	}
	for _, field := range []string{"lastUpdatedBy", "updatedBy", "createdBy"} {
		if id := doc.String(d, field); isID(id) && strings.HasPrefix(id, "00u") {
			return id
		}
	}
	return ""
}

// arrive makes what must be there before step i.
func (p *player) arrive(i int) {
	for len(p.pending) > 0 && p.pending[0].from <= i {
		p.adopt(p.pending[0])
		p.pending = p.pending[1:]
	}
}

func (p *player) adopt(g *given) {
	body, ok := p.binding.value(g.body).(doc.Doc)
	if !ok {
		return
	}
	err := p.org.Update(func() error { return p.org.Adopt(p.binding.translate(g.path), body) })
	if err != nil {
		p.stuck = append(p.stuck, Stuck{g.path, err.Error()})
		return
	}
	p.held[g.path] = true
	if id := identity(g.body); id != "" && len(id) > 7 {
		p.binding.bind(id, id)
	}
}

// step sends one request and compares the answer.
func (p *player) step(s *Step) []Mismatch {
	if s.at.After(p.now) {
		p.now = s.at
	}
	p.binding.ask(s.sent)
	p.binding.askText(s.Path)
	p.binding.askText(s.Query)
	a, err := p.send(s)
	if err != nil {
		return []Mismatch{{Status, "", fmt.Sprint(s.Status), err.Error()}}
	}
	c := comparison{player: p, step: s}
	c.answer(a)
	return c.mismatches
}

// answer is a response of ours.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// send plays the request in process. A panic of the simulator is its answer.
func (p *player) send(s *Step) (a *answer, err error) {
	r, err := p.request(s)
	if err != nil {
		return nil, err
	}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	a = &answer{header: http.Header{}, status: http.StatusOK}
	p.server.ServeHTTP(a, r)
	return a, nil
}

func (p *player) request(s *Step) (*http.Request, error) {
	query, err := p.binding.query(s.Query)
	if err != nil {
		return nil, err
	}
	target := p.binding.hosts.base + p.binding.translate(s.Path)
	if query != "" {
		target += "?" + query
	}
	var body []byte
	if s.sent != nil {
		if body, err = doc.Bytes(p.binding.value(s.sent)); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequest(s.Method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Authorization", "SSWS "+p.token)
	r.Header.Set("Accept", "application/json")
	if s.sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if strings.HasPrefix(s.Path, "/.well-known/") || s.Path == "/oauth2/v1/token" {
		r.Header.Del("Authorization")
	}
	return r, nil
}
