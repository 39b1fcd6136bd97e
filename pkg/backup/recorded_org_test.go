package backup_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/backup"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/repository"
)

// recordedOrg is an org that answers what was recorded, by pages as Okta does.
type recordedOrg struct {
	lists map[string][]recordedObject // by path, and type of policy
	url   string
}

func (o *recordedOrg) has(list, id string) bool {
	return slices.ContainsFunc(o.lists[list], func(x recordedObject) bool { return x.id == id })
}

// support adds what the objects hang on and this org has no state of: as it was
// seen last, or made up where it never was.
func (o *recordedOrg) support(latest map[string]recordedObject) {
	for _, list := range slices.Collect(maps.Keys(o.lists)) {
		if up, id := o.lists[list][0].above(); up != "" {
			o.supportWith(parentOf(up, id, latest))
		} else if strings.HasPrefix(list, "/api/v1/meta/schemas/user/") {
			id := "oty" + list[strings.LastIndexByte(list, '/')+1:]
			o.supportWith(recordedObject{list: "/api/v1/meta/types/user", id: id, body: fmt.Appendf(nil, `{"id":%q,"_links":{"schema":{"href":"https://acme.okta.com%s"}}}`, id, list)})
		}
	}
	for _, single := range []string{"/api/v1/org", "/api/v1/meta/schemas/group/default"} {
		o.supportWith(latest[single+" "])
	}
}

func (o *recordedOrg) supportWith(x recordedObject) {
	if !o.has(x.list, x.id) {
		x.support = true
		o.lists[x.list] = append(o.lists[x.list], x)
	}
}

func parentOf(list, id string, latest map[string]recordedObject) recordedObject {
	made := recordedObject{list: list, id: id, body: fmt.Appendf(nil, `{"id":%q}`, id)}
	places := []string{list}
	if list == "/api/v1/policies" {
		places = places[:0]
		for _, t := range policyTypes {
			places = append(places, list+"?type="+t)
		}
		made.list = places[0]
	}
	for _, place := range places {
		if seen, ok := latest[place+" "+id]; ok {
			return seen
		}
	}
	return made
}

// start serves the org until the test ends.
func (o *recordedOrg) start(t *testing.T) string {
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o.url
}

// reader reads the org without a limit and without waiting.
func (o *recordedOrg) reader(t *testing.T) provider.Reader {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := account.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	opt := okta.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	reader, err := okta.New(opt).Reader(t.Context(), account.Org{URL: o.url, Share: 1}, account.Credential{Purpose: account.Read, ClientID: "0oaclient", KeyID: "k", PrivateKey: secret, Scopes: []string{"okta.users.read"}})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func (o *recordedOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := io.WriteString(w, o.answer(w, r)); err != nil {
		panic(err) // the server logs it, and the reader sees the cut
	}
}

func (o *recordedOrg) answer(w http.ResponseWriter, r *http.Request) string {
	switch r.URL.Path {
	case "/oauth2/v1/token":
		return `{"access_token":"t","token_type":"Bearer","expires_in":3600}`
	case "/.well-known/okta-organization":
		return `{"id":"00orecorded","pipeline":"idx"}`
	case "/api/v1/logs":
		w.Header().Add("Link", "<"+o.url+`/api/v1/logs?after=1>; rel="next"`)
		return "[]"
	case "/api/v1/iam/assignees/users":
		return o.assignees()
	}
	if single := o.lists[r.URL.Path]; len(single) > 0 && recordedSingle.MatchString(r.URL.Path) {
		return string(single[0].body)
	}
	if strings.HasPrefix(r.URL.Path, "/api/v1/meta/schemas/user/") { // of a type whose schema was not asked for
		return fmt.Sprintf(`{"_links":{"self":{"href":%q}}}`, o.url+r.URL.Path)
	}
	list, id := path.Split(r.URL.Path)
	for _, x := range o.lists[strings.TrimSuffix(list, "/")] {
		if x.id == id {
			return string(x.body)
		}
	}
	return o.page(w, r)
}

// assignees are the users who hold a role.
func (o *recordedOrg) assignees() string {
	var ids []string
	for _, objects := range o.lists {
		if up, id := objects[0].above(); up == "/api/v1/users" {
			ids = append(ids, fmt.Sprintf(`{"id":%q}`, id))
		}
	}
	return `{"value":[` + strings.Join(ids, ",") + `]}`
}

// page answers one page of a list, with the link to the next.
func (o *recordedOrg) page(w http.ResponseWriter, r *http.Request) string {
	q := r.URL.Query()
	list := r.URL.Path
	if list == "/api/v1/policies" {
		list += "?type=" + q.Get("type")
	}
	bodies := []string{}
	for _, x := range o.lists[list] {
		gone := strings.Contains(string(x.body), `"status":"DEPROVISIONED"`)
		if list != "/api/v1/users" || gone == q.Has("filter") {
			bodies = append(bodies, string(x.body))
		}
	}
	from, limit := number(q.Get("after"), 0), number(q.Get("limit"), len(bodies))
	to := min(from+limit, len(bodies))
	if to < len(bodies) {
		q.Set("after", strconv.Itoa(to))
		w.Header().Add("Link", "<"+o.url+r.URL.Path+"?"+q.Encode()+`>; rel="next"`)
	}
	return "[" + strings.Join(bodies[from:to], ",") + "]"
}

// number reads a query's number; without one it is otherwise.
func number(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return otherwise
	}
	return n
}

// opener opens a repository's draft for a snapshot, and keeps it in where.
func opener(repo *repository.Repository, where **repository.Draft) func(context.Context, []byte) (backup.Draft, error) {
	return func(ctx context.Context, state []byte) (_ backup.Draft, err error) {
		if state == nil {
			*where, err = repo.Begin("s1", noon, nil)
		} else {
			*where, err = repo.Resume(ctx, state)
		}
		return *where, err
	}
}
