package api

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/filter"
	"imago/services/oktasim/internal/org"
)

// entitlementOperations are values of entitlements, and who has them.
func entitlementOperations() []operation {
	const path = "/governance/api/v1/"
	at := func(method, path, scope string, run func(*call) error) operation {
		return operation{method: method, path: path, scope: scope, area: org.AreaOrg, write: method == "PATCH", run: func(c *call) error {
			if err := c.governed(); err != nil {
				return err
			}
			return run(c)
		}}
	}
	const read, manage = "okta.governance.entitlements.read", "okta.governance.entitlements.manage"
	return []operation{
		at("GET", path+"entitlements/values", read, listAllEntitlementValues),
		at("GET", path+"entitlements/{entitlementId}/values", read, listEntitlementValues),
		at("GET", path+"entitlements/{entitlementId}/values/{valueId}", read, showEntitlementValue),
		at("PATCH", path+"entitlements/{entitlementId}", manage, patchEntitlement),
		at("GET", path+"principal-access", read, showPrincipalAccess),
		at("GET", path+"principal-entitlements", read, listPrincipalEntitlements),
		at("POST", path+"risk-rule-assessments", "okta.governance.riskRule.read", assessRisk),
	}
}

func (c *call) entitlement() (*org.Object, error) {
	return c.org.FindObject(org.KindNamed("entitlements"), []string{c.params["entitlementId"]})
}

// wanted is the filter, which must be there.
func (c *call) wanted(attributes ...string) (*filter.Filter, error) {
	if c.query.Get("filter") == "" {
		return nil, failure.BadSearch("filter: The field cannot be left blank")
	}
	return c.expression("filter", attributes)
}

func listAllEntitlementValues(c *call) error {
	f, err := c.wanted("parent.externalId", "parent.type", "parentResourceOrn", "name", "externalValue")
	if err != nil {
		return err
	}
	var out []doc.Doc
	for _, v := range c.org.AllEntitlementValues() {
		if f.Match(func(name string) []any { return []any{doc.Get(v, strings.Split(name, ".")...)} }) {
			out = append(out, v)
		}
	}
	return c.counted(out)
}

func listEntitlementValues(c *call) error {
	x, err := c.entitlement()
	if err != nil {
		return err
	}
	return c.counted(c.org.EntitlementValues(x))
}

// counted answers a page of a list, with how many there are in all.
func (c *call) counted(list []doc.Doc) error {
	return c.bodyPage(dataPage, list, doc.Doc{"metadata": doc.Doc{"total": len(list)}})
}

func showEntitlementValue(c *call) error {
	x, err := c.entitlement()
	if err != nil {
		return err
	}
	return c.show(c.org.EntitlementValue(x, c.params["valueId"]))
}

func patchEntitlement(c *call) error {
	x, err := c.entitlement()
	if err != nil {
		return err
	}
	list, err := c.elements()
	if err != nil {
		return err
	}
	return c.show(c.org.PatchEntitlement(c.cause(), x, list))
}

// askedFor is the person and the app that the filter names.
func (c *call) askedFor() (org.Principal, error) {
	f, err := c.wanted("parent.externalId", "parent.type", "parentResourceOrn", "targetPrincipal.externalId", "targetPrincipal.type", "targetPrincipalOrn")
	if err != nil {
		return org.Principal{}, err
	}
	return c.org.PrincipalAt(f.Demands)
}

func showPrincipalAccess(c *call) error {
	p, err := c.askedFor()
	if err != nil {
		return err
	}
	return c.show(c.org.PrincipalAccess(p), nil)
}

func listPrincipalEntitlements(c *call) error {
	p, err := c.askedFor()
	if err != nil {
		return err
	}
	return c.bodyPage(dataPage, c.org.PrincipalEntitlements(p), nil)
}

func assessRisk(c *call) error {
	given, err := c.object()
	if err != nil {
		return err
	}
	conflicts, err := c.org.AssessRisk(given)
	if err != nil {
		return err
	}
	return c.bodyPage(dataPage, conflicts, nil)
}
