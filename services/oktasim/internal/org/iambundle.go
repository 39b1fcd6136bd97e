package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// bundleKinds are admin roles as governance sees them: whether it governs them at all, and
// the bundles in which they are granted (documented).
func bundleKinds() []Kind { return []Kind{adminOptIn(), adminBundles()} }

// BundlesPath is where the bundles of admin roles lie.
const (
	BundlesPath = "/api/v1/iam/governance/bundles"
	optInPath   = "/api/v1/iam/governance/optIn"
)

// adminOptIn is whether entitlement management governs the Admin Console. A change takes a
// moment: its answer says that it is under way.
func adminOptIn() Kind {
	return Kind{
		Name: "admin_opt_in", Path: optInPath, Class: "OptInStatus",
		Scope: "okta.roles", Area: AreaRoles, Feature: governance,
		Verbs: Verbs{Get: true}, Seeds: []Seed{{}},
		Fields: []Field{{Path: "optInStatus", Mode: ReadOnly, Default: "OPTED_OUT"}},
		Show: func(v *View) {
			v.Body["_links"] = doc.Doc{"optInStatus": Bare.write("optInStatus", v.Self, nil)}
		},
	}
}

// Govern lets entitlement management govern the Admin Console, or no longer.
func (o *Org) Govern(by *Cause, on bool) doc.Doc {
	k := o.kinds.named("admin_opt_in")
	x := o.singleton(k.Name)
	status, event, passing := "OPTED_OUT", "resource.governance_engine.disable", "OPTING_OUT"
	if on {
		status, event, passing = "OPTED_IN", "resource.governance_engine.enable", "OPTING_IN"
	}
	body := o.Show(k, x, View{}, 0)
	if x.text("optInStatus") != status {
		x.Body["optInStatus"] = status
		o.Note(by, event, nil, Party{ID: o.info.ID, Type: "AppInstance", AlternateID: "Okta Admin Console", DisplayName: "Okta Admin Console"})
		body["optInStatus"] = passing
	}
	return body
}

// adminBundles are sets of admin roles, with what limits them, that are granted together.
func adminBundles() Kind {
	return Kind{
		Name: "admin_bundles", Path: BundlesPath + "/{bundleId}", Prefix: "enb", Class: "GovernanceBundle",
		Scope: "okta.roles", Area: AreaRoles, Feature: governance,
		Verbs: crud(200), Page: Page{Default: 20, Max: 200, Envelope: "bundles", BodyLinks: true},
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "description", Max: 1000},
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "entitlements", Type: List, Required: true, Mode: WriteOnly, Example: []any{doc.Doc{"role": "HELP_DESK_ADMIN"}}},
			{Path: "entitlements[].role", Required: true},
			{Path: "entitlements[].targets", Type: List, Default: []any{}},
			{Path: "entitlements[].resourceSets", Type: List, Default: []any{}},
		},
		Links: []Link{{Name: "self"}, {Name: "entitlements", To: "entitlements"}}, LinkStyle: Bare,
		Events: map[string]string{
			create: "resource.entitlement_bundle.create", replace: "resource.entitlement_bundle.update", remove: "resource.entitlement_bundle.delete",
		},
		Check: checkAdminBundle, Fill: fillAdminBundle, After: endGrants,
		Show: func(v *View) { v.Body["orn"] = v.Org.bundleResource(v.Object.ID) },
	}
}

// bundleResource is Okta's name for an entitlement bundle (documented).
func (o *Org) bundleResource(id string) string {
	return "orn:okta:governance:" + o.info.ID + ":entitlement-bundles:" + id
}

// checkAdminBundle wants roles that there are, limited by what can limit them.
func checkAdminBundle(c *Change) error {
	if c.Verb == remove {
		return nil
	}
	for _, e := range parts(c.Body, "entitlements") {
		if err := c.Org.grantable(e); err != nil {
			return err
		}
	}
	return nil
}

func (o *Org) grantable(entitlement doc.Doc) error {
	role := doc.String(entitlement, "role")
	if roleLabels[role] == "" {
		if _, err := o.CustomRole(role); err != nil {
			return err
		}
		if len(doc.Strings(entitlement, "resourceSets")) == 0 {
			return failure.Missing("entitlements.resourceSets")
		}
	}
	for _, id := range doc.Strings(entitlement, "targets") {
		t, err := o.roleTarget(id)
		if err != nil {
			return err
		}
		if err := o.targetable(&RoleAssignment{Type: role}, t); err != nil {
			return err
		}
	}
	for _, id := range doc.Strings(entitlement, "resourceSets") {
		if _, err := o.ResourceSet(id); err != nil {
			return err
		}
	}
	return nil
}

