package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
)

const (
	catalogPath   = "/governance/api/v2/catalogs/default/entries/{entryId}"
	myCatalogPath = "/governance/api/v2/my/catalogs/default/entries/{entryId}"
)

// catalogEntries are what people can ask for, as administrators see it and as one person
// does. Okta makes them from apps and groups with request conditions; here only those of
// another org that were adopted are there.
func catalogEntries(name, path string) Kind {
	return Kind{
		Name: name, Path: path, Prefix: "cen", Class: "CatalogEntry",
		Scope: "okta.accessRequests.catalog", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true}, Page: governancePage(),
		Fields: []Field{
			{Path: "name"},
			{Path: "label", Default: "Application"},
			{Path: "parent"},
			{Path: "requestable", Type: Bool, Default: true},
			// What the entry is for, and its pictures, of which only links tell.
			{Path: "app", Mode: WriteOnly},
			{Path: "logo", Type: List, Mode: WriteOnly, Default: []any{}},
			{Path: "requestFields", Type: List, Mode: WriteOnly},
		},
		Show: func(v *View) {
			v.Body["_links"] = doc.Doc{
				"self": governed(v.Self), "logo": values(v.Object.Body["logo"]),
				"relatedEntity": governed(v.Org.base + "/api/v1/apps/" + v.Object.text("app")),
			}
		},
	}
}

// adoptEntry puts an entry into the catalog of the org and into that of the person.
func adoptEntry(o *Org, ids []string, body doc.Doc) error {
	if href := doc.String(body, "_links", "relatedEntity", "href"); href != "" {
		body["app"], body["logo"] = lastPart(href), doc.Get(body, "_links", "logo")
	}
	for _, name := range []string{"catalog_entries", "my_catalog_entries"} {
		if err := o.adoptKind(o.kinds.named(name), ids, body); err != nil {
			return err
		}
	}
	return nil
}

// adoptEntryField puts in what a person must tell who asks for an entry.
func adoptEntryField(o *Org, ids []string, body doc.Doc) error {
	k := o.kinds.named("my_catalog_entries")
	x := o.look(k, "", ids[0])
	if x == nil {
		if err := adoptEntry(o, ids[:1], doc.Doc{"id": ids[0]}); err != nil {
			return err
		}
		x = o.look(k, "", ids[0])
	}
	fields := slices.DeleteFunc(values(x.Body["requestFields"]), func(v any) bool {
		f, ok := v.(doc.Doc)
		return ok && f["id"] == body["id"]
	})
	x.Body["requestFields"] = append(fields, body)
	return nil
}

// RequestFields answers what a person must tell who asks for an entry, with what is
// thought of the risk (recorded).
func (o *Org) RequestFields(entry string) (doc.Doc, error) {
	x, err := o.FindObject(o.kinds.named("my_catalog_entries"), []string{entry})
	if err != nil {
		return nil, err
	}
	fields := append([]any{}, values(x.Body["requestFields"])...)
	return doc.Doc{"data": doc.Clone(fields), "metadata": doc.Doc{"riskAssessment": riskAssessment()}}, nil
}

// riskAssessment is that of a request that breaks no rule (recorded).
func riskAssessment() doc.Doc {
	return doc.Doc{"requestSubmissionType": "ALLOWED_WITH_NO_OVERRIDES", "riskRules": []any{}}
}

// myRequests are what a person asked for. Nobody decides them in the simulator: they are
// submitted, and then wait.
func myRequests() Kind {
	return Kind{
		Name: "my_requests", Path: myCatalogPath + "/requests/{requestId}", Prefix: "req", Class: "Request",
		Scope: "okta.accessRequests.request", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{Get: true, Create: 202}, Stamps: governanceStamps, Once: []string{"status", "riskAssessment"},
		Fields: []Field{
			{Path: "requesterFieldValues", Type: List, Default: []any{}},
			{Path: "requesterFieldValues[].id", Required: true},
			{Path: "status", Mode: ReadOnly, Default: "PENDING"},
			{Path: "requestedBy", Type: Map, Mode: ReadOnly, Default: asker},
			{Path: "requestedFor", Type: Map, Mode: ReadOnly, Default: asker},
			{Path: "requested", Type: Map, Mode: ReadOnly, Default: wanted},
			{Path: "riskAssessment", Type: Map, Mode: ReadOnly, Default: riskAssessment()},
			{Path: "accessDuration", Mode: ReadOnly},
		},
		Show: showRequest,
	}
}

func asker(c *Change) any {
	id := ""
	if c.By != nil {
		id = c.By.Actor.ID
	}
	return doc.Doc{"type": "OKTA_USER", "externalId": id}
}

// wanted is the app of the entry below which the request is made.
func wanted(c *Change) any {
	entry := c.Org.shelf(c.Kind.parent).objects[c.Object.Home]
	return doc.Doc{
		"entryId": entry.ID, "resourceId": entry.text("app"), "resourceType": "APPLICATION",
		"accessScopeId": entry.text("app"), "accessScopeType": "APPLICATION",
	}
}

func showRequest(v *View) {
	delete(v.Body, "messages")
	if v.Verb == create {
		v.Body["status"] = "SUBMITTED"
		delete(v.Body, "riskAssessment")
	}
	v.Body["_links"] = doc.Doc{
		"self":         governed(v.Self),
		"catalogEntry": governed(v.Org.base + "/governance/api/v2/my/catalogs/default/entries/" + v.Object.Home),
	}
}
