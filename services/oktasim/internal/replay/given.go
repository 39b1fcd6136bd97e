package replay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// given is something that was there before the run, or that came from elsewhere while
// it ran: its own path and its body as Okta answered it.
type given struct {
	path string
	body doc.Doc
	// from is the index of the step before which it must be there.
	from int
	// latest is how a step showed it last, by the kind of step; last is that step.
	latest map[string]doc.Doc
	last   map[string]int
}

// survey finds out what a run takes for granted.
type survey struct {
	run   *Run
	begin time.Time
	hosts hosts
	// made are ids that the run's own changes brought up; touched are paths that it
	// wrote to.
	made    map[string]bool
	touched map[string]bool
	// seen are all ids that came up so far; answered are those that first came up in
	// the answer to a change, not in its request.
	seen, answered map[string]bool
	given          map[string]*given
	// posted are paths of which a change made the last part.
	posted map[string]bool
	// named are the ids that requests name.
	named map[string]bool
	// refreshed are given things that others changed, again.
	refreshed []*given
	changes   []change
	// earlier are times of updates before the run, by path, that changes showed.
	earlier map[string]string
}

// change is a successful change with the ids that its request names.
type change struct {
	at    int
	time  time.Time
	path  string
	names map[string]bool
}

// surveyOf scans the whole run.
func surveyOf(r *Run, h hosts) *survey {
	v := &survey{
		run: r, begin: r.Steps[0].at.Add(-2 * time.Second), hosts: h, made: map[string]bool{}, touched: map[string]bool{},
		given: map[string]*given{}, named: map[string]bool{}, seen: map[string]bool{}, answered: map[string]bool{},
		posted: map[string]bool{}, earlier: map[string]string{},
	}
	for i, s := range r.Steps {
		s.names(v.named)
		s.names(v.seen)
		for _, part := range strings.Split(s.Path, "/") {
			v.named[part] = true
		}
		if s.changes() {
			v.change(i, s)
		} else if s.ok() {
			v.read(i, s)
		}
		v.signingKeys(s)
		v.agentsOf(s)
		collectIDs(s.body, v.seen)
	}
	v.antedate()
	v.references()
	v.defaults()
	v.places()
	return v
}

// concerns says whether the run made the thing with this id, or names it.
func (v *survey) concerns(id string) bool { return v.made[id] || v.named[id] }

// names adds the ids in the request.
func (s *Step) names(to map[string]bool) {
	collectIDs(s.Path, to)
	collectIDs(s.Query, to)
	collectIDs(s.sent, to)
}

// collectIDs adds every id below x, whole or inside text.
func collectIDs(x any, to map[string]bool) {
	switch x := x.(type) {
	case doc.Doc:
		for _, e := range x {
			collectIDs(e, to)
		}
	case []any:
		for _, e := range x {
			collectIDs(e, to)
		}
	case string:
		plain.each(x, idLength, func(w string) {
			if isRandom(w) {
				to[w] = true
			}
		})
	}
}

// change notes what a successful change made. An object that answers to its own id is
// made by a POST to its collection; a change at or below its own path proves that it was
// there.
func (v *survey) change(i int, s *Step) {
	path := strings.TrimSuffix(s.Path, "/")
	v.touched[path] = true
	v.note(i, path, s)
	v.early(path, s)
	fresh := map[string]bool{}
	collectIDs(s.body, fresh)
	for id := range fresh {
		if !v.seen[id] {
			v.answered[id] = true
		}
	}
	body, ok := s.body.(doc.Doc)
	if !ok {
		return
	}
	id := identity(body)
	if id == "" {
		return
	}
	at := strings.Index(path+"/", "/"+id+"/")
	if at < 0 {
		if !v.seen[id] {
			v.made[id] = true
		}
		return
	}
	own := path[:at+1+len(id)]
	if isID(id) && !v.made[id] && !linkPath(own) {
		v.take(i, own, body)
	}
}

// note keeps the change and what it may have made below its path.
func (v *survey) note(i int, path string, s *Step) {
	c := change{at: i, time: s.at, path: path, names: map[string]bool{}}
	s.names(c.names)
	v.changes = append(v.changes, c)
	if s.Method == http.MethodPost {
		v.post(path, s.sent, 2)
		v.post(path, s.body, 2)
	}
}

