package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Simulation asks which policies and rules would decide on a sign-in.
type Simulation struct {
	App      *App
	Types    []string
	Groups   []string
	User     string
	Zones    []string
	Platform string
	Risk     string
}

// simulated are the types that can be asked for (documented).
var simulated = []string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT"}

// NewSimulation reads one element of a simulation's request; without types it asks for all.
func (o *Org) NewSimulation(body doc.Doc) (*Simulation, error) {
	id := doc.String(body, "appInstance")
	if id == "" {
		return nil, failure.Missing("appInstance")
	}
	a, err := o.App(id)
	if err != nil {
		return nil, err
	}
	context := doc.Object(body, "policyContext")
	s := &Simulation{
		App: a, Types: doc.Strings(body, "policyTypes"), Groups: slices.Clone(doc.Strings(context, "groups", "ids")),
		User: doc.String(context, "user", "id"), Zones: doc.Strings(context, "zones", "ids"),
		Platform: doc.String(context, "device", "platform"), Risk: doc.String(context, "risk", "level"),
	}
	if s.User != "" {
		u, err := o.User(s.User)
		if err != nil {
			return nil, err
		}
		s.User, s.Groups = u.ID, append(s.Groups, u.groups.list()...)
	}
	s.Groups = append(s.Groups, o.info.Everyone)
	if len(s.Types) == 0 {
		s.Types = simulated
	}
	for _, t := range s.Types {
		if !slices.Contains(simulated, t) {
			return nil, failure.Invalid("policyTypes", "policyTypes: '"+t+"' is not a valid policy type")
		}
	}
	return s, nil
}

// Simulate answers, for each type, the policy and rule that match; evaluated adds those
// that were passed over.
func (o *Org) Simulate(s *Simulation, evaluated bool) []any {
	var out []any
	for _, t := range s.Types {
		var matched, passed []any
		for _, p := range o.Policies(t) {
			entry, matches := o.judge(s, p)
			switch {
			case matches && len(matched) == 0:
				matched = append(matched, entry)
			case !matches:
				passed = append(passed, entry)
			}
		}
		e := doc.Doc{"policyType": doc.Array(t), "status": verdict(len(matched) > 0), "result": doc.Doc{"policies": orEmpty(matched)}}
		if evaluated {
			e["evaluated"] = doc.Doc{"policies": orEmpty(passed)}
			e["undefined"] = doc.Doc{"policies": []any{}}
		}
		out = append(out, e)
	}
	return out
}

// judge looks at one policy: it must be active and for the app or its groups, and the
// first rule that matches is shown.
func (o *Org) judge(s *Simulation, p *Policy) (doc.Doc, bool) {
	serves := true
	switch p.Type {
	case "ACCESS_POLICY":
		serves = s.App.AccessPolicy == p.ID
	case "PROFILE_ENROLLMENT":
		serves = s.App.ProfileEnrollment == p.ID
	}
	var rules []any
	matches := false
	if serves && p.Status == Active && s.meets(p.Conditions) {
		for _, r := range p.Rules {
			if r.Status == Active && s.meets(r.Conditions) {
				rules = append(rules, doc.Doc{"id": r.ID, "name": r.Name, "status": verdict(true), "conditions": []any{}})
				matches = true
				break
			}
		}
	}
	return doc.Doc{"id": p.ID, "name": p.Name, "status": verdict(matches), "conditions": []any{}, "rules": orEmpty(rules)}, matches
}

// meets says whether the simulated sign-in satisfies the conditions. What the simulation
// leaves open satisfies all.
func (s *Simulation) meets(c doc.Doc) bool {
	return s.among(c, "people", "groups", s.Groups...) && s.among(c, "people", "users", s.User) &&
		s.in(c) && s.on(doc.Object(c, "platform")) && s.risky(doc.String(c, "riskScore", "level"))
}

// among says whether one of the ids is included and none is excluded.
func (s *Simulation) among(c doc.Doc, of, list string, ids ...string) bool {
	has := func(side string) bool {
		return slices.ContainsFunc(doc.Strings(c, of, list, side), func(id string) bool { return slices.Contains(ids, id) })
	}
	return (len(doc.Strings(c, of, list, "include")) == 0 || has("include")) && !has("exclude")
}

func (s *Simulation) in(c doc.Doc) bool {
	if len(s.Zones) == 0 || doc.String(c, "network", "connection") != "ZONE" {
		return true
	}
	has := func(side string) bool {
		return slices.ContainsFunc(doc.Strings(c, "network", side), func(id string) bool {
			return id == "ALL_ZONES" || slices.Contains(s.Zones, id)
		})
	}
	return (len(doc.Strings(c, "network", "include")) == 0 || has("include")) && !has("exclude")
}

func (s *Simulation) on(platform doc.Doc) bool {
	include := values(platform["include"])
	if s.Platform == "" || len(include) == 0 {
		return true
	}
	return slices.ContainsFunc(include, func(e any) bool {
		entry, _ := e.(doc.Doc)
		system := doc.String(entry, "os", "type")
		return system == s.Platform || system == "ANY"
	})
}

func (s *Simulation) risky(level string) bool {
	return s.Risk == "" || level == "" || level == "ANY" || level == s.Risk
}

func verdict(matches bool) string {
	if matches {
		return "MATCH"
	}
	return "NOT_MATCH"
}

func orEmpty(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}
