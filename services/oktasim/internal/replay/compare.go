package replay

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// comparison collects how one answer differs from the recorded one.
type comparison struct {
	*player
	step       *Step
	mismatches []Mismatch
	// foreign is set inside what is none of the run's: there, only shapes count.
	foreign bool
}

func (c *comparison) differ(aspect, path string, theirs, ours any) {
	if c.foreign && aspect == Values {
		return
	}
	c.mismatches = append(c.mismatches, Mismatch{aspect, path, short(theirs), short(ours)})
}

const shortLength = 120

// short writes a value on one line.
func short(v any) string {
	var s string
	switch v := v.(type) {
	case absent:
		return ""
	case nil:
		return "null"
	case string:
		s = v
	default:
		b, err := doc.Bytes(v)
		if err != nil {
			return err.Error()
		}
		s = string(b)
	}
	if len(s) > shortLength {
		return s[:shortLength] + "…"
	}
	return s
}

// absent stands for a value that is not there.
type absent struct{}

// answer compares the whole answer. A wrong status is no answer to compare further.
func (c *comparison) answer(a *answer) {
	ours, err := bodyOf(a)
	if err != nil {
		c.differ(Shape, "", "JSON", a.body.String())
	}
	if a.status != c.step.Status {
		c.differ(Status, "", fmt.Sprint(c.step.Status), fmt.Sprintf("%d %s", a.status, summary(ours)))
		return
	}
	if c.step.Status >= http.StatusBadRequest {
		c.code(ours)
	}
	if xml, ok := c.step.body.(string); ok {
		c.document(xml, a.body.String())
		return
	}
	c.body(ours)
	c.links(a)
}

func bodyOf(a *answer) (any, error) {
	if a.body.Len() == 0 {
		return nil, nil
	}
	if t := a.header.Get("Content-Type"); t != "" && !strings.Contains(t, "json") {
		return a.body.String(), nil
	}
	return doc.Parse(a.body.Bytes())
}

// summary is what an error body says.
func summary(body any) string {
	d, ok := body.(doc.Doc)
	if !ok {
		return ""
	}
	causes := []string{}
	list, _ := d["errorCauses"].([]any)
	for _, e := range list {
		if cause, ok := e.(doc.Doc); ok {
			causes = append(causes, doc.String(cause, "errorSummary"))
		}
	}
	return strings.TrimSpace(doc.String(d, "errorCode") + " " + doc.String(d, "errorSummary") + " " + strings.Join(causes, "; "))
}

func (c *comparison) code(ours any) {
	theirs, _ := c.step.body.(doc.Doc)
	mine, _ := ours.(doc.Doc)
	if doc.String(theirs, "errorCode") != doc.String(mine, "errorCode") {
		c.differ(Code, "errorCode", summary(theirs), summary(mine))
	}
}

// body compares JSON bodies; lists by their own rules.
func (c *comparison) body(ours any) {
	theirs, field := elements(c.step)
	if theirs == nil || c.step.Method != http.MethodGet {
		c.value("", "", c.step.body, ours)
		return
	}
	if field != "" {
		recorded, _ := c.step.body.(doc.Doc)
		envelope, isObject := ours.(doc.Doc)
		if !isObject {
			c.differ(Shape, "", "object", kindOf(ours))
			return
		}
		c.value("", "", without(recorded, field), without(envelope, field))
		ours = envelope[field]
	}
	list, ok := ours.([]any)
	if !ok {
		c.differ(Shape, field, "array", kindOf(ours))
		return
	}
	c.list(field+"[]", theirs, list)
}

func without(d doc.Doc, field string) doc.Doc {
	out := make(doc.Doc, len(d))
	for k, v := range d {
		if k != field {
			out[k] = v
		}
	}
	return out
}

// kindOf names a JSON type.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case absent:
		return "nothing"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		return "array"
	case doc.Doc:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

// value compares two values at a path; key is the last field on the way.
func (c *comparison) value(path, key string, theirs, ours any) {
	if a, b := kindOf(theirs), kindOf(ours); a != b {
		c.differ(Shape, path, shapeOf(a, theirs), shapeOf(b, ours))
		return
	}
	switch theirs := theirs.(type) {
	case doc.Doc:
		c.object(path, theirs, ours.(doc.Doc))
	case []any:
		c.array(path, theirs, ours.([]any))
	default:
		if !c.foreign {
			c.scalar(path, key, theirs, ours)
		}
	}
}

func (c *comparison) scalar(path, key string, theirs, ours any) {
	switch theirs := theirs.(type) {
	case string:
		if !c.text(key, theirs, ours.(string)) {
			c.differ(Values, path, theirs, ours)
		}
	case json.Number:
		if !c.number(theirs, ours.(json.Number)) {
			c.differ(Values, path, theirs, ours)
		}
	default:
		if theirs != ours {
			c.differ(Values, path, theirs, ours)
		}
	}
}

func shapeOf(kind string, v any) string {
	if kind == "null" {
		return kind
	}
	return kind + " " + short(v)
}

