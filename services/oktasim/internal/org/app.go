package org

import (
	"iter"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// App is one application of the org.
type App struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Label  string `json:"label"`
	Status string `json:"status"`
	// SignOnMode is "" for apps that nobody signs in to.
	SignOnMode string `json:"signOnMode"`
	// Template is the app of the integration network that this is an instance of; "" for
	// an app of the org's own making.
	Template    string `json:"template,omitempty"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	// Doors are the links on the dashboard, Logo the path of the picture, Help the kind of
	// instructions, Proof the end of the link to the client's credentials; "" for none.
	Doors []Door `json:"doors,omitempty"`
	Logo  string `json:"logo"`
	Help  string `json:"help,omitempty"`
	Proof string `json:"proof,omitempty"`
	// ExternalKey stands for the app in SAML.
	ExternalKey string `json:"externalKey"`
	// Body holds accessibility, visibility, features, credentials, settings and so on.
	Body              doc.Doc             `json:"body"`
	AccessPolicy      string              `json:"accessPolicy,omitempty"`
	ProfileEnrollment string              `json:"profileEnrollment,omitempty"`
	Keys              []*Key              `json:"keys,omitempty"`
	Secrets           []*Secret           `json:"secrets,omitempty"`
	Grants            []*Grant            `json:"grants,omitempty"`
	Groups            []*AppGroupLink     `json:"groups,omitempty"`
	Users             map[string]*AppUser `json:"users,omitempty"`
	// Trusts are the apps that may sign people in to this one.
	Trusts []*Trust `json:"trusts,omitempty"`
	// SchemaName tells the schemas of apps apart. Schema is nil until somebody changes it.
	SchemaName string  `json:"schemaName"`
	Schema     *Schema `json:"schema,omitempty"`
	// IDToken is the claim of the app's id tokens that lists groups.
	IDToken doc.Doc `json:"idToken,omitempty"`
	// Provisioning is nil for an app into which no accounts are brought.
	Provisioning *Provisioning `json:"provisioning,omitempty"`

	userOrder index
}

// The sign-on modes.
const (
	OpenIDConnect = "OPENID_CONNECT"
	SAML2         = "SAML_2_0"
	SAML1         = "SAML_1_1"
	WSFed         = "WS_FEDERATION"
	Bookmark      = "BOOKMARK"
	AutoLogin     = "AUTO_LOGIN"
	BrowserPlugin = "BROWSER_PLUGIN"
	BasicAuth     = "BASIC_AUTH"
	PasswordStore = "SECURE_PASSWORD_STORE"
)

const oidcTemplate = "oidc_client"

// own says whether the app is of the org's own making.
func (a *App) own() bool { return a.Template == "" }

func (a *App) template() catalogApp { return catalogued(a.Template) }

// Grant allows a service app to ask for a scope.
type Grant struct {
	ID          string `json:"id"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	CreatedBy   string `json:"createdBy"`
	Issuer      string `json:"issuer"`
	ScopeID     string `json:"scopeId"`
}

// Party is the app as target.
func (a *App) Party() Party {
	return Party{ID: a.ID, Type: "AppInstance", AlternateID: a.Label, DisplayName: a.displayName()}
}

func (a *App) displayName() string {
	switch {
	case a.SignOnMode == OpenIDConnect:
		return "OpenID Connect Client"
	case a.SignOnMode == Bookmark:
		return "Bookmark"
	}
	return a.Label
}

// ClientParty is an OIDC app as actor or as OAuth client.
func (a *App) ClientParty() Party {
	return Party{ID: a.ClientID(), Type: "PublicClientApp", AlternateID: a.ClientID(), DisplayName: a.Label}
}

// ClientID is the OAuth client id, "" for other apps.
func (a *App) ClientID() string { return doc.String(a.Body, "credentials", "oauthClient", "client_id") }

// IsService says whether the app gets tokens for itself.
func (a *App) IsService() bool {
	return doc.String(a.Body, "settings", "oauthClient", "application_type") == "service"
}

// App finds an app.
func (o *Org) App(id string) (*App, error) {
	if a := o.apps[id]; a != nil {
		return a, nil
	}
	return nil, failure.NotFound(id, "AppInstance")
}

// AppsAfter lists app ids that follow the cursor.
func (o *Org) AppsAfter(cursor string) iter.Seq[string] { return o.appOrder.after(cursor) }

