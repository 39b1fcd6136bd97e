package api_test

import (
	"testing"

	"imago/services/oktasim/internal/doc"
)

// featureNamed finds a self-service feature by its name.
func (s *sim) featureNamed(name string) (x doc.Doc, path string) {
	s.Helper()
	for _, f := range s.list("/api/v1/features") {
		if f["name"] == name {
			return f, "/api/v1/features/" + doc.String(f, "id")
		}
	}
	s.Fatalf("there is no feature %s", name)
	return nil, ""
}

func TestFeatureDependencies(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	_, provider := s.featureNamed("Device Posture Provider")
	mapping, path := s.featureNamed("Device Posture Claims Mapping")
	if links := doc.Object(mapping, "_links"); mapping["status"] != "DISABLED" || links["enable"] == nil || links["disable"] != nil {
		t.Errorf("got %v", mapping)
	}
	if on, of := names(s.list(path+"/dependencies"), "name"), names(s.list(provider+"/dependents"), "name"); on[0] != "Device Posture Provider" || of[0] != "Device Posture Claims Mapping" {
		t.Errorf("depends on %v, which is needed by %v", on, of)
	}
	s.refused(400, "E0000141", "conflicts", "POST", path+"/ENABLE", nil)
	if x := s.want(200, "POST", path+"/ENABLE?mode=force", nil).object(t); x["status"] != "ENABLED" || doc.Object(x, "_links")["disable"] == nil {
		t.Errorf("got %v", x)
	}
	if x := s.get(provider); x["status"] != "ENABLED" {
		t.Errorf("what it needs is %v", x["status"])
	}
	s.refused(400, "E0000141", "conflicts", "POST", provider+"/disable", nil)
	s.want(200, "POST", provider+"/disable?mode=force", nil)
	if x := s.get(path); x["status"] != "DISABLED" {
		t.Errorf("what needs it is %v", x["status"])
	}
	if n := len(only(s.events(), "system.feature.enable")); n != 2 {
		t.Errorf("got %d events", n)
	}
	s.want(200, "POST", path+"/disable", nil)
	if n := len(only(s.events(), "system.feature.disable")); n != 2 {
		t.Errorf("got %d events after a change of nothing", n)
	}
	s.refused(400, "E0000001", "lifecycle", "POST", path+"/explode", nil)
	s.refused(404, "E0000007", "Feature", "POST", "/api/v1/features/ftrnone/enable", nil)
}

// TestFeatureSwitchesLicence: what a feature stands for is there or not, from either side.
func TestFeatureSwitchesLicence(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	_, path := s.featureNamed("Optional consent for OAuth 2.0 scopes")
	scopes := "/api/v1/authorizationServers/default/scopes"
	if _, shown := s.list(scopes)[0]["optional"]; !shown {
		t.Error("scopes do not say whether they are optional")
	}
	s.want(200, "POST", path+"/disable", nil)
	if _, shown := s.list(scopes)[0]["optional"]; shown {
		t.Error("scopes of an org without the feature say whether they are optional")
	}
	if err := s.org.Update(func() error { s.org.SetLicensed("optional_scopes", true); return nil }); err != nil {
		t.Fatal(err)
	}
	if x := s.get(path); x["status"] != "ENABLED" {
		t.Errorf("the feature of a granted licence is %v", x["status"])
	}
}
