package org

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// domainBrands is the feature of orgs whose domains have brands.
const domainBrands = "domain_brands"

// domainKinds are the org's own domains, those from which it sends mail, and mail servers.
func domainKinds() []Kind { return []Kind{domains(), emailDomains(), emailServers()} }

func domains() Kind {
	return Kind{
		Name: "domains", Path: "/api/v1/domains/{domainId}", Prefix: "OcD", Class: "Domain",
		Scope: "okta.domains", Area: AreaCustomizations,
		Verbs: crud(201),
		Operations: []Operation{
			// Nothing is looked up: no domain is ever found to be verified (recorded of example.com).
			{Name: "verify", Path: "verify", Status: 200, Link: "-", Set: doc.Doc{"validationStatus": "FAILED_TO_VERIFY"}},
		},
		Page:    Page{Envelope: "domains"},
		Natural: []string{"domain"}, Once: []string{"_links"},
		Fields: []Field{
			{Path: "domain", Required: true, Mode: Immutable, Unique: InOrg, Taken: failure.DomainTaken(), Pattern: hostName, Example: "id%d.example.com"},
			{Path: "certificateSourceType", Required: true, Mode: Immutable, Enum: []string{"MANUAL", "OKTA_MANAGED"}},
			{Path: "validationStatus", Mode: ReadOnly, Default: "NOT_STARTED"},
			{Path: "brandId", Ref: "brands", Keep: true, Feature: domainBrands, Example: ""},
			{Path: "dnsRecords", Type: List, Mode: ReadOnly, Default: recordsOf},
			{Path: "publicCertificate", Type: Map, Mode: ReadOnly},
		},
		Missing: func(string) error { return failure.NoDomain() },
		Check:   checkDomain,
		Fill:    fillDomain, Show: showDomain,
		Events: map[string]string{},
	}
}

// hostName is a domain below a top-level one (RFC 1123).
const hostName = `(?i)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?`

// checkDomain: a domain can only change its brand, which a PUT must name (documented).
func checkDomain(c *Change) error {
	if c.Verb != replace {
		return nil
	}
	return wants(c.Given, "brandId")
}

// recordsOf are the entries by which the owner of a domain proves it (recorded).
func recordsOf(c *Change) any {
	domain := strings.ToLower(textOf(c.Body["domain"]))
	secret := strings.ReplaceAll(c.Org.ids.UUID(), "-", "")
	return []any{
		doc.Doc{"recordType": "TXT", "fqdn": "_oktaverification." + domain, "values": doc.Array(secret)},
		doc.Doc{"recordType": "CNAME", "fqdn": domain, "values": doc.Array(c.Org.info.Subdomain + ".customdomains.okta.com")},
	}
}

// fillDomain makes a brand for a domain that names none (recorded: it bears the domain's name).
func fillDomain(c *Change) error {
	c.Body["domain"] = strings.ToLower(doc.String(c.Body, "domain"))
	if c.Body["brandId"] != nil || !c.Org.Licensed(domainBrands) || c.Adopting {
		return nil
	}
	brand, err := c.Org.CreateObject(KindNamed("brands"), nil, Request{By: c.By, Given: doc.Doc{"name": c.Body["domain"]}})
	if err != nil {
		return err
	}
	c.Body["brandId"] = brand.ID
	return nil
}

// domainsOfBrand are the domains that show a brand.
func domainsOfBrand(c *Change) (any, error) {
	k, list := c.Org.kinds.named("domains"), []any{}
	for _, x := range c.Org.objectsIn(k, "") {
		if x.text("brandId") == c.Object.ID {
			list = append(list, c.Org.Show(k, x, View{InList: true}, 0))
		}
	}
	return doc.Doc{"domains": list}, nil
}

// SetCertificate keeps what can be shown of a certificate that an admin brings (documented).
// It has every part, and the domain's certificates are the admin's own from then on.
func (o *Org) SetCertificate(domain *Object, given doc.Doc) error {
	if err := wants(given, "type", "privateKey", "certificate", "certificateChain"); err != nil {
		return err
	}
	if given["type"] != "PEM" {
		return failure.Invalid("type", "type: The type must be PEM")
	}
	der, err := derOf([]byte(doc.String(given, "certificate")))
	if err != nil {
		return failure.Invalid("certificate", "certificate: "+err.Error())
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return failure.Invalid("certificate", "certificate: It is not an X.509 certificate")
	}
	sum := sha256.Sum256(der)
	domain.Body["certificateSourceType"] = "MANUAL"
	domain.Body["publicCertificate"] = doc.Doc{
		"subject": cert.Subject.String(), "fingerprint": hex.EncodeToString(sum[:]), "expiration": Millis.write(StampOf(cert.NotAfter)),
	}
	return nil
}

// showDomain: creation and verification allow reading, which reads do not say (recorded).
func showDomain(v *View) {
	allow := []string{"DELETE"}
	if v.Verb == create || v.Verb == "verify" {
		allow = []string{"GET", "DELETE"}
		if v.Org.Licensed(domainBrands) {
			allow = append(allow, "PUT")
		}
	}
	links := doc.Doc{"self": Hints.write("self", v.Self, allow)}
	if v.Verb != "verify" && v.Object.text("validationStatus") != "COMPLETED" {
		links["verify"] = Hints.write("verify", v.Self+"/verify", []string{"POST"})
	}
	if brand := v.Object.text("brandId"); brand != "" && v.Org.Licensed(domainBrands) {
		links["brand"] = Hints.write("brand", v.Org.base+"/api/v1/brands/"+brand, []string{"GET", "PUT", "DELETE"})
	}
	v.Body["_links"] = links
}