// object compares field by field, in order, so that reports are stable.
func (c *comparison) object(path string, theirs, ours doc.Doc) {
	matched := map[string]bool{}
	var unknown []string
	for _, k := range sortedKeys(theirs) {
		mine := c.binding.key(k)
		v, ok := ours[mine]
		if ok {
			matched[mine] = true
			c.value(join(path, k), k, theirs[k], v)
			continue
		}
		unknown = append(unknown, k)
	}
	for _, k := range unknown {
		if mine := c.randomKey(k, ours, matched); mine != "" {
			matched[mine] = true
			c.value(join(path, k), k, theirs[k], ours[mine])
			continue
		}
		c.differ(Shape, join(path, k), shapeOf(kindOf(theirs[k]), theirs[k]), absent{})
	}
	for _, k := range sortedKeys(ours) {
		if !matched[k] {
			c.differ(Shape, join(path, k), absent{}, shapeOf(kindOf(ours[k]), ours[k]))
		}
	}
}

// randomKey finds the field of ours that stands for one whose name the server chose.
func (c *comparison) randomKey(k string, ours doc.Doc, matched map[string]bool) string {
	for _, mine := range sortedKeys(ours) {
		if !matched[mine] && c.learnable(k, mine) && c.binding.bind(k, mine) {
			return mine
		}
	}
	return ""
}

func join(path, key string) string {
	if isRandom(key) {
		key = "{id}"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func sortedKeys(d doc.Doc) []string {
	keys := make([]string, 0, len(d))
	for k := range d {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// text says whether our text is what the recorded one determines.
func (c *comparison) text(key, theirs, ours string) bool {
	mine := c.binding.hosts.normalise(ours)
	if c.binding.translate(theirs) == mine {
		c.binding.keep(theirs)
		return true
	}
	if key == "errorId" { // new in every answer
		return len(theirs) == len(ours) && strings.HasPrefix(ours, "oae")
	}
	if at, layout, ok := moment(theirs); ok {
		return c.moment(theirs, ours, at, layout)
	}
	if secretKeys[key] || redacted.MatchString(theirs) {
		return c.binding.free(theirs) && secretForm(key, theirs, ours) && c.binding.bind(theirs, ours)
	}
	return c.words(c.binding.hosts.normalise(theirs), mine)
}

// moment accepts a stamp near the recorded one, and one that both repeat.
func (c *comparison) moment(theirs, ours string, at time.Time, layout int) bool {
	mine, l, ok := moment(ours)
	if !ok || l != layout {
		return false
	}
	pair := [2]string{theirs, ours}
	if near(at, mine) || c.binding.stamps[pair] {
		c.binding.stamps[pair] = true
		return true
	}
	return false
}

// words compares texts that differ in words which the server chose, and learns those.
func (c *comparison) words(theirs, mine string) bool {
	if c.learnable(theirs, mine) {
		return c.binding.bind(theirs, mine)
	}
	pairs, ok := c.aligned(joined, theirs, mine)
	for _, p := range pairs {
		ok = ok && c.binding.bind(p[0], p[1])
	}
	return ok
}

// aligned cuts two texts into words and returns those pairs that may stand for each
// other; it fails if anything else differs.
func (c *comparison) aligned(form wordKind, theirs, mine string) (pairs [][2]string, ok bool) {
	a, b := form.spans(theirs), form.spans(mine)
	if len(a) != len(b) {
		return nil, false
	}
	i, j := 0, 0
	for n := range a {
		if theirs[i:a[n][0]] != mine[j:b[n][0]] {
			return nil, false
		}
		x, y := theirs[a[n][0]:a[n][1]], mine[b[n][0]:b[n][1]]
		i, j = a[n][1], b[n][1]
		inner, ok := c.word(form, x, y)
		if !ok {
			return nil, false
		}
		pairs = append(pairs, inner...)
	}
	return pairs, theirs[i:] == mine[j:]
}

// word compares one word, and its parts.
func (c *comparison) word(form wordKind, theirs, mine string) ([][2]string, bool) {
	switch {
	case c.binding.translate(theirs) == mine:
		return nil, true
	case c.binding.ours[theirs] != "":
		return nil, false
	case c.learnable(theirs, mine):
		return [][2]string{{theirs, mine}}, true
	case form == plain:
		return nil, false
	}
	return c.aligned(plain, theirs, mine)
}

// learnable says whether ours may stand for the recorded word: both are by chance, and
// of the same form.
func (c *comparison) learnable(theirs, ours string) bool {
	if !c.binding.free(theirs) {
		return false
	}
	return isRandom(theirs) && sameForm(theirs, ours) || sameStem(theirs, ours) || twins(theirs, ours)
}

// number compares numbers; milliseconds since 1970 are stamps.
func (c *comparison) number(theirs, ours json.Number) bool {
	if theirs == ours {
		return true
	}
	a, err := theirs.Int64()
	if err != nil {
		return sameFloat(theirs, ours)
	}
	b, err := ours.Int64()
	if err != nil {
		return sameFloat(theirs, ours)
	}
	const y2001 = 1e12
	return a == b || a > y2001 && near(time.UnixMilli(a), time.UnixMilli(b))
}

func sameFloat(a, b json.Number) bool {
	x, err := a.Float64()
	if err != nil {
		return false
	}
	y, err := b.Float64()
	return err == nil && x == y
}
