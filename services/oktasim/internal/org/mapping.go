package org

import (
	"maps"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Mapping says how one profile is made out of another. Okta has one in either direction
// for each app, each identity provider and each type of user; they are not stored until
// somebody changes them.
type Mapping struct {
	ID         string  `json:"id"`
	Source     Profile `json:"source"`
	Target     Profile `json:"target"`
	Properties doc.Doc `json:"properties"`
}

// Profile is an end of a mapping.
type Profile struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Type is user or appuser.
	Type string `json:"type"`
	// schema is the id of the schema of a user type; defaults is what Okta takes from an
	// identity provider at first.
	schema   string
	defaults doc.Doc
}

func (m *Mapping) key() string { return m.Source.ID + " " + m.Target.ID }

// ProfileMappings lists the org's mappings by id.
func (o *Org) ProfileMappings() []*Mapping {
	byID := map[string]*Mapping{}
	apps := o.appProfiles()
	for _, t := range o.typeProfiles() {
		for _, a := range apps {
			o.addMapping(byID, a, t, a.defaults)
			o.addMapping(byID, t, a, nil)
		}
	}
	for _, m := range o.mappings {
		byID[m.ID] = m
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b *Mapping) int { return strings.Compare(a.ID, b.ID) })
}

func (o *Org) addMapping(to map[string]*Mapping, from, into Profile, properties doc.Doc) {
	m := &Mapping{Source: from, Target: into, Properties: properties}
	if o.mappings[m.key()] != nil {
		return
	}
	m.ID = "prm" + lettersOf(m.key())
	to[m.ID] = m
}

// typeProfiles are the profiles of the org's user types.
func (o *Org) typeProfiles() []Profile {
	var out []Profile
	for _, id := range sortedKeys(o.schemas) {
		if s := o.schemas[id]; s.Type != "" {
			out = append(out, Profile{ID: s.Type, Name: s.Name, Type: "user", schema: s.ID})
		}
	}
	return out
}

// appProfiles are the profiles of people in apps and at identity providers.
func (o *Org) appProfiles() []Profile {
	var out []Profile
	for id := range o.appOrder.all() {
		out = append(out, Profile{ID: id, Name: o.apps[id].Name, Type: "appuser"})
	}
	k, _ := o.kinds.at("/api/v1/idps/x")
	if k == nil {
		return out
	}
	for _, x := range o.objectsIn(k, "") {
		kind := x.text("type")
		name := strings.ToLower(kind) + "_idp"
		if kind == "SAML2" {
			name = "saml_idp"
		}
		out = append(out, Profile{ID: x.ID, Name: name, Type: "appuser", defaults: providerMapping(kind, doc.Bool(x.Body, "policy", "provisioning", "profileMaster"))})
	}
	return out
}

// providerMapping is what Okta takes from an identity provider at first (recorded for
// SAML, OpenID Connect and Google; assumed for others). One that is the source of profiles
// pushes them (recorded).
func providerMapping(kind string, source bool) doc.Doc {
	pairs := "email=appuser.email firstName=appuser.firstName lastName=appuser.lastName login=appuser.email"
	switch kind {
	case "SAML2":
		pairs = "email=source.email firstName=source.firstName lastName=source.lastName login=source.userName mobilePhone=source.mobilePhone"
	case "OIDC":
		pairs += " city=appuser.locality countryCode=appuser.country displayName=appuser.displayName middleName=appuser.middleName" +
			" nickName=appuser.nickname primaryPhone=appuser.phoneNumber profileUrl=appuser.profile state=appuser.region" +
			" streetAddress=appuser.street_address zipCode=appuser.postalCode"
	case "GOOGLE":
		pairs += " displayName=appuser.displayName honorificPrefix=appuser.honorificPrefix honorificSuffix=appuser.honorificSuffix" +
			" middleName=appuser.middleName profileUrl=appuser.profileUrl"
	}
	push := "DONT_PUSH"
	if source {
		push = "PUSH"
	}
	out := doc.Doc{}
	add := func(attribute, expression string) {
		out[attribute] = doc.Doc{"expression": expression, "pushStatus": push}
	}
	for _, p := range strings.Fields(pairs) {
		attribute, expression, _ := strings.Cut(p, "=")
		add(attribute, expression)
	}
	if kind == "OIDC" {
		add("timezone", `appuser.zoneinfo == null ? "America/Los_Angeles" : appuser.zoneinfo`)
	}
	return out
}

