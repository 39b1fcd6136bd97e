package seed

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// departments of the demonstration company, with how many people work there.
var departments = []struct {
	name, title string
	people      int
}{
	{"Engineering", "Software Engineer", 38}, {"Sales", "Account Executive", 24}, {"Finance", "Financial Analyst", 11},
	{"People", "People Partner", 8}, {"Marketing", "Campaign Manager", 12}, {"Support", "Support Engineer", 15}, {"IT", "Systems Administrator", 8},
}

// demo makes Acme Robotics.
func (b *builder) demo() {
	b.demoGroups()
	b.demoPeople()
	b.demoRules()
	b.demoZones()
	b.demoApps()
	b.demoPolicies()
}

func (b *builder) demoGroups() {
	for _, d := range departments {
		b.group(d.name, "Everyone in "+d.name)
	}
	b.group("Contractors", "People who are not employed")
	b.group("Managers", "People who lead others")
	b.group("Finance Approvers", "May release payments")
	b.group("Expense Auditors", "Read access to expense reports")
	b.group("VPN Users", "May use the corporate VPN")
	b.group("Okta Operators", "Run the identity platform")
	b.group("Release Captains", "May approve a production release")
}

func (b *builder) demoPeople() {
	ada := b.user(person{first: "Ada", last: "Moreno", department: "IT", title: "Head of Identity", city: "Hamburg", country: "DE", number: 1, userType: "Employee"})
	robin := b.user(person{first: "Robin", last: "Vale", department: "IT", title: "Identity Administrator", city: "Austin", country: "US", number: 2, userType: "Employee", manager: "Ada Moreno"})
	if b.err != nil {
		return
	}
	b.made.Admins["super"], b.made.Admins["other"] = ada.Login(), robin.Login()
	b.role(ada.ID, "SUPER_ADMIN")
	b.role(robin.ID, "ORG_ADMIN")
	b.role(robin.ID, "APP_ADMIN")
	b.join("Okta Operators", ada)
	b.join("Okta Operators", robin)
	n := 0
	for _, d := range departments {
		for i := range d.people {
			p := b.somebody(n, d.name, d.title)
			b.vary(&p, n)
			u := b.user(p)
			b.demoMemberships(u, p, i)
			n++
		}
	}
	b.contractors(n)
}

// vary gives a few people another status than ACTIVE.
func (b *builder) vary(p *person, n int) {
	switch {
	case n%29 == 11:
		p.status = org.Staged
	case n%31 == 17:
		p.status = org.Suspended
	case n%37 == 23:
		p.status = org.Deprovisioned
	case n%41 == 5:
		p.status = org.Provisioned
	}
	if p.department == "Finance" {
		p.status = ""
	}
}

func (b *builder) demoMemberships(u *org.User, p person, i int) {
	if b.err != nil || p.department == "Finance" {
		// A group rule fills Finance.
		b.financeMemberships(u, i)
		return
	}
	b.join(p.department, u)
	if i == 0 {
		b.join("Managers", u)
	}
	if i%3 == 0 {
		b.join("VPN Users", u)
	}
	if p.department == "Engineering" && i < 4 {
		b.join("Release Captains", u)
	}
}

func (b *builder) financeMemberships(u *org.User, i int) {
	if b.err != nil {
		return
	}
	if i < 3 {
		b.join("Finance Approvers", u)
	}
	if i == 0 {
		b.join("Managers", u)
	}
	b.join("VPN Users", u)
}

// contractors are outside the departments; three of them work for Finance by hand.
func (b *builder) contractors(n int) {
	for i := range 6 {
		p := b.somebody(n+i, "External", "Consultant")
		p.userType = "Contractor"
		u := b.user(p)
		b.join("Contractors", u)
		if i < 3 {
			b.join("Finance", u)
		}
	}
}

