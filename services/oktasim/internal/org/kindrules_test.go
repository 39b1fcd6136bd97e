package org

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// invented is a table of kinds that use what the engine offers, and what no real type
// uses yet.
func invented() *registry {
	parks := Kind{
		Name: "parks", Path: "/api/v1/parks/{parkId}", Prefix: "prk", Class: "Park", Scope: "okta.parks", Area: AreaOrg,
		Verbs: crud(201), Operations: append(switches(200, TheObject), Operation{
			Name: "open", Path: "open", When: is("status", Active), Else: failure.Illegal("closed"), Set: doc.Doc{"open": true}, Status: 200,
		}),
		Stamps: dated, Quiet: true, Alias: []string{"code"}, Events: present("park"),
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 12},
			{Path: "code", Pattern: `[A-Z]{2}`, Unique: InOrg, Exact: true},
			{Path: "form", Enum: []string{"wild", "tended"}, Default: "wild", Mode: Fixed},
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "size", Type: Number, Min: 1, Max: 10},
			{Path: "hedge.height", Type: Number, When: is("form", "tended"), Default: 3},
			{Path: "gates", Type: List, Max: 2},
			{Path: "gates[].name", Required: true},
			{Path: "gates[].side", Enum: []string{"N", "S"}, Default: "N"},
			{Path: "owner", Ref: "user", Gone: Cleared, Null: true, Keep: true},
			{Path: "wards", Type: List, Ref: "group", Gone: Cleared, Literals: []string{"ALL"}},
			{Path: "warden", Ref: "group", Gone: Holds},
			{Path: "secret", Mode: WriteOnly},
			{Path: "rating", Mode: Late, Default: "none"},
			{Path: "open", Type: Bool, Mode: ReadOnly, Default: false},
		},
		Refusals: []Refusal{{On: []string{replace, remove}, When: is("open", true), With: failure.Illegal("open")}},
		Seeds: []Seed{
			{Body: doc.Doc{"name": "Old"}},
			{Engine: "classic", Body: doc.Doc{"name": "Classic"}},
		},
	}
	trees := Kind{
		Name: "trees", Path: "/api/v1/parks/{parkId}/trees/{treeId}", Prefix: "tre", Class: "Tree", Scope: "okta.parks", Area: AreaOrg,
		Verbs: crud(201), Natural: []string{"name", "side"}, Distinct: true, Unknown: Kept,
		Fields: []Field{{Path: "name", Required: true}, {Path: "side", Default: "N"}},
		Seeds: []Seed{
			{Body: doc.Doc{"name": "oak"}},
			{Body: doc.Doc{"name": "elm"}, Below: is("name", "Old")},
		},
	}
	visitors := Kind{
		Name: "visitors", Path: "/api/v1/parks/{parkId}/visitors/{userId}", Of: "user", Class: "Visitor", Scope: "okta.parks", Area: AreaOrg,
		Verbs: Verbs{List: true, Get: true, Replace: "PUT", Upsert: true, ReplaceStatus: 204, Delete: 204},
	}
	signs := Kind{
		Name: "signs", Path: "/api/v1/signs/{name}", Key: "name", Class: "Sign", Scope: "okta.parks", Area: AreaOrg, Unknown: Refused,
		Verbs:  crud(200),
		Fields: []Field{{Path: "name", Required: true}, {Path: "park", Ref: "parks", Gone: Follows}},
	}
	badges := Kind{
		Name: "badges", Path: "/api/v1/groups/{groupId}/badges/{badgeName}", Class: "Badge", Scope: "okta.parks", Area: AreaOrg,
		Verbs: Verbs{List: true, Get: true}, Seeds: []Seed{{ID: "first"}},
	}
	hours := Kind{
		Name: "hours", Path: "/api/v1/parks/{parkId}/hours", Class: "Hours", Scope: "okta.parks", Area: AreaOrg,
		Verbs:  Verbs{Get: true, Replace: "PUT", Delete: 204},
		Fields: []Field{{Path: "from", Type: Number, Default: 8}}, Seeds: []Seed{{}},
	}
	rounds := Kind{
		Name: "rounds", Path: "/api/v1/parks/{parkId}/rounds/{roundId}", Prefix: "rnd", Class: "Round", Scope: "okta.parks", Area: AreaOrg,
		Verbs: Verbs{List: true, Get: true, Create: 201, Replace: "PUT", Delete: 204, Clear: 204}, Rank: "priority", Page: Page{Order: "-priority"},
		Fields: []Field{{Path: "name", Required: true}, {Path: "priority", Type: Number, Keep: true}, {Path: "fixed", Type: Bool, Default: false}},
		Operations: []Operation{{
			Name: "count", Path: "count", Status: 200, Read: true, Set: doc.Doc{"name": "never stored"},
			Reply: func(c *Change) (any, error) { return doc.Doc{"of": c.Before["name"]}, nil },
		}},
		Events:   map[string]string{create: "round.create", replace: "device.posture.check.update", remove: "round.delete"},
		Refusals: []Refusal{{On: []string{remove}, When: is("fixed", true), With: failure.Illegal("fixed")}},
		Missing:  func(id string) error { return failure.Illegal("no round " + id) },
	}
	r := newRegistry([]Kind{parks, trees, visitors, signs, badges, hours, rounds})
	return &r
}

