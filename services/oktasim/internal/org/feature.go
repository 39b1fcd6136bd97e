package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// Feature is something that Okta brings to orgs one by one, or sells: fields that the
// answers of other orgs lack. A new org has every feature; SetLicensed takes one away.
// A kind's Feature is of the same namespace. A feature that changes more than fields is
// asked for by Licensed where it matters.
type Feature struct {
	Name string
	// In are the answers that show it: path templates with {} for any variable.
	In []string
	// Fields are there with the feature alone, as settings.emOptInStatus; [] stands for
	// every element of a list.
	Fields []string
	// Of limits the feature to objects that have this field too; "" is all.
	Of string
	// Always features show in every such object, and Trim leaves the fields alone: without
	// the feature some objects have them by another rule.
	Always bool
	// Code is the error code with which orgs without the feature refuse to use it.
	Code string
}

var (
	inApps     = []string{"/api/v1/apps", "/api/v1/apps/{}", "/api/v1/policies/{}/app"}
	inPolicies = []string{"/api/v1/policies", "/api/v1/policies/{}"}
	inRules    = []string{"/api/v1/policies/{}/rules", "/api/v1/policies/{}/rules/{}"}
	inGroups   = []string{
		"/api/v1/groups", "/api/v1/groups/{}", "/api/v1/users/{}/groups",
		"/api/v1/users/{}/roles/{}/targets/groups", "/api/v1/groups/{}/roles/{}/targets/groups",
	}
	inUsers = []string{"/api/v1/users", "/api/v1/users/{}", "/api/v1/groups/{}/users"}
)

// features are known by recordings: in each of them, either every object of the org has
// the fields, or none has.
func features() []Feature {
	return []Feature{
		{Name: policyMappings, In: inPolicies, Fields: []string{"_links.mappings"}, Of: "_links.deactivate"},
		{Name: policyMappings, In: inPolicies, Fields: []string{"_links.mappings"}, Of: "_links.activate"},
		{Name: resourceTypes, In: []string{"/api/v1/policies"}, Fields: []string{"_embedded.resourceType"}},
		{Name: "factor_profiles", In: []string{"/api/v1/org/factors/{}", "/api/v1/org/factors/okta_password"}, Fields: []string{"_links.profiles"}, Of: "_links.deactivate"},
		{Name: "progressive_profiling", In: inRules, Fields: []string{"actions.profileEnrollment.progressiveProfilingAction"}, Of: "actions.profileEnrollment"},
		{Name: riskScoring, In: inRules, Fields: []string{"conditions.riskScore"}, Of: "conditions.userType"},
		{Name: riskScoring, In: inRules, Fields: []string{"conditions.riskScore", "conditions.risk"}, Of: "conditions.authContext"},
		{Name: "app_resource_names", In: inApps, Fields: []string{"orn"}},
		{Name: "app_manual_provisioning", In: inApps, Fields: []string{"settings.manualProvisioning", "settings.implicitAssignment"}, Of: "settings"},
		{Name: "app_opt_in", In: inApps, Fields: []string{"settings.emOptInStatus"}, Of: "settings"},
		{Name: "universal_logout", In: inApps, Fields: []string{"universalLogout"}},
		{Name: "oauth_single_logout", In: inApps, Fields: []string{"settings.oauthClient.participate_slo"}, Of: "settings.oauthClient"},
		{Name: "dpop", In: inApps, Fields: []string{"settings.oauthClient.dpop_bound_access_tokens"}, Of: "settings.oauthClient"},
		{Name: "oauth_consent", In: inApps, Fields: []string{"settings.oauthClient.consent_method"}, Of: "settings.oauthClient"},
		{Name: universalLogoutPolicies, In: inApps, Fields: []string{"universalLogout.status"}, Of: "universalLogout"},
		{Name: "app_self_service", Code: "E0000043"},
		{Name: "saml_assertion_encryption", In: inApps, Fields: []string{"settings.signOn.assertionEncryption"}, Of: "settings.signOn.ssoAcsUrl"},
		{Name: "saml_inline_hooks", In: inApps, Fields: []string{"settings.signOn.inlineHooks"}, Of: "settings.signOn.ssoAcsUrl"},
		{Name: "google_relying_party", In: inApps, Fields: []string{"settings.app.rpId"}, Of: "settings.app.afwOnly"},
		{
			Name: "office365_provisioning", In: inApps, Of: "settings.app.msftTenant",
			Fields: []string{"settings.app.office365ProvisioningType", "settings.app.office365FlexibleProvisioningMode"},
		},
		{Name: attributeMasters, In: []string{"/api/v1/meta/schemas/apps/{}/default"}, Fields: []string{"definitions.base.properties.userName.master"}, Of: "definitions"},
		{Name: "group_owners", In: inGroups, Fields: []string{"_links.owners"}, Of: "_links"},
		{Name: factorReset, In: inUsers, Fields: []string{"_links.resetFactors"}, Of: "_links.schema", Always: true},
		{Name: ruleStamps, In: []string{"/api/v1/groups/rules/{}"}, Fields: []string{"created", "lastUpdated"}},
		{Name: resourceLinks, In: []string{"/api/v1/iam/resource-sets/{}/resources"}, Fields: []string{"resources[]._links.resource"}, Of: "resources"},
		{Name: "realms", In: inUsers, Fields: []string{"realmId"}},
		{Name: attributeMasters, In: []string{"/api/v1/meta/schemas/user/{}"}, Fields: []string{"definitions.base.properties.login.master"}, Of: "definitions"},
		{Name: attributeMasters, In: []string{"/api/v1/meta/schemas/group/default"}, Fields: []string{"definitions.base.properties.name.master"}, Of: "definitions"},
	}
}

