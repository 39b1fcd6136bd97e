package api_test

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	saml := s.create("/api/v1/apps", samlApp("Wiki"))
	path := "/api/v1/apps/" + doc.String(saml, "id") + "/credentials/keys"
	keys := s.list(path)
	if len(keys) != 1 || keys[0]["kid"] != doc.Get(saml, "credentials", "signing", "kid") {
		t.Fatalf("the keys of a SAML app of its own are %v", keys)
	}
	c := certificate(t, doc.Strings(keys[0], "x5c")[0])
	if c.Subject.CommonName != "acme" || c.NotAfter.Format(time.RFC3339) != strings.Replace(doc.String(keys[0], "expiresAt"), ".000Z", "Z", 1) {
		t.Errorf("certificate of %v until %v", c.Subject, c.NotAfter)
	}
	if again := s.list(path); doc.Strings(again[0], "x5c")[0] != doc.Strings(keys[0], "x5c")[0] {
		t.Error("the certificate changes")
	}
	s.refused(400, "E0000001", "validityYears", "POST", path+"/generate", nil)
	s.refused(400, "E0000001", "validityYears", "POST", path+"/generate?validityYears=11", nil)
	made := s.want(201, "POST", path+"/generate?validityYears=2", nil).object(t)
	signing := doc.Object(saml, "credentials", "signing")
	signing["kid"] = made["kid"]
	if got := s.want(200, "PUT", "/api/v1/apps/"+doc.String(saml, "id"), saml).object(t); doc.Get(got, "credentials", "signing", "kid") != made["kid"] {
		t.Errorf("the app still signs with %v", doc.Get(got, "credentials", "signing"))
	}
	other := s.create("/api/v1/apps", samlApp("Other"))
	clone := path + "/" + doc.String(made, "kid") + "/clone?targetAid=" + doc.String(other, "id")
	if got := s.want(201, "POST", clone, nil).object(t); got["n"] != made["n"] {
		t.Error("the clone is another key")
	}
	s.refused(400, "E0000001", "already exists", "POST", clone, nil)
	s.refused(404, "E0000007", "ClientApplicationKey", "GET", path+"/none", nil)
	if network := s.create("/api/v1/apps", catalogued("pagerduty", "SAML_2_0", nil)); len(s.list("/api/v1/apps/"+doc.String(network, "id")+"/credentials/keys")) != 2 {
		t.Error("a SAML app of the network has the org's key and its own")
	}
}

func TestCertificateRequests(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", samlApp("Wiki")), "id") + "/credentials"
	request := s.want(201, "POST", app+"/csrs", doc.Doc{"subject": doc.Doc{"commonName": "Wiki", "countryName": "NO"}}).object(t)
	der, err := base64.StdEncoding.DecodeString(doc.String(request, "csr"))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || csr.Subject.CommonName != "Wiki" {
		t.Fatalf("request %v: %v", csr, err)
	}
	publish := app + "/csrs/" + doc.String(request, "id") + "/lifecycle/publish"
	s.refused(400, "E0000001", "certificate", "POST", publish, "no certificate")
	signed := doc.Strings(s.list(app + "/keys")[0], "x5c")[0]
	key := s.want(201, "POST", publish, "-----BEGIN CERTIFICATE-----\n"+signed+"\n-----END CERTIFICATE-----\n").object(t)
	if key["kid"] != request["id"] || doc.Strings(key, "x5c")[0] != signed {
		t.Errorf("the request became %v", key)
	}
	s.refused(404, "E0000007", "CertificateSigningRequest", "GET", app+"/csrs/"+doc.String(request, "id"), nil)
}

func TestClientSecrets(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", webApp("Shop")), "id")
	path := app + "/credentials/secrets"
	first := doc.String(s.list(path)[0], "id")
	s.refused(400, "E0000001", "only active", "POST", path+"/"+first+"/lifecycle/deactivate", nil)
	second := s.want(201, "POST", path, doc.Doc{"client_secret": "a secret of one's own"}).object(t)
	if second["client_secret"] != "a secret of one's own" || second["status"] != "ACTIVE" {
		t.Errorf("secret %v", second)
	}
	s.refused(400, "E0000001", "maximum", "POST", path, doc.Doc{})
	s.refused(400, "E0000001", "active", "DELETE", path+"/"+first, nil)
	got := s.create(path+"/"+first+"/lifecycle/deactivate", nil)
	if got["status"] != "INACTIVE" || doc.Get(got, "_links", "delete") == nil || doc.Get(got, "_links", "activate") == nil {
		t.Errorf("deactivated %v", got)
	}
	s.want(204, "DELETE", path+"/"+first, nil)
	s.refused(404, "E0000007", first, "GET", path+"/"+first, nil)
	if n := len(only(s.events(), "app.oauth2.credentials.lifecycle.delete")); n != 1 {
		t.Errorf("%d events of the deletion", n)
	}
}

func TestClientKeys(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := webApp("Robot")
	doc.Object(app, "credentials", "oauthClient")["token_endpoint_auth_method"] = "private_key_jwt"
	doc.Object(app, "settings", "oauthClient")["jwks"] = doc.Doc{"keys": []any{doc.Doc{"kty": "EC", "kid": "a", "x": "x", "y": "y"}}}
	made := s.create("/api/v1/apps", app)
	if key := doc.Get(made, "settings", "oauthClient", "jwks", "keys").([]any)[0].(doc.Doc); key["status"] != "ACTIVE" {
		t.Errorf("key %v", key)
	}
	path := "/api/v1/apps/" + doc.String(made, "id") + "/credentials/jwks"
	key := s.want(201, "POST", path, doc.Doc{"kty": "RSA", "kid": "b", "e": "AQAB", "n": "AQ"}).object(t)
	s.refused(400, "E0000001", "same kid", "POST", path, doc.Doc{"kty": "RSA", "kid": "b"})
	if keys, _ := s.get(path)["keys"].([]any); len(keys) != 2 {
		t.Errorf("keys %v", keys)
	}
	one := path + "/" + doc.String(key, "id")
	s.refused(400, "E0000001", "active", "DELETE", one, nil)
	s.create(one+"/lifecycle/deactivate", nil)
	s.want(204, "DELETE", one, nil)
	s.refused(404, "E0000007", "OAuth2ClientJsonWebKey", "GET", one, nil)
}

func TestClientRegistration(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	client := doc.Doc{"client_name": "Shop", "application_type": "web", "grant_types": doc.Array("authorization_code"), "redirect_uris": doc.Array("https://x.example/cb")}
	made := s.want(201, "POST", "/oauth2/v1/clients", client).object(t)
	path := "/oauth2/v1/clients/" + doc.String(made, "client_id")
	if doc.Strings(made, "response_types")[0] != "code" || made["client_secret"] == nil || s.get(path)["client_secret"] != nil {
		t.Errorf("client %v", made)
	}
	if renewed := s.create(path+"/lifecycle/newSecret", nil); renewed["client_secret"] == made["client_secret"] {
		t.Error("the new secret is the old one")
	}
	client["client_name"] = "Shop 2"
	if got := s.want(200, "PUT", path, client).object(t); got["client_name"] != "Shop 2" || s.get("/api/v1/apps/" + doc.String(made, "client_id"))["label"] != "Shop 2" {
		t.Errorf("changed to %v", got)
	}
	s.refused(400, "E0000001", "client_name", "POST", "/oauth2/v1/clients", doc.Doc{})
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "PublicClientApp", "GET", path, nil)
}
