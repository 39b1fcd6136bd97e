package org

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/expression"
	"imago/services/oktasim/internal/ident"
)

// State is a whole org as JSON. Objects is what a reader of the org can see and what
// two orgs are compared by; Session is what else is needed to go on.
type State struct {
	Objects Objects  `json:"objects"`
	Session *Session `json:"session,omitempty"`
}

// Objects are the org's objects, each list in the order of ids.
type Objects struct {
	Info        Info                         `json:"info"`
	Users       []*User                      `json:"users"`
	Groups      []groupState                 `json:"groups"`
	GroupRules  []*GroupRule                 `json:"group_rules"`
	Apps        []*App                       `json:"apps"`
	Policies    []*Policy                    `json:"policies"`
	Collections map[string][]*Object         `json:"collections"`
	Roles       map[string][]*RoleAssignment `json:"roles"`
	Schemas     map[string]*Schema           `json:"schemas"`
	Mappings    []*Mapping                   `json:"mappings"`
}

// Session holds ids, tokens, clock and log.
type Session struct {
	IDs        ident.Source     `json:"ids"`
	Offset     time.Duration    `json:"clockOffset"`
	Tokens     []*Token         `json:"apiTokens"`
	Access     []*AccessToken   `json:"accessTokens"`
	Assertions map[string]Stamp `json:"assertions"`
	Log        []Arrival        `json:"log"`
	// Late are the events that have not arrived yet.
	Late     []Arrival   `json:"late,omitempty"`
	Disorder []*Disorder `json:"disorder,omitempty"`
	// SearchLag is how long search takes to follow changes; what it found meanwhile is not kept.
	SearchLag time.Duration `json:"searchLag,omitempty"`
}

// groupState adds the members in order to a group.
type groupState struct {
	*Group
	Members []*Member `json:"members"`
}

// stateDepth leads from the state over its lists to single objects.
const stateDepth = 3

// WriteState writes the org; without session only its objects.
func (o *Org) WriteState(w io.Writer, session bool) error {
	return o.View(func() error {
		s := State{Objects: o.objects()}
		if session {
			s.Session = &Session{
				IDs: o.ids, Offset: o.clock.Offset(), Tokens: ordered(o.tokens), Access: ordered(o.access),
				Assertions: o.assertions, Log: o.log.arrived, Late: o.log.held, Disorder: o.log.disorder, SearchLag: o.searchLag,
			}
		}
		buffered := bufio.NewWriterSize(w, 1<<20)
		if err := errors.Join(stream(buffered, reflect.ValueOf(s), stateDepth), buffered.Flush()); err != nil {
			return fmt.Errorf("write state: %w", err)
		}
		return nil
	})
}

func (o *Org) objects() Objects {
	x := Objects{
		Info: o.info, Users: ordered(o.users), GroupRules: ordered(o.rules), Apps: ordered(o.apps), Policies: ordered(o.policies),
		Collections: map[string][]*Object{}, Roles: o.roles, Schemas: o.schemas, Mappings: ordered(o.mappings),
	}
	for id := range o.groupOrder.all() {
		g := groupState{Group: o.groups[id], Members: []*Member{}}
		for uid := range g.order.all() {
			g.Members = append(g.Members, g.byUser[uid])
		}
		x.Groups = append(x.Groups, g)
	}
	for _, k := range o.kinds.list {
		x.Collections[k.Name] = ordered(o.shelf(k).objects)
	}
	return x
}

func ordered[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out
}

// ReadState replaces the org by a written one. On error nothing has changed.
func (o *Org) ReadState(r io.Reader) error {
	s, err := readState(r)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	next, err := restore(s, o.kinds)
	if err != nil {
		return err
	}
	return o.Update(func() error {
		if s.Session == nil {
			next.ids, next.tokens, next.access, next.assertions, next.log = o.ids, o.tokens, o.access, o.assertions, o.log
		} else {
			o.clock.SetOffset(s.Session.Offset)
		}
		o.data = next
		return nil
	})
}

// restore rebuilds the indexes of a written org.
func restore(s *State, kinds *registry) (data, error) {
	tmp := &Org{data: emptyData(0), kinds: kinds}
	x := s.Objects
	tmp.info = x.Info
	for _, u := range x.Users {
		tmp.putUser(u)
	}
	for _, g := range x.Groups {
		g.Group.Members = g.Members
		if err := tmp.linkMembers(g.Group); err != nil {
			return data{}, err
		}
		tmp.putGroup(g.Group)
	}
	for _, r := range x.GroupRules {
		condition, err := expression.Parse(doc.String(r.Conditions, "expression", "value"))
		if err != nil {
			return data{}, fmt.Errorf("read state: group rule %s: %w", r.ID, err)
		}
		r.condition = condition
		tmp.rules[r.ID] = r
		tmp.ruleOrder.add(r.ID)
	}
	for _, a := range x.Apps {
		tmp.putApp(a)
	}
	for _, p := range x.Policies {
		tmp.policies[p.ID] = p
	}
	for name, objects := range x.Collections {
		k := tmp.kinds.named(name)
		if k == nil {
			return data{}, fmt.Errorf("read state: there is no kind %s", name)
		}
		for _, obj := range objects {
			tmp.putObject(k, obj)
		}
	}
	if x.Roles != nil {
		tmp.roles = x.Roles
	}
	tmp.schemas = x.Schemas
	for _, m := range x.Mappings {
		tmp.mappings[m.key()] = m
	}
	tmp.restoreSession(s.Session)
	return tmp.data, nil
}

func (o *Org) putApp(a *App) {
	if a.Users == nil {
		a.Users = map[string]*AppUser{}
	}
	a.userOrder = indexOf(sortedKeys(a.Users))
	o.apps[a.ID] = a
	o.appOrder.add(a.ID)
}

// linkMembers tells the members of a group that they are, and lets all mentions of an id
// share one text.
func (o *Org) linkMembers(g *Group) error {
	for _, m := range g.Members {
		u := o.users[m.User]
		if u == nil {
			return fmt.Errorf("read state: group %s has the member %s, who is missing", g.ID, m.User)
		}
		m.User = u.ID
		u.groups.add(g.ID)
	}
	return nil
}

func (o *Org) restoreSession(s *Session) {
	if s == nil {
		return
	}
	o.ids = s.IDs
	for _, a := range s.Log {
		o.log.arrive(a)
	}
	o.log.held, o.log.disorder, o.searchLag = s.Late, s.Disorder, s.SearchLag
	for _, t := range s.Tokens {
		o.tokens[t.Value] = t
	}
	for _, t := range s.Access {
		o.access[t.Value] = t
	}
	if s.Assertions != nil {
		o.assertions = s.Assertions
	}
}
