package org

import (
	"imago/services/oktasim/internal/doc"
)

// fillConditions adds the conditions that Okta answers with, and leaves out those that
// say nothing (recorded).
func (o *Org) fillConditions(t string, given doc.Doc) doc.Doc {
	out := doc.Merge(o.conditionDefaults(t), withoutNulls(given))
	trimPlatform(out)
	trimPeople(out)
	nameApps(out)
	if len(doc.Object(out, "elCondition")) == 0 {
		delete(out, "elCondition")
	}
	return out
}

func (o *Org) conditionDefaults(t string) doc.Doc {
	people := doc.Doc{"people": doc.Doc{"users": doc.Doc{"exclude": []any{}}}}
	anyone := doc.Merge(people, doc.Doc{"network": doc.Doc{"connection": "ANYWHERE"}})
	risk := doc.Doc{}
	if o.Licensed(riskScoring) {
		risk["riskScore"] = doc.Doc{"level": "ANY"}
	}
	switch t {
	case "SIGN_ON":
		if o.Licensed(riskScoring) {
			risk["risk"] = doc.Doc{"behaviors": []any{}}
		}
		return doc.Merge(doc.Merge(anyone, risk), doc.Doc{
			"authContext": doc.Doc{"authType": "ANY"}, "identityProvider": doc.Doc{"provider": "ANY"},
		})
	case "ACCESS_POLICY":
		return doc.Merge(doc.Merge(anyone, risk), doc.Doc{"userType": doc.Doc{"include": []any{}, "exclude": []any{}}})
	case "IDP_DISCOVERY":
		return doc.Doc{
			"network": doc.Doc{"connection": "ANYWHERE"}, "userIdentifier": doc.Doc{"patterns": []any{}},
			"app": doc.Doc{"include": []any{}, "exclude": []any{}},
		}
	case "POST_AUTH_SESSION", "ENTITY_RISK":
		return people
	case "SESSION_VIOLATION_DETECTION":
		return doc.Doc{"network": doc.Doc{"connection": "ANYWHERE"}}
	}
	return anyone
}

// withoutNulls leaves out fields that are null, at any depth of objects.
func withoutNulls(d doc.Doc) doc.Doc {
	if d == nil {
		return nil
	}
	out := doc.Doc{}
	for name, v := range d {
		if below, isObject := v.(doc.Doc); isObject {
			v = withoutNulls(below)
		}
		if v != nil {
			out[name] = v
		}
	}
	return out
}

// nameApps writes null for the name of an app that was given by id (recorded).
func nameApps(c doc.Doc) {
	apps := doc.Object(c, "app")
	for _, list := range []string{"include", "exclude"} {
		for _, e := range values(apps[list]) {
			if entry, ok := e.(doc.Doc); ok {
				doc.Default(entry, "name", nil)
			}
		}
	}
}

// trimPeople drops lists of nobody, but for the users left out (recorded).
func trimPeople(c doc.Doc) {
	people := doc.Object(c, "people")
	empty := func(d doc.Doc, list string) bool { return len(doc.Strings(d, list)) == 0 }
	if groups := doc.Object(people, "groups"); groups != nil && empty(groups, "include") && empty(groups, "exclude") {
		delete(people, "groups")
	}
	if users := doc.Object(people, "users"); users != nil && empty(users, "include") {
		delete(users, "include")
	}
}

// trimPlatform drops an empty platform condition and null expressions (recorded).
func trimPlatform(c doc.Doc) {
	platform := doc.Object(c, "platform")
	if platform == nil {
		return
	}
	include, ok := platform["include"].([]any)
	if !ok || len(include) == 0 {
		delete(c, "platform")
		return
	}
	doc.Default(platform, "exclude", []any{})
	for _, e := range include {
		if entry, ok := e.(doc.Doc); ok {
			if system := doc.Object(entry, "os"); system != nil && system["expression"] == nil {
				delete(system, "expression")
			}
		}
	}
}

