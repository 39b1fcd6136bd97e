package org

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// resourceSetKinds are the sets of resources for which custom roles hold. What is in a
// set, and who has which role for it, stands in the set and has pages of its own.
func resourceSetKinds() []Kind {
	return []Kind{{
		Name: "resource_sets", Path: "/api/v1/iam/resource-sets/{resourceSetIdOrLabel}", Prefix: "iam", Alias: []string{"label"},
		Class: "IAMPolicy", Target: "ResourceSet", Scope: "okta.roles", Area: AreaRoles,
		Verbs: crud(200), SelfHeader: true,
		Page:    Page{Default: 100, Max: 100, Envelope: "resource-sets", BodyLinks: true, Order: "created"},
		Stamps:  dated,
		Natural: []string{"label"},
		Fields: []Field{
			{Path: "label", Required: true, Unique: InOrg, Max: 255},
			{Path: "description", Required: true, Max: 1024},
			{Path: "resources", Type: List, Mode: WriteOnly, Max: 1000, Example: []any{"/api/v1/users"}},
			{Path: "bindings", Type: List, Mode: WriteOnly},
		},
		Links:     []Link{{Name: "self"}, {Name: "resources", To: "resources"}, {Name: "bindings", To: "bindings"}},
		LinkStyle: Bare,
		Events:    present("iam.resourceset"),
		Seeds: []Seed{{ID: workflowsSet, Body: doc.Doc{
			"label": "Workflows Resource Set", "description": "A resource set managed by Workflows Administrator",
		}}},
		Check: func(c *Change) error {
			if c.Object.ID == workflowsSet && !c.Adopting {
				return failure.Forbidden("The resource set is managed by Okta")
			}
			return nil
		},
		Fill: fillResourceSet,
		Show: func(v *View) {
			// Okta's own set has no times (recorded).
			if v.Object.ID == workflowsSet {
				delete(v.Body, "created")
				delete(v.Body, "lastUpdated")
			}
		},
	}}
}

// workflowsSet is a set of Okta's own.
const workflowsSet = "WORKFLOWS_IAM_POLICY"

// fillResourceSet keeps resources as objects. A PUT changes neither them nor bindings, but
// the times of the resources (recorded).
func fillResourceSet(c *Change) error {
	if c.Before != nil {
		c.Body["resources"], c.Body["bindings"] = doc.Clone(c.Before["resources"]), doc.Clone(c.Before["bindings"])
		for _, r := range parts(c.Body, "resources") {
			r["lastUpdated"] = c.Org.stamp().String()
		}
		return nil
	}
	names := doc.Strings(c.Body, "resources")
	c.Body["resources"], c.Body["bindings"] = []any{}, []any{}
	for _, name := range names {
		if err := c.Org.includeResource(c.Body, name, nil); err != nil {
			return err
		}
	}
	return nil
}

// ResourceSet finds a set by id or label.
func (o *Org) ResourceSet(idOrLabel string) (*Object, error) {
	return o.FindObject(o.kinds.named("resource_sets"), []string{idOrLabel})
}

// includeResource puts a resource, by URL or by resource name, into a set's body.
func (o *Org) includeResource(set doc.Doc, name string, conditions doc.Doc) error {
	path, orn, err := o.resource(name)
	if err != nil {
		return err
	}
	list := parts(set, "resources")
	if slices.ContainsFunc(list, func(r doc.Doc) bool { return doc.String(r, "orn") == orn }) {
		return nil
	}
	now := o.stamp().String()
	r := doc.Doc{"id": o.ids.ID("ire"), "path": path, "orn": orn, "created": now, "lastUpdated": now}
	if conditions != nil {
		r["conditions"] = conditions
	}
	setParts(set, "resources", append(list, r))
	return nil
}

// parts are the objects of a list in a body.
func parts(body doc.Doc, field string) []doc.Doc {
	var out []doc.Doc
	for _, v := range values(body[field]) {
		if p, ok := v.(doc.Doc); ok {
			out = append(out, p)
		}
	}
	return out
}

func setParts(body doc.Doc, field string, list []doc.Doc) {
	out := []any{}
	for _, p := range list {
		out = append(out, p)
	}
	body[field] = out
}

// resourceRealms are the parts of Okta by which a resource name begins, by the first part
// of the path (users, groups and apps are recorded, the others documented).
var resourceRealms = map[string]string{
	"users": "directory", "groups": "directory", "devices": "directory", "realms": "directory",
	"apps": "idp", "idps": "idp", "policies": "idp", "authorizationServers": "idp", "brands": "idp", "customizations": "idp",
}

// resource reads a URL, or a resource name: the path of what is meant and its name.
func (o *Org) resource(name string) (path, orn string, err error) {
	if strings.HasPrefix(name, "orn:") {
		return o.resourcePath(name), name, nil
	}
	u, err := url.Parse(name)
	if err != nil || !strings.HasPrefix(u.Path, "/api/v1/") {
		return "", "", failure.Invalid("resources", "resources: '"+name+"' is not a valid resource")
	}
	parts := segments(strings.TrimPrefix(u.Path, "/api/v1"))
	realm := resourceRealms[parts[0]]
	if realm == "" {
		return "", "", failure.Invalid("resources", "resources: '"+name+"' is not a valid resource")
	}
	kind := strings.ReplaceAll(parts[0], "authorizationServers", "authorization_servers")
	orn = "orn:okta:" + realm + ":" + o.info.ID + ":" + kind
	if name := appType.FindStringSubmatch(u.Query().Get("filter")); parts[0] == "apps" && len(parts) == 1 && name != nil {
		return u.Path + "?" + u.RawQuery, orn + ":" + name[1], nil
	}
	tail, err := o.resourceTail(parts)
	return u.Path, orn + tail, err
}

