package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// EntitlementValues are the values of an entitlement as they are shown one by one: with what
// they belong to (documented).
func (o *Org) EntitlementValues(x *Object) []doc.Doc {
	var out []doc.Doc
	for _, v := range parts(x.Body, "values") {
		body := doc.Doc{"entitlementId": x.ID, "parent": x.Body["parent"], "parentResourceOrn": x.Body["parentResourceOrn"]}
		for _, field := range []string{"id", "name", "externalValue", "externalId", "description"} {
			if v[field] != nil {
				body[field] = v[field]
			}
		}
		out = append(out, body)
	}
	return out
}

// AllEntitlementValues are the values of every entitlement.
func (o *Org) AllEntitlementValues() []doc.Doc {
	var out []doc.Doc
	for _, x := range o.objectsIn(o.kinds.named("entitlements"), "") {
		out = append(out, o.EntitlementValues(x)...)
	}
	slices.SortFunc(out, func(a, b doc.Doc) int { return strings.Compare(doc.String(a, "id"), doc.String(b, "id")) })
	return out
}

// EntitlementValue is one value of an entitlement.
func (o *Org) EntitlementValue(x *Object, id string) (doc.Doc, error) {
	for _, v := range o.EntitlementValues(x) {
		if v["id"] == any(id) {
			v["_links"] = doc.Doc{"self": governed(o.Href(o.kinds.named("entitlements"), x) + "/values/" + id)}
			return v, nil
		}
	}
	return nil, failure.NotFound(id, "EntitlementValue")
}

// PatchEntitlement carries out the operations of a PATCH, all or none, and answers with the
// entitlement and those of its values alone that were added or replaced (documented).
func (o *Org) PatchEntitlement(by *Cause, x *Object, operations []any) (doc.Doc, error) {
	const most = 100
	if len(operations) == 0 || len(operations) > most {
		return nil, failure.Invalid("entitlement", "The number of operations must be between 1 and 100")
	}
	k := o.kinds.named("entitlements")
	given := doc.Clone(x.Body)
	before, touched := idsOf(values(x.Body["values"])), map[string]bool{}
	for _, v := range operations {
		operation, isObject := v.(doc.Doc)
		if !isObject {
			return nil, failure.Malformed()
		}
		if err := patch(given, operation, touched); err != nil {
			return nil, err
		}
	}
	if _, err := o.ReplaceObject(k, x, Request{By: by, Given: given}); err != nil {
		return nil, err
	}
	body := o.Show(k, x, View{Verb: replace}, 0)
	kept := slices.DeleteFunc(values(body["values"]), func(v any) bool {
		id := doc.String(asDoc(v), "id")
		return !touched[id] && slices.Contains(before, id)
	})
	body["values"], body["metadata"] = kept, doc.Doc{"total": len(kept)}
	return body, nil
}

// patch carries out one operation on an entitlement's body.
func patch(body, operation doc.Doc, touched map[string]bool) error {
	op, path := doc.String(operation, "op"), doc.String(operation, "path")
	if !slices.Contains([]string{"ADD", "REMOVE", "REPLACE"}, op) {
		return failure.Invalid("op", "op: '"+op+"' is not a valid value. It must be one of ADD, REMOVE, REPLACE")
	}
	switch doc.String(operation, "refType") {
	case "ENTITLEMENT":
		return patchField(body, op, path, operation["value"])
	case "ENTITLEMENT-VALUE":
		value, isObject := operation["value"].(doc.Doc)
		if op != "REMOVE" && !isObject {
			return failure.Missing("value")
		}
		return patchValue(body, op, path, value, touched)
	}
	return failure.Invalid("refType", "refType: It must be one of ENTITLEMENT, ENTITLEMENT-VALUE")
}

// patchField changes the name or the description.
func patchField(body doc.Doc, op, path string, value any) error {
	field := strings.TrimPrefix(path, "/")
	if path != "/name" && path != "/description" {
		return failure.Invalid("path", "path: '"+path+"' is not a valid path")
	}
	if op == "REMOVE" {
		delete(body, field)
		return nil
	}
	if textOf(value) == "" {
		return failure.Missing("value")
	}
	body[field] = value
	return nil
}

// patchValue adds, removes or changes one of the values.
func patchValue(body doc.Doc, op, path string, value doc.Doc, touched map[string]bool) error {
	list := values(body["values"])
	id, isValue := strings.CutPrefix(path, "/values/")
	if !isValue || (id == "-") != (op == "ADD") {
		return failure.Invalid("path", "path: '"+path+"' is not a valid path")
	}
	if op == "ADD" {
		delete(value, "id")
		body["values"] = append(list, value)
		return nil
	}
	i := slices.IndexFunc(list, func(v any) bool { return doc.String(asDoc(v), "id") == id })
	if i < 0 {
		return failure.NotFound(id, "EntitlementValue")
	}
	if op == "REMOVE" {
		body["values"] = slices.Delete(list, i, i+1)
		return nil
	}
	changed := doc.Merge(asDoc(list[i]), value)
	changed["id"] = id
	list[i] = changed
	touched[id] = true
	return nil
}

// asDoc is the value as an object, {} if it is none.
func asDoc(v any) doc.Doc {
	d, isObject := v.(doc.Doc)
	if !isObject {
		return doc.Doc{}
	}
	return d
}
