package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"imago/pkg/account"
)

// superAdmin is Okta's name of the role.
const superAdmin = "SUPER_ADMIN"

// role is somebody who acts in the story.
type role struct{ login, ip string }

// Ada works from the office; Robin, that night, from an address that nobody knows.
// Addresses are those for documentation (RFC 5737).
var (
	ada   = role{"ada.moreno@acme-robotics.example", "198.51.100.20"}
	robin = role{"robin.vale@acme-robotics.example", "203.0.113.77"}
)

// Scene is a part of the story that is told at once. Whoever is stopped in the middle of
// one plays it again: what was done is left as it is.
type Scene struct {
	Name string
	role role
	play func(context.Context, *person) error
}

// Day is people at work: nothing that anybody should hear about.
func Day() []Scene {
	return []Scene{
		{"hire", ada, hire},
		{"captain", ada, join("Release Captains", "Engineering")},
		{"describe", ada, describe},
	}
}

// Night is what an administrator does whom somebody should have asked why.
func Night() []Scene {
	return []Scene{
		{"promote", robin, promote},
		{"weaken", robin, weaken},
		{"widen", robin, widen},
		{"switch off", robin, switchOff},
		{"delete", robin, deleteGroup("Finance")},
	}
}

// Play plays a scene in the org of a connection.
func (o *Orgs) Play(ctx context.Context, id account.ConnectionID, s Scene) error {
	if err := o.as(ctx, id, s.role, func(p *person) error { return s.play(ctx, p) }); err != nil {
		return fmt.Errorf("play %q: %w", s.Name, err)
	}
	return nil
}

// person is somebody at work in the admin console of one org.
type person struct {
	orgs          *Orgs
	host          string
	authorization string
}

// as lets somebody work in the org. Their token goes when they have done, so that the next
// snapshot does not tell of it.
func (o *Orgs) as(ctx context.Context, id account.ConnectionID, r role, work func(*person) error) error {
	var session struct{ Authorization string }
	err := o.ask(ctx, http.MethodPost, "/"+name(id)+"/sessions", map[string]any{"kind": "console", "login": r.login, "ip": r.ip}, &session)
	if err != nil {
		if r, ok := errors.AsType[*refusal](err); ok && strings.Contains(r.said, "there is no org") {
			return Away().Because(err)
		}
		return err
	}
	p := &person{o, Host(id), session.Authorization}
	return errors.Join(work(p), p.call(ctx, http.MethodDelete, "/api/v1/api-tokens/current", nil, nil))
}

// call is a call of Okta's API.
func (p *person) call(ctx context.Context, method, path string, body, into any) error {
	req, err := request(ctx, method, p.orgs.public.String()+path, body)
	if err != nil {
		return err
	}
	req.Host = p.host
	req.Header.Set("Authorization", p.authorization)
	return p.orgs.send(req, into)
}

// object is what the story needs to know of any object.
type object struct {
	ID, Name, Label, Status string
	Profile                 struct{ Name string }
}

// find finds the one object of a list that is meant.
func (p *person) find(ctx context.Context, list string, is func(object) bool) (object, error) {
	var all []object
	if err := p.call(ctx, http.MethodGet, list, nil, &all); err != nil {
		return object{}, err
	}
	for _, o := range all {
		if is(o) {
			return o, nil
		}
	}
	return object{}, fmt.Errorf("the demo org has nothing of what is meant at %s", list)
}

func (p *person) group(ctx context.Context, called string) (object, error) {
	return p.find(ctx, "/api/v1/groups?q="+url.QueryEscape(called), func(g object) bool { return g.Profile.Name == called })
}

// hire lets somebody begin in Finance: a group rule makes them a member.
func hire(ctx context.Context, p *person) error {
	const login = "noor.haddad@acme-robotics.example"
	var there []object
	err := p.call(ctx, http.MethodGet, "/api/v1/users?filter="+url.QueryEscape(`profile.login eq "`+login+`"`), nil, &there)
	if err != nil || len(there) > 0 {
		return err
	}
	return p.call(ctx, http.MethodPost, "/api/v1/users?activate=true", map[string]any{"profile": map[string]string{
		"login": login, "email": login, "firstName": "Noor", "lastName": "Haddad", "department": "Finance", "title": "Financial Analyst",
		"city": "Hamburg", "countryCode": "DE", "userType": "Employee",
	}}, nil)
}

