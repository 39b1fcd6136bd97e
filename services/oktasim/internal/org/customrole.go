package org

import (
	"regexp"
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// customRoleKinds are the admin roles that an org makes for itself.
func customRoleKinds() []Kind {
	return []Kind{{
		Name: "custom_roles", Path: "/api/v1/iam/roles/{roleIdOrLabel}", Prefix: "cr0", Alias: []string{"label"}, Class: "CustomRole",
		Scope: "okta.roles", Area: AreaRoles,
		Verbs: crud(200), SelfHeader: true,
		Page:    Page{Default: 100, Max: 100, Envelope: "roles", BodyLinks: true},
		Stamps:  dated,
		Natural: []string{"label"},
		Fields: []Field{
			{Path: "label", Required: true, Unique: InOrg, Max: 255},
			{Path: "description", Required: true, Max: 1024},
			{Path: "isCloneable", Type: Bool, Mode: ReadOnly, Default: false, Feature: "cloneable_roles"},
			// A permission has a page of its own; the role does not show it.
			{Path: "permissions", Type: List, Mode: WriteOnly, Example: []any{"okta.users.read"}},
		},
		Links: []Link{{Name: "self"}, {Name: "permissions", To: "permissions"}}, LinkStyle: Bare,
		Events: present("iam.role"),
		Check:  checkCustomRole, Fill: fillCustomRole,
	}}
}

// checkCustomRole wants permissions at creation, and keeps roles that are in use.
func checkCustomRole(c *Change) error {
	switch c.Verb {
	case create:
		labels := doc.Strings(c.Given, "permissions")
		if len(labels) == 0 {
			return failure.Missing("permissions")
		}
		for _, label := range labels {
			if err := knownPermission(label); err != nil {
				return err
			}
		}
	case remove:
		if c.Org.isBound(c.Object.ID) {
			return failure.Invalid("roleId", "The role is assigned in a resource set and cannot be deleted")
		}
	}
	return nil
}

// permissionForm is what permissions look like; Okta adds new ones with every feature.
var permissionForm = regexp.MustCompile(`^okta(\.[A-Za-z]+){2,}$`)

func knownPermission(label string) error {
	if !permissionForm.MatchString(label) {
		return failure.Invalid("permissions", "permissions: '"+label+"' is not a valid permission")
	}
	return nil
}

// fillCustomRole keeps permissions as objects; a PUT does not change them.
func fillCustomRole(c *Change) error {
	if c.Before != nil {
		c.Body["permissions"] = doc.Clone(c.Before["permissions"])
		return nil
	}
	list := []any{}
	for _, label := range doc.Strings(c.Body, "permissions") {
		list = append(list, newPermission(label, nil, c.Org.stamp()))
	}
	c.Body["permissions"] = list
	return nil
}

func newPermission(label string, conditions any, now Stamp) doc.Doc {
	return doc.Doc{"label": label, "conditions": conditions, "created": now.String(), "lastUpdated": now.String()}
}

// permissions are objects, but for those of a role of which only the id was adopted: they are
// as a request has them.
func (x *Object) permissions() []any {
	list, _ := x.Body["permissions"].([]any)
	for i, v := range list {
		if label, bare := v.(string); bare {
			list[i] = newPermission(label, nil, x.Created)
		}
	}
	return list
}

// CustomRole finds a role by id or label.
func (o *Org) CustomRole(idOrLabel string) (*Object, error) {
	return o.FindObject(o.kinds.named("custom_roles"), []string{idOrLabel})
}

// Permissions are a role's permissions as answers show them.
func (o *Org) Permissions(role *Object) []any {
	out := []any{}
	for _, v := range role.permissions() {
		out = append(out, o.permissionBody(role, v.(doc.Doc)))
	}
	return out
}

func (o *Org) permissionBody(role *Object, p doc.Doc) doc.Doc {
	self := o.base + "/api/v1/iam/roles/" + role.ID
	body := doc.Clone(p)
	body["_links"] = doc.Doc{
		"role": doc.Doc{"href": self}, "self": doc.Doc{"href": self + "/permissions/" + doc.String(p, "label")},
	}
	return body
}

// Permission finds one of a role's permissions.
func (o *Org) Permission(role *Object, label string) (doc.Doc, error) {
	for _, v := range role.permissions() {
		if p := v.(doc.Doc); doc.String(p, "label") == label {
			return o.permissionBody(role, p), nil
		}
	}
	return nil, failure.NotFound(label, "Permission")
}

// SetPermission adds a permission to a role, or gives it other conditions.
func (o *Org) SetPermission(by *Cause, role *Object, label string, body doc.Doc) error {
	if err := knownPermission(label); err != nil {
		return err
	}
	now := o.stamp()
	next := newPermission(label, doc.Clone(body["conditions"]), now)
	list := []any{}
	for _, v := range role.permissions() {
		if p := v.(doc.Doc); doc.String(p, "label") != label {
			list = append(list, p)
		} else {
			next["created"] = p["created"]
		}
	}
	role.Body["permissions"] = append(list, next)
	o.noteRole(by, role, "iam.role.permissions.add")
	return nil
}

// RemovePermission takes a permission from a role.
func (o *Org) RemovePermission(by *Cause, role *Object, label string) error {
	if _, err := o.Permission(role, label); err != nil {
		return err
	}
	list := []any{}
	for _, v := range role.permissions() {
		if p := v.(doc.Doc); doc.String(p, "label") != label {
			list = append(list, p)
		}
	}
	role.Body["permissions"] = list
	o.noteRole(by, role, "iam.role.permissions.delete")
	return nil
}

// adoptPermission gives a role a permission as Okta answered it.
func adoptPermission(o *Org, ids []string, body doc.Doc) error {
	role, err := o.CustomRole(ids[0])
	if err != nil {
		return err
	}
	next := newPermission(ids[1], doc.Clone(body["conditions"]), stampIn(body, "created", role.Created))
	next["lastUpdated"] = stampIn(body, "lastUpdated", role.Created).String()
	list := slices.DeleteFunc(slices.Clone(role.permissions()), func(v any) bool { return doc.String(v.(doc.Doc), "label") == ids[1] })
	role.Body["permissions"] = append(list, next)
	return nil
}

func (o *Org) noteRole(by *Cause, role *Object, event string) {
	o.Note(by, event, nil, o.kinds.named("custom_roles").party(role))
}