// roleTarget is the group or the app with the id, as what limits a role.
func (o *Org) roleTarget(id string) (RoleTarget, error) {
	if g, err := o.Group(id); err == nil {
		return RoleTarget{Group: g.ID}, nil
	}
	a, err := o.App(id)
	if err != nil {
		return RoleTarget{}, err
	}
	return RoleTarget{Name: a.Name, App: a.ID}, nil
}

// fillAdminBundle gives each role its id in the bundle.
func fillAdminBundle(c *Change) error {
	for _, e := range parts(c.Body, "entitlements") {
		doc.Default(e, "id", c.Org.ids.ID("ent"))
	}
	return nil
}

// BundleEntitlements are the roles of a bundle. The id of each tells its page of values.
func (o *Org) BundleEntitlements(bundle *Object) []doc.Doc {
	self := o.Href(o.kinds.named("admin_bundles"), bundle) + "/entitlements/"
	var out []doc.Doc
	for _, e := range parts(bundle.Body, "entitlements") {
		role := doc.String(e, "role")
		body := doc.Doc{"id": e["id"], "role": role, "name": o.roleLabel(role), "description": o.roleLabel(role)}
		if x, err := o.CustomRole(role); err == nil {
			body["role"], body["name"], body["description"] = x.ID, x.text("label"), x.text("description")
		}
		body["_links"] = doc.Doc{"values": doc.Doc{"href": self + doc.String(e, "id") + "/values"}}
		out = append(out, body)
	}
	return out
}

// BundleValues are what limits one role of a bundle.
func (o *Org) BundleValues(bundle *Object, entitlement string) ([]doc.Doc, error) {
	all := parts(bundle.Body, "entitlements")
	i := slices.IndexFunc(all, func(e doc.Doc) bool { return e["id"] == any(entitlement) })
	if i < 0 {
		return nil, failure.NotFound(entitlement, "BundleEntitlement")
	}
	var out []doc.Doc
	for _, limit := range o.limits(all[i]) {
		out = append(out, doc.Doc{
			"id": limit.id, "name": limit.label, "value": limit.orn, "_links": doc.Doc{limit.sort: doc.Doc{"href": limit.href}},
		})
	}
	return out, nil
}

// limit is something that limits a role: a group, an app or a resource set.
type limit struct{ id, sort, label, orn, href string }

// limits are what limits a role of a bundle, as far as it is still there.
func (o *Org) limits(entitlement doc.Doc) []limit {
	var out []limit
	for _, id := range doc.Strings(entitlement, "targets") {
		if t, err := o.roleTarget(id); err == nil {
			out = append(out, o.limitBy(t))
		}
	}
	for _, id := range doc.Strings(entitlement, "resourceSets") {
		if set, err := o.ResourceSet(id); err == nil {
			out = append(out, limit{
				set.ID, "resource-set", set.text("label"), "orn:okta:iam:" + o.info.ID + ":resource-sets:" + set.ID, o.setURL(set),
			})
		}
	}
	return out
}

func (o *Org) limitBy(t RoleTarget) limit {
	if t.Group != "" {
		return limit{t.Group, "group", o.groups[t.Group].Name(), o.groupResource(t.Group), o.base + "/api/v1/groups/" + t.Group}
	}
	if t.App == "" {
		return limit{t.Name, "app", t.Name, "orn:okta:idp:" + o.info.ID + ":apps:" + t.Name, o.base + "/api/v1/catalog/apps/" + t.Name}
	}
	return limit{t.App, "app", o.apps[t.App].Label, o.appResource(t.App), o.base + "/api/v1/apps/" + t.App}
}

// groupResource is Okta's name for a group (documented).
func (o *Org) groupResource(id string) string {
	return "orn:okta:directory:" + o.info.ID + ":groups:" + id
}

// grantRole gives a person one role of a bundle within its limits. One that the person has
// already, or may not have, stays as it is.
func (o *Org) grantRole(by *Cause, user string, entitlement doc.Doc) {
	role := doc.String(entitlement, "role")
	for _, set := range doc.Strings(entitlement, "resourceSets") {
		if _, err := o.AssignCustomRole(by, user, doc.Doc{"role": role, "resource-set": set}); err != nil {
			o.NoteFailure(by, "user.account.privilege.grant", err.Error())
		}
	}
	if roleLabels[role] == "" {
		return
	}
	r, err := o.AssignRole(by, user, role)
	for _, id := range doc.Strings(entitlement, "targets") {
		if t, missing := o.roleTarget(id); err == nil && missing == nil {
			err = o.AddRoleTarget(by, user, r, t)
		}
	}
	if err != nil {
		o.NoteFailure(by, "user.account.privilege.grant", err.Error())
	}
}
