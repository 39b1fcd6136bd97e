package api

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/form"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// call is one request on its way through the server, and its response.
type call struct {
	host *Host
	org  *org.Org
	r    *http.Request
	op   *operation
	// allowed are the methods of the path, none of an unknown one.
	allowed []string
	params  map[string]string
	query   url.Values
	// below is the path below which the client has found the org.
	below     string
	body      []byte
	principal *principal
	requestID string
	// keys are those that the client publishes at its jwks_uri.
	keys []any

	status   int
	header   http.Header
	response []byte
	rate     *limit.Result
	// internal is an error of the simulator itself.
	internal error
	// hit is the fault that the request suffers, nil for none.
	hit *fault.Fault
}

// errorID names an answer with an error (recorded form).
func errorID() string {
	var b [18]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "oaeunavailable"
	}
	return "oae" + base64.RawURLEncoding.EncodeToString(b[:])[:22]
}

// requestID is 32 hexadecimal digits (seen on live orgs).
func requestID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "unavailable"
	}
	return hex.EncodeToString(b[:])
}

// cause says who asks, for the log.
func (c *call) cause() *org.Cause {
	cause := &org.Cause{
		Actor: org.Party{ID: "unknown", Type: "Unknown", AlternateID: "unknown", DisplayName: "unknown"},
		IP:    clientIP(c.r), UserAgent: c.r.UserAgent(), RequestID: c.requestID, URI: c.r.URL.Path,
	}
	if c.principal != nil {
		cause.Actor, cause.TokenID, cause.Session = c.principal.party, c.principal.tokenID, c.principal.session()
		cause.Dress(c.principal.guise)
	}
	return cause
}

// clientIP is the peer's address. On loopback the first address of X-Forwarded-For
// stands for it, so that a demonstration can come from anywhere.
func clientIP(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(peer)
	if err != nil || !addr.IsLoopback() {
		return peer
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	if claimed, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil {
		return claimed.String()
	}
	return peer
}

// object reads the request body as a JSON object of the operation's form.
func (c *call) object() (doc.Doc, error) {
	d, err := doc.ParseObject(c.body)
	if err != nil || !form.Fits(c.op.form, d) {
		return nil, failure.Malformed()
	}
	return d, nil
}

// optional reads the request body, {} if there is none.
func (c *call) optional() (doc.Doc, error) {
	if len(c.body) == 0 {
		return doc.Doc{}, nil
	}
	return c.object()
}

// flag reads a truth value from the query.
func (c *call) flag(name string, otherwise bool) bool {
	switch c.query.Get(name) {
	case "true":
		return true
	case "false":
		return false
	}
	return otherwise
}

func (c *call) set(key, value string) {
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Add(key, value)
}

// reply answers with a JSON body.
func (c *call) reply(status int, v any) error {
	b, err := doc.Bytes(v)
	if err != nil {
		return err
	}
	c.status, c.response = status, b
	return nil
}

// show answers 200 with the body, or passes the error on.
func (c *call) show(v any, err error) error {
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, v)
}

// empty answers 200 with {} (Okta's lifecycle operations), or passes the error on.
func (c *call) empty(err error) error { return c.show(doc.Doc{}, err) }

// done answers 204, or passes the error on.
func (c *call) done(err error) error {
	if err != nil {
		return err
	}
	c.status = http.StatusNoContent
	return nil
}

// fail turns an error into Okta's error body.
func (c *call) fail(err error) {
	var oauth *oauthError
	if errors.As(err, &oauth) {
		c.status, c.response = oauth.status, mustBytes(oauth)
		return
	}
	if errors.Is(err, errTooLarge) {
		c.tooLarge()
		return
	}
	var asked *challenge
	if errors.As(err, &asked) {
		c.status, c.response = asked.status, nil
		c.set("WWW-Authenticate", asked.header(c))
		return
	}
	var f *failure.Failure
	if !errors.As(err, &f) {
		c.internal = errors.Join(c.internal, err)
		f = failure.Internal()
	}
	causes := []any{}
	for _, s := range f.Causes {
		causes = append(causes, doc.Doc{"errorSummary": s})
	}
	c.status = f.Status
	c.response = mustBytes(struct {
		Code    string `json:"errorCode"`
		Summary string `json:"errorSummary"`
		Link    string `json:"errorLink"`
		ID      string `json:"errorId"`
		Causes  []any  `json:"errorCauses"`
	}{f.Code, f.Summary, f.Code, errorID(), causes})
}

// mustBytes writes plain structs of texts, which cannot fail.
func mustBytes(v any) []byte {
	b, err := doc.Bytes(v)
	if err != nil {
		return []byte(`{"errorCode":"E0000009","errorSummary":"Internal Server Error"}`)
	}
	return b
}
