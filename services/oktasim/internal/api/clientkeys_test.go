package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestKeysAtURI lets a client prove itself by keys that it publishes.
func TestKeysAtURI(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	key, published := testKey(t), []any{}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(doc.Doc{"keys": published}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(keys.Close)
	client := s.published(keys.URL + "/jwks.json")
	ask := func() answer {
		t.Helper()
		return s.token2(fields(signRSA(t, key, doc.Doc{"alg": "RS256", "kid": "k1"}, s.claims(client)), "okta.users.read"))
	}
	if a := ask(); a.status != 401 || a.object(t)["error"] != "invalid_client" {
		t.Errorf("without a key: got %d %s", a.status, a.body)
	}
	published = []any{rsaJWK(key, "k1")}
	if a := ask(); a.status != 200 {
		t.Errorf("with its key: got %d %s", a.status, a.body)
	}
	keys.Close()
	if a := ask(); a.status != 401 || !strings.Contains(string(a.body), "jwks_uri") {
		t.Errorf("with nobody there: got %d %s", a.status, a.body)
	}
}

// published makes a service app whose keys are at the URI.
func (s *sim) published(uri string) (client string) {
	s.Helper()
	id := doc.String(s.create("/api/v1/apps", doc.Doc{
		"name": "oidc_client", "label": "Far keys", "signOnMode": "OPENID_CONNECT",
		"credentials": doc.Doc{"oauthClient": doc.Doc{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": doc.Doc{"oauthClient": doc.Doc{
			"application_type": "service", "grant_types": doc.Array("client_credentials"), "response_types": doc.Array("token"), "jwks_uri": uri,
		}},
	}), "id")
	s.want(200, "POST", "/api/v1/apps/"+id+"/grants", doc.Doc{"scopeId": "okta.users.read", "issuer": s.url})
	return id
}

// TestNetworkOfClients refuses tokens to a client that asks from elsewhere.
func TestNetworkOfClients(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	key := testKey(t)
	client := s.service([]any{rsaJWK(key, "k1")}, "", "okta.users.read")
	zone := doc.String(s.create("/api/v1/zones", doc.Doc{"type": "IP", "name": "Office", "gateways": []any{doc.Doc{"type": "CIDR", "value": "192.0.2.0/24"}}}), "id")
	app := s.get("/api/v1/apps/" + client)
	limit := func(network doc.Doc) doc.Doc {
		doc.Ensure(app, "settings", "oauthClient")["network"] = network
		return app
	}
	s.refused(400, "E0000001", "network.connection", "PUT", "/api/v1/apps/"+client, limit(doc.Doc{"connection": "MOON"}))
	s.refused(404, "E0000007", "nzonone", "PUT", "/api/v1/apps/"+client, limit(doc.Doc{"connection": "ZONE", "include": doc.Array("nzonone")}))
	s.want(200, "PUT", "/api/v1/apps/"+client, limit(doc.Doc{"connection": "ZONE", "include": doc.Array(zone)}))
	for from, want := range map[string]int{"192.0.2.5": 200, "198.51.100.1": 400} {
		f := fields(signRSA(t, key, doc.Doc{"alg": "RS256", "kid": "k1"}, s.claims(client)), "okta.users.read")
		a := s.do("POST", "/oauth2/v1/token", f, "Authorization", "", "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", from)
		if a.status != want || want == 400 && a.object(t)["error"] != "access_denied" {
			t.Errorf("from %s: got %d %s", from, a.status, a.body)
		}
	}
	if got := len(only(s.events(), "system.oauth2.token.request_outside_allowed_range")); got != 1 {
		t.Errorf("%d events tell of it", got)
	}
}

// TestNoSecretInLog changes objects with secrets and looks for these in the log.
func TestNoSecretInLog(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := s.create("/api/v1/apps", doc.Doc{
		"name": "oidc_client", "label": "Web", "signOnMode": "OPENID_CONNECT",
		"credentials": doc.Doc{"oauthClient": doc.Doc{"client_secret": "First-Hidden-Thing-0123456789-abc"}},
		"settings": doc.Doc{"oauthClient": doc.Doc{
			"application_type": "web", "grant_types": doc.Array("authorization_code"), "redirect_uris": doc.Array("https://x.example/cb"),
		}},
	})
	doc.Ensure(app, "credentials", "oauthClient")["client_secret"] = "Second-Hidden-Thing-0123456789-ab"
	app["label"] = "Renamed"
	s.want(200, "PUT", "/api/v1/apps/"+doc.String(app, "id"), app)
	idp := s.create("/api/v1/idps", doc.Doc{
		"type": "GOOGLE", "name": "G", "policy": doc.Doc{"subject": doc.Doc{"userNameTemplate": doc.Doc{"template": "idpuser.email"}}, "accountLink": doc.Doc{"action": "AUTO"}, "provisioning": doc.Doc{"action": "AUTO", "groups": doc.Doc{"action": "NONE"}}},
		"protocol": doc.Doc{"type": "OIDC", "scopes": doc.Array("openid"), "credentials": doc.Doc{"client": doc.Doc{"client_id": "id", "client_secret": "Third-Hidden-Thing"}}},
	})
	doc.Ensure(idp, "protocol", "credentials", "client")["client_secret"] = "Fourth-Hidden-Thing"
	idp["name"] = "Google"
	s.want(200, "PUT", "/api/v1/idps/"+doc.String(idp, "id"), idp)
	log := string(s.want(200, "GET", "/api/v1/logs?limit=1000", nil).body)
	if strings.Contains(log, "Hidden-Thing") {
		t.Errorf("the log tells a secret: %s", log)
	}
	for _, change := range []string{`"Renamed"`, `"Google"`} {
		if !strings.Contains(log, change) {
			t.Errorf("the log does not tell of %s", change)
		}
	}
}
