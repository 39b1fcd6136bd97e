package okta

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/outbound"
	"imago/pkg/problem"
	"imago/pkg/resource"
)

// A customer's address must not lead into the network of the service: nothing is
// even connected to.
func TestPublicOnly(t *testing.T) {
	t.Parallel()
	if outbound.Proxied() {
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