// garden is an org with the invented kinds.
type garden struct {
	*testing.T
	*Org
	now time.Time
}

func newGarden(t *testing.T) *garden {
	t.Helper()
	g := &garden{T: t, now: Founded.Add(time.Hour)}
	g.Org = newOrg(clock.New(func() time.Time { return g.now }), Options{Engine: "oie", Seed: 3}, invented())
	g.SetBase("https://x.example")
	return g
}

func (g *garden) kind(name string) *Kind { return g.kinds.named(name) }

func parse(t *testing.T, text string) doc.Doc {
	t.Helper()
	d, err := doc.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// makes creates an object and fails if it cannot.
func (g *garden) makes(kind, body string, values ...string) *Object {
	g.Helper()
	x, err := g.CreateObject(g.kind(kind), values, Request{Given: parse(g.T, body)})
	if err != nil {
		g.Fatalf("create %s %s: %v", kind, body, err)
	}
	return x
}

// shows is the answer as JSON, without times.
func (g *garden) shows(kind string, x *Object) string {
	g.Helper()
	body := g.Show(g.kind(kind), x, View{}, 0)
	for _, field := range []string{"created", "lastUpdated", "id"} {
		delete(body, field)
	}
	b, err := json.Marshal(body)
	if err != nil {
		g.Fatal(err)
	}
	return string(b)
}

// why is a refusal with its causes.
func why(err error) string {
	var f *failure.Failure
	if !errors.As(err, &f) {
		return ""
	}
	return strings.Join(append([]string{f.Code}, f.Causes...), "; ")
}

func TestKindValidation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind, body, want string }{
		{"nothing given", "parks", `{}`, `E0000001; name: The field cannot be left blank`},
		{"blank", "parks", `{"name":" "}`, `E0000001; name: The field cannot be left blank`},
		{"all at once", "parks", `{"name":"much too long a name","code":"x","form":"odd","size":11,"gates":[{},{"name":"a","side":"W"}]}`,
			`E0000001; name: The length must be between 0 and 12; code: The value is not valid; form: 'odd' is not a valid value. It must be one of wild, tended; ` +
				`size: The value must be between 1 and 10; gates[0].name: The field cannot be left blank; gates[1].side: 'W' is not a valid value. It must be one of N, S`},
		{"too many", "parks", `{"name":"a","gates":[{"name":"a"},{"name":"b"},{"name":"c"}]}`, `E0000001; gates: The number of elements must be between 0 and 2`},
		{"no whole number", "parks", `{"name":"a","size":1.5}`, `E0000001; size: The value must be between 1 and 10`},
		{"wrong type", "parks", `{"name":7}`, `E0000003`},
		{"element is no object", "parks", `{"name":"a","gates":["x"]}`, `E0000003`},
		{"wrong type in an element", "parks", `{"name":"a","gates":[{"name":"x","side":1}]}`, `E0000003`},
		{"taken, in another case", "parks", `{"name":"OLD"}`, `E0000001; name: An object with this field already exists in the current organization`},
		{"no such owner", "parks", `{"name":"a","owner":"00unobody"}`, `E0000007`},
		{"no such ward", "parks", `{"name":"a","wards":["ALL","00gnobody"]}`, `E0000007`},
		{"no such park", "signs", `{"name":"a","park":"prknone"}`, `E0000007`},
		{"unknown field", "signs", `{"name":"a","colour":"red","id":"x","_links":{}}`, `E0000001; colour: The field is not known`},
		{"twin of a seed", "trees", `{"name":"oak"}`, `E0000001; name: An object with this field already exists in the current organization`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGarden(t)
			var values []string
			if c.kind == "trees" {
				values = []string{g.objectsIn(g.kind("parks"), "")[0].ID}
			}
			before := g.Counts()
			if _, err := g.CreateObject(g.kind(c.kind), values, Request{Given: parse(t, c.body)}); why(err) != c.want {
				t.Errorf("got  %s\nwant %s", why(err), c.want)
			}
			if after := g.Counts(); !reflect.DeepEqual(after, before) {
				t.Errorf("a refused request made something: %v, before %v", after, before)
			}
		})
	}
}

func TestKindBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, created, verb, given, want string }{
		{"defaults", `{"name":"a"}`, "", "", `{"form":"wild","name":"a","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`},
		{"null is not given", `{"name":"a","form":null}`, "", "", `{"form":"wild","name":"a","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`},
		{"fields of a form", `{"name":"a","form":"tended"}`, "", "",
			`{"form":"tended","hedge":{"height":3},"name":"a","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`},
		{"of another form", `{"name":"a","hedge":{"height":5}}`, "", "", `{"form":"wild","name":"a","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`},
		{"read-only, late, unknown and secret", `{"name":"a","open":true,"rating":"best","colour":"red","secret":"s","status":"INACTIVE"}`, "", "",
			`{"form":"wild","name":"a","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`},
		{"elements", `{"name":"a","gates":[{"name":"x","more":1}]}`, "", "",
			`{"form":"wild","gates":[{"more":1,"name":"x","side":"N"}],"name":"a","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`},
		{"replaced", `{"name":"a","size":2,"code":"AB"}`, replace, `{"name":"b","rating":"best"}`,
			`{"form":"wild","name":"b","open":false,"owner":null,"rating":"best","status":"ACTIVE"}`},
		{"merged", `{"name":"a","size":2,"code":"AB"}`, merge, `{"size":3}`,
			`{"code":"AB","form":"wild","name":"a","open":false,"owner":null,"rating":"none","size":3,"status":"ACTIVE"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGarden(t)
			x := g.makes("parks", c.created)
			if c.verb != "" {
				if _, err := g.rewrite(g.kind("parks"), x, c.verb, Request{Given: parse(t, c.given)}); err != nil {
					t.Fatal(err)
				}
			}
			if got := g.shows("parks", x); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestKindKeepsWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	u := g.user()
	x := g.makes("parks", `{"name":"a","owner":"`+u.ID+`","secret":"s"}`)
	if _, err := g.ReplaceObject(g.kind("parks"), x, Request{Given: doc.Doc{"name": "a"}}); err != nil {
		t.Fatal(err)
	}
	if x.Body["owner"] != u.ID || x.Body["secret"] != "s" {
		t.Errorf("got %v", x.Body)
	}
	if _, err := g.ReplaceObject(g.kind("parks"), x, Request{Given: doc.Doc{"name": "a", "form": "tended"}}); why(err) != "E0000001; form: The field cannot be changed" {
		t.Errorf("got %v", err)
	}
	tree := g.makes("trees", `{"name":"fir","age":7}`, x.ID)
	if _, err := g.ReplaceObject(g.kind("trees"), tree, Request{Given: doc.Doc{"name": "fir", "tall": true}}); err != nil {
		t.Fatal(err)
	}
	if got, want := g.shows("trees", tree), `{"name":"fir","side":"N","tall":true}`; got != want {
		t.Errorf("unknown fields: got %s, want %s", got, want)
	}
}

func (g *garden) user() *User {
	g.Helper()
	u, err := g.CreateUser(nil, NewUser{Body: doc.Doc{"profile": doc.Doc{"login": "a@x.example", "email": "a@x.example", "firstName": "A", "lastName": "B"}}})
	if err != nil {
		g.Fatal(err)
	}
	return u
}

func (g *garden) group(name string) *Group {
	g.Helper()
	x, err := g.CreateGroup(nil, doc.Doc{"profile": doc.Doc{"name": name}})
	if err != nil {
		g.Fatal(err)
	}
	return x
}

func TestKindTimes(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	k := g.kind("parks")
	x := g.makes("parks", `{"name":"a","size":2}`)
	made := x.LastUpdated
	g.now = g.now.Add(time.Minute)
	if _, err := g.ReplaceObject(k, x, Request{Given: parse(t, `{"name":"a","size":2}`)}); err != nil || x.LastUpdated != made {
		t.Errorf("a PUT that changes nothing moved the time to %s (%v)", x.LastUpdated, err)
	}
	before, err := g.ReplaceObject(k, x, Request{Given: parse(t, `{"name":"a","size":3}`)})
	if err != nil || x.LastUpdated == made || before != made {
		t.Errorf("updated %s, before %s (%v)", x.LastUpdated, before, err)
	}
	late := *k
	late.LateStamp = true
	if got := g.Show(&late, x, View{}, before)["lastUpdated"]; got != Millis.write(made) {
		t.Errorf("the answer shows %v, want the time before", got)
	}
}

func TestKindOperations(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	k := g.kind("parks")
	x := g.makes("parks", `{"name":"a"}`)
	by := &Cause{Actor: Party{ID: "00uactor"}}
	run := func(name string) error {
		i := slices.IndexFunc(k.Operations, func(op Operation) bool { return op.Name == name })
		_, err := g.Operate(k, &k.Operations[i], x, Request{By: by})
		return err
	}
	for _, step := range []struct{ operation, refusal string }{
		{"deactivate", ""}, {"deactivate", ""}, {"open", "E0000002"}, {"activate", ""}, {"open", ""},
	} {
		if got := why(run(step.operation)); got != step.refusal {
			t.Errorf("%s: got %q, want %q", step.operation, got, step.refusal)
		}
	}
	if x.Body["open"] != true || x.UpdatedBy != "00uactor" {
		t.Errorf("got %v by %s", x.Body, x.UpdatedBy)
	}
	var events []string
	for _, e := range g.log.arrived {
		events = append(events, e.EventType)
	}
	if want := []string{"park.deactivate", "park.activate"}; !slices.Equal(events, want) {
		t.Errorf("the second deactivation is no event: got %v, want %v", events, want)
	}
	if _, err := g.ReplaceObject(k, x, Request{Given: doc.Doc{"name": "b"}}); why(err) != "E0000002" {
		t.Errorf("an open park was replaced: %v", err)
	}
	if err := g.DeleteObject(k, x, Request{}); why(err) != "E0000002" {
		t.Errorf("an open park was deleted: %v", err)
	}
}

func TestKindReferences(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	u, a, b := g.user(), g.group("A"), g.group("B")
	x := g.makes("parks", `{"name":"a","owner":"`+u.ID+`","wards":["ALL","`+a.ID+`"],"warden":"`+b.ID+`"}`)
	g.makes("signs", `{"name":"s","park":"`+x.ID+`"}`)
	g.makes("signs", `{"name":"free"}`)
	if _, err := g.MakeObject(g.kind("visitors"), []string{x.ID, "00unobody"}, Request{}); why(err) != "E0000007" {
		t.Errorf("nobody visits: %v", err)
	}
	if _, err := g.MakeObject(g.kind("visitors"), []string{x.ID, u.ID}, Request{}); err != nil {
		t.Fatal(err)
	}
	if err := g.DeleteGroup(nil, b); why(err) != "E0000001; id: It is used in Park a and cannot be deleted" {
		t.Errorf("the warden's group: %v", err)
	}
	if err := g.DeleteGroup(nil, a); err != nil {
		t.Fatal(err)
	}
	if n := g.Counts()["badges"]; n != 1 {
		t.Errorf("%d badges of one group", n)
	}
	u.Status = Deprovisioned
	if err := g.DeleteUser(nil, u); err != nil {
		t.Fatal(err)
	}
	if x.Body["owner"] != nil || !slices.Equal(doc.Strings(x.Body, "wards"), []string{"ALL"}) {
		t.Errorf("references stay: %v", x.Body)
	}
	if n := g.Counts()["visitors"]; n != 0 {
		t.Errorf("%d visitors stay", n)
	}
	if err := g.DeleteObject(g.kind("parks"), x, Request{}); err != nil {
		t.Fatal(err)
	}
	n := g.Counts()
	if n["signs"] != 1 || n["trees"] != 2 || n["hours"] != 1 {
		t.Errorf("what hung on the park stays: %v", n)
	}
}

func TestKindSeeds(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	old := g.objectsIn(g.kind("parks"), "")
	if len(old) != 1 || old[0].Body["name"] != "Old" {
		t.Fatalf("got %d parks", len(old))
	}
	x := g.makes("parks", `{"name":"new"}`)
	for id, want := range map[string]string{old[0].ID: "elm oak", x.ID: "oak"} {
		trees, err := g.ListObjects(g.kind("trees"), []string{id})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tree := range trees {
			names = append(names, doc.String(tree.Body, "name"))
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("trees of %s: got %s, want %s", id, got, want)
		}
	}
	if _, err := g.FindObject(g.kind("badges"), []string{g.group("A").ID, "first"}); err != nil {
		t.Errorf("a new group has no badge: %v", err)
	}
	hours, err := g.FindObject(g.kind("hours"), []string{x.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.ReplaceObject(g.kind("hours"), hours, Request{Given: doc.Doc{"from": json.Number("9")}}); err != nil {
		t.Fatal(err)
	}
	if err := g.DeleteObject(g.kind("hours"), hours, Request{}); err != nil || !same(hours.Body["from"], 8) {
		t.Errorf("a deleted setting goes back to its first state: %v (%v)", hours.Body, err)
	}
}

func TestKindNames(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	x := g.makes("parks", `{"name":"a","code":"AB"}`)
	for _, key := range []string{x.ID, "AB"} {
		if found, err := g.FindObject(g.kind("parks"), []string{key}); err != nil || found != x {
			t.Errorf("%s: %v", key, err)
		}
	}
	sign := g.makes("signs", `{"name":"a/b c"}`)
	if got, want := g.Href(g.kind("signs"), sign), "https://x.example/api/v1/signs/a%2Fb%20c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := g.CreateObject(g.kind("signs"), nil, Request{Given: doc.Doc{"name": "a/b c"}}); why(err) == "" {
		t.Error("a name was taken twice")
	}
	if found, err := g.FindObject(g.kind("signs"), []string{"a/b c"}); err != nil || found != sign {
		t.Errorf("by its name: %v", err)
	}
}

func TestKindAdoption(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	adopt := func(path, body string) {
		t.Helper()
		if err := g.Adopt(path, parse(t, body)); err != nil {
			t.Fatalf("adopt %s: %v", path, err)
		}
	}
	adopt("/api/v1/parks/prkold", `{"id":"prkold","name":"Old","size":4,"colour":"red","created":"2020-01-02T03:04:05.000Z","lastUpdated":"2021-01-02T03:04:05.000Z","_links":{"x":1}}`)
	adopt("/api/v1/parks/prkold/trees/treoak", `{"id":"treoak","name":"oak","side":"N"}`)
	adopt("/api/v1/parks/prknew", `{"id":"prknew","name":"new"}`)
	adopt("/api/v1/parks/prkbare", `{"id":"prkbare"}`)
	n := g.Counts()
	if n["parks"] != 3 || n["trees"] != 4 || n["hours"] != 3 {
		t.Errorf("got %v", n)
	}
	x, err := g.FindObject(g.kind("parks"), []string{"prkold"})
	if err != nil {
		t.Fatal(err)
	}
	if x.Created.String() != "2020-01-02T03:04:05.000Z" || x.LastUpdated.String() != "2021-01-02T03:04:05.000Z" {
		t.Errorf("times: %s %s", x.Created, x.LastUpdated)
	}
	if got, want := g.shows("parks", x), `{"colour":"red","name":"Old","size":4}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := g.ReplaceObject(g.kind("parks"), x, Request{Given: doc.Doc{"name": "Old"}}); err != nil || x.Body["colour"] != "red" {
		t.Errorf("a PUT took the field that nobody knows: %v (%v)", x.Body, err)
	}
	if tree, err := g.FindObject(g.kind("trees"), []string{"prkold", "treoak"}); err != nil || tree.Seed {
		t.Errorf("the adopted oak: %v", err)
	}
	bare, err := g.FindObject(g.kind("parks"), []string{"prkbare"})
	if err != nil || doc.String(bare.Body, "name") == "" || bare.Body["form"] != "wild" {
		t.Errorf("a bare one is made whole: %v (%v)", bare, err)
	}
	adopt("/api/v1/parks/prkold", `{"id":"prkold"}`)
	if got, want := g.shows("parks", x), `{"colour":"red","form":"wild","name":"Old","open":false,"owner":null,"rating":"none","status":"ACTIVE"}`; got != want {
		t.Errorf("a bare answer changed what was known: %s, want %s", got, want)
	}
	if len(g.log.arrived) != 0 {
		t.Errorf("adoption wrote %d events", len(g.log.arrived))
	}
	if err := g.Adopt("/api/v1/parks/prknone/trees/tre1", doc.Doc{}); err == nil {
		t.Error("a tree was adopted into a park that is not there")
	}
}

func TestKindStateRoundTrip(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	x := g.makes("parks", `{"name":"a","size":2}`)
	g.makes("trees", `{"name":"fir"}`, x.ID)
	var first, second bytes.Buffer
	if err := g.WriteState(&first, true); err != nil {
		t.Fatal(err)
	}
	other := newGarden(t)
	if err := other.ReadState(bytes.NewReader(first.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := other.WriteState(&second, true); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("got %s\nwant %s", second.String(), first.String())
	}
	bad := strings.Replace(first.String(), `"parks":[`, `"ponds":[`, 1)
	if err := other.ReadState(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "ponds") {
		t.Errorf("a kind that is not there was read: %v", err)
	}
}

func TestKindOrders(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	k := *g.kind("parks")
	for _, name := range []string{"c", "B", "a"} {
		g.makes("parks", `{"name":"`+name+`"}`)
	}
	for order, want := range map[string]string{"created": "Old c B a", "name": "a B c Old"} {
		k.Page.Order = order
		list, err := g.ListObjects(&k, nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range list {
			names = append(names, doc.String(x.Body, "name"))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: got %s, want %s", order, got, want)
		}
	}
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	at := StampOf(time.Date(2026, 3, 4, 10, 8, 1, 0, time.UTC))
	for l, want := range map[Layout]any{
		Millis: "2026-03-04T10:08:01.000Z", Seconds: "2026-03-04T10:08:01Z", Spaced: "2026-03-04 10:08:01.0",
		Unixdate: "Wed Mar 04 10:08:01 UTC 2026", Epoch: int64(1772618881000),
	} {
		if got := l.write(at); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		v := want
		if n, ok := v.(int64); ok {
			v = json.Number(itoa(int(n)))
		}
		if got := l.read(v); got != at {
			t.Errorf("%v was read as %s", want, got)
		}
	}
	if got := Millis.read("yesterday"); got != 0 {
		t.Errorf("got %s", got)
	}
}

func TestLinkStyles(t *testing.T) {
	t.Parallel()
	for style, want := range map[LinkStyle]string{
		Hints: `{"hints":{"allow":["GET","PUT"]},"href":"u"}`, Bare: `{"href":"u"}`, Method: `{"href":"u","method":"GET"}`,
		RelMethod: `{"href":"u","method":"GET","rel":"self"}`,
	} {
		b, err := json.Marshal(style.write("self", "u", []string{"GET", "PUT"}))
		if err != nil || string(b) != want {
			t.Errorf("got %s, want %s (%v)", b, want, err)
		}
	}
}

func TestKindRanks(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	k := g.kind("rounds")
	park := g.objectsIn(g.kind("parks"), "")[0].ID
	by := &Cause{Actor: Party{ID: "00uactor"}}
	order := func() string {
		t.Helper()
		list, err := g.ListObjects(k, []string{park})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range list {
			names = append(names, x.text("name")+itoa(mustNumber(t, x.Body["priority"])))
		}
		return strings.Join(names, " ")
	}
	a := g.makes("rounds", `{"name":"a"}`, park)
	g.makes("rounds", `{"name":"b","priority":9}`, park)
	g.makes("rounds", `{"name":"c","priority":1,"fixed":true}`, park)
	if got, want := order(), "b3 a2 c1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, step := range []struct{ given, want string }{{`{"name":"a","priority":3}`, "a3 b2 c1"}, {`{"name":"d"}`, "d3 b2 c1"}} {
		if _, err := g.ReplaceObject(k, a, Request{By: by, Given: parse(t, step.given)}); err != nil {
			t.Fatal(err)
		}
		if got := order(); got != step.want {
			t.Errorf("%s: got %s, want %s", step.given, got, step.want)
		}
	}
	details := g.log.arrived[len(g.log.arrived)-1].Targets[0].ChangeDetails
	if got, want := doc.String(details, "from", "name")+doc.String(details, "to", "name"), "ad"; got != want {
		t.Errorf("change details: %v", details)
	}
	reply, err := g.Operate(k, &k.Operations[0], a, Request{By: by})
	if err != nil || !reflect.DeepEqual(reply, doc.Doc{"of": "d"}) || a.Body["name"] != "d" {
		t.Errorf("got %v (%v), and the round is %v", reply, err, a.Body)
	}
	if err := g.ClearObjects(k, []string{park}, Request{By: by}); err != nil || order() != "c1" {
		t.Errorf("cleared: %s (%v)", order(), err)
	}
	if _, err := g.FindObject(k, []string{park, a.ID}); why(err) != "E0000002" {
		t.Errorf("got %v", err)
	}
}

func mustNumber(t *testing.T, v any) int {
	t.Helper()
	n, ok := whole(v)
	if !ok {
		t.Fatalf("%v is no number", v)
	}
	return n
}
