package restore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// writable is a type as a restore compares it: without all that no write changes. Of a
// secret only a husk is read, and what is made again does not have even that.
func writable(info resource.Info) resource.Info {
	apart := slices.Concat(info.Volatile, info.Derived, info.Secret)
	for _, p := range info.ReadOnly {
		if !slices.ContainsFunc(info.Refs, func(r resource.Ref) bool { return r.Late && under(r.Path, p) }) {
			apart = append(apart, p)
		}
	}
	info.Volatile, info.ReadOnly, info.Derived = apart, nil, nil
	return info
}

// under reports whether a path is, or lies below, another.
func under(path, above resource.Path) bool {
	rest, ok := strings.CutPrefix(string(path), string(above))
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// unwritten reports whether a ref stands in a field that no write changes. A late
// ref has a call of its own, wherever it stands.
func unwritten(info resource.Info, ref resource.Ref) bool {
	inKey := ref.In == resource.InID || ref.In == resource.InParent
	return !inKey && !ref.Late && slices.ContainsFunc(writable(info).Volatile, func(p resource.Path) bool { return under(ref.Path, p) })
}

// putBack gives a live object the references back that it lost, and leaves
// everything else as the org has it: only what the loss touched is written.
func (p *planner) putBack(m member, now resource.Resource) error {
	want := now.Body
	for _, ref := range m.info.Refs {
		if ref.Path == "" || ref.Owned || unwritten(m.info, ref) {
			continue
		}
		var err error
		if want, err = p.putBackRef(ref, m.Body, want); err != nil {
			return fmt.Errorf("put references of a %s back: %w", m.Type, err)
		}
	}
	want, err := revive(m, now.Body, want)
	if err != nil {
		return err
	}
	if bytes.Equal(want, now.Body) {
		return nil // it lost nothing
	}
	return p.change(m, now, want)
}

// revive gives an object that died of the loss the status back that it had.
func revive(m member, now, want []byte) ([]byte, error) {
	dead, err := m.info.Died(now)
	if err != nil || dead == "" {
		return want, err
	}
	values, err := resource.Path("status").Lookup(m.Body)
	if err != nil || len(values) == 0 {
		return want, err
	}
	return resource.With(want, "status", values[0].JSON)
}

// putBackRef does it for one ref: was is the snapshot's body, now the live one.
func (p *planner) putBackRef(ref resource.Ref, was, now []byte) ([]byte, error) {
	lost, err := p.lostAt(ref, was)
	if err != nil || len(lost) == 0 {
		return now, err
	}
	// Where the dead ID still stands it becomes the new one.
	now, err = resource.Rewrite(now, []resource.Ref{ref}, p.today)
	if err != nil || ref.In == resource.InExpression {
		return now, err // an expression that names it no more was written anew by somebody
	}
	list, rest, isList := strings.Cut(string(ref.Path), "[]")
	switch {
	case ref.In == resource.InMapKey:
		return p.putBackEntries(ref, was, now)
	case isList:
		return p.putBackElements(ref, resource.Path(list), rest, was, now)
	}
	return p.putBackValue(ref, was, now)
}

// lostAt lists the IDs at a ref that are other ones today.
func (p *planner) lostAt(ref resource.Ref, was []byte) (out []string, err error) {
	found, err := resource.References(resource.Info{Refs: []resource.Ref{ref}}, resource.Resource{Body: was})
	for _, f := range found {
		if _, ok := p.today(ref.To, f.ID); ok {
			out = append(out, f.ID)
		}
	}
	return out, err
}

// putBackValue sets a single field to what it was, under today's identity.
func (p *planner) putBackValue(ref resource.Ref, was, now []byte) ([]byte, error) {
	values, err := ref.Path.Lookup(was)
	if err != nil || len(values) == 0 {
		return now, err
	}
	want, err := resource.Rewrite(was, []resource.Ref{ref}, p.today)
	if err != nil {
		return nil, err
	}
	if values, err = ref.Path.Lookup(want); err != nil {
		return nil, err
	}
	return set(now, steps(ref.Path), values[0].JSON)
}

// putBackElements adds the elements that the list lost, as the snapshot has them.
func (p *planner) putBackElements(ref resource.Ref, list resource.Path, rest string, was, now []byte) ([]byte, error) {
	want, err := resource.Rewrite(was, []resource.Ref{ref}, p.today)
	if err != nil {
		return nil, err
	}
	before, err := elementsAt(list, rest, was)
	if err != nil {
		return nil, err
	}
	after, err := elementsAt(list, rest, want)
	if err != nil {
		return nil, err
	}
	have, err := elementsAt(list, rest, now)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	known := map[string]bool{}
	for _, e := range have {
		all, known[e.id] = append(all, e.json), true
	}
	for i, e := range after {
		if moved := before[i].id != e.id; moved && !known[e.id] {
			all = append(all, e.json)
		}
	}
	if len(all) == len(have) {
		return now, nil
	}
	return set(now, steps(list), slices.Concat([]byte{'['}, bytes.Join(all, []byte{','}), []byte{']'}))
}

// element is one element of a list, with the ID that it is there for.
type element struct {
	id   string
	json []byte
}

func elementsAt(list resource.Path, rest string, body []byte) (out []element, err error) {
	values, err := (list + "[]").Lookup(body)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		id, _ := v.Text()
		if rest != "" {
			if id, err = resource.Path(strings.TrimPrefix(rest, ".")).Text(v.JSON); err != nil {
				return nil, err
			}
		}
		out = append(out, element{id, v.JSON})
	}
	return out, nil
}

// putBackEntries adds the entries that a map lost, as the snapshot has them.
func (p *planner) putBackEntries(ref resource.Ref, was, now []byte) ([]byte, error) {
	want, err := resource.Rewrite(was, []resource.Ref{ref}, p.today)
	if err != nil {
		return nil, err
	}
	values, err := (ref.Path + ".*").Lookup(want)
	if err != nil {
		return nil, err
	}
	before, err := (ref.Path + ".*").Lookup(was)
	if err != nil {
		return nil, err
	}
	had := map[string]bool{}
	for _, v := range before {
		had[v.Key] = true
	}
	have, err := (ref.Path + ".*").Lookup(now)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		there := slices.ContainsFunc(have, func(h resource.Value) bool { return h.Key == v.Key })
		if had[v.Key] || there {
			continue
		}
		if now, err = set(now, append(steps(ref.Path), v.Key), v.JSON); err != nil {
			return nil, err
		}
	}
	return now, nil
}

func steps(p resource.Path) []string { return strings.Split(string(p), ".") }

// set gives the canonical body with the value at the keys, making objects on the
// way where there are none.
func set(body []byte, keys []string, value []byte) ([]byte, error) {
	key := resource.Path(keys[0])
	if len(keys) > 1 {
		inner := []byte("{}")
		values, err := key.Lookup(body)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 && bytes.HasPrefix(values[0].JSON, []byte("{")) {
			inner = values[0].JSON
		}
		if value, err = set(inner, keys[1:], value); err != nil {
			return nil, err
		}
	}
	return resource.With(body, key, value)
}
