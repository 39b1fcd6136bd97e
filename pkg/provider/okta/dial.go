package okta

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"imago/pkg/problem"
)

// newTransport is the transport below ours; public keeps it from reaching into the
// network that it runs in.
func newTransport(public bool) http.RoundTripper {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if public && !proxied() {
		dialer.Control = publicOnly
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 50 * time.Second, // Okta ends queries at 30 s
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
	}
}

// proxied reports whether the environment sends calls of orgs through a proxy.
func proxied() bool {
	req, err := http.NewRequest(http.MethodGet, "https://acme.okta.com", nil)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(req)
	return proxy != nil || err != nil
}

func errNotPublic() error {
	return problem.InField("org_url", "it does not lead to an address of the public Internet").
		WithHint("give the org's own address, as in https://acme.okta.com")
}

// publicOnly looks at the address itself, just before the connection: what a name
// resolves to can change after any check of the name.
func publicOnly(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(to.Addr()) {
		return errNotPublic()
	}
	return nil
}

// notPublic are ranges that netip's own questions leave out: IANA's registries of
// special-purpose addresses. The last three carry IPv4 addresses within.
//
// https://www.iana.org/assignments/iana-ipv4-special-registry/
func notPublic() [8]string {
	return [...]string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"}
}

func isPublic(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, r := range notPublic() {
		if netip.MustParsePrefix(r).Contains(ip) {
			return false
		}
	}
	return true
}
