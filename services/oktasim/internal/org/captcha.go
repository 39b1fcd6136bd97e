package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

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
		// Documented: an org has one instance, and keeps the one that it uses.
		Most: 1, Full: failure.OneCaptcha(), Held: failure.CaptchaInUse(),
	}
	settings := Kind{
		Name: "org_captcha", Path: "/api/v1/org/captcha", Class: "OrgCaptcha",
		Scope: "okta.captchas", Area: AreaOrg, Engine: "oie",
		Verbs: Verbs{Get: true, Replace: "PUT", Delete: 204},
		Fields: []Field{
			{Path: "captchaId", Null: true, Ref: "captchas", Gone: Holds},
			{Path: "enabledPages", Type: List, Default: []any{}, Enum: []string{"SSR", "SSPR", "SIGN_IN"}},
		},
		Links: []Link{
			self("GET PUT"),
			{Name: "captcha", To: "/api/v1/captchas/{captchaId}", Allow: "GET POST PUT DELETE", When: isNot("captchaId", nil)},
		},
		Seeds: []Seed{{Body: doc.Doc{}}},
		Check: checkOrgCaptcha, After: captchaSwitched,
	}
	return []Kind{instances, settings}
}

// checkOrgCaptcha: pages need an instance that answers for them (documented: captchaId is
// what a bad request names).
func checkOrgCaptcha(c *Change) error {
	if pages, ok := c.Body["enabledPages"].([]any); c.Verb == replace && ok && len(pages) > 0 && c.Body["captchaId"] == nil {
		return failure.Missing("captchaId")
	}
	return nil
}

// captchaSwitched tells of the use of CAPTCHA by its beginning and its end.
func captchaSwitched(c *Change) {
	event := "system.org.captcha.activate"
	if c.Body["captchaId"] == nil {
		event = "system.org.captcha.deactivate"
	}
	c.Org.Note(c.By, event, nil, c.Kind.party(c.Object))
}
