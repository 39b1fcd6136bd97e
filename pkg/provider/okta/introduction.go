package okta

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

const (
	introductionPath = "/.well-known/okta-organization"
	// introductionMax bounds an answer in bytes; an org's has some hundred.
	introductionMax = 64 << 10
	// firstPatience is a person's, who waits; work on an org that is known can wait longer.
	firstPatience = 10 * time.Second
	laterPatience = 30 * time.Second
)

// Org asks an address which org answers there. Somebody has just written it, so what
// waiting does not mend is told as the address's fault: that there is no such host, or
// that it cannot prove to be it.
func (p *Provider) Org(ctx context.Context, org account.Org) (provider.OrgFacts, error) {
	u, err := p.address(org)
	if err != nil {
		return provider.OrgFacts{}, err
	}
	got, err := introduction(ctx, p.base(org), u, firstPatience)
	if wrong := misaddressed(err, u); wrong != nil {
		return provider.OrgFacts{}, wrong
	}
	return facts(got, err, &clock{now: p.options.Now})
}

// introduced has an org that is connected describe itself: a host that is not found
// just now may well come back.
func (r *Reader) introduced(ctx context.Context) (provider.OrgFacts, error) {
	got, err := introduction(ctx, r.tokens.base, r.client.org, laterPatience)
	return facts(got, err, r.client.clock)
}

// introduction asks for what every org tells everybody of itself, without a credential;
// redirects are not followed. An answer that is too long is cut off, and no error.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/OrgSettingMetadata/
func introduction(ctx context.Context, base http.RoundTripper, org *url.URL, patience time.Duration) (*received, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, org.String()+introductionPath, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the org who it is: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	got, err := exchange(base, req, introductionMax)
	switch {
	case got != nil && len(got.body) > introductionMax:
		return got, nil
	case err != nil && ctx.Err() != nil:
		return nil, errors.Join(err, context.Cause(ctx))
	}
	return got, err
}

// orgID is how Okta spells IDs; what is kept of a stranger's answer is no more than that.
var orgID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// facts reads an introduction, or says what answered instead of an org.
func facts(got *received, err error, c *clock) (provider.OrgFacts, error) {
	switch {
	case err != nil:
		return provider.OrgFacts{}, errors.Join(unreachable(err), ended(err))
	case got.status >= 500 || got.status == http.StatusTooManyRequests:
		return provider.OrgFacts{}, problem.New(problem.Unavailable, "the org answers %d", got.status).WithHint("try again later")
	}
	var said struct {
		ID       string `json:"id"`
		Pipeline string `json:"pipeline"`
	}
	err = json.Unmarshal(got.body, &said)
	if got.status != http.StatusOK || err != nil || !orgID.MatchString(said.ID) {
		return provider.OrgFacts{}, noOrg(stranger(got))
	}
	c.observe(got.header)
	engine := map[string]string{"idx": "oie", "v1": "classic"}[said.Pipeline]
	return provider.OrgFacts{ID: said.ID, Engine: engine, Version: "v1", Skew: c.offset()}, nil
}

// ended is the end of a context that an error tells of; nil if it tells of none.
func ended(err error) error {
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return end
		}
	}
	return nil
}

func noOrg(found string) *problem.Problem {
	return problem.InField("org_url", "no Okta org answers there: %s", found).
		WithHint("check the address: it is the one that you sign in at, without -admin, as in https://acme.okta.com")
}

// stranger says what an answer is that is no introduction.
func stranger(got *received) string {
	switch {
	case got.status >= 300 && got.status < 400:
		return "it redirects to " + cmp.Or(host(got.header.Get("Location")), "another place")
	case got.status != http.StatusOK:
		return fmt.Sprintf("it answers %d", got.status)
	case strings.Contains(got.header.Get("Content-Type"), "html"):
		return "it answers a web page"
	}
	return "it does not describe itself as one"
}

// hostName are the characters of a host's name, so that nobody words our errors.
var hostName = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}$`)

// host is the host that a redirect leads to; "" when it names none.
func host(location string) string {
	u, err := url.Parse(location)
	if err != nil || !hostName.MatchString(u.Hostname()) {
		return ""
	}
	return u.Hostname()
}

// misaddressed tells what an error says about the address; nil for what may be another
// thing in a minute.
func misaddressed(err error, org *url.URL) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return nil // it is about our own proxy
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return noOrg("there is no host " + org.Hostname()).Because(err)
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return noOrg(unproven(cert)).Because(err)
	}
	return nil
}

// unproven says why a certificate does not prove who answers.
func unproven(err *tls.CertificateVerificationError) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is another host's"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by nobody whom Imago trusts"
	}
	return "its certificate is not valid"
}
