package org

import (
	"errors"
	"fmt"
	"iter"
	"time"
)

// Search goes by an index that follows changes after a while (documented; how long is
// not, and recordings find what is a second old). The org remembers what was before
// each change for as long as that.

// version is an object as it was before a change; nil if it was not there.
type version[T any] struct {
	at  Stamp
	id  string
	was *T
}

// Sight is what search sees of the objects of one kind, in the order of their creation
// (which is that of ids in Okta). A place is an id behind the time of its creation.
type Sight[T any] struct {
	order *index
	live  map[string]*T
	then  map[string]*T
	extra index
}

// placeOf is the place of an object that was created then.
func placeOf(created Stamp, id string) string {
	return fmt.Sprintf("%0*x", placeDigits, max(0, int64(created))) + id
}

// placeDigits are enough for milliseconds since 1970.
const placeDigits = 13

// sightOf undoes what happened after a moment.
func sightOf[T any](order *index, live map[string]*T, changes []version[T], until Stamp, place func(*T) string) Sight[T] {
	s := Sight[T]{order: order, live: live, then: map[string]*T{}}
	for _, p := range changes {
		if _, seen := s.then[p.id]; p.at <= until || seen {
			continue
		}
		s.then[p.id] = p.was
		if p.was != nil && live[p.id] == nil {
			s.extra.add(place(p.was))
		}
	}
	return s
}

// After are the places behind the cursor in order.
func (s *Sight[T]) After(cursor string) iter.Seq[string] {
	if len(s.then) == 0 {
		return s.order.after(cursor)
	}
	return func(yield func(string) bool) {
		for place := range merged([]*index{s.order, &s.extra}, cursor) {
			if s.Get(place) != nil && !yield(place) {
				return
			}
		}
	}
}

// Get is the object at a place as search sees it, nil if it does not.
func (s *Sight[T]) Get(place string) *T {
	id := place[placeDigits:]
	if was, changed := s.then[id]; changed {
		return was
	}
	return s.live[id]
}

// SetSearchLag sets how long search takes to follow changes, 0 for not at all.
func (o *Org) SetSearchLag(lag time.Duration) error {
	if lag < 0 {
		return errors.New("lag: search cannot run ahead")
	}
	if o.searchLag = lag; lag == 0 {
		o.pastUsers, o.pastGroups = nil, nil
	}
	return nil
}

// SearchLag is how long search takes to follow changes.
func (o *Org) SearchLag() time.Duration { return o.searchLag }

// SearchUsers is what search and q see of the users.
func (o *Org) SearchUsers() Sight[User] {
	return sightOf(&o.userPlaces, o.users, o.pastUsers, o.searched(), (*User).place)
}

// SearchGroups is what search and q see of the groups.
func (o *Org) SearchGroups() Sight[Group] {
	return sightOf(&o.groupPlaces, o.groups, o.pastGroups, o.searched(), (*Group).place)
}

func (u *User) place() string  { return placeOf(u.Created, u.ID) }
func (g *Group) place() string { return placeOf(g.Created, g.ID) }

// searched is the moment up to which search knows.
func (o *Org) searched() Stamp { return Stamp(o.clock.Now().Add(-o.searchLag).UnixMilli()) }

// changing is called before a user changes.
func (o *Org) changing(u *User) {
	u.line.Store(nil)
	if o.searchLag > 0 {
		was := *u
		was.line = &userLine{}
		remember(o, &o.pastUsers, u.ID, &was)
	}
}

// changingGroup is called before a group changes.
func (o *Org) changingGroup(g *Group) {
	if o.searchLag > 0 {
		was := *g
		remember(o, &o.pastGroups, g.ID, &was)
	}
}

// remember notes what search still finds, and forgets what it does no longer.
func remember[T any](o *Org, list *[]version[T], id string, was *T) {
	if o.searchLag == 0 {
		return
	}
	until := o.searched()
	for len(*list) > 0 && (*list)[0].at <= until {
		*list = (*list)[1:]
	}
	*list = append(*list, version[T]{at: Stamp(o.clock.Now().UnixMilli()), id: id, was: was})
}
