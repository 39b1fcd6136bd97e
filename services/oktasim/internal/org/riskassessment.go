package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// AssessRisk says which risk rules it would break to give a person a bundle or a collection,
// by Okta's names for them (documented).
func (o *Org) AssessRisk(given doc.Doc) ([]doc.Doc, error) {
	principal, resource := doc.String(given, "principalOrn"), doc.String(given, "resourceOrn")
	if principal == "" {
		return nil, failure.Missing("principalOrn")
	}
	u, err := o.User(principal[strings.LastIndex(principal, ":")+1:])
	if err != nil {
		return nil, err
	}
	more, err := o.resourceValues(resource)
	if err != nil {
		return nil, err
	}
	have := o.valuesOf(u)
	var out []doc.Doc
	for _, rule := range o.below("risk_rules", "") {
		if !rule.broken(have) && rule.broken(together(have, more)) {
			out = append(out, o.conflict(u, rule, resource))
		}
	}
	return out, nil
}

func (o *Org) conflict(u *User, rule *Object, resource string) doc.Doc {
	k := o.kinds.named("risk_rules")
	shown := o.Show(k, rule, View{}, 0)
	body := doc.Doc{
		"id": resource[strings.LastIndex(resource, ":")+1:] + ":" + rule.ID, "principalOrn": o.userResource(u.ID), "ruleId": rule.ID,
		"ruleName": rule.Body["name"], "type": rule.Body["type"], "conflictCriteria": shown["conflictCriteria"], "_links": shown["_links"],
	}
	if r := parts(rule.Body, "resources"); len(r) > 0 {
		body["resourceOrn"] = r[0]["resourceOrn"]
	}
	if d := rule.text("description"); d != "" {
		body["description"] = d
	}
	return body
}

// resourceValues are the ids of the entitlement values that a bundle or a collection gives.
func (o *Org) resourceValues(orn string) (map[string]bool, error) {
	id := orn[strings.LastIndex(orn, ":")+1:]
	if x := o.object(o.kinds.named("entitlement_bundles"), id); x != nil {
		return valueIDs(parts(x.Body, "entitlements")), nil
	}
	k := o.kinds.named("collections")
	x := o.object(k, id)
	if x == nil {
		return nil, k.missing(id)
	}
	all := map[string]bool{}
	for _, r := range o.below("collection_resources", x.place()) {
		all = together(all, valueIDs(parts(r.Body, "entitlements")))
	}
	return all, nil
}

// valuesOf are the ids of the entitlement values that a person has.
func (o *Org) valuesOf(u *User) map[string]bool {
	all := map[string]bool{}
	for _, g := range o.below("grants", "") {
		if g.text("targetPrincipal.externalId") == u.ID && g.Status() == Active {
			all = together(all, valueIDs(o.granted(g)))
		}
	}
	return all
}

func valueIDs(entitlements []doc.Doc) map[string]bool {
	ids := map[string]bool{}
	for _, e := range entitlements {
		for _, v := range parts(e, "values") {
			ids[doc.String(v, "id")] = true
		}
	}
	return ids
}

func together(a, b map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, m := range []map[string]bool{a, b} {
		for id := range m {
			all[id] = true
		}
	}
	return all
}

// broken says whether somebody with the values fulfils both criteria of the rule.
func (x *Object) broken(have map[string]bool) bool {
	criteria := values(get(x.Body, "conflictCriteria.and"))
	for _, c := range criteria {
		wanted := valueIDs(parts(doc.Object(asDoc(c), "value"), "value"))
		found := 0
		for id := range wanted {
			if have[id] {
				found++
			}
		}
		if found == 0 || asDoc(c)["operation"] == "CONTAINS_ALL" && found < len(wanted) {
			return false
		}
	}
	return len(criteria) > 0
}
