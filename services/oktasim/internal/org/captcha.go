package org

import "imago/services/oktasim/internal/doc"

// captchaKinds are the CAPTCHA instances and the org-wide setting that uses one.
func captchaKinds() []Kind {
	instances := Kind{
		Name: "captchas", Path: "/api/v1/captchas/{captchaId}", Prefix: "cap", Class: "Captcha",
		Scope: "okta.captchas", Area: AreaOrg, Engine: "oie",
		Verbs: Verbs{List: true, Get: true, Create: 201, Replace: "PUT", Merge: "POST", Delete: 204},
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "siteKey", Required: true},
			{Path: "secretKey", Required: true, Mode: WriteOnly},
			{Path: "type", Required: true, Enum: []string{"HCAPTCHA", "RECAPTCHA_V2"}},
		},
		Links:  []Link{self("GET POST PUT DELETE")},
		Events: present("system.captcha"),
	}
	settings := Kind{
		Name: "org_captcha", Path: "/api/v1/org/captcha", Class: "OrgCaptcha",
		Scope: "okta.captchas", Area: AreaOrg, Engine: "oie",
		Verbs: Verbs{Get: true, Replace: "PUT", Delete: 204},
		Fields: []Field{
			// Documented: an instance that is in use cannot be deleted.
			{Path: "captchaId", Null: true, Ref: "captchas", Gone: Holds},
			{Path: "enabledPages", Type: List, Default: []any{}, Enum: []string{"SSR", "SSPR", "SIGN_IN"}},
		},
		Links: []Link{
			self("GET PUT"),
			{Name: "captcha", To: "/api/v1/captchas/{captchaId}", Allow: "GET POST PUT DELETE", When: isNot("captchaId", nil)},
		},
		Events: map[string]string{replace: "system.org.captcha.activate", remove: "system.org.captcha.deactivate"},
		Seeds:  []Seed{{Body: doc.Doc{}}},
	}
	return []Kind{instances, settings}
}
