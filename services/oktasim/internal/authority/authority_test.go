package authority

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serveTLS answers on an address of this machine, or skips where it has none such.
func serveTLS(t *testing.T, a *Authority, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	if err := s.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.Listener = tls.NewListener(l, a.Config())
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().String()
}

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// dial shakes hands with the address as a client that trusts the authority alone.
func dial(t *testing.T, a *Authority, address, name string) error {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("the authority's certificate cannot be read")
	}
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	return c.Close()
}

func TestEveryLoopbackAddressIsCertified(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "127.255.0.9:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			listening := serveTLS(t, a, address)
			if err := dial(t, a, listening, ""); err != nil {
				t.Errorf("by address: %v", err)
			}
			if err := dial(t, a, listening, "acme.okta.example"); err != nil {
				t.Errorf("by name: %v", err)
			}
		})
	}
}

func TestOthersAreNotTrusted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	address := serveTLS(t, a, "127.0.0.1:0")
	if err := dial(t, newAuthority(t), address, ""); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("another authority vouched for the port: %v", err)
	}
}