// Client finds an OIDC app by client id.
func (o *Org) Client(clientID string) *App {
	if a := o.apps[clientID]; a != nil && a.ClientID() == clientID {
		return a
	}
	for _, a := range o.apps {
		if a.ClientID() == clientID && clientID != "" {
			return a
		}
	}
	return nil
}

// AppLabelled finds an app by its label.
func (o *Org) AppLabelled(label string) *App {
	for id := range o.appOrder.all() {
		if o.apps[id].Label == label {
			return o.apps[id]
		}
	}
	return nil
}

// CreateApp makes an app; it is ACTIVE unless activate is false.
func (o *Org) CreateApp(by *Cause, body doc.Doc, activate bool) (*App, error) {
	a := &App{Status: Active, Users: map[string]*AppUser{}}
	if !activate {
		a.Status = Inactive
	}
	a.classify(body)
	if err := o.checkApp(a, body); err != nil {
		return nil, err
	}
	a.ID, a.ExternalKey, a.Created = o.ids.ID("0oa"), o.ids.ID("exk"), o.stamp()
	a.LastUpdated, a.Label = a.Created, doc.String(body, "label")
	o.furnish(a, body)
	o.fillApp(a, nil, body)
	if o.IsOIE() {
		a.AccessPolicy = o.systemPolicy("ACCESS_POLICY")
		a.ProfileEnrollment = o.systemPolicy("PROFILE_ENROLLMENT")
	}
	o.apps[a.ID] = a
	o.appOrder.add(a.ID)
	o.noteApp(by, a, "create", nil)
	o.seedAnchor("app", a.ID)
	return a, o.privilege(by, a)
}

// privilege makes a new service app a super administrator where the org wants it so
// (documented).
func (o *Org) privilege(by *Cause, a *App) error {
	x := o.singleton(clientPrivileges)
	if x == nil || !doc.Bool(x.Body, "clientPrivilegesSetting") || doc.String(a.Body, "settings", "oauthClient", "application_type") != "service" {
		return nil
	}
	_, err := o.AssignRole(by, a.ClientID(), "SUPER_ADMIN")
	return err
}

// classify finds out what a request to make an app asks for. Apps of the network have
// names; only apps that fill in passwords and SAML apps can do without.
func (a *App) classify(body doc.Doc) {
	a.SignOnMode = doc.String(body, "signOnMode")
	a.Template = strings.ToLower(doc.String(body, "name"))
	switch {
	case a.Template == "":
	case a.template().unsigned:
		a.SignOnMode = ""
	case a.SignOnMode == AutoLogin:
		// An app of the network knows itself how to fill in its form (recorded).
		a.SignOnMode = BrowserPlugin
	}
}

// furnish gives a new app its name, doors, picture and keys.
func (o *Org) furnish(a *App, body doc.Doc) {
	a.Name = a.Template
	if a.own() {
		a.Name = o.ownName(a.Label)
		a.Doors = []Door{{a.Name + "_link", o.ids.ID("aln")}}
		a.Logo = catalogApp{logo: "default"}.picture()
	} else {
		t := a.template()
		a.Doors, a.Logo = t.openings(doc.Object(body, "visibility", "appLinks")), t.picture()
	}
	switch {
	case a.own() && a.SignOnMode == SAML2, a.SignOnMode == SAML1:
		a.Help = "instructions"
	case a.SignOnMode == SAML2, a.SignOnMode == OpenIDConnect && a.Template != oidcTemplate:
		a.Help = "external-doc"
	}
	a.SchemaName = o.schemaName(a)
	o.firstKeys(a)
}

// noteApp writes the event of the app and, for an OIDC app, that of its client.
func (o *Org) noteApp(by *Cause, a *App, what string, change doc.Doc) {
	party := a.Party()
	party.ChangeDetails = change
	o.Note(by, "application.lifecycle."+what, nil, party)
	if a.SignOnMode == OpenIDConnect {
		o.Note(by, "app.oauth2.client.lifecycle."+what, nil, a.ClientParty())
	}
}

// ownName is the technical name of an app of the org's own: the subdomain, the label and
// a number (recorded).
func (o *Org) ownName(label string) string {
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}
	stem := o.info.Subdomain + "_" + strings.Map(keep, strings.ToLower(label))
	for n := 1; ; n++ {
		name := stem + "_" + itoa(n)
		if !slices.ContainsFunc(o.appOrder.list(), func(id string) bool { return o.apps[id].Name == name }) {
			return name
		}
	}
}

