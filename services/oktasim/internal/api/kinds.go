package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/filter"
	"imago/services/oktasim/internal/org"
)

// kindOperations offers every kind under its paths.
func kindOperations() []operation {
	var all []operation
	for _, k := range org.Kinds() {
		all = append(all, operationsOf(k)...)
	}
	return all
}

func operationsOf(k *org.Kind) []operation {
	var all []operation
	add := func(offered bool, method, path string, area org.Area, write bool, run func(*call, *org.Kind) error) {
		if !offered {
			return
		}
		scope := k.Scope + ".read"
		if write {
			scope = k.Scope + ".manage"
		}
		all = append(all, operation{
			method: method, path: path, scope: scope, area: area, write: write,
			run: func(c *call) error {
				if err := c.org.Offers(k); err != nil {
					return err
				}
				return run(c, k)
			},
		})
	}
	v, area := k.Verbs, k.Area
	add(v.List, "GET", k.Collection(), area, false, listObjects)
	add(v.Create != 0, "POST", k.Collection(), area+".create", true, createObject)
	add(v.Get, "GET", k.Path, area, false, showObject)
	add(v.Replace != "", v.Replace, k.Path, area, true, replaceObject)
	add(v.Merge != "", v.Merge, k.Path, area, true, mergeObject)
	add(v.Delete != 0, "DELETE", k.Path, area+".lifecycle.delete", true, deleteObject)
	add(v.Clear != 0, "DELETE", k.Collection(), area, true, clearObjects)
	for i := range k.Operations {
		op := &k.Operations[i]
		method := op.Method
		if method == "" {
			method = "POST"
		}
		add(true, method, k.Path+"/"+op.Path, lifecycleArea(k.Area, op.Path), !op.Read, func(c *call, k *org.Kind) error { return operate(c, k, op) })
	}
	return all
}

// lifecycleArea is what an operation needs of a role: permissions for single operations of
// a lifecycle are called as their paths.
func lifecycleArea(of org.Area, path string) org.Area {
	if name, ok := strings.CutPrefix(path, "lifecycle/"); ok {
		return of + ".lifecycle." + org.Area(name)
	}
	return of
}

// values are the values of the kind's path variables that the request has, in order.
func (c *call) values(k *org.Kind) []string {
	var out []string
	for _, name := range k.Variables() {
		if v, ok := c.params[name]; ok {
			out = append(out, v)
		}
	}
	return out
}

func (c *call) find(k *org.Kind) (*org.Object, error) { return c.org.FindObject(k, c.values(k)) }

func (c *call) request() (org.Request, error) {
	body, err := c.optional()
	return org.Request{By: c.cause(), Given: body, Query: c.query}, err
}

// answer shows the object with the status, or nothing for 204.
func (c *call) answer(k *org.Kind, x *org.Object, status int, v org.View, late org.Stamp) error {
	switch status {
	case 0:
		status = http.StatusOK
	case http.StatusNoContent:
		return c.done(nil)
	}
	v.Query = c.query
	body := c.org.Show(k, x, v, late)
	if k.SelfHeader {
		c.set("Link", "<"+c.org.Href(k, x)+`>; rel="self"`)
	}
	return c.reply(status, body)
}

func showObject(c *call, k *org.Kind) error {
	x, err := c.find(k)
	if err != nil {
		return err
	}
	return c.answer(k, x, http.StatusOK, org.View{}, 0)
}

// required reads the request body, which must be there if the kind takes anything from it.
func (c *call) required(k *org.Kind) (org.Request, error) {
	if !k.Takes() {
		return c.request()
	}
	body, err := c.object()
	return org.Request{By: c.cause(), Given: body, Query: c.query}, err
}

func createObject(c *call, k *org.Kind) error {
	r, err := c.required(k)
	if err != nil {
		return err
	}
	x, err := c.org.CreateObject(k, c.values(k), r)
	if err != nil {
		return err
	}
	return c.answer(k, x, k.Verbs.Create, org.View{Verb: "create", Given: r.Given}, 0)
}

func replaceObject(c *call, k *org.Kind) error {
	r, err := c.required(k)
	if err != nil {
		return err
	}
	v := org.View{Verb: "replace", Given: r.Given}
	x, err := c.find(k)
	if err != nil && k.Verbs.Upsert {
		if x, err = c.org.MakeObject(k, c.values(k), r); err == nil {
			return c.answer(k, x, k.Verbs.ReplaceStatus, v, 0)
		}
	}
	if err != nil {
		return err
	}
	late, err := c.org.ReplaceObject(k, x, r)
	if err != nil {
		return err
	}
	return c.answer(k, x, k.Verbs.ReplaceStatus, v, late)
}

func mergeObject(c *call, k *org.Kind) error {
	r, err := c.required(k)
	if err != nil {
		return err
	}
	x, err := c.find(k)
	if err != nil {
		return err
	}
	late, err := c.org.MergeObject(k, x, r)
	if err != nil {
		return err
	}
	return c.answer(k, x, k.Verbs.MergeStatus, org.View{Verb: "merge", Given: r.Given}, late)
}

// Deletions answer with no body, whatever the status (recorded).
func deleteObject(c *call, k *org.Kind) error {
	x, err := c.find(k)
	if err != nil && k.Verbs.Forgiving {
		c.status = k.Verbs.Delete
		return nil
	}
	if err != nil {
		return err
	}
	r, err := c.request()
	if err != nil {
		return err
	}
	if err := c.org.DeleteObject(k, x, r); err != nil {
		return err
	}
	c.status = k.Verbs.Delete
	return nil
}

