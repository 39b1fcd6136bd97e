package api_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// stroll is a walk through one kind by HTTP: what holds for every entry.
type stroll struct {
	*sim
	kind *org.Kind
	// values lead to the parent, whose place is home; base is the path of the list; n
	// tells samples apart.
	values []string
	home   string
	base   string
	n      int
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, k := range org.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			engine := k.Engine
			if engine == "" {
				engine = "oie"
			}
			w := &stroll{sim: startSmall(t, engine), kind: k}
			w.settle()
			w.lives()
			w.pages()
			w.refuses()
			w.survives()
			w.needsLicence()
		})
	}
}

var agent = doc.Doc{"id": "a534a5u7YAHhjXrMK0g4", "poolId": "0oa4a5u7YAHhjXrMK0g4", "name": "DC1", "type": "AD", "version": "3.22.0", "isLatestGAedVersion": true}

// startSmall runs an org of one administrator, who has a group and an app.
func startSmall(t *testing.T, engine string) *sim {
	t.Helper()
	s := serve(t, engine, limit.Options{Multiplier: 1000})
	err := s.org.Update(func() error {
		u, err := s.org.CreateUser(nil, org.NewUser{Activate: true, Body: doc.Doc{"profile": doc.Doc{
			"login": "admin@x.example", "email": "admin@x.example", "firstName": "Ada", "lastName": "Min"}}})
		if err != nil {
			return err
		}
		if _, err := s.org.AssignRole(nil, u.ID, "SUPER_ADMIN"); err != nil {
			return err
		}
		if _, err := s.org.CreateGroup(nil, doc.Doc{"profile": doc.Doc{"name": "G"}}); err != nil {
			return err
		}
		// No request makes these.
		for path, body := range map[string]doc.Doc{
			"/api/v1/devices/guo4a5u7YAHhjXrMK0g4":    {},
			"/api/v1/agentPools/0oa4a5u7YAHhjXrMK0g4": {"id": "0oa4a5u7YAHhjXrMK0g4", "name": "corp.example", "type": "AD", "agents": []any{agent}},
		} {
			if err := s.org.Adopt(path, body); err != nil {
				return err
			}
		}
		_, err = s.org.CreateApp(nil, doc.Doc{"name": "bookmark", "label": "B", "signOnMode": org.Bookmark,
			"settings": doc.Doc{"app": doc.Doc{"url": "https://x.example"}}}, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.token = s.tokenOf("admin@x.example")
	return s
}

// fill puts values into a template's variables.
func fill(template string, values []string) string {
	parts := strings.Split(template, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") && len(values) > 0 {
			parts[i], values = values[0], values[1:]
		}
	}
	return strings.Join(parts, "/")
}

// settle makes what the kind lies below.
func (w *stroll) settle() {
	w.Helper()
	if name := w.kind.Anchor(); name != "" {
		w.home = w.anchor(name)
		w.values = []string{w.home}
	}
	if k := w.kind.Parent(); k != nil {
		p := &stroll{sim: w.sim, kind: k}
		p.settle()
		id := p.any()
		w.values, w.home = p.values, strings.TrimPrefix(p.home+"/"+url.PathEscape(id), "/")
		if !k.Singleton() {
			w.values = append(w.values, id)
		}
	}
	w.base = fill(w.kind.Collection(), w.values)
}

func (w *stroll) anchor(name string) string {
	w.Helper()
	path := map[string]string{"user": "/api/v1/users", "group": "/api/v1/groups", "app": "/api/v1/apps", "identity_source": "/api/v1/apps", "policy": "/api/v1/policies?type=OKTA_SIGN_ON"}[name]
	return doc.String(w.list(path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "limit=1")[0], "id")
}

// any is the id of an object of the kind: a new one, or one that every org has.
func (w *stroll) any() string {
	w.Helper()
	if w.kind.Verbs.Create != 0 {
		_, id := w.make()
		return id
	}
	for _, id := range slices.Sorted(maps.Keys(w.stored())) {
		return id
	}
	id := (w.kind.Prefix + "Elsewhere0000000000")[:20]
	if err := w.org.Update(func() error { return w.org.Adopt(w.at(id), doc.Doc{"id": id}) }); err == nil {
		return id
	}
	w.Fatalf("%s: there is none, and none can be made", w.kind.Name)
	return ""
}

// stored are the objects of the kind below the parent, by id, as the org's state has them;
// what remains of deleted ones is not among them.
func (w *stroll) stored() map[string]doc.Doc {
	w.Helper()
	var b bytes.Buffer
	if err := w.org.WriteState(&b, false); err != nil {
		w.Fatal(err)
	}
	var state struct {
		Objects struct{ Collections map[string][]doc.Doc }
	}
	if err := json.Unmarshal(b.Bytes(), &state); err != nil {
		w.Fatal(err)
	}
	out := map[string]doc.Doc{}
	for _, x := range state.Objects.Collections[w.kind.Name] {
		if doc.String(x, "home") == w.home && !w.ended(doc.Object(x, "body")) {
			out[doc.String(x, "id")] = x
		}
	}
	return out
}

func (w *stroll) ended(body doc.Doc) bool {
	for field, v := range w.kind.Remains {
		if doc.Get(body, strings.Split(field, ".")...) != v {
			return false
		}
	}
	return w.kind.Remains != nil
}

// sample is a valid body that no earlier one equals.
func (w *stroll) sample() doc.Doc {
	w.Helper()
	w.n++
	var body doc.Doc
	if err := w.org.Update(func() error { body = w.kind.Sample(w.org, w.n); return nil }); err != nil {
		w.Fatal(err)
	}
	return body
}

// make creates an object and returns its answer and id.
func (w *stroll) make() (doc.Doc, string) {
	w.Helper()
	before := w.stored()
	x := w.want(w.kind.Verbs.Create, "POST", w.base, w.sample()).object(w.T)
	for id := range w.stored() {
		if before[id] == nil {
			return x, id
		}
	}
	w.Fatalf("POST %s made nothing", w.base)
	return nil, ""
}

// at is the path of the object with the id.
func (w *stroll) at(id string) string {
	if w.kind.Singleton() {
		return fill(w.kind.Path, w.values)
	}
	return w.base + "/" + id
}

// lives takes an object through every verb.
func (w *stroll) lives() {
	w.Helper()
	k := w.kind
	if k.Verbs.Create == 0 {
		w.reads()
		return
	}
	x, id := w.make()
	path := w.at(id)
	w.noted("create", id)
	w.hides(x)
	if k.Verbs.Get {
		if self := links(w.T, w.do("GET", path, nil))["self"]; k.SelfHeader != (self == w.url+path) {
			w.Errorf("GET %s: the Link header says %q", path, self)
		}
		got := w.get(path)
		for _, field := range k.Once {
			delete(got, field)
			delete(x, field)
		}
		if !reflect.DeepEqual(got, x) {
			w.Errorf("GET %s: got %v after a creation that answered %v", path, got, x)
		}
	}
	w.rewrites(path, id)
	w.operates(path, id)
	w.deletes(path, id)
}

// reads checks kinds whose objects are there from the beginning.
func (w *stroll) reads() {
	w.Helper()
	ids := slices.Sorted(maps.Keys(w.stored()))
	if len(ids) == 0 {
		return
	}
	id := ids[0]
	path := w.at(id)
	w.rewrites(path, id)
	w.operates(path, id)
	if w.kind.Verbs.Delete != 0 {
		w.want(w.kind.Verbs.Delete, "DELETE", path, nil)
	}
}

// rewrites replaces and merges an object by itself and by another body.
func (w *stroll) rewrites(path, id string) {
	w.Helper()
	for verb, method := range map[string]string{"replace": w.kind.Verbs.Replace, "merge": w.kind.Verbs.Merge} {
		if method == "" {
			continue
		}
		body := w.sample()
		w.clock.Advance(time.Second)
		a := w.do(method, path, body)
		if a.status/100 != 2 {
			w.Errorf("%s %s: got %d %s", method, path, a.status, a.body)
			continue
		}
		w.noted(verb, id)
		if len(a.body) > 0 {
			w.hides(a.object(w.T))
		}
		w.keeps(method, path, verb == "merge")
	}
}

// keeps sends back what was answered, or nothing where that means to keep all: neither
// changes anything but times.
func (w *stroll) keeps(method, path string, nothing bool) {
	w.Helper()
	if !w.kind.Verbs.Get {
		return
	}
	x := w.get(path)
	body := x
	if nothing {
		body = doc.Doc{}
	}
	if a := w.do(method, path, body); a.status/100 != 2 {
		w.Errorf("%s %s refuses what it answered: %s", method, path, a.body)
		return
	}
	after := w.get(path)
	for _, d := range []doc.Doc{x, after} {
		delete(d, w.kind.Stamps.Updated)
	}
	if !reflect.DeepEqual(after, x) {
		w.Errorf("%s %s: what it answered made %v out of %v", method, path, after, x)
	}
}

// operates runs every operation that the state offers.
func (w *stroll) operates(path, id string) {
	w.Helper()
	for _, op := range w.kind.Operations {
		method := op.Method
		if method == "" {
			method = "POST"
		}
		body := op.Example
		if body == nil {
			body = doc.Doc{}
		}
		w.want(op.Status, method, path+"/"+op.Path, body)
		if w.kind.Verbs.Get && op.Run == nil {
			w.took(op, w.get(path))
		}
	}
}

// took checks that an operation left what it sets.
func (w *stroll) took(op org.Operation, x doc.Doc) {
	w.Helper()
	for field, v := range op.Set {
		if got := doc.Get(x, strings.Split(field, ".")...); !reflect.DeepEqual(got, v) {
			w.Errorf("after %s %s is %v, want %v", op.Name, field, got, v)
		}
	}
}

// deletes removes the object, from wherever its operations left it.
func (w *stroll) deletes(path, id string) {
	w.Helper()
	k := w.kind
	if k.Verbs.Delete == 0 {
		return
	}
	w.want(k.Verbs.Delete, "DELETE", path, nil)
	w.noted("delete", id)
	if w.stored()[id] != nil {
		w.Errorf("DELETE %s left the object", path)
	}
	switch {
	case k.Remains != nil:
		w.remains(path, id)
	case k.Verbs.Get:
		w.missing(k, "GET", path, id)
	}
}

// remains checks what is left of a deleted object: it can be read, and nothing else.
func (w *stroll) remains(path, id string) {
	w.Helper()
	if x := w.get(path); !w.ended(x) {
		w.Errorf("GET %s: got %v after the deletion, want %v", path, x, w.kind.Remains)
	}
	for _, e := range w.elements(w.want(200, "GET", w.base, nil)) {
		if e["id"] == id {
			w.Errorf("GET %s lists %s, which was deleted", w.base, id)
		}
	}
	w.missing(w.kind, "DELETE", path, id)
	w.missing(w.kind, w.kind.Verbs.Replace, path, id)
}

// missing asks for what is not there.
func (w *stroll) missing(k *org.Kind, method, path, id string) {
	w.Helper()
	status, code, words := 404, "E0000007", "("+k.Class+")"
	var own *failure.Failure
	if k.Missing != nil && errors.As(k.Missing(id), &own) {
		status, code, words = own.Status, own.Code, own.Summary
	}
	var body any
	if method == w.kind.Verbs.Replace {
		body = w.sample()
	}
	w.refused(status, code, words, method, path, body)
}

// noted checks the log event of a verb.
func (w *stroll) noted(verb, id string) {
	w.Helper()
	want := w.kind.Events[verb]
	if want == "" {
		return
	}
	for _, e := range only(w.events(), want) {
		targets, _ := e["target"].([]any)
		for _, x := range targets {
			if d, ok := x.(doc.Doc); ok && d["id"] == id {
				return
			}
		}
	}
	w.Errorf("%s of %s left no %s", verb, id, want)
}

// hides checks that no answer shows what is only written.
func (w *stroll) hides(x doc.Doc) {
	w.Helper()
	for _, f := range w.kind.Fields {
		if f.Mode == org.WriteOnly && !strings.Contains(f.Path, "[]") && doc.Get(x, strings.Split(f.Path, ".")...) != nil {
			w.Errorf("%s is shown", f.Path)
		}
	}
}

// pages reads the list whole and piece by piece.
func (w *stroll) pages() {
	w.Helper()
	k := w.kind
	if !k.Verbs.List {
		return
	}
	many := 3
	if k.Most > 0 {
		many = min(many, k.Most)
	}
	if k.Verbs.Create != 0 {
		for range many {
			w.make()
		}
	}
	if many == k.Most {
		w.refused(k.Full.Status, k.Full.Code, k.Full.Summary, "POST", w.base, w.sample())
	}
	all := w.base
	if k.Page.Max > 0 {
		all += "?limit=" + strconv.Itoa(k.Page.Max)
	}
	whole := w.elements(w.want(200, "GET", all, nil))
	if k.Verbs.Create != 0 && len(whole) < many {
		w.Errorf("GET %s: got %d objects, want %d at least", w.base, len(whole), many)
	}
	if k.Page.Max == 0 || k.Page.BodyLinks {
		return
	}
	var pieces []doc.Doc
	for path := w.base + "?limit=2"; path != ""; {
		a := w.want(200, "GET", path, nil)
		if n := len(w.elements(a)); n > 2 || len(pieces) > len(whole) {
			w.Fatalf("GET %s: got %d objects, after %d of %d", path, n, len(pieces), len(whole))
		}
		pieces = append(pieces, w.elements(a)...)
		path = links(w.T, a)["next"]
	}
	if len(pieces)+len(whole) > 0 && !reflect.DeepEqual(pieces, whole) {
		w.Errorf("the pages of %s hold %d objects, the whole list %d, or others", w.base, len(pieces), len(whole))
	}
	w.refused(400, "E0000054", "limit", "GET", w.base+"?limit=x", nil)
}

func (w *stroll) elements(a answer) []doc.Doc {
	w.Helper()
	if w.kind.Page.Envelope == "" {
		return a.list(w.T)
	}
	var out []doc.Doc
	list, _ := a.object(w.T)[w.kind.Page.Envelope].([]any)
	for _, e := range list {
		d, _ := e.(doc.Doc)
		out = append(out, d)
	}
	return out
}

// refuses sends what every kind must refuse, and checks that it changed nothing.
func (w *stroll) refuses() {
	w.Helper()
	k := w.kind
	// An object of one's own: those of a new org may refuse everything.
	own := ""
	if k.Verbs.Create != 0 && (k.Most == 0 || len(w.stored()) < k.Most) {
		_, own = w.make()
	}
	before := w.stored()
	if !k.Singleton() && k.Verbs.Get {
		w.missing(k, "GET", w.base+"/nobody", "nobody")
	}
	path := w.at("nobody")
	if !k.Singleton() && k.Verbs.List && !k.Verbs.Get && k.Verbs.Replace+k.Verbs.Merge == "" && k.Verbs.Delete == 0 {
		path = w.base
	}
	w.refused(405, "E0000022", "", "TRACE", path, nil)
	if k.Verbs.Create != 0 {
		w.refusesBodies("POST", w.base, true)
	}
	if k.Verbs.Replace != "" {
		for _, id := range slices.Sorted(maps.Keys(before)) {
			w.refusesBodies(k.Verbs.Replace, w.at(cmp.Or(own, id)), false)
			break
		}
	}
	if p := k.Parent(); p != nil && !p.Singleton() && k.Verbs.List {
		astray := append(slices.Clone(w.values[:len(w.values)-1]), "nobody")
		w.missing(p, "GET", fill(k.Collection(), astray), "nobody")
	}
	if !reflect.DeepEqual(w.stored(), before) {
		w.Errorf("a refused request changed something")
	}
}

// refusesBodies spoils a valid body in every way that the entry knows.
func (w *stroll) refusesBodies(method, path string, isNew bool) {
	w.Helper()
	w.refused(400, "E0000003", "", method, path, "{")
	w.refused(400, "E0000003", "", method, path, `["a"]`)
	body := w.sample()
	for _, f := range w.kind.Fields {
		if strings.Contains(f.Path, "[]") || !f.When.Holds(body) {
			continue
		}
		if f.Mode == org.Writable && f.Type != org.Any {
			w.refused(400, "E0000003", "", method, path, with(body, f.Path, wrong(f.Type)))
		}
		if f.Mode == org.Writable && len(f.Enum) > 0 && f.Type == org.Text {
			w.refused(400, "E0000001", f.Path, method, path, with(body, f.Path, "no such thing"))
		}
		if isNew && f.Required {
			w.refused(400, "E0000001", f.Path, method, path, with(body, f.Path, nil))
		}
		if isNew && f.Unique != org.Anywhere && f.Type == org.Text {
			w.takesOnce(f, path)
		}
	}
}

// takesOnce checks that a unique value is refused the second time. The refusal of a
// field with its own is not known here.
func (w *stroll) takesOnce(f org.Field, path string) {
	w.Helper()
	for _, x := range w.stored() {
		if v := doc.String(x, append([]string{"body"}, strings.Split(f.Path, ".")...)...); v != "" {
			if a := w.do("POST", path, with(w.sample(), f.Path, v)); a.status/100 != 4 {
				w.Errorf("%s %q was taken twice: %d %s", f.Path, v, a.status, a.body)
			}
			return
		}
	}
}

// with is the body with another value at a path.
func with(body doc.Doc, path string, v any) doc.Doc {
	out := doc.Clone(body)
	parts := strings.Split(path, ".")
	doc.Ensure(out, parts[:len(parts)-1]...)[parts[len(parts)-1]] = v
	return out
}

// wrong is a value of another JSON type.
func wrong(t org.Type) any {
	if t == org.Map {
		return "text"
	}
	return doc.Doc{"an": "object"}
}

// survives saves and restores the org, and takes every object into a new org.
func (w *stroll) survives() {
	w.Helper()
	var state bytes.Buffer
	if err := w.org.WriteState(&state, true); err != nil {
		w.Fatal(err)
	}
	before := w.stored()
	if err := w.org.ReadState(&state); err != nil {
		w.Fatal(err)
	}
	if !reflect.DeepEqual(w.stored(), before) {
		w.Errorf("the state came back different")
	}
	if w.kind.Verbs.Get && w.kind.Anchor() == "" && w.kind.Parent() == nil {
		w.moves(before)
	}
}

// moves adopts the objects in another org, where they must answer the same.
func (w *stroll) moves(stored map[string]doc.Doc) {
	w.Helper()
	other := &stroll{sim: startSmall(w.T, w.org.Info().Engine), kind: w.kind, base: w.base}
	for id := range stored {
		x := w.get(w.at(id))
		if err := other.org.Update(func() error { return other.org.Adopt(w.at(id), x) }); err != nil {
			w.Fatal(err)
		}
		got := fmt.Sprint(other.get(other.at(id)))
		if want := strings.ReplaceAll(fmt.Sprint(x), w.url, other.url); got != want {
			w.Errorf("adopted %s answers\n%s\nwant\n%s", id, got, want)
		}
	}
	if w.kind.Verbs.Create != 0 && len(other.stored()) != len(stored) {
		w.Errorf("adoption left %d objects, want %d: a seed stands beside its twin", len(other.stored()), len(stored))
	}
}

// needsLicence checks that an org without the kind's feature has none of it.
func (w *stroll) needsLicence() {
	w.Helper()
	if w.kind.Feature == "" {
		return
	}
	if err := w.org.Update(func() error { w.org.SetLicensed(w.kind.Feature, false); return nil }); err != nil {
		w.Fatal(err)
	}
	method, path := http.MethodGet, w.base
	if !w.kind.Verbs.List {
		path = w.at("nobody")
	}
	if !w.kind.Verbs.List && !w.kind.Verbs.Get {
		method = http.MethodDelete
	}
	w.refused(401, "E0000015", "", method, path, nil)
}
