package okta

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/resource"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{
		"13.52.0.1": true, "2600:1f14::1": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false, "fd00::1": false, "fe80::1": false, "224.0.0.1": false,
		"255.255.255.255": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := isPublic(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: public %v, want %v", ip, got, want)
		}
	}
}

// A customer's address must not lead into the network of the service: nothing is
// even connected to.
func TestPublicOnly(t *testing.T) {
	t.Parallel()
	if proxied() {
		t.Skip("a proxy in the environment makes the connections")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	met := make(chan struct{}, 10)
	server := &http.Server{ConnState: func(net.Conn, http.ConnState) { met <- struct{}{} }}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	o := newTestClock().options()
	o.Public = true
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		r := testReader(t, "https://"+host+":"+port, o)
		for what, ask := range map[string]func() error{
			"who": func() error {
				_, err := New(o).Org(t.Context(), account.Org{URL: "https://" + host + ":" + port})
				return err
			},
			"org":  func() error { _, err := r.Org(t.Context()); return err },
			"read": func() error { _, err := r.Get(t.Context(), resource.Key{Type: "group", ID: "00g1"}); return err },
		} {
			err := ask()
			if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Field != "org_url" || p.Hint == "" {
				t.Errorf("%s of %s: %v, want an invalid org_url", what, host, err)
			}
		}
	}
	if len(met) > 0 {
		t.Error("a connection was made")
	}
	_, err = New(o).Reader(t.Context(), account.Org{URL: "http://127.0.0.1:" + port}, testCredential(t, account.Read))
	if !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "https") {
		t.Errorf("plain http: %v", err)
	}
}
