package org

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// catalogApp is an app of Okta's integration network, or one of the templates that make
// apps of any other site.
type catalogApp struct {
	name string
	// doors are the app's links on the dashboard, as name/number: the number stands in
	// the home link (recorded). Without a number Okta made one of its own.
	doors []string
	// settings are the fields of settings.app; Okta shows null for those without a value or
	// a default. inForm are further ones of apps that fill in a form.
	settings, inForm []string
	defaults         doc.Doc
	// logo is the name of one of Okta's pictures; "" is a picture of the app's own.
	logo string
	// unsigned apps have no way to sign in, whatever was asked for.
	unsigned bool
	// seats are for apps that Okta counts the licences of.
	seats bool
	// logout is what universal logout can do; nil is nothing.
	logout doc.Doc
	// provisions are the features of provisioning that the app can have.
	provisions []string
}

// revokesTokens is the universal logout of apps of the org's own (recorded).
func revokesTokens() doc.Doc { return logoutOf("NOT_SHARED", "GLOBAL_TOKEN_REVOCATION", "FULL") }

func logoutOf(stack, protocol, support string) doc.Doc {
	return doc.Doc{"status": "DISABLED", "supportType": support, "identityStack": stack, "protocol": protocol}
}

const (
	userProvisioning    = "USER_PROVISIONING"
	inboundProvisioning = "INBOUND_PROVISIONING"
)

// catalog lists the apps that the simulator knows by name. Doors, settings and logout are
// recorded, defaults are what recorded instances have, template_wsfed and provisioning are
// documented.
func catalog() []catalogApp {
	login := func(number string) []string { return []string{"login/" + number} }
	words := strings.Fields
	both := []string{userProvisioning, inboundProvisioning}
	own := logoutOf("NOT_SHARED", "PROPRIETARY", "FULL")
	return []catalogApp{
		{name: "oidc_client", doors: []string{"oidc_client_link/aln177a159h7Zf52X0g8"}, logo: "default", logout: revokesTokens()},
		{
			name: "bookmark", doors: login("2557"), logo: "bookmark-app", settings: words("requestIntegration url"),
			defaults: doc.Doc{"requestIntegration": false},
		},
		{name: "template_basic_auth", doors: login("2873"), logo: "default", settings: words("authURL loginUrlRegex url")},
		{
			name: "template_sps", doors: login("2355"), logo: "default",
			settings: words("optionalField1 optionalField1Value optionalField2 optionalField2Value optionalField3 optionalField3Value passwordField url usernameField"),
		},
		{
			name: "template_swa", doors: login("2357"),
			settings: words("buttonField checkbox loginUrlRegex passwordField redirectUrl url usernameField"),
		},
		{
			name: "template_swa3field", doors: login("3287"),
			settings: words("buttonSelector extraFieldSelector extraFieldValue loginUrlRegex passwordSelector redirectUrl targetURL userNameSelector"),
		},
		{
			name: "template_wsfed", doors: words("login"), logo: "default",
			settings: words("attributeStatements audienceRestriction authnContextClassRef groupFilter groupName groupValueFormat nameIDFormat realm siteURL usernameAttribute wReplyOverride wReplyURL"),
		},
		{
			name: "amazon_aws", doors: login("272"),
			settings: words("accessKey appFilter awsEnvironmentType groupFilter identityProviderArn joinAllRoles loginURL overrideAcsURL roleValuePattern secretKey secretKeyEnc sessionDuration useGroupMapping webSSOAllowedClient"),
			inForm:   words("accountID"),
			defaults: doc.Doc{
				"appFilter": "okta", "awsEnvironmentType": "aws.amazon", "groupFilter": `aws_(?{{accountid}}\d+)_(?{{role}}[a-zA-Z0-9+=,.@\-_]+)`,
				"joinAllRoles": false, "loginURL": "https://console.aws.amazon.com/ec2/home", "sessionDuration": json.Number("3600"), "useGroupMapping": false,
				"roleValuePattern": "arn:aws:iam::${accountid}:saml-provider/OKTA,arn:aws:iam::${accountid}:role/${role}",
			},
		},
		{name: "applauz", doors: []string{"applauz_link/aln1kjivs4qGqWiYZ1d8"}},
		{name: "aws_console", doors: []string{"aws_console_login/4163"}},
		{name: "boxnet", doors: login("72"), settings: words("groupFilter pushGroupsWithSAML siteURL"), defaults: doc.Doc{"pushGroupsWithSAML": false}, logout: own},
		{name: "deel", doors: []string{"deel_link/aln1i6axj8huycArM1d8"}},
		{name: "deelhr", doors: []string{"deelhr_link/aln5a838ba0SiO7GZ0x7"}, unsigned: true},
		{name: "docusign", doors: login("292"), settings: words("acsUrl audRestriction instanceType samlEmailAddress"), defaults: doc.Doc{"instanceType": "www", "samlEmailAddress": "false"}},
		{name: "facebook_at_work", doors: login("54231"), settings: words("communityId facebookOrgId facebookSubDomain useWorkplaceDomain"), defaults: doc.Doc{"useWorkplaceDomain": false}},
		{
			name: "google", settings: words("afwId afwOnly domain rpId"), seats: true, provisions: both,
			doors: []string{"sites/56", "accounts/2555", "keep/aln1fx21vxhgTkpqE1d8", "mail/50", "drive/52", "calendar/54"},
		},
		{
			name: "office365", seats: true, logout: logoutOf("SHARED", "PROPRIETARY", "PARTIAL"), provisions: both,
			doors:    append(login("2161"), words("calendar crm delve excel forms mail newsfeed onedrive people planner powerbi powerpoint sites sway tasks teams word yammer")...),
			settings: words("domain domains msftTenant occSettings office365FlexibleProvisioningMode office365ProvisioningType requireAdminConsent tenantType windowsTransportEnabled wsFedConfigureType"),
		},
		{name: "okta_org2org", doors: login("51975"), settings: words("acsUrl audRestriction baseUrl idpId"), provisions: both},
		{name: "pagerduty", doors: login("3107"), settings: words("adminUserId baseUrl subdomain")},
		{name: "salesforce", doors: []string{"mc/46"}, settings: words("customDomain instanceType integrationType loginUrl logoutUrl myDomain orgID portalID siteURL"), seats: true, logout: own, defaults: doc.Doc{"instanceType": "PRODUCTION", "integrationType": "STANDARD"}},
		{name: "sharepoint_onpremise", doors: login("3601"), settings: words("attributeStatements groupFilter siteURL")},
		{name: "slack", doors: words("login"), settings: words("acsURL audience domain"), provisions: both},
		{name: "strongdm", doors: []string{"strongdm_link/aln3rjzldtTUbdQjl0x7"}, settings: words("base_url")},
		{name: "zendesk", doors: login("238"), settings: words("authToken companySubDomain encryptedAuthToken"), seats: true, logout: own},
		{name: "zoomus", doors: login("1835"), settings: words("acs_url audience_uri subDomain"), logout: own, provisions: both},
		{name: "zscalerbyz", doors: words("login"), settings: words("acsUrl"), provisions: both},
	}
}

