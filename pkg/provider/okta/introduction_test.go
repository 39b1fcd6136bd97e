package okta

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

const introduces = `{"id":"00o1","pipeline":"idx","_links":{"organization":{"href":"https://acme.okta.com"}}}`

// wantsNo checks a refusal of an address.
func wantsNo(t *testing.T, err error, kind problem.Kind, says string) {
	t.Helper()
	p := problem.Of(err)
	if p == nil || p.Kind != kind || !strings.Contains(p.What, says) || p.Hint == "" || (kind == problem.Invalid) != (p.Field == "org_url") {
		t.Errorf("%v; want a problem of kind %s that says %q, and a way out", err, kind, says)
	}
}

func TestOrgAsksNoMoreThanWhoIsThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want provider.OrgFacts
	}{
		{introduces, provider.OrgFacts{ID: "00o1", Engine: "oie", Version: "v1"}},
		{`{"id":"00o2","pipeline":"v1"}`, provider.OrgFacts{ID: "00o2", Engine: "classic", Version: "v1"}},
		{`{"id":"00o3","pipeline":"next"}`, provider.OrgFacts{ID: "00o3", Version: "v1"}},
	} {
		org := newFakeOrg(t, answer(200, c.body))
		got, err := New(org.clock.options()).Org(t.Context(), account.Org{URL: org.URL})
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.body, err, diff)
		}
		if org.count() != 1 || org.calls[0].URL.Path != "/.well-known/okta-organization" || org.calls[0].Header.Get("Authorization") != "" || org.tokens > 0 {
			t.Errorf("%d calls, %d tokens, the first to %s", org.count(), org.tokens, org.calls[0].URL)
		}
	}
}

func TestWhatIsNoOrg(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   problem.Kind
		says   string
	}{
		"not found":              {answer(404, `{"errorCode":"E0000007"}`), problem.Invalid, "it answers 404"},
		"not allowed":            {answer(403, introduces), problem.Invalid, "it answers 403"},
		"elsewhere":              {answer(301, "", "Location", "https://login.acme.com/.well-known/okta-organization"), problem.Invalid, "it redirects to login.acme.com"},
		"elsewhere, in words":    {answer(302, "", "Location", "https://type%20this%3A%20rm%20-rf/"), problem.Invalid, "it redirects to another place"},
		"nowhere":                {answer(307, ""), problem.Invalid, "it redirects to another place"},
		"a web page":             {answer(200, "<html>Welcome</html>", "Content-Type", "text/html; charset=utf-8"), problem.Invalid, "it answers a web page"},
		"a long web page":        {answer(200, "<html>"+strings.Repeat("x", 1<<20), "Content-Type", "text/html"), problem.Invalid, "it answers a web page"},
		"other JSON":             {answer(200, `{"hello":"world"}`), problem.Invalid, "does not describe itself"},
		"no object":              {answer(200, `[]`), problem.Invalid, "does not describe itself"},
		"an ID that says more":   {answer(200, `{"id":"00o1\nhint: pay","pipeline":"idx"}`), problem.Invalid, "does not describe itself"},
		"an ID without an end":   {answer(200, `{"id":"`+strings.Repeat("0", 65)+`"}`), problem.Invalid, "does not describe itself"},
		"JSON without an end":    {answer(200, `{"id":"00o1","more":"`+strings.Repeat("x", 64<<10)+`"}`), problem.Invalid, "does not describe itself"},
		"away":                   {answer(503, ""), problem.Unavailable, "answers 503"},
		"away behind a web page": {answer(502, "<html>"+strings.Repeat("x", 1<<20), "Content-Type", "text/html"), problem.Unavailable, "answers 502"},
		"too much asked":         {answer(429, ""), problem.Unavailable, "answers 429"},
		"hung up":                {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, problem.Unavailable, "cannot be reached"},
		"cut off":                {answer(200, introduces[:20], "Content-Length", "1000"), problem.Unavailable, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, c.answer)
			_, err := New(org.clock.options()).Org(t.Context(), account.Org{URL: org.URL})
			wantsNo(t, err, c.kind, c.says)
			if n := org.count(); n != 1 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

// instead is a transport that answers no calls.
type instead func(*http.Request) error

func (f instead) RoundTrip(r *http.Request) (*http.Response, error) { return nil, f(r) }

// failing is a provider whose calls all end in an error.
func failing(err error) *Provider {
	return New(Options{Transport: instead(func(*http.Request) error { return err })})
}

// A wrong name stays wrong for a person who has just written it. For work on an org
// that is connected, it is as if the org was away.
func TestNoSuchHost(t *testing.T) {
	t.Parallel()
	org := account.Org{URL: "https://nobody.okta.com"}
	gone := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nobody.okta.com", IsNotFound: true}}
	_, err := failing(gone).Org(t.Context(), org)
	wantsNo(t, err, problem.Invalid, "there is no host nobody.okta.com")
	r, err := failing(gone).Reader(t.Context(), org, testCredential(t, account.Read))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Org(t.Context())
	wantsNo(t, err, problem.Unavailable, "cannot be reached")
	_, err = failing(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: gone}).Org(t.Context(), org)
	wantsNo(t, err, problem.Unavailable, "cannot be reached")
	busy := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "nobody.okta.com", IsTemporary: true}}
	_, err = failing(busy).Org(t.Context(), org)
	wantsNo(t, err, problem.Unavailable, "cannot be reached")
}

func TestCertificateOfSomebodyElse(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answer(200, introduces))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	ask := func(o Options) error {
		_, err := New(o).Org(t.Context(), account.Org{URL: server.URL})
		return err
	}
	wantsNo(t, ask(Options{}), problem.Invalid, "signed by nobody whom Imago trusts")
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusting := func(c *tls.Config) Options {
		c.RootCAs = roots
		transport := &http.Transport{TLSClientConfig: c}
		t.Cleanup(transport.CloseIdleConnections)
		return Options{Transport: transport}
	}
	wantsNo(t, ask(trusting(&tls.Config{ServerName: "acme.okta.com"})), problem.Invalid, "another host's")
	late := server.Certificate().NotAfter.Add(time.Hour)
	wantsNo(t, ask(trusting(&tls.Config{Time: func() time.Time { return late }})), problem.Invalid, "not valid")
	if err := ask(trusting(&tls.Config{})); err != nil {
		t.Errorf("its own, trusted: %v", err)
	}
}

// Somebody waits for the answer, so an org that says nothing is given up in ten seconds.
func TestSilentOrg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Transport: instead(func(r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		})})
		org := account.Org{URL: "https://acme.okta.com"}
		began := time.Now()
		_, err := p.Org(t.Context(), org)
		wantsNo(t, err, problem.Unavailable, "cannot be reached")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("given up after %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err = p.Org(ctx, org); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestOrgAtABadAddress(t *testing.T) {
	t.Parallel()
	p := New(Options{Public: true, Transport: instead(func(r *http.Request) error {
		t.Errorf("%s was called", r.URL)
		return errors.New("called")
	})})
	for _, address := range []string{"", "acme.okta.com", "https://acme-admin.okta.com", "https://acme.okta.com/app", "http://127.0.0.1:80"} {
		_, err := p.Org(t.Context(), account.Org{URL: address})
		if pr := problem.Of(err); pr == nil || pr.Kind != problem.Invalid || pr.Field != "org_url" {
			t.Errorf("%q: %v", address, err)
		}
	}
}
