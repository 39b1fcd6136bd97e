package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/doc"
)

// TestDefaultCustomization keeps one default among the wordings of a mail (documented).
func TestDefaultCustomization(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	brand := s.want(201, "POST", "/api/v1/brands", map[string]any{"name": "B"}).object(t)
	path := "/api/v1/brands/" + brand["id"].(string) + "/templates/email/ForgotPassword/customizations"
	wording := func(language string, isDefault bool) map[string]any {
		return map[string]any{"language": language, "subject": "S", "body": "B", "isDefault": isDefault}
	}
	en := s.want(201, "POST", path, wording("en", false)).object(t)
	if en["isDefault"] != true {
		t.Error("the first customization is not the default")
	}
	s.refused(409, "E0000183", "language", "POST", path, wording("en", false))
	s.refused(409, "E0000185", "isDefault", "PUT", path+"/"+en["id"].(string), wording("en", false))
	es := s.want(201, "POST", path, wording("es", true)).object(t)
	if s.get(path + "/" + en["id"].(string))["isDefault"] != false {
		t.Error("a new default left the old one")
	}
	s.refused(409, "E0000184", "default", "DELETE", path+"/"+es["id"].(string), nil)
	s.want(204, "DELETE", path, nil)
	s.want(204, "DELETE", path+"/"+es["id"].(string), nil)
}

// TestDefaultBrand stays, and a brand with a domain, too (documented).
func TestDefaultBrand(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	first := s.list("/api/v1/brands")[0]
	s.refused(409, "E0000200", "default brand", "DELETE", "/api/v1/brands/"+first["id"].(string), nil)
	domain := s.want(201, "POST", "/api/v1/domains", map[string]any{"domain": "id.acme.example", "certificateSourceType": "MANUAL"}).object(t)
	brand := domain["brandId"].(string)
	if got := s.get("/api/v1/brands/" + brand)["name"]; got != "id.acme.example" {
		t.Errorf("the domain's brand is called %v", got)
	}
	s.refused(409, "E0000201", "custom domain", "DELETE", "/api/v1/brands/"+brand, nil)
}

// TestWellKnownFiles follows what a brand says of itself to where everybody reads it.
func TestWellKnownFiles(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := "/api/v1/brands/" + doc.String(s.list("/api/v1/brands")[0], "id") + "/well-known-uris"
	for name, content := range map[string]any{
		"assetlinks.json": []any{doc.Doc{"relation": doc.Array("r")}}, "webauthn": doc.Doc{"origins": doc.Array("https://x.example")},
		"apple-app-site-association": doc.Doc{"applinks": doc.Doc{"details": []any{}}},
	} {
		s.want(200, "PUT", path+"/"+name+"/customized", doc.Doc{"representation": content})
	}
	s.refused(400, "E0000001", "authsrv", "PUT", path+"/webauthn/customized", doc.Doc{"representation": doc.Doc{"authsrv": doc.Doc{}}})
	s.refused(400, "E0000001", "representation", "PUT", path+"/webauthn/customized", doc.Doc{})
	s.refused(400, "E0000003", "", "PUT", path+"/assetlinks.json/customized", doc.Doc{"representation": doc.Doc{}})
	root := s.get(path + "?expand=webauthn")
	if doc.Get(root, "_embedded", "webauthn", "customized", "representation", "origins") == nil || doc.Get(root, "_embedded", "assetlinks.json") != nil {
		t.Errorf("got %v", root)
	}
	if x := s.get(doc.String(root, "_links", "webauthn", "href")[len(s.url):] + "?expand=customized"); doc.Get(x, "_embedded", "customized", "representation", "origins") == nil {
		t.Errorf("got %v", x)
	}
	anybody := func(name string) answer { return s.want(200, "GET", "/.well-known/"+name, nil, "Authorization", "") }
	if apple := anybody("apple-app-site-association").object(t); apple["applinks"] == nil || apple["authsrv"] == nil {
		t.Errorf("got %v", apple)
	}
	if links := anybody("assetlinks.json").list(t); len(links) != 1 || anybody("webauthn").object(t)["origins"] == nil {
		t.Errorf("got %v", links)
	}
	if len(only(s.events(), "system.well_known_uri.update")) != 3 {
		t.Error("the log does not tell of three updates")
	}
}

// TestDomainsOfBrands are served with the files of their brand.
func TestDomainsOfBrands(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	x := s.want(201, "POST", "/api/v1/domains", doc.Doc{"domain": "Id.Acme.example", "certificateSourceType": "MANUAL"}).object(t)
	records, _ := x["dnsRecords"].([]any)
	if x["domain"] != "id.acme.example" || len(records) != 2 || doc.String(records[1].(doc.Doc), "fqdn") != "id.acme.example" {
		t.Errorf("the domain is %v, its records %v", x["domain"], records)
	}
	path := "/api/v1/brands/" + doc.String(x, "brandId")
	listed, isList := s.get(path + "/domains")["domains"].([]any)
	if !isList || len(listed) != 1 || doc.String(listed[0].(doc.Doc), "id") != x["id"] {
		t.Errorf("got %v", listed)
	}
	s.want(200, "PUT", path+"/well-known-uris/webauthn/customized", doc.Doc{"representation": doc.Doc{"origins": doc.Array("https://y.example")}})
	for host, there := range map[string]bool{"id.acme.example:443": true, "else.example": false} {
		r := httptest.NewRequest(http.MethodGet, "/.well-known/webauthn", nil)
		r.Host = host
		w := httptest.NewRecorder()
		api.New(s.host, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if w.Code != 200 || strings.Contains(w.Body.String(), "y.example") != there {
			t.Errorf("%s serves %d %s", host, w.Code, w.Body)
		}
	}
	s.refused(404, "E0000007", "nobody", "GET", "/api/v1/brands/nobody/domains", nil)
}
