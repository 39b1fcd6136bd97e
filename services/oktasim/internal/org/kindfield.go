package org

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Field describes one value of a body.
type Field struct {
	// Path leads to the value, with dots; scopes[].type is a field of each element of scopes.
	Path string
	Type Type
	// Required values must be given and not be empty.
	Required bool
	// Enum are the values a text, or each element of a list of texts, may have.
	Enum []string
	// Default stands for a value that was not given: a literal, or a func(*Change) any.
	Default any
	// Null writes null for a missing value; without it the field is absent.
	Null bool
	Mode Mode
	// Keep makes a PUT without the field leave the old value.
	Keep bool
	// Unique forbids the value to two objects; Exact takes case into account. Taken is
	// the refusal, failure.Taken if nil.
	Unique Unique
	Exact  bool
	Taken  *failure.Failure
	// Min and Max bound the length of texts and lists, and the value of numbers; a Max
	// of 0 is none. Pattern is what a text, or each text of a list, must match as a whole.
	Min, Max int
	Pattern  string
	// Ref names the kind or anchor whose ids these are (a text or a list of texts).
	// Literals are values that stand for no object.
	Ref      string
	Literals []string
	// Gone says what the deletion of the object that Ref names does.
	Gone Gone
	// When limits the field to objects that satisfy it, Feature to answers of orgs that
	// have it.
	When    Condition
	Feature string
	// Example is a valid value for generated bodies; %d in a text becomes a number, and an
	// empty text the id of any object that Ref names.
	Example any
}

// Type is the JSON type of a value.
type Type int

// The types. Any takes everything as it comes.
const (
	Text Type = iota
	Number
	Bool
	List
	Map
	Any
)

// Mode says who may write a field.
type Mode int

// Fields are writable; ReadOnly ones are ignored in requests; Immutable ones keep the
// value of creation; Fixed ones keep it too, and a request that changes it is refused;
// Late ones have their default at creation, whatever was given, and are writable later;
// WriteOnly ones are stored and never shown.
const (
	Writable Mode = iota
	ReadOnly
	Immutable
	Fixed
	Late
	WriteOnly
)

// Unique is the room in which a value may stand once.
type Unique int

// Values may repeat, or stand once among the objects of the parent, or of the org.
const (
	Anywhere Unique = iota
	InParent
	InOrg
)

// Gone is the effect on a reference when its object is deleted.
type Gone int

// The reference stays as it is; becomes null or leaves its list; takes its object with
// it; or forbids the deletion.
const (
	Stays Gone = iota
	Cleared
	Follows
	Holds
)

// intake checks a request against the fields of a kind and builds the body to store.
type intake struct {
	c      *Change
	causes []string
	first  string
}

func (t *intake) refuse(f Field, cause string) {
	if t.first == "" {
		t.first = f.Path
	}
	t.causes = append(t.causes, f.Path+": "+cause)
}

// take makes c.Body out of c.Given and c.Before. All faults of a request are named at once.
func (c *Change) take() error {
	t := &intake{c: c}
	c.Body = doc.Doc{}
	switch c.Kind.Unknown {
	case Kept:
		c.keepUnknown()
	default:
		c.keepForeign()
	}
	for _, f := range c.Kind.Fields {
		if list, rest, nested := strings.Cut(f.Path, "[]."); nested {
			if err := t.takeElements(f, list, rest); err != nil {
				return err
			}
			continue
		}
		if err := t.takeField(f); err != nil {
			return err
		}
	}
	if c.Kind.Unknown == Refused {
		t.refuseUnknown()
	}
	if len(t.causes) == 0 {
		return nil
	}
	subject := c.Kind.Subject
	if subject == "" {
		subject = t.first
	}
	return failure.Invalid(subject, t.causes...)
}

// notFields are what answers hold beside the body.
var notFields = []string{"id", "_links", "_link", "_embedded"}

func (c *Change) notField(name string) bool {
	s := c.Kind.Stamps
	return slices.Contains(notFields, name) || name != "" && slices.Contains([]string{s.Created, s.Updated, s.CreatedBy, s.UpdatedBy}, name)
}

