package console

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// serve serves a small console as a browser asks for it, which is not all that it asks for.
func serve(t *testing.T) func(path string) *httptest.ResponseRecorder {
	return func(path string) *httptest.ResponseRecorder { return ask(t, "GET", path, "text/html,*/*") }
}

func ask(t *testing.T, method, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := handler(fstest.MapFS{
		"dist/app/index.html":      {Data: []byte(`<meta name="csp-nonce" content="" /><div id="root">`)},
		"dist/app/imago.svg":       {Data: []byte(`<svg/>`)},
		"dist/app/assets/a-1f2.js": {Data: []byte(`1`)},
	}, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(w, r)
	return w
}

func TestWhatIsNotForTheConsole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path, accept string
		want                 int
	}{
		{"GET", "/robots.txt", "*/*", 404},
		{"GET", "/", "application/json", 404},
		{"POST", "/", "text/html", 404},
		{"HEAD", "/", "text/html", 200},
		{"GET", "/assets/a-1f2.js", "*/*", 200},
	} {
		if got := ask(t, c.method, c.path, c.accept).Code; got != c.want {
			t.Errorf("%s %s for %s: %d, want %d", c.method, c.path, c.accept, got, c.want)
		}
	}
}

func TestEveryAddressIsThePage(t *testing.T) {
	t.Parallel()
	get := serve(t)
	for _, path := range []string{"/", "/index.html", "/orgs/1/changes", "/assets", "/assets/gone.js", "/..%2f..%2fetc/passwd"} {
		w := get(path)
		if w.Code != 200 || !strings.Contains(w.Body.String(), `id="root"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}

func TestFilesKeepTheirKind(t *testing.T) {
	t.Parallel()
	get := serve(t)
	for path, want := range map[string][2]string{
		"/assets/a-1f2.js": {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"/imago.svg":       {"image/svg+xml", "no-cache"},
	} {
		h := get(path).Header()
		if h.Get("Content-Type") != want[0] || h.Get("Cache-Control") != want[1] {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// Each answer has a nonce of its own, the same in the page and in its policy.
func TestNonce(t *testing.T) {
	t.Parallel()
	get := serve(t)
	inPage := regexp.MustCompile(`content="([A-Z0-9]{20,})"`)
	inPolicy := regexp.MustCompile(`'nonce-([A-Z0-9]{20,})'`)
	seen := map[string]bool{}
	for range 2 {
		w := get("/")
		page, policy := inPage.FindStringSubmatch(w.Body.String()), inPolicy.FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
		if page == nil || policy == nil || page[1] != policy[1] || seen[page[1]] {
			t.Fatalf("page %v, policy %v, before %v", page, policy, seen)
		}
		seen[page[1]] = true
	}
}

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	if _, err := handler(fstest.MapFS{"dist/.gitignore": {}}, nil); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("%v", err)
	}
}
