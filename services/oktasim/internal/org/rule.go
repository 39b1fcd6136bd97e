package org

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/expression"
	"imago/services/oktasim/internal/failure"
)

// GroupRule puts users into groups by an expression.
type GroupRule struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Status      string  `json:"status"`
	Created     Stamp   `json:"created"`
	LastUpdated Stamp   `json:"lastUpdated"`
	Conditions  doc.Doc `json:"conditions"`
	Actions     doc.Doc `json:"actions"`

	condition *expression.Expression
}

// Party is the rule as target.
func (r *GroupRule) Party() Party {
	return Party{ID: r.ID, Type: "PolicyRule", AlternateID: "unknown", DisplayName: r.Name, DetailEntry: doc.Doc{"policyType": "group_rule"}}
}

// Targets are the ids of the groups that the rule fills.
func (r *GroupRule) Targets() []string {
	return doc.Strings(r.Actions, "assignUserToGroups", "groupIds")
}

func (r *GroupRule) names(groupID string) bool {
	return slices.Contains(r.Targets(), groupID) || slices.Contains(r.condition.Groups(), groupID) ||
		slices.Contains(doc.Strings(r.Conditions, "people", "groups", "exclude"), groupID)
}

// ruleStamps is the feature by which a rule shows its times outside lists, too.
const ruleStamps = "group_rule_stamps"

// GroupRuleLine is the rule's body in a list.
func (o *Org) GroupRuleLine(r *GroupRule, expand bool) any { return o.groupRuleBody(r, expand) }

// GroupRuleBody is the rule's body; expand adds the names of the groups it fills.
func (o *Org) GroupRuleBody(r *GroupRule, expand bool) any {
	body := o.groupRuleBody(r, expand)
	if !o.Licensed(ruleStamps) {
		delete(body, "created")
		delete(body, "lastUpdated")
	}
	return body
}

func (o *Org) groupRuleBody(r *GroupRule, expand bool) doc.Doc {
	body := doc.Doc{
		"type": "group_rule", "id": r.ID, "status": r.Status, "name": r.Name, "created": r.Created, "lastUpdated": r.LastUpdated,
		"conditions": r.Conditions, "actions": r.Actions, "allGroupsValid": r.Status != Invalid,
	}
	if expand {
		names := doc.Doc{}
		for _, id := range r.Targets() {
			if g := o.groups[id]; g != nil {
				names[id] = g.Name()
			}
		}
		body["_embedded"] = doc.Doc{"groupIdToGroupNameMap": names}
	}
	return body
}

// GroupRule finds a rule.
func (o *Org) GroupRule(id string) (*GroupRule, error) {
	if r := o.rules[id]; r != nil {
		return r, nil
	}
	return nil, failure.NotFound(id, "PolicyRule")
}

// GroupRulesAfter lists rule ids that follow the cursor.
func (o *Org) GroupRulesAfter(cursor string) iter.Seq[string] { return o.ruleOrder.after(cursor) }

// CreateGroupRule makes an INACTIVE rule.
func (o *Org) CreateGroupRule(by *Cause, body doc.Doc) (*GroupRule, error) {
	r := &GroupRule{Status: Inactive}
	if err := o.fillRule(r, body); err != nil {
		return nil, err
	}
	r.ID, r.Created = o.ids.ID("0pr"), o.stamp()
	r.LastUpdated = r.Created
	o.rules[r.ID] = r
	o.ruleOrder.add(r.ID)
	o.Note(by, "policy.rule.add", nil, r.Party())
	return r, nil
}

// UpdateGroupRule replaces a rule, which must be INACTIVE and keeps its actions.
func (o *Org) UpdateGroupRule(by *Cause, r *GroupRule, body doc.Doc) error {
	if r.Status != Inactive {
		return failure.Invalid("updateRule", "Cannot update a Group Rule with the status "+r.Status+".")
	}
	next := &GroupRule{}
	if err := o.fillRuleOver(next, r, body); err != nil {
		return err
	}
	if !slices.Equal(next.Targets(), r.Targets()) {
		return failure.Invalid("updateRule", "actions: The actions of a group rule cannot be changed")
	}
	r.Name, r.Conditions, r.condition, r.LastUpdated = next.Name, next.Conditions, next.condition, o.stamp()
	o.Note(by, "policy.rule.update", nil, r.Party())
	return nil
}

