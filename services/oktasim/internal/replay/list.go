package replay

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// pair is an element of the recorded list and one of ours.
type pair struct{ theirs, ours int }

// pairing finds which elements of two lists belong together.
type pairing struct {
	c            *comparison
	theirs, ours []any
	pairs        []pair
	usedT, usedO []bool
}

func (c *comparison) pairing(theirs, ours []any) *pairing {
	return &pairing{c: c, theirs: theirs, ours: ours, usedT: make([]bool, len(theirs)), usedO: make([]bool, len(ours))}
}

// match pairs what is left by a key; an element without one ("") is passed over.
func (p *pairing) match(theirKey, ourKey func(any) string) {
	at := map[string]int{}
	for j, e := range p.ours {
		if k := ourKey(e); k != "" && !p.usedO[j] {
			if _, twice := at[k]; !twice {
				at[k] = j
			}
		}
	}
	for i, e := range p.theirs {
		if p.usedT[i] {
			continue
		}
		k := theirKey(e)
		if j, ok := at[k]; ok && k != "" && !p.usedO[j] {
			p.take(i, j)
		}
	}
}

func (p *pairing) take(i, j int) {
	p.pairs = append(p.pairs, pair{i, j})
	p.usedT[i], p.usedO[j] = true, true
}

// inOrder pairs what is left by position.
func (p *pairing) inOrder() {
	j := 0
	for i := range p.theirs {
		if p.usedT[i] {
			continue
		}
		for j < len(p.ours) && p.usedO[j] {
			j++
		}
		if j == len(p.ours) {
			return
		}
		p.take(i, j)
	}
}

// byIdentity pairs objects whose ids are known to be the same.
func (p *pairing) byIdentity() {
	b := p.c.binding
	p.match(func(e any) string {
		d, ok := e.(doc.Doc)
		if !ok {
			return ""
		}
		return b.ours[identity(d)]
	}, func(e any) string {
		d, ok := e.(doc.Doc)
		if !ok {
			return ""
		}
		return identity(d)
	})
}

// naturalKeys are the fields by which objects of a list are told apart where ids are
// not known, the best first.
var naturalKeys = [][]string{
	{"name"}, {"key"}, {"label"}, {"profile", "login"}, {"profile", "name"}, {"login"}, {"kid"}, {"rel"}, {"scopeId"}, {"aaguid"},
	{"displayName"}, {"title"}, {"type"}, {"value"}, {"id"}, {"const"}, {"_links", "self", "href"},
}

// byEnds pairs what lies between two objects by both.
func (p *pairing) byEnds() {
	ends := func(translate func(string) string) func(any) string {
		return func(e any) string {
			d, _ := e.(doc.Doc)
			from, to := doc.String(d, "source", "id"), doc.String(d, "target", "id")
			if from == "" || to == "" {
				return ""
			}
			return translate(from) + " " + translate(to)
		}
	}
	p.match(ends(p.c.binding.translate), ends(func(s string) string { return s }))
}

// byNature pairs objects by natural keys. An object whose id is bound already belongs
// to another.
func (p *pairing) byNature() {
	b := p.c.binding
	for _, path := range naturalKeys {
		p.match(func(e any) string {
			d, ok := e.(doc.Doc)
			if !ok || isID(identity(d)) && !b.free(identity(d)) {
				return ""
			}
			if s := doc.String(d, path...); s != "" {
				return b.translate(s)
			}
			return ""
		}, func(e any) string {
			d, ok := e.(doc.Doc)
			if !ok || b.theirs[identity(d)] != "" {
				return ""
			}
			return doc.String(d, path...)
		})
	}
}

// byValue pairs what is wholly equal.
func (p *pairing) byValue() {
	b := p.c.binding
	p.match(func(e any) string { return full(b.value(e)) }, full)
}