// keepUnknown starts the body from everything that was given and is not described.
func (c *Change) keepUnknown() {
	if c.Verb == merge {
		c.Body = doc.Clone(c.Before)
	}
	for name, v := range c.Given {
		if !c.notField(name) {
			c.Body[name] = doc.Clone(v)
		}
	}
	for _, f := range c.Kind.Fields {
		if !strings.Contains(f.Path, "[]") {
			drop(c.Body, f.Path)
		}
	}
}

// keepForeign keeps fields that came with an adopted object and are not described.
func (c *Change) keepForeign() {
	for name, v := range c.Before {
		if !slices.ContainsFunc(c.Kind.Fields, func(f Field) bool { return f.top() == name }) {
			c.Body[name] = doc.Clone(v)
		}
	}
}

// top is the first part of the field's path.
func (f Field) top() string {
	first, _, _ := strings.Cut(f.Path, ".")
	return strings.TrimSuffix(first, "[]")
}

func (t *intake) refuseUnknown() {
	known := map[string]bool{}
	for _, f := range t.c.Kind.Fields {
		known[f.top()] = true
	}
	for _, name := range sortedKeys(t.c.Given) {
		if !known[name] && !t.c.notField(name) {
			t.refuse(Field{Path: name}, "The field is not known")
		}
	}
}

// takeField settles one value. The error is for a value of the wrong JSON type, which
// Okta cannot even read.
func (t *intake) takeField(f Field) error {
	c := t.c
	if !f.When.Holds(c.Body) || c.Kind.lacksAbove(c.Body, f.Path) {
		return nil
	}
	v, err := t.given(f)
	if err != nil {
		return err
	}
	if v = t.settle(f, v); v != nil || f.Null {
		put(c.Body, f.Path, doc.Clone(v))
	}
	return nil
}

// lacksAbove says whether a described object above the path has no value.
func (k *Kind) lacksAbove(body doc.Doc, path string) bool {
	for i := range path {
		if path[i] == '.' && k.describes(path[:i]) && get(body, path[:i]) == nil {
			return true
		}
	}
	return false
}

func (k *Kind) describes(path string) bool {
	return slices.ContainsFunc(k.Fields, func(f Field) bool { return f.Path == path })
}

// given reads the value of the request; nil if there is none that counts.
func (t *intake) given(f Field) (any, error) {
	if f.Mode == ReadOnly || f.Mode == Late && t.c.Before == nil {
		return nil, nil
	}
	v := get(t.c.Given, f.Path)
	if v == nil {
		return nil, nil
	}
	if !f.Type.fits(v) {
		return nil, failure.Malformed()
	}
	return v, nil
}

// settle decides between the given value, the old one and the default, and checks it.
func (t *intake) settle(f Field, given any) any {
	c := t.c
	var old any
	if c.Before != nil {
		old = get(c.Before, f.Path)
	}
	switch {
	case c.Before != nil && f.Mode == Fixed && given != nil && old != nil && !same(given, old):
		t.refuse(f, "The field cannot be changed")
		return old
	case c.Before != nil && (f.Mode == Fixed || f.Mode == Immutable || f.Mode == ReadOnly) && old != nil:
		return old
	case given == nil && c.Before != nil && (f.Keep || f.Mode == WriteOnly || c.Verb == merge):
		given = old
	}
	if given == nil {
		given = f.fallback(c)
	}
	if f.Required && isBlank(given) {
		t.refuse(f, "The field cannot be left blank")
		return nil
	}
	if given != nil {
		t.check(f, given)
	}
	return given
}

func isBlank(v any) bool {
	s, isText := v.(string)
	l, isList := v.([]any)
	return v == nil || isText && strings.TrimSpace(s) == "" || isList && len(l) == 0
}

// wants refuses a request without one of the values, naming all that are missing.
func wants(given doc.Doc, paths ...string) error {
	var causes []string
	for _, path := range paths {
		if isBlank(get(given, path)) {
			causes = append(causes, path+": The field cannot be left blank")
		}
	}
	if causes == nil {
		return nil
	}
	first, _, _ := strings.Cut(causes[0], ":")
	return failure.Invalid(first, causes...)
}

// fallback is the field's default.
func (f Field) fallback(c *Change) any {
	if compute, ok := f.Default.(func(*Change) any); ok {
		return compute(c)
	}
	return doc.Clone(f.Default)
}

