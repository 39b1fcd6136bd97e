package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// smsTemplateKinds are the texts of messages to phones.
func smsTemplateKinds() []Kind {
	return []Kind{{
		Name: "sms_templates", Path: "/api/v1/templates/sms/{templateId}", Prefix: "cst", Class: "SmsTemplate",
		Scope: "okta.templates", Area: AreaCustomizations,
		Verbs:  Verbs{List: true, Get: true, Create: 200, Replace: "PUT", Merge: "POST", Delete: 204},
		Page:   Page{Equal: map[string]string{"templateType": "type"}},
		Stamps: dated, Once: []string{"translations"},
		Fields: []Field{
			{Path: "name", Required: true, Max: 50},
			{Path: "type", Required: true, Enum: []string{"SMS_VERIFY_CODE"}},
			{Path: "template", Required: true, Max: 161},
			{Path: "translations", Type: Map, Default: doc.Doc{}},
		},
		// Okta names another class here (recorded).
		Missing: func(id string) error { return failure.NotFound(id, "AppInstance") },
		// The answer of an update says nothing of the translations (recorded).
		Show: func(v *View) {
			if v.Verb == replace {
				delete(v.Body, "translations")
			}
		},
	}}
}
