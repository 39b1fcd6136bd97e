package okta

import (
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// policyKind is what differs between the kinds of policy.
type policyKind struct {
	word   string // Okta's: "ACCESS_POLICY"
	suffix string // of the type's name: "access_policy"
	title  string
	log    string // its policyType in the System Log, lower case letters only; besides the word itself
	one    bool   // the org has exactly one, which cannot be made or deleted; its rules can
	shoves bool   // an update of a rule counts those behind it on: 1, 2, 3 become 1, 3, 4 (recorded)
}

// policyKinds are the kinds that are read, in Okta's order.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Policy/
func policyKinds() []policyKind {
	return []policyKind{
		{word: "OKTA_SIGN_ON", suffix: "okta_sign_on", title: "Global session policy", log: "oktasignon"},
		{word: "PASSWORD", suffix: "password", title: "Password policy", log: "password"},
		{word: "MFA_ENROLL", suffix: "mfa_enroll", title: "Authenticator enrollment policy", log: "oktamfaenroll"},
		{word: "IDP_DISCOVERY", suffix: "idp_discovery", title: "Identity provider routing policy", log: "idpdiscovery", one: true},
		{word: "ACCESS_POLICY", suffix: "access_policy", title: "App sign-in policy", log: "accesspolicy", shoves: true},
		{word: "PROFILE_ENROLLMENT", suffix: "profile_enrollment", title: "Profile enrollment policy", log: "profileenrollment"},
		{word: "POST_AUTH_SESSION", suffix: "post_auth_session", title: "Session protection policy", log: "postauthsession", one: true},
		{word: "ENTITY_RISK", suffix: "entity_risk", title: "Entity risk policy", log: "entityrisk", one: true},
	}
}

// policyTypes are two entries for each kind: the policy and its rules. One entry
// for the rules of all kinds would need a parent of several types.
func policyTypes() []entry {
	var out []entry
	for _, k := range policyKinds() {
		out = append(out, k.policy(), k.rule())
	}
	return out
}

func (k policyKind) policy() entry {
	t := resource.Type("policy_" + k.suffix)
	restorable, limitation := "full", "comes back with a new id"
	create, remove := "POST /api/v1/policies?activate=false", "DELETE /api/v1/policies/{id}"
	if k.one {
		restorable, limitation, create, remove = "partial", "the org has exactly one: its rules are restored", "", ""
	}
	return entry{
		Info: resource.Info{
			Type: t, Title: k.title, Family: "policies", Shape: resource.Collection,
			NaturalKey: []resource.Path{"type", "name"}, Label: []resource.Path{"name"},
			Refs: []resource.Ref{
				to("conditions.people.groups.include[]", "group"), to("conditions.people.groups.exclude[]", "group"),
				to("conditions.people.users.include[]", "user"), to("conditions.people.users.exclude[]", "user"),
			},
			Volatile: times("_links", "_embedded"), ReadOnly: []resource.Path{"id", "system"},
			Phase: 90, Restorable: restorable, Limitation: limitation,
			ReadScopes: []string{"okta.policies.read"}, WriteScopes: []string{"okta.policies.manage"},
			System: says("system", "true"),
		},
		lists: []pass{{path: "/api/v1/policies?type=" + k.word}},
		get:   "/api/v1/policies/{id}",
		is:    map[resource.Path]string{"type": k.word},
		write: writing{create: create, update: "PUT /api/v1/policies/{id}", remove: remove, place: "priority", life: onOff("/api/v1/policies/{id}/lifecycle/")},
		events: []event{
			{names: []string{"policy.lifecycle.create"}, op: provider.Create, id: "PolicyEntity", policy: k.log},
			{names: names("policy.lifecycle.", "update", "activate", "deactivate", "overwrite"), op: provider.Update, id: "PolicyEntity", policy: k.log},
			{names: []string{"policy.lifecycle.delete"}, op: provider.Delete, id: "PolicyEntity", policy: k.log,
				children: []resource.Type{t + "_rule"}},
		},
	}
}

func (k policyKind) rule() entry {
	parent := resource.Type("policy_" + k.suffix)
	return entry{
		Info: resource.Info{
			Type: parent + "_rule", Title: k.title + " rule", Family: "policies", Shape: resource.Collection, Parent: parent,
			NaturalKey: []resource.Path{"name"},
			Refs: []resource.Ref{
				below(parent),
				to("conditions.people.groups.include[]", "group"), to("conditions.people.groups.exclude[]", "group"),
				to("conditions.people.users.include[]", "user"), to("conditions.people.users.exclude[]", "user"),
				to("conditions.network.include[]", "network_zone"), to("conditions.network.exclude[]", "network_zone"),
				to("conditions.userType.include[]", "user_type"), to("conditions.userType.exclude[]", "user_type"),
				to("conditions.app.include[].id", "app"), to("conditions.app.exclude[].id", "app"),
				to("actions.profileEnrollment.targetGroupIds[]", "group"),
				toIn("conditions.elCondition.condition", resource.InExpression, "group", "user", "app"),
			},
			Volatile: times("_links", "_embedded"), ReadOnly: []resource.Path{"id", "system"},
			Phase: 91, Restorable: "full", Limitation: "comes back with a new id", Integral: true, Displaces: k.shoves,
			ReadScopes: []string{"okta.policies.read"}, WriteScopes: []string{"okta.policies.manage"},
			System: says("system", "true"),
		},
		lists: []pass{{path: "/api/v1/policies/{parent}/rules"}},
		get:   "/api/v1/policies/{parent}/rules/{id}",
		write: writing{
			create: "POST /api/v1/policies/{parent}/rules?activate=false", update: "PUT /api/v1/policies/{parent}/rules/{id}", remove: "DELETE /api/v1/policies/{parent}/rules/{id}",
			place: "priority", life: onOff("/api/v1/policies/{parent}/rules/{id}/lifecycle/"),
		},
		events: ruleEvents(parent+"_rule", "PolicyRule", k.log),
	}
}

// ruleEvents are the log's events of rules, of policies and of groups alike.
func ruleEvents(t resource.Type, target, policy string) []event {
	parent := "PolicyEntity"
	if t == "group_rule" {
		parent, policy = "", "grouprule"
	}
	return []event{
		{names: []string{"policy.rule.add"}, op: provider.Create, id: target, parent: parent, policy: policy},
		{names: names("policy.rule.", "update", "activate", "deactivate", "invalidate"), op: provider.Update, id: target, parent: parent, policy: policy},
		{names: []string{"policy.rule.delete"}, op: provider.Delete, id: target, parent: parent, policy: policy},
	}
}
