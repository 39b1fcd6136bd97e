package org

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// claimProperties are the base attributes of an OIDC app's users (recorded): name, title,
// description and external name.
func claimProperties() [][4]string {
	return [][4]string{
		{"userName", "Username", "", "preferred_username"},
		{"name", "Name", "End-User's full name in displayable form.", ""},
		{"nickname", "Nickname", "Casual name of the End-User (may or may not be the same as the given_name)", ""},
		{"given_name", "Given Name", "Given name or first name of the End-User.", ""},
		{"middle_name", "Middle Name", "Middle name of the End-User.", ""},
		{"family_name", "Family Name", "Surname or last name of the End-User.", ""},
		{"email", "Email", "End-User's preferred e-mail address.", ""},
		{"profile", "Profile URL", "URL of the End-User's profile page.", ""},
		{"picture", "Picture URL", "URL of the End-User's profile picture.", ""},
		{"website", "Website", "URL of the End-User's Web page or blog.", ""},
		{"gender", "Gender", "End-User's gender.", ""},
		{"birthdate", "Birthdate", "End-User's birthday, represented as an ISO 8601:2004 YYYY-MM-DD format.", ""},
		{"zoneinfo", "Time Zone", "String representing the End-User's time zone.", ""},
		{"locale", "Locale Name", "ISO3166\u20111 country code in uppercase, separated by a dash (e.g. 'en-US')", ""},
		{"phone_number", "Phone Number", "End-User's preferred telephone number in E.164 format.", ""},
		{"street_address", "Street Address", "Full street address component.", "address.street_address"},
		{"locality", "Locality", "City or locality component.", "address.locality"},
		{"region", "Region", "State, province, prefecture, or region component.", "address.region"},
		{"postal_code", "Postal Code", "Zip code or postal code component.", "address.postal_code"},
		{"country", "Country", "Country name component.", "address.country"},
		{"formatted", "Formatted", "Full mailing address, formatted for display.", "address.formatted"},
	}
}

// schemaName is the name of a new app's schema: that of its template, with something
// behind it from the second on (recorded).
func (o *Org) schemaName(a *App) string {
	taken := slices.ContainsFunc(o.appOrder.list(), func(id string) bool { return o.apps[id].Name == a.Name })
	if !taken {
		return a.Name
	}
	sum := sha256.Sum256([]byte(a.ID))
	return a.Name + "_" + hex.EncodeToString(sum[:])[:7]
}

// baseProperties are the attributes that all apps of the kind have: OIDC apps those of
// OpenID Connect, others a user name (both recorded).
func (a *App) baseProperties() doc.Doc {
	if a.Template != oidcTemplate {
		return doc.Doc{"userName": doc.Doc{
			"title": "Username", "type": "string", "required": true, "scope": "NONE", "maxLength": json.Number("100"), "master": ownMaster(),
		}}
	}
	out := doc.Doc{}
	for _, c := range claimProperties() {
		p := doc.Doc{"title": c[1], "type": "string", "scope": "SELF", "master": ownMaster()}
		if c[2] != "" {
			p["description"] = c[2]
		}
		if c[3] != "" {
			p["externalName"] = c[3]
		}
		out[c[0]] = p
	}
	doc.Object(out, "userName")["required"] = true
	return out
}

func ownMaster() doc.Doc { return doc.Doc{"type": "PROFILE_MASTER"} }

// appSchema is the schema of an app's users; it is only kept when somebody changes it.
func (a *App) appSchema() *Schema {
	if a.Schema != nil {
		return a.Schema
	}
	return &Schema{ID: a.ID, Name: a.SchemaName, Created: a.Created, LastUpdated: a.Created, Base: a.baseProperties(), Custom: doc.Doc{}}
}

