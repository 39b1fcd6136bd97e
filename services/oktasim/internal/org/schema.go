package org

import (
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// property is a base attribute of a profile.
type property struct {
	name, title, format string
	description         string
	required            bool
	min, max            int
	self                string
}

// userProperties are the 31 base attributes of an Okta user (documented).
var userProperties = []property{
	{name: "login", title: "Username", required: true, min: 5, max: 100, self: "READ_WRITE"},
	{name: "firstName", title: "First name", required: true, min: 1, max: 50, self: "READ_WRITE"},
	{name: "lastName", title: "Last name", min: 1, max: 50, self: "READ_WRITE"},
	{name: "middleName", title: "Middle name"},
	{name: "honorificPrefix", title: "Honorific prefix"},
	{name: "honorificSuffix", title: "Honorific suffix"},
	{name: "email", title: "Primary email", format: "email", required: true, self: "READ_WRITE"},
	{name: "title", title: "Title"},
	{name: "displayName", title: "Display name"},
	{name: "nickName", title: "Nickname"},
	{name: "profileUrl", title: "Profile Url", format: "uri"},
	{name: "secondEmail", title: "Secondary email", format: "email", self: "READ_WRITE"},
	{name: "mobilePhone", title: "Mobile phone", max: 100, self: "READ_WRITE"},
	{name: "primaryPhone", title: "Primary phone", max: 100, self: "HIDE"},
	{name: "streetAddress", title: "Street address", self: "HIDE"},
	{name: "city", title: "City", self: "HIDE"},
	{name: "state", title: "State", self: "HIDE"},
	{name: "zipCode", title: "Zip code", self: "HIDE"},
	{name: "countryCode", title: "Country code", format: "country-code", self: "HIDE"},
	{name: "postalAddress", title: "Postal Address", self: "HIDE"},
	{name: "preferredLanguage", title: "Preferred language", format: "language-code"},
	{name: "locale", title: "Locale", format: "locale"},
	{name: "timezone", title: "Time zone", format: "timezone"},
	{name: "userType", title: "User type"},
	{name: "employeeNumber", title: "Employee number"},
	{name: "costCenter", title: "Cost center"},
	{name: "organization", title: "Organization"},
	{name: "division", title: "Division"},
	{name: "department", title: "Department"},
	{name: "managerId", title: "ManagerId"},
	{name: "manager", title: "Manager"},
}

var groupProperties = []property{
	{name: "name", title: "Name", description: "Name", required: true, max: 255, self: "READ_WRITE"},
	{name: "description", title: "Description", description: "Description", max: 1024, self: "READ_WRITE"},
}

func (p property) schema() doc.Doc {
	self := p.self
	if self == "" {
		self = "READ_ONLY"
	}
	s := doc.Doc{
		"title": p.title, "type": "string", "mutability": "READ_WRITE", "scope": "NONE",
		"permissions": selfMay(self), "master": doc.Doc{"type": "PROFILE_MASTER"},
	}
	if p.required {
		s["required"] = true
	}
	if p.description != "" {
		s["description"] = p.description
	}
	if p.format != "" {
		s["format"] = p.format
	}
	if p.min > 0 {
		s["minLength"] = p.min
	}
	if p.max > 0 {
		s["maxLength"] = p.max
	}
	return s
}

// Schema says which attributes the users of one type, or all groups, can have.
type Schema struct {
	// ID is the path's last part: osc… for user types, default for groups.
	ID string `json:"id"`
	// Type is the user type's id; "" for groups.
	Type        string `json:"type,omitempty"`
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	// Base and Custom are the attributes by name.
	Base   doc.Doc `json:"base"`
	Custom doc.Doc `json:"custom"`
	// Leaving are custom attributes whose values Okta still removes, and since when.
	Leaving map[string]Stamp `json:"leaving,omitempty"`
}

// groupSchema is the key and id of the schema of groups.
const groupSchema = "default"

// selfMay says what people may do with an attribute of their own.
func selfMay(action string) []any { return []any{doc.Doc{"principal": "SELF", "action": action}} }

func baseAttributes(ps []property) doc.Doc {
	out := doc.Doc{}
	for _, p := range ps {
		out[p.name] = p.schema()
	}
	return out
}

// bootstrapSchemas makes the schemas of groups and of the default user type; those of
// further types come with them.
func (o *Org) bootstrapSchemas(now Stamp) {
	o.schemas[groupSchema] = &Schema{
		ID: groupSchema, Name: "group", Title: "Okta group", Description: "Okta group profile template",
		Created: now, LastUpdated: now, Base: baseAttributes(groupProperties), Custom: doc.Doc{},
	}
	s := newUserSchema(o.info.UserType, now)
	s.Name, s.Title, s.Description = "user", "User", "Okta user profile template with default permission settings"
	o.schemas[s.ID] = s
	o.info.SchemaID = s.ID
}

func newUserSchema(typeID string, now Stamp) *Schema {
	return &Schema{ID: schemaIDOf(typeID), Type: typeID, Created: now, LastUpdated: now, Base: baseAttributes(userProperties), Custom: doc.Doc{}}
}

// Schema finds the schema of groups by "", that of a user type by its id; default is that
// of the default type.
func (o *Org) Schema(id string) (*Schema, error) {
	key := id
	switch id {
	case "":
		key = groupSchema
	case "default":
		key = o.info.SchemaID
	}
	if s := o.schemas[key]; s != nil {
		return s, nil
	}
	return nil, failure.NotFound(id, "UserSchema")
}

// schemaOf is the schema of a user type, that of groups for "".
func (o *Org) schemaOf(typeID string) *Schema {
	for _, id := range sortedKeys(o.schemas) {
		if s := o.schemas[id]; s.Type == typeID {
			return s
		}
	}
	return o.schemas[o.info.SchemaID]
}

// leavingTime is how long a deleted attribute keeps its name taken (recorded: about a
// second; Okta removes the values meanwhile).
const leavingTime = time.Second

// AmendSchema changes attributes: what the body names is set, null removes a custom one.
// The time of the update before is returned: answers for groups and for further user
// types still show it (recorded).
func (o *Org) AmendSchema(by *Cause, s *Schema, body doc.Doc) (Stamp, error) {
	base, custom := doc.Object(body, "definitions", "base", "properties"), doc.Object(body, "definitions", "custom", "properties")
	if err := o.checkAmendment(s, base, custom); err != nil {
		return 0, err
	}
	for name, v := range base {
		if given, ok := v.(doc.Doc); ok {
			s.Base[name] = amended(doc.Object(s.Base, name), given)
		}
	}
	now := o.stamp()
	for name, v := range custom {
		given, ok := v.(doc.Doc)
		if !ok {
			o.dropAttribute(s, name, now)
			continue
		}
		s.Custom[name] = attribute(given)
		delete(s.Leaving, name)
	}
	before := s.LastUpdated
	s.LastUpdated = now
	o.noteSchema(by, s)
	return before, nil
}

// attribute is a custom attribute as Okta keeps it: what says nothing is left out.
func attribute(given doc.Doc) doc.Doc {
	return amended(doc.Doc{"mutability": "READ_WRITE", "scope": "NONE"}, given)
}

// amended lays an attribute over the old one. null, false and DISABLE are the absence of
// a value (recorded).
func amended(old, given doc.Doc) doc.Doc {
	out := doc.Merge(old, doc.Clone(given))
	for name, v := range out {
		if v == nil || v == false || name == "union" && v == "DISABLE" {
			delete(out, name)
		}
	}
	doc.Default(out, "master", doc.Doc{"type": "PROFILE_MASTER"})
	return out
}

// dropAttribute takes a custom attribute and its values away.
func (o *Org) dropAttribute(s *Schema, name string, now Stamp) {
	if s.Custom[name] == nil {
		return
	}
	delete(s.Custom, name)
	if s.Leaving == nil {
		s.Leaving = map[string]Stamp{}
	}
	s.Leaving[name] = now
	if s.Type == "" {
		for _, g := range o.groups {
			delete(g.Profile, name)
		}
		return
	}
	for _, u := range o.users {
		if u.TypeID == s.Type && u.Profile[name] != nil {
			delete(u.Profile, name)
			u.line.Store(nil)
		}
	}
}

func (o *Org) noteSchema(by *Cause, s *Schema) {
	kind := "UserSchema"
	if s.Type == "" {
		kind = "GroupSchema"
	}
	o.Note(by, "directory.user_profile.update", nil, Party{ID: s.ID, Type: kind, AlternateID: "unknown", DisplayName: s.Title})
}

// attributeTypes are the types of attributes (documented).
var attributeTypes = []string{"array", "boolean", "integer", "number", "string"}

// checkAmendment refuses what cannot be: unknown base attributes, bad names and types,
// another type for an attribute that is there, a name that is still being freed.
func (o *Org) checkAmendment(s *Schema, base, custom doc.Doc) error {
	subject := "updateUserSchemas"
	if s.Type == "" {
		subject = "updateGroupSchemas"
	}
	for _, name := range sortedKeys(base) {
		if doc.Object(s.Base, name) == nil {
			return failure.Invalid(subject, "The base attribute '"+name+"' is not defined")
		}
		if base[name] == nil {
			return failure.Invalid(subject, "The base attribute '"+name+"' cannot be deleted")
		}
	}
	for _, name := range sortedKeys(custom) {
		given, ok := custom[name].(doc.Doc)
		switch {
		case custom[name] == nil:
			continue
		case !ok:
			return failure.Malformed()
		}
		if why := o.attributeProblem(s, name, given); why != "" {
			return failure.Invalid(subject, why)
		}
	}
	return nil
}

func (o *Org) attributeProblem(s *Schema, name string, given doc.Doc) string {
	old, kind := doc.Object(s.Custom, name), doc.String(given, "type")
	left, leaving := s.Leaving[name]
	switch {
	case leaving && o.stamp().Time().Sub(left.Time()) < leavingTime:
		// Recorded.
		return "You cannot add the attribute with the variable name '" + name + "' because the deletion process for an attribute with the same " +
			"variable name is incomplete. Wait until the data clean up process finishes and then try again."
	case doc.Object(s.Base, name) != nil:
		return "The attribute '" + name + "' is defined as a base attribute already"
	case !isVariableName(name):
		return "The variable name '" + name + "' must begin with a letter and hold letters, digits and underscores alone"
	case strings.TrimSpace(doc.String(given, "title")) == "":
		return "title: The field cannot be left blank"
	case !slices.Contains(attributeTypes, kind):
		return "type: '" + kind + "' is not one of " + strings.Join(attributeTypes, ", ")
	case old != nil && doc.String(old, "type") != kind:
		return "The data type of the attribute '" + name + "' cannot be changed"
	}
	return ""
}

func isVariableName(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && !(i > 0 && '0' <= r && r <= '9') {
			return false
		}
	}
	return name != ""
}

