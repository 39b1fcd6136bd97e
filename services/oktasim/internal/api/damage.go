package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"imago/services/oktasim/internal/fault"
)

// template is the path template that serves the request, "" for none.
func (c *call) template() string {
	if c.op == nil {
		return ""
	}
	return c.op.path
}

// suffers says whether the request is hit by a fault of the kind.
func (c *call) suffers(kind string) bool { return c.hit != nil && c.hit.Kind == kind }

// damage delivers a response as the fault wants it.
func (s *Server) damage(w http.ResponseWriter, c *call) {
	head, body := w.Header(), c.response
	cut := c.hit.Bytes
	if cut == 0 || cut > len(body) {
		cut = len(body) / 2
	}
	if !c.spoil(head) {
		c.host.Faults.Miss(c.hit)
	}
	for name, value := range c.hit.Headers {
		head.Del(name)
		if value != "" {
			head.Set(name, value)
		}
	}
	switch c.hit.Kind {
	case fault.Cut:
		s.hangUp(w, c, body[:cut])
		return
	case fault.FoldLink:
		s.hangUp(w, c, body)
		return
	case fault.HalfPage:
		// The length promises the whole body; the server closes the connection early.
		head.Set("Content-Length", strconv.Itoa(len(body)))
		body = body[:cut]
	case fault.MalformedJSON:
		body = append(body[:cut:cut], `"}{`...)
	}
	w.WriteHeader(c.status)
	s.write(w, body)
}

// spoil changes the head as the fault wants it, and says whether there was anything to
// change.
func (c *call) spoil(head http.Header) bool {
	links := head.Values("Link")
	switch c.hit.Kind {
	case fault.DropLink:
		head.Del("Link")
	case fault.JoinLink:
		// One line for all, as RFC 9110 (5.3) allows; Okta sends a line for each.
		head.Set("Link", strings.Join(links, ", "))
	case fault.MalformedLink:
		head.Del("Link")
		for _, l := range links {
			head.Add("Link", strings.Replace(l, ">;", ";", 1))
		}
	case fault.ContentType:
		head.Set("Content-Type", "text/html; charset=utf-8")
		return true
	case fault.Duplicate:
		return c.carryLast(links)
	default:
		return true
	}
	return len(links) > 0
}

// hangUp sends the head by hand, a piece of the body, and closes the connection. The
// head promises the whole body; its Link lines are folded into one (obs-fold, RFC 9112
// 5.2) if the fault wants that.
func (s *Server) hangUp(w http.ResponseWriter, c *call, piece []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// No connection of its own, such as one of HTTP/2: it is cut off as it stands.
		panic(http.ErrAbortHandler)
	}
	head := w.Header()
	head.Set("Content-Length", strconv.Itoa(len(c.response)))
	head.Set("Connection", "close")
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", c.status, http.StatusText(c.status))
	if links := head.Values("Link"); c.suffers(fault.FoldLink) && len(links) > 0 {
		head.Del("Link")
		fmt.Fprintf(&b, "Link: %s\r\n", strings.Join(links, ",\r\n\t"))
	}
	if err := head.Write(&b); err != nil {
		s.log.Error("cannot write headers", "err", err)
	}
	b.WriteString("\r\n")
	b.Write(piece)
	s.write(conn, b.Bytes())
	if err := conn.Close(); err != nil {
		s.log.Debug("client went away", "err", err)
	}
}

// carryLast lets the page after this one begin with this one's last element.
func (c *call) carryLast(links []string) bool {
	list := elementsOf(c.response)
	if list == nil || len(list.items) == 0 {
		return false
	}
	next := list.Links.Next.Href
	for _, l := range links {
		if target, ok := strings.CutSuffix(l, `>; rel="next"`); ok {
			next = strings.TrimPrefix(target, "<")
		}
	}
	if next == "" {
		return false
	}
	c.host.Faults.Carry(address(strings.TrimPrefix(next, c.org.Base())), list.items[len(list.items)-1])
	return true
}

// repeat puts the element that the page before carried over at the beginning.
func (c *call) repeat(head http.Header) {
	element := c.host.Faults.Carried(address(c.r.URL.RequestURI()))
	if element == nil {
		return
	}
	list := elementsOf(c.response)
	if list == nil {
		return
	}
	list.items = slices.Insert(list.items, 0, element)
	body, err := list.bytes()
	if err != nil {
		c.internal = errors.Join(c.internal, err)
		return
	}
	c.response = body
	head.Del("Content-Length")
}

// address tells pages apart, in whatever order a client writes the parameters.
func address(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	return u.EscapedPath() + "?" + u.Query().Encode()
}

// elements are the elements of a page: of an array, or of the only array in an object.
type elements struct {
	envelope map[string]json.RawMessage
	field    string
	items    []json.RawMessage
	// Links are those in the object.
	Links struct {
		Next struct {
			Href string `json:"href"`
		} `json:"next"`
	} `json:"_links"`
}

// elementsOf finds the elements in a body, nil if it is no page.
func elementsOf(body []byte) *elements {
	var e elements
	if bytes.HasPrefix(body, []byte("[")) && json.Unmarshal(body, &e.items) == nil {
		return &e
	}
	if json.Unmarshal(body, &e.envelope) != nil || json.Unmarshal(body, &e) != nil {
		return nil
	}
	for field, value := range e.envelope {
		if bytes.HasPrefix(value, []byte("[")) && json.Unmarshal(value, &e.items) == nil {
			e.field = field
			return &e
		}
	}
	return nil
}

func (e *elements) bytes() ([]byte, error) {
	items, err := json.Marshal(e.items)
	if err != nil || e.envelope == nil {
		return items, err
	}
	e.envelope[e.field] = items
	return json.Marshal(e.envelope)
}
