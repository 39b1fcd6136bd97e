package replay

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// document compares XML answers: the same elements and attributes in the same order,
// and the same texts but for certificates and ids.
func (c *comparison) document(theirs, ours string) {
	a, err := flatten(theirs)
	if err != nil {
		c.differ(Shape, "", "unreadable "+err.Error(), ours)
		return
	}
	b, err := flatten(ours)
	if err != nil {
		c.differ(Shape, "", "XML", ours)
		return
	}
	for i := range a {
		if i >= len(b) || a[i].name != b[i].name {
			c.differ(Shape, a[i].name, a[i].text, absent{})
			return
		}
		if !c.text(a[i].key(), a[i].text, b[i].text) {
			c.differ(Values, a[i].name, a[i].text, b[i].text)
		}
	}
	if len(b) > len(a) {
		c.differ(Shape, b[len(a)].name, absent{}, b[len(a)].text)
	}
}

// node is one element, attribute or text of an XML document.
type node struct{ name, text string }

// key tells certificates, which are made by chance.
func (n node) key() string {
	if strings.HasSuffix(n.name, "X509Certificate") {
		return "x5c"
	}
	return ""
}

func flatten(text string) ([]node, error) {
	dec := xml.NewDecoder(strings.NewReader(text))
	var out []node
	var path []string
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if len(out) == 0 {
				return nil, errors.New("no XML")
			}
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read XML: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			out = append(out, node{strings.Join(path, "/"), t.Name.Space})
			for _, a := range t.Attr {
				out = append(out, node{strings.Join(path, "/") + "@" + a.Name.Local, a.Value})
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if s := strings.TrimSpace(string(t)); s != "" {
				if len(path) == 0 {
					return nil, errors.New("no XML")
				}
				out = append(out, node{strings.Join(path, "/"), s})
			}
		}
	}
}
