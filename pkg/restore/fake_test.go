package restore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/resource"
	"imago/pkg/restore"
	"imago/pkg/snapshot"
)

// catalog is the real one: what a plan looks like depends on it.
var catalog = okta.New(okta.Options{}).Catalog()

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed() time.Time { return noon }

type object = map[string]any

// org is an org in memory that is as strict as Okta where it matters: names are
// unique, references must lead somewhere, rules are born inactive and cannot leave
// INVALID, and what was deleted takes along what hangs on it.
type org struct {
	objects map[resource.Key]object
	made    int // IDs given
	life    *life
	creates map[string]int // by type and name: nothing is made twice
	writes  []string
	broken  map[resource.Key]error // reads that fail
	deny    error                  // answers every write
	calls   int
}

func newOrg() *org {
	return &org{objects: map[resource.Key]object{}, life: &life{}, creates: map[string]int{}, broken: map[resource.Key]error{}}
}

// load reads lines "type/parent/id {body}".
func (o *org) load(text []byte) error {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, body, _ := strings.Cut(line, " ")
		k, ok := resource.ParseKey(key)
		if !ok {
			return fmt.Errorf("no key: %s", line)
		}
		b := object{}
		if body != "" {
			if err := json.Unmarshal([]byte(body), &b); err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
		}
		b["id"] = k.ID
		o.objects[k] = b
	}
	return nil
}

func (o *org) copy() *org {
	c := newOrg()
	for k, b := range o.objects {
		c.objects[k] = decode(encode(b))
	}
	return c
}

func encode(b object) []byte {
	text, err := json.Marshal(b)
	if err == nil {
		text, err = resource.Canonical(nil, text)
	}
	if err != nil {
		panic(err)
	}
	return text
}

func decode(text []byte) object {
	var b object
	if err := json.Unmarshal(text, &b); err != nil {
		panic(err)
	}
	return b
}

func (o *org) resource(k resource.Key) resource.Resource {
	return resource.Resource{Key: k, Body: encode(o.objects[k])}
}

// sorted lists everything, in key order.
func (o *org) sorted() []resource.Resource {
	return o.list(func(resource.Key) bool { return true })
}

// list lists what the key says, in key order.
func (o *org) list(wanted func(resource.Key) bool) (out []resource.Resource) {
	var keys []resource.Key
	for k := range o.objects {
		if wanted(k) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, resource.Key.Compare)
	for _, k := range keys {
		out = append(out, o.resource(k))
	}
	return out
}

// delete is what an administrator does: everything that hangs on it goes.
func (o *org) delete(k resource.Key) {
	delete(o.objects, k)
	for other, b := range o.objects {
		switch {
		case k.Parent != "":
		case other.Parent == k.ID || other.ID == k.ID && other.Parent != "":
			delete(o.objects, other)
		case k.Type == "group" && strings.Contains(string(encode(b)), k.ID):
			if other.Type == "group_rule" {
				b["status"], b["allGroupsValid"] = "INVALID", false
				continue
			}
			if strings.HasPrefix(string(other.Type), "app_user") {
				delete(o.objects, other)
				continue
			}
			o.objects[other] = decode([]byte(drop(string(encode(b)), k.ID)))
		}
	}
}

// drop takes an ID out of the lists of a body.
func drop(body, id string) string {
	q := `"` + id + `"`
	for _, r := range [][2]string{{q + ",", ""}, {"," + q, ""}, {"[" + q + "]", "[]"}} {
		body = strings.ReplaceAll(body, r[0], r[1])
	}
	return body
}

func (o *org) List(_ context.Context, t resource.Type, parent resource.Key, _ string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		o.calls++
		if err := o.broken[resource.Key{Type: t, Parent: parent.ID}]; err != nil {
			yield(provider.Page{}, err)
			return
		}
		yield(provider.Page{Resources: o.list(func(k resource.Key) bool { return k.Type == t && k.Parent == parent.ID })}, nil)
	}
}

func (o *org) Get(_ context.Context, k resource.Key) (resource.Resource, error) {
	o.calls++
	if err := o.broken[k]; err != nil {
		return resource.Resource{}, err
	}
	if strings.Contains(k.String(), "{{") {
		return resource.Resource{}, fmt.Errorf("asked for %s", k)
	}
	if o.objects[k] == nil {
		return resource.Resource{}, problem.New(problem.NotFound, "there is no %s", k)
	}
	return o.resource(k), nil
}

