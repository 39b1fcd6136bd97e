package org

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// CSRKind names the kind of requests for certificates.
const CSRKind = "app_csrs"

// csrKinds are requests for certificates for keys that an app does not have yet (documented).
func csrKinds() []Kind {
	return []Kind{{
		Name: CSRKind, Path: "/api/v1/apps/{appId}/credentials/csrs/{csrId}", MakeID: csrID, Class: "CertificateSigningRequest",
		Scope: "okta.apps", Area: AreaApps,
		Verbs:  Verbs{List: true, Get: true, Create: 201, Delete: 204},
		Stamps: Stamps{Created: "created"}, Natural: []string{"csr"},
		Fields: []Field{
			{Path: "subject", Type: Map, Required: true, Mode: WriteOnly, Example: doc.Doc{"commonName": "SP Issuer"}},
			{Path: "subjectAltNames", Type: Map, Mode: WriteOnly},
			{Path: "kty", Mode: ReadOnly, Default: "RSA"},
			{Path: "csr", Mode: ReadOnly},
		},
		Links: []Link{self("GET DELETE"), {Name: "publish", To: "lifecycle/publish", Allow: "POST"}},
		Fill:  fillCSR,
	}}
}

func fillCSR(c *Change) error {
	der, err := certificationRequest(c.Object.ID, doc.Object(c.Body, "subject"))
	if err != nil {
		return err
	}
	c.Body["csr"] = base64.StdEncoding.EncodeToString(der)
	return nil
}

// certificationRequest is a request of RFC 2986 for the key of the name.
func certificationRequest(kid string, subject doc.Doc) ([]byte, error) {
	public, err := publicKey(kid)
	if err != nil {
		return nil, err
	}
	one := func(field string) []string {
		if s := doc.String(subject, field); s != "" {
			return []string{s}
		}
		return nil
	}
	name := pkix.Name{
		Country: one("countryName"), Province: one("stateOrProvinceName"), Locality: one("localityName"),
		Organization: one("organizationName"), OrganizationalUnit: one("organizationalUnitName"), CommonName: doc.String(subject, "commonName"),
	}.ToRDNSequence()
	return sealed(kid, struct {
		Version    int
		Subject    pkix.RDNSequence
		Public     asn1.RawValue
		Attributes []asn1.RawValue `asn1:"tag:0,set"`
	}{0, name, asn1.RawValue{FullBytes: public}, nil})
}

// PublishCSR turns the certificate that an authority has issued for a request into a key
// of the app; the request is done with.
func (o *Org) PublishCSR(by *Cause, a *App, request *Object, certificate []byte) (*Key, error) {
	der, err := derOf(certificate)
	if err != nil {
		return nil, failure.Invalid("certificate", "certificate: "+err.Error())
	}
	k := o.addKey(a, keyYears)
	k.Kid, k.Chain = request.ID, []string{base64.StdEncoding.EncodeToString(der)}
	o.shelf(KindNamed(CSRKind)).take(request)
	o.Note(by, "application.lifecycle.update", nil, a.Party())
	return k, nil
}

// derOf takes a certificate in DER, in PEM or in base64.
func derOf(b []byte) ([]byte, error) {
	text := string(b)
	for _, fence := range []string{"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"} {
		text = string(bytes.ReplaceAll([]byte(text), []byte(fence), nil))
	}
	if der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields([]byte(text)), nil))); err == nil {
		b = der
	}
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(b, &seq); err != nil || len(rest) > 0 {
		return nil, errors.New("it is not an X.509 certificate")
	}
	return b, nil
}

// csrID is the id of a certificate request: 43 letters and digits (documented).
func csrID(o *Org) string {
	sum := sha256.Sum256([]byte(o.ids.Secret(32)))
	return hex.EncodeToString(sum[:])[:43]
}
