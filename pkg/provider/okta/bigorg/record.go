package bigorg

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"imago/pkg/resource"
)

// record is one object of an org.
type record struct {
	o             *Org
	kind          *kind
	parent, index int    // below the parent; of a link, the user's
	edit          int    // in which minute of the day it was edited; 0: it was not
	again         bool   // what moves by itself has moved
	person        person // of users and their assignments, while a body is made
}

func (r record) resource() resource.Resource {
	return resource.Resource{Key: r.key(), Body: r.append(nil)}
}

// key is the object's key: IDs of ancestors are joined.
func (r record) key() resource.Key {
	key := resource.Key{Type: r.kind.info.Type, ID: r.id()}
	if r.kind.parent == nil {
		return key
	}
	above := r.above().key()
	if key.Parent = above.ID; above.Parent != "" {
		key.Parent = above.Parent + "/" + above.ID
	}
	return key
}

// above is the object's parent.
func (r record) above() record { return r.o.nth(r.kind.parent, r.parent) }

// id is the object's ID; a link's is that of what is linked.
func (r record) id() string {
	switch {
	case r.kind.links != nil:
		return record{o: r.o, kind: r.o.by["user"], index: r.index}.id()
	case r.kind.info.Type == "app_group":
		return r.o.nth(r.o.by["group"], r.group()).id()
	case r.kind.fixed != "":
		return r.kind.fixed
	}
	n := r.place()
	return string(appendID(make([]byte, 0, 20), r.kind.prefix, n, r.o.draw(r.kind.salt, n, 0)))
}

// place is where the object stands among all of its kind.
func (r record) place() int {
	if r.kind.links != nil {
		return r.index
	}
	return r.parent*r.o.each(r.kind) + r.index
}

// group is the group that an app is assigned to, one of each third of all.
func (r record) group() int {
	third := r.o.size.Groups / 3
	n := r.index*third + int(r.o.draw(r.kind.salt, r.parent, r.index)%uint64(third))
	if n != r.o.doomed {
		return n
	}
	return r.index*third + (n+1)%third
}

// append appends the body.
func (r record) append(dst []byte) []byte {
	if r.kind.links != nil || r.kind.info.Type == "user" {
		r.person = r.o.person(r.index)
		r.person.change(&r)
	}
	f := r.kind.forms[int(r.o.draw(r.kind.salt+2, r.parent, r.index)%uint64(len(r.kind.forms)))]
	for i, s := range f.slots {
		dst = s(append(dst, f.pieces[i]...), &r)
	}
	return append(dst, f.pieces[len(f.slots)]...)
}

// created is when the object was made; a link some time after its user, whenever the group or
// app was.
func (r *record) created() time.Time {
	if r.kind.links != nil {
		return seconds(r.person.created, r.o.draw(drawWord+r.kind.salt<<4, r.parent, r.index), uint64(firstDay.Sub(r.person.created)/time.Second))
	}
	return created(r.place(), r.o.count(r.kind))
}

func (r *record) updated() time.Time {
	if r.edit > 0 {
		return firstDay.Add(time.Duration(r.edit) * time.Minute)
	}
	if r.kind.info.Type == "user" {
		return r.person.updated
	}
	return r.created().Add(time.Hour)
}

// last is when what moves by itself moved last.
func (r *record) last() time.Time {
	if r.again {
		return seconds(firstDay, r.o.draw(r.kind.salt+3, r.index, 1), 24*60*60)
	}
	const fortnight = 14 * 24 * 60 * 60
	return seconds(firstDay.Add(-time.Second*fortnight), r.o.draw(r.kind.salt+3, r.index, 0), fortnight)
}

// word draws one of some words for an object; nth tells the words of one object apart.
func word(nth int, from []string) slot {
	return func(dst []byte, r *record) []byte {
		return append(dst, from[r.o.draw(drawWord+r.kind.salt<<4, r.place(), nth)%uint64(len(from))]...)
	}
}

func text(of func(*record) string) slot {
	return func(dst []byte, r *record) []byte { return append(dst, of(r)...) }
}