// UpdateApp replaces an app's body. Name and sign-on mode stay; secrets that the body
// does not give stay too.
func (o *Org) UpdateApp(by *Cause, a *App, body doc.Doc) error {
	if a.own() && a.Status != Active {
		// Okta writes the app's own description, which it only does for active ones (recorded).
		return failure.NotYetSupported("No active instances.")
	}
	if err := a.unchanged(body); err != nil {
		return err
	}
	if err := o.checkApp(a, body); err != nil {
		return err
	}
	before := doc.Doc{"label": a.Label, "body": a.Body}
	a.Label = doc.String(body, "label")
	o.fillApp(a, a.Body, body)
	a.LastUpdated = o.stamp()
	o.noteApp(by, a, "update", changeDetails(before, doc.Doc{"label": a.Label, "body": a.Body}))
	return nil
}

// unchanged refuses another sign-on mode. What a request asked for may have become
// another mode when the app was made.
func (a *App) unchanged(body doc.Doc) error {
	mode := doc.String(body, "signOnMode")
	asked := &App{}
	asked.classify(doc.Doc{"signOnMode": mode, "name": a.Template})
	if mode != "" && asked.SignOnMode != a.SignOnMode {
		return failure.Invalid("signOnMode", "signOnMode: The sign-on mode cannot be changed")
	}
	return nil
}

// SwitchApp activates or deactivates an app.
func (o *Org) SwitchApp(by *Cause, a *App, active bool) {
	status, event := Inactive, "deactivate"
	if active {
		status, event = Active, "activate"
	}
	if a.Status == status {
		return
	}
	a.Status, a.LastUpdated = status, o.stamp()
	o.noteApp(by, a, event, nil)
	if !active {
		o.dropTokensOf(a.ClientID())
	}
}

// SetLogo gives an app a picture of its own; the picture itself is not kept.
func (o *Org) SetLogo(by *Cause, a *App) {
	a.Logo, a.LastUpdated = "/fs/bco/4/"+o.ids.ID("fs0"), o.stamp()
	o.Note(by, "application.configuration.update_logo", nil, a.Party())
}

// DeleteApp removes an app, which must be INACTIVE.
func (o *Org) DeleteApp(by *Cause, a *App) error {
	if a.Status == Active {
		return failure.DeleteAppForbidden()
	}
	if err := o.held("app", a.ID); err != nil {
		return err
	}
	for _, r := range slices.Clone(o.roles[a.ClientID()]) {
		o.dropRole(by, a.ClientID(), r)
	}
	o.dropTokensOf(a.ClientID())
	delete(o.apps, a.ID)
	o.appOrder.remove(a.ID)
	o.dropMappings(a.ID)
	o.dropTrusts(a.ID)
	o.noteApp(by, a, "delete", nil)
	o.gone(by, "app", a.ID)
	return nil
}

// AssignPolicy maps an app to an app sign-in policy or a profile enrollment policy.
func (o *Org) AssignPolicy(by *Cause, a *App, policyID string) error {
	p, err := o.Policy(policyID)
	if err != nil {
		return err
	}
	switch p.Type {
	case "ACCESS_POLICY":
		a.AccessPolicy = p.ID
	case "PROFILE_ENROLLMENT":
		a.ProfileEnrollment = p.ID
	default:
		return failure.Invalid("policyId", "policyId: The policy type "+p.Type+" cannot be mapped to an app")
	}
	o.Note(by, "application.policy.sign_on.update", nil, a.Party(), p.Party())
	return nil
}

// Values returns what the app has at a filter attribute.
func (a *App) Values(o *Org, name string) []any {
	switch name {
	case "id":
		return text(a.ID)
	case "status":
		return text(a.Status)
	case "name":
		return text(a.Name)
	case "lastUpdated":
		return moment(a.LastUpdated)
	case "user.id":
		return o.assignedUsers(a)
	case "group.id":
		var out []any
		for _, g := range a.Groups {
			out = append(out, g.Group)
		}
		return out
	case "credentials.signing.kid":
		return text(doc.String(a.Body, "credentials", "signing", "kid"))
	}
	return nil
}
