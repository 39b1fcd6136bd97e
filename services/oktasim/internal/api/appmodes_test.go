package api_test

import (
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

func samlApp(label string) doc.Doc {
	return doc.Doc{"label": label, "signOnMode": "SAML_2_0", "settings": doc.Doc{"signOn": doc.Doc{
		"ssoAcsUrl": "https://sp.example/acs", "audience": "sp", "recipient": "https://sp.example/acs", "destination": "https://sp.example/acs",
	}}}
}

// catalogued is an app of the integration network.
func catalogued(name, mode string, settings doc.Doc) doc.Doc {
	return doc.Doc{"name": name, "label": name, "signOnMode": mode, "settings": doc.Doc{"app": settings}}
}

// TestSignOnModes makes an app of every sign-on mode and looks at what Okta adds to it.
func TestSignOnModes(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	page := doc.Doc{"url": "https://x.example", "usernameField": "u", "passwordField": "p", "buttonField": "b"}
	auto := doc.Doc{"label": "Own", "signOnMode": "AUTO_LOGIN", "settings": doc.Doc{"signOn": doc.Doc{"loginUrl": "https://x.example"}}}
	for _, c := range []struct {
		name string
		body doc.Doc
		want map[string]any
	}{
		{"form with three fields", catalogued("template_swa", "BROWSER_PLUGIN", page), map[string]any{
			"name": "template_swa", "signOnMode": "BROWSER_PLUGIN", "settings.app.checkbox": nil, "credentials.scheme": "EDIT_USERNAME_AND_PASSWORD",
			"credentials.revealPassword": false, "visibility.appLinks.login": true, "universalLogout.status": "UNSUPPORTED",
		}},
		{"form of the org's own", auto, map[string]any{
			"name": "acme_own_1", "signOnMode": "AUTO_LOGIN", "settings.signOn.redirectUrl": nil, "visibility.appLinks.acme_own_1_link": true,
		}},
		{"form that the network knows", catalogued("aws_console", "AUTO_LOGIN", nil), map[string]any{
			"signOnMode": "BROWSER_PLUGIN", "visibility.appLinks.aws_console_login": true,
		}},
		{"nobody signs in", catalogued("deelhr", "AUTO_LOGIN", nil), map[string]any{"signOnMode": nil, "credentials.scheme": nil}},
		{"basic authentication", catalogued("template_basic_auth", "BASIC_AUTH", doc.Doc{"url": "https://x.example", "authURL": "https://x.example/a"}),
			map[string]any{"settings.app.loginUrlRegex": nil}},
		{"SAML of the network", catalogued("pagerduty", "SAML_2_0", doc.Doc{"subdomain": "", "baseUrl": "https://p.example", "odd": "x"}), map[string]any{
			"settings.app.subdomain": nil, "settings.app.adminUserId": nil, "settings.app.odd": nil, "settings.signOn.audienceOverride": nil, "settings.signOn.ssoAcsUrl": nil,
		}},
		{"SAML 1.1", catalogued("sharepoint_onpremise", "SAML_1_1", doc.Doc{"siteURL": "https://x.example"}), map[string]any{"settings.signOn.defaultRelayState": nil}},
		{"OIDC of the network", catalogued("Strongdm", "OPENID_CONNECT", nil), map[string]any{
			"name": "strongdm", "settings.oauthClient": nil, "credentials.oauthClient": nil, "settings.app.base_url": nil,
		}},
		{"an app that the catalogue lacks", catalogued("lighthouse", "AUTO_LOGIN", doc.Doc{"site": "x"}), map[string]any{
			"name": "lighthouse", "settings.app.site": "x", "visibility.appLinks.lighthouse_link": true,
		}},
		{"a native client", doc.Merge(webApp("Native"), doc.Doc{"settings": doc.Doc{"oauthClient": doc.Doc{"application_type": "native"}}}),
			map[string]any{"credentials.oauthClient.pkce_required": true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.want(200, "POST", "/api/v1/apps", c.body).object(t)
			for path, want := range c.want {
				if v := doc.Get(got, strings.Split(path, ".")...); v != want {
					t.Errorf("%s is %v, want %v", path, v, want)
				}
			}
			read := s.get("/api/v1/apps/" + doc.String(got, "id"))
			if read["signOnMode"] != got["signOnMode"] || doc.Get(read, "credentials", "oauthClient", "client_secret") != nil {
				t.Errorf("read as %v", read)
			}
		})
	}
}

func TestSharedCredentialsAreNamedAndHidden(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	a := catalogued("template_swa", "BROWSER_PLUGIN", doc.Doc{"url": "https://x.example", "usernameField": "u", "passwordField": "p", "buttonField": "b"})
	a["credentials"] = doc.Doc{"scheme": "SHARED_USERNAME_AND_PASSWORD", "userName": "shared", "password": doc.Doc{"value": "s3cret"}}
	got := s.want(200, "POST", "/api/v1/apps", a)
	if strings.Contains(string(got.body), "s3cret") {
		t.Error("the password is shown")
	}
	if c := doc.Object(got.object(t), "credentials"); c["userName"] != "shared" || doc.Object(c, "password") == nil {
		t.Errorf("credentials %v", c)
	}
	doc.Object(a, "credentials")["scheme"] = "ADMIN_SETS_CREDENTIALS"
	c := doc.Object(s.create("/api/v1/apps", a), "credentials")
	if _, named := c["userName"]; named || c["password"] != nil {
		t.Errorf("credentials that are not shared %v", c)
	}
}

func TestSAMLSettings(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	a := samlApp("Wiki")
	signOn := doc.Object(a, "settings", "signOn")
	signOn["defaultRelayState"], signOn["audienceOverride"] = "", ""
	signOn["slo"] = doc.Doc{"enabled": true, "issuer": "https://sp.example", "logoutUrl": "https://sp.example/out"}
	signOn["acsEndpoints"] = []any{doc.Doc{"url": "https://a.example"}, doc.Doc{"url": "https://b.example", "index": 7}}
	signOn["spCertificate"] = doc.Doc{"x5c": doc.Array("-----BEGIN CERTIFICATE-----\n" + strings.Repeat("A", 100) + "\n-----END CERTIFICATE-----")}
	created := s.create("/api/v1/apps", a)
	got := doc.Object(created, "settings", "signOn")
	if _, kept := got["audienceOverride"]; kept || got["spIssuer"] != "https://sp.example" {
		t.Errorf("sign-on settings %v", got)
	}
	endpoints, _ := got["acsEndpoints"].([]any)
	if n, ok := doc.Int(endpoints[0].(doc.Doc), "index"); !ok || n != 0 {
		t.Errorf("endpoints %v", endpoints)
	}
	chain := doc.Strings(got, "spCertificate", "x5c")
	if want := strings.Repeat("A", 76) + "\r\n" + strings.Repeat("A", 24) + "\r\n"; chain[0] != want {
		t.Errorf("certificate %q, want %q", chain[0], want)
	}
	path := "/api/v1/apps/" + doc.String(created, "id")
	xml := s.want(200, "GET", path+"/sso/saml/metadata", nil)
	if !strings.HasPrefix(xml.header.Get("Content-Type"), "application/xml") || !strings.Contains(string(xml.body), "/slo/saml") {
		t.Errorf("metadata %s %s", xml.header.Get("Content-Type"), xml.body)
	}
	s.refused(404, "E0000007", "ClientApplicationKey", "GET", path+"/sso/saml/metadata?kid=none", nil)
	bad := samlApp("Bad")
	delete(doc.Object(bad, "settings", "signOn"), "audience")
	s.refused(400, "E0000001", "audience", "POST", "/api/v1/apps", bad)
	bad = samlApp("Hooked")
	doc.Object(bad, "settings", "signOn")["inlineHooks"] = []any{doc.Doc{"id": "calNobody"}}
	s.refused(404, "E0000007", "InlineHook", "POST", "/api/v1/apps", bad)
}

func TestAppsThatOktaRefuses(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	s.refused(400, "E0000001", "settings.app.url", "POST", "/api/v1/apps", catalogued("template_swa", "BROWSER_PLUGIN", nil))
	s.refused(400, "E0000001", "name", "POST", "/api/v1/apps", doc.Doc{"label": "X", "signOnMode": "BROWSER_PLUGIN"})
	s.refused(400, "E0000003", "", "POST", "/api/v1/apps", doc.Doc{"label": "X", "name": "x", "signOnMode": "TELEPATHY"})
	for words, client := range map[string]doc.Doc{
		"must be set to true": {"token_endpoint_auth_method": "none"},
		"Valid values":        {"token_endpoint_auth_method": "none", "pkce_required": true},
	} {
		app := webApp("Public")
		doc.Object(app, "credentials")["oauthClient"] = client
		s.refused(400, "E0000001", words, "POST", "/api/v1/apps", app)
	}
	s.refused(400, "E0000001", "admin consent", "POST", "/api/v1/apps", catalogued("office365", "SAML_1_1", doc.Doc{"wsFedConfigureType": "AUTO"}))
	inUpdate := func(f func() error) {
		if err := s.org.Update(f); err != nil {
			t.Fatal(err)
		}
	}
	selfService := doc.Merge(samlApp("Self"), doc.Doc{"accessibility": doc.Doc{"selfService": true}})
	s.want(200, "POST", "/api/v1/apps", selfService)
	inUpdate(func() error { s.org.SetLicensed("app_self_service", false); return nil })
	s.refused(403, "E0000043", "Self service", "POST", "/api/v1/apps", selfService)
	own := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", samlApp("Own")), "id")
	s.want(200, "POST", own+"/lifecycle/deactivate", nil)
	s.refused(400, "E0000024", "No active instances", "PUT", own, samlApp("Other"))
	s.want(200, "POST", own+"/lifecycle/activate", nil)
	s.refused(400, "E0000001", "signOnMode", "PUT", own, doc.Merge(samlApp("Other"), doc.Doc{"signOnMode": "AUTO_LOGIN"}))
}
