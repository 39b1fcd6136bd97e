package org

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// idpTrustKeys are the certificates by which the org trusts providers. Body and times
// follow from the certificate (recorded).
func idpTrustKeys() Kind {
	return Kind{
		Name: "idp_keys", Path: "/api/v1/idps/credentials/keys/{kid}", Key: "kid", Class: "IdpKeyCredential", Target: "IdentityProviderKey",
		Scope: "okta.idps", Area: AreaProviders,
		Verbs:  crud(200),
		Page:   Page{Default: 20, Max: 200},
		Stamps: dated, Natural: []string{"kid"},
		Fields: []Field{
			{Path: "kid", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.ids.UUID() }},
			{Path: "x5c", Type: List, Required: true, Min: 1, Max: 10, Example: sampleCertificate()},
			{Path: "kty", Mode: ReadOnly, Default: "RSA"},
			{Path: "alg", Mode: ReadOnly, Default: "RSA"},
			{Path: "use", Mode: ReadOnly, Default: "sig"},
			{Path: "expiresAt", Mode: ReadOnly},
			{Path: "x5t#S256", Mode: ReadOnly},
			{Path: "e", Mode: ReadOnly},
			{Path: "n", Mode: ReadOnly},
		},
		Fill: readCertificate,
		Events: map[string]string{
			create: "system.idp.key.create", replace: "system.idp.key.update", remove: "system.idp.key.delete",
		},
	}
}

// sampleCertificate is one that can be read.
func sampleCertificate() any {
	der, err := selfSigned("sample", "sample", Founded, Founded.AddDate(keyYears, 0, 0))
	if err != nil {
		panic(err)
	}
	return doc.Array(base64.StdEncoding.EncodeToString(der))
}

func readCertificate(c *Change) error {
	chain := doc.Strings(c.Body, "x5c")
	if len(chain) == 0 {
		return nil
	}
	der, err := derOf([]byte(chain[0]))
	if err != nil {
		return failure.Invalid("x5c", "x5c: "+err.Error())
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return failure.Invalid("x5c", "x5c: It is not an X.509 certificate")
	}
	sum := sha256.Sum256(der)
	c.Body["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	c.Body["expiresAt"] = Millis.write(StampOf(cert.NotAfter))
	if key, isRSA := cert.PublicKey.(*rsa.PublicKey); isRSA {
		c.Body["e"] = base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())
		c.Body["n"] = base64.RawURLEncoding.EncodeToString(key.N.Bytes())
	}
	return nil
}

// idpSigningKeys are the keys with which the org signs requests to one provider (documented).
func idpSigningKeys() Kind {
	return Kind{
		Name: "idp_signing_keys", Path: idpPath + "/credentials/keys/{kid}", Key: "kid", Class: "IdpSigningKey",
		Scope: "okta.idps", Area: AreaProviders,
		Verbs:  Verbs{List: true, Get: true},
		Stamps: dated, Natural: []string{"kid"},
		Operations: []Operation{{
			Name: "clone", Path: "clone", Status: 201, Link: "-", Read: true, Run: cloneIdpKey,
			Reply: func(c *Change) (any, error) { return c.Body, nil },
		}},
		Fields: []Field{
			{Path: "kid", Mode: ReadOnly}, {Path: "kty", Mode: ReadOnly, Default: "RSA"}, {Path: "use", Mode: ReadOnly, Default: "sig"},
			{Path: "expiresAt", Mode: ReadOnly}, {Path: "x5c", Type: List, Mode: ReadOnly}, {Path: "x5t#S256", Mode: ReadOnly},
			{Path: "e", Mode: ReadOnly}, {Path: "n", Mode: ReadOnly},
		},
	}
}

// ActiveIdpKey is the key with which the org signs requests to a provider: one of the
// provider's own or the one that the org has for all; nil if it signs none.
func (o *Org) ActiveIdpKey(idp *Object) (doc.Doc, error) {
	kid := idp.text("protocol.credentials.signing.kid")
	if kid == o.info.ProviderKid {
		return o.KeyBody(o.providerKey())
	}
	k := o.kinds.named("idp_signing_keys")
	if x := o.look(k, idp.place(), kid); x != nil {
		return o.Show(k, x, View{InList: true}, 0), nil
	}
	return nil, nil
}

// GenerateIdpKey makes a key for a provider that is valid for 2 to 10 years.
func (o *Org) GenerateIdpKey(by *Cause, idp *Object, years int) (*Object, error) {
	if years < 2 || years > keyYears {
		return nil, failure.Invalid("validityYears", "validityYears: The value must be between 2 and 10")
	}
	now := o.stamp()
	key := &Key{Kid: o.ids.Secret(43), Created: now, LastUpdated: now, Expires: StampOf(now.Time().AddDate(years, 0, 0))}
	return o.addIdpKey(by, idp, key)
}

func (o *Org) addIdpKey(by *Cause, idp *Object, key *Key) (*Object, error) {
	body, err := o.KeyBody(key)
	if err != nil {
		return nil, err
	}
	delete(body, "created")
	delete(body, "lastUpdated")
	body["expiresAt"] = Millis.write(key.Expires)
	x := &Object{ID: key.Kid, Home: idp.place()}
	o.install(&Change{Org: o, By: by, Kind: KindNamed("idp_signing_keys"), Verb: create, Object: x, Body: body})
	o.Note(by, "system.idp.key.create", nil, KindNamed("idps").party(idp))
	return x, nil
}

// cloneIdpKey gives the provider that targetIdpId names the same key.
func cloneIdpKey(c *Change) error {
	var target string
	if v := c.Query["targetIdpId"]; len(v) > 0 {
		target = v[0]
	}
	to := c.Org.object(KindNamed("idps"), target)
	if to == nil {
		return failure.NotFound(target, "IdpTrust")
	}
	x := &Object{ID: c.Object.ID, Home: to.place()}
	if c.Org.look(c.Kind, x.Home, x.ID) != nil {
		return failure.Taken("kid")
	}
	c.Org.install(&Change{Org: c.Org, By: c.By, Kind: c.Kind, Verb: create, Object: x, Body: doc.Clone(c.Object.Body)})
	c.Body = c.Org.Show(c.Kind, x, View{}, 0)
	return nil
}

// idpCSRs are requests for certificates for keys that a provider does not have yet (documented).
func idpCSRs() Kind {
	k := csrKinds()[0]
	k.Name, k.Path, k.Scope, k.Area = "idp_csrs", idpPath+"/credentials/csrs/{csrId}", "okta.idps", AreaProviders
	return k
}

// PublishIdpCSR turns the certificate that an authority has issued for a request into a key
// of the provider; the request is done with.
func (o *Org) PublishIdpCSR(by *Cause, idp, request *Object, certificate []byte) (*Object, error) {
	der, err := derOf(certificate)
	if err != nil {
		return nil, failure.Invalid("certificate", "certificate: "+err.Error())
	}
	now := o.stamp()
	key := &Key{
		Kid: request.ID, Created: now, LastUpdated: now, Expires: StampOf(now.Time().AddDate(keyYears, 0, 0)),
		Chain: []string{base64.StdEncoding.EncodeToString(der)},
	}
	o.shelf(KindNamed("idp_csrs")).take(request)
	return o.addIdpKey(by, idp, key)
}
