package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const templatePath = brandPath + "/templates/email/{templateName}"

// emailTemplateKinds are the mails that Okta sends, what they say by default, to whom they
// go, and their wording in languages.
func emailTemplateKinds() []Kind {
	return []Kind{emailTemplates(), emailSettings(), emailContents(), emailCustomizations()}
}

// templateNames are the documented templates.
func templateNames() []string {
	return []string{
		"ForgotPassword", "ForgotPasswordDenied", "ADForgotPassword", "ADForgotPasswordDenied", "LDAPForgotPassword", "LDAPForgotPasswordDenied",
		"AccountLockout", "SelfServiceUnlock", "SelfServiceUnlockOnUnlockedAccount", "ADSelfServiceUnlock", "LDAPSelfServiceUnlock",
		"PasswordChanged", "PasswordResetByAdmin", "ADPasswordReset", "LDAPPasswordReset", "FactorEnrollment", "FactorReset", "NewSignOnNotification",
		"UserActivation", "ADUserActivation", "LDAPUserActivation", "RegistrationActivation", "RegistrationEmailVerification",
		"EmailChallenge", "EmailChangeConfirmation", "EmailFactorVerification", "EmailLinkAuthenticationTransaction",
		"EmailLinkFactorVerification", "EmailLinkRecoveryADPwdReset", "EmailLinkRecoveryLDAPPwdReset", "EmailLinkRecoveryPwdReset",
		"EmailTransactionVerification", "ChangeEmailConfirmation", "PendingEmailChange", "AuthenticatorEnrolled", "AuthenticatorReset",
		"IWADesktopSSOError", "SuspiciousActivityReported", "PasswordResetByAdmin_AD",
	}
}

func emailTemplates() Kind {
	var seeds []Seed
	for _, name := range templateNames() {
		seeds = append(seeds, Seed{Body: doc.Doc{"name": name}})
	}
	return Kind{
		Name: "email_templates", Path: templatePath, Key: "name", Class: "EmailTemplate",
		Scope: "okta.templates", Area: AreaCustomizations,
		Verbs:      Verbs{List: true, Get: true},
		Operations: []Operation{{Name: "send test", Path: "test", Status: 204, Read: true, Link: "-"}},
		Page:       Page{Default: 20, Max: 200},
		Fields:     []Field{{Path: "name", Mode: ReadOnly}},
		Links: []Link{
			self("GET"), {Name: "settings", To: "settings", Allow: "GET PUT"}, {Name: "defaultContent", To: "default-content", Allow: "GET"},
			{Name: "customizations", To: "customizations", Allow: "GET POST DELETE"}, {Name: "test", To: "test", Allow: "POST"},
		},
		Seeds: seeds, Show: showTemplate,
	}
}

// showTemplate embeds what expand asks for (documented).
func showTemplate(v *View) {
	embedded := doc.Doc{}
	for _, expand := range listed(v.Query["expand"]) {
		switch expand {
		case "settings":
			k := KindNamed("email_settings")
			embedded["settings"] = v.Org.Show(k, v.Org.look(k, v.Object.place(), k.fixedID()), View{}, 0)
		case "customizationCount":
			embedded["customizationCount"] = len(v.Org.objectsIn(KindNamed("email_customizations"), v.Object.place()))
		}
	}
	if len(embedded) > 0 {
		v.Body["_embedded"] = embedded
	}
}

func emailSettings() Kind {
	return Kind{
		Name: "email_settings", Path: templatePath + "/settings", Class: "EmailTemplateSettings",
		Scope: "okta.templates", Area: AreaCustomizations,
		Verbs:  Verbs{Get: true, Replace: "PUT"},
		Fields: []Field{{Path: "recipients", Required: true, Enum: []string{"ALL_USERS", "ADMINS_ONLY", "NO_USERS"}}},
		Links:  []Link{self("GET PUT")},
		Seeds:  []Seed{{Body: doc.Doc{"recipients": "ALL_USERS"}}},
		Show:   func(v *View) { v.linkParent("template", "GET") },
		Events: map[string]string{replace: "system.email.template.settings_changed"},
	}
}

// linkParent adds a link to the object above.
func (v *View) linkParent(name string, allow ...string) {
	if p := v.Org.parentOf(v.Kind, v.Object); p != nil {
		doc.Object(v.Body, "_links")[name] = Hints.write(name, v.Org.Href(v.Kind.parent, p), allow)
	}
}

