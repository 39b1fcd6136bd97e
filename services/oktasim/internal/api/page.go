package api

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/filter"
	"imago/services/oktasim/internal/org"
)

// pages says how a list is cut: the limit when none is asked for, and the highest.
// strict lists refuse a higher limit, the others use the highest.
type pages struct {
	standard, highest int
	strict            bool
	// silent lists show no limit that was not asked for in their self link; bare ones have
	// no links at all unless a limit was asked for or more follows.
	silent, bare bool
}

// limit reads the limit parameter.
func (c *call) limit(p pages) (int, error) {
	n, err := c.askedLimit(p)
	if err == nil && c.suffers(fault.ShortPage) {
		n = max(1, n/2)
	}
	return n, err
}

func (c *call) askedLimit(p pages) (int, error) {
	text := c.query.Get("limit")
	if text == "" {
		return p.standard, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n == 0 || n < -1:
		return 0, failure.BadPage("limit: The field must be a positive number")
	case n == -1:
		return p.highest, nil
	case n > p.highest && p.strict:
		return 0, failure.BadPage("limit: The field must be at most " + strconv.Itoa(p.highest))
	}
	return min(n, p.highest), nil
}

// filter reads a filter or search parameter; known decides which attributes it may name.
func (c *call) filter(name string, known func(string) bool) (*filter.Filter, error) {
	text := c.query.Get(name)
	if text == "" {
		return nil, nil
	}
	f, err := filter.Parse(text)
	if err != nil {
		return nil, failure.BadSearch(name + ": " + err.Error())
	}
	for _, a := range f.Attributes() {
		if !known(a) {
			return nil, failure.BadSearch(name + ": The attribute " + a + " cannot be used")
		}
	}
	return f, nil
}

// list answers with a page of the objects behind ids, which come in order and after
// the cursor already. keep may be nil.
func list[T any](c *call, p pages, ids []string, get func(string) T, keep func(T) bool, body func(T) (any, error)) error {
	return page(c, p, slices.Values(ids), get, keep, body)
}

// page is list for ids of which only as many are looked at as the page needs.
func page[T any](c *call, p pages, ids iter.Seq[string], get func(string) T, keep func(T) bool, body func(T) (any, error)) error {
	n, err := c.limit(p)
	if err != nil {
		return err
	}
	var items []any
	last, more := "", false
	for id := range ids {
		x := get(id)
		if keep != nil && !keep(x) {
			continue
		}
		if len(items) == n {
			more = true
			break
		}
		b, err := body(x)
		if err != nil {
			return err
		}
		items, last = append(items, b), id
	}
	next := ""
	if more {
		next = last
	}
	c.link(p, n, next)
	return c.array(items)
}

// always adapts a body that cannot fail.
func always[T any](f func(T) any) func(T) (any, error) {
	return func(x T) (any, error) { return f(x), nil }
}

// portion is what the query's limit and cursor leave of a list that is at hand: the limit,
// and the next cursor, "" at the end.
func portion[T any](c *call, p pages, all []T, id func(T) string) (part []T, limit int, next string, err error) {
	limit, err = c.limit(p)
	if err != nil {
		return nil, 0, "", err
	}
	part = after(all, c.query.Get("after"), id)
	if len(part) > limit {
		part, next = part[:limit], id(part[limit-1])
	}
	return part, limit, next, nil
}

// after leaves out what comes up to the cursor. A cursor that was deleted since leaves
// those behind its id, as far as the list is in the order of ids.
func after[T any](list []T, cursor string, id func(T) string) []T {
	if cursor == "" {
		return list
	}
	if i := slices.IndexFunc(list, func(x T) bool { return id(x) == cursor }); i >= 0 {
		return list[i+1:]
	}
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return id(x) <= cursor })
}

// envelopePages are those of lists in a field of an answer: 100 unless asked otherwise, and
// no more than a resource set may have (documented).
var envelopePages = pages{standard: 100, highest: 1000}

// cutEnvelope leaves one page in the field of an answer, whose links then lead to the next.
func (c *call) cutEnvelope(answer doc.Doc, field string) error {
	all, _ := answer[field].([]any)
	part, limit, next, err := portion(c, envelopePages, all, func(x any) string {
		entry, _ := x.(doc.Doc)
		return doc.String(entry, "id")
	})
	if err != nil {
		return err
	}
	answer[field] = part
	if next != "" {
		q := c.pageAfter(limit, next)
		doc.Object(answer, "_links")["next"] = doc.Doc{"href": c.org.Base() + c.r.URL.EscapedPath() + "?" + q.Encode()}
	}
	return nil
}

// array answers 200 with a JSON array, copying bodies that are JSON already.
func (c *call) array(items []any) error {
	var buf bytes.Buffer
	buf.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			buf.WriteByte(',')
		}
		b, ok := item.(json.RawMessage)
		if !ok {
			var err error
			if b, err = doc.Bytes(item); err != nil {
				return err
			}
		}
		buf.Write(b)
	}
	buf.WriteByte(']')
	c.status, c.response = http.StatusOK, buf.Bytes()
	return nil
}

// link adds the Link headers, one line each: self, and next unless next is empty.
func (c *call) link(p pages, limit int, next string) {
	q := maps.Clone(c.query)
	if p.bare && q.Get("limit") == "" && next == "" {
		return
	}
	if q.Get("limit") == "" && !p.silent && !p.bare {
		q.Set("limit", strconv.Itoa(limit))
	}
	c.linkLine(q, "self")
	if next != "" {
		c.linkLine(c.pageAfter(limit, next), "next")
	}
}

// pageAfter is the query of the page behind the cursor.
func (c *call) pageAfter(limit int, cursor string) url.Values {
	q := maps.Clone(c.query)
	q.Set("after", cursor)
	q.Set("limit", strconv.Itoa(limit))
	return q
}

func (c *call) linkLine(q url.Values, rel string) {
	target := c.org.Base() + c.r.URL.EscapedPath()
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	c.set("Link", "<"+target+`>; rel="`+rel+`"`)
}

// bodyPage answers a page of bodies with ids, the way from page to page being in the body.
// Answer is what is said beside the list; its _links join those of the page.
func (c *call) bodyPage(p org.Page, list []doc.Doc, answer doc.Doc) error {
	n, err := c.limit(pages{standard: p.Default, highest: p.Max})
	if err != nil {
		return err
	}
	if cursor := c.query.Get("after"); cursor != "" {
		i := slices.IndexFunc(list, func(x doc.Doc) bool { return x["id"] == any(cursor) })
		if i < 0 {
			return failure.BadPage("after: The cursor is not valid")
		}
		list = list[i+1:]
	}
	next := ""
	if len(list) > n {
		list = list[:n]
		next = doc.String(list[n-1], "id")
	}
	items := []any{}
	for _, x := range list {
		items = append(items, x)
	}
	return c.show(doc.Merge(answer, doc.Doc{p.Envelope: items, "_links": c.bodyLinks(p, next)}), nil)
}