func (o *org) Find(_ context.Context, like resource.Resource) (out []resource.Resource, err error) {
	o.calls++
	info, _ := catalog.Info(like.Type)
	want, err := resource.NaturalKey(info, like.Body)
	for _, r := range o.list(func(k resource.Key) bool { return k.Type == like.Type && k.Parent == like.Parent }) {
		have, err := resource.NaturalKey(info, r.Body)
		if err != nil {
			return nil, err
		}
		if have == want {
			out = append(out, r)
		}
	}
	return out, err
}

func (o *org) Org(context.Context) (provider.OrgFacts, error) { return provider.OrgFacts{}, nil }

func (o *org) Release(context.Context) error { return nil }

// Apply is the writer. Each effect on the org is one step of the process's life.
func (o *org) Apply(ctx context.Context, w provider.Write) (provider.Done, error) {
	o.calls++
	if o.deny != nil {
		return provider.Done{}, o.deny
	}
	if strings.Contains(string(w.Want)+w.Key.String(), "{{") {
		return provider.Done{}, fmt.Errorf("a placeholder reached the org: %s %s", w.Key, w.Want)
	}
	var now []byte
	if w.Key.ID != "" && o.objects[w.Key] != nil {
		now = encode(o.objects[w.Key])
	}
	info, _ := catalog.Info(w.Key.Type)
	apart := slices.Concat(info.Volatile, info.Derived)
	if strings.HasPrefix(string(w.Key.Type), "policy_") {
		same, err := resource.Equal(now, w.Want, slices.Concat(apart, info.ReadOnly)...)
		if err != nil || same && w.Op == provider.Update {
			return provider.Done{Resource: resource.Resource{Key: w.Key, Body: now}}, err
		}
		apart = append(apart, "priority") // which follows whatever else is written
	}
	same, err := resource.Equal(now, w.Expect, apart...)
	if err != nil {
		return provider.Done{}, err
	}
	if !same {
		return provider.Done{}, problem.New(problem.Stale, "the %s moved", w.Key.Type)
	}
	k, before := w.Key, len(o.writes)
	switch w.Op {
	case provider.Create:
		k, err = o.create(ctx, info, w)
	case provider.Update:
		err = o.update(w)
	case provider.Delete:
		err = o.remove(w)
	}
	done := provider.Done{}
	for n := range o.writes[before:] { // each effect is a request
		done.Transaction = fmt.Sprintf("tx%d", before+n+1)
		done.Transactions = append(done.Transactions, done.Transaction)
	}
	if err != nil {
		return done, err
	}
	done.Resource = resource.Resource{Key: k}
	if w.Op != provider.Delete {
		done.Resource = o.resource(k)
	}
	return done, nil
}

func (o *org) create(ctx context.Context, info resource.Info, w provider.Write) (resource.Key, error) {
	found, err := o.Find(ctx, resource.Resource{Key: w.Key, Body: w.Want})
	if err != nil || len(found) > 0 && info.Shape == resource.Collection {
		return w.Key, errors.Join(err, problem.New(problem.Conflict, "the name is taken"))
	}
	if err := o.dangling(info, w); err != nil {
		return w.Key, err
	}
	b, err := o.taken(info, w)
	if err != nil {
		return w.Key, err
	}
	status := b["status"]
	k := w.Key
	if k.ID == "" {
		k.ID = fmt.Sprintf("NEW%d%s", o.made+1, strings.ReplaceAll(string(k.Type), "_", ""))
		b["created"] = "2026-03-01T12:00:00.000Z"
	}
	b["id"] = k.ID
	if k.Type == "group_rule" {
		b["status"], b["allGroupsValid"] = "INACTIVE", true
	}
	if err := o.effect("create "+k.String(), func() {
		o.made++
		o.objects[k] = b
		o.creates[name(k.Type, k.Parent, w)]++
		o.follow(k)
		o.displace(k, nil)
	}); err != nil {
		return k, err
	}
	if k.Type != "group_rule" || status != "ACTIVE" {
		return k, nil
	}
	return k, o.effect("activate "+k.String(), func() { b["status"] = "ACTIVE" })
}

