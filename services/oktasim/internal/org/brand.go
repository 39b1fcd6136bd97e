package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const (
	brandPath  = "/api/v1/brands/{brandId}"
	multibrand = "multiple_brands"
)

// brandKinds are the brands with what hangs on them: themes, pages, addresses, mail.
func brandKinds() []Kind {
	kinds := []Kind{brands(), themes()}
	kinds = append(kinds, pageKinds()...)
	kinds = append(kinds, wellKnownKinds()...)
	return append(kinds, emailTemplateKinds()...)
}

func brands() Kind {
	return Kind{
		Name: "brands", Path: brandPath, Prefix: "bnd", Class: "Brand",
		Scope: "okta.brands", Area: AreaCustomizations,
		Verbs:   crud(201),
		Page:    Page{Default: 20, Max: 200, Q: []string{"name"}},
		SeedKey: []string{"isDefault"},
		Fields: []Field{
			// An update keeps what it does not name (recorded).
			{Path: "name", Required: true, Keep: true, Unique: InOrg, Taken: failure.BrandExists(), Max: 255, Feature: multibrand},
			{Path: "removePoweredByOkta", Type: Bool, Default: false},
			{Path: "customPrivacyPolicyUrl", Null: true},
			{Path: "agreeToCustomPrivacyPolicy", Type: Bool, Default: false, Feature: multibrand},
			{Path: "isDefault", Type: Bool, Mode: ReadOnly, Default: false, Feature: multibrand},
			{Path: "locale"},
			{Path: "emailDomainId", Ref: "email_domains", Gone: Cleared, Keep: true},
			{Path: "defaultApp", Type: Map, Default: doc.Doc{}, Keep: true, Feature: multibrand},
			{Path: "defaultApp.appInstanceId", Null: true, Keep: true},
			{Path: "defaultApp.appLinkName", Null: true, Keep: true},
			{Path: "defaultApp.classicApplicationUri", Null: true, Keep: true},
		},
		Operations: []Operation{
			{Name: "domains", Path: "domains", Method: "GET", Status: 200, Read: true, Link: "-", Reply: domainsOfBrand},
			{Name: "well-known-uris", Path: "well-known-uris", Method: "GET", Status: 200, Read: true, Link: "-", Reply: wellKnownFiles},
		},
		Links: []Link{
			{Name: "themes", To: "themes", Allow: "GET"},
			{Name: "emailDomain", To: "/api/v1/email-domains/{emailDomainId}", Allow: "GET PUT", When: isNot("emailDomainId", nil)},
		},
		Seeds: []Seed{{Body: doc.Doc{"isDefault": true}}},
		Check: checkBrand, Fill: fillBrand, Show: showBrand,
		Refusals: []Refusal{{On: []string{remove}, When: is("isDefault", true), With: failure.DefaultBrand()}},
		Events:   map[string]string{create: "system.brand.create", replace: "system.brand.update", remove: "system.brand.delete"},
	}
}

// checkBrand refuses a privacy policy of one's own to which nobody has agreed, and the
// deletion of a brand with a domain (documented; the causes are assumptions).
func checkBrand(c *Change) error {
	if c.Verb == remove {
		for _, x := range c.Org.shelf(KindNamed("domains")).objects {
			if x.text("brandId") == c.Object.ID {
				return failure.BrandHasDomain()
			}
		}
		return nil
	}
	if textOf(c.Body["customPrivacyPolicyUrl"]) != "" && !doc.Bool(c.Body, "agreeToCustomPrivacyPolicy") {
		return failure.Invalid("agreeToCustomPrivacyPolicy", "agreeToCustomPrivacyPolicy: It must be true to use a custom privacy policy")
	}
	return nil
}

// fillBrand: an empty address is none (recorded). The default brand bears the org's name.
func fillBrand(c *Change) error {
	if c.Body["customPrivacyPolicyUrl"] == "" {
		c.Body["customPrivacyPolicyUrl"] = nil
	}
	if c.Body["name"] == nil {
		c.Body["name"] = c.Org.info.Subdomain
	}
	return nil
}