func (b *builder) demoRules() {
	if b.err != nil {
		return
	}
	finance, auditors := b.groups["Finance"].ID, b.groups["Expense Auditors"].ID
	b.rule("Finance by department", `user.department=="Finance"`, true, finance)
	b.rule("Finance audits expenses", `isMemberOfAnyGroup("`+finance+`")`, true, auditors)
	b.rule("Austin uses the VPN", `user.city=="Austin" and user.userType=="Employee"`, true, b.groups["VPN Users"].ID)
	b.rule("Engineers in training", `String.stringContains(user.title,"Trainee")`, false, b.groups["Engineering"].ID)
}

func (b *builder) demoZones() {
	b.zone(doc.Doc{"type": "IP", "name": "Headquarters", "usage": "POLICY", "gateways": []any{
		doc.Doc{"type": "CIDR", "value": "198.51.100.0/24"}}})
	b.zone(doc.Doc{"type": "IP", "name": "Finance VPN", "usage": "POLICY", "gateways": []any{
		doc.Doc{"type": "RANGE", "value": "203.0.113.10-203.0.113.40"}}, "proxies": []any{doc.Doc{"type": "CIDR", "value": "192.0.2.0/28"}}})
	b.zone(doc.Doc{"type": "DYNAMIC", "name": "Where we do no business", "usage": "BLOCKLIST", "proxyType": nil,
		"locations": []any{doc.Doc{"country": "KP"}, doc.Doc{"country": "AQ"}}})
}

func (b *builder) demoApps() {
	if b.err != nil {
		return
	}
	id := func(name string) string { return b.groups[name].ID }
	b.app(oidc("Ledger", "web", "https://ledger."+domain+"/callback"), id("Finance"), id("Expense Auditors"))
	b.app(oidc("Roadmap", "browser", "https://roadmap."+domain+"/"), id("Engineering"), id("Marketing"))
	b.app(oidc("Field Sales", "native", "com.acme.fieldsales:/callback"), id("Sales"))
	b.app(oidc("Nightly Reports", "service", ""))
	b.app(saml("Spendwise"), id("Finance"), id("Managers"))
	b.app(saml("Atlas CRM"), id("Sales"), id("Support"))
	b.app(saml("PeopleHub"), b.org.Info().Everyone)
	b.app(saml("Build Farm"), id("Engineering"), id("Release Captains"))
	b.app(bookmark("Intranet"), b.org.Info().Everyone)
	b.app(bookmark("Travel Desk"), id("Sales"), id("Managers"), id("Finance"))
	b.step(func() error {
		_, err := b.org.AssignUser(nil, b.org.AppLabelled("Roadmap"), b.users[b.made.Admins["super"]], doc.Doc{})
		return err
	})
}

func slug(label string) string { return strings.ToLower(strings.ReplaceAll(label, " ", "-")) }

func oidc(label, kind, redirect string) doc.Doc {
	client := doc.Doc{
		"application_type": kind, "grant_types": doc.Array("authorization_code", "refresh_token"), "response_types": doc.Array("code"),
		"redirect_uris": doc.Array(redirect), "consent_method": "TRUSTED", "issuer_mode": "ORG_URL",
	}
	credentials := doc.Doc{"token_endpoint_auth_method": "client_secret_basic", "autoKeyRotation": true, "pkce_required": false}
	switch kind {
	case "browser", "native":
		credentials["token_endpoint_auth_method"], credentials["pkce_required"] = "none", true
	case "service":
		client["grant_types"], client["response_types"], client["redirect_uris"] = doc.Array("client_credentials"), doc.Array("token"), []any{}
	}
	return doc.Doc{
		"name": "oidc_client", "label": label, "signOnMode": org.OpenIDConnect,
		"credentials": doc.Doc{"oauthClient": credentials}, "settings": doc.Doc{"oauthClient": client},
		"visibility": doc.Doc{"hide": doc.Doc{"iOS": kind == "service", "web": kind == "service"}},
	}
}

func saml(label string) doc.Doc {
	host := "https://" + slug(label) + "." + domain
	return doc.Doc{
		"label": label, "signOnMode": org.SAML2,
		"settings": doc.Doc{"signOn": doc.Doc{
			"ssoAcsUrl": host + "/saml/acs", "audience": host, "recipient": host + "/saml/acs", "destination": host + "/saml/acs",
			"subjectNameIdFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
			"attributeStatements": []any{doc.Doc{
				"type": "EXPRESSION", "name": "department", "namespace": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
				"values": doc.Array("user.department"),
			}},
		}},
	}
}