// taken is what Okta keeps of a body that it is given: no secret of which only a husk was
// read, and a rule comes no later than behind all others.
func (o *org) taken(info resource.Info, w provider.Write) (object, error) {
	rest, err := resource.Without(w.Want, info.Secret...)
	if err != nil {
		return nil, err
	}
	b := decode(rest)
	if at, ok := b["priority"].(float64); ok && w.Key.Type != "policy_access_policy_rule" && strings.HasSuffix(string(w.Key.Type), "_rule") {
		others := o.list(func(k resource.Key) bool { return k.Type == w.Key.Type && k.Parent == w.Key.Parent })
		others = slices.DeleteFunc(others, func(r resource.Resource) bool { return strings.Contains(string(r.Body), `"system":true`) })
		b["priority"] = min(at, float64(len(others)+1))
	}
	return b, nil
}

func name(t resource.Type, parent string, w provider.Write) string {
	info, _ := catalog.Info(t)
	key, err := resource.NaturalKey(info, w.Want)
	if err != nil {
		panic(err)
	}
	return string(t) + "/" + parent + "/" + w.Key.ID + key
}

// follow makes what Okta makes by itself: assignments of people through groups,
// and the last rule of a policy.
func (o *org) follow(k resource.Key) {
	if k.Type == "policy_access_policy" {
		rule := resource.Key{Type: "policy_access_policy_rule", Parent: k.ID, ID: "rulOwn" + k.ID}
		o.objects[rule] = object{"id": rule.ID, "type": "ACCESS_POLICY", "name": "Catch-all Rule", "priority": 99, "status": "ACTIVE",
			"system": true, "actions": object{"appSignOn": object{"access": "ALLOW"}}}
	}
	link := func(app, group, user string) {
		key := resource.Key{Type: "app_user", Parent: app, ID: user}
		if o.objects[key] == nil {
			o.objects[key] = object{"id": user, "scope": "GROUP", "_links": object{"group": object{"href": "https://x/api/v1/groups/" + group}}}
		}
	}
	for other := range o.objects {
		switch {
		case k.Type == "app_group" && other.Type == "group_membership" && other.Parent == k.ID:
			link(k.Parent, k.ID, other.ID)
		case k.Type == "group_membership" && other.Type == "app_group" && other.ID == k.Parent:
			link(other.Parent, k.Parent, k.ID)
		}
	}
}

// dangling refuses references that lead nowhere.
func (o *org) dangling(info resource.Info, w provider.Write) error {
	refs, err := resource.References(info, resource.Resource{Key: w.Key, Body: w.Want})
	if err != nil {
		return err
	}
	for _, ref := range refs {
		there := ref.In == resource.InExpression || strings.ToUpper(ref.ID) == ref.ID && strings.Contains(ref.ID, "_")
		for _, t := range ref.To {
			there = there || o.objects[resource.Key{Type: t, ID: ref.ID}] != nil
		}
		if !there && ref.ID != "" {
			return problem.New(problem.Invalid, "%s: there is no %v %s", w.Key.Type, ref.To, ref.ID)
		}
	}
	return nil
}

func (o *org) update(w provider.Write) error {
	b, was := decode(w.Want), o.objects[w.Key]
	if w.Key.Type == "group_rule" {
		if was["status"] == "INVALID" {
			return problem.New(problem.Invalid, "cannot update a rule that is INVALID")
		}
		if !bytes.Equal(encode(object{"a": was["actions"]}), encode(object{"a": b["actions"]})) {
			return problem.New(problem.Invalid, "the actions of a rule cannot be changed")
		}
		if err := o.effect("deactivate "+w.Key.String(), func() { was["status"] = "INACTIVE" }); err != nil {
			return err
		}
	}
	for _, own := range []string{"id", "created", "allGroupsValid"} { // Okta's own to set
		delete(b, own)
		if v, ok := was[own]; ok {
			b[own] = v
		}
	}
	return o.effect("update "+w.Key.String(), func() {
		o.objects[w.Key] = b
		o.displace(w.Key, was["priority"])
	})
}

