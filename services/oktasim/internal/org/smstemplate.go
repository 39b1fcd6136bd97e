package org

import (
	"maps"

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
		Fill:    mergeTranslations,
		// The answer of an update says nothing of the translations (recorded).
		Show: func(v *View) {
			if v.Verb == replace {
				delete(v.Body, "translations")
			}
		},
	}}
}

// mergeTranslations: a partial update adds, changes and, where nothing is given, removes
// translations one by one (documented).
func mergeTranslations(c *Change) error {
	given, ok := c.Given["translations"].(doc.Doc)
	if c.Verb != merge || !ok {
		return nil
	}
	all := doc.Doc{}
	maps.Copy(all, doc.Object(c.Before, "translations"))
	for language, text := range given {
		all[language] = text
		if isBlank(text) {
			delete(all, language)
		}
	}
	c.Body["translations"] = all
	return nil
}
