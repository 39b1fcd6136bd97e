package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Provisioning is how accounts get from the org into an app and back.
type Provisioning struct {
	// Connection is the request that made the connection, without its secrets; nil for none.
	Connection doc.Doc `json:"connection,omitempty"`
	// Status is ENABLED, DISABLED or "" for an app without a connection.
	Status string `json:"status,omitempty"`
	// Capabilities are the settings of the features by name.
	Capabilities map[string]doc.Doc `json:"capabilities,omitempty"`
}

// The statuses of connections and features.
const (
	Enabled  = "ENABLED"
	Disabled = "DISABLED"
)

// provisions are the features of provisioning that the app can have. Of an app of which
// nothing but the id is known, all are thought possible.
func (a *App) provisions() []string {
	if a.Name == "" {
		return []string{userProvisioning, inboundProvisioning}
	}
	return a.template().provisions
}

func (a *App) provisioning() *Provisioning {
	if a.Provisioning == nil {
		return &Provisioning{}
	}
	return a.Provisioning
}

// ConnectionBody is an app's connection as Okta shows it (recorded); apps that cannot be
// provisioned have an unknown one (reported in public).
func (o *Org) ConnectionBody(a *App) doc.Doc {
	if len(a.provisions()) == 0 {
		return doc.Doc{"authScheme": "UNKNOWN", "status": "UNKNOWN", "profile": doc.Doc{"authScheme": "UNKNOWN"}}
	}
	p, self := a.provisioning(), o.base+"/api/v1/apps/"+a.ID+"/connections/default"
	profile := doc.Merge(doc.Doc{"authScheme": "TOKEN"}, doc.Object(p.Connection, "profile"))
	body := doc.Doc{"status": Disabled, "profile": profile, "authScheme": profile["authScheme"]}
	if url := doc.String(p.Connection, "baseUrl"); url != "" {
		body["baseUrl"] = url
	}
	links := doc.Doc{"self": allow(self, "POST", "GET")}
	if p.Status == Enabled {
		body["status"] = Enabled
		links["deactivate"] = allow(self+"/lifecycle/deactivate", "POST")
	} else {
		links["activate"] = allow(self+"/lifecycle/activate", "POST")
	}
	body["_links"] = links
	return body
}

// Connect sets an app's connection up. Its token is never shown again.
func (o *Org) Connect(by *Cause, a *App, body doc.Doc, activate bool) error {
	if len(a.provisions()) == 0 {
		return notProvisioned()
	}
	scheme := doc.String(body, "profile", "authScheme")
	switch {
	case scheme == "":
		return failure.Missing("profile.authScheme")
	case scheme != "TOKEN" && scheme != "OAUTH2":
		return failure.Malformed()
	case scheme == "TOKEN" && doc.String(body, "profile", "token") == "":
		return failure.Missing("profile.token")
	}
	kept := doc.Clone(body)
	for _, secret := range []string{"token", "clientSecret"} {
		delete(doc.Object(kept, "profile"), secret)
	}
	if a.Provisioning == nil {
		a.Provisioning = &Provisioning{}
	}
	a.Provisioning.Connection = kept
	if a.Provisioning.Status == "" || activate {
		a.Provisioning.Status = Disabled
	}
	o.Note(by, "application.configuration.update", nil, a.Party())
	if activate {
		return o.SwitchConnection(by, a, true)
	}
	return nil
}

func notProvisioned() *failure.Failure {
	return failure.Invalid("provisioning", "Provisioning is not supported for this app.")
}

// SwitchConnection enables or disables an app's connection.
func (o *Org) SwitchConnection(by *Cause, a *App, on bool) error {
	if a.provisioning().Connection == nil {
		return notProvisioned()
	}
	a.Provisioning.Status = Disabled
	if on {
		a.Provisioning.Status = Enabled
	}
	a.listFeatures()
	o.Note(by, "application.lifecycle.update", nil, a.Party())
	return nil
}

// FeatureBodies are the features of an app that can be provisioned.
func (o *Org) FeatureBodies(a *App) ([]any, error) {
	if len(a.provisions()) == 0 {
		return nil, notProvisioned()
	}
	var out []any
	for _, name := range a.provisions() {
		out = append(out, o.featureBody(a, name))
	}
	return out, nil
}

// FeatureBody is one feature.
func (o *Org) FeatureBody(a *App, name string) (doc.Doc, error) {
	if !slices.Contains(a.provisions(), name) {
		return nil, failure.NotFound(name, "ApplicationFeature")
	}
	return o.featureBody(a, name), nil
}