func emailDomains() Kind {
	return Kind{
		Name: "email_domains", Path: "/api/v1/email-domains/{emailDomainId}", Prefix: "OeD", Class: "EmailDomain",
		Scope: "okta.emailDomains", Area: AreaCustomizations,
		Verbs:      crud(201),
		Operations: []Operation{{Name: "verify", Path: "verify", Status: 200, Link: "-", Set: doc.Doc{"validationStatus": "POLLING"}}},
		Natural:    []string{"domain"},
		// Recorded: what was deleted can still be read, as DELETED.
		Remains: doc.Doc{"validationStatus": "DELETED"},
		Missing: func(string) error { return failure.NoEmailDomain() },
		Refusals: []Refusal{{
			On: []string{"verify"}, When: isNot("validationStatus", "NOT_STARTED", "POLLING", "ERROR"), With: failure.EmailDomainNotVerifiable(),
		}},
		Fields: []Field{
			{Path: "brandId", Required: true, Mode: WriteOnly, Ref: "brands"},
			{Path: "domain", Required: true, Mode: Immutable, Unique: InOrg, Taken: failure.EmailDomainTaken(), Pattern: hostName, Example: "mail%d.example.com"},
			{Path: "displayName", Required: true},
			{Path: "userName", Required: true},
			{Path: "validationSubdomain", Mode: Immutable, Default: "mail", Feature: "email_validation_subdomain"},
			{Path: "validationStatus", Mode: ReadOnly, Default: "NOT_STARTED"},
			{Path: "dnsValidationRecords", Type: List, Mode: ReadOnly, Default: mailRecords},
		},
		After: brandSends, Show: showEmailDomain,
		Events: map[string]string{
			create: "system.email_domain.create", replace: "system.email_domain.update", remove: "system.email_domain.delete", "verify": "system.email_domain.verify",
		},
	}
}

func mailRecords(c *Change) any {
	return c.Org.mailRecords(textOf(c.Body["domain"]), textOf(c.Body["validationSubdomain"]))
}

// mailRecords are the entries by which the owner of a domain lets Okta send for it (recorded).
func (o *Org) mailRecords(domain, sub string) any {
	const sender = "u17770251.wl002.sendgrid.net"
	lower := strings.ToLower(domain)
	record := func(kind, fqdn, value string) doc.Doc {
		return doc.Doc{"recordType": kind, "fqdn": fqdn, "verificationValue": value}
	}
	return []any{
		record("TXT", "_oktaverification."+domain, strings.ReplaceAll(o.ids.UUID(), "-", "")),
		record("cname", sub+"."+lower, sender),
		record("cname", "p03._domainkey."+lower, "p03.domainkey."+sender),
		record("cname", "p032._domainkey."+lower, "p032.domainkey."+sender),
	}
}

// brandSends: the brand sends from its new domain.
func brandSends(c *Change) {
	if c.Verb != create || c.Adopting {
		return
	}
	if brand := c.Org.object(KindNamed("brands"), textOf(c.Body["brandId"])); brand != nil {
		brand.Body["emailDomainId"] = c.Object.ID
	}
}

// showEmailDomain embeds the brands that send from the domain (documented).
func showEmailDomain(v *View) {
	for _, expand := range listed(v.Query["expand"]) {
		if expand != "brands" {
			continue
		}
		found := []any{}
		k := KindNamed("brands")
		for _, b := range v.Org.objectsIn(k, "") {
			if b.text("emailDomainId") == v.Object.ID {
				found = append(found, v.Org.Show(k, b, View{}, 0))
			}
		}
		v.Body["_embedded"] = doc.Doc{"brands": found}
	}
}

// listed splits the values of a parameter at commas.
func listed(values []string) []string {
	var out []string
	for _, v := range values {
		for _, s := range strings.Split(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// emailServers are mail servers of the customer's own.
func emailServers() Kind {
	return Kind{
		Name: "email_servers", Path: "/api/v1/email-servers/{emailServerId}", Prefix: "ces", Class: "EmailServer",
		Scope: "okta.emailServers", Area: AreaCustomizations,
		Verbs: Verbs{List: true, Get: true, Create: 201, Merge: "PATCH", Delete: 204},
		Operations: []Operation{{
			Name: "send test", Path: "test", Status: 204, Read: true, Link: "-", Run: testMail,
			Example: doc.Doc{"fromAddress": "okta@example.com", "toAddress": "ada@example.com"},
		}},
		Page:    Page{Envelope: "email-servers"},
		Natural: []string{"alias"},
		Check:   checkEmailServer,
		Fields: []Field{
			{Path: "alias", Required: true},
			{Path: "host", Required: true},
			{Path: "port", Type: Number, Required: true, Min: 1, Max: 65535},
			{Path: "username", Required: true},
			{Path: "password", Required: true, Mode: WriteOnly},
			{Path: "enabled", Type: Bool, Default: false},
		},
	}
}

// checkEmailServer: one server alone sends the org's mail (documented).
func checkEmailServer(c *Change) error {
	if c.Body == nil || !doc.Bool(c.Body, "enabled") || c.Verb == remove {
		return nil
	}
	for _, x := range c.Org.objectsIn(c.Kind, "") {
		if x != c.Object && doc.Bool(x.Body, "enabled") {
			return failure.OneMailServer()
		}
	}
	return nil
}

// testMail asks for the addresses of a test message; nothing is sent.
func testMail(c *Change) error {
	return wants(c.Given, "fromAddress", "toAddress")
}