func showBrand(v *View) {
	allow := []string{"GET", "PUT", "DELETE"}
	if !v.Org.Licensed(multibrand) {
		allow = allow[:2]
	}
	doc.Object(v.Body, "_links")["self"] = Hints.write("self", v.Self, allow)
}

// themes are the looks of a brand: each has one.
func themes() Kind {
	variant := func(name string, values ...string) Field {
		return Field{Path: name + "TouchPointVariant", Enum: append([]string{"OKTA_DEFAULT"}, values...), Default: "OKTA_DEFAULT"}
	}
	color := func(path, standard string) Field {
		return Field{Path: path, Pattern: "#[0-9a-fA-F]{3,8}", Default: standard, Keep: true}
	}
	return Kind{
		Name: "themes", Path: brandPath + "/themes/{themeId}", Prefix: "the", Class: "Theme",
		Scope: "okta.brands", Area: AreaCustomizations,
		Verbs:   Verbs{List: true, Get: true, Replace: "PUT"},
		SeedKey: []string{}, Natural: []string{"primaryColorHex"},
		Operations: []Operation{clearImage("logo"), clearImage("favicon"), clearImage("background-image")},
		Fields: []Field{
			{Path: "logo", Mode: ReadOnly, Null: true},
			{Path: "favicon", Mode: ReadOnly, Null: true},
			{Path: "backgroundImage", Mode: ReadOnly, Null: true},
			color("primaryColorHex", "#1662dd"), color("primaryColorContrastHex", "#ffffff"),
			color("secondaryColorHex", "#ebebed"), color("secondaryColorContrastHex", "#000000"),
			variant("signInPage", "BACKGROUND_SECONDARY_COLOR", "BACKGROUND_IMAGE"),
			variant("endUserDashboard", "WHITE_LOGO_BACKGROUND", "FULL_THEME", "LOGO_ON_FULL_WHITE_BACKGROUND"),
			variant("errorPage", "BACKGROUND_SECONDARY_COLOR", "BACKGROUND_IMAGE"),
			variant("emailTemplate", "FULL_THEME"),
			variant("loadingPage", "NONE"),
		},
		Links: []Link{
			self("GET PUT"), {Name: "logo", To: "logo", Allow: "POST DELETE"}, {Name: "favicon", To: "favicon", Allow: "POST DELETE"},
			{Name: "background-image", To: "background-image", Allow: "POST DELETE"},
		},
		Seeds: []Seed{{}},
		Show: func(v *View) {
			doc.Default(v.Body, "logo", nil)
			if v.Body["logo"] == nil {
				v.Body["logo"] = image("okta-logo")
			}
			if v.Body["favicon"] == nil {
				v.Body["favicon"] = v.Org.base + "/favicon.ico"
			}
		},
		Events: map[string]string{replace: "system.theme.update"},
	}
}

// imageFields are where the images of a theme stand in its body.
func imageFields() map[string]string {
	return map[string]string{"logo": "logo", "favicon": "favicon", "background-image": "backgroundImage"}
}

// clearImage returns to Okta's own image.
func clearImage(name string) Operation {
	return Operation{
		Name: "clear " + name, Path: name, Method: "DELETE", Status: 204, Link: "-", Answer: Nothing,
		Run: func(c *Change) error {
			c.Body[imageFields()[name]] = nil
			return nil
		},
	}
}

// SetImage gives a theme an image and returns its address. Its bytes are not kept. The
// form of the addresses is recorded.
func (o *Org) SetImage(by *Cause, theme *Object, name string) string {
	places := map[string]string{"logo": "/fs/bco/1/", "favicon": "/bc/image/fileStoreRecord?id=", "background-image": "/fs/bco/7/"}
	url := staticHost + places[name] + o.ids.ID("fs0")
	theme.Body[imageFields()[name]] = url
	theme.LastUpdated = o.stamp()
	o.Note(by, "system.theme.update", nil, KindNamed("themes").party(theme))
	return url
}