// takeElements settles a field of every element of a list.
func (t *intake) takeElements(f Field, list, rest string) error {
	elements, ok := get(t.c.Body, list).([]any)
	if !ok || !f.When.Holds(t.c.Body) {
		return nil
	}
	for i, e := range elements {
		element, ok := e.(doc.Doc)
		if !ok {
			return failure.Malformed()
		}
		v := get(element, rest)
		if v == nil {
			v = f.fallback(t.c)
		}
		f.Path = list + "[" + strconv.Itoa(i) + "]." + rest
		switch {
		case v != nil && !f.Type.fits(v):
			return failure.Malformed()
		case f.Required && isBlank(v):
			t.refuse(f, "The field cannot be left blank")
		case v != nil:
			t.check(f, v)
			put(element, rest, v)
		case f.Null:
			put(element, rest, nil)
		}
	}
	return nil
}

// check tests what the JSON type leaves open.
func (t *intake) check(f Field, v any) {
	if len(f.Enum) > 0 {
		for _, s := range texts(v) {
			if !slices.Contains(f.Enum, s) {
				t.refuse(f, "'"+s+"' is not a valid value. It must be one of "+strings.Join(f.Enum, ", "))
			}
		}
	}
	if n, what := f.size(v); what != "" && (n < f.Min || f.Max > 0 && n > f.Max) {
		t.refuse(f, fmt.Sprintf("The %s must be between %d and %d", what, f.Min, f.Max))
	}
	if f.Pattern == "" {
		return
	}
	form := regexp.MustCompile(`^(?:` + f.Pattern + `)$`)
	if slices.ContainsFunc(texts(v), func(s string) bool { return !form.MatchString(s) }) {
		t.refuse(f, "The value is not valid")
	}
}

// size is what Min and Max bound, and its name in the refusal; "" if they bound nothing.
func (f Field) size(v any) (int, string) {
	if f.Min == 0 && f.Max == 0 {
		return 0, ""
	}
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), "length"
	case []any:
		return len(v), "number of elements"
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return f.Min - 1, "value"
		}
		return int(n), "value"
	}
	return 0, ""
}

// fits says whether v has the JSON type.
func (t Type) fits(v any) bool {
	switch t {
	case Text:
		_, ok := v.(string)
		return ok
	case Number:
		switch v.(type) {
		case json.Number, int:
			return true
		}
		return false
	case Bool:
		_, ok := v.(bool)
		return ok
	case List:
		_, ok := v.([]any)
		return ok
	case Map:
		_, ok := v.(doc.Doc)
		return ok
	}
	return true
}

// texts are the text or the texts of a list.
func texts(v any) []string {
	var out []string
	for _, e := range values(v) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// put sets the value at a path with dots, making objects on the way.
func put(body doc.Doc, path string, v any) {
	parts := strings.Split(path, ".")
	doc.Ensure(body, parts[:len(parts)-1]...)[parts[len(parts)-1]] = v
}

// drop removes the value at a path with dots.
func drop(body doc.Doc, path string) {
	parts := strings.Split(path, ".")
	if under := doc.Object(body, parts[:len(parts)-1]...); under != nil {
		delete(under, parts[len(parts)-1])
	}
}

// problems says what is wrong with the description of a field.
func (f Field) problems(k *Kind) []string {
	var out []string
	if f.Path == "" || strings.HasPrefix(f.Path, "_") || f.Path == "id" && k.Key != "id" {
		out = append(out, "not a path of a body")
	}
	if _, err := regexp.Compile(f.Pattern); err != nil {
		out = append(out, err.Error())
	}
	if f.Required && f.Default != nil {
		out = append(out, "a required field needs no default")
	}
	if _, computed := f.Default.(func(*Change) any); f.Default != nil && !computed && !f.Type.fits(f.Default) {
		out = append(out, "the default has another type")
	}
	if f.Ref != "" && !known(f.Ref) {
		out = append(out, "there is no kind "+f.Ref)
	}
	if f.When.Path != "" && !k.before(f.When.Path, f.Path) {
		out = append(out, "it depends on "+f.When.Path+", which must stand before it")
	}
	return out
}

// before says whether the field at first stands before the field at second.
func (k *Kind) before(first, second string) bool {
	at := func(path string) int {
		return slices.IndexFunc(k.Fields, func(f Field) bool { return f.Path == path })
	}
	return at(first) >= 0 && at(first) < at(second)
}
