package api

import (
	"net/http"
	"strconv"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// brandOperations upload certificates, and the images of themes, whose bodies are not JSON.
func brandOperations() []operation {
	all := []operation{{
		method: http.MethodPut, path: "/api/v1/domains/{domainId}/certificate", scope: "okta.domains.manage", area: org.AreaCustomizations, write: true, run: setCertificate,
	}}
	for _, name := range []string{"logo", "favicon", "background-image"} {
		all = append(all, operation{
			method: http.MethodPost, path: "/api/v1/brands/{brandId}/themes/{themeId}/" + name, scope: "okta.brands.manage", area: org.AreaCustomizations, write: true,
			run: func(c *call) error { return uploadImage(c, name) },
		})
	}
	return all
}

func uploadImage(c *call, name string) error {
	theme, err := c.org.FindObject(org.KindNamed("themes"), []string{c.params["brandId"], c.params["themeId"]})
	if err != nil {
		return err
	}
	if len(c.body) == 0 {
		return failure.Missing("file")
	}
	return c.reply(http.StatusCreated, doc.Doc{"url": c.org.SetImage(c.cause(), theme, name)})
}

func setCertificate(c *call) error {
	domain, err := c.org.FindObject(org.KindNamed("domains"), []string{c.params["domainId"]})
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	return c.done(c.org.SetCertificate(domain, body))
}

// idpOperations are what identity providers have beside their entries.
func idpOperations() []operation {
	at := func(method, path, scope string, run func(*call) error) operation {
		return operation{
			method: method, path: "/api/v1/idps/{idpId}" + path, scope: scope, area: org.AreaProviders, write: method != http.MethodGet, run: run,
		}
	}
	return []operation{
		at("GET", "/metadata.xml", "okta.idps.read", showIdpMetadata),
		at("GET", "/credentials/keys/active", "okta.idps.read", listActiveIdpKey),
		at("POST", "/credentials/keys/generate", "okta.idps.manage", generateIdpKey),
		at("POST", "/credentials/csrs/{csrId}/lifecycle/publish", "okta.idps.manage", publishIdpCSR),
	}
}

func (c *call) idp() (*org.Object, error) {
	return c.org.FindObject(org.KindNamed("idps"), []string{c.params["idpId"]})
}

// listActiveIdpKey answers 204 for a provider to which nothing is signed (documented).
func listActiveIdpKey(c *call) error {
	idp, err := c.idp()
	if err != nil {
		return err
	}
	key, err := c.org.ActiveIdpKey(idp)
	if err != nil || key == nil {
		return c.done(err)
	}
	return c.array([]any{key})
}

func showIdpMetadata(c *call) error {
	idp, err := c.idp()
	if err != nil {
		return err
	}
	xml, err := c.org.IdpMetadata(idp)
	if err != nil {
		return err
	}
	c.set("Content-Type", "application/xml;charset=UTF-8")
	c.status, c.response = http.StatusOK, xml
	return nil
}

// madeIdpKey answers with the provider's new key.
func (c *call) madeIdpKey(status int, x *org.Object, err error) error {
	if err != nil {
		return err
	}
	return c.answer(org.KindNamed("idp_signing_keys"), x, status, org.View{Verb: "create"}, 0)
}

func generateIdpKey(c *call) error {
	idp, err := c.idp()
	if err != nil {
		return err
	}
	years, err := strconv.Atoi(c.query.Get("validityYears"))
	if err != nil {
		years = 0
	}
	x, err := c.org.GenerateIdpKey(c.cause(), idp, years)
	return c.madeIdpKey(http.StatusOK, x, err)
}

func publishIdpCSR(c *call) error {
	idp, err := c.idp()
	if err != nil {
		return err
	}
	request, err := c.org.FindObject(org.KindNamed("idp_csrs"), []string{idp.ID, c.params["csrId"]})
	if err != nil {
		return err
	}
	x, err := c.org.PublishIdpCSR(c.cause(), idp, request, c.body)
	return c.madeIdpKey(http.StatusCreated, x, err)
}