// join lets the last member of one group into another.
func join(into, from string) func(context.Context, *person) error {
	return func(ctx context.Context, p *person) error {
		g, err := p.group(ctx, from)
		if err != nil {
			return err
		}
		var members []object
		if err := p.call(ctx, http.MethodGet, "/api/v1/groups/"+g.ID+"/users?limit=200", nil, &members); err != nil {
			return err
		}
		if len(members) == 0 {
			return fmt.Errorf("the demo org's group %s is empty", from)
		}
		if g, err = p.group(ctx, into); err != nil {
			return err
		}
		return p.call(ctx, http.MethodPut, "/api/v1/groups/"+g.ID+"/users/"+members[len(members)-1].ID, nil, nil)
	}
}

// describe writes down what a group is for.
func describe(ctx context.Context, p *person) error {
	g, err := p.group(ctx, "Okta Operators")
	if err != nil {
		return err
	}
	return p.call(ctx, http.MethodPut, "/api/v1/groups/"+g.ID, map[string]any{
		"profile": map[string]string{"name": g.Profile.Name, "description": "Run the identity platform; on call since this week"},
	}, nil)
}

// promote makes an outside consultant a super administrator.
func promote(ctx context.Context, p *person) error {
	g, err := p.group(ctx, "Contractors")
	if err != nil {
		return err
	}
	someone, err := p.find(ctx, "/api/v1/groups/"+g.ID+"/users?limit=1", func(object) bool { return true })
	if err != nil {
		return err
	}
	var roles []object
	if err := p.call(ctx, http.MethodGet, "/api/v1/users/"+someone.ID+"/roles", nil, &roles); err != nil || len(roles) > 0 {
		return err
	}
	return p.call(ctx, http.MethodPost, "/api/v1/users/"+someone.ID+"/roles", map[string]string{"type": superAdmin}, nil)
}

// edit reads an object whole, changes it, and puts it back.
func (p *person) edit(ctx context.Context, path string, change func(map[string]any)) error {
	var whole map[string]any
	if err := p.call(ctx, http.MethodGet, path, nil, &whole); err != nil {
		return err
	}
	change(whole)
	return p.call(ctx, http.MethodPut, path, whole, nil)
}

// weaken lets engineers in with one factor where two were needed.
func weaken(ctx context.Context, p *person) error {
	policy, err := p.find(ctx, "/api/v1/policies?type=ACCESS_POLICY", func(o object) bool { return o.Name == "Engineering apps" })
	if err != nil {
		return err
	}
	rules := "/api/v1/policies/" + policy.ID + "/rules"
	rule, err := p.find(ctx, rules, func(o object) bool { return o.Name == "Employees" })
	if err != nil {
		return err
	}
	return p.edit(ctx, rules+"/"+rule.ID, func(r map[string]any) {
		within(r, "actions", "appSignOn", "verificationMethod")["factorMode"] = "1FA"
	})
}

// within leads down to an object in an object, made where it is missing.
func within(o map[string]any, path ...string) map[string]any {
	for _, name := range path {
		inner, ok := o[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			o[name] = inner
		}
		o = inner
	}
	return o
}

// widen takes a whole foreign network for the headquarters.
func widen(ctx context.Context, p *person) error {
	zone, err := p.find(ctx, "/api/v1/zones?limit=200", func(o object) bool { return o.Name == "Headquarters" })
	if err != nil {
		return err
	}
	return p.edit(ctx, "/api/v1/zones/"+zone.ID, func(z map[string]any) {
		z["gateways"] = []map[string]string{{"type": "CIDR", "value": "198.51.100.0/24"}, {"type": "CIDR", "value": "203.0.113.64/26"}}
	})
}

// switchOff switches an app off.
func switchOff(ctx context.Context, p *person) error {
	app, err := p.find(ctx, "/api/v1/apps?limit=200", func(o object) bool { return o.Label == "Travel Desk" })
	if err != nil || app.Status == "INACTIVE" {
		return err
	}
	return p.call(ctx, http.MethodPost, "/api/v1/apps/"+app.ID+"/lifecycle/deactivate", nil, nil)
}

// deleteGroup deletes a group, and with it all that hangs on it.
func deleteGroup(called string) func(context.Context, *person) error {
	return func(ctx context.Context, p *person) error {
		var all []object
		if err := p.call(ctx, http.MethodGet, "/api/v1/groups?limit=1000", nil, &all); err != nil {
			return err
		}
		for _, g := range all {
			if g.Profile.Name == called {
				return p.call(ctx, http.MethodDelete, "/api/v1/groups/"+g.ID, nil, nil)
			}
		}
		return nil // it is gone
	}
}
