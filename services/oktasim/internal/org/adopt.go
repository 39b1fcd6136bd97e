package org

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// ErrUnadoptable says that the org has no place for things at a path.
var ErrUnadoptable = errors.New("nothing of this kind can be adopted")

// adopter takes over objects at paths of one form.
type adopter struct {
	pattern []string
	take    func(o *Org, ids []string, body doc.Doc) error
}

func adopters() []adopter {
	at := func(path string, take func(*Org, []string, doc.Doc) error) adopter {
		return adopter{strings.Split(path, "/"), take}
	}
	return []adopter{
		at(".well-known/okta-organization", adoptOrganization),
		at("api/v1/org", adoptOrg),
		at("api/v1/org/signing-keys/*", adoptSigningKey),
		at("api/v1/api-tokens/*", adoptToken),
		at("api/v1/features/*", adoptFeature),
		at("api/v1/authorizationServers/*/clients/*/tokens/*", adoptServerToken),
		at("api/v1/meta/types/user/*", adoptUserType),
		at("api/v1/meta/schemas/user/*", adoptUserSchema),
		at("api/v1/meta/schemas/group/*", adoptGroupSchema),
		at("api/v1/groups/rules/*", adoptGroupRule),
		at("api/v1/groups/*", adoptGroup),
		at("api/v1/users/*", adoptUser),
		at("api/v1/groups/*/users/*", adoptMembership),
		at("api/v1/users/*/risk", adoptRisk),
		at("api/v1/catalog/apps/*", adoptCatalogApp),
		at("api/v1/roles/*/subscriptions/*", adoptSubscription),
		at("api/v1/users/*/roles/*", adoptRole),
		at("api/v1/groups/*/owners/*", adoptOwner),
		at("api/v1/groups/*/roles/*", adoptRole),
		at("api/v1/apps/*", adoptApp),
		at("api/v1/apps/*/users/*", adoptAppUser),
		at("api/v1/apps/*/groups/*", adoptAppGroup),
		at("api/v1/apps/*/credentials/secrets/*", adoptAppSecret),
		at("api/v1/apps/*/credentials/keys/*", adoptAppKey),
		at("api/v1/apps/*/connections/default", adoptConnection),
		at("api/v1/apps/*/features/*", adoptAppFeature),
		at("api/v1/apps/*/tokens/*", adoptAppToken),
		at("api/v1/apps/*/grants/*", adoptGrant),
		at("api/v1/internal/apps/*/settings/oauth/idToken", adoptIDToken),
		at("api/v1/meta/schemas/apps/*/default", adoptAppSchema),
		at("api/v1/mappings/*", adoptMapping),
		at("api/v1/iam/roles/*/permissions/*", adoptPermission),
		at("api/v1/iam/resource-sets/*/resources/*", adoptResource),
		at("api/v1/iam/resource-sets/*/bindings/*", adoptBinding),
		at("api/v1/iam/resource-sets/*/bindings/*/members/*", adoptBindingMember),
		at("oauth2/v1/clients/*", adoptClient),
		at("oauth2/v1/clients/*/roles/*", adoptRole),
		at("api/v1/policies/*", adoptPolicy),
		at("api/v1/policies/*/rules/*", adoptPolicyRule),
		at("governance/api/v2/resources/*", adoptGoverned),
		at("governance/api/v2/catalogs/default/entries/*", adoptEntry),
		at("governance/api/v2/my/catalogs/default/entries/*", adoptEntry),
		at("governance/api/v2/my/catalogs/default/entries/*/request-fields/*", adoptEntryField),
		at("governance/api/v2/my/catalogs/default/entries/*/users/*/request-fields/*", adoptEntryField),
	}
}

// Adopt puts an object into the org as Okta answered it: with its id, stamps and
// status, and without a trace in the log. Path is the object's own
// (/api/v1/groups/00g…). An object that every org has by itself is found by its nature
// and gets the id and the body. A body of nothing but the id makes the least object of
// its kind. The error is ErrUnadoptable for kinds of which the org knows nothing.
func (o *Org) Adopt(path string, body doc.Doc) error {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for _, a := range adopters() {
		if ids, ok := pathIDs(a.pattern, parts); ok {
			err := a.take(o, ids, doc.Clone(body))
			if err == nil {
				o.seedAnchorAt(path)
			}
			return err
		}
	}
	if k, values := o.kinds.at(path); k != nil {
		return o.adoptKind(k, values, body)
	}
	return ErrUnadoptable
}

// pathIDs returns the parts that stand where the pattern has *.
func pathIDs(pattern, parts []string) ([]string, bool) {
	if len(pattern) != len(parts) {
		return nil, false
	}
	var ids []string
	for i, p := range pattern {
		if p == "*" {
			ids = append(ids, parts[i])
		} else if p != parts[i] {
			return nil, false
		}
	}
	return ids, true
}

// stampIn reads a stamp of a body; otherwise is for bodies without it.
func stampIn(body doc.Doc, field string, otherwise Stamp) Stamp {
	text, given := body[field].(string)
	if !given {
		if v, there := body[field]; there && v == nil {
			return 0
		}
		return otherwise
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return otherwise
	}
	return Stamp(t.UnixMilli())
}

// rename gives what every org has by itself the id that it has elsewhere, wherever
// the old one stands.
func (o *Org) rename(from, to string) {
	swap := func(d doc.Doc) { renameIn(d, from, to) }
	o.eachPolicyDoc(swap)
	for _, r := range o.rules {
		swap(r.Conditions)
		swap(r.Actions)
	}
	for _, a := range o.apps {
		swap(a.Body)
		a.AccessPolicy = renamed(a.AccessPolicy, from, to)
		a.ProfileEnrollment = renamed(a.ProfileEnrollment, from, to)
	}
	o.renameInKinds(from, to)
}

func renamed(id, from, to string) string {
	if id == from {
		return to
	}
	return id
}

func renameIn(v any, from, to string) any {
	switch v := v.(type) {
	case doc.Doc:
		for k, e := range v {
			v[k] = renameIn(e, from, to)
		}
	case []any:
		for i, e := range v {
			v[i] = renameIn(e, from, to)
		}
	case string:
		return renamed(v, from, to)
	}
	return v
}

func adoptOrg(o *Org, ids []string, body doc.Doc) error {
	o.info.ID = cmp.Or(doc.String(body, "id"), o.info.ID)
	o.info.Subdomain = cmp.Or(doc.String(body, "subdomain"), o.info.Subdomain)
	o.info.Company = cmp.Or(doc.String(body, "companyName"), o.info.Company)
	o.info.Created = stampIn(body, "created", o.info.Created)
	return o.adoptKind(o.kinds.named("org_settings"), ids, body)
}

// adoptOrganization takes over what the org says of itself to everybody; its engine is
// what the org was made with.
func adoptOrganization(o *Org, _ []string, body doc.Doc) error {
	o.info.ID = cmp.Or(doc.String(body, "id"), o.info.ID)
	o.info.Cell = cmp.Or(doc.String(body, "cell"), o.info.Cell)
	if settings := doc.Object(body, "settings"); settings != nil {
		o.info.Traits = settings
	}
	return nil
}

func lastPart(href string) string { return href[strings.LastIndex(href, "/")+1:] }
