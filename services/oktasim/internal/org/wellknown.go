package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// wellKnownNames are the files that a brand serves at its domain's well-known addresses.
var wellKnownNames = []string{"apple-app-site-association", "assetlinks.json", "webauthn"}

// wellKnownKinds are those files (documented): what is served, and the part of it that is the
// org's own.
func wellKnownKinds() []Kind {
	var kinds []Kind
	for _, name := range wellKnownNames {
		kinds = append(kinds, Kind{
			Name: "well_known_" + name, Path: brandPath + "/well-known-uris/" + name, Class: "WellKnownURI",
			Scope: "okta.brands", Area: AreaCustomizations,
			Verbs: Verbs{Get: true},
			Links: []Link{self("GET"), {Name: "customized", To: "customized", Allow: "GET PUT"}},
			Seeds: []Seed{{}},
			Show:  showWellKnown,
		}, customWellKnown(name))
	}
	return kinds
}

// customWellKnown is what the org itself says in a file. Android's is a list, the others
// are objects (documented).
func customWellKnown(name string) Kind {
	content := Field{Path: "representation", Type: Map, Default: doc.Doc{}, Example: doc.Doc{"applinks": doc.Doc{}}}
	if name == "assetlinks.json" {
		content.Type, content.Default, content.Example = List, []any{}, []any{doc.Doc{"relation": doc.Array("delegate_permission/common.handle_all_urls")}}
	}
	return Kind{
		Name: "custom_well_known_" + name, Path: brandPath + "/well-known-uris/" + name + "/customized", Class: "WellKnownURI", Target: "WellKnownUri",
		Scope: "okta.brands", Area: AreaCustomizations,
		Verbs:  Verbs{Get: true, Replace: "PUT"},
		Fields: []Field{content},
		Links:  []Link{self("GET PUT")},
		Seeds:  []Seed{{}},
		Check:  checkWellKnown,
		Events: map[string]string{replace: "system.well_known_uri.update"},
	}
}

// checkWellKnown wants content, and leaves authsrv, which Okta Verify needs, to Okta (documented).
func checkWellKnown(c *Change) error {
	if c.Verb != replace {
		return nil
	}
	if c.Given["representation"] == nil {
		return failure.Missing("representation")
	}
	if doc.Get(c.Given, "representation", "authsrv") != nil {
		return failure.Invalid("representation", "representation: The authsrv object cannot be changed")
	}
	return nil
}

// showWellKnown shows what is served, and on demand the org's own part of it.
func showWellKnown(v *View) {
	name := v.Kind.fixedID()
	brand := v.Org.parentOf(v.Kind, v.Object)
	v.Body["representation"] = v.Org.served(brand, name)
	if slices.Contains(listed(v.Query["expand"]), "customized") {
		v.Body["_embedded"] = doc.Doc{"customized": v.Org.ownWellKnown(brand, name)}
	}
}

// ownWellKnown is the answer for the org's own part of a file.
func (o *Org) ownWellKnown(brand *Object, name string) doc.Doc {
	k := o.kinds.named("custom_well_known_" + name)
	for _, x := range o.objectsIn(k, within(brand.place(), name)) {
		return o.Show(k, x, View{}, 0)
	}
	return doc.Doc{}
}

// served is the content of a file of a brand. Okta adds what Okta Verify needs to Apple's
// (documented; which app stands there is an assumption).
func (o *Org) served(brand *Object, name string) any {
	content := o.ownWellKnown(brand, name)["representation"]
	if apple, ok := content.(doc.Doc); ok && name == "apple-app-site-association" {
		apple["authsrv"] = doc.Doc{"apps": doc.Array("B7F62B65BN.com.okta.mobile", "B7F62B65BN.com.okta.mobile.auth-service-extension")}
	}
	return content
}

// WellKnown is what the brand of a host serves under a name: the brand whose domain it is,
// else the default one.
func (o *Org) WellKnown(host, name string) any {
	brands := o.kinds.named("brands")
	var found *Object
	for _, x := range o.objectsIn(brands, "") {
		if doc.Bool(x.Body, "isDefault") {
			found = x
		}
	}
	for _, d := range o.below("domains", "") {
		if x := o.object(brands, d.text("brandId")); x != nil && d.text("domain") == host {
			found = x
		}
	}
	if found == nil {
		return doc.Doc{}
	}
	return o.served(found, name)
}

// wellKnownFiles leads to the files of a brand, and shows the org's own parts on demand.
func wellKnownFiles(c *Change) (any, error) {
	self := c.Org.Href(c.Kind, c.Object) + "/well-known-uris"
	links, embedded := doc.Doc{"self": Hints.write("self", self, []string{"GET"})}, doc.Doc{}
	asked := listed(c.Query["expand"])
	for _, name := range wellKnownNames {
		links[name] = Hints.write(name, self+"/"+name, []string{"GET"})
		if slices.Contains(asked, "all") || slices.Contains(asked, name) {
			embedded[name] = doc.Doc{"customized": c.Org.ownWellKnown(c.Object, name)}
		}
	}
	answer := doc.Doc{"_links": links}
	if len(embedded) > 0 {
		answer["_embedded"] = embedded
	}
	return answer, nil
}
