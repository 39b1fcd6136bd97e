package org

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// serviceDescriptor is SAML metadata of a service provider: the org, as a provider sees it.
type serviceDescriptor struct {
	XMLName  xml.Name `xml:"md:EntityDescriptor"`
	EntityID string   `xml:"entityID,attr"`
	Space    string   `xml:"xmlns:md,attr"`
	Service  struct {
		Signed    bool            `xml:"AuthnRequestsSigned,attr"`
		Asserted  bool            `xml:"WantAssertionsSigned,attr"`
		Protocol  string          `xml:"protocolSupportEnumeration,attr"`
		Keys      []keyDescriptor `xml:"md:KeyDescriptor"`
		Formats   []string        `xml:"md:NameIDFormat"`
		Assertion struct {
			Binding  string `xml:"Binding,attr"`
			Location string `xml:"Location,attr"`
			Index    int    `xml:"index,attr"`
			Default  bool   `xml:"isDefault,attr"`
		} `xml:"md:AssertionConsumerService"`
		Attributes struct {
			Index     int                  `xml:"index,attr"`
			Name      localized            `xml:"md:ServiceName"`
			Requested []requestedAttribute `xml:"md:RequestedAttribute"`
		} `xml:"md:AttributeConsumingService"`
	} `xml:"md:SPSSODescriptor"`
	Organization struct {
		Name        localized `xml:"md:OrganizationName"`
		DisplayName localized `xml:"md:OrganizationDisplayName"`
		URL         localized `xml:"md:OrganizationURL"`
	} `xml:"md:Organization"`
}

type keyDescriptor struct {
	Use  string `xml:"use,attr"`
	Info struct {
		Space       string `xml:"xmlns:ds,attr"`
		Certificate string `xml:"ds:X509Data>ds:X509Certificate"`
	} `xml:"ds:KeyInfo"`
	Methods []method `xml:"md:EncryptionMethod"`
}

type method struct {
	Algorithm string `xml:"Algorithm,attr"`
}

type localized struct {
	Language string `xml:"xml:lang,attr"`
	Text     string `xml:",chardata"`
}

type requestedAttribute struct {
	Friendly string `xml:"FriendlyName,attr"`
	Name     string `xml:"Name,attr"`
	Format   string `xml:"NameFormat,attr"`
	Required bool   `xml:"isRequired,attr"`
}

// encryptions are the algorithms that Okta takes, and requestedAttributes what it asks a
// provider for (both recorded).
func encryptions() []method {
	var out []method
	for _, a := range []string{
		"2001/04/xmlenc#aes128-cbc", "2001/04/xmlenc#aes192-cbc", "2001/04/xmlenc#aes256-cbc", "2009/xmlenc11#aes128-gcm", "2009/xmlenc11#aes256-gcm",
		"2001/04/xmlenc#tripledes-cbc",
	} {
		out = append(out, method{"http://www.w3.org/" + a})
	}
	return out
}

func requestedAttributes() []requestedAttribute {
	const uri = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	return []requestedAttribute{
		{"First Name", "firstName", uri, true}, {"Last Name", "lastName", uri, true}, {"Email", "email", uri, true}, {"Mobile Phone", "mobilePhone", uri, false},
	}
}

// providerKey is the key with which the org signs requests to providers that have no other.
func (o *Org) providerKey() *Key {
	return &Key{
		Kid: o.info.ProviderKid, Created: o.info.Created, LastUpdated: o.info.Created,
		Expires: StampOf(o.info.Created.Time().AddDate(keyYears, 0, 0)),
	}
}

// IdpMetadata is the org's metadata for a SAML provider (documented).
func (o *Org) IdpMetadata(idp *Object) ([]byte, error) {
	if idp.text("type") != idpSAML {
		return nil, failure.NotFound(idp.ID, "IdpTrust")
	}
	certificate, err := o.Certificate(o.providerKey())
	if err != nil {
		return nil, err
	}
	d := serviceDescriptor{EntityID: idp.text("protocol.credentials.trust.audience"), Space: "urn:oasis:names:tc:SAML:2.0:metadata"}
	s := &d.Service
	s.Signed = doc.String(idp.Body, "protocol", "algorithms", "request", "signature", "scope") != "NONE"
	s.Asserted, s.Protocol = true, "urn:oasis:names:tc:SAML:2.0:protocol"
	for _, use := range []string{"encryption", "signing"} {
		k := keyDescriptor{Use: use}
		if use == "encryption" {
			k.Methods = encryptions()
		}
		k.Info.Space, k.Info.Certificate = "http://www.w3.org/2000/09/xmldsig#", lines(certificate)
		s.Keys = append(s.Keys, k)
	}
	for _, format := range []string{"1.1:nameid-format:unspecified", "1.1:nameid-format:emailAddress", "2.0:nameid-format:persistent", "2.0:nameid-format:transient"} {
		s.Formats = append(s.Formats, "urn:oasis:names:tc:SAML:"+format)
	}
	s.Attributes.Name, s.Attributes.Requested = localized{"en", idp.text("name")}, requestedAttributes()
	d.Organization.Name, d.Organization.DisplayName = localized{"en", o.info.Subdomain}, localized{"en", o.info.Company}
	d.Organization.URL = localized{"en", "https://okta.com"}
	s.Assertion.Binding, s.Assertion.Location = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", o.base+"/sso/saml2/"+idp.ID
	s.Assertion.Default = true
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	if err := xml.NewEncoder(&out).Encode(d); err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	return bytes.ReplaceAll(out.Bytes(), []byte("&#xA;"), []byte("\n")), nil
}
