package org

import "imago/services/oktasim/internal/doc"

// attackProtectionKinds are the org's defences against those who guess, and against
// machines (documented).
func attackProtectionKinds() []Kind {
	flag := func(name, path, field string) Kind {
		return Kind{
			Name: name, Path: "/attack-protection/api/v1/" + path,
			Class: "AttackProtectionSettings", Scope: "okta.orgs", Area: AreaPolicies,
			Verbs:  Verbs{Get: true, Replace: "PUT"},
			Fields: []Field{{Path: field, Type: Bool, Default: false}}, Seeds: []Seed{{}},
		}
	}
	return []Kind{
		flag("lockout_settings", "user-lockout-settings", "preventBruteForceLockoutFromUnknownDevices"),
		flag("verification_order", "authenticator-settings", "verifyKnowledgeSecondWhen2faRequired"),
		botProtection(),
	}
}

func botProtection() Kind {
	return Kind{
		Name: "bot_protection", Path: "/api/v1/bot-protection/configuration", Class: "BotProtectionConfiguration",
		Scope: "okta.botProtection", Area: AreaPolicies, Engine: "oie",
		Verbs: Verbs{Get: true, Replace: "POST"},
		Fields: []Field{
			{Path: "mode", Required: true, Enum: []string{"DISABLED", "LOG_ONLY", "ENFORCED"}},
			{Path: "level", Required: true, Enum: []string{"ANY", "LOW", "MEDIUM", "HIGH"}},
			{Path: "enforcementType", Enum: []string{"OKTA_CHALLENGE"}, Default: "OKTA_CHALLENGE"},
			{Path: "supportedFlows", Type: List, Enum: []string{"SIGN_IN", "SSPR", "SSR"}, Default: []any{}},
		},
		Links:  []Link{self("GET POST")},
		Seeds:  []Seed{{Body: doc.Doc{"mode": "DISABLED", "level": "MEDIUM"}}},
		Events: map[string]string{replace: "security.bot_protection.settings.update"}, Natural: []string{"mode"},
	}
}