// appType is how a URL names all apps of a type (documented).
var appType = regexp.MustCompile(`^name eq "([^"]+)"$`)

// resourceTail names the one thing that is meant, if the path goes beyond the collection.
func (o *Org) resourceTail(parts []string) (string, error) {
	if len(parts) < 2 {
		return "", nil
	}
	id := parts[1]
	switch parts[0] {
	case "apps":
		a, err := o.App(id)
		if err != nil {
			return "", err
		}
		return ":" + a.Name + ":" + id, nil
	case "users", "groups":
		if err := o.exists(strings.TrimSuffix(parts[0], "s"), id); err != nil {
			return "", err
		}
	}
	if len(parts) > 2 {
		return ":" + id + ":contained_resources", nil
	}
	return ":" + id, nil
}

// resourcePath is the path of what a resource name names: its kind and its last part.
func (o *Org) resourcePath(orn string) string {
	parts := strings.Split(orn, ":")
	if len(parts) < 5 {
		return ""
	}
	path := "/api/v1/" + strings.ReplaceAll(parts[4], "authorization_servers", "authorizationServers")
	if len(parts) > 5 {
		path += "/" + parts[len(parts)-1]
	}
	return path
}

// Resources are the resources of a set as answers show them.
func (o *Org) Resources(set *Object) []any {
	out := []any{}
	for _, r := range parts(set.Body, "resources") {
		out = append(out, o.resourceBody(set, r))
	}
	return out
}

// resourceLinks is the feature by which a resource links to its own page.
const resourceLinks = "resource_set_resources"

func (o *Org) resourceBody(set *Object, r doc.Doc) doc.Doc {
	path := doc.String(r, "path")
	links := doc.Doc{"self": doc.Doc{"href": o.base + path}}
	if o.Licensed(resourceLinks) {
		links["resource"] = doc.Doc{"href": o.base + "/api/v1/iam/resource-sets/" + set.ID + "/resources/" + doc.String(r, "id")}
	}
	// Whole collections of people link to themselves by name, too (recorded); who is in a
	// group does not (published example).
	if path == "/api/v1/users" || path == "/api/v1/groups" {
		links[lastPart(path)] = doc.Doc{"href": o.base + path}
	}
	body := doc.Clone(r)
	delete(body, "path")
	body["_links"] = links
	return body
}

// ResourceListLinks are the links of a set's list of resources.
func (o *Org) ResourceListLinks(set *Object) doc.Doc {
	self := o.base + "/api/v1/iam/resource-sets/" + set.ID
	links := doc.Doc{"resource-set": doc.Doc{"href": self}}
	if o.Licensed(resourceLinks) {
		links["self"] = doc.Doc{"href": self + "/resources"}
	}
	return links
}

// SetResource finds one resource of a set.
func (o *Org) SetResource(set *Object, id string) (doc.Doc, error) {
	for _, r := range parts(set.Body, "resources") {
		if doc.String(r, "id") == id {
			return o.resourceBody(set, r), nil
		}
	}
	return nil, failure.NotFound(id, "IAMResource")
}

// AddResources puts resources into a set; the time of its update stays (recorded).
func (o *Org) AddResources(by *Cause, set *Object, names []string) error {
	if len(names) == 0 {
		return failure.Missing("additions")
	}
	next := doc.Clone(set.Body)
	for _, name := range names {
		if err := o.includeResource(next, name, nil); err != nil {
			return err
		}
	}
	set.Body = next
	o.noteSet(by, set, "iam.resourceset.resources.add")
	return nil
}

// AddResource puts one resource with conditions into a set.
func (o *Org) AddResource(by *Cause, set *Object, body doc.Doc) (doc.Doc, error) {
	name := doc.String(body, "resourceOrnOrUrl")
	if name == "" {
		return nil, failure.Missing("resourceOrnOrUrl")
	}
	if err := o.includeResource(set.Body, name, doc.Clone(doc.Object(body, "conditions"))); err != nil {
		return nil, err
	}
	o.noteSet(by, set, "iam.resourceset.resources.add")
	list := parts(set.Body, "resources")
	return o.resourceBody(set, list[len(list)-1]), nil
}

// ChangeResource gives a resource of a set other conditions.
func (o *Org) ChangeResource(by *Cause, set *Object, id string, body doc.Doc) (doc.Doc, error) {
	for _, r := range parts(set.Body, "resources") {
		if doc.String(r, "id") != id {
			continue
		}
		r["conditions"], r["lastUpdated"] = doc.Clone(body["conditions"]), o.stamp().String()
		o.noteSet(by, set, "iam.resourceset.resources.update")
	}
	return o.SetResource(set, id)
}

// RemoveResource takes a resource out of a set.
func (o *Org) RemoveResource(by *Cause, set *Object, id string) error {
	if _, err := o.SetResource(set, id); err != nil {
		return err
	}
	setParts(set.Body, "resources", slices.DeleteFunc(parts(set.Body, "resources"), func(r doc.Doc) bool { return doc.String(r, "id") == id }))
	o.noteSet(by, set, "iam.resourceset.resources.delete")
	return nil
}

// dropResource takes what is no more out of every set.
func (o *Org) dropResource(id string) {
	gone := func(r doc.Doc) bool { return slices.Contains(strings.Split(doc.String(r, "orn"), ":"), id) }
	for _, set := range o.below("resource_sets", "") {
		if list := parts(set.Body, "resources"); slices.ContainsFunc(list, gone) {
			setParts(set.Body, "resources", slices.DeleteFunc(list, gone))
		}
	}
}

func (o *Org) noteSet(by *Cause, set *Object, event string) {
	o.Note(by, event, nil, o.kinds.named("resource_sets").party(set))
}