// early notes a time of the last update before the run that only the answer to a change
// shows: Okta answers some with the time of the update before.
func (v *survey) early(path string, s *Step) {
	body, ok := s.body.(doc.Doc)
	if !ok || v.earlier[path] != "" {
		return
	}
	text := doc.String(body, "lastUpdated")
	if at, _, ok := moment(text); ok && at.Before(v.begin) {
		v.earlier[path] = text
	}
}

// antedate gives things that were first read after such a change the time that they had
// before it.
func (v *survey) antedate() {
	for path, text := range v.earlier {
		g := v.given[path]
		if g == nil {
			continue
		}
		if at, _, ok := moment(doc.String(g.body, "lastUpdated")); ok && !at.Before(v.begin) {
			g.body = doc.Clone(g.body)
			g.body["lastUpdated"] = text
		}
	}
}

// post notes the texts of a body, to a depth, as possible ends of a path.
func (v *survey) post(path string, x any, depth int) {
	switch x := x.(type) {
	case string:
		v.posted[path+"/"+x] = true
	case doc.Doc:
		for k, e := range x {
			if depth > 0 && k != "_links" {
				v.post(path, e, depth-1)
			}
		}
	}
}

// read notes what a successful read shows.
func (v *survey) read(i int, s *Step) {
	path := strings.TrimSuffix(s.Path, "/")
	items, _ := elements(s)
	if items == nil {
		if body, ok := s.body.(doc.Doc); ok {
			v.take(i, v.singlePath(path, body), body)
		}
		return
	}
	for _, e := range items {
		body, ok := e.(doc.Doc)
		if !ok {
			continue
		}
		v.typesOf(body)
		for _, own := range v.ownPaths(path, body) {
			if strings.HasSuffix(own, anyRole) {
				body = doc.Doc{"id": anyRole, "type": "REPORT_ADMIN"}
			}
			v.take(i, own, body)
		}
	}
}

// singlePath is where an object is known to live: users may be read by login or as
// "me", but are one.
func (v *survey) singlePath(path string, body doc.Doc) string {
	parent, tail := path[:strings.LastIndex(path, "/")], path[strings.LastIndex(path, "/")+1:]
	id := identity(body)
	if parent == "/api/v1/users" && id != "" && tail != id {
		return parent + "/" + id
	}
	return path
}

// take records a thing as given, unless the run made it or what hangs on it.
func (v *survey) take(i int, path string, body doc.Doc) {
	view := v.run.Steps[i].name()
	if g := v.given[path]; g != nil {
		v.refresh(g, i, view, body)
		return
	}
	if v.ownWork(path, body) {
		return
	}
	from := 0
	if made, ok := createdAt(body); ok && !made.Before(v.begin) {
		from = i
	}
	v.given[path] = &given{path: path, body: body, from: from, latest: map[string]doc.Doc{view: body}, last: map[string]int{view: i}}
}

// refresh follows what others do to a given thing while the run goes on: where the run
// changed nothing since it was last seen, any difference is theirs; where it did not
// touch the thing, stamps that lie apart from its changes are.
func (v *survey) refresh(g *given, i int, view string, body doc.Doc) {
	was, known := g.latest[view]
	since := g.last[view]
	g.latest[view], g.last[view] = body, i
	if !known || reflect.DeepEqual(was, body) {
		return
	}
	next := v.foreignPart(g, since, was, body)
	if len(next) > 0 {
		v.refreshed = append(v.refreshed, &given{path: g.path, body: doc.Merge(g.body, doc.Merge(was, next)), from: i})
	}
}

func (v *survey) foreignPart(g *given, since int, was, body doc.Doc) doc.Doc {
	later := v.changes[len(v.changes):]
	for n, c := range v.changes {
		if c.at > since {
			later = v.changes[n:]
			break
		}
	}
	if len(later) == 0 {
		return body
	}
	stamps := doc.Doc{}
	id := identity(g.body)
	if slices.ContainsFunc(later, func(c change) bool { return c.names[id] || strings.HasPrefix(c.path, g.path) }) {
		return stamps
	}
	for k, e := range body {
		text, isText := e.(string)
		at, _, isStamp := moment(text)
		if isText && isStamp && was[k] != e && !slices.ContainsFunc(later, func(c change) bool { return near(c.time, at) }) {
			stamps[k] = e
		}
	}
	return stamps
}