// SchemaBody is a schema's answer. Late, if not 0, is the time of the last update that it
// shows instead.
func (o *Org) SchemaBody(s *Schema, late Stamp) doc.Doc {
	kind, order := "user", userProperties
	links := doc.Doc{"self": rel("self", o.base+"/api/v1/meta/schemas/user/"+s.ID), "type": rel("type", o.base+"/api/v1/meta/types/user/"+s.Type)}
	if s.Type == "" {
		kind, order = "group", groupProperties
		links = doc.Doc{"self": rel("self", o.base+"/api/v1/meta/schemas/group/default")}
	}
	id, updated := s.ID, s.LastUpdated
	if id == o.info.SchemaID {
		id = "default"
	}
	if late != 0 && id != "default" || late != 0 && kind == "group" {
		updated = late
	}
	return doc.Doc{
		"id": o.base + "/meta/schemas/" + kind + "/" + id, "$schema": "http://json-schema.org/draft-04/schema#",
		"name": s.Name, "title": s.Title, "description": s.Description, "created": s.Created, "lastUpdated": updated, "type": "object",
		"definitions": doc.Doc{"custom": o.definition("custom", s.Custom, nil), "base": o.definition("base", s.Base, order)},
		"properties": doc.Doc{"profile": doc.Doc{"allOf": []any{
			doc.Doc{"$ref": "#/definitions/custom"}, doc.Doc{"$ref": "#/definitions/base"}}}},
		"_links": links,
	}
}

// definition lists attributes and which of them are required: base ones in their order,
// custom ones by name. Without any there is no such list (recorded).
func (o *Org) definition(id string, attributes doc.Doc, order []property) doc.Doc {
	shown := doc.Clone(attributes)
	names := sortedKeys(attributes)
	slices.SortStableFunc(names, func(a, b string) int { return place(order, a) - place(order, b) })
	required := []any{}
	for _, name := range names {
		if doc.Bool(attributes, name, "required") {
			required = append(required, name)
		}
		if !o.Licensed(attributeMasters) {
			delete(doc.Object(shown, name), "master")
		}
	}
	d := doc.Doc{"id": "#" + id, "type": "object", "properties": shown}
	if len(names) > 0 {
		d["required"] = required
	}
	return d
}

func place(order []property, name string) int {
	return slices.IndexFunc(order, func(p property) bool { return p.name == name })
}

// attributeMasters is the feature by which each attribute says where it comes from.
const attributeMasters = "attribute_masters"

// rel is a link of the meta API.
func rel(name, href string) doc.Doc { return doc.Doc{"rel": name, "href": href, "method": "GET"} }
