package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// fullPage is the limit that the entries' find asks for.
const fullPage = 200

var errShape = errors.New("okta: an answer of an unexpected shape")

// resource reads one object.
func (e *entry) resource(body []byte, parent string) (resource.Resource, error) {
	kept, err := e.keep(body)
	if err != nil {
		return resource.Resource{}, err
	}
	return e.identify(kept, parent)
}

// keep is what is kept of an object.
func (e *entry) keep(object []byte) ([]byte, error) {
	if e.bare {
		id, err := e.id(object)
		return bare(id), err
	}
	return resource.Canonical(make([]byte, 0, len(object)), object)
}

// bare is the body of a link of which nothing but its ID is kept.
func bare(id string) []byte { return appendBare(nil, id) }

func appendBare(dst []byte, id string) []byte {
	return append(resource.AppendQuoted(append(dst, `{"id":`...), id), '}')
}

// identify makes the resource of a kept body.
func (e *entry) identify(body []byte, parent string) (resource.Resource, error) {
	id, err := e.id(body)
	return resource.Resource{Key: resource.Key{Type: e.Type, Parent: parent, ID: id}, Body: body}, err
}

// id is that of an object, as a body says it.
func (e *entry) id(body []byte) (id string, err error) {
	switch {
	case e.fixed != "":
		return e.fixed, nil
	case e.identity != "":
		id, err = lastOf(e.identity, body)
	default:
		id, err = topText(body, "id")
	}
	if err == nil && id == "" {
		err = fmt.Errorf("%w: a %s without an id", errShape, e.Type)
	}
	return id, err
}

// isOne reports whether the body says what objects of the type say. An object that
// does not say it either way is one.
func (e *entry) isOne(r resource.Resource) bool {
	for path, want := range e.is {
		if text, err := path.Text(r.Body); err != nil || text != "" && text != want {
			return false
		}
	}
	return true
}

var errFound = errors.New("found")

// member finds a member of an object.
func member(object []byte, name string) (value []byte, err error) {
	err = resource.Members(object, func(key, v []byte) error {
		if string(key) == name {
			value = v
			return errFound
		}
		return nil
	})
	switch {
	case errors.Is(err, errFound):
		return value, nil
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%w: no %s in it", errShape, name)
}

// topText is the text of an object's own member.
func topText(object []byte, name string) (string, error) {
	value, err := member(object, name)
	if err != nil {
		return "", err
	}
	text, ok := resource.Value{JSON: value}.Text()
	if !ok {
		return "", fmt.Errorf("%w: %s is not text", errShape, name)
	}
	return text, nil
}

// bodyNext reads the next page's link where a list carries it in its body.
func bodyNext(org *url.URL, asked string, body []byte) (string, error) {
	var said struct {
		Links struct {
			Next struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Links.Next.Href == "" {
		return "", err
	}
	from, err := url.Parse(asked)
	if err != nil {
		return "", err
	}
	return follow(org, from, said.Links.Next.Href)
}

// expand fills {id} and {parent} in.
func expand(template string, key resource.Key) string {
	return strings.NewReplacer("{id}", url.PathEscape(key.ID), "{parent}", url.PathEscape(key.Parent)).Replace(template)
}

// candidates fills the text to find in: for q as it is, in a filter between quotes.
func candidates(template, text string) string {
	if strings.Contains(template, "%22{key}%22") {
		text = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	}
	return strings.ReplaceAll(template, "{key}", url.QueryEscape(text))
}

// path fills a template in, reading the parent where it asks for a field of it.
func (r *Reader) path(ctx context.Context, e *entry, template string, key resource.Key) (path string, calls int, err error) {
	before, rest, ok := strings.Cut(template, "{parent:")
	if !ok {
		return expand(template, key), 0, nil
	}
	field, after, _ := strings.Cut(rest, "}")
	parents, err := r.entry(e.Parent)
	if err != nil {
		return "", 0, err
	}
	parent, calls, err := r.get(ctx, parents, resource.Key{Type: e.Parent, ID: key.Parent})
	if err != nil {
		return "", calls, err
	}
	text, err := resource.Path(field).Text(parent.Body)
	if err != nil {
		return "", calls, err
	}
	if text == "" {
		return "", calls, problem.New(problem.NotFound, "the %s has no %s", e.Parent, field)
	}
	if before == "" {
		text, err = apiPath(text)
	} else {
		text = url.PathEscape(text)
	}
	return expand(before, key) + text + expand(after, key), calls, err
}

// apiPath is the path of a URL in a body. The host does not matter: the call goes
// to the org, and an org with a domain of its own writes either host.
func apiPath(href string) (string, error) {
	u, err := url.Parse(href)
	if err != nil || !strings.HasPrefix(u.Path, "/api/v1/") {
		return "", fmt.Errorf("%w: a link that leads nowhere", errShape)
	}
	return u.EscapedPath(), nil
}

// smallest is the cheapest call that tells whether the type can be read; "" when
// only its scope tells.
func (e *entry) smallest() string {
	p := e.lists[0]
	if e.among != nil {
		p = *e.among
	}
	path, query, _ := strings.Cut(p.path, "?")
	if strings.Contains(path, "{") {
		return ""
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return p.path
	}
	if values.Has("limit") {
		values.Set("limit", "1")
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return path
}

func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return nil
}
