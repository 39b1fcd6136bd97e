// Package form knows which JSON types the fields of hand-written bodies have, by Okta's
// published API description. Okta cannot even read a body with others (E0000003).
package form

import (
	"encoding/json"
	"slices"

	"imago/services/oktasim/internal/doc"
)

// The types, as values that have them. In lists the first element stands for all; objects
// may have further fields, of any type.
const (
	text   = ""
	number = 0
	flag   = false
)

// words are a text of a few: others cannot be read (assumption).
type words []string

// status is a state that is published as one that can be written, though what it says counts
// for nothing (recorded): policies and rules are switched otherwise.
var status = words{"ACTIVE", "INACTIVE"}

// For is the form of bodies that operations on a path template take, nil if any will do.
func For(template string) doc.Doc {
	switch template {
	case "/api/v1/apps", "/api/v1/apps/{appId}":
		return app()
	case "/api/v1/users", "/api/v1/users/{id}":
		return user()
	case "/api/v1/policies", "/api/v1/policies/{policyId}":
		return policy()
	case "/api/v1/policies/{policyId}/rules", "/api/v1/policies/{policyId}/rules/{ruleId}":
		return policyRule()
	case "/api/v1/groups/rules", "/api/v1/groups/rules/{groupRuleId}":
		return groupRule()
	case "/api/v1/idps", "/api/v1/idps/{idpId}":
		return identityProvider()
	}
	return nil
}

// Fits says whether a value has the form's types. null fits everything.
func Fits(form, v any) bool {
	if v == nil {
		return true
	}
	switch form := form.(type) {
	case doc.Doc:
		return fitsObject(form, v)
	case []any:
		return fitsList(form[0], v)
	case words:
		word, ok := v.(string)
		return ok && slices.Contains(form, word)
	case string:
		_, ok := v.(string)
		return ok
	case bool:
		_, ok := v.(bool)
		return ok
	case int:
		_, ok := v.(json.Number)
		return ok
	}
	return true
}

func fitsObject(form doc.Doc, v any) bool {
	d, ok := v.(doc.Doc)
	for field, f := range form {
		ok = ok && Fits(f, d[field])
	}
	return ok
}

func fitsList(element, v any) bool {
	list, ok := v.([]any)
	for _, e := range list {
		ok = ok && Fits(element, e)
	}
	return ok
}
