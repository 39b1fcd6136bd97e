package org

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Object is one object of a kind.
type Object struct {
	ID string `json:"id"`
	// Home is the place of the parent: its ids from the top, with slashes between; "" at
	// the top.
	Home string `json:"home,omitempty"`
	// Seq grows with every object made in the org.
	Seq uint64 `json:"seq"`
	// Seed marks what Okta made; adoption may take its place.
	Seed        bool    `json:"seed,omitempty"`
	Created     Stamp   `json:"created"`
	LastUpdated Stamp   `json:"lastUpdated"`
	CreatedBy   string  `json:"createdBy,omitempty"`
	UpdatedBy   string  `json:"lastUpdatedBy,omitempty"`
	Body        doc.Doc `json:"body"`
}

// place is the home of the object's children and its key on the shelf.
func (x *Object) place() string { return within(x.Home, x.ID) }

func within(home, id string) string {
	id = url.PathEscape(id)
	if home == "" {
		return id
	}
	return home + "/" + id
}

// Status is the object's status, "" if its kind has none.
func (x *Object) Status() string { return doc.String(x.Body, "status") }

// shelf holds the objects of one kind by place, and their ids by home.
type shelf struct {
	objects map[string]*Object
	homes   map[string]*index
}

func newShelf() *shelf { return &shelf{objects: map[string]*Object{}, homes: map[string]*index{}} }

func (s *shelf) put(x *Object) {
	s.objects[x.place()] = x
	ids := s.homes[x.Home]
	if ids == nil {
		ids = &index{}
		s.homes[x.Home] = ids
	}
	ids.add(x.ID)
}

func (s *shelf) take(x *Object) {
	delete(s.objects, x.place())
	if ids := s.homes[x.Home]; ids != nil {
		ids.remove(x.ID)
	}
}

// shelf is where the kind's objects stand.
func (o *Org) shelf(k *Kind) *shelf {
	if o.shelves[k.Name] == nil {
		return newShelf()
	}
	return o.shelves[k.Name]
}

func (o *Org) putObject(k *Kind, x *Object) {
	if o.shelves[k.Name] == nil {
		o.shelves[k.Name] = newShelf()
	}
	o.shelves[k.Name].put(x)
}

// homeOf finds the place in which the path values lead: values are those of the path's
// variables, of the parents first. The parents must be there.
func (o *Org) homeOf(k *Kind, values []string) (string, error) {
	switch {
	case k.parent != nil:
		p, err := o.FindObject(k.parent, values[:len(k.parent.Variables())])
		if err != nil {
			return "", err
		}
		return p.place(), nil
	case k.anchor != nil:
		id, err := k.anchor.find(o, values[0])
		return url.PathEscape(id), err
	}
	return "", nil
}

// FindObject finds the object to which the values of the path's variables lead.
func (o *Org) FindObject(k *Kind, values []string) (*Object, error) {
	home, err := o.homeOf(k, values)
	if err != nil {
		return nil, err
	}
	key := k.fixedID()
	if !k.Singleton() {
		key = values[len(values)-1]
	}
	if x := o.look(k, home, key); x != nil {
		return x, nil
	}
	return nil, k.missing(key)
}

// missing is the answer for an id that is not there.
func (k *Kind) missing(id string) error {
	if k.Missing != nil {
		return k.Missing(id)
	}
	return failure.NotFound(id, k.Class)
}

// fixedID is the id of a singleton.
func (k *Kind) fixedID() string { return k.parts[len(k.parts)-1] }

// look finds an object by id, slug or alias.
func (o *Org) look(k *Kind, home, key string) *Object {
	s := o.shelf(k)
	if x := s.objects[within(home, key)]; x != nil {
		return x
	}
	if k.Slug == nil && k.Alias == nil {
		return nil
	}
	for _, x := range o.objectsIn(k, home) {
		if k.slug(x) == key || slices.ContainsFunc(k.Alias, func(path string) bool { return get(x.Body, path) == any(key) }) {
			return x
		}
	}
	return nil
}

func (k *Kind) slug(x *Object) string {
	if k.Slug == nil {
		return x.ID
	}
	return k.Slug(x)
}

// object finds an object of the kind by id, wherever it is.
func (o *Org) object(k *Kind, id string) *Object {
	s := o.shelf(k)
	if x := s.objects[url.PathEscape(id)]; x != nil {
		return x
	}
	for home, ids := range s.homes {
		if ids.has(id) {
			return s.objects[within(home, id)]
		}
	}
	return nil
}

