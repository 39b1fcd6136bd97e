package org

// uiSchemaKinds are the forms by which people enroll themselves (documented).
func uiSchemaKinds() []Kind {
	formats := []string{"text", "radio", "select", "checkbox", "radio_yes_no", "radio_true_false"}
	return []Kind{{
		Name: "ui_schemas", Path: "/api/v1/meta/uischemas/{id}", Prefix: "uis", Class: "UISchema",
		Scope: "okta.uischemas", Area: AreaSchemas, Engine: "oie",
		Verbs:  crud(200),
		Page:   Page{Order: "created"},
		Stamps: dated, Natural: []string{"uiSchema.label"},
		Fields: []Field{
			{Path: "uiSchema", Type: Map, Required: true},
			{Path: "uiSchema.type", Enum: []string{"Group"}, Default: "Group"},
			{Path: "uiSchema.label", Default: "Sign in"},
			{Path: "uiSchema.buttonLabel", Default: "Submit"},
			{Path: "uiSchema.elements", Type: List, Default: []any{}},
			{Path: "uiSchema.elements[].type", Enum: []string{"Control"}, Default: "Control"},
			{Path: "uiSchema.elements[].scope", Required: true, Pattern: `#/properties/\S+`},
			{Path: "uiSchema.elements[].options.format", Enum: formats},
		},
		Links: []Link{self("GET PUT DELETE")},
	}}
}