func number(of func(*record) int) slot {
	return func(dst []byte, r *record) []byte { return strconv.AppendInt(dst, int64(of(r)), 10) }
}

func moment(of func(*record) time.Time) slot {
	return func(dst []byte, r *record) []byte { return appendTime(dst, of(r)) }
}

// slots are what forms may name, besides types.
var slots = map[string]slot{
	"id":       text(func(r *record) string { return r.id() }),
	"parent":   text(func(r *record) string { return r.above().id() }),
	"name":     text(func(r *record) string { return r.kind.info.Title + " " + strconv.Itoa(r.place()) }),
	"sentence": word(1, sentences),
	"vendor":   word(2, vendors),
	"country":  text(func(r *record) string { return cities[r.person.city].country }),
	"revision": text(func(r *record) string {
		if r.edit == 0 {
			return ""
		}
		return ", as of " + strconv.Itoa(r.edit)
	}),
	"policy_type": text(func(r *record) string {
		name := strings.TrimPrefix(string(r.kind.info.Type), "policy_")
		return strings.ToUpper(strings.TrimSuffix(name, "_rule"))
	}),
	"assignee": text(func(r *record) string {
		return strings.ToUpper(strings.TrimSuffix(string(r.kind.info.Type), "_role"))
	}),
	"number":    number(func(r *record) int { return r.place() }),
	"priority":  number(func(r *record) int { return r.index + 1 }),
	"octet":     number(func(r *record) int { return r.place() % 256 }),
	"length":    number(func(r *record) int { return 8 + r.place()%5 + 4*min(1, r.edit) }),
	"created":   moment((*record).created),
	"updated":   moment((*record).updated),
	"last":      moment((*record).last),
	"activated": moment(func(r *record) time.Time { return r.created().Add(time.Minute) }),
	"kid": func(dst []byte, r *record) []byte {
		for i := range 4 {
			dst = appendRandom(dst, r.o.draw(drawWord+r.kind.salt<<4, r.place(), -i-1), 10)
		}
		return dst
	},

	"first":      text(func(r *record) string { return r.person.first }),
	"last_name":  text(func(r *record) string { return r.person.last }),
	"mail":       text(func(r *record) string { return r.person.mail }),
	"title":      text(func(r *record) string { return r.person.title }),
	"department": text(func(r *record) string { return r.person.department }),
	"division":   text(func(r *record) string { return divisions[len(r.person.department)%len(divisions)] }),
	"status":     text(func(r *record) string { return r.person.status }),
	"city":       text(func(r *record) string { return cities[r.person.city].name }),
	"state":      text(func(r *record) string { return cities[r.person.city].state }),
	"zip":        text(func(r *record) string { return cities[r.person.city].zip }),
	"timezone":   text(func(r *record) string { return cities[r.person.city].timezone }),
	"manager":    text(func(r *record) string { return r.o.nth(r.o.by["user"], r.person.manager).id() }),
	"phone":      number(func(r *record) int { return r.person.phone }),
	"room":       number(func(r *record) int { return r.person.phone%900 + 100 }),
	"employee":   number(func(r *record) int { return 100_000 + r.index }),
	"cost":       number(func(r *record) int { return 1000 + 37*len(r.person.department) }),
	"hired":      func(dst []byte, r *record) []byte { return r.person.created.AppendFormat(dst, "2006-01-02") },
	"worker":     text(func(r *record) string { return []string{"Employee", "Contractor"}[r.index%7/6] }),
	"remote":     func(dst []byte, r *record) []byte { return strconv.AppendBool(dst, r.person.phone%3 == 0) },
	"guid": func(dst []byte, r *record) []byte {
		source := r.o.source(drawWord, r.index, 1)
		for i, n := range []int{8, 4, 4, 4, 12} {
			if i > 0 {
				dst = append(dst, '-')
			}
			dst = appendHex(dst, source.Uint64(), n)
		}
		return dst
	},
	"languages": func(dst []byte, r *record) []byte {
		text, err := json.Marshal([]string{"English", cities[r.person.city].language})
		if err != nil {
			panic(err) // two words
		}
		return append(dst, text...)
	},
}