// ownWork says whether the thing follows from what the run did: it hangs on something
// made, mentions it, or was written before it was read, and is not older than the run.
func (v *survey) ownWork(path string, body doc.Doc) bool {
	for _, p := range strings.Split(path, "/") {
		if v.made[p] {
			return true
		}
	}
	if made, ok := createdAt(body); ok && made.Before(v.begin) {
		return false
	}
	tail := path[strings.LastIndex(path, "/")+1:]
	return v.posted[path] || v.answered[tail] || v.touched[path] && !isID(tail) || v.mentionsMade(body)
}

func (v *survey) mentionsMade(body doc.Doc) bool {
	ids := map[string]bool{}
	collectIDs(body, ids)
	for id := range ids {
		if v.made[id] {
			return true
		}
	}
	return false
}

// createdAt is when the object says that it was made.
func createdAt(body doc.Doc) (time.Time, bool) {
	for _, field := range []string{"created", "createdDate", "createdAt"} {
		if at, _, ok := moment(doc.String(body, field)); ok {
			return at, true
		}
	}
	return time.Time{}, false
}

// identity is the id by which the object is found at its path.
func identity(body doc.Doc) string { return doc.String(body, "id") }

// linkPath says whether a path names a link between two objects, which a PUT makes.
func linkPath(path string) bool {
	p := strings.Split(strings.Trim(path, "/"), "/")
	if len(p) < 6 {
		return false
	}
	switch p[2] + " " + p[4] {
	case "groups users", "apps groups", "apps users", "apps policies":
		return true
	}
	return false
}

// elements are the members of a list answer, bare or in an envelope, and the
// envelope's field; nil for an answer that is no list.
func elements(s *Step) (items []any, field string) {
	switch b := s.body.(type) {
	case []any:
		return b, ""
	case doc.Doc:
		for k, e := range b {
			list, ok := e.([]any)
			if k == "_links" || k == "metadata" {
				continue
			}
			if !ok || field != "" || !envelopes[k] {
				return nil, ""
			}
			items, field = list, k
		}
	}
	return items, field
}

// envelopes are the fields in which Okta wraps lists.
var envelopes = map[string]bool{
	"roles": true, "resource-sets": true, "resources": true, "permissions": true, "members": true, "value": true, "domains": true,
	"email-servers": true, "data": true, "bindings": true, "profiles": true,
}

// ownPaths are the paths at which a list's element lives: its own and, in lists of
// links, that of the link.
func (v *survey) ownPaths(list string, body doc.Doc) []string {
	id := identity(body)
	p := strings.Split(strings.Trim(list, "/"), "/")
	if len(p) >= 5 && p[1] == "v1" && id != "" {
		switch p[2] + " " + strings.Join(p[4:], " ") {
		case "users groups":
			return []string{"/api/v1/groups/" + id, "/api/v1/groups/" + id + "/users/" + p[3]}
		case "groups users":
			return []string{"/api/v1/users/" + id, list + "/" + id}
		case "groups apps":
			return []string{"/api/v1/apps/" + id, "/api/v1/apps/" + id + "/groups/" + p[3]}
		case "policies app":
			return []string{"/api/v1/apps/" + id}
		}
	}
	if list == "/api/v1/iam/assignees/users" {
		return []string{"/api/v1/users/" + id, "/api/v1/users/" + id + "/roles/" + anyRole}
	}
	if self := v.selfPath(body); self != "" {
		return []string{self}
	}
	if id == "" {
		return nil
	}
	return []string{strings.TrimSuffix(list, "/") + "/" + url.PathEscape(id)}
}

// anyRole is the assignment of some role: that a user is among those with roles says not
// which.
const anyRole = "ra1AnyRole0000000000"

// selfPath is the path of the object's self link, if that is its own.
func (v *survey) selfPath(body doc.Doc) string {
	u, err := url.Parse(v.hosts.normalise(doc.String(body, "_links", "self", "href")))
	if err != nil || u.Host == "" || !strings.HasPrefix(v.hosts.base, "https://"+u.Host) {
		return ""
	}
	if id := identity(body); id != "" && !strings.HasSuffix(u.Path, "/"+id) {
		return ""
	}
	return u.Path
}

// families tell by an id's prefix where an object of which only the id is known lives.
var families = map[string]string{
	"00g": "/api/v1/groups/", "00u": "/api/v1/users/", "nzo": "/api/v1/zones/", "00p": policyFamily, "rst": policyFamily,
	"cr0": "/api/v1/iam/roles/", "iam": "/api/v1/iam/resource-sets/",
}