// AppSchemaBody is the schema of an app's users.
func (o *Org) AppSchemaBody(a *App) doc.Doc {
	s := a.appSchema()
	return doc.Doc{
		"id": o.base + "/meta/schemas/apps/" + a.ID + "/default", "$schema": "http://json-schema.org/draft-04/schema#",
		"name": s.Name, "title": a.Label + " User", "lastUpdated": s.LastUpdated, "created": s.Created, "type": "object",
		"definitions": doc.Doc{"custom": o.definition("custom", s.Custom, nil), "base": o.definition("base", s.Base, appAttributeOrder())},
		"properties": doc.Doc{"profile": doc.Doc{"allOf": []any{
			doc.Doc{"$ref": "#/definitions/custom"}, doc.Doc{"$ref": "#/definitions/base"}}}},
	}
}

// appAttributeOrder is the order in which required base attributes are listed (recorded):
// userName is the first.
func appAttributeOrder() []property {
	var order []property
	for _, c := range claimProperties() {
		order = append(order, property{name: c[0]})
	}
	return order
}

// UpdateAppSchema adds, changes and, for null, removes attributes. Of the base ones only
// whether they are required can be changed (recorded).
func (o *Org) UpdateAppSchema(by *Cause, a *App, body doc.Doc) error {
	s := a.appSchema()
	base, custom := doc.Object(body, "definitions", "base", "properties"), doc.Object(body, "definitions", "custom", "properties")
	for _, name := range sortedKeys(custom) {
		given, ok := custom[name].(doc.Doc)
		if custom[name] != nil && !ok {
			return failure.Malformed()
		}
		if why := o.attributeProblem(s, name, given); ok && why != "" {
			return failure.Invalid("updateAppUserSchemas", why)
		}
	}
	for _, name := range sortedKeys(base) {
		if s.Base[name] == nil {
			return failure.Invalid("updateAppUserSchemas", "The base attribute '"+name+"' is not defined")
		}
	}
	a.Schema = s
	for name := range base {
		if required, given := doc.Get(base, name, "required").(bool); given {
			demand(doc.Object(s.Base, name), required)
		}
	}
	for name, v := range custom {
		if given, ok := v.(doc.Doc); ok {
			s.Custom[name] = appAttribute(given)
		} else {
			o.dropAppAttribute(a, name)
		}
	}
	s.LastUpdated = o.stamp()
	o.Note(by, "directory.app_user_profile.update", nil, a.Party())
	return nil
}

// demand says of an attribute that it is required, or nothing.
func demand(p doc.Doc, required bool) {
	delete(p, "required")
	if required {
		p["required"] = true
	}
}

// dropAppAttribute takes a custom attribute and its values away.
func (o *Org) dropAppAttribute(a *App, name string) {
	if a.Schema.Custom[name] == nil {
		return
	}
	delete(a.Schema.Custom, name)
	if a.Schema.Leaving == nil {
		a.Schema.Leaving = map[string]Stamp{}
	}
	a.Schema.Leaving[name] = o.stamp()
	for _, u := range a.Users {
		delete(u.Profile, name)
	}
}

// appAttribute completes an attribute as Okta does (recorded): permissions are not kept, a
// union is for lists, and nothing is said of what is not required.
func appAttribute(given doc.Doc) doc.Doc {
	p := doc.Merge(doc.Doc{"scope": "NONE", "master": ownMaster()}, given)
	delete(p, "permissions")
	demand(p, doc.Bool(p, "required"))
	delete(p, "union")
	if p["type"] == "array" {
		p["union"] = "DISABLE"
		if union := doc.String(given, "union"); union != "" {
			p["union"] = union
		}
	}
	if items := doc.Object(p, "items"); items["type"] == "object" {
		items["additionalProperties"] = true
	}
	for k, v := range p {
		if v == nil {
			delete(p, k)
		}
	}
	return p
}

func adoptAppSchema(o *Org, ids []string, body doc.Doc) error {
	a, err := o.appFor(ids[0])
	if err != nil {
		return err
	}
	s := a.appSchema()
	s.Name, s.LastUpdated = doc.String(body, "name"), stampIn(body, "lastUpdated", a.Created)
	if base := doc.Object(body, "definitions", "base", "properties"); base != nil {
		s.Base, s.Custom = base, doc.Merge(doc.Doc{}, doc.Object(body, "definitions", "custom", "properties"))
	}
	a.Schema = s
	return nil
}
