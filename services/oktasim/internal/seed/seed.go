// Package seed furnishes an org: a believable company for demonstrations, or any
// number of objects for measurements. Equal seeds give equal orgs, ids and bodies
// included.
package seed

import (
	"fmt"
	"math/rand/v2"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// Plan says what to make.
type Plan struct {
	// Preset "demo" is the company; the numbers below are then ignored.
	Preset string `json:"preset,omitempty"`
	Seed   uint64 `json:"seed,omitempty"`

	Users       int `json:"users,omitempty"`
	Groups      int `json:"groups,omitempty"`
	Memberships int `json:"memberships,omitempty"`
	Apps        int `json:"apps,omitempty"`
	Rules       int `json:"rules,omitempty"`
	Policies    int `json:"policies,omitempty"`
	Zones       int `json:"zones,omitempty"`
}

// most bounds each number, so that a slip of the hand does not fill the memory.
const most = 5_000_000

func (p Plan) check() error {
	if p.Preset != "" && p.Preset != "demo" {
		return fmt.Errorf("preset: %q is not known; the only preset is demo", p.Preset)
	}
	for name, n := range map[string]int{
		"users": p.Users, "groups": p.Groups, "memberships": p.Memberships, "apps": p.Apps, "rules": p.Rules,
		"policies": p.Policies, "zones": p.Zones,
	} {
		if n < 0 || n > most {
			return fmt.Errorf("%s: %d is not between 0 and %d", name, n, most)
		}
	}
	if p.Memberships > 0 && p.Memberships > p.Users*p.Groups {
		return fmt.Errorf("memberships: %d is more than users times groups", p.Memberships)
	}
	if p.Rules > 0 && p.Groups == 0 {
		return fmt.Errorf("rules: group rules need groups")
	}
	return nil
}

// Made lists what was made, ids by name. Bulk seeds list counts alone.
type Made struct {
	Counts   map[string]int    `json:"counts"`
	Users    map[string]string `json:"users,omitempty"`
	Groups   map[string]string `json:"groups,omitempty"`
	Rules    map[string]string `json:"rules,omitempty"`
	Apps     map[string]string `json:"apps,omitempty"`
	Policies map[string]string `json:"policies,omitempty"`
	Zones    map[string]string `json:"zones,omitempty"`
	// Admins are logins by what they are for: super, other.
	Admins map[string]string `json:"admins,omitempty"`
}

// Fill makes the org new and furnishes it.
func Fill(o *org.Org, p Plan) (*Made, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if p.Seed == 0 {
		p.Seed = 1
	}
	o.Reset(p.Seed)
	b := &builder{
		org: o, rand: rand.New(rand.NewPCG(p.Seed, p.Seed)), at: org.Founded,
		made: &Made{
			Users: map[string]string{}, Groups: map[string]string{}, Rules: map[string]string{}, Apps: map[string]string{},
			Policies: map[string]string{}, Zones: map[string]string{}, Admins: map[string]string{},
		},
		users: map[string]*org.User{}, groups: map[string]*org.Group{},
	}
	err := o.Update(func() error {
		if p.Preset == "demo" {
			b.demo()
		} else {
			b.bulk(p)
		}
		b.made.Counts = o.Counts()
		return b.err
	})
	if err != nil {
		return nil, err
	}
	if p.Preset == "" {
		return &Made{Counts: b.made.Counts}, nil
	}
	return b.made, nil
}

// builder makes objects one after another; the first error stops it.
type builder struct {
	org    *org.Org
	rand   *rand.Rand
	at     time.Time
	made   *Made
	users  map[string]*org.User
	groups map[string]*org.Group
	err    error
}

// step runs f at the builder's moment, which then moves on.
func (b *builder) step(f func() error) {
	if b.err != nil {
		return
	}
	b.org.At(b.at, func() { b.err = f() })
	b.at = b.at.Add(97 * time.Second)
}

func (b *builder) user(p person) *org.User {
	var u *org.User
	b.step(func() (err error) {
		u, err = b.org.CreateUser(nil, org.NewUser{Body: p.body(), Activate: p.status != org.Staged})
		if err != nil {
			return fmt.Errorf("make user %s: %w", p.login(), err)
		}
		b.made.Users[p.login()], b.users[p.login()] = u.ID, u
		switch p.status {
		case org.Suspended:
			return b.org.ChangeUserStatus(nil, u, "suspend")
		case org.Deprovisioned:
			return b.org.ChangeUserStatus(nil, u, "deactivate")
		}
		return nil
	})
	return u
}

func (b *builder) group(name, description string) *org.Group {
	var g *org.Group
	b.step(func() (err error) {
		g, err = b.org.CreateGroup(nil, doc.Doc{"profile": doc.Doc{"name": name, "description": description}})
		if err != nil {
			return fmt.Errorf("make group %s: %w", name, err)
		}
		b.made.Groups[name], b.groups[name] = g.ID, g
		return nil
	})
	return g
}

func (b *builder) join(group string, u *org.User) {
	b.step(func() error { return b.org.AddMember(nil, b.groups[group], u) })
}

func (b *builder) rule(name, expression string, active bool, groups ...string) {
	b.step(func() error {
		r, err := b.org.CreateGroupRule(nil, doc.Doc{
			"type": "group_rule", "name": name,
			"conditions": doc.Doc{"expression": doc.Doc{"value": expression, "type": "urn:okta:expression:1.0"}},
			"actions":    doc.Doc{"assignUserToGroups": doc.Doc{"groupIds": doc.Array(groups...)}},
		})
		if err != nil {
			return fmt.Errorf("make group rule %s: %w", name, err)
		}
		b.made.Rules[name] = r.ID
		if !active {
			return nil
		}
		return b.org.ActivateGroupRule(nil, r)
	})
}

func (b *builder) app(body doc.Doc, groups ...string) *org.App {
	var a *org.App
	b.step(func() (err error) {
		a, err = b.org.CreateApp(nil, body, true)
		if err != nil {
			return fmt.Errorf("make app %s: %w", body["label"], err)
		}
		b.made.Apps[a.Label] = a.ID
		for _, id := range groups {
			g, err := b.org.Group(id)
			if err != nil {
				return err
			}
			b.org.AssignGroup(nil, a, g, doc.Doc{})
		}
		return nil
	})
	return a
}

func (b *builder) zone(body doc.Doc) string {
	var id string
	b.step(func() error {
		x, err := b.org.CreateObject(org.KindNamed("zones"), nil, org.Request{Given: body})
		if err != nil {
			return fmt.Errorf("make zone %s: %w", body["name"], err)
		}
		id = x.ID
		b.made.Zones[doc.String(body, "name")] = id
		return nil
	})
	return id
}

func (b *builder) policy(body doc.Doc, rules ...doc.Doc) *org.Policy {
	var p *org.Policy
	b.step(func() (err error) {
		p, err = b.org.CreatePolicy(nil, body, true)
		if err != nil {
			return fmt.Errorf("make policy %s: %w", body["name"], err)
		}
		b.made.Policies[p.Name] = p.ID
		for _, r := range rules {
			if _, err := b.org.CreateRule(nil, p, r, true); err != nil {
				return fmt.Errorf("make rule %s of %s: %w", r["name"], p.Name, err)
			}
		}
		return nil
	})
	return p
}

func (b *builder) role(assignee, role string) {
	b.step(func() error {
		_, err := b.org.AssignRole(nil, assignee, role)
		return err
	})
}
