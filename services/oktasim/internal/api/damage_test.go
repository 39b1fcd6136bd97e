package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/fault"
)

// raw sends a request and returns the answer's bytes as they come.
func (s *sim) raw(path string) string {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: SSWS "+s.token+"\r\n\r\n"); err != nil {
		s.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		s.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		s.Fatal(err)
	}
	return string(b)
}

func TestSpoiltLinks(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := "/api/v1/groups?limit=2"
	for kind, want := range map[string]string{
		fault.JoinLink:      "rel=\"self\", <",
		fault.FoldLink:      "rel=\"self\",\r\n\t<",
		fault.MalformedLink: "limit=2; rel=\"self\"\r\n",
	} {
		s.fault(fault.Fault{Kind: kind, Path: "/api/v1/groups", Count: 1})
		if got := s.raw(path); !strings.Contains(got, want) {
			t.Errorf("%s: %q is not in %s", kind, want, got)
		}
		if got := s.raw(path); strings.Contains(got, want) {
			t.Errorf("%s struck twice", kind)
		}
	}
}

// TestFoldedLinksAreWellFormed reads a folded answer as a client does.
func TestFoldedLinksAreWellFormed(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fault(fault.Fault{Kind: fault.FoldLink})
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(s.raw("/api/v1/groups?limit=2"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || len((answer{body: b}).list(t)) != 2 || strings.Count(resp.Header.Get("Link"), "rel=") != 2 {
		t.Errorf("%v, %s, Link %q", err, b, resp.Header.Values("Link"))
	}
}

func TestDuplicatesOverPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fault(fault.Fault{Kind: fault.Duplicate, Path: "/api/v1/groups", Count: 1})
	s.list("/api/v1/groups")
	if f := s.host.Faults.List()[0]; f.Fired != 0 {
		t.Errorf("the fault fired %d times on a list of one page", f.Fired)
	}
	all, pages := s.walk("/api/v1/groups?limit=4")
	got := ids(all)
	if unique := slices.Compact(slices.Clone(got)); pages != 4 || len(got) != 16 || len(unique) != 15 || got[3] != got[4] {
		t.Errorf("%d pages with %v", pages, got)
	}
}

// TestDuplicatesInEnvelopes follows a next link that stands in the body.
func TestDuplicatesInEnvelopes(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 120 {
		label := fmt.Sprintf("Role %d", i)
		s.create("/api/v1/iam/roles", map[string]any{"label": label, "description": label, "permissions": []string{"okta.users.read"}})
	}
	s.fault(fault.Fault{Kind: fault.Duplicate, Count: 1})
	var got []string
	for path := "/api/v1/iam/roles"; path != ""; {
		page := s.get(path)
		for _, x := range page["roles"].([]any) {
			got = append(got, doc.String(x.(doc.Doc), "id"))
		}
		path = doc.String(page, "_links", "next", "href")
	}
	if unique := slices.Compact(slices.Clone(got)); len(got) != len(unique)+1 || got[99] != got[100] {
		t.Errorf("%d roles, %d of them different", len(got), len(unique))
	}
}

func TestShortPagesLoseNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fault(fault.Fault{Kind: fault.ShortPage, Path: "/api/v1/groups", Count: 1})
	all, pages := s.walk("/api/v1/groups?limit=10")
	if got := slices.Compact(ids(all)); len(got) != 15 || pages != 3 {
		t.Errorf("%d groups on %d pages, want 15 on 3", len(got), pages)
	}
}

func TestSpoiltHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fault(fault.Fault{Kind: fault.ContentType, Path: "/api/v1/groups/{id}", Count: 1})
	s.fault(fault.Fault{Kind: fault.Status, Status: 429, Path: "/api/v1/users", Count: 1, Headers: map[string]string{"Retry-After": "3", "X-Okta-Request-Id": ""}})
	a := s.want(200, "GET", "/api/v1/groups/"+s.made.Groups["Finance"], nil)
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		t.Errorf("Content-Type %s", got)
	}
	a = s.want(429, "GET", "/api/v1/users", nil)
	if a.header.Get("Retry-After") != "3" || a.header.Get("X-Okta-Request-Id") != "" {
		t.Errorf("headers %v", a.header)
	}
}