// Trim takes out of an answer the fields of features that the org lacks. Template is the
// operation's path. Most orgs lack none: the answer then stays as it is.
func (o *Org) Trim(template string, answer []byte) ([]byte, error) {
	if len(o.info.Unlicensed) == 0 || len(answer) == 0 {
		return answer, nil
	}
	var fields []string
	template = anonymous(template)
	for _, f := range features() {
		if !o.Licensed(f.Name) && !f.Always && slices.Contains(f.In, template) {
			fields = append(fields, f.Fields...)
		}
	}
	if len(fields) == 0 {
		return answer, nil
	}
	v, err := doc.Parse(answer)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		dropField(v, strings.Split(f, "."))
	}
	return doc.Bytes(v)
}

// anonymous takes the names out of a template's variables.
func anonymous(template string) string {
	parts := strings.Split(template, "/")
	for i, p := range parts {
		if isVariable(p) {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

// dropField removes the field at a path, in every element of lists on the way.
func dropField(v any, path []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			dropField(e, path)
		}
	case doc.Doc:
		if len(path) == 1 {
			delete(v, path[0])
			return
		}
		dropField(v[strings.TrimSuffix(path[0], "[]")], path[1:])
	}
}

// Evidence is what the answers of an org say about its features.
type Evidence struct{ shown, seen, lacking map[string]bool }

func (e *Evidence) begin() {
	if e.seen == nil {
		e.shown, e.seen, e.lacking = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
}

// Note looks at one successful answer. Template is the path with variables in braces.
func (e *Evidence) Note(template string, answer any) {
	e.begin()
	template = anonymous(template)
	for _, f := range slices.Concat(features(), kindFeatures()) {
		if slices.Contains(f.In, template) {
			e.look(f, answer)
		}
	}
}

func (e *Evidence) look(f Feature, v any) {
	if list, ok := v.([]any); ok {
		for _, x := range list {
			e.look(f, x)
		}
		return
	}
	if f.Of != "" && !hasField(v, strings.Split(f.Of, ".")) {
		return
	}
	if _, isObject := v.(doc.Doc); !isObject {
		return
	}
	e.seen[f.Name] = true
	for _, field := range f.Fields {
		if hasField(v, strings.Split(field, ".")) {
			e.shown[f.Name] = true
		} else if f.Always {
			e.lacking[f.Name] = true
		}
	}
}

// hasField says whether there is a field at a path, be it null; in a list, whether any
// element has it.
func hasField(v any, path []string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return hasField(e, path) })
	case doc.Doc:
		next, there := v[strings.TrimSuffix(path[0], "[]")]
		return there && (len(path) == 1 || hasField(next, path[1:]))
	}
	return false
}

// NoteRefusal looks at an answer that says that the org lacks what a request asked for.
func (e *Evidence) NoteRefusal(path string, sent any) {
	e.begin()
	body, _ := sent.(doc.Doc)
	if name := featureAt(path, body); name != "" {
		e.seen[name] = true
	}
}

// NoteCode looks at the code of an error by which some orgs refuse what others do.
func (e *Evidence) NoteCode(code string) {
	e.begin()
	for _, f := range features() {
		if f.Code != "" && f.Code == code {
			e.seen[f.Name] = true
		}
	}
}

// Accept gives the org the features that the evidence shows and takes away those that
// should have shown and did not.
func (o *Org) Accept(e *Evidence) {
	for name := range e.seen {
		o.SetLicensed(name, e.shown[name] && !e.lacking[name])
	}
	slices.Sort(o.info.Unlicensed)
}
