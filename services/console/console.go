// Package console embeds the web console's build and serves it: one page for every
// address, whose scripts and styles may come from its own origin only.
package console

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// built is what scripts/console builds; a checkout that was not built holds no app.
//
//go:embed all:dist
var built embed.FS

// app is the folder of the build.
const app = "dist/app"

// policy lets nothing in from elsewhere, and nothing inline but the styles that carry the
// answer's nonce (CSP level 3). Nobody may frame the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the console to browsers; otherwise answers whoever asks for anything else.
// ErrNotBuilt: there is no console in this program.
func Handler(otherwise http.Handler) (http.Handler, error) { return handler(built, otherwise) }

// ErrNotBuilt says that the program was built before the console was.
var ErrNotBuilt = errors.New("the console was not built into this program: run scripts/console and build it again")

func handler(files fs.FS, otherwise http.Handler) (http.Handler, error) {
	sub, err := fs.Sub(files, app)
	if err != nil {
		return nil, err
	}
	index, err := fs.ReadFile(sub, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotBuilt
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(index, nonceSlot) {
		return nil, fmt.Errorf("console: index.html has no %s", nonceSlot)
	}
	return site{files: sub, assets: http.FileServerFS(sub), index: index, otherwise: otherwise}, nil
}

// site is the built console.
type site struct {
	files     fs.FS
	assets    http.Handler
	index     []byte
	otherwise http.Handler
}

// nonceSlot is where the page keeps the nonce for the styles that its scripts make.
var nonceSlot = []byte(`name="csp-nonce" content=""`)

// ServeHTTP answers a file of the build, or the page itself, which knows its addresses, to
// who wants a page.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		s.otherwise.ServeHTTP(w, r)
	case s.has(name):
		w.Header().Set("Cache-Control", kept(name))
		s.assets.ServeHTTP(w, r)
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		s.page(w)
	default:
		s.otherwise.ServeHTTP(w, r)
	}
}

// has tells whether the build has the file; its page is none.
func (s site) has(name string) bool {
	info, err := fs.Stat(s.files, name)
	return err == nil && !info.IsDir() && name != "index.html"
}

// kept says how long a browser may keep a file: assets are named by their content.
func kept(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

func (s site) page(w http.ResponseWriter) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, nonce))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	page := bytes.Replace(s.index, nonceSlot, []byte(`name="csp-nonce" content="`+nonce+`"`), 1)
	if _, err := w.Write(page); err != nil {
		return // the browser is gone
	}
}