const policyFamily = "/api/v1/policies/"

// least is the body of a thing of which only the id is known. A policy is of the type
// that its rules have.
func (v *survey) least(id string) doc.Doc {
	body := doc.Doc{"id": id}
	for _, s := range v.run.Steps {
		if !strings.HasPrefix(s.Path, policyFamily+id+"/rules") || !s.ok() {
			continue
		}
		rule, _ := s.body.(doc.Doc)
		if t := doc.String(rule, "type"); t != "" {
			body["type"] = t
			if t == "SIGN_ON" {
				body["type"] = "OKTA_SIGN_ON"
			}
		}
	}
	return body
}

// references adds what is only ever named: by paths and bodies of requests that Okta
// fulfilled.
func (v *survey) references() {
	for _, s := range v.run.Steps {
		if !s.ok() {
			continue
		}
		ids := map[string]bool{}
		collectIDs(s.sent, ids)
		collectIDs(s.Path, ids)
		v.resourceNames(s.body)
		v.above(s)
		for id := range ids {
			family, known := families[id[:min(3, len(id))]]
			if !known || v.made[id] || v.answered[id] || v.given[family+id] != nil {
				continue
			}
			v.given[family+id] = &given{path: family + id, body: v.least(id)}
		}
	}
}

// above adds what must have been there for the path of a request to lead anywhere, of which
// nothing but the id is known: what the template has variables for, but its last part.
func (v *survey) above(s *Step) {
	template, path := strings.Split(s.Template, "/"), strings.Split(s.Path, "/")
	if len(template) != len(path) {
		return
	}
	for i := range len(path) - 1 {
		own := strings.Join(path[:i+1], "/")
		if !strings.HasPrefix(template[i], "{") || len(path[i]) < idLength-1 || v.made[path[i]] || v.answered[path[i]] || v.given[own] != nil || v.posted[own] {
			continue
		}
		v.given[own] = &given{path: own, body: v.least(path[i])}
	}
}

// resourceName is Okta's name for an app: its org, its name and its id.
var resourceName = regexp.MustCompile(`^orn:okta[a-z-]*:idp:([^:]+):apps:([^:]+):([^:]+)$`)

// resourceNames adds the org and the apps of which resource names tell.
func (v *survey) resourceNames(x any) {
	switch x := x.(type) {
	case doc.Doc:
		for _, e := range x {
			v.resourceNames(e)
		}
	case []any:
		for _, e := range x {
			v.resourceNames(e)
		}
	case string:
		m := resourceName.FindStringSubmatch(x)
		if m == nil || v.made[m[3]] || v.answered[m[3]] {
			return
		}
		for path, body := range map[string]doc.Doc{"/api/v1/org": {"id": m[1]}, "/api/v1/apps/" + m[3]: {"id": m[3], "name": m[2]}} {
			if v.given[path] == nil {
				v.given[path] = &given{path: path, body: body}
			}
		}
	}
}

// typesOf finds the user types that a profile mapping has at its ends: each app and each
// identity provider has mappings for all types of the org.
func (v *survey) typesOf(mapping doc.Doc) {
	for _, end := range []string{"source", "target"} {
		p := doc.Object(mapping, end)
		id, name := identity(p), doc.String(p, "name")
		path := "/api/v1/meta/types/user/" + id
		if p["type"] != "user" || v.made[id] || v.given[path] != nil {
			continue
		}
		v.given[path] = &given{path: path, body: doc.Doc{
			"id": id, "name": name, "displayName": name, "default": name == "user",
			"_links": doc.Doc{"schema": doc.Doc{"href": doc.String(p, "_links", "schema", "href")}},
		}}
	}
}

// signingKeys finds the key with which the org signs for many apps. It says that it was
// made with the app, but is valid for no number of years from then.
func (v *survey) signingKeys(s *Step) {
	if !strings.HasSuffix(s.Path, "/credentials/keys") || !s.ok() {
		return
	}
	list, _ := s.body.([]any)
	for _, e := range list {
		key, _ := e.(doc.Doc)
		path := "/api/v1/org/signing-keys/" + doc.String(key, "kid")
		if older(key) && v.given[path] == nil {
			v.given[path] = &given{path: path, body: key}
		}
	}
}

