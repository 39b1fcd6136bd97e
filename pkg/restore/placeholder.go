package restore

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"imago/pkg/resource"
)

// placeholder stands for the ID of what a step is going to make.
func placeholder(t resource.Type, id string) string {
	return "{{new:" + string(t) + "/" + id + "}}"
}

var placeholders = regexp.MustCompile(`\{\{new:([a-z0-9_]+)/([^{}"]+)\}\}`)

// name is a resource by type and ID, the way references name it; the ID of
// something below a parent is parent/id.
type name struct {
	Type resource.Type
	ID   string
}

func nameOf(k resource.Key) name {
	if k.Parent == "" {
		return name{k.Type, k.ID}
	}
	return name{k.Type, k.Parent + "/" + k.ID}
}

// waiting lists what the placeholders in the texts stand for.
func waiting(texts ...string) (out []name) {
	for _, text := range texts {
		for _, m := range placeholders.FindAllStringSubmatch(text, -1) {
			out = append(out, name{resource.Type(m[1]), m[2]})
		}
	}
	return out
}

// waits lists what a step needs to have been made.
func (s Step) waits() []name {
	return waiting(string(s.Want), s.Target.Parent, s.Target.ID)
}

// ids maps what was made, by the name that it had, to the ID that it got.
type ids map[name]string

// resolve puts IDs in the place of placeholders; one that nothing was made for is
// an error, never left in what is written.
func (m ids) resolve(text string) (string, error) {
	var missing error
	out := placeholders.ReplaceAllStringFunc(text, func(found string) string {
		parts := placeholders.FindStringSubmatch(found)
		id, ok := m[name{resource.Type(parts[1]), parts[2]}]
		switch {
		case !ok:
			missing = fmt.Errorf("%s %s was not made", parts[1], parts[2])
		case strings.ContainsAny(id, `"\`):
			missing = fmt.Errorf("the provider gave a %s an ID that cannot stand in JSON as it is", parts[1])
		}
		return id
	})
	return out, missing
}

func (m ids) key(k resource.Key) (resource.Key, error) {
	parent, err := m.resolve(k.Parent)
	if err != nil {
		return k, err
	}
	id, err := m.resolve(k.ID)
	return resource.Key{Type: k.Type, Parent: parent, ID: id}, err
}

// body resolves a canonical body; it stays canonical, unless a map's keys changed.
func (m ids) body(b json.RawMessage) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	text, err := m.resolve(string(b))
	if err != nil {
		return nil, err
	}
	return resource.Canonical(nil, []byte(text))
}
