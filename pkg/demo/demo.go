// Package demo is the door to the operator's simulator of orgs, where demo orgs live: it
// makes and furnishes one for a connection, has its people do what its story tells, and
// removes it. It knows the simulator from outside only, by its control port and by Okta's
// API, where the people act under their own names and addresses.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/problem"
)

// Company is what the org is called in which the story plays.
const Company = "Acme Robotics"

// Orgs are the demo orgs of one simulator. It is safe for concurrent use. Those of a nil
// one are away.
type Orgs struct {
	public, control *url.URL
	client          *http.Client
}

// New makes the door to a simulator: public is where its orgs answer, control its control
// port, both as http://oktasim:8080. It calls nobody.
func New(public, control string) (*Orgs, error) {
	p, err := Address(public)
	if err != nil {
		return nil, fmt.Errorf("DEMO_ORGS_URL: %w", err)
	}
	c, err := Address(control)
	if err != nil {
		return nil, fmt.Errorf("DEMO_CONTROL_URL: %w", err)
	}
	return &Orgs{public: p, control: c, client: &http.Client{Timeout: 30 * time.Second}}, nil
}

// Address reads the address of one of the simulator's ports.
func Address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path+u.RawQuery+u.Fragment != "" || u.User != nil {
		return nil, errors.New("it is not the address of a port: write http://oktasim:8080, with nothing behind it")
	}
	return u, nil
}

// name is what the simulator calls the org of a connection: the random end of its ID.
func name(id account.ConnectionID) string {
	hex := strings.ReplaceAll(string(id), "-", "")
	return "demo-" + hex[max(0, len(hex)-12):]
}

// Host is the name by which the org of a connection is asked for. It leads nowhere but by
// way of the simulator (RFC 6761, 6.4).
func Host(id account.ConnectionID) string { return name(id) + ".imago.invalid" }

// URL is the org's address, as the connection has it.
func URL(id account.ConnectionID) string { return "http://" + Host(id) }

// App is a service app that is to be made in the org.
type App struct {
	Purpose   account.Purpose
	PublicJWK []byte
	Scopes    []string
}

// What the guided connection has people call the apps, and which admin role to give them.
const (
	readApp, reader = "Imago (reads)", "READ_ONLY_ADMIN"
	writeApp        = "Imago (restores)"
)

func (a App) called() (label, role string) {
	if a.Purpose == account.Write {
		return writeApp, superAdmin
	}
	return readApp, reader
}

// Make makes the org of a connection anew, whatever was there, and furnishes it. Without a
// simulator the error is a problem of kind Unavailable, as for everything here.
func (o *Orgs) Make(ctx context.Context, id account.ConnectionID) error {
	if err := o.Remove(ctx, id); err != nil {
		return err
	}
	err := o.ask(ctx, http.MethodPost, "", map[string]any{
		"name": name(id), "hosts": []string{Host(id)}, "url": URL(id), "company": Company, "rateMultiplier": 100,
	}, nil)
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(strings.TrimPrefix(name(id), "demo-"), 16, 64)
	if err != nil {
		return fmt.Errorf("%q is the ID of no connection", id)
	}
	if err := o.ask(ctx, http.MethodPost, "/"+name(id)+"/seed", map[string]any{"preset": "demo", "seed": seed}, nil); err != nil {
		return err
	}
	return o.ask(ctx, http.MethodPost, "/"+name(id)+"/admins", map[string]any{"login": robin.login, "role": superAdmin}, nil)
}

// Add makes a service app, as the org's super admin would, and answers its client ID. The
// one that restores is deactivated until somebody switches it on.
func (o *Orgs) Add(ctx context.Context, id account.ConnectionID, a App) (clientID string, err error) {
	label, role := a.called()
	var made struct{ ClientID string }
	err = o.ask(ctx, http.MethodPost, "/"+name(id)+"/service-apps", map[string]any{
		"label": label, "scopes": a.Scopes, "role": role, "keys": []json.RawMessage{a.PublicJWK},
	}, &made)
	if err != nil || a.Purpose == account.Read {
		return made.ClientID, err
	}
	return made.ClientID, o.Switch(ctx, id, false)
}

// Switch activates or deactivates the app that restores, as the org's super admin.
func (o *Orgs) Switch(ctx context.Context, id account.ConnectionID, on bool) error {
	verb := "deactivate"
	if on {
		verb = "activate"
	}
	return o.as(ctx, id, ada, func(p *person) error {
		app, err := p.find(ctx, "/api/v1/apps?limit=200", func(a object) bool { return a.Label == writeApp })
		if err != nil {
			return err
		}
		return p.call(ctx, http.MethodPost, "/api/v1/apps/"+app.ID+"/lifecycle/"+verb, nil, nil)
	})
}

// Remove ends the org of a connection. One that is not there is no error.
func (o *Orgs) Remove(ctx context.Context, id account.ConnectionID) error {
	err := o.ask(ctx, http.MethodDelete, "/"+name(id), nil, nil)
	if r, ok := errors.AsType[*refusal](err); ok && strings.Contains(r.said, "there is no org") {
		return nil
	}
	return err
}

// Away says that the demo org does not answer.
func Away() *problem.Problem {
	return problem.New(problem.Unavailable, "the demo org is away").
		WithHint("nothing of yours is concerned: wait for whoever runs this Imago to bring it back, or remove the demo and make it again")
}

// ask asks the control port, below its list of orgs.
func (o *Orgs) ask(ctx context.Context, method, path string, body, into any) error {
	if o == nil {
		return Away()
	}
	req, err := request(ctx, method, o.control.String()+"/control/v1/orgs"+path, body)
	if err != nil {
		return err
	}
	return o.send(req, into)
}

// refusal is an answer other than 2xx. What it says is of the simulator alone, which
// holds nobody's data.
type refusal struct {
	status int
	asked  string
	said   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the simulator answers %s with %d: %.300s", r.asked, r.status, r.said)
}

func request(ctx context.Context, method, address string, body any) (*http.Request, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write a request to the simulator: %w", err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return nil, fmt.Errorf("write a request to the simulator: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// send makes a request and reads its answer into into, unless that is nil.
func (o *Orgs) send(req *http.Request, into any) error {
	res, err := o.client.Do(req)
	if err != nil {
		return Away().Because(err)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return Away().Because(err)
	}
	if res.StatusCode >= 300 {
		return &refusal{res.StatusCode, req.Method + " " + req.URL.Path, string(text)}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the simulator's answer to %s %s: %w", req.Method, req.URL.Path, err)
	}
	return nil
}
