package org

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Policy is one policy with its rules.
type Policy struct {
	ID           string  `json:"id"`
	Type         string  `json:"type"`
	Name         string  `json:"name"`
	Description  string  `json:"description,omitempty"`
	Priority     int     `json:"priority"`
	Status       string  `json:"status"`
	System       bool    `json:"system,omitempty"`
	Created      Stamp   `json:"created"`
	LastUpdated  Stamp   `json:"lastUpdated"`
	Conditions   doc.Doc `json:"conditions"`
	Settings     doc.Doc `json:"settings,omitempty"`
	ResourceType string  `json:"resourceType,omitempty"`
	Rules        []*Rule `json:"rules"`
}

// Rule is one rule of a policy.
type Rule struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Priority    int     `json:"priority"`
	Status      string  `json:"status"`
	System      bool    `json:"system,omitempty"`
	Created     Stamp   `json:"created"`
	LastUpdated Stamp   `json:"lastUpdated"`
	Conditions  doc.Doc `json:"conditions"`
	Actions     doc.Doc `json:"actions"`
}

// kind is what sets a policy type apart.
type kind struct {
	prefix   string
	ruleType string
	// ranked policies have unique priorities and group conditions.
	ranked bool
	// single means that Okta has the one policy and no others (recorded).
	single bool
	// oie means that Classic orgs do not have the type.
	oie bool
}

var kinds = map[string]kind{
	"OKTA_SIGN_ON":       {prefix: "00p", ruleType: "SIGN_ON", ranked: true},
	"PASSWORD":           {prefix: "00p", ruleType: "PASSWORD", ranked: true},
	"MFA_ENROLL":         {prefix: "00p", ruleType: "MFA_ENROLL", ranked: true},
	"IDP_DISCOVERY":      {prefix: "00p", ruleType: "IDP_DISCOVERY", single: true},
	"ACCESS_POLICY":      {prefix: "rst", ruleType: "ACCESS_POLICY", oie: true},
	"PROFILE_ENROLLMENT": {prefix: "rst", ruleType: "PROFILE_ENROLLMENT", oie: true},
	"POST_AUTH_SESSION":  {prefix: "rst", ruleType: "POST_AUTH_SESSION", single: true, oie: true},
	// Documented: the rest.
	"ENTITY_RISK":                 {prefix: "rst", ruleType: "ENTITY_RISK", single: true, oie: true},
	"SESSION_VIOLATION_DETECTION": {prefix: "rst", ruleType: "SESSION_VIOLATION_DETECTION", single: true, oie: true},
	"DEVICE_SIGNAL_COLLECTION":    {prefix: "rst", ruleType: "DEVICE_SIGNAL_COLLECTION", oie: true},
	"CLIENT_UPDATE":               {prefix: "rst", ruleType: "CLIENT_UPDATE", single: true, oie: true},
}

// forAccounts is the resource type of the policy for people's own account pages, which
// can be read and no more (recorded).
const forAccounts = "END_USER_ACCOUNT_MANAGEMENT"

// Features that show in policies.
const (
	policyMappings = "policy_mappings"
	resourceTypes  = "policy_resource_types"
	riskScoring    = "risk_scoring"
)

// Party is the policy as target.
func (p *Policy) Party() Party {
	return Party{ID: p.ID, Type: "PolicyEntity", AlternateID: "unknown", DisplayName: p.Name, DetailEntry: doc.Doc{"policyType": logPolicyType(p.Type)}}
}

