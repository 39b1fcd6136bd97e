package org

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// entityDescriptor is SAML metadata of an identity provider, as Okta writes it (recorded).
type entityDescriptor struct {
	XMLName  xml.Name `xml:"md:EntityDescriptor"`
	EntityID string   `xml:"entityID,attr"`
	Space    string   `xml:"xmlns:md,attr"`
	IDP      struct {
		Signed   bool   `xml:"WantAuthnRequestsSigned,attr"`
		Protocol string `xml:"protocolSupportEnumeration,attr"`
		Key      struct {
			Use  string `xml:"use,attr"`
			Info struct {
				Space       string `xml:"xmlns:ds,attr"`
				Certificate string `xml:"ds:X509Data>ds:X509Certificate"`
			} `xml:"ds:KeyInfo"`
		} `xml:"md:KeyDescriptor"`
		Logout  []endpoint `xml:"md:SingleLogoutService"`
		Formats []string   `xml:"md:NameIDFormat"`
		SignOn  []endpoint `xml:"md:SingleSignOnService"`
	} `xml:"md:IDPSSODescriptor"`
}

type endpoint struct {
	Binding  string `xml:"Binding,attr"`
	Location string `xml:"Location,attr"`
}

// AppMetadata is the metadata of a SAML app with the certificate of a key; "" is the key
// in use.
func (o *Org) AppMetadata(a *App, kid string) ([]byte, error) {
	if a.SignOnMode != SAML2 && a.SignOnMode != SAML1 && a.SignOnMode != WSFed {
		return nil, failure.NotFound(a.ID, "AppInstance")
	}
	k := a.SigningKey()
	if kid != "" {
		k = a.key(kid)
	}
	if k == nil {
		return nil, failure.NotFound(kid, "ClientApplicationKey")
	}
	certificate, err := o.Certificate(k)
	if err != nil {
		return nil, err
	}
	signOn := doc.Object(a.Body, "settings", "signOn")
	at := o.base + "/app/" + a.Name + "/" + a.ExternalKey
	e := entityDescriptor{EntityID: o.entityID(a), Space: "urn:oasis:names:tc:SAML:2.0:metadata"}
	// Okta never says that it wants requests signed, even where the app demands it (recorded).
	e.IDP.Protocol = "urn:oasis:names:tc:SAML:2.0:protocol"
	e.IDP.Key.Use, e.IDP.Key.Info.Space, e.IDP.Key.Info.Certificate = "signing", "http://www.w3.org/2000/09/xmldsig#", lines(certificate)
	e.IDP.Formats, e.IDP.SignOn = nameFormats(a), endpoints(at+"/sso/saml")
	if doc.Bool(signOn, "slo", "enabled") {
		e.IDP.Logout = endpoints(at + "/slo/saml")
	}
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	if err := xml.NewEncoder(&out).Encode(e); err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	// Okta does not write line ends as references.
	return bytes.ReplaceAll(out.Bytes(), []byte("&#xA;"), []byte("\n")), nil
}

// entityID is how an app calls the org (recorded): apps of SAML 1.1 by the key alone,
// Google by the domain, all others by their issuer.
func (o *Org) entityID(a *App) string {
	if a.SignOnMode != SAML2 {
		return a.ExternalKey
	}
	if domain := doc.String(a.Body, "settings", "app", "domain"); a.Template == "google" && domain != "" {
		return "google.com/a/" + domain
	}
	issuer := doc.String(a.Body, "settings", "signOn", "idpIssuer")
	if issuer == "" {
		issuer = "http://www.okta.com/${org.externalKey}"
	}
	return strings.ReplaceAll(issuer, "${org.externalKey}", a.ExternalKey)
}

func endpoints(location string) []endpoint {
	return []endpoint{
		{"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", location}, {"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect", location},
	}
}

// nameFormats are the formats in which the app takes names: its own, and mail addresses
// (recorded).
func nameFormats(a *App) []string {
	const mail, unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	own := doc.String(a.Body, "settings", "signOn", "subjectNameIdFormat")
	switch {
	case a.SignOnMode != SAML2:
		own = unspecified
	case a.Template == "amazon_aws":
		own = "urn:oasis:names:tc:SAML:2.0:nameid-format:unspecified"
	}
	formats := []string{mail}
	if own != "" && own != mail {
		formats = append(formats, own)
	}
	slices.Sort(formats)
	if slices.Contains(formats, unspecified) {
		slices.Reverse(formats)
	}
	return formats
}

// lines breaks a certificate into lines of 76 characters.
func lines(text string) string {
	const width = 76
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	return b.String() + text
}
