package org

import "imago/services/oktasim/internal/doc"

// ClonePolicy makes a policy with the conditions, settings and rules of another one. It is
// not documented for which types Okta does so; that it bears "[cloned]" before its name is
// an assumption.
func (o *Org) ClonePolicy(by *Cause, p *Policy) (*Policy, error) {
	body := doc.Doc{"type": p.Type, "name": "[cloned] " + p.Name, "description": p.Description}
	if p.Conditions != nil {
		body["conditions"] = doc.Clone(p.Conditions)
	}
	if p.Settings != nil {
		body["settings"] = doc.Clone(p.Settings)
	}
	twin, err := o.CreatePolicy(by, body, p.Status == Active)
	if err != nil {
		return nil, err
	}
	for _, r := range p.Rules {
		if r.System {
			continue
		}
		rule := doc.Doc{"name": r.Name, "conditions": doc.Clone(r.Conditions), "actions": doc.Clone(r.Actions)}
		if _, err := o.CreateRule(by, twin, rule, r.Status == Active); err != nil {
			return nil, err
		}
	}
	return twin, nil
}