// agentsOf finds the agents that an update of a pool names: no request makes one, and
// nothing but such an answer shows what they are.
func (v *survey) agentsOf(s *Step) {
	body, _ := s.body.(doc.Doc)
	agents, _ := body["agents"].([]any)
	for _, e := range agents {
		agent, _ := e.(doc.Doc)
		id := doc.String(agent, "poolId")
		path := "/api/v1/agentPools/" + id
		if id == "" || !s.ok() || v.given[path] != nil {
			continue
		}
		v.given[path] = &given{path: path, body: doc.Doc{"id": id, "type": agent["type"], "agents": doc.Clone(agents)}}
	}
}

// older says whether a key was not made when it says that it was.
func older(key doc.Doc) bool {
	made, _, ok := moment(doc.String(key, "created"))
	ends, _, both := moment(doc.String(key, "expiresAt"))
	const longest = 10
	for years := 1; years <= longest; years++ {
		if made.AddDate(years, 0, 0).Sub(ends).Abs() < time.Hour {
			return false
		}
	}
	return ok && both
}

// defaults finds the policies that new apps get without asking: those of the org, of
// which a run often shows no more than the id.
func (v *survey) defaults() {
	for _, s := range v.run.Steps {
		if s.Method != http.MethodPost || s.Path != "/api/v1/apps" || !s.ok() {
			continue
		}
		body, _ := s.body.(doc.Doc)
		for link, kind := range map[string]string{"accessPolicy": "ACCESS_POLICY", "profileEnrollment": "PROFILE_ENROLLMENT"} {
			href := doc.String(body, "_links", link, "href")
			path := policyFamily + href[strings.LastIndex(href, "/")+1:]
			if id := strings.TrimPrefix(path, policyFamily); id != "" && !v.made[id] && v.given[path] == nil {
				v.given[path] = &given{path: path, body: doc.Doc{"id": id, "type": kind, "system": true}}
			}
		}
	}
}

// ranked are the collections whose members have a place among all others.
var ranked = regexp.MustCompile(`^/api/v1/policies(/[^/]+/rules)?$`)

// places fills the places before the first member that the run adds to a ranked
// collection without asking for one: whoever stood there was there before.
func (v *survey) places() {
	done := map[string]bool{}
	for i, s := range v.run.Steps {
		sent, _ := s.sent.(doc.Doc)
		body, _ := s.body.(doc.Doc)
		place, given := doc.Int(body, "priority")
		kind := doc.String(body, "type")
		if s.Method != http.MethodPost || !s.ok() || !given || !ranked.MatchString(s.Path) || done[s.Path+kind] {
			continue
		}
		done[s.Path+kind] = true
		if sent["priority"] == nil && !v.made[strings.Split(s.Path+"////", "/")[4]] {
			v.fill(s.Path, kind, place-1-v.known(i, s.Path, kind))
		}
	}
}

// known counts the given members of a collection before step i that are not the
// system's: those come last.
func (v *survey) known(i int, path, kind string) int {
	n := 0
	for _, g := range v.given {
		if g.from <= i && g.path[:strings.LastIndex(g.path, "/")] == path && g.body["type"] == kind && g.body["system"] != true {
			n++
		}
	}
	return n
}

func (v *survey) fill(path, kind string, n int) {
	for i := range n {
		id := fmt.Sprintf("00pUnseen%011d", len(v.given))
		v.given[path+"/"+id] = &given{path: path + "/" + id, body: doc.Doc{
			"id": id, "type": kind, "name": "Unseen " + id, "status": "ACTIVE", "system": false, "priority": json.Number(strconv.Itoa(i + 1)),
			"conditions": doc.Doc{}, "actions": doc.Doc{},
		}}
	}
}

// order lists what is given, parents before children.
func (v *survey) order() []*given {
	out := slices.Clone(v.refreshed)
	for _, g := range v.given {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *given) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(strings.Count(a.path, "/"), strings.Count(b.path, "/")),
			cmp.Compare(rank(a.path), rank(b.path)), cmp.Compare(a.path, b.path))
	})
	return out
}

// ranks order families of equal depth: what others refer to comes first.
var ranks = []string{"/api/v1/org", "/api/v1/meta/types", "/api/v1/meta/schemas", "/api/v1/zones/", "/api/v1/groups/", "/api/v1/users/", "/api/v1/apps/", "/api/v1/policies/"}

func rank(path string) int {
	for i, r := range ranks {
		if strings.HasPrefix(path, r) {
			return i
		}
	}
	return len(ranks)
}
