package okta

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"imago/pkg/provider"
	"imago/pkg/provider/okta/recordings"
	"imago/pkg/resource"
)

// TestRecordings sends every answer that a real org gave to one of the registry's
// calls through the reader, and looks that all of it comes out.
func TestRecordings(t *testing.T) {
	t.Parallel()
	replay := &replay{}
	server := httptest.NewServer(replay)
	t.Cleanup(server.Close)
	r := testReader(t, server.URL, Options{})
	count := map[resource.Type]int{}
	recordings.Each(t, func(x recordings.Exchange) {
		if !x.Read() || len(x.Response) == 0 {
			return
		}
		for i := range r.registry {
			e := &r.registry[i]
			if key, ok := e.asGet(x); ok {
				replay.set(x)
				checkRecordedGet(t, r, e, key, x)
				count[e.Type]++
			} else if parent, ok := e.asList(x); ok {
				replay.set(x)
				checkRecordedList(t, r, e, parent, x)
				count[e.Type]++
			}
		}
	})
	total := 0
	for _, e := range r.registry {
		t.Logf("%-32s %d", e.Type, count[e.Type])
		total += count[e.Type]
	}
	if total < 1000 {
		t.Errorf("only %d recorded answers met a type", total)
	}
}

// replay answers every call with one recorded body, and parents with what their
// children's paths need.
type replay struct {
	mu   sync.Mutex
	path string
	body []byte
}

func (p *replay) set(x recordings.Exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path, p.body = x.Path, x.Response
}

func (p *replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	body := string(p.body)
	switch {
	case r.URL.Path == tokenPath:
		body = `{"access_token":"t","token_type":"Bearer","expires_in":3600}`
	case strings.HasPrefix(r.URL.Path, "/api/v1/meta/types/user/") && r.URL.Path != p.path:
		body = `{"id":"oty","_links":{"schema":{"href":"https://other.example` + p.path + `"}}}`
	case r.URL.Path == "/api/v1/apps/0oaclient":
		body = `{"id":"0oaclient","credentials":{"oauthClient":{"client_id":"0oaclient"}}}`
	case r.URL.Query().Has("filter"):
		body = "[]" // the second pass over users, which the recording was not of
	}
	if _, err := io.WriteString(w, body); err != nil {
		panic(err)
	}
}

// pattern makes a template's regular expression; the groups are id and parent.
func pattern(template string) *regexp.Regexp {
	template, _, _ = strings.Cut(template, "?")
	s := regexp.QuoteMeta(template)
	s = regexp.MustCompile(`\\\{parent:[^}]*\\\}`).ReplaceAllString(s, `(?P<parent>[^/]+)`)
	s = strings.NewReplacer(`\{id\}`, `(?P<id>[^/]+)`, `\{parent\}`, `(?P<parent>[^/]+)`).Replace(s)
	return regexp.MustCompile("^" + s + "$")
}

func matched(template, path string) (id, parent string, ok bool) {
	re := pattern(template)
	m := re.FindStringSubmatch(path)
	if m == nil {
		return "", "", false
	}
	for i, name := range re.SubexpNames() {
		switch name {
		case "id":
			id = m[i]
		case "parent":
			parent = m[i]
		}
	}
	return id, parent, true
}

// asGet takes an exchange for the entry's get, if it was one.
func (e *entry) asGet(x recordings.Exchange) (resource.Key, bool) {
	id, parent, ok := matched(e.get, x.Path)
	if !ok || e.match != "" || x.Response[0] != '{' || id == "me" || e.get == "/api/v1/groups/{id}" && id == "rules" {
		return resource.Key{}, false
	}
	if e.fixed != "" {
		id = e.fixed
	} else if e.identity == "" {
		var body struct{ ID string }
		if err := json.Unmarshal(x.Response, &body); err != nil {
			return resource.Key{}, false
		}
		id = body.ID // users are also read by login
	}
	return resource.Key{Type: e.Type, Parent: parent, ID: id}, e.isOne(resource.Resource{Body: x.Response})
}

// asList takes an exchange for one of the entry's lists, if it was one.
func (e *entry) asList(x recordings.Exchange) (resource.Key, bool) {
	template := e.lists[0].path
	_, parent, ok := matched(template, x.Path)
	if e.Type == "user_schema" {
		ok, parent = strings.HasPrefix(x.Path, "/api/v1/meta/schemas/user/osc"), "oty"
	}
	if !ok || strings.HasPrefix(template, "/api/v1/policies?") && !strings.Contains("&"+x.Query+"&", "&type="+strings.TrimPrefix(template, "/api/v1/policies?type=")+"&") {
		return resource.Key{}, false
	}
	return resource.Key{Type: e.Parent, ID: parent}, true
}

func checkRecordedGet(t *testing.T, r *Reader, e *entry, key resource.Key, x recordings.Exchange) {
	t.Helper()
	if e.Type == "client_role" || e.identity != "" {
		return // read by way of their parents, as lists
	}
	got, err := r.Get(t.Context(), key)
	if err != nil || !bytes.Equal(got.Body, canonical(t, x.Response)) {
		t.Errorf("%s %s: %v", x.Test, x.Path, err)
	}
}

func checkRecordedList(t *testing.T, r *Reader, e *entry, parent resource.Key, x recordings.Exchange) {
	t.Helper()
	want := map[string][]byte{}
	keepWanted := func(element []byte) {
		body := canonical(t, element)
		one, err := e.identify(body, parent.ID)
		if err != nil {
			t.Fatalf("%s %s: %v", x.Test, x.Path, err)
		}
		if e.bare {
			body = bare(one.ID)
		}
		if e.isOne(one) {
			want[one.ID] = body
		}
	}
	if e.lists[0].single {
		keepWanted(x.Response)
	} else if err := resource.Elements(x.Response, func(element []byte) error { keepWanted(element); return nil }); err != nil {
		t.Fatalf("%s %s: %v", x.Test, x.Path, err)
	}
	for page, err := range r.List(t.Context(), e.Type, parent, "") {
		if err != nil {
			t.Errorf("%s %s: %v (%s)", x.Test, x.Path, err, provider.Detail(err))
			return
		}
		for _, one := range page.Resources {
			if !bytes.Equal(one.Body, want[one.ID]) {
				t.Errorf("%s %s: %s came out changed", x.Test, x.Path, one.Key)
			}
			delete(want, one.ID)
		}
	}
	if len(want) > 0 {
		t.Errorf("%s %s: %d did not come out", x.Test, x.Path, len(want))
	}
}

func canonical(t *testing.T, body []byte) []byte {
	t.Helper()
	out, err := resource.Canonical(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
