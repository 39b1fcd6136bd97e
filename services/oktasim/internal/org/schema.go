package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// property is a base attribute of a profile.
type property struct {
	name, title, format string
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
	{name: "name", title: "Name", required: true, max: 255, self: "READ_WRITE"},
	{name: "description", title: "Description", max: 1024, self: "READ_WRITE"},
}

func (p property) schema() doc.Doc {
	self := p.self
	if self == "" {
		self = "READ_ONLY"
	}
	s := doc.Doc{
		"title": p.title, "type": "string", "mutability": "READ_WRITE", "scope": "NONE",
		"permissions": []any{doc.Doc{"principal": "SELF", "action": self}}, "master": doc.Doc{"type": "PROFILE_MASTER"},
	}
	if p.required {
		s["required"] = true
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

func definition(id string, ps []property) doc.Doc {
	properties, required := doc.Doc{}, []any{}
	for _, p := range ps {
		properties[p.name] = p.schema()
		if p.required {
			required = append(required, p.name)
		}
	}
	return doc.Doc{"id": "#" + id, "type": "object", "properties": properties, "required": required}
}

// bootstrapSchemas makes the schemas of the default user type and of groups. Their
// custom part begins empty.
func (o *Org) bootstrapSchemas(now Stamp) {
	make := func(name, title, description string, base []property) doc.Doc {
		return doc.Doc{
			"$schema": "http://json-schema.org/draft-04/schema#", "name": name, "title": title, "description": description,
			"lastUpdated": now.String(), "created": now.String(), "type": "object",
			"definitions": doc.Doc{"custom": definition("custom", nil), "base": definition("base", base)},
			"properties": doc.Doc{"profile": doc.Doc{"allOf": []any{
				doc.Doc{"$ref": "#/definitions/custom"}, doc.Doc{"$ref": "#/definitions/base"}}}},
		}
	}
	o.schemas["user"] = make("user", "User", "Okta user profile template with default permission settings", userProperties)
	o.schemas["group"] = make("group", "Okta group", "Okta group profile template", groupProperties)
}

// checkProperties refuses attributes that the schema of the kind (user, group) does
// not define.
func (o *Org) checkProperties(subject, kind string, given doc.Doc) error {
	definitions := doc.Object(o.schemas[kind], "definitions")
	for _, name := range sortedKeys(given) {
		base := doc.Object(definitions, "base", "properties", name)
		if base == nil && doc.Object(definitions, "custom", "properties", name) == nil {
			if given[name] == nil {
				continue
			}
			return failure.Invalid(subject, "Property name '"+name+"' is not defined in profile")
		}
		if _, isText := given[name].(string); base != nil && !isText && given[name] != nil {
			return failure.Invalid(name, name+": The field must be of the type string")
		}
	}
	return nil
}

// UserSchemaBody is the schema of the default user type.
func (o *Org) UserSchemaBody() any {
	link := func(rel, path string) doc.Doc {
		return doc.Doc{"rel": rel, "href": o.base + path, "method": "GET"}
	}
	return o.schemaBody("user", doc.Doc{
		"self": link("self", "/api/v1/meta/schemas/user/"+o.info.SchemaID),
		"type": link("type", "/api/v1/meta/types/user/"+o.info.UserType),
	})
}

// GroupSchemaBody is the schema of groups.
func (o *Org) GroupSchemaBody() any {
	return o.schemaBody("group", doc.Doc{
		"self": doc.Doc{"rel": "self", "href": o.base + "/api/v1/meta/schemas/group/default", "method": "GET"},
	})
}

func (o *Org) schemaBody(kind string, links doc.Doc) any {
	body := doc.Clone(o.schemas[kind])
	body["id"], body["_links"] = o.base+"/meta/schemas/"+kind+"/default", links
	return body
}

// IsUserSchema says whether the id names the schema of the default user type.
func (o *Org) IsUserSchema(id string) bool { return id == "default" || id == o.info.SchemaID }

// UserTypeBody is the default user type.
func (o *Org) UserTypeBody(id string) (any, error) {
	if id != o.info.UserType && id != "default" {
		return nil, failure.NotFound(id, "CVDType")
	}
	link := func(rel, path string) doc.Doc {
		return doc.Doc{"rel": rel, "href": o.base + path, "method": "GET"}
	}
	return doc.Doc{
		"id": o.info.UserType, "displayName": "User", "name": "user", "default": true,
		"description": "Okta user profile template with default permission settings",
		"createdBy":   o.info.System, "lastUpdatedBy": o.info.System, "created": o.info.Created, "lastUpdated": o.info.Created,
		"_links": doc.Doc{
			"schema": link("schema", "/api/v1/meta/schemas/user/"+o.info.SchemaID),
			"self":   link("self", "/api/v1/meta/types/user/"+o.info.UserType),
		},
	}, nil
}
