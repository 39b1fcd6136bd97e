package org

import "imago/services/oktasim/internal/doc"

// pageKinds are the pages of a brand: Okta's own, the one in use, and the one that an admin
// looks at before it is.
func pageKinds() []Kind {
	kinds := []Kind{signOutPage()}
	for _, what := range []string{"default", "customized", "preview"} {
		kinds = append(kinds, page("sign-in", what, signInFields(what)), page("error", what, contentFields(what)))
	}
	return append(kinds, pageRoot("sign-in"), pageRoot("error"))
}

// page is one page. Okta's own cannot be changed; the others are there when somebody has
// made them.
func page(sort, what string, fields []Field) Kind {
	k := Kind{
		Name: what + "_" + sort + "_pages", Path: brandPath + "/pages/" + sort + "/" + what, Class: "CustomPage",
		Scope: "okta.brands", Area: AreaCustomizations,
		Verbs:  Verbs{Get: true, Replace: "PUT", Upsert: true, Delete: 204},
		Fields: fields, Show: showPage,
	}
	if what == "default" {
		k.Verbs, k.Seeds = Verbs{Get: true}, []Seed{{}}
	}
	return k
}

// keepSignedIn is the question that pages of newer orgs ask after sign-in. Only reads show
// it (recorded).
const keepSignedIn = "page_keep_signed_in"

func showPage(v *View) {
	if v.Verb != "" {
		drop(v.Body, "widgetCustomizations.postAuthKeepMeSignedInPrompt")
	}
}

func contentFields(what string) []Field {
	content := Field{Path: "pageContent", Null: true}
	if what == "default" {
		content.Default = errorPage
	}
	return []Field{content, {Path: "contentSecurityPolicySetting", Type: Map}, {Path: "contentSecurityPolicySetting.mode", When: isNot("contentSecurityPolicySetting", nil), Enum: []string{"enforced", "report_only"}, Default: "enforced"}}
}

// widgetTexts are the labels and links of the sign-in widget, with Okta's own words.
func widgetTexts() [][2]string {
	return [][2]string{
		{"signInLabel", "Sign In"}, {"usernameLabel", "Username"}, {"usernameInfoTip", ""}, {"passwordLabel", "Password"}, {"passwordInfoTip", ""},
		{"forgotPasswordLabel", "Forgot password?"}, {"forgotPasswordUrl", ""}, {"unlockAccountLabel", "Unlock account?"}, {"unlockAccountUrl", ""},
		{"helpLabel", "Help"}, {"helpUrl", ""}, {"customLink1Label", ""}, {"customLink1Url", ""}, {"customLink2Label", ""}, {"customLink2Url", ""},
		{"authenticatorPageCustomLinkLabel", ""}, {"authenticatorPageCustomLinkUrl", ""}, {"classicRecoveryFlowEmailOrUsernameLabel", "Email or Username"},
	}
}

func signInFields(what string) []Field {
	own := what == "default"
	fields := []Field{
		{Path: "pageContent", Null: true}, {Path: "widgetVersion", Null: true},
		{Path: "contentSecurityPolicySetting", Type: Map},
		{Path: "widgetCustomizations", Type: Map, Default: doc.Doc{}},
		{Path: "widgetCustomizations.showPasswordVisibilityToggle", Type: Bool, Default: own},
		{Path: "widgetCustomizations.showUserIdentifier", Type: Bool, Default: own},
		{Path: "widgetCustomizations.widgetGeneration", Enum: []string{"G2", "G3"}, Default: "G2"},
	}
	if own {
		fields[0].Default, fields[1].Default, fields[2].Default = signInPage, "^7", doc.Doc{"mode": "enforced"}
	} else {
		fields = append(fields, Field{
			Path: "widgetCustomizations.postAuthKeepMeSignedInPrompt", Type: Map, Feature: keepSignedIn,
			Default: doc.Doc{"title": nil, "subtitle": nil, "acceptButtonText": nil, "rejectButtonText": nil},
		})
	}
	for _, text := range widgetTexts() {
		f := Field{Path: "widgetCustomizations." + text[0], Null: true}
		if own {
			f.Default = text[1]
		}
		fields = append(fields, f)
	}
	return fields
}

// signOutPage is where people go when they sign out.
func signOutPage() Kind {
	return Kind{
		Name: "sign_out_pages", Path: brandPath + "/pages/sign-out/customized", Class: "HostedPage",
		Scope: "okta.brands", Area: AreaCustomizations,
		Verbs: Verbs{Get: true, Replace: "PUT"},
		Fields: []Field{
			{Path: "type", Required: true, Enum: []string{"OKTA_DEFAULT", "EXTERNALLY_HOSTED"}},
			{Path: "url", Required: true, When: is("type", "EXTERNALLY_HOSTED"), Pattern: `https?://.+`},
		},
		Seeds: []Seed{{Body: doc.Doc{"type": "OKTA_DEFAULT"}}},
	}
}

// pageRoot leads to the pages of one sort (documented).
func pageRoot(sort string) Kind {
	k := Kind{
		Name: sort + "_page_roots", Path: brandPath + "/pages/" + sort, Class: "PageRoot",
		Scope: "okta.brands", Area: AreaCustomizations,
		Verbs: Verbs{Get: true},
		Links: []Link{
			self("GET"), {Name: "default", To: "default", Allow: "GET"}, {Name: "customized", To: "customized", Allow: "GET PUT DELETE"},
			{Name: "preview", To: "preview", Allow: "GET PUT DELETE"},
		},
		Seeds: []Seed{{}},
	}
	if sort == "sign-in" {
		k.Operations = []Operation{{
			Name: "widget-versions", Path: "widget-versions", Method: "GET", Status: 200, Read: true, Link: "-",
			Reply: func(*Change) (any, error) { return doc.Array("*", "^6", "^7", "7.8"), nil },
		}}
	}
	return k
}

// Okta's own pages, with the variables that it puts values in.
const (
	signInPage = `<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html>
<head>
    <meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
    <link href="{{themedStylesUrl}}" rel="stylesheet" type="text/css">
    <link rel="shortcut icon" href="{{faviconUrl}}" type="image/x-icon"/>
    <title>{{pageTitle}}</title>
    {{{SignInWidgetResources}}}
</head>
<body>
    <div id="login-bg-image-id" class="login-bg-image tb--background" style="background-image: {{bgImageUrl}}"></div>
    <div id="okta-login-container"></div>
    {{{OktaUtil}}}
    <script type="text/javascript" nonce="{{nonceValue}}">
        var oktaSignIn = new OktaSignIn(OktaUtil.getSignInWidgetConfig());
        oktaSignIn.renderEl({ el: '#okta-login-container' }, OktaUtil.completeLogin, function(error) { console.log(error.message, error); });
    </script>
</body>
</html>
`
	errorPage = `<!DOCTYPE html>
<html>
<head>
    <meta charset="UTF-8">
    <title>{{orgName}} - {{errorSummary}}</title>
    <link rel="shortcut icon" href="{{faviconUrl}}" type="image/x-icon"/>
</head>
<body>
    <h1>{{errorSummary}}</h1>
    <p>{{{errorDescription}}}</p>
    <a href="{{buttonHref}}">{{buttonText}}</a>
</body>
</html>
`
)
