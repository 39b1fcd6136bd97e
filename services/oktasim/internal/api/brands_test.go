package api_test

import "testing"

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
