package api

import (
	"net/http"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

func policyOperations() []operation {
	policies := func(method, path string, write bool, run func(*call) error) operation {
		scope := "okta.policies.read"
		if write {
			scope = "okta.policies.manage"
		}
		return operation{method: method, path: "/api/v1/policies" + path, scope: scope, area: org.AreaPolicies, write: write, run: run}
	}
	return []operation{
		policies("GET", "", false, listPolicies),
		policies("POST", "", true, createPolicy),
		policies("POST", "/simulate", false, simulatePolicies),
		policies("GET", "/{policyId}", false, showPolicy),
		policies("PUT", "/{policyId}", true, changePolicy),
		policies("DELETE", "/{policyId}", true, deletePolicy),
		policies("POST", "/{policyId}/lifecycle/{operation}", true, switchPolicy),
		policies("POST", "/{policyId}/clone", true, clonePolicy),
		policies("GET", "/{policyId}/app", false, listPolicyApps),
		policies("GET", "/{policyId}/mappings", false, listMappings),
		policies("POST", "/{policyId}/mappings", true, createMapping),
		policies("GET", "/{policyId}/mappings/{mappingId}", false, showMapping),
		policies("DELETE", "/{policyId}/mappings/{mappingId}", true, deleteMapping),
		policies("GET", "/{policyId}/rules", false, listRules),
		policies("POST", "/{policyId}/rules", true, createRule),
		policies("GET", "/{policyId}/rules/{ruleId}", false, showRule),
		policies("PUT", "/{policyId}/rules/{ruleId}", true, changeRule),
		policies("DELETE", "/{policyId}/rules/{ruleId}", true, deleteRule),
		policies("POST", "/{policyId}/rules/{ruleId}/lifecycle/{operation}", true, switchRule),
	}
}

func (c *call) policyBody(p *org.Policy) any {
	return c.org.PolicyBody(p, c.query.Get("expand") == "rules")
}

func (c *call) policyInList(p *org.Policy) any {
	return c.org.PolicyInList(p, c.query.Get("expand") == "rules")
}

// listPolicies needs a type; the answer is not paged (recorded) unless a limit is given.
func listPolicies(c *call) error {
	t := c.query.Get("type")
	if t == "" {
		return failure.Missing("type")
	}
	if err := c.org.PolicyType(t); err != nil {
		return err
	}
	byID := map[string]*org.Policy{}
	var ids []string
	after, passed := c.query.Get("after"), c.query.Get("after") == ""
	for _, p := range c.org.Policies(t) {
		byID[p.ID] = p
		if passed {
			ids = append(ids, p.ID)
		}
		passed = passed || p.ID == after
	}
	status, q := c.query.Get("status"), strings.ToLower(c.query.Get("q"))
	sees := c.sees(org.AreaPolicies)
	keep := func(p *org.Policy) bool {
		return sees(p.ID) && (status == "" || p.Status == status) && strings.HasPrefix(strings.ToLower(p.Name), q)
	}
	get := func(id string) *org.Policy { return byID[id] }
	return list(c, pages{standard: 1000, highest: 1000, silent: true}, ids, get, keep, always(c.policyInList))
}

func (c *call) policy() (*org.Policy, error) { return c.org.Policy(c.params["policyId"]) }

func showPolicy(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	return c.show(c.policyBody(p), nil)
}

func createPolicy(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	p, err := c.org.CreatePolicy(c.cause(), body, c.flag("activate", true))
	if err != nil {
		return err
	}
	return c.show(c.policyBody(p), nil)
}

func clonePolicy(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	twin, err := c.org.ClonePolicy(c.cause(), p)
	if err != nil {
		return err
	}
	return c.show(c.policyBody(twin), nil)
}

func changePolicy(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdatePolicy(c.cause(), p, body); err != nil {
		return err
	}
	return c.show(c.policyBody(p), nil)
}

func deletePolicy(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	return c.done(c.org.DeletePolicy(c.cause(), p))
}

// activation reads the lifecycle operation in the path.
func (c *call) activation() (bool, error) {
	switch c.params["operation"] {
	case "activate":
		return true, nil
	case "deactivate":
		return false, nil
	}
	return false, failure.NoPath()
}

func switchPolicy(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	active, err := c.activation()
	if err != nil {
		return err
	}
	return c.done(c.org.SwitchPolicy(c.cause(), p, active))
}

func listPolicyApps(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	byID, ids := map[string]*org.App{}, []string{}
	after := c.query.Get("after")
	passed := after == ""
	for _, a := range c.org.PolicyApps(p) {
		byID[a.ID] = a
		if passed {
			ids = append(ids, a.ID)
		}
		passed = passed || a.ID == after
	}
	get := func(id string) *org.App { return byID[id] }
	body := func(a *org.App) any { return c.org.PolicyAppBody(p, a) }
	return list(c, pages{standard: 20, highest: 200, silent: true}, ids, get, nil, always(body))
}

func listMappings(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	items := []any{}
	for _, a := range c.org.PolicyApps(p) {
		items = append(items, c.org.MappingBody(p, a))
	}
	return c.array(items)
}

func createMapping(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if t := doc.String(body, "resourceType"); t != "APP" && t != "" {
		return failure.Invalid("resourceType", "resourceType: The field must be APP")
	}
	a, err := c.org.App(doc.String(body, "resourceId"))
	if err != nil {
		return err
	}
	if err := c.org.AssignPolicy(c.cause(), a, p.ID); err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.org.MappingBody(p, a))
}