func bookmark(label string) doc.Doc {
	return doc.Doc{
		"name": "bookmark", "label": label, "signOnMode": org.Bookmark,
		"settings": doc.Doc{"app": doc.Doc{"requestIntegration": false, "url": "https://" + slug(label) + "." + domain}},
	}
}

func (b *builder) demoPolicies() {
	if b.err != nil {
		return
	}
	finance, contractors := b.groups["Finance"].ID, b.groups["Contractors"].ID
	vpn, office := b.made.Zones["Finance VPN"], b.made.Zones["Headquarters"]
	b.policy(doc.Doc{"type": "OKTA_SIGN_ON", "name": "Finance sessions", "description": "Short sessions for people who move money",
		"conditions": people("include", finance)},
		signOn("From the finance VPN", 720, zone(vpn)), signOn("From anywhere else", 60, nil))
	b.policy(doc.Doc{"type": "OKTA_SIGN_ON", "name": "Contractor sessions", "description": "People who are not employed",
		"conditions": people("include", contractors)}, signOn("One hour", 60, nil))
	b.policy(doc.Doc{"type": "PASSWORD", "name": "Operators' passwords", "description": "Longer passwords for administrators",
		"conditions": people("include", b.groups["Okta Operators"].ID),
		"settings":   doc.Doc{"password": doc.Doc{"complexity": doc.Doc{"minLength": 14}}}})
	if b.org.IsOIE() {
		b.demoAccess(finance, contractors, vpn, office)
	}
}

// demoAccess makes the app sign-in policies, which Classic orgs do not have.
func (b *builder) demoAccess(finance, contractors, vpn, office string) {
	access := b.policy(doc.Doc{"type": "ACCESS_POLICY", "name": "Finance apps", "description": "Money needs two factors"},
		appSignOn("Finance on the VPN", 1, "1FA", doc.Merge(people("include", finance), zone(vpn))),
		appSignOn("Finance elsewhere", 2, "2FA", people("include", finance)),
		appSignOn("Nobody from outside", 3, "2FA", doc.Merge(people("include", contractors), zone(office))))
	b.policy(doc.Doc{"type": "ACCESS_POLICY", "name": "Engineering apps", "description": "Source code"},
		appSignOn("Employees", 1, "2FA", doc.Doc{"people": doc.Doc{"groups": doc.Doc{
			"include": doc.Array(b.groups["Engineering"].ID), "exclude": doc.Array(contractors)}}}))
	for _, label := range []string{"Ledger", "Spendwise"} {
		b.step(func() error { return b.org.AssignPolicy(nil, b.org.AppLabelled(label), access.ID) })
	}
}

func people(side string, groups ...string) doc.Doc {
	return doc.Doc{"people": doc.Doc{"groups": doc.Doc{side: doc.Array(groups...)}}}
}

func zone(ids ...string) doc.Doc {
	return doc.Doc{"network": doc.Doc{"connection": "ZONE", "include": doc.Array(ids...)}}
}

func signOn(name string, minutes int, conditions doc.Doc) doc.Doc {
	return doc.Doc{
		"type": "SIGN_ON", "name": name, "conditions": conditions,
		"actions": doc.Doc{"signon": doc.Doc{
			"access": "ALLOW", "requireFactor": true, "factorPromptMode": "SESSION",
			"session": doc.Doc{"usePersistentCookie": false, "maxSessionIdleMinutes": minutes, "maxSessionLifetimeMinutes": minutes * 2},
		}},
	}
}

func appSignOn(name string, priority int, factors string, conditions doc.Doc) doc.Doc {
	return doc.Doc{
		"type": "ACCESS_POLICY", "name": name, "priority": priority, "conditions": conditions,
		"actions": doc.Doc{"appSignOn": doc.Doc{"access": "ALLOW", "verificationMethod": doc.Doc{
			"type": "ASSURANCE", "factorMode": factors, "reauthenticateIn": "PT2H",
		}}},
	}
}