func (o *Org) featureBody(a *App, name string) doc.Doc {
	about := "User provisioning settings from Okta to a downstream application"
	if name == inboundProvisioning {
		about = "In-bound provisioning settings for provisioning users from an application to Okta"
	}
	capabilities := defaultCapabilities(name)
	status := Disabled
	if set := a.provisioning().Capabilities[name]; set != nil {
		capabilities, status = set, Enabled
	}
	return doc.Doc{
		"name": name, "status": status, "description": about, "capabilities": capabilities,
		"_links": doc.Doc{"self": allow(o.base+"/api/v1/apps/"+a.ID+"/features/"+name, "GET", "PUT")},
	}
}

// defaultCapabilities is everything switched off (documented).
func defaultCapabilities(name string) doc.Doc {
	off := func() doc.Doc { return doc.Doc{"status": Disabled} }
	if name == userProvisioning {
		return doc.Doc{
			"create": doc.Doc{"lifecycleCreate": off()},
			"update": doc.Doc{
				"profile": off(), "lifecycleDeactivate": off(), "password": doc.Doc{"status": Disabled, "seed": "RANDOM", "change": "KEEP_EXISTING"},
			},
		}
	}
	return doc.Doc{
		"importSettings": doc.Doc{"username": doc.Doc{"userNameFormat": "EMAIL", "userNameExpression": nil}, "schedule": off()},
		"importRules": doc.Doc{"userCreateAndMatch": doc.Doc{
			"exactMatchCriteria": "EMAIL", "allowPartialMatch": true, "autoConfirmPartialMatch": false, "autoConfirmExactMatch": false,
			"autoConfirmNewUsers": false, "autoActivateNewUsers": false,
		}},
	}
}

// SetFeature changes what a feature does; what is not given stays.
func (o *Org) SetFeature(by *Cause, a *App, name string, body doc.Doc) (doc.Doc, error) {
	was, err := o.FeatureBody(a, name)
	if err != nil {
		return nil, err
	}
	if a.Provisioning == nil {
		a.Provisioning = &Provisioning{}
	}
	if a.Provisioning.Capabilities == nil {
		a.Provisioning.Capabilities = map[string]doc.Doc{}
	}
	known := defaultCapabilities(name)
	for field := range body {
		if known[field] == nil {
			return nil, failure.Malformed()
		}
	}
	a.Provisioning.Capabilities[name] = doc.Merge(doc.Object(was, "capabilities"), body)
	a.listFeatures()
	o.Note(by, "application.lifecycle.update", nil, a.Party())
	return o.featureBody(a, name), nil
}

// listFeatures says in the app itself what provisioning does (documented).
func (a *App) listFeatures() {
	p := a.provisioning()
	features := []any{}
	add := func(name string, path ...string) {
		if doc.String(p.Capabilities[userProvisioning], path...) == Enabled {
			features = append(features, name)
		}
	}
	if p.Status == Enabled {
		features = append(features, "IMPORT_NEW_USERS", "IMPORT_PROFILE_UPDATES", "GROUP_PUSH")
		add("PUSH_NEW_USERS", "create", "lifecycleCreate", "status")
		add("PUSH_PROFILE_UPDATES", "update", "profile", "status")
		add("PUSH_USER_DEACTIVATION", "update", "lifecycleDeactivate", "status")
		add("PUSH_PASSWORD_UPDATES", "update", "password", "status")
	}
	if a.Body == nil {
		a.Body = doc.Doc{}
	}
	a.Body["features"] = features
}

// ConnectionKeys is the set of keys with which the org signs in to the app to provision it.
func (o *Org) ConnectionKeys(a *App) (doc.Doc, error) {
	keys := []any{}
	if k := a.SigningKey(); k != nil && doc.String(a.provisioning().Connection, "profile", "authScheme") == "OAUTH2" {
		body, err := o.KeyBody(k)
		if err != nil {
			return nil, err
		}
		keys = append(keys, body)
	}
	return doc.Doc{"jwks": doc.Doc{"keys": keys}}, nil
}

func adoptConnection(o *Org, ids []string, body doc.Doc) error {
	a, err := o.appFor(ids[0])
	if err != nil {
		return err
	}
	p := a.provisioning()
	p.Status, p.Connection = doc.String(body, "status"), doc.Doc{"baseUrl": body["baseUrl"], "profile": body["profile"]}
	a.Provisioning = p
	return nil
}

func adoptAppFeature(o *Org, ids []string, body doc.Doc) error {
	a, err := o.appFor(ids[0])
	if err != nil {
		return err
	}
	p := a.provisioning()
	if p.Capabilities == nil {
		p.Capabilities = map[string]doc.Doc{}
	}
	p.Capabilities[ids[1]] = doc.Object(body, "capabilities")
	a.Provisioning = p
	return nil
}