func clearObjects(c *call, k *org.Kind) error {
	r, err := c.request()
	if err != nil {
		return err
	}
	if err := c.org.ClearObjects(k, c.values(k), r); err != nil {
		return err
	}
	c.status = k.Verbs.Clear
	return nil
}

func operate(c *call, k *org.Kind, op *org.Operation) error {
	x, err := c.find(k)
	if err != nil {
		return err
	}
	r, err := c.request()
	if err != nil {
		return err
	}
	reply, err := c.org.Operate(k, op, x, r)
	switch {
	case err != nil:
		return err
	case reply != nil:
		return c.reply(op.Status, reply)
	case op.Answer == org.Nothing:
		c.status = op.Status
		return nil
	case op.Answer == org.Braces:
		return c.reply(op.Status, doc.Doc{})
	}
	return c.answer(k, x, op.Status, org.View{Verb: op.Name, Given: r.Given}, 0)
}

// listObjects answers the objects of a parent.
func listObjects(c *call, k *org.Kind) error {
	found, err := c.org.ListObjects(k, c.values(k))
	if err != nil {
		return err
	}
	return c.pageOf(k, found)
}

// pageOf answers those of the objects that the query asks for, cut as the kind's page says.
func (c *call) pageOf(k *org.Kind, found []*org.Object) error {
	found, err := c.chosen(k, found)
	if err != nil {
		return err
	}
	p := k.Page
	if p.Max == 0 {
		return c.envelope(k, c.bodies(k, found), "")
	}
	cut := pages{standard: p.Default, highest: p.Max, strict: p.Strict, silent: p.Silent, bare: p.Bare}
	if p.Found > 0 && c.query.Get("search") != "" {
		cut.standard = p.Found
	}
	found, n, next, err := portion(c, cut, found, objectID)
	if err != nil {
		return err
	}
	switch {
	case !p.BodyLinks:
		c.link(cut, n, next)
	case k.SelfHeader:
		c.linkLine(c.r.URL.Query(), "self")
	}
	return c.envelope(k, c.bodies(k, found), next)
}

func objectID(x *org.Object) string { return x.ID }

func (c *call) bodies(k *org.Kind, list []*org.Object) []any {
	out := []any{}
	for _, x := range list {
		out = append(out, c.org.Show(k, x, org.View{InList: true, Query: c.query}, 0))
	}
	return out
}

// envelope answers a page of bodies, bare or in the kind's field.
func (c *call) envelope(k *org.Kind, bodies []any, next string) error {
	p := k.Page
	if p.Envelope == "" {
		return c.array(bodies)
	}
	answer := doc.Doc{p.Envelope: bodies}
	if p.BodyLinks {
		answer["_links"] = c.bodyLinks(p, next)
	}
	return c.show(answer, nil)
}

// bodyLinks are the links of a page in its body.
func (c *call) bodyLinks(p org.Page, next string) doc.Doc {
	q := maps.Clone(c.query)
	if p.Hinted && p.Max > 0 && q.Get("limit") == "" {
		q.Set("limit", strconv.Itoa(p.Default))
	}
	links := doc.Doc{"self": c.bodyLink(p, q)}
	if next != "" {
		q.Set("after", next)
		links["next"] = c.bodyLink(p, q)
	}
	return links
}

func (c *call) bodyLink(p org.Page, q url.Values) doc.Doc {
	link := doc.Doc{"href": c.org.Base() + c.r.URL.EscapedPath()}
	if len(q) > 0 {
		link["href"] = c.org.Base() + c.r.URL.EscapedPath() + "?" + inLink.Replace(q.Encode())
	}
	if p.Hinted {
		link["hints"] = doc.Doc{}
	}
	return link
}

// inLink writes a query as links in bodies have it (recorded).
var inLink = strings.NewReplacer("+", "%20", "%3A", ":")

// chosen leaves the objects that satisfy the query.
func (c *call) chosen(k *org.Kind, list []*org.Object) ([]*org.Object, error) {
	p := k.Page
	f, err := c.expression("filter", p.Filter)
	if err != nil {
		return nil, err
	}
	s, err := c.expression("search", p.Search)
	if err != nil {
		return nil, err
	}
	q, visible := c.query.Get("q"), c.visibleObject(k)
	list = slices.DeleteFunc(list, func(x *org.Object) bool {
		get := k.Values(x)
		return !visible(x) || !f.Match(get) || !s.Match(get) || q != "" && len(p.Q) > 0 && !k.Matches(x, q) || !c.equal(p.Equal, get)
	})
	if by := c.query.Get("sortBy"); s != nil && by != "" {
		org.SortObjects(list, by, c.query.Get("sortOrder") == "desc")
	}
	return list, nil
}

// visibleObject says of which objects of a list the client may know: of all that lie in
// something else, and of what its roles hold for.
func (c *call) visibleObject(k *org.Kind) func(*org.Object) bool {
	if !k.Limitable() {
		return func(*org.Object) bool { return true }
	}
	sees := c.sees(k.Area)
	return func(x *org.Object) bool { return sees(x.ID) }
}

func (c *call) equal(params map[string]string, get filter.Lookup) bool {
	for name, path := range params {
		if want := c.query.Get(name); want != "" && !slices.Contains(get(path), any(want)) {
			return false
		}
	}
	return true
}

// expression reads filter or search, which may name the attributes; a kind without any
// ignores the parameter.
func (c *call) expression(name string, attributes []string) (*filter.Filter, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	return c.filter(name, func(a string) bool {
		return attributes[0] == "*" || slices.ContainsFunc(attributes, func(known string) bool { return strings.EqualFold(known, a) })
	})
}
