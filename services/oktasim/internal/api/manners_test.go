package api_test

import (
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func TestMedia(t *testing.T) {
	t.Parallel()
	s := start(t)
	group := `{"profile":{"name":"Media"}}`
	for _, given := range []string{"application/x-www-form-urlencoded", "text/plain", "application/xml", "nonsense/", ""} {
		s.refused(400, "E0000021", "Content-Type", "POST", "/api/v1/groups", group, "Content-Type", given)
	}
	for i, given := range []string{"application/json", "application/json; charset=UTF-8", "application/merge-patch+json"} {
		s.want(200, "POST", "/api/v1/groups", strings.Replace(group, "Media", "Media"+strings.Repeat("x", i), 1), "Content-Type", given)
	}
	s.refused(400, "E0000003", "well-formed", "POST", "/api/v1/groups", `{"profile":`)
	s.refused(400, "E0000003", "well-formed", "POST", "/api/v1/groups", `[]`)
	s.refused(400, "E0000003", "well-formed", "POST", "/api/v1/groups", nil)
	s.refused(400, "E0000021", "Content-Type", "POST", "/oauth2/v1/token", `{}`, "Authorization", "")
	s.refused(406, "E0000122", "application/json", "GET", "/api/v1/groups", nil, "Accept", "text/html")
	for _, wanted := range []string{"*/*", "application/*", "text/html, */*;q=0.1", "application/scim+json", "application/json;q=0.9"} {
		s.want(200, "GET", "/api/v1/groups?limit=1", nil, "Accept", wanted)
	}
	if got := len(s.list("/api/v1/groups?q=Media")); got != 3 {
		t.Errorf("%d groups were made, want 3", got)
	}
}

func TestTooLargeBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.want(413, "POST", "/api/v1/groups", `{"profile":{"name":"`+strings.Repeat("x", 10<<20)+`"}}`)
	if a.header.Get("Content-Type") != "text/html" || !strings.Contains(string(a.body), "Request Entity Too Large") {
		t.Errorf("got %v %s", a.header, a.body)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.made.Groups["Finance"]
	full := s.want(200, "GET", "/api/v1/groups/"+id, nil)
	head := s.want(200, "HEAD", "/api/v1/groups/"+id, nil)
	if len(head.body) != 0 || head.header.Get("Content-Length") != full.header.Get("Content-Length") {
		t.Errorf("HEAD answered %v %s", head.header, head.body)
	}
	s.want(404, "HEAD", "/api/v1/groups/nobody", nil)
	wrong := s.want(405, "PATCH", "/api/v1/groups/"+id, nil)
	if got := wrong.header.Get("Allow"); got != "DELETE, GET, PUT, HEAD, OPTIONS" {
		t.Errorf("Allow is %q", got)
	}
	options := s.want(200, "OPTIONS", "/api/v1/groups/"+id, nil, "Authorization", "")
	if options.header.Get("Allow") != wrong.header.Get("Allow") || len(options.body) != 0 {
		t.Errorf("OPTIONS answered %v %s", options.header, options.body)
	}
	s.refused(404, "E0000008", "path", "OPTIONS", "/api/v1/weather", nil)
}

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	s := start(t)
	const origin = "https://app.example.com"
	allowed := func() (string, string) {
		a := s.want(200, "OPTIONS", "/api/v1/groups", nil, "Authorization", "", "Origin", origin, "Access-Control-Request-Headers", "authorization")
		b := s.want(200, "GET", "/api/v1/groups?limit=1", nil, "Origin", origin)
		if a.header.Get("Access-Control-Allow-Origin") != b.header.Get("Access-Control-Allow-Origin") {
			t.Errorf("OPTIONS says %v, GET %v", a.header, b.header)
		}
		return a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Allow-Headers")
	}
	if got, _ := allowed(); got != "" {
		t.Errorf("a stranger was let in: %q", got)
	}
	made := s.create("/api/v1/trustedOrigins", doc.Doc{"name": "App", "origin": origin, "scopes": []any{doc.Doc{"type": "CORS"}}})
	if got, headers := allowed(); got != origin || headers != "authorization" {
		t.Errorf("a trusted origin got %q and %q", got, headers)
	}
	s.want(200, "POST", "/api/v1/trustedOrigins/"+doc.String(made, "id")+"/lifecycle/deactivate", nil)
	if got, _ := allowed(); got != "" {
		t.Errorf("an inactive origin was let in: %q", got)
	}
}

func TestUserTags(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := "/api/v1/users/" + doc.String(s.create("/api/v1/users", newUser("tag@x.example")), "id")
	tag := s.want(200, "GET", path, nil).header.Get("Etag")
	if len(tag) != 20 || !strings.HasPrefix(tag, `W/"`) || s.want(200, "GET", path, nil).header.Get("Etag") != tag {
		t.Fatalf("the tag is %q", tag)
	}
	s.clock.Advance(time.Second)
	change := doc.Doc{"profile": doc.Doc{"lastName": "Changed"}}
	s.want(200, "POST", path, change, "If-Match", `W/"0000000000000000", `+tag)
	s.refused(412, "E0000231", "ETag", "POST", path, doc.Doc{"profile": doc.Doc{"lastName": "Again"}}, "If-Match", tag)
	s.refused(412, "E0000231", "ETag", "PUT", path, change, "If-Match", tag)
	if got := doc.String(s.get(path), "profile", "lastName"); got != "Changed" {
		t.Errorf("the last name is %q", got)
	}
	s.want(200, "POST", path, change, "If-Match", "*")
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.want(200, "GET", "/api/v1/groups?limit=1", nil)
	b := s.want(404, "GET", "/api/v1/groups/nobody", nil)
	for name, want := range map[string]string{"Cache-Control": "no-cache, no-store", "Pragma": "no-cache", "Expires": "0", "X-Content-Type-Options": "nosniff"} {
		if a.header.Get(name) != want || b.header.Get(name) != want {
			t.Errorf("%s is %q and %q, want %q", name, a.header.Get(name), b.header.Get(name), want)
		}
	}
	if id := a.header.Get("X-Okta-Request-Id"); len(id) != 32 || id == b.header.Get("X-Okta-Request-Id") {
		t.Errorf("request ids %q and %q", id, b.header.Get("X-Okta-Request-Id"))
	}
	public := s.want(200, "GET", "/oauth2/v1/keys", nil, "Authorization", "")
	if public.header.Get("Cache-Control") != "max-age=86400, must-revalidate" || public.header.Get("Expires") != "Tue, 03 Mar 2026 12:00:00 GMT" {
		t.Errorf("public metadata is kept for %v", public.header)
	}
}
