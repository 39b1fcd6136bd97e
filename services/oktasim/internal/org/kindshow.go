package org

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// Layout is how an answer writes times: five forms are recorded.
type Layout int

// The layouts: 2026-01-05T08:00:00.000Z, the same without milliseconds,
// 2026-01-05 08:00:00.0, Mon Jan 05 08:00:00 UTC 2026, and milliseconds since 1970.
const (
	Millis Layout = iota
	Seconds
	Spaced
	Unixdate
	Epoch
)

var layouts = []string{stampLayout, "2006-01-02T15:04:05Z", "2006-01-02 15:04:05.0", "Mon Jan 02 15:04:05 MST 2006"}

// write is the moment in the layout.
func (l Layout) write(s Stamp) any {
	if s == 0 {
		return nil
	}
	if l == Epoch {
		return int64(s)
	}
	return s.Time().Format(layouts[l])
}

// read takes a time in any of the layouts; 0 if it is none.
func (l Layout) read(v any) Stamp {
	if n, ok := whole(v); ok {
		return Stamp(n)
	}
	for _, layout := range append([]string{time.RFC3339}, layouts...) {
		if t, err := time.Parse(layout, textOf(v)); err == nil {
			return Stamp(t.UnixMilli())
		}
	}
	return 0
}

// Show is the answer for an object. Late, if not 0, is the time of the last update that
// it shows instead of the object's.
func (o *Org) Show(k *Kind, x *Object, v View, late Stamp) doc.Doc {
	body := doc.Clone(x.Body)
	for _, f := range k.Fields {
		if f.Mode == WriteOnly || !o.Licensed(f.Feature) {
			hide(body, f.Path)
		}
	}
	if v.InList {
		for _, path := range k.Page.Omit {
			hide(body, path)
		}
	}
	if !k.HideID && !k.Singleton() && k.Key == "" {
		body["id"] = x.ID
	}
	k.stamp(body, x, late)
	v.Org, v.Kind, v.Object, v.Body, v.Self = o, k, x, body, o.Href(k, x)
	if links := v.links(); len(links) > 0 {
		body["_links"] = links
	}
	if k.Show != nil {
		k.Show(&v)
	}
	return v.Body
}

// hide removes a write-only value, of every element for a path with [].
func hide(body doc.Doc, path string) {
	list, rest, nested := strings.Cut(path, "[].")
	if !nested {
		drop(body, path)
		return
	}
	for _, e := range values(get(body, list)) {
		if element, ok := e.(doc.Doc); ok {
			drop(element, rest)
		}
	}
}

func (k *Kind) stamp(body doc.Doc, x *Object, late Stamp) {
	updated := x.LastUpdated
	if late != 0 && k.LateStamp {
		updated = late
	}
	s := k.Stamps
	for name, v := range map[string]any{
		s.Created: s.Layout.write(x.Created), s.Updated: s.Layout.write(updated), s.CreatedBy: person(x.CreatedBy), s.UpdatedBy: person(x.UpdatedBy),
	} {
		if name != "" {
			body[name] = v
		}
	}
}

func person(id string) any {
	if id == "" {
		return nil
	}
	return id
}

// Href is the URL of the object.
func (o *Org) Href(k *Kind, x *Object) string { return o.base + o.path(k, x) }

func (o *Org) path(k *Kind, x *Object) string {
	tail := k.parts
	head := ""
	switch {
	case k.parent != nil:
		head = o.path(k.parent, o.parentOf(k, x))
		tail = k.parts[len(k.parent.parts):]
	case k.anchor != nil:
		head = "/" + strings.Join(k.anchor.parts[:len(k.anchor.parts)-1], "/") + "/" + x.Home
		tail = k.parts[len(k.anchor.parts):]
	}
	for _, p := range tail {
		if isVariable(p) {
			p = url.PathEscape(k.slug(x))
		}
		head += "/" + p
	}
	return head
}

// parentOf is the object below which x lies.
func (o *Org) parentOf(k *Kind, x *Object) *Object { return o.shelf(k.parent).objects[x.Home] }

// Parent is the object below which the changed one lies; nil at the top and below anchors.
func (c *Change) Parent() *Object {
	if c.Kind.parent == nil {
		return nil
	}
	return c.Org.parentOf(c.Kind, c.Object)
}

// links are the entry's links and those of the operations that the state allows.
func (v *View) links() doc.Doc {
	out := doc.Doc{}
	if v.Kind.Links == nil {
		return out
	}
	for _, l := range v.Kind.Links {
		if l.When.Holds(v.Object.Body) && v.Org.Licensed(l.Feature) {
			out[l.Name] = v.Kind.LinkStyle.write(l.Name, v.target(l.To), strings.Fields(l.Allow))
		}
	}
	for _, op := range v.Kind.Operations {
		name := op.Link
		if name == "" {
			name = op.Name
		}
		if name != "-" && op.When.Holds(v.Object.Body) {
			method := op.Method
			if method == "" {
				method = "POST"
			}
			out[name] = v.Kind.LinkStyle.write(name, v.Self+"/"+op.Path, []string{method})
		}
	}
	return out
}

// target resolves a link's path.
func (v *View) target(to string) string {
	if to == "" {
		return v.Self
	}
	for {
		from := strings.Index(to, "{")
		end := strings.Index(to, "}")
		if from < 0 || end < from {
			break
		}
		value := v.Object.ID
		if path := to[from+1 : end]; path != "id" {
			value = v.Object.text(path)
		}
		to = to[:from] + url.PathEscape(value) + to[end+1:]
	}
	if strings.HasPrefix(to, "/") {
		return v.Org.base + to
	}
	return v.Self + "/" + to
}

func (s LinkStyle) write(name, href string, allow []string) doc.Doc {
	l := doc.Doc{"href": href}
	switch {
	case s == Hints && len(allow) > 0:
		l["hints"] = doc.Doc{"allow": doc.Array(allow...)}
	case s == Method && len(allow) > 0:
		l["method"] = allow[0]
	case s == RelMethod && len(allow) > 0:
		l["rel"], l["method"] = name, allow[0]
	}
	return l
}

// Matches says whether q stands at the beginning of one of the paths' texts, or anywhere in
// it for kinds that say so.
func (k *Kind) Matches(x *Object, q string) bool {
	q = strings.ToLower(q)
	found := strings.HasPrefix
	if k.Page.Anywhere {
		found = strings.Contains
	}
	return slices.ContainsFunc(k.Page.Q, func(path string) bool { return found(strings.ToLower(x.text(path)), q) })
}