// singleton is what the org has once of the named kind; nil if it has no such kind.
func (o *Org) singleton(name string) *Object {
	k := o.kinds.named(name)
	if k == nil {
		return nil
	}
	return o.object(k, k.fixedID())
}

// has says whether there is an object of the named kind with the id.
func (o *Org) has(kind, id string) bool { return o.object(o.kinds.named(kind), id) != nil }

// objectsIn lists the objects of a home by id.
func (o *Org) objectsIn(k *Kind, home string) []*Object {
	s := o.shelf(k)
	ids := s.homes[home]
	if ids == nil {
		return nil
	}
	out := make([]*Object, 0, ids.size)
	for id := range ids.all() {
		out = append(out, s.objects[within(home, id)])
	}
	return out
}

// ListObjects lists the objects of the parent to which the values lead, in the order of
// the kind's page.
func (o *Org) ListObjects(k *Kind, values []string) ([]*Object, error) {
	home, err := o.homeOf(k, values)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(o.objectsIn(k, home), k.ended)
	order, reversed := strings.CutPrefix(k.Page.Order, "-")
	switch order {
	case "":
	case "created":
		slices.SortStableFunc(list, func(a, b *Object) int { return cmp.Compare(a.Seq, b.Seq) })
	default:
		SortObjects(list, order, false)
	}
	if reversed {
		slices.Reverse(list)
	}
	return list, nil
}

// SortObjects orders by the value at a path, the highest first if it is to be reversed.
func SortObjects(list []*Object, path string, reversed bool) {
	slices.SortStableFunc(list, func(a, b *Object) int {
		if reversed {
			a, b = b, a
		}
		return compare(get(a.Body, path), get(b.Body, path))
	})
}

// compare orders numbers by value and texts without regard to case.
func compare(a, b any) int {
	m, isNumber := whole(a)
	n, alsoNumber := whole(b)
	if isNumber && alsoNumber {
		return cmp.Compare(m, n)
	}
	return cmp.Compare(strings.ToLower(textOf(a)), strings.ToLower(textOf(b)))
}

// AllObjects lists the objects of a kind, whichever parents they have, the last ones first.
func (o *Org) AllObjects(kind string) []*Object {
	list := slices.Collect(maps.Values(o.shelf(o.kinds.named(kind)).objects))
	slices.SortFunc(list, func(a, b *Object) int { return cmp.Compare(b.Seq, a.Seq) })
	return list
}

// text is the text at a path of the body.
func (x *Object) text(path string) string { return doc.String(x.Body, strings.Split(path, ".")...) }

// Values returns what the object has at a filter attribute, as the filter asks.
func (k *Kind) Values(x *Object) func(name string) []any {
	return func(name string) []any {
		switch name {
		case "id":
			return []any{x.ID}
		case k.Stamps.Created:
			return []any{x.Created.Time()}
		case k.Stamps.Updated:
			return []any{x.LastUpdated.Time()}
		}
		if path := k.Page.Rename[name]; path != "" {
			name = path
		}
		return values(at(x.Body, name))
	}
}

func (k *Kind) party(x *Object) Party {
	return Party{ID: x.ID, Type: k.target(), AlternateID: "unknown", DisplayName: x.text(k.natural()[0])}
}

// licensed says whether the org has the kind at all.
func (o *Org) licensed(k *Kind) bool {
	return (k.Engine == "" || k.Engine == o.info.Engine) && o.Licensed(k.Feature)
}

// Offers fails with Okta's refusal if the org lacks the kind: another engine, or no licence.
func (o *Org) Offers(k *Kind) error {
	if !o.licensed(k) {
		return failure.NotLicensed()
	}
	return nil
}

// Licensed says whether the org has the feature; "" is none in particular.
func (o *Org) Licensed(feature string) bool { return !slices.Contains(o.info.Unlicensed, feature) }

// SetLicensed grants or withdraws a feature; the self-service feature of that name follows.
func (o *Org) SetLicensed(feature string, on bool) {
	o.info.Unlicensed = slices.DeleteFunc(o.info.Unlicensed, func(f string) bool { return f == feature })
	if !on {
		o.info.Unlicensed = append(o.info.Unlicensed, feature)
	}
	o.showLicence(feature, on)
}
