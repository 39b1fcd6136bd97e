package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// App is one application of the org.
type App struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Label       string `json:"label"`
	Status      string `json:"status"`
	SignOnMode  string `json:"signOnMode"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	// Link is the id in the app's home link.
	Link string `json:"link"`
	// Body holds accessibility, visibility, features, credentials and settings.
	Body              doc.Doc             `json:"body"`
	AccessPolicy      string              `json:"accessPolicy,omitempty"`
	ProfileEnrollment string              `json:"profileEnrollment,omitempty"`
	Secrets           []*Secret           `json:"secrets,omitempty"`
	Grants            []*Grant            `json:"grants,omitempty"`
	Groups            []*AppGroupLink     `json:"groups,omitempty"`
	Users             map[string]*AppUser `json:"users,omitempty"`

	userOrder index
}

// The sign-on modes that the simulator makes.
const (
	OpenIDConnect = "OPENID_CONNECT"
	SAML2         = "SAML_2_0"
	Bookmark      = "BOOKMARK"
)

// Secret is a client secret of an OIDC app.
type Secret struct {
	ID          string `json:"id"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	Status      string `json:"status"`
	Value       string `json:"client_secret"`
	Hash        string `json:"secret_hash"`
}

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
func (o *Org) AppsAfter(cursor string) []string { return o.appOrder.after(cursor) }

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
	for _, id := range o.appOrder {
		if o.apps[id].Label == label {
			return o.apps[id]
		}
	}
	return nil
}

// CreateApp makes an app; it is ACTIVE unless activate is false.
func (o *Org) CreateApp(by *Cause, body doc.Doc, activate bool) (*App, error) {
	a := &App{Status: Active, SignOnMode: doc.String(body, "signOnMode"), Users: map[string]*AppUser{}}
	if !activate {
		a.Status = Inactive
	}
	if err := o.checkApp(a, body); err != nil {
		return nil, err
	}
	a.ID, a.Link, a.Created = o.ids.ID("0oa"), o.ids.ID("aln"), o.stamp()
	a.LastUpdated, a.Label = a.Created, doc.String(body, "label")
	a.Name = o.appName(a, doc.String(body, "name"))
	o.fillApp(a, nil, body)
	if o.IsOIE() {
		a.AccessPolicy = o.systemPolicy("ACCESS_POLICY")
		a.ProfileEnrollment = o.systemPolicy("PROFILE_ENROLLMENT")
	}
	o.apps[a.ID] = a
	o.appOrder.add(a.ID)
	o.noteApp(by, a, "create", nil)
	o.seedAnchor("app", a.ID)
	return a, nil
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

func (o *Org) checkApp(a *App, body doc.Doc) error {
	if doc.String(body, "label") == "" {
		return failure.Missing("label")
	}
	name := doc.String(body, "name")
	switch a.SignOnMode {
	case OpenIDConnect:
		return o.checkClient(a, name, body)
	case SAML2:
		return checkSAML(name, body)
	case Bookmark:
		if name != "bookmark" {
			return failure.Invalid("name", "name: A bookmark app must be named bookmark")
		}
		if doc.String(body, "settings", "app", "url") == "" {
			return failure.Missing("settings.app.url")
		}
		return nil
	case "":
		return failure.Missing("signOnMode")
	}
	return failure.Invalid("signOnMode", "signOnMode: "+a.SignOnMode+" is not supported by this simulator")
}

func (o *Org) checkClient(a *App, name string, body doc.Doc) error {
	if name != "oidc_client" && a.Name == "" {
		return failure.Invalid("name", "name: An OpenID Connect app must be named oidc_client")
	}
	kind := doc.String(body, "settings", "oauthClient", "application_type")
	if !slices.Contains([]string{"web", "browser", "native", "service"}, kind) {
		return failure.Invalid("settings.oauthClient.application_type", "application_type: The field must be one of web, browser, native, service")
	}
	uses := doc.Strings(body, "settings", "oauthClient", "grant_types")
	if len(uses) == 0 {
		return failure.Missing("settings.oauthClient.grant_types")
	}
	if slices.Contains(uses, "authorization_code") && len(doc.Strings(body, "settings", "oauthClient", "redirect_uris")) == 0 {
		return failure.Missing("settings.oauthClient.redirect_uris")
	}
	id := doc.String(body, "credentials", "oauthClient", "client_id")
	if other := o.Client(id); id != "" && other != nil && other != a {
		return failure.Taken("client_id")
	}
	method := doc.String(body, "credentials", "oauthClient", "token_endpoint_auth_method")
	keys, hasKeys := doc.Get(body, "settings", "oauthClient", "jwks", "keys").([]any)
	byURI := doc.String(body, "settings", "oauthClient", "jwks_uri") != ""
	if method == "private_key_jwt" && !byURI && (!hasKeys || len(keys) == 0) {
		return failure.Invalid("settings.oauthClient.jwks", "jwks: The field is required for private_key_jwt")
	}
	return nil
}

func checkSAML(name string, body doc.Doc) error {
	if name != "" && !strings.Contains(name, "_") {
		return failure.Invalid("name", "name: Only custom SAML apps are supported by this simulator")
	}
	for _, field := range []string{"ssoAcsUrl", "audience", "recipient", "destination"} {
		if doc.String(body, "settings", "signOn", field) == "" {
			return failure.Missing("settings.signOn." + field)
		}
	}
	return nil
}

// appName is the technical name: Okta makes one for custom SAML apps out of the
// subdomain and the label (recorded).
func (o *Org) appName(a *App, given string) string {
	if a.SignOnMode != SAML2 {
		return given
	}
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}
	stem := o.info.Subdomain + "_" + strings.Map(keep, strings.ToLower(a.Label))
	for n := 1; ; n++ {
		name := stem + "_" + itoa(n)
		if !slices.ContainsFunc(o.appOrder, func(id string) bool { return o.apps[id].Name == name }) {
			return name
		}
	}
}

// UpdateApp replaces an app's body. Name and sign-on mode stay; secrets that the body
// does not give stay too.
func (o *Org) UpdateApp(by *Cause, a *App, body doc.Doc) error {
	if mode := doc.String(body, "signOnMode"); mode != "" && mode != a.SignOnMode {
		return failure.Invalid("signOnMode", "signOnMode: The sign-on mode cannot be changed")
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

// changeDetails is what from and to do not share.
func changeDetails(from, to doc.Doc) doc.Doc {
	a, b := doc.Doc{}, doc.Doc{}
	for _, k := range changedFields(from, to) {
		x, isX := from[k].(doc.Doc)
		y, isY := to[k].(doc.Doc)
		if isX && isY {
			inner := changeDetails(x, y)
			a[k], b[k] = inner["from"], inner["to"]
			continue
		}
		a[k], b[k] = doc.Clone(from[k]), doc.Clone(to[k])
	}
	return doc.Doc{"from": a, "to": b}
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