// ProfileMapping finds a mapping.
func (o *Org) ProfileMapping(id string) (*Mapping, error) {
	for _, m := range o.ProfileMappings() {
		if m.ID == id {
			return m, nil
		}
	}
	return nil, failure.NotFound(id, "ProfileMapping")
}

// UpdateMapping adds and changes properties and removes those that are null.
func (o *Org) UpdateMapping(by *Cause, m *Mapping, body doc.Doc) (*Mapping, error) {
	given := doc.Object(body, "properties")
	if given == nil {
		return nil, failure.Missing("properties")
	}
	next := *m
	next.Properties = doc.Merge(doc.Doc{}, m.Properties)
	for _, name := range sortedKeys(given) {
		if given[name] == nil {
			delete(next.Properties, name)
			continue
		}
		p, ok := given[name].(doc.Doc)
		if !ok {
			return nil, failure.Malformed()
		}
		if doc.String(p, "expression") == "" {
			return nil, failure.Missing("properties." + name + ".expression")
		}
		if push := doc.String(p, "pushStatus"); push != "" && push != "PUSH" && push != "DONT_PUSH" {
			return nil, failure.Malformed()
		}
		next.Properties[name] = doc.Merge(doc.Doc{"pushStatus": "DONT_PUSH"}, p)
	}
	o.mappings[next.key()] = &next
	o.Note(by, "directory.mapping.update", nil, Party{ID: next.ID, Type: "ProfileMapping", AlternateID: "unknown", DisplayName: next.Source.Name + " to " + next.Target.Name})
	return &next, nil
}

// dropMappings forgets the mappings of an app or a user type that is no more.
func (o *Org) dropMappings(id string) {
	maps.DeleteFunc(o.mappings, func(_ string, m *Mapping) bool { return m.Source.ID == id || m.Target.ID == id })
}

// ProfileMappingBody is a mapping as Okta shows it; lists leave the properties out (recorded).
func (o *Org) ProfileMappingBody(m *Mapping, listed bool) doc.Doc {
	body := doc.Doc{
		"id": m.ID, "source": o.profileBody(m.Source), "target": o.profileBody(m.Target),
		"_links": doc.Doc{"self": doc.Doc{"href": o.base + "/api/v1/mappings/" + m.ID}},
	}
	if !listed {
		body["properties"] = doc.Merge(doc.Doc{}, m.Properties)
	}
	return body
}

func (o *Org) profileBody(p Profile) doc.Doc {
	self, schema := "/api/v1/apps/"+p.ID, "/api/v1/meta/schemas/apps/"+p.ID+"/default"
	if p.Type == "user" {
		if p.schema == "" {
			p.schema = o.schemaOf(p.ID).ID
		}
		self, schema = "/api/v1/meta/types/user/"+p.ID, "/api/v1/meta/schemas/user/"+p.schema
	}
	return doc.Doc{
		"id": p.ID, "name": p.Name, "type": p.Type,
		"_links": doc.Doc{"self": doc.Doc{"href": o.base + self}, "schema": doc.Doc{"href": o.base + schema}},
	}
}

// adoptMapping takes over a mapping, or the id of one that the org has by itself.
func adoptMapping(o *Org, ids []string, body doc.Doc) error {
	end := func(name string) Profile {
		p := doc.Object(body, name)
		return Profile{
			ID: doc.String(p, "id"), Name: doc.String(p, "name"), Type: doc.String(p, "type"),
			schema: lastPart(doc.String(p, "_links", "schema", "href")),
		}
	}
	m := &Mapping{ID: ids[0], Source: end("source"), Target: end("target"), Properties: doc.Object(body, "properties")}
	if m.Source.ID == "" || m.Target.ID == "" {
		return ErrUnadoptable
	}
	if m.Properties == nil {
		for _, own := range o.ProfileMappings() {
			if own.key() == m.key() {
				m.Properties = own.Properties
			}
		}
	}
	o.mappings[m.key()] = m
	return nil
}
