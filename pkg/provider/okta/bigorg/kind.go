package bigorg

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"imago/pkg/resource"
)

// bodies are the forms of Okta's answers, with a name in angle brackets where a text is
// filled in, and in a string of its own as "<#name>" where another value is.
//
//go:embed bodies
var bodies embed.FS

// kind is all that is known of one type's objects.
type kind struct {
	info   resource.Info
	salt   uint64  // of what is drawn for its objects; the next three are its, too
	prefix string  // of its IDs
	fixed  string  // the ID of what there is one of
	parent *kind   // nil: at the top
	links  *spread // over the parents, of links with users; nil: others
	forms  []form  // of which each object has one
}

// prefixes of IDs, as recorded; of other types it is the first letters of their name.
var prefixes = map[string]string{
	"user": "00u", "group": "00g", "app": "0oa", "group_rule": "0pr", "network_zone": "nzo", "user_type": "oty",
	"user_schema": "osc", "policy": "rst", "policy_rule": "rul", "role": "ra1", "org_settings": "00o",
}

// fixed are the IDs of what an org has one of.
var fixed = map[resource.Type]string{"org_settings": "default", "group_schema": "default"}

// like is the type whose form and prefix a type has.
func like(t resource.Type) string {
	switch name := string(t); {
	case strings.HasPrefix(name, "policy_") && strings.HasSuffix(name, "_rule"):
		return "policy_rule"
	case strings.HasPrefix(name, "policy_"):
		return "policy"
	case strings.HasSuffix(name, "_role"):
		return "role"
	default:
		return name
	}
}

// fill makes the kinds of a catalog, then their forms, which name other kinds.
func (o *Org) fill(catalog resource.Catalog) error {
	for i, info := range catalog {
		k := &kind{info: info, salt: drawKinds + 4*uint64(i), prefix: prefixes[like(info.Type)], fixed: fixed[info.Type], parent: o.by[info.Parent]}
		if k.prefix == "" {
			k.prefix = (strings.ReplaceAll(string(info.Type), "_", "") + "xxx")[:3]
		}
		o.kinds, o.by[info.Type] = append(o.kinds, k), k
	}
	for _, t := range []resource.Type{"user", "group", "group_membership", "app", "app_user"} {
		if o.by[t] == nil {
			return fmt.Errorf("the catalog lacks %s", t)
		}
	}
	o.by["group_membership"].links, o.by["app_user"].links = &o.members, &o.users
	for _, k := range o.kinds {
		if err := o.form(k); err != nil {
			return fmt.Errorf("%s: %w", k.info.Type, err)
		}
	}
	return nil
}

// form finds the forms of a kind, or makes one of what the catalog says.
func (o *Org) form(k *kind) error {
	texts, err := written(like(k.info.Type))
	if err != nil {
		return err
	}
	if texts == nil {
		text, err := derived(k.info)
		if err != nil {
			return err
		}
		texts = [][]byte{text}
	}
	for _, text := range texts {
		f, err := o.parse(text)
		if err != nil {
			return err
		}
		k.forms = append(k.forms, f)
	}
	return nil
}

// written reads the forms that stand in files: NAME.json, or NAME.WORD.json for each.
func written(name string) (texts [][]byte, err error) {
	files, err := bodies.ReadDir("bodies")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if first, _, _ := strings.Cut(file.Name(), "."); first != name {
			continue
		}
		text, err := bodies.ReadFile("bodies/" + file.Name())
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// derived makes a form of what the catalog says of a type: its natural key, its name,
// its references and its times.
func derived(info resource.Info) ([]byte, error) {
	body := map[string]any{"id": "<id>", "created": "<created>", "lastUpdated": "<updated>"}
	for _, path := range append(info.NaturalKey, info.Label...) {
		set(body, string(path), "<name>")
	}
	for _, ref := range info.Refs {
		if ref.In == resource.InField && len(ref.To) > 0 {
			set(body, string(ref.Path), "<"+string(ref.To[0])+">")
		}
	}
	return json.Marshal(body)
}

// set puts a text at a path of an object, in lists as their one element. What stands in
// the way stays.
func set(object map[string]any, path, text string) {
	key, rest, deeper := strings.Cut(path, ".")
	key, list := strings.CutSuffix(key, "[]")
	if object[key] != nil && !deeper {
		return
	}
	var value any = text
	if deeper {
		below, ok := object[key].(map[string]any)
		if !ok {
			below = map[string]any{}
		}
		set(below, rest, text)
		value = below
	}
	if list {
		value = []any{value}
	}
	object[key] = value
}

// form is a body in canonical form, cut where something is filled in.
type form struct {
	pieces [][]byte // one more than slots
	slots  []slot
}

// slot appends what is filled in of a record: a text that needs no escape, or a value.
type slot func(dst []byte, r *record) []byte

var gaps = regexp.MustCompile(`"<#([a-z_]+)>"|<([a-z_]+)>`)

func (o *Org) parse(text []byte) (f form, err error) {
	text, err = resource.Canonical(nil, text)
	if err != nil {
		return f, err
	}
	at := 0
	for i, m := range gaps.FindAllSubmatchIndex(text, -1) {
		name := string(text[max(m[2], m[4]):max(m[3], m[5])])
		s := o.slot(name, i)
		if s == nil {
			return f, fmt.Errorf("a form names <%s>, which is nothing", name)
		}
		f.pieces, f.slots = append(f.pieces, text[at:m[0]]), append(f.slots, s)
		at = m[1]
	}
	f.pieces = append(f.pieces, text[at:])
	return f, nil
}

// slot is the filler of a name; that of a type is the ID of an object of it.
func (o *Org) slot(name string, place int) slot {
	if s := slots[name]; s != nil {
		return s
	}
	k := o.by[resource.Type(name)]
	if k == nil {
		return nil
	}
	return func(dst []byte, r *record) []byte {
		n := int(o.draw(drawReference+r.kind.salt<<4, r.parent<<16^r.index, place) % uint64(o.count(k)))
		if k.info.Type == "group" && n == o.doomed {
			n = (n + 1) % o.size.Groups
		}
		return append(dst, o.nth(k, n).id()...)
	}
}