// catalogued finds an app of the network. Names are not told apart by case; names that the
// simulator does not know are taken for apps with a link of their own name.
func catalogued(name string) catalogApp {
	name = strings.ToLower(name)
	for _, c := range catalog() {
		if c.name == name {
			return c
		}
	}
	return catalogApp{name: name}
}

// known says whether the simulator has the app's own settings and doors.
func (c catalogApp) known() bool { return c.doors != nil }

// Door is a link of an app on the dashboard: its name, and what stands for it in the
// home link.
type Door struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// openings are the app's doors. An app that the catalogue lacks has those that are asked
// for, or one of its name.
func (c catalogApp) openings(asked doc.Doc) []Door {
	names := c.doors
	if names == nil {
		names = sortedKeys(asked)
	}
	if len(names) == 0 {
		names = []string{c.name + "_link"}
	}
	var out []Door
	for _, n := range names {
		name, id, numbered := strings.Cut(n, "/")
		if !numbered {
			id = "aln" + lettersOf(c.name+"/"+name)
		}
		out = append(out, Door{name, id})
	}
	return out
}

// picture is the path of the app's logo on Okta's content network.
func (c catalogApp) picture() string {
	if c.logo != "" {
		return strings.TrimPrefix(image(c.logo), staticHost)
	}
	return "/fs/bcg/4/gfs" + lettersOf("logo of "+c.name)
}

const idAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// lettersOf makes the 17 characters of an id out of a name, the same in every org. The
// last three name the part of Okta's service, as in every id.
func lettersOf(name string) string {
	const cell = "1d7"
	sum := sha256.Sum256([]byte(name))
	out := make([]byte, 17-len(cell))
	for i := range out {
		out[i] = idAlphabet[binary.BigEndian.Uint16(sum[i:])%62]
	}
	return string(out) + cell
}

// appSettings completes settings.app: known fields without a value are null, an empty
// text is none (recorded). Fields that the app does not have are dropped.
func (c catalogApp) appSettings(mode string, given doc.Doc) doc.Doc {
	out := doc.Clone(given)
	if out == nil {
		out = doc.Doc{}
	}
	fields := c.settings
	if mode == BrowserPlugin {
		fields = slices.Concat(fields, c.inForm)
	}
	for k, v := range out {
		if c.known() && !slices.Contains(fields, k) {
			delete(out, k)
		} else if v == "" {
			out[k] = nil
		}
	}
	for _, k := range fields {
		if _, there := out[k]; !there {
			out[k] = doc.Clone(c.defaults[k])
		}
	}
	return out
}