// mapping finds the policy and the app behind the mapping in the path.
func (c *call) mapping() (*org.Policy, *org.App, error) {
	p, err := c.policy()
	if err != nil {
		return nil, nil, err
	}
	a, err := c.org.PolicyMapping(p, c.params["mappingId"])
	return p, a, err
}

func showMapping(c *call) error {
	p, a, err := c.mapping()
	if err != nil {
		return err
	}
	return c.show(c.org.MappingBody(p, a), nil)
}

func deleteMapping(c *call) error {
	p, a, err := c.mapping()
	if err != nil {
		return err
	}
	return c.done(c.org.Unmap(c.cause(), p, a))
}

func listRules(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	rules, n, next, err := portion(c, rulePages, p.Rules, func(r *org.Rule) string { return r.ID })
	if err != nil {
		return err
	}
	items := []any{}
	for _, r := range rules {
		items = append(items, c.org.RuleBody(p, r))
	}
	c.link(rulePages, n, next)
	return c.array(items)
}

// rulePages are those of a policy's rules: all of them without a word of links (recorded),
// unless a limit is given.
var rulePages = pages{standard: 1000, highest: 1000, bare: true}

// rule finds the policy and the rule in the path.
func (c *call) rule() (*org.Policy, *org.Rule, error) {
	p, err := c.policy()
	if err != nil {
		return nil, nil, err
	}
	r, err := p.Rule(c.params["ruleId"])
	return p, r, err
}

func showRule(c *call) error {
	p, r, err := c.rule()
	if err != nil {
		return err
	}
	return c.show(c.org.RuleBody(p, r), nil)
}

func createRule(c *call) error {
	p, err := c.policy()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	r, err := c.org.CreateRule(c.cause(), p, body, c.flag("activate", true))
	if err != nil {
		return err
	}
	return c.show(c.org.NewRuleBody(p, r), nil)
}

func changeRule(c *call) error {
	p, r, err := c.rule()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdateRule(c.cause(), p, r, body); err != nil {
		return err
	}
	return c.show(c.org.ChangedRuleBody(p, r), nil)
}

func deleteRule(c *call) error {
	p, r, err := c.rule()
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteRule(c.cause(), p, r))
}

func switchRule(c *call) error {
	p, r, err := c.rule()
	if err != nil {
		return err
	}
	active, err := c.activation()
	if err != nil {
		return err
	}
	return c.done(c.org.SwitchRule(c.cause(), p, r, active))
}
