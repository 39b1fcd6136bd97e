package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// userTypeKinds are the user types. Each has a schema, whose id is the type's with
// another prefix (recorded).
func userTypeKinds() []Kind {
	return []Kind{{
		Name: "user_types", Path: "/api/v1/meta/types/user/{typeId}", MakeID: userTypeID, Class: "CVDType", Target: "UserType",
		Scope: "okta.userTypes", Area: AreaSchemas,
		Verbs:   Verbs{List: true, Get: true, Create: 200, Replace: "PUT", Merge: "POST", Delete: 204},
		Page:    Page{Order: "created"},
		Stamps:  signed,
		Subject: "userType",
		Fields: []Field{
			{Path: "name", Required: true, Mode: Immutable, Unique: InOrg, Max: 100, Pattern: "[A-Za-z][A-Za-z0-9_]*", Example: "type_%d"},
			{Path: "displayName", Required: true},
			{Path: "description"},
			{Path: "default", Type: Bool, Mode: ReadOnly, Default: false},
		},
		Links: []Link{}, LinkStyle: RelMethod,
		// Okta has no event for the end of a type.
		Events: map[string]string{
			create: "directory.non_default_user_profile.create", replace: "directory.user_profile.update", merge: "directory.user_profile.update",
		},
		Refusals: []Refusal{{
			On: []string{remove}, When: is("default", true),
			With: failure.UserTypeStays(),
		}},
		Seeds: []Seed{{Body: doc.Doc{
			"name": "user", "displayName": "User", "description": "Okta user profile template with default permission settings", "default": true,
		}}},
		Check: checkUserType, After: afterUserType, Show: showUserType,
	}}
}

// checkUserType keeps types that users have (assumption).
func checkUserType(c *Change) error {
	if c.Verb != remove {
		return nil
	}
	for _, u := range c.Org.users {
		if u.TypeID == c.Object.ID {
			return failure.UserTypeStays()
		}
	}
	return nil
}

// userTypeID is the id of a new type; that of the default one is settled before.
func userTypeID(o *Org) string {
	if len(o.shelf(o.kinds.named("user_types")).objects) == 0 {
		return o.info.UserType
	}
	return o.ids.ID("oty")
}

// schemaIDOf is the id of the schema that a new type has.
func schemaIDOf(typeID string) string { return "osc" + typeID[min(3, len(typeID)):] }

func afterUserType(c *Change) {
	o, x := c.Org, c.Object
	switch c.Verb {
	case create:
		if !doc.Bool(x.Body, "default") {
			o.schemas[schemaIDOf(x.ID)] = furtherSchema(x)
		}
	case remove:
		delete(o.schemas, o.schemaOf(x.ID).ID)
	default:
		o.schemaOf(x.ID).call(x)
	}
}

// furtherSchema is the schema of a new type. Its people must have a last name and cannot
// change their login (recorded).
func furtherSchema(x *Object) *Schema {
	s := newUserSchema(x.ID, x.Created)
	s.call(x)
	doc.Object(s.Base, "lastName")["required"] = true
	doc.Object(s.Base, "login")["permissions"] = selfMay("READ_ONLY")
	return s
}

// call names the schema after its type.
func (s *Schema) call(x *Object) {
	s.Name, s.Title, s.Description = x.text("name"), x.text("displayName"), x.text("description")
}

func showUserType(v *View) {
	if doc.String(v.Body, "createdBy") == "" {
		v.Body["createdBy"], v.Body["lastUpdatedBy"] = v.Org.info.System, v.Org.info.System
	}
	v.Body["_links"] = doc.Doc{
		"schema": rel("schema", v.Org.base+"/api/v1/meta/schemas/user/"+v.Org.schemaOf(v.Object.ID).ID),
		"self":   rel("self", v.Self),
	}
}
