package api_test

import (
	"slices"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestRefreshTokens reaches one token by its app, its authorization server and its person.
func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	client := doc.Doc{"application_type": "native", "grant_types": doc.Array("authorization_code"), "response_types": doc.Array("code"), "redirect_uris": doc.Array("https://x.example")}
	app := doc.String(s.create("/api/v1/apps", doc.Doc{"name": "oidc_client", "label": "Native", "signOnMode": "OPENID_CONNECT", "settings": doc.Doc{"oauthClient": client}}), "id")
	user := doc.String(s.get("/api/v1/users/me"), "id")
	server := "/api/v1/authorizationServers/" + doc.String(s.get("/api/v1/authorizationServers/default"), "id") + "/clients"
	person := "/api/v1/users/" + user + "/clients"
	adopt := func(id, issuer string) {
		err := s.org.Update(func() error {
			return s.org.Adopt("/api/v1/apps/"+app+"/tokens/"+id, doc.Doc{"id": id, "clientId": app, "userId": user, "issuer": issuer, "scopes": doc.Array("openid")})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	adopt("oar1", s.url+"/oauth2/default")
	adopt("oar2", s.url)
	for _, path := range []string{server, person} {
		if got := names(s.list(path), "client_name"); len(got) != 1 || got[0] != "Native" {
			t.Errorf("%s: got %v", path, got)
		}
	}
	if of, mine := ids(s.list(server+"/"+app+"/tokens")), ids(s.list(person+"/"+app+"/tokens")); len(of) != 1 || len(mine) != 2 {
		t.Errorf("the server has %v, the person %v", of, mine)
	}
	path := server + "/" + app + "/tokens/oar1"
	x := s.get(path)
	if doc.String(x, "_links", "self", "href") != s.url+path || doc.String(x, "_links", "client", "title") != "Native" {
		t.Errorf("got %v", x)
	}
	s.refused(404, "E0000007", "oar2", "GET", server+"/"+app+"/tokens/oar2", nil)
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "oar1", "GET", person+"/"+app+"/tokens/oar1", nil)
	s.want(204, "DELETE", person+"/"+app+"/tokens", nil)
	if left := s.list("/api/v1/apps/" + app + "/tokens"); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	s.refused(404, "E0000007", "oag1", "GET", "/api/v1/users/"+user+"/grants/oag1", nil)
	s.want(204, "DELETE", person+"/"+app+"/grants", nil)
}

func TestServerMetadata(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const at = "/.well-known/oauth-authorization-server"
	own, custom := s.want(200, "GET", at, nil, "Authorization", "").object(t), s.get("/oauth2/default"+at)
	if own["issuer"] != s.url || own["token_endpoint"] != s.url+"/oauth2/v1/token" || !slices.Contains(own["scopes_supported"].([]any), any("okta.clients.register")) {
		t.Errorf("got %v", own)
	}
	if custom["issuer"] != s.url+"/oauth2/default" || len(custom["scopes_supported"].([]any)) != 7 {
		t.Errorf("got %v", custom)
	}
	if x := s.get("/oauth2/default/.well-known/openid-configuration"); x["jwks_uri"] != s.url+"/oauth2/default/v1/keys" {
		t.Errorf("got %v", x)
	}
	s.refused(404, "E0000007", "AuthorizationServer", "GET", "/oauth2/ausnone"+at, nil)
}
