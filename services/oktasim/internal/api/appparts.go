package api

import (
	"net/http"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// appPartOperations are what apps have beside their body: provisioning, schema, logo,
// metadata, refresh tokens, the groups claim and profile mappings.
func appPartOperations() []operation {
	at := func(method, path, stem string, area org.Area, run func(*call) error) operation {
		scope := stem + ".read"
		if method != http.MethodGet {
			scope = stem + ".manage"
		}
		return operation{method: method, path: path, scope: scope, area: area, write: method != http.MethodGet, run: run}
	}
	app := func(method, path string, run func(*call) error) operation {
		return at(method, "/api/v1/apps/{appId}"+path, "okta.apps", org.AreaApps, run)
	}
	trust := func(method, path string, run func(*call) error) operation {
		return at(method, "/api/v1/apps/{appId}/interclient-"+path, "okta.apps.interclientTrust", org.AreaApps, run)
	}
	const idToken, schema = "/api/v1/internal/apps/{appId}/settings/oauth/idToken", "/api/v1/meta/schemas/apps/{appId}/default"
	return []operation{
		app("GET", "/connections/default", showConnection),
		app("POST", "/connections/default", connectApp),
		app("GET", "/connections/default/jwks", listConnectionKeys),
		app("POST", "/connections/default/lifecycle/{operation}", switchConnection),
		app("GET", "/features", listAppFeatures),
		app("GET", "/features/{featureName}", showAppFeature),
		app("PUT", "/features/{featureName}", changeAppFeature),
		app("POST", "/logo", uploadLogo),
		app("GET", "/sso/saml/metadata", showMetadata),
		app("DELETE", "/tokens", revokeAppTokens),
		trust("GET", "allowed-apps", listAllowedApps),
		trust("POST", "allowed-apps", allowApp),
		trust("DELETE", "allowed-apps/{allowedAppId}", disallowApp),
		trust("GET", "target-apps", listTargetApps),
		at("GET", idToken, "okta.apps", org.AreaApps, showIDToken),
		at("POST", idToken, "okta.apps", org.AreaApps, changeIDToken),
		at("GET", schema, "okta.schemas", org.AreaAppSchemas, showAppSchema),
		at("POST", schema, "okta.schemas", org.AreaAppSchemas, changeAppSchema),
		at("GET", "/api/v1/mappings", "okta.profileMappings", org.AreaSchemas, listProfileMappings),
		at("GET", "/api/v1/mappings/{mappingId}", "okta.profileMappings", org.AreaSchemas, showProfileMapping),
		at("POST", "/api/v1/mappings/{mappingId}", "okta.profileMappings", org.AreaSchemas, changeProfileMapping),
	}
}

func showConnection(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(c.org.ConnectionBody(a), nil)
}

func connectApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.Connect(c.cause(), a, body, c.flag("activate", false)); err != nil {
		return err
	}
	return c.show(c.org.ConnectionBody(a), nil)
}

func listConnectionKeys(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(c.org.ConnectionKeys(a))
}

func switchConnection(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	on, err := c.switched()
	if err != nil {
		return err
	}
	return c.done(c.org.SwitchConnection(c.cause(), a, on))
}

func listAppFeatures(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	items, err := c.org.FeatureBodies(a)
	if err != nil {
		return err
	}
	return c.array(items)
}

func showAppFeature(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(c.org.FeatureBody(a, c.params["featureName"]))
}

func changeAppFeature(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	return c.show(c.org.SetFeature(c.cause(), a, c.params["featureName"], body))
}

// uploadLogo takes any picture: which ones Okta refuses is not simulated.
func uploadLogo(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	if len(c.body) == 0 {
		return failure.Missing("file")
	}
	c.org.SetLogo(c.cause(), a)
	c.status = http.StatusCreated
	return nil
}

func showMetadata(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	xml, err := c.org.AppMetadata(a, c.query.Get("kid"))
	if err != nil {
		return err
	}
	c.set("Content-Type", "application/xml;charset=UTF-8")
	c.status, c.response = http.StatusOK, xml
	return nil
}

func revokeAppTokens(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.done(c.org.RevokeAppTokens(c.cause(), a))
}

func listAllowedApps(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.array(a.AllowedApps())
}

func listTargetApps(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.array(c.org.TargetApps(a))
}

func allowApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	trust, err := c.org.AllowApp(c.cause(), a, doc.String(body, "id"))
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, trust)
}

func disallowApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.done(c.org.DisallowApp(c.cause(), a, c.params["allowedAppId"]))
}

func showIDToken(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(c.org.IDTokenBody(a))
}

func changeIDToken(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	return c.show(c.org.SetIDToken(c.cause(), a, body))
}

func showAppSchema(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(c.org.AppSchemaBody(a), nil)
}

func changeAppSchema(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdateAppSchema(c.cause(), a, body); err != nil {
		return err
	}
	return c.show(c.org.AppSchemaBody(a), nil)
}

func listProfileMappings(c *call) error {
	all := c.org.ProfileMappings()
	at := map[string]*org.Mapping{}
	var ids []string
	for _, m := range all {
		at[m.ID] = m
		if strings.Compare(m.ID, c.query.Get("after")) > 0 {
			ids = append(ids, m.ID)
		}
	}
	keep := func(m *org.Mapping) bool {
		source, target := c.query.Get("sourceId"), c.query.Get("targetId")
		return (source == "" || source == m.Source.ID) && (target == "" || target == m.Target.ID)
	}
	body := func(m *org.Mapping) (any, error) { return c.org.ProfileMappingBody(m, true), nil }
	return list(c, pages{standard: 20, highest: 200}, ids, func(id string) *org.Mapping { return at[id] }, keep, body)
}

func showProfileMapping(c *call) error {
	m, err := c.org.ProfileMapping(c.params["mappingId"])
	if err != nil {
		return err
	}
	return c.show(c.org.ProfileMappingBody(m, false), nil)
}

func changeProfileMapping(c *call) error {
	m, err := c.org.ProfileMapping(c.params["mappingId"])
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	next, err := c.org.UpdateMapping(c.cause(), m, body)
	if err != nil {
		return err
	}
	return c.show(c.org.ProfileMappingBody(next, false), nil)
}