func full(v any) string {
	b, err := doc.Bytes(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// array compares lists inside a body: same length, elements paired as well as can be.
// Their order is not compared.
func (c *comparison) array(path string, theirs, ours []any) {
	p := c.pairing(theirs, ours)
	p.byValue()
	p.byIdentity()
	p.byNature()
	p.inOrder()
	c.pairs(path+"[]", p)
	if len(theirs) != len(ours) {
		c.differ(Values, path, theirs, ours)
	}
}

func (c *comparison) pairs(path string, p *pairing) {
	key := path[strings.LastIndexAny(path, ".")+1:]
	for _, x := range p.pairs {
		c.value(path, strings.TrimSuffix(key, "[]"), p.theirs[x.theirs], p.ours[x.ours])
	}
}

// list compares a list answer. What others put into the recorded org is not the
// run's: a foreign element may be missing, and one of ours that the recorded org did
// not have may be there, unless the list is the run's own or asks for something.
func (c *comparison) list(path string, theirs, ours []any) {
	p := c.pairing(theirs, ours)
	p.byIdentity()
	p.byEnds()
	p.byNature()
	own := c.ownList()
	if own {
		p.byValue()
		p.inOrder()
	}
	c.members(path, p, own)
	for i, e := range theirs {
		if !p.usedT[i] && (own || c.owned(e)) {
			c.differ(Values, path, e, absent{})
		}
	}
	for j, e := range ours {
		if !p.usedO[j] && (own || c.surplus(e)) {
			c.differ(Values, path, absent{}, e)
		}
	}
	if byPriority(theirs) && !slices.IsSortedFunc(byTheirs(p.pairs), func(a, b pair) int { return a.ours - b.ours }) {
		c.differ(Values, path, "order", "another order")
	}
}

// members compares the paired elements. Of those that the run neither made nor names nor
// asks for, only the shape is compared: what they hold, only the recorded org knows.
func (c *comparison) members(path string, p *pairing, own bool) {
	own = own || c.asks()
	for _, x := range p.pairs {
		d, isObject := p.theirs[x.theirs].(doc.Doc)
		c.foreign = !own && isObject && !c.survey.concerns(identity(d))
		c.value(path, "", p.theirs[x.theirs], p.ours[x.ours])
	}
	c.foreign = false
}

func byTheirs(pairs []pair) []pair {
	out := slices.Clone(pairs)
	slices.SortFunc(out, func(a, b pair) int { return a.theirs - b.theirs })
	return out
}

// byPriority says whether the order of a list is documented: it goes by priority, and no
// two elements share one.
func byPriority(list []any) bool {
	last := -1
	for _, e := range list {
		d, ok := e.(doc.Doc)
		if !ok {
			return false
		}
		n, ok := doc.Int(d, "priority")
		if !ok || n <= last {
			return false
		}
		last = n
	}
	return len(list) > 0
}

// ownList says whether the list hangs on something that the run made.
func (c *comparison) ownList() bool {
	own := false
	plain.each(c.step.Path+" "+c.step.Query, idLength, func(w string) { own = own || c.survey.made[w] })
	return own
}

// owned says whether a recorded element must be in our list: the run made it or names
// it, or it was taken for granted and is there.
func (c *comparison) owned(e any) bool {
	d, ok := e.(doc.Doc)
	if !ok {
		return true
	}
	id := identity(d)
	if c.survey.concerns(id) {
		return true
	}
	own := c.survey.ownPaths(strings.TrimSuffix(c.step.Path, "/"), d)
	return len(own) > 0 && c.held[own[0]]
}

// surplus says whether an element of ours should not be in the list: the run made it,
// or the list asks for something and nobody else can have put it there.
func (c *comparison) surplus(e any) bool {
	d, ok := e.(doc.Doc)
	if !ok {
		return true
	}
	id := identity(d)
	if c.survey.made[c.binding.theirs[id]] {
		return true
	}
	if id == c.admin || c.held[c.step.Path+"/"+id] {
		return false
	}
	return c.asks() && c.binding.theirs[id] == ""
}

// asks says whether the list was asked for by what its elements hold.
func (c *comparison) asks() bool {
	q, err := url.ParseQuery(c.step.Query)
	if err != nil {
		return false
	}
	return q.Has("q") || q.Has("filter") || q.Has("search")
}

// links compares the Link headers: self must be where it was recorded. A next page
// depends on what else the recorded org held, so only ours can be too many.
func (c *comparison) links(a *answer) {
	if c.step.Method != http.MethodGet {
		return
	}
	theirs, ours := rels(c.step.Link), rels(a.header.Values("Link"))
	if theirs["self"] != "" && ours["self"] == "" {
		c.differ(Values, "Link", `rel="self"`, absent{})
	}
	if theirs["next"] == "" && ours["next"] != "" && len(c.step.Link) > 0 {
		c.differ(Values, "Link", absent{}, `rel="next"`)
	}
	if x, y := cursor(theirs["next"]), cursor(ours["next"]); x != "" && y != "" && c.binding.free(x) {
		c.binding.bind(x, y)
	}
}

func cursor(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("after")
}

var linkForm = regexp.MustCompile(`<([^>]*)>;\s*rel="(\w+)"`)

func rels(lines []string) map[string]string {
	out := map[string]string{}
	for _, l := range lines {
		for _, m := range linkForm.FindAllStringSubmatch(l, -1) {
			out[m[2]] = m[1]
		}
	}
	return out
}
