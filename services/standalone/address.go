package standalone

import (
	"net"
	"net/http"
	"net/url"

	"imago/pkg/outbound"
)

// addressed fills in where people open the console, if nobody said so and it cannot be
// anywhere else: on this machine alone, and behind no proxy. It is a name where it can be,
// since passkeys are bound to no bare address (WebAuthn, section 5.1.2); browsers take
// localhost for secure without TLS (W3C Secure Contexts, section 3.1).
func (c Config) addressed() Config {
	if c.API.PublicURL == "" && len(c.API.TrustedProxies) == 0 {
		c.API.PublicURL = onThisMachine(c.listener().Addr, c.secure())
	}
	if c.Worker.PublicURL == "" {
		c.Worker.PublicURL = c.API.PublicURL
	}
	return c
}

// secure reports whether the installation is reached by TLS, under a name that we do not know.
func (c Config) secure() bool { return c.Listen.Cert != "" || len(c.Listen.Domains) > 0 }

// onThisMachine is the address of a loopback listener in a browser; "": it is none, or its
// port is not known yet.
func onThisMachine(addr string, secure bool) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || secure || !outbound.IsLoopback(host) || port == "0" || port == "" {
		return ""
	}
	if host == "127.0.0.1" || host == "::1" {
		host = "localhost"
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
	if port == "80" { // as browsers write it
		u.Host = host
	}
	return u.String()
}

// homeward leads browsers that open the console by the listener's bare address to the name
// that it has: under the other one passkeys would be refused.
func homeward(public, addr string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.Host == addr && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			to := public + r.URL.EscapedPath()
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}
