package standalone

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"imago/pkg/boot"
	"imago/services/api"
)

// Where people open the console is derived where it can only be on this machine, and what
// is missing without is told.
func TestConsolesAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		listen    boot.Listener
		told      string
		want, say string
	}{
		{boot.Listener{}, "", "http://localhost:8420", "http://localhost:8420"},
		{boot.Listener{Addr: "127.0.0.1:9000"}, "", "http://localhost:9000", "http://localhost:9000"},
		{boot.Listener{Addr: "[::1]:9000"}, "", "http://localhost:9000", "http://localhost:9000"},
		{boot.Listener{Addr: "localhost:80"}, "", "http://localhost", "http://localhost"},
		{boot.Listener{Addr: "127.0.0.2:9000"}, "", "http://127.0.0.2:9000", "passkeys need a name"},
		{boot.Listener{Addr: "127.0.0.1:0"}, "", "", "ITS ADDRESS IS NOT KNOWN"},
		{boot.Listener{Addr: ":443", Cert: "c.pem", Key: "k.pem"}, "", "", "set IMAGO_PUBLIC_URL"},
		{boot.Listener{Addr: "127.0.0.1:443", Cert: "c.pem", Key: "k.pem"}, "", "", "set IMAGO_PUBLIC_URL"},
		{boot.Listener{Addr: "127.0.0.1:9000", Domains: []string{"imago.example.com"}}, "", "", "set IMAGO_PUBLIC_URL"},
		{boot.Listener{Addr: "127.0.0.1:9000"}, "https://imago.example.com", "https://imago.example.com", "https://imago.example.com"},
	} {
		c := Config{Listen: test.listen, API: api.Config{PublicURL: test.told}}
		c.Worker.PublicURL = test.told
		c = c.addressed()
		said := strings.Join(c.console(), " ")
		if c.API.PublicURL != test.want || c.Worker.PublicURL != test.want || !strings.Contains(said, test.say) {
			t.Errorf("%+v: api %q, worker %q, said: %s", test.listen, c.API.PublicURL, c.Worker.PublicURL, said)
		}
	}
}

// Behind a proxy it is the proxy's address that people open.
func TestAddressBehindAProxyIsNotGuessed(t *testing.T) {
	t.Parallel()
	c := Config{API: api.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}.addressed()
	if c.API.PublicURL != "" || c.Worker.PublicURL != "" || !strings.Contains(c.console()[0], "NOT KNOWN") {
		t.Errorf("guessed %q, %q", c.API.PublicURL, c.Worker.PublicURL)
	}
}

// A browser that opens the bare address is led to the name, with what it asked for; other
// hosts, programs, and what a page itself asks for are not.
func TestBareAddressLeadsToTheName(t *testing.T) {
	t.Parallel()
	h := homeward("http://localhost:8420", "127.0.0.1:8420", http.NotFoundHandler())
	for _, test := range []struct {
		method, host, mode, want string
	}{
		{"GET", "127.0.0.1:8420", "navigate", "http://localhost:8420/device?code=A%2FB"},
		{"GET", "localhost:8420", "navigate", ""},
		{"GET", "127.0.0.1:8420", "cors", ""},
		{"GET", "127.0.0.1:8420", "", ""},
		{"POST", "127.0.0.1:8420", "navigate", ""},
		{"GET", "evil.example", "navigate", ""},
	} {
		r := httptest.NewRequest(test.method, "/device?code=A%2FB", nil)
		r.Host = test.host
		r.Header.Set("Sec-Fetch-Mode", test.mode)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != test.want {
			t.Errorf("%s %s (%s) is led to %q, want %q", test.method, test.host, test.mode, got, test.want)
		}
	}
	r := httptest.NewRequest("GET", "//evil.example/x", nil)
	r.Host = "127.0.0.1:8420"
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); !strings.HasPrefix(got, "http://localhost:8420/") {
		t.Errorf("led to %q", got)
	}
}
