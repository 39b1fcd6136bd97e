package okta

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"imago/pkg/problem"
)

// demoTransport carries the calls of demo orgs: whatever an org's host is called, they go
// to the operator's simulator, which tells its orgs apart by that name.
type demoTransport struct {
	at   *url.URL // nil: there is none
	base http.RoundTripper
}

func newDemo(address string) http.RoundTripper {
	at, err := url.Parse(address)
	if err != nil || at.Host == "" {
		return demoTransport{}
	}
	// The operator says where it is, which may well be a private address; no proxy leads there.
	return demoTransport{at, &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: 50 * time.Second}}
}

// RoundTrip makes a call. That a refusal is the org's own, and not of another one that
// answers for an org that the simulator has lost, is seen before it is believed: it must
// not look as if all that was in the org had been deleted.
func (t demoTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.lead(req)
	if err != nil || req.URL.Path != introductionPath && res.StatusCode < 400 || t.stands(req) {
		return res, err
	}
	return nil, errors.Join(demoAway(), res.Body.Close())
}

// lead sends a request to the simulator in the name of the org.
func (t demoTransport) lead(req *http.Request) (*http.Response, error) {
	if t.at == nil {
		return nil, demoAway()
	}
	led := req.Clone(req.Context())
	led.Host = req.URL.Host
	led.URL.Scheme, led.URL.Host = t.at.Scheme, t.at.Host
	res, err := t.base.RoundTrip(led)
	if err != nil && req.Context().Err() == nil {
		return nil, demoAway().Because(err)
	}
	return res, err
}

// stands reports whether the org that answers is the one that was asked.
func (t demoTransport) stands(asked *http.Request) bool {
	req, err := http.NewRequestWithContext(asked.Context(), http.MethodGet, asked.URL.Scheme+"://"+asked.URL.Host+introductionPath, nil)
	if err != nil {
		return false
	}
	res, err := t.lead(req)
	if err != nil {
		return false
	}
	var said struct {
		Links struct {
			Organization struct{ Href string }
		} `json:"_links"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, introductionMax)).Decode(&said)
	return errors.Join(err, res.Body.Close()) == nil && said.Links.Organization.Href == asked.URL.Scheme+"://"+asked.URL.Host
}

func demoAway() *problem.Problem {
	return problem.New(problem.Unavailable, "the demo org is away").
		WithHint("nothing of yours is concerned: wait for whoever runs this Imago to bring it back, or remove the demo and make it again")
}
