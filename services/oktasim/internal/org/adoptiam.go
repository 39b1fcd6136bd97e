package org

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// adoptedSet is the set of a recorded path, which comes into being with what is in it.
func (o *Org) adoptedSet(id string) (*Object, error) {
	k := o.kinds.named("resource_sets")
	if set := o.object(k, id); set != nil {
		return set, nil
	}
	if err := o.adoptKind(k, []string{id}, nil); err != nil {
		return nil, err
	}
	return o.object(k, id), nil
}

// adoptResource takes over what is in a set, by its name or by what it links to. The thing
// itself need not be known.
func adoptResource(o *Org, ids []string, body doc.Doc) error {
	set, err := o.adoptedSet(ids[0])
	if err != nil {
		return err
	}
	orn := doc.String(body, "orn")
	path := o.resourcePath(orn)
	if link, err := url.Parse(doc.String(body, "_links", "self", "href")); err == nil && link.Path != "" {
		path = link.RequestURI()
	}
	if path == "" {
		return ErrUnadoptable
	}
	now := o.info.Created
	r := doc.Doc{
		"id": ids[1], "path": path, "orn": cmp.Or(orn, path),
		"created": stampIn(body, "created", now).String(), "lastUpdated": stampIn(body, "lastUpdated", now).String(),
	}
	if conditions, there := body["conditions"]; there {
		r["conditions"] = conditions
	}
	list := slices.DeleteFunc(parts(set.Body, "resources"), func(x doc.Doc) bool { return x["id"] == any(ids[1]) })
	setParts(set.Body, "resources", append(list, r))
	return nil
}

// adoptBinding makes the binding of a role, which comes into being with it, to a set.
func adoptBinding(o *Org, ids []string, _ doc.Doc) error {
	_, err := o.adoptedBinding(ids[0], ids[1])
	return err
}

func (o *Org) adoptedBinding(setID, role string) (Binding, error) {
	set, err := o.adoptedSet(setID)
	if err != nil {
		return Binding{}, err
	}
	if b, err := o.Binding(set, role); err == nil {
		return b, nil
	}
	if _, err := o.CustomRole(role); err != nil && roleLabels[role] == "" {
		if err := o.adoptKind(o.kinds.named("custom_roles"), []string{role}, nil); err != nil {
			return Binding{}, err
		}
	}
	b := Binding{set, role, doc.Doc{"role": role, "members": []any{}}}
	setParts(set.Body, "bindings", append(parts(set.Body, "bindings"), b.body))
	return b, nil
}

// adoptBindingMember takes over who has the role of a binding: whom the member links to.
func adoptBindingMember(o *Org, ids []string, body doc.Doc) error {
	link, err := url.Parse(doc.String(body, "_links", "self", "href"))
	if err != nil || link.Path == "" {
		return ErrUnadoptable
	}
	b, err := o.adoptedBinding(ids[0], ids[1])
	if err != nil {
		return err
	}
	o.adoptBound(b, ids[2], link.Path, body)
	return nil
}

// adoptBound makes an assignee, by path, a member of a binding.
func (o *Org) adoptBound(b Binding, id, path string, body doc.Doc) {
	now := o.info.Created
	m := doc.Doc{
		"id": id, "path": path, "assignee": lastPart(path),
		"created": stampIn(body, "created", now).String(), "lastUpdated": stampIn(body, "lastUpdated", now).String(),
	}
	list := slices.DeleteFunc(parts(b.body, "members"), func(x doc.Doc) bool { return x["id"] == any(id) || x["assignee"] == m["assignee"] })
	setParts(b.body, "members", append(list, m))
}

// adoptRole takes over a standard role of a user, a group or a client; a custom one is a
// place in a binding.
func adoptRole(o *Org, ids []string, body doc.Doc) error {
	a, err := o.assignee(ids[0])
	if err != nil {
		return err
	}
	if set, role := doc.String(body, "resource-set"), doc.String(body, "role"); set != "" && role != "" {
		b, err := o.adoptedBinding(set, role)
		if err != nil {
			return err
		}
		o.adoptBound(b, ids[1], strings.TrimPrefix(a.href, o.base), body)
		return nil
	}
	r := &RoleAssignment{
		ID: ids[1], Type: doc.String(body, "type"), Created: stampIn(body, "created", 0), LastUpdated: stampIn(body, "lastUpdated", 0),
	}
	if roleLabels[r.Type] == "" {
		return ErrUnadoptable
	}
	o.roles[ids[0]] = append(slices.DeleteFunc(o.roles[ids[0]], func(x *RoleAssignment) bool { return x.ID == r.ID }), r)
	return nil
}

// adoptClient makes the app of an OAuth client, unless the app is there already.
func adoptClient(o *Org, ids []string, body doc.Doc) error {
	if o.Client(ids[0]) != nil {
		return nil
	}
	client := doc.Merge(doc.Doc{"client_name": ids[0], "application_type": "service", "grant_types": doc.Array("client_credentials")}, body)
	client["client_id"] = ids[0]
	app, err := ClientApp(client)
	if err != nil {
		return err
	}
	return adoptApp(o, ids, app)
}