// logPolicyType is the policy's type as the log spells it: OktaSignOn.
func logPolicyType(t string) string {
	var b strings.Builder
	for _, w := range strings.Split(strings.ToLower(t), "_") {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// Party is the rule as target.
func (r *Rule) Party(p *Policy) Party {
	return Party{ID: r.ID, Type: "PolicyRule", AlternateID: "unknown", DisplayName: r.Name, DetailEntry: doc.Doc{"policyType": logPolicyType(p.Type)}}
}

// Policy finds a policy.
func (o *Org) Policy(id string) (*Policy, error) {
	if p := o.policies[id]; p != nil {
		return p, nil
	}
	// Okta's class is another one for the ids of the older types (recorded).
	class := "RuleSetEntity"
	if strings.HasPrefix(id, "00p") {
		class = "Policy"
	}
	return nil, failure.NotFound(id, class)
}

// PolicyType checks a type parameter against the org's engine.
func (o *Org) PolicyType(t string) error {
	k, ok := kinds[t]
	if !ok || k.oie && !o.IsOIE() {
		return failure.Invalid("type", "type: '"+t+"' is not a valid policy type")
	}
	return nil
}

// Policies lists the policies of a type by priority.
func (o *Org) Policies(t string) []*Policy {
	var out []*Policy
	for _, id := range sortedKeys(o.policies) {
		if p := o.policies[id]; p.Type == t {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b *Policy) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (o *Org) systemPolicy(t string) string {
	for _, p := range o.Policies(t) {
		if p.System {
			return p.ID
		}
	}
	return ""
}

// PolicyInList is the policy's body as lists show it: with the type of what it is for.
func (o *Org) PolicyInList(p *Policy, expand bool) any {
	b := o.PolicyBody(p, expand)
	if p.ResourceType != "" && o.Licensed(resourceTypes) {
		doc.Ensure(b, "_embedded")["resourceType"] = p.ResourceType
	}
	return b
}

// PolicyBody is the policy's body; expand adds its rules.
func (o *Org) PolicyBody(p *Policy, expand bool) doc.Doc {
	b := doc.Doc{
		"id": p.ID, "status": p.Status, "name": p.Name, "priority": p.Priority, "system": p.System,
		"conditions": p.Conditions, "created": p.Created, "lastUpdated": p.LastUpdated, "type": p.Type, "_links": o.policyLinks(p),
	}
	if p.Conditions == nil {
		b["conditions"] = nil
	}
	if p.Description != "" {
		b["description"] = p.Description
	}
	if p.Settings != nil {
		b["settings"] = o.shownSettings(p)
	}
	if expand {
		rules := make([]any, len(p.Rules))
		for i, r := range p.Rules {
			rules[i] = o.RuleBody(p, r)
		}
		b["_embedded"] = doc.Doc{"rules": rules}
	}
	return b
}

func allow(href string, methods ...string) doc.Doc {
	return doc.Doc{"href": href, "hints": doc.Doc{"allow": doc.Array(methods...)}}
}

func (o *Org) policyLinks(p *Policy) doc.Doc {
	self := o.base + "/api/v1/policies/" + p.ID
	l := doc.Doc{"rules": allow(self+"/rules", "GET", "POST")}
	switch {
	case p.ResourceType == forAccounts:
		l["self"] = allow(self, "GET")
		return l
	case p.System:
		l["self"] = allow(self, "GET", "PUT")
		return l
	}
	l["self"] = allow(self, "GET", "PUT", "DELETE")
	if o.Licensed(policyMappings) {
		l["mappings"] = allow(self+"/mappings", "GET", "POST")
	}
	switchLink(l, self, p.Status)
	return l
}

func switchLink(l doc.Doc, self, status string) {
	if status == Active {
		l["deactivate"] = allow(self+"/lifecycle/deactivate", "POST")
		return
	}
	l["activate"] = allow(self+"/lifecycle/activate", "POST")
}

// timesSince is when the rules of older policy types began to remember their making.
const timesSince = "2024-01-01T00:00:00.000Z"

// RuleBody is the body of a policy's rule. Until the end of 2023 rules of the types that
// Classic has, too, showed when they were made only in the answer to that, and when they
// were changed only in the answers to changes (recorded).
func (o *Org) RuleBody(p *Policy, r *Rule) doc.Doc {
	b := o.ChangedRuleBody(p, r)
	if o.forgetsTimes(p, r) {
		b["lastUpdated"] = nil
	}
	return b
}

// ChangedRuleBody is the answer to a rule's change.
func (o *Org) ChangedRuleBody(p *Policy, r *Rule) doc.Doc {
	b := o.NewRuleBody(p, r)
	if o.forgetsTimes(p, r) {
		b["created"] = nil
	}
	return b
}

func (o *Org) forgetsTimes(p *Policy, r *Rule) bool {
	return !kinds[p.Type].oie && !r.System && o.stamp().String() < timesSince
}

// NewRuleBody is the answer to a rule's creation.
func (o *Org) NewRuleBody(p *Policy, r *Rule) doc.Doc {
	self := o.base + "/api/v1/policies/" + p.ID + "/rules/" + r.ID
	l := doc.Doc{"self": allow(self, "GET", "PUT")}
	if !r.System {
		l["self"] = allow(self, "GET", "PUT", "DELETE")
		switchLink(l, self, r.Status)
	}
	b := doc.Doc{
		"id": r.ID, "status": r.Status, "name": r.Name, "priority": r.Priority, "created": r.Created, "lastUpdated": r.LastUpdated,
		"system": r.System, "conditions": nil, "actions": r.Actions, "type": kinds[p.Type].ruleType, "_links": l,
	}
	if r.Conditions != nil {
		b["conditions"] = r.Conditions
	}
	return b
}

// CreatePolicy makes a policy; an app sign-in policy gets its catch-all rule.
func (o *Org) CreatePolicy(by *Cause, body doc.Doc, activate bool) (*Policy, error) {
	t := doc.String(body, "type")
	if t == "" {
		return nil, failure.Missing("type")
	}
	if err := o.PolicyType(t); err != nil {
		return nil, err
	}
	k := kinds[t]
	if k.single {
		return nil, failure.Invalid("type", "type: A policy of the type "+t+" cannot be created")
	}
	// The status of the body counts for nothing (recorded).
	p := &Policy{Type: t, Status: Active}
	if !activate {
		p.Status = Inactive
	}
	if err := o.fillPolicy(p, body); err != nil {
		return nil, err
	}
	p.ID, p.Created = o.ids.ID(k.prefix), o.stamp()
	p.LastUpdated = p.Created
	wanted, given := doc.Int(body, "priority")
	o.policies[p.ID] = p
	p.Priority = 1
	if k.ranked {
		o.rank(p, wanted, given)
	}
	if t == "ACCESS_POLICY" {
		p.ResourceType = "APP"
	}
	p.Rules = o.firstRules(t)
	o.Note(by, "policy.lifecycle.create", nil, p.Party())
	o.seedAnchor("policy", p.ID)
	return p, nil
}

// firstRules are the rules that a new policy has (recorded).
func (o *Org) firstRules(t string) []*Rule {
	var actions doc.Doc
	switch t {
	case "ACCESS_POLICY":
		actions = doc.Merge(catchAll(), doc.Doc{"appSignOn": doc.Doc{"verificationMethod": doc.Doc{
			"constraints": []any{doc.Doc{"possession": doc.Doc{"required": true, "deviceBound": "REQUIRED"}}},
		}}})
	case "PROFILE_ENROLLMENT":
		actions = doc.Doc{"profileEnrollment": doc.Doc{
			"access": "ALLOW", "preRegistrationInlineHooks": nil, "targetGroupIds": nil, "unknownUserAction": "REGISTER",
			"profileAttributes":      []any{doc.Doc{"name": "email", "label": "Primary email", "required": true}},
			"activationRequirements": doc.Doc{"emailVerification": true}, "progressiveProfilingAction": "ENABLED",
		}}
	default:
		return nil
	}
	return []*Rule{o.systemRule("Catch-all Rule", 99, "rul", nil, actions)}
}

func (o *Org) fillPolicy(p *Policy, body doc.Doc) error {
	name := doc.String(body, "name")
	if name == "" {
		return failure.Missing("name")
	}
	for _, other := range o.policies {
		if other != p && other.Type == p.Type && strings.EqualFold(other.Name, name) {
			return failure.Taken("name")
		}
	}
	conditions := doc.Clone(doc.Object(body, "conditions"))
	if err := o.checkRefs(conditions); err != nil {
		return err
	}
	if kinds[p.Type].ranked {
		conditions = o.withEveryone(conditions)
	}
	p.Name, p.Description, p.Conditions = name, doc.String(body, "description"), conditions
	if p.Type == "PASSWORD" {
		doc.Default(doc.Ensure(conditions, "authProvider"), "provider", "OKTA")
	}
	o.fillSettings(p, doc.Object(body, "settings"))
	if len(p.Settings) == 0 {
		p.Settings = nil
	}
	return nil
}

// withEveryone adds the Everyone group where a ranked policy names no group (documented).
func (o *Org) withEveryone(conditions doc.Doc) doc.Doc {
	if conditions == nil {
		conditions = doc.Doc{}
	}
	groups := doc.Ensure(conditions, "people", "groups")
	if len(doc.Strings(groups, "include")) == 0 {
		groups["include"] = doc.Array(o.info.Everyone)
	}
	return conditions
}

// checkRefs refuses conditions that name groups, users or zones which do not exist.
func (o *Org) checkRefs(conditions doc.Doc) error {
	refs := []struct {
		path  []string
		known func(string) bool
	}{
		{[]string{"people", "groups"}, func(id string) bool { return o.groups[id] != nil }},
		{[]string{"people", "users"}, func(id string) bool { return o.users[id] != nil }},
		{[]string{"network"}, o.knownZone},
	}
	for _, r := range refs {
		for _, list := range []string{"include", "exclude"} {
			for _, id := range doc.Strings(conditions, append(slices.Clone(r.path), list)...) {
				if !r.known(id) {
					path := "conditions." + strings.Join(r.path, ".") + "." + list
					return failure.Invalid(path, path+": Invalid value "+id)
				}
			}
		}
	}
	return nil
}

func (o *Org) knownZone(id string) bool {
	return id == "ALL_ZONES" || o.has("zones", id)
}

// rank puts p at the wanted place among the policies of its type, the last before the
// default policy if none is given, and numbers them anew.
func (o *Org) rank(p *Policy, wanted int, given bool) {
	others := slices.DeleteFunc(o.Policies(p.Type), func(x *Policy) bool { return x == p || x.System })
	i := len(others)
	if given {
		i = min(max(wanted-1, 0), i)
	}
	order := slices.Insert(others, i, p)
	o.renumber(order, p.Type)
}

func (o *Org) renumber(order []*Policy, t string) {
	for i, x := range order {
		x.Priority = i + 1
	}
	if id := o.systemPolicy(t); id != "" {
		o.policies[id].Priority = len(order) + 1
	}
}

// UpdatePolicy replaces a policy's body.
func (o *Org) UpdatePolicy(by *Cause, p *Policy, body doc.Doc) error {
	if t := doc.String(body, "type"); t != "" && t != p.Type {
		return failure.Invalid("type", "type: The policy type cannot be changed")
	}
	if p.System {
		body = doc.Merge(body, doc.Doc{"name": p.Name})
		if p.Conditions != nil {
			body["conditions"] = doc.Clone(p.Conditions)
		}
	}
	before := o.policyChange(p)
	if err := o.fillPolicy(p, body); err != nil {
		return err
	}
	if wanted, given := doc.Int(body, "priority"); given && kinds[p.Type].ranked && !p.System {
		o.rank(p, wanted, true)
	}
	p.LastUpdated = o.stamp()
	party := p.Party()
	party.ChangeDetails = changeDetails(before, o.policyChange(p))
	o.Note(by, "policy.lifecycle.update", nil, party)
	return nil
}

func (o *Org) policyChange(p *Policy) doc.Doc {
	return doc.Clone(doc.Doc{
		"name": p.Name, "description": p.Description, "priority": p.Priority, "status": p.Status,
		"conditions": p.Conditions, "settings": p.Settings,
	})
}

// SwitchPolicy activates or deactivates a policy.
func (o *Org) SwitchPolicy(by *Cause, p *Policy, active bool) error {
	if p.System {
		return failure.Invalid("policy", "A system policy cannot be activated or deactivated")
	}
	status, event := Inactive, "deactivate"
	if active {
		status, event = Active, "activate"
	}
	if p.Status == status {
		return nil
	}
	p.Status, p.LastUpdated = status, o.stamp()
	o.Note(by, "policy.lifecycle."+event, nil, p.Party())
	return nil
}

// DeletePolicy removes a policy. Apps that it served fall back to the org's default
// (assumption; terraform moves them before it deletes).
func (o *Org) DeletePolicy(by *Cause, p *Policy) error {
	if p.System {
		return failure.Invalid("policy", "A system policy cannot be deleted")
	}
	delete(o.policies, p.ID)
	o.gone(by, "policy", p.ID)
	for _, a := range o.apps {
		if a.AccessPolicy == p.ID {
			a.AccessPolicy = o.systemPolicy("ACCESS_POLICY")
		}
		if a.ProfileEnrollment == p.ID {
			a.ProfileEnrollment = o.systemPolicy("PROFILE_ENROLLMENT")
		}
	}
	if kinds[p.Type].ranked {
		o.renumber(slices.DeleteFunc(o.Policies(p.Type), func(x *Policy) bool { return x.System }), p.Type)
	}
	o.Note(by, "policy.lifecycle.delete", nil, p.Party())
	return nil
}

// PolicyApps lists the apps that the policy serves.
func (o *Org) PolicyApps(p *Policy) []*App {
	var out []*App
	for id := range o.appOrder.all() {
		if a := o.apps[id]; a.AccessPolicy == p.ID || a.ProfileEnrollment == p.ID {
			out = append(out, a)
		}
	}
	return out
}

// MappingBody is the mapping of an app to a policy.
func (o *Org) MappingBody(p *Policy, a *App) any {
	id := mappingID(p, a)
	return doc.Doc{"id": id, "_links": doc.Doc{
		"application": doc.Doc{"href": o.base + "/api/v1/apps/" + a.ID},
		"policy":      doc.Doc{"href": o.base + "/api/v1/policies/" + p.ID},
		"self":        allow(o.base+"/api/v1/policies/"+p.ID+"/mappings/"+id, "GET", "DELETE"),
	}}
}

// PolicyAppBody is an app in the list of those that the policy serves: it names its
// mapping (recorded).
func (o *Org) PolicyAppBody(p *Policy, a *App) doc.Doc {
	b := o.AppBody(a)
	doc.Ensure(b, "_links")["policyMapping"] = doc.Doc{"href": o.base + "/api/v1/policies/" + p.ID + "/mappings/" + mappingID(p, a)}
	return b
}

// mappingID is the same for the same app and policy as long as they are together.
func mappingID(p *Policy, a *App) string {
	sum := sha256.Sum256([]byte(p.ID + a.ID))
	return "rsm" + hex.EncodeToString(sum[:])[:17]
}

// PolicyMapping finds the app behind a mapping id.
func (o *Org) PolicyMapping(p *Policy, id string) (*App, error) {
	for _, a := range o.PolicyApps(p) {
		if mappingID(p, a) == id {
			return a, nil
		}
	}
	return nil, failure.NotFound(id, "RuleSetMapping")
}

// Unmap returns an app to the org's default policy.
func (o *Org) Unmap(by *Cause, p *Policy, a *App) error {
	return o.AssignPolicy(by, a, o.systemPolicy(p.Type))
}

// eachPolicyDoc visits the conditions and actions of every policy and rule.
func (o *Org) eachPolicyDoc(visit func(doc.Doc)) {
	for _, p := range o.policies {
		visit(p.Conditions)
		for _, r := range p.Rules {
			visit(r.Conditions)
			visit(r.Actions)
		}
	}
}

// mentioned says whether a policy or a rule names the id.
func (o *Org) mentioned(id string) bool {
	found := false
	o.eachPolicyDoc(func(d doc.Doc) { found = found || doc.Mentions(d, id) })
	return found
}