func (o *Org) fillRule(r *GroupRule, body doc.Doc) error { return o.fillRuleOver(r, nil, body) }

// fillRuleOver checks a body and takes it over; old is the rule it replaces.
func (o *Org) fillRuleOver(r, old *GroupRule, body doc.Doc) error {
	name := doc.String(body, "name")
	switch {
	case name == "":
		return failure.Missing("name")
	case utf8.RuneCountInString(name) > 50:
		return failure.Invalid("name", "name: The field must be between 1 and 50 characters")
	}
	for _, other := range o.rules {
		if other != old && strings.EqualFold(other.Name, name) {
			return failure.Taken("name")
		}
	}
	source := doc.String(body, "conditions", "expression", "value")
	condition, err := expression.Parse(source)
	if err != nil {
		return failure.Invalid("validateRule", "Invalid expression syntax "+source, "conditions: Invalid expression")
	}
	targets := doc.Strings(body, "actions", "assignUserToGroups", "groupIds")
	if len(targets) == 0 {
		return failure.Invalid("validateRule", "actions: At least one group is required")
	}
	if len(targets) > ruleLimit || len(doc.Strings(body, "conditions", "people", "users", "exclude")) > ruleLimit {
		return failure.Invalid("validateRule", "A rule fills 100 groups and excludes 100 users at most")
	}
	for _, id := range targets {
		if g := o.groups[id]; g == nil || g.Type != OktaGroup {
			return failure.Invalid("validateRule", "actions: Invalid group "+id)
		}
	}
	r.Name, r.condition = name, condition
	r.Conditions = ruleConditions(body, source)
	r.Actions = doc.Doc{"assignUserToGroups": doc.Doc{"groupIds": doc.Array(targets...)}}
	return nil
}

// ruleLimit is how many groups a rule may fill, and how many users it may exclude
// (documented; the words of the refusal are an assumption).
const ruleLimit = 100

func ruleConditions(body doc.Doc, source string) doc.Doc {
	exclude := func(kind string) doc.Doc {
		return doc.Doc{"exclude": doc.Array(doc.Strings(body, "conditions", "people", kind, "exclude")...)}
	}
	return doc.Doc{
		"people":     doc.Doc{"users": exclude("users"), "groups": exclude("groups")},
		"expression": doc.Doc{"value": source, "type": "urn:okta:expression:1.0"},
	}
}

// ActivateGroupRule lets the rule run over every user.
func (o *Org) ActivateGroupRule(by *Cause, r *GroupRule) error {
	if err := r.switchable(); err != nil {
		return err
	}
	if r.Status == Active {
		return nil
	}
	r.Status, r.LastUpdated = Active, o.stamp()
	o.Note(by, "policy.rule.activate", nil, r.Party())
	o.Note(o.system(by), "group.user_membership.rule.trigger", nil, r.Party())
	now := o.stamp()
	for id := range o.userOrder.all() {
		// The other rules have been followed already, unless this one changes something.
		if u := o.users[id]; o.followRule(by, r, u, now) {
			o.follow(by, u)
		}
	}
	return nil
}

// DeactivateGroupRule stops the rule; its members stay.
func (o *Org) DeactivateGroupRule(by *Cause, r *GroupRule) error {
	if err := r.switchable(); err != nil {
		return err
	}
	if r.Status == Inactive {
		return nil
	}
	r.Status, r.LastUpdated = Inactive, o.stamp()
	o.Note(by, "policy.rule.deactivate", nil, r.Party())
	o.Note(by, "group.user_membership.rule.deactivated", nil, r.Party())
	return nil
}

func (r *GroupRule) switchable() error {
	if r.Status == Invalid {
		return failure.Invalid("updateRuleStatus", "Cannot activate or deactivate a Group Rule with the status INVALID.")
	}
	return nil
}

