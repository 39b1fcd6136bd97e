// Package outbound reaches servers that customers name, and keeps their addresses from
// leading into the network that the service itself runs in. Besides it tells which hosts are
// this machine.
package outbound

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Transport speaks HTTP and TLS to servers that customers name. If refused is not nil, it
// connects to no address that is not of the public Internet, and fails with what refused
// makes; unless the environment sends calls through a proxy, which then decides.
func Transport(refused func() error) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if refused != nil && !Proxied() {
		dialer.Control = publicOnly(refused)
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

// IsLoopback reports whether a host is this machine under an address of its own, where what
// is not encrypted may be said. A name below localhost is none: resolvers ask others for it.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Proxied reports whether the environment sends calls of customers' servers through a proxy.
func Proxied() bool {
	req, err := http.NewRequest(http.MethodGet, "https://acme.okta.com", nil)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(req)
	return proxy != nil || err != nil
}

// publicOnly looks at the address itself, just before the connection: what a name
// resolves to can change after any check of the name.
func publicOnly(refused func() error) func(_, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !isPublic(to.Addr()) {
			return refused()
		}
		return nil
	}
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
