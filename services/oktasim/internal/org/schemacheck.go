package org

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// attribute is the description of an attribute; nil if the schema has none.
func (s *Schema) attribute(name string) doc.Doc {
	if a := doc.Object(s.Base, name); a != nil {
		return a
	}
	return doc.Object(s.Custom, name)
}

// check refuses attributes that the schema does not define (recorded), and values that
// their description does not allow, all at once.
func (s *Schema) check(subject string, given doc.Doc) error {
	var causes []string
	for _, name := range sortedKeys(given) {
		v := given[name]
		if v == nil {
			continue
		}
		a := s.attribute(name)
		if a == nil {
			return failure.Invalid(subject, "Property name '"+name+"' is not defined in profile")
		}
		if why := misfit(a, v); why != "" {
			causes = append(causes, name+": "+why)
			if len(causes) == 1 {
				subject = name
			}
		}
	}
	if len(causes) > 0 {
		return failure.Invalid(subject, causes...)
	}
	return nil
}

// complete refuses a profile that lacks required attributes.
func (s *Schema) complete(profile doc.Doc) error {
	missing := append(blanks(s.Base, profile), blanks(s.Custom, profile)...)
	if len(missing) == 0 {
		return nil
	}
	var causes []string
	for _, name := range missing {
		causes = append(causes, name+": The field cannot be left blank")
	}
	return failure.Invalid(missing[0], causes...)
}

// blanks names the required ones among the attributes that the profile leaves blank.
func blanks(attributes, profile doc.Doc) []string {
	var names []string
	for name, a := range attributes {
		if d, ok := a.(doc.Doc); ok && doc.Bool(d, "required") && isBlank(profile[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// misfit says why an attribute cannot have the value; "" if it can.
func misfit(a doc.Doc, v any) string {
	kind := doc.String(a, "type")
	if !fitsType(kind, v) {
		return "The field must be of the type " + kind
	}
	if list, ok := v.([]any); ok {
		return misfits(doc.Object(a, "items"), list)
	}
	if why := outsideEnum(a, v); why != "" {
		return why
	}
	if s, ok := v.(string); ok {
		return badText(a, s)
	}
	return ""
}

func misfits(items doc.Doc, list []any) string {
	for _, v := range list {
		if items == nil {
			break
		}
		if kind := doc.String(items, "type"); !fitsType(kind, v) {
			return "The elements must be of the type " + kind
		}
		if why := outsideEnum(items, v); why != "" {
			return why
		}
	}
	return ""
}

func fitsType(kind string, v any) bool {
	switch kind {
	case "string":
		return Text.fits(v)
	case "boolean":
		return Bool.fits(v)
	case "number":
		return Number.fits(v)
	case "integer":
		n, ok := new(big.Rat).SetString(fmt.Sprint(v))
		return Number.fits(v) && ok && n.IsInt()
	case "array":
		return List.fits(v)
	}
	return true
}

// outsideEnum says that the value is none of those listed.
func outsideEnum(a doc.Doc, v any) string {
	list, ok := a["enum"].([]any)
	if !ok || len(list) == 0 || slices.ContainsFunc(list, func(e any) bool { return sameJSON(e, v) }) {
		return ""
	}
	var names []string
	for _, e := range list {
		names = append(names, fmt.Sprint(e))
	}
	return "'" + fmt.Sprint(v) + "' is not a valid value. It must be one of " + strings.Join(names, ", ")
}

// sameJSON compares values of an enum: objects too, and numbers by their worth.
func sameJSON(a, b any) bool {
	x, isNumber := a.(json.Number)
	y, too := b.(json.Number)
	if isNumber && too {
		p, ok := new(big.Rat).SetString(x.String())
		q, okToo := new(big.Rat).SetString(y.String())
		return ok && okToo && p.Cmp(q) == 0
	}
	return equal(a, b)
}

func badText(a doc.Doc, s string) string {
	n := utf8.RuneCountInString(s)
	low, hasLow := doc.Int(a, "minLength")
	high, hasHigh := doc.Int(a, "maxLength")
	switch {
	case hasLow && hasHigh && (n < low || n > high):
		return fmt.Sprintf("The field must be between %d and %d characters", low, high)
	case hasLow && n < low:
		return fmt.Sprintf("The field must be at least %d characters", low)
	case hasHigh && n > high:
		return fmt.Sprintf("The field must be at most %d characters", high)
	case doc.String(a, "format") == "email" && s != "" && !isAddress(s):
		return "Does not match required pattern"
	}
	return ""
}

// isAddress says whether the text is a plain mail address.
func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}
