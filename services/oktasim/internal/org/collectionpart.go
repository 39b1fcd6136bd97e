package org

import (
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const collectionPath = "/governance/api/v1/collections/{collectionId}"

// collectionResources are the apps of a collection, each with the entitlements that come
// with it (documented).
func collectionResources() Kind {
	return Kind{
		Name: "collection_resources", Path: collectionPath + "/resources/{resourceId}", Prefix: "res", Alias: []string{"resourceOrn"}, Class: "CollectionResource",
		Scope: "okta.governance.collections", Area: AreaOrg, Feature: governance, Target: "CollectionResource",
		Verbs: Verbs{List: true, Get: true, Replace: "PUT", Delete: 204}, Page: governancePage(), HideID: true,
		Natural: []string{"resourceOrn"}, Distinct: true,
		Fields: []Field{
			{Path: "resourceOrn", Required: true, Mode: Immutable, Pattern: `orn:[^:]+:idp:[^:]+:apps:[^:]+:[^:]+`},
			{Path: "entitlements", Type: List, Default: []any{}},
			{Path: "entitlements[].id", Required: true},
			{Path: "entitlements[].values", Type: List, Required: true},
		},
		Check: checkCollectionResource, Show: showCollectionResource,
		Events: map[string]string{create: "resource.collection.update", replace: "resource.collection.update", remove: "resource.collection.update"},
	}
}

// checkCollectionResource wants an app that is there, and entitlements of it.
func checkCollectionResource(c *Change) error {
	if c.Verb == remove {
		return nil
	}
	if _, err := c.Org.App(lastName(c.Body)); err != nil {
		return err
	}
	for _, e := range parts(c.Body, "entitlements") {
		k := c.Org.kinds.named("entitlements")
		x := c.Org.object(k, doc.String(e, "id"))
		if x == nil || x.text("parent.externalId") != lastName(c.Body) {
			return k.missing(doc.String(e, "id"))
		}
		for _, v := range parts(e, "values") {
			if _, err := c.Org.EntitlementValue(x, doc.String(v, "id")); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastName is the id at the end of the resource's name.
func lastName(body doc.Doc) string {
	orn := doc.String(body, "resourceOrn")
	return orn[strings.LastIndex(orn, ":")+1:]
}

// showCollectionResource shows entitlements in lists on demand alone (documented).
func showCollectionResource(v *View) {
	v.Body["resourceId"] = v.Object.ID
	v.Body["_links"] = doc.Doc{"entitlements": governed(v.Self)}
	if a, err := v.Org.App(lastName(v.Object.Body)); err == nil {
		v.Body["resourceProfile"] = doc.Doc{"id": a.ID, "name": a.Name, "label": a.Label, "logo": []any{
			doc.Doc{"name": "medium", "href": staticHost + a.Logo, "type": "image/png"},
		}}
	}
	list, asked := parts(v.Body, "entitlements"), listed(v.Query["include"])
	for _, e := range list {
		v.Org.describeEntitlement(e)
	}
	if v.InList && !slices.Contains(asked, "entitlements") {
		delete(v.Body, "entitlements")
	}
	if !v.InList || slices.Contains(asked, "entitlementValueCount") {
		v.Body["entitlementValueCount"] = len(valueIDs(list))
	}
}

// AddToCollection puts apps into a collection, all or none.
func (o *Org) AddToCollection(collection *Object, given []any, by *Cause) error {
	const most = 25
	if len(given) == 0 || len(given) > most {
		return failure.Invalid("resources", "The number of resources must be between 1 and 25")
	}
	_, err := o.addAll(o.kinds.named("collection_resources"), collection, given, by)
	return err
}

// addAll makes objects below a parent, none of them if one is refused.
func (o *Org) addAll(k *Kind, parent *Object, given []any, by *Cause) ([]*Object, error) {
	var fresh []*Change
	for _, v := range given {
		body, isObject := v.(doc.Doc)
		if !isObject {
			return nil, failure.Malformed()
		}
		c := o.change(k, &Object{Home: parent.place()}, create, Request{By: by, Given: body})
		if err := c.prepare(); err != nil {
			return nil, err
		}
		fresh = append(fresh, c)
	}
	var made []*Object
	for _, c := range fresh {
		o.install(c)
		made = append(made, c.Object)
	}
	return made, nil
}

// collectionAssignments are the people who have a collection (documented).
func collectionAssignments() Kind {
	page := governancePage()
	page.Order = "-created"
	return Kind{
		Name: "collection_assignments", Path: collectionPath + "/assignments/{assignmentId}", Prefix: "ass", Class: "CollectionAssignment",
		Scope: "okta.governance.collections", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Delete: 204}, Page: page, Natural: []string{"principal.externalId"},
		Fields: []Field{
			{Path: "principal", Type: Map, Required: true, Example: doc.Doc{"type": "OKTA_USER"}},
			{Path: "principal.type", Required: true, Enum: []string{"OKTA_USER"}},
			{Path: "principal.externalId", Required: true, Ref: "user", Gone: Follows},
			{Path: "actor", Enum: []string{"API", "ACCESS_REQUEST", "NONE", "ADMIN"}, Default: "API"},
			{Path: "expirationTime"},
			{Path: "timeZone", Max: 64},
			{Path: "assignmentType", Mode: ReadOnly, Default: "INDIVIDUAL"},
		},
		Check: checkCollectionAssignment, Show: showCollectionAssignment,
		Events: map[string]string{create: "resource.collection.assign", remove: "resource.collection.unassign"},
	}
}

func checkCollectionAssignment(c *Change) error {
	if zone := doc.String(c.Body, "timeZone"); zone != "" {
		if _, err := time.LoadLocation(zone); err != nil {
			return failure.Invalid("timeZone", "timeZone: The time zone is not known")
		}
	}
	if end := doc.String(c.Body, "expirationTime"); end != "" && Millis.read(end) == 0 {
		return failure.Invalid("expirationTime", "expirationTime: The value is not a date of ISO 8601")
	}
	return nil
}

func showCollectionAssignment(v *View) {
	delete(v.Body, "_links")
	v.Body["collectionId"] = v.Object.Home
	if v.InList {
		v.Body["principalProfile"] = v.Org.accountOf(v.Object.text("principal.externalId"))
	}
}

// AssignCollection gives people a collection; who has it already has it on the new terms.
func (o *Org) AssignCollection(collection *Object, given []any, by *Cause) ([]any, error) {
	const most = 20
	if len(given) == 0 || len(given) > most {
		return nil, failure.Invalid("principals", "The number of principals must be between 1 and 20")
	}
	k := o.kinds.named("collection_assignments")
	have := map[string]*Object{}
	for _, x := range o.objectsIn(k, collection.place()) {
		have[x.text("principal.externalId")] = x
	}
	made, err := o.addAll(k, collection, given, by)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, x := range made {
		person := x.text("principal.externalId")
		if old := have[person]; old != nil {
			old.Body, old.LastUpdated = x.Body, x.LastUpdated
			o.shelf(k).take(x)
			x = old
		}
		have[person] = x
		out = append(out, o.Show(k, x, View{Verb: create}, 0))
	}
	return out, nil
}

// idsOf are the ids of the objects of a list.
func idsOf(list []any) []string {
	var ids []string
	for _, v := range list {
		ids = append(ids, doc.String(asDoc(v), "id"))
	}
	return ids
}

// PatchAssignment changes when an assignment ends.
func (o *Org) PatchAssignment(x *Object, operations []any, by *Cause) error {
	if len(operations) == 0 {
		return failure.Invalid("assignment", "The number of operations must be between 1 and 100")
	}
	k := o.kinds.named("collection_assignments")
	body := doc.Clone(x.Body)
	for _, v := range operations {
		op, path := doc.String(asDoc(v), "op"), doc.String(asDoc(v), "path")
		field := strings.TrimPrefix(path, "/")
		if field != "expirationTime" && field != "timeZone" {
			return failure.Invalid("path", "path: '"+path+"' is not a valid path")
		}
		switch op {
		case "REMOVE":
			delete(body, field)
		case "ADD", "REPLACE":
			body[field] = asDoc(v)["value"]
		default:
			return failure.Invalid("op", "op: '"+op+"' is not a valid value. It must be one of ADD, REMOVE, REPLACE")
		}
	}
	_, err := o.ReplaceObject(k, x, Request{By: by, Given: body})
	return err
}

// Unassigned are the active people who do not have a collection, as governance shows people.
func (o *Org) Unassigned(collection *Object) []doc.Doc {
	have := map[string]bool{}
	for _, x := range o.below("collection_assignments", collection.place()) {
		have[x.text("principal.externalId")] = true
	}
	var out []doc.Doc
	for _, u := range ordered(o.users) {
		if !have[u.ID] && u.Status != Deprovisioned {
			out = append(out, o.accountOf(u.ID))
		}
	}
	return out
}
