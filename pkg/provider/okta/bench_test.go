package okta

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"imago/pkg/resource"
)

// userPages answers lists of users in pages of two hundred, of the size and shape that
// Okta sends.
type userPages struct{ page []byte }

func newUserPages() *userPages {
	var b strings.Builder
	b.WriteByte('[')
	for i := range 200 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"00uPAGE%04d","status":"ACTIVE","created":"2025-02-13T10:00:00.000Z","activated":"2025-02-13T10:00:00.000Z","statusChanged":"2025-02-13T10:00:00.000Z","lastLogin":null,"lastUpdated":"2025-02-13T10:00:00.000Z","passwordChanged":"2025-02-13T10:00:00.000Z","type":{"id":"oty1abcdefgh"},"profile":{"firstName":"Person","lastName":"Number %d","mobilePhone":null,"secondEmail":null,"login":"person%d@acme.example","email":"person%d@acme.example","title":"Controller","department":"Finance","city":"Zürich"},"credentials":{"password":{},"emails":[{"value":"person%d@acme.example","status":"VERIFIED","type":"PRIMARY"}],"provider":{"type":"OKTA","name":"OKTA"}},"_links":{"self":{"href":"https://acme.okta.example/api/v1/users/00uPAGE%04d"}}}`, i, i, i, i, i, i)
	}
	b.WriteByte(']')
	return &userPages{[]byte(b.String())}
}

func (p *userPages) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	body := []byte(`{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
	if r.URL.Path != tokenPath {
		body = p.page
		h.Set("Link", `<https://acme.okta.example/api/v1/users?after=x>; rel="next"`)
	}
	return &http.Response{StatusCode: 200, Header: h, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// BenchmarkPage is what a page of users costs from the connection to the resources,
// and what of it is the canonical form alone.
func BenchmarkPage(b *testing.B) {
	pages := newUserPages()
	b.Run("read", func(b *testing.B) {
		r := testReader(b, "https://acme.okta.example", Options{Transport: pages})
		b.SetBytes(int64(len(pages.page)))
		b.ReportAllocs()
		for b.Loop() {
			l, err := r.listing(b.Context(), "user", resource.Key{}, "")
			if err != nil {
				b.Fatal(err)
			}
			if page, err := l.page(b.Context()); err != nil || len(page.Resources) != 200 {
				b.Fatal(len(page.Resources), err)
			}
		}
	})
	b.Run("canonical", func(b *testing.B) {
		b.SetBytes(int64(len(pages.page)))
		b.ReportAllocs()
		var c resource.Canonicaliser
		var dst []byte
		for b.Loop() {
			var err error
			if dst, err = c.Append(dst[:0], pages.page); err != nil {
				b.Fatal(err)
			}
		}
	})
}