// DeleteGroupRule removes a rule that is not ACTIVE; removeUsers also takes out the
// members that only it put there.
func (o *Org) DeleteGroupRule(by *Cause, r *GroupRule, removeUsers bool) error {
	if r.Status == Active {
		return failure.Invalid("deleteRule", "Cannot delete a Group Rule with the status ACTIVE.")
	}
	delete(o.rules, r.ID)
	o.ruleOrder.remove(r.ID)
	o.Note(by, "policy.rule.delete", nil, r.Party())
	now := o.stamp()
	for _, gid := range r.Targets() {
		g := o.groups[gid]
		if g == nil {
			continue
		}
		for _, uid := range g.order.list() {
			o.release(by, g, o.users[uid], r.ID, !removeUsers, now)
		}
	}
	return nil
}

// release takes the rule off a membership, which ends with its last reason unless kept.
func (o *Org) release(by *Cause, g *Group, u *User, ruleID string, keep bool, now Stamp) {
	m := g.byUser[u.ID]
	if m == nil || !slices.Contains(m.Rules, ruleID) {
		return
	}
	m.Rules = slices.DeleteFunc(m.Rules, func(id string) bool { return id == ruleID })
	if keep {
		m.Manual = true
	}
	if !m.Manual && len(m.Rules) == 0 {
		o.leave(o.system(by), g, u, now)
	}
}

// invalidateRules marks every rule that named the deleted group. For a rule that fills
// the group this is recorded; for one that only names it in its expression or
// exclusions it is an assumption.
func (o *Org) invalidateRules(by *Cause, groupID string, now Stamp) {
	for id := range o.ruleOrder.all() {
		r := o.rules[id]
		if r.Status == Invalid || !r.names(groupID) {
			continue
		}
		r.Status, r.LastUpdated = Invalid, now
		o.Note(o.system(by), "group.user_membership.rule.invalidate", nil, r.Party())
	}
}

// follow brings the user's memberships in line with the active rules. Okta does this
// shortly after a change; the simulator at once. A membership may satisfy another
// rule, hence the rounds.
func (o *Org) follow(by *Cause, u *User) {
	if len(o.rules) == 0 || o.users[u.ID] == nil {
		return
	}
	for range len(o.rules) + 1 {
		if !o.followOnce(by, u) {
			return
		}
	}
}

func (o *Org) followOnce(by *Cause, u *User) (changed bool) {
	now := o.stamp()
	for id := range o.ruleOrder.all() {
		if r := o.rules[id]; r.Status == Active && o.followRule(by, r, u, now) {
			changed = true
		}
	}
	return changed
}

// followRule brings the user's memberships in line with one rule.
func (o *Org) followRule(by *Cause, r *GroupRule, u *User, now Stamp) (changed bool) {
	matches := u.Status != Deprovisioned && r.applies(o, u)
	for _, gid := range r.Targets() {
		if o.applyRule(by, r, o.groups[gid], u, matches, now) {
			changed = true
		}
	}
	return changed
}

func (r *GroupRule) applies(o *Org, u *User) bool {
	if slices.Contains(doc.Strings(r.Conditions, "people", "users", "exclude"), u.ID) {
		return false
	}
	if slices.ContainsFunc(doc.Strings(r.Conditions, "people", "groups", "exclude"), u.groups.has) {
		return false
	}
	return r.condition.Eval(subject{o, u})
}

// applyRule adds or takes off the rule as a reason of the membership. A deactivated
// user stays in (documented).
func (o *Org) applyRule(by *Cause, r *GroupRule, g *Group, u *User, matches bool, now Stamp) bool {
	if g == nil {
		return false
	}
	m := g.byUser[u.ID]
	has := m != nil && slices.Contains(m.Rules, r.ID)
	if matches == has || !matches && u.Status == Deprovisioned {
		return false
	}
	if !matches {
		o.release(by, g, u, r.ID, false, now)
		return true
	}
	isNew := m == nil
	m = o.membership(g, u, now)
	m.Rules = append(m.Rules, r.ID)
	if isNew {
		o.Note(o.system(by), "group.user_membership.add", nil, u.Party(), g.Party())
		o.appsGained(by, g, u)
	}
	return true
}

// subject shows a user to an expression.
type subject struct {
	org  *Org
	user *User
}

func (s subject) Attribute(name string) any { return s.user.Profile[name] }
func (s subject) InGroup(id string) bool    { return s.user.groups.has(id) }
func (s subject) GroupNames() []string {
	names := make([]string, 0, s.user.groups.size)
	for id := range s.user.groups.all() {
		names = append(names, s.org.groups[id].Name())
	}
	return names
}
