package api

import (
	"net/http"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

func groupRuleOperations() []operation {
	rules := func(method, path string, write bool, run func(*call) error) operation {
		scope := "okta.groups.read"
		if write {
			scope = "okta.groups.manage"
		}
		return operation{method: method, path: "/api/v1/groups/rules" + path, scope: scope, area: org.AreaGroupRules, write: write, run: run}
	}
	return []operation{
		rules("GET", "", false, listGroupRules),
		rules("POST", "", true, createGroupRule),
		rules("GET", "/{groupRuleId}", false, showGroupRule),
		rules("PUT", "/{groupRuleId}", true, changeGroupRule),
		rules("DELETE", "/{groupRuleId}", true, deleteGroupRule),
		rules("POST", "/{groupRuleId}/lifecycle/{operation}", true, switchGroupRule),
	}
}

func (c *call) groupRuleBody(r *org.GroupRule) any {
	return c.org.GroupRuleBody(r, c.query.Get("expand") == "groupIdToGroupNameMap")
}

func (c *call) groupRuleLine(r *org.GroupRule) any {
	return c.org.GroupRuleLine(r, c.query.Get("expand") == "groupIdToGroupNameMap")
}

func listGroupRules(c *call) error {
	search := strings.ToLower(c.query.Get("search"))
	keep := func(r *org.GroupRule) bool { return strings.Contains(strings.ToLower(r.Name), search) }
	get := func(id string) *org.GroupRule {
		r, err := c.org.GroupRule(id)
		if err != nil {
			return nil
		}
		return r
	}
	ids := c.org.GroupRulesAfter(c.query.Get("after"))
	return page(c, pages{standard: 50, highest: 200}, ids, get, keep, always(c.groupRuleLine))
}

func (c *call) groupRule() (*org.GroupRule, error) { return c.org.GroupRule(c.params["groupRuleId"]) }

func showGroupRule(c *call) error {
	r, err := c.groupRule()
	if err != nil {
		return err
	}
	return c.show(c.groupRuleBody(r), nil)
}

func createGroupRule(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	r, err := c.org.CreateGroupRule(c.cause(), body)
	if err != nil {
		return err
	}
	return c.show(c.groupRuleBody(r), nil)
}

func changeGroupRule(c *call) error {
	r, err := c.groupRule()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdateGroupRule(c.cause(), r, body); err != nil {
		return err
	}
	return c.show(c.groupRuleBody(r), nil)
}

func deleteGroupRule(c *call) error {
	r, err := c.groupRule()
	if err != nil {
		return err
	}
	if err := c.org.DeleteGroupRule(c.cause(), r, c.flag("removeUsers", false)); err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, doc.Doc{})
}

func switchGroupRule(c *call) error {
	r, err := c.groupRule()
	if err != nil {
		return err
	}
	switch c.params["operation"] {
	case "activate":
		return c.done(c.org.ActivateGroupRule(c.cause(), r))
	case "deactivate":
		return c.done(c.org.DeactivateGroupRule(c.cause(), r))
	}
	return failure.NoPath()
}
