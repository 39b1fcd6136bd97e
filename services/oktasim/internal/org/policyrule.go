package org

import (
	"cmp"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Rule finds a rule of the policy.
func (p *Policy) Rule(id string) (*Rule, error) {
	for _, r := range p.Rules {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, failure.NotFound(id, "PolicyRule")
}

// CreateRule makes a rule of a policy.
func (o *Org) CreateRule(by *Cause, p *Policy, body doc.Doc, activate bool) (*Rule, error) {
	r := &Rule{Status: Active}
	if !activate {
		r.Status = Inactive
	}
	if err := o.fillPolicyRule(p, r, body); err != nil {
		return nil, err
	}
	prefix := "0pr"
	if kinds[p.Type].oie {
		prefix = "rul"
	}
	r.ID, r.Created = o.ids.ID(prefix), o.stamp()
	r.LastUpdated = r.Created
	wanted, given := doc.Int(body, "priority")
	p.placeRule(o, r, wanted, given)
	o.Note(by, "policy.rule.add", nil, r.Party(p), p.Party())
	return r, nil
}

func (o *Org) fillPolicyRule(p *Policy, r *Rule, body doc.Doc) error {
	name := doc.String(body, "name")
	if name == "" {
		return failure.Missing("name")
	}
	want := kinds[p.Type].ruleType
	if t := doc.String(body, "type"); t != "" && t != want {
		return failure.Invalid("type", "type: A rule of this policy must be of the type "+want)
	}
	for _, other := range p.Rules {
		if other != r && strings.EqualFold(other.Name, name) {
			return failure.Taken("name")
		}
	}
	conditions := doc.Object(body, "conditions")
	if err := o.checkRefs(conditions); err != nil {
		return err
	}
	actions := doc.Object(body, "actions")
	if actions == nil {
		return failure.Missing("actions")
	}
	r.Name = name
	r.Conditions = doc.Clone(o.fillConditions(want, conditions))
	r.Actions = o.fillActions(want, actions)
	return nil
}

// rank puts r at the wanted place and returns the rules that made room. Classic-style
// rules are numbered without gaps; the rules of app sign-in policies keep the number that
// they ask for, and others make room (both recorded). The system rule stays last.
func (p *Policy) rank(r *Rule, wanted int, given bool) []*Rule {
	others := slices.DeleteFunc(slices.Clone(p.Rules), func(x *Rule) bool { return x == r || x.System })
	system := slices.DeleteFunc(slices.Clone(p.Rules), func(x *Rule) bool { return !x.System })
	if !given {
		wanted = 1
		if len(others) > 0 {
			wanted = others[len(others)-1].Priority + 1
		}
	}
	r.Priority = wanted
	i := slices.IndexFunc(others, func(x *Rule) bool { return x.Priority >= wanted })
	if i < 0 {
		i = len(others)
	}
	order := slices.Insert(others, i, r)
	var moved []*Rule
	if kinds[p.Type].oie {
		moved = spread(order[i:])
	} else {
		number(order)
		number1(system, len(order)+1)
	}
	p.Rules = append(order, system...)
	return moved
}

// placeRule gives the rule a place; those that make room are changed, too (recorded).
func (p *Policy) placeRule(o *Org, r *Rule, wanted int, given bool) {
	for _, other := range p.rank(r, wanted, given) {
		other.LastUpdated = o.stamp()
	}
}

// spread lets rules give way to the one before them, and returns those that did.
func spread(rules []*Rule) []*Rule {
	j := 1
	for ; j < len(rules) && rules[j].Priority <= rules[j-1].Priority; j++ {
		rules[j].Priority = rules[j-1].Priority + 1
	}
	return rules[1:j]
}

// reorder gives a changed rule its place. In the newer types the place that it leaves
// counts as taken while it looks for another, even for the same one, and a rule that asks
// for none goes to the end (recorded).
func (p *Policy) reorder(o *Org, r *Rule, body doc.Doc) {
	wanted, given := doc.Int(body, "priority")
	switch {
	case r.System:
	case !kinds[p.Type].oie:
		if given && wanted != r.Priority {
			p.placeRule(o, r, wanted, true)
		}
	case given || kinds[p.Type].single:
		left := &Rule{Priority: r.Priority}
		if !given {
			wanted = left.Priority + 1
		}
		p.Rules[slices.Index(p.Rules, r)] = left
		p.placeRule(o, r, wanted, true)
		p.Rules = without(p.Rules, left)
	}
}

func number(rules []*Rule) { number1(rules, 1) }

func number1(rules []*Rule, from int) {
	for j, r := range rules {
		r.Priority = from + j
	}
}

// UpdateRule replaces a rule's body.
func (o *Org) UpdateRule(by *Cause, p *Policy, r *Rule, body doc.Doc) error {
	if r.System {
		body = doc.Merge(body, doc.Doc{"name": r.Name})
		body["conditions"] = doc.Clone(r.Conditions)
	}
	next := &Rule{}
	*next = *r
	if err := o.fillPolicyRule(&Policy{Type: p.Type, Rules: without(p.Rules, r)}, next, body); err != nil {
		return err
	}
	if r.System && r.Conditions == nil {
		next.Conditions = nil
	}
	r.Name, r.Conditions, r.Actions = next.Name, next.Conditions, next.Actions
	p.reorder(o, r, body)
	r.LastUpdated = o.stamp()
	o.Note(by, "policy.rule.update", nil, r.Party(p), p.Party())
	return nil
}

func without(rules []*Rule, r *Rule) []*Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(x *Rule) bool { return x == r })
}

// SwitchRule activates or deactivates a rule.
func (o *Org) SwitchRule(by *Cause, p *Policy, r *Rule, active bool) error {
	if r.System {
		return failure.Invalid("rule", "A system rule cannot be activated or deactivated")
	}
	status, event := Inactive, "deactivate"
	if active {
		status, event = Active, "activate"
	}
	if r.Status == status {
		return nil
	}
	r.Status, r.LastUpdated = status, o.stamp()
	o.Note(by, "policy.rule."+event, nil, r.Party(p), p.Party())
	return nil
}

// DeleteRule removes a rule.
func (o *Org) DeleteRule(by *Cause, p *Policy, r *Rule) error {
	if r.System {
		return failure.Invalid("rule", "A system rule cannot be deleted")
	}
	p.Rules = without(p.Rules, r)
	if !kinds[p.Type].oie {
		slices.SortStableFunc(p.Rules, func(a, b *Rule) int { return cmp.Compare(a.Priority, b.Priority) })
		number(p.Rules)
	}
	o.Note(by, "policy.rule.delete", nil, r.Party(p), p.Party())
	return nil
}