// displace counts the rules of an app sign-in policy on, one by one, whose place is
// taken: by what was written, and by the place that it left (recorded of Okta).
func (o *org) displace(k resource.Key, left any) {
	wanted := o.objects[k]["priority"]
	if k.Type != "policy_access_policy_rule" || wanted == nil || o.objects[k]["system"] == true {
		return
	}
	var order []object
	if left != nil {
		order = append(order, object{"priority": left})
	}
	for _, r := range o.list(func(x resource.Key) bool { return x.Type == k.Type && x.Parent == k.Parent && x != k }) {
		if b := o.objects[r.Key]; b["system"] != true {
			order = append(order, b)
		}
	}
	at := func(b object) float64 { return b["priority"].(float64) }
	slices.SortStableFunc(order, func(a, b object) int { return int(at(a) - at(b)) })
	i := slices.IndexFunc(order, func(b object) bool { return at(b) >= wanted.(float64) })
	for next := wanted.(float64); i >= 0 && i < len(order) && at(order[i]) <= next; i++ {
		next++
		order[i]["priority"] = next
	}
}

func (o *org) remove(w provider.Write) error {
	if b := o.objects[w.Key]; b["status"] == "ACTIVE" {
		if err := o.effect("deactivate "+w.Key.String(), func() { b["status"] = "INACTIVE" }); err != nil {
			return err
		}
	}
	return o.effect("delete "+w.Key.String(), func() { delete(o.objects, w.Key) })
}

// effect changes the org, killed before or after it.
func (o *org) effect(what string, do func()) error {
	if err := o.life.step(); err != nil {
		return err
	}
	o.writes = append(o.writes, what)
	do()
	return o.life.step()
}

// life ends a process: its end'th step fails, and all that follow. With once, only
// that one step fails: an answer that got lost.
type life struct {
	steps, end int
	once       bool
}

var errKilled = errors.New("killed")

func (l *life) step() error {
	l.steps++
	if l.end > 0 && (l.steps == l.end || l.steps > l.end && !l.once) {
		return errKilled
	}
	return nil
}

// snap is a snapshot of an org.
type snap struct {
	*org
	gaps []snapshot.Gap
}

func (s *snap) Manifest() snapshot.Manifest {
	return snapshot.Manifest{ID: "snap1", Started: noon.Add(-time.Hour), Org: "https://acme.okta.com", Types: []snapshot.TypeStatus{{Gaps: s.gaps}}}
}

func (s *snap) Walk(_ context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		for _, r := range s.list(func(k resource.Key) bool { return k.Type == t }) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// book is a journal in memory, whose pages survive the process.
type book struct {
	lines map[int]restore.Entry
	life  *life
}

func newBook(l *life) *book { return &book{map[int]restore.Entry{}, l} }

func (b *book) Load(context.Context) ([]restore.Entry, error) {
	return slices.Collect(maps.Values(b.lines)), nil
}

func (b *book) Begin(_ context.Context, s restore.Step) error {
	return b.write(s, restore.Entry{N: s.N, State: restore.Begun})
}

func (b *book) End(_ context.Context, s restore.Step, e restore.Entry) error {
	if b.lines[s.N].State != restore.Begun {
		return fmt.Errorf("step %d ends and was not begun", s.N)
	}
	return b.write(s, e)
}

func (b *book) write(s restore.Step, e restore.Entry) error {
	if err := b.life.step(); err != nil {
		return err
	}
	if b.lines[s.N].State != "" && b.lines[s.N].State != restore.Begun {
		return fmt.Errorf("step %d has ended already", s.N)
	}
	b.lines[s.N] = e
	return b.life.step()
}

var (
	_ provider.Reader  = (*org)(nil)
	_ provider.Writer  = (*org)(nil)
	_ restore.Snapshot = (*snap)(nil)
	_ restore.Journal  = (*book)(nil)
)

// plan makes a plan, or ends the test.
func plan(t *testing.T, s *snap, o *org, sel restore.Selection) restore.Plan {
	t.Helper()
	p, err := restore.MakePlan(t.Context(), restore.Input{Catalog: catalog, Snapshot: s, Reader: o, Selection: sel, Now: fixed})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// work is an approved plan on an org.
func work(t *testing.T, p restore.Plan, o *org, j restore.Journal) restore.Work {
	t.Helper()
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return restore.Work{Catalog: catalog, Plan: text, Approved: digest, Reader: o, Writer: o, Journal: j}
}