// emailContents are Okta's own words, and a look at them with values.
func emailContents() Kind {
	return Kind{
		Name: "email_contents", Path: templatePath + "/default-content", Class: "EmailTemplateContent",
		Scope: "okta.templates", Area: AreaCustomizations,
		Verbs:      Verbs{Get: true},
		Operations: []Operation{previewOf()},
		Fields: []Field{
			{Path: "subject", Mode: ReadOnly, Default: "A message from ${org.name}"},
			{Path: "body", Mode: ReadOnly, Default: "<html><body>Hi ${user.profile.firstName},<br/>this is a message from ${org.name}.</body></html>"},
		},
		Links: []Link{self("GET"), {Name: "preview", To: "preview", Allow: "GET"}},
		Seeds: []Seed{{}},
		Show: func(v *View) {
			v.linkParent("template", "GET")
			v.linkTemplate("test", "POST")
		},
	}
}

// previewOf shows a mail as it will look.
func previewOf() Operation {
	return Operation{
		Name: "show preview", Path: "preview", Method: "GET", Status: 200, Read: true, Link: "-",
		Reply: func(c *Change) (any, error) {
			self := c.Org.Href(c.Kind, c.Object)
			return doc.Doc{
				"subject": c.Object.Body["subject"], "body": c.Object.Body["body"],
				"_links": doc.Doc{"self": Hints.write("self", self+"/preview", []string{"GET"}), "contentSource": Hints.write("", self, []string{"GET"})},
			}, nil
		},
	}
}

// linkTemplate adds a link to a part of the template above.
func (v *View) linkTemplate(name string, allow ...string) {
	if p := v.Org.parentOf(v.Kind, v.Object); p != nil {
		doc.Object(v.Body, "_links")[name] = Hints.write(name, v.Org.Href(v.Kind.parent, p)+"/"+name, allow)
	}
}

func emailCustomizations() Kind {
	return Kind{
		Name: "email_customizations", Path: templatePath + "/customizations/{customizationId}", Prefix: "oel", Class: "OrgCustomizedEmailTemplate",
		Scope: "okta.templates", Area: AreaCustomizations,
		Verbs:      Verbs{List: true, Get: true, Create: 201, Replace: "PUT", Delete: 204, Clear: 204, Forgiving: true},
		Operations: []Operation{previewOf()},
		Page:       Page{Default: 10, Max: 200, Order: "language"},
		Stamps:     dated, Natural: []string{"language"},
		Fields: []Field{
			{Path: "language", Required: true, Unique: InParent, Taken: failure.LanguageTaken()},
			{Path: "subject", Required: true},
			{Path: "body", Required: true},
			{Path: "isDefault", Type: Bool, Default: false, Keep: true},
		},
		Links: []Link{self("GET PUT DELETE"), {Name: "preview", To: "preview", Allow: "GET"}},
		Check: checkCustomization, After: soleDefault,
		Show: func(v *View) {
			v.linkParent("template", "GET")
			v.linkTemplate("settings", "GET", "PUT")
			v.linkTemplate("test", "POST")
		},
		Events: map[string]string{create: "system.email.template.create", replace: "system.email.template.update", remove: "system.email.template.delete"},
	}
}

// checkCustomization keeps one default among the customizations of a template, as long as
// there are any (documented).
func checkCustomization(c *Change) error {
	others := len(c.Org.objectsIn(c.Kind, c.Object.Home))
	switch {
	case c.Verb == remove && doc.Bool(c.Before, "isDefault") && others > 1 && !c.Clearing:
		return failure.DefaultCustomization()
	case c.Verb == create && others == 0:
		c.Body["isDefault"] = true
	case c.Verb == replace && doc.Bool(c.Before, "isDefault") && !doc.Bool(c.Body, "isDefault"):
		return failure.DefaultCustomizationStays()
	}
	return nil
}

// soleDefault: a new default takes the place of the old one.
func soleDefault(c *Change) {
	if c.Verb == remove || c.Adopting || !doc.Bool(c.Body, "isDefault") {
		return
	}
	for _, x := range c.Org.objectsIn(c.Kind, c.Object.Home) {
		if x != c.Object && doc.Bool(x.Body, "isDefault") {
			x.Body["isDefault"] = false
			x.LastUpdated = c.Org.stamp()
		}
	}
}
