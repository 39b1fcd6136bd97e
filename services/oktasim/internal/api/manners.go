package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/failure"
)

// The media of operations beside JSON.
const (
	formMedia = "application/x-www-form-urlencoded"
	anyMedia  = "*/*"
	xmlMedia  = "application/xml"
)

// otherMedia are the operations that take or give something else than JSON, by method and
// the end of the path: files, certificates and forms; metadata.
var otherMedia = map[string]string{
	"POST /logo": anyMedia, "POST /favicon": anyMedia, "POST /background-image": anyMedia, "POST /lifecycle/publish": anyMedia,
	"POST /oauth2/v1/token": formMedia, "POST /oauth2/v1/introspect": formMedia, "POST /oauth2/v1/revoke": formMedia,
	"GET /metadata.xml": xmlMedia, "GET /sso/saml/metadata": xmlMedia,
}

// media is what the operation takes if it has a body, else what it gives.
func (op *operation) media() string {
	for where, m := range otherMedia {
		method, end, _ := strings.Cut(where, " ")
		if op.method == method && strings.HasSuffix(op.path, end) {
			return m
		}
	}
	return "application/json"
}

// understands checks the headers by which client and org agree on media: another body than
// the operation's is refused with 400 (documented), an answer that the client does not want
// with 406 (published error, its use here an assumption).
func (c *call) understands() error {
	m := c.op.media()
	if wanted := c.r.Header.Get("Accept"); wanted != "" && !accepts(wanted, m) {
		return failure.NotAcceptable()
	}
	if len(c.body) == 0 || m == anyMedia {
		return nil
	}
	given, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || given != m && (m != "application/json" || !strings.HasSuffix(given, "+json")) {
		return failure.UnsupportedMedia()
	}
	return nil
}

// accepts says whether a client that wants this can be given the medium. Forms and files
// are answered in JSON; where that is XML the header is not looked at.
func accepts(wanted, medium string) bool {
	if medium == xmlMedia {
		return true
	}
	for _, one := range strings.Split(wanted, ",") {
		name, _, err := mime.ParseMediaType(one)
		if err == nil && (name == anyMedia || name == "application/*" || strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "json")) {
			return true
		}
	}
	return false
}

// maxBody bounds request bodies.
const maxBody = 10 << 20

// errTooLarge refuses a body that the servers before Okta's do not let through; that they
// have this limit is an assumption.
var errTooLarge = errors.New("the request body is too large")

func (c *call) readBody() error {
	b, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	switch {
	case err != nil:
		return failure.Malformed()
	case len(b) > maxBody:
		return errTooLarge
	}
	c.body = b
	return nil
}

// tooLarge is a web server's own answer.
func (c *call) tooLarge() {
	c.status = http.StatusRequestEntityTooLarge
	c.response = []byte("<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n")
	c.set("Content-Type", "text/html")
}

// options answers what methods a path has, and lets browsers in whose origin is trusted
// (CORS; documented: trusted origins with the scope CORS).
func (c *call) options() error {
	c.set("Allow", strings.Join(c.allowed, ", "))
	c.status = http.StatusOK
	if c.header.Get("Access-Control-Allow-Origin") != "" {
		c.set("Access-Control-Allow-Methods", strings.Join(c.allowed, ", "))
		if asked := c.r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			c.set("Access-Control-Allow-Headers", asked)
		}
	}
	return nil
}

// shareOrigin marks the answer for the browser of a trusted origin.
func (c *call) shareOrigin() error {
	origin := c.r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	return c.org.View(func() error {
		c.set("Vary", "Origin")
		if c.org.TrustsOrigin(origin) {
			c.set("Access-Control-Allow-Origin", origin)
			c.set("Access-Control-Allow-Credentials", "true")
		}
		return nil
	})
}

// metadataLife is how long clients may keep public metadata (seen on live orgs).
const metadataLife = 24 * time.Hour

// dress sets the headers that every answer has (seen on live orgs).
func (c *call) dress(head http.Header) {
	now := c.org.Now()
	head.Set("Date", now.Format(http.TimeFormat))
	head.Set("Server", "nginx")
	head.Set("X-Okta-Request-Id", c.requestID)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Xss-Protection", "0")
	head.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	head.Set("Strict-Transport-Security", "max-age=315360000; includeSubDomains")
	if c.op != nil && c.op.open && c.op.method == http.MethodGet {
		head.Set("Cache-Control", "max-age=86400, must-revalidate")
		head.Set("Expires", now.Add(metadataLife).Format(http.TimeFormat))
	} else {
		head.Set("Cache-Control", "no-cache, no-store")
		head.Set("Pragma", "no-cache")
		head.Set("Expires", "0")
	}
	if c.rate != nil {
		head.Set("X-Rate-Limit-Limit", strconv.Itoa(c.rate.Limit))
		head.Set("X-Rate-Limit-Remaining", strconv.Itoa(c.rate.Remaining))
		head.Set("X-Rate-Limit-Reset", strconv.FormatInt(c.rate.Reset.Unix(), 10))
	}
	if len(c.response) > 0 && head.Get("Content-Type") == "" {
		head.Set("Content-Type", "application/json")
	}
}