// fillActions adds the action fields that Okta answers with (recorded).
func (o *Org) fillActions(t string, given doc.Doc) doc.Doc {
	out := doc.Clone(given)
	switch t {
	case "SIGN_ON":
		out["signon"] = o.fillSignOn(doc.Object(out, "signon"))
	case "ACCESS_POLICY":
		fillAppSignOn(doc.Ensure(out, "appSignOn"))
	case "IDP_DISCOVERY":
		o.fillProviders(doc.Ensure(out, "idp"))
	case "PROFILE_ENROLLMENT":
		fillEnrollment(doc.Ensure(out, "profileEnrollment"))
	case "POST_AUTH_SESSION":
		fillPostAuth(doc.Object(out, "postAuthSession"))
	}
	return out
}

// fillSignOn asks for any factor first where the org weighs risks, if it lets people in
// (recorded).
func (o *Org) fillSignOn(given doc.Doc) doc.Doc {
	primary := "PASSWORD_IDP"
	if o.Licensed(riskScoring) && doc.String(given, "access") != "DENY" {
		primary = "PASSWORD_IDP_ANY_FACTOR"
	}
	return doc.Merge(doc.Doc{
		"access": "ALLOW", "requireFactor": false, "primaryFactor": primary, "rememberDeviceByDefault": false,
		"session": doc.Doc{"usePersistentCookie": false, "maxSessionIdleMinutes": 120, "maxSessionLifetimeMinutes": 0},
	}, given)
}

func fillAppSignOn(a doc.Doc) {
	doc.Default(a, "access", "ALLOW")
	doc.Default(a, "keepMeSignedIn", doc.Doc{"postAuth": "NOT_ALLOWED"})
	method := doc.Object(a, "verificationMethod")
	if method == nil {
		return
	}
	if method["type"] == "AUTH_METHOD_CHAIN" {
		delete(method, "factorMode")
		delete(method, "inactivityPeriod")
		return
	}
	doc.Default(method, "reauthenticateIn", "PT12H")
	delete(method, "chains")
	trimConstraints(method)
}

// trimConstraints leaves in the constraints of an assurance what is of their kind
// (recorded: steps of a chain are dropped).
func trimConstraints(method doc.Doc) {
	for _, e := range values(method["constraints"]) {
		constraint, _ := e.(doc.Doc)
		for _, foreign := range []string{"authenticationMethods", "next"} {
			delete(constraint, foreign)
		}
	}
}

// fillProviders names the identity providers, but not in Classic orgs (recorded).
func (o *Org) fillProviders(idp doc.Doc) {
	doc.Default(idp, "idpSelectionType", "SPECIFIC")
	doc.Default(idp, "providers", []any{})
	delete(idp, "shouldFallBackToOkta")
	for _, e := range values(idp["matchCriteria"]) {
		if criterion, ok := e.(doc.Doc); ok {
			doc.Default(criterion, "propertyName", "name")
		}
	}
	for _, e := range values(idp["providers"]) {
		provider, _ := e.(doc.Doc)
		k := o.kinds.named("idps")
		if id := doc.String(provider, "id"); id != "" && k != nil && o.IsOIE() {
			if x := o.object(k, id); x != nil {
				provider["name"] = x.Body["name"]
			}
		}
	}
}

// fillEnrollment adds what a registration may leave open (recorded).
func fillEnrollment(e doc.Doc) {
	doc.Default(e, "targetGroupIds", nil)
	doc.Default(e, "preRegistrationInlineHooks", nil)
	for _, h := range values(e["preRegistrationInlineHooks"]) {
		if hook, ok := h.(doc.Doc); ok {
			doc.Default(hook, "scopes", doc.Array("SELF_SERVICE_REGISTRATION"))
		}
	}
}

// fillPostAuth says of the end of sessions that it is not a single logout (recorded).
func fillPostAuth(session doc.Doc) {
	for _, e := range values(session["failureActions"]) {
		if action, ok := e.(doc.Doc); ok && action["action"] == "TERMINATE_SESSION" {
			doc.Default(action, "slo", nil)
		}
	}
}

// fillSettings makes the settings out of the request's: what it does not name stays, or
// has its default.
func (o *Org) fillSettings(p *Policy, given doc.Doc) {
	switch {
	case p.Type == "MFA_ENROLL":
		o.fillEnrollSettings(p, given)
	case given != nil || p.Settings == nil:
		p.Settings = doc.Merge(policySettings(p.Type), given)
	}
}
