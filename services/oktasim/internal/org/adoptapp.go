package org

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

func adoptApp(o *Org, ids []string, body doc.Doc) error {
	now := o.info.Created
	a := o.apps[ids[0]]
	if a == nil {
		a = &App{ID: ids[0], ExternalKey: "exk" + ids[0][min(3, len(ids[0])):], Users: map[string]*AppUser{}}
	}
	a.Name, a.Label = doc.String(body, "name"), cmp.Or(doc.String(body, "label"), ids[0])
	a.Status, a.SignOnMode = cmp.Or(doc.String(body, "status"), Active), doc.String(body, "signOnMode")
	a.Created, a.LastUpdated = stampIn(body, "created", now), stampIn(body, "lastUpdated", now)
	a.Template = a.Name
	if ownNameForm.MatchString(a.Name) && !a.template().known() {
		a.Template = ""
	}
	a.SchemaName = a.Name
	a.Body = doc.Doc{}
	for _, f := range []string{"accessibility", "visibility", "features", "credentials", "settings", "profile", "licensing", "universalLogout"} {
		if v, there := body[f]; there {
			a.Body[f] = v
		}
	}
	if a.Body["universalLogout"] == nil {
		delete(a.Body, "universalLogout")
	}
	a.adoptLinks(body)
	o.adoptSigning(a)
	o.apps[a.ID] = a
	o.appOrder.add(a.ID)
	return nil
}

// ownNameForm is the form of the names of apps of an org's own.
var ownNameForm = regexp.MustCompile(`^.+_\d+$`)

// adoptLinks takes from an app's links what nothing else says.
func (a *App) adoptLinks(body doc.Doc) {
	a.AccessPolicy = lastPart(doc.String(body, "_links", "accessPolicy", "href"))
	a.ProfileEnrollment = lastPart(doc.String(body, "_links", "profileEnrollment", "href"))
	a.Help = lastPart(doc.String(body, "_links", "help", "href"))
	a.Doors, a.Logo, a.Proof = nil, catalogApp{logo: "default"}.picture(), ""
	list := func(name string) []any {
		l, _ := doc.Get(body, "_links", name).([]any)
		return l
	}
	for _, e := range list("appLinks") {
		if l, ok := e.(doc.Doc); ok {
			a.Doors = append(a.Doors, Door{doc.String(l, "name"), lastPart(doc.String(l, "href"))})
		}
	}
	for _, e := range list("logo") {
		if l, ok := e.(doc.Doc); ok {
			a.Logo = adoptedLogo(doc.String(l, "href"))
		}
	}
	for _, e := range list("clientCredentials") {
		if l, ok := e.(doc.Doc); ok {
			a.Proof = doc.String(l, "name")
		}
	}
}

// oktaLogo is the form of the names of Okta's own pictures.
var oktaLogo = regexp.MustCompile(`/assets/img/logos/([^/]+)\.[0-9a-f]{32}\.png$`)

// adoptedLogo is the path of a picture: one of Okta's own is found by its name.
func adoptedLogo(href string) string {
	if m := oktaLogo.FindStringSubmatch(href); m != nil {
		return catalogApp{logo: m[1]}.picture()
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(href, "https://"), "/")
	return "/" + path
}

// adoptSigning gives the app the key that it signs with. All apps but SAML ones have the
// org's key, so that is known then, too.
func (o *Org) adoptSigning(a *App) {
	kid := doc.String(a.Body, "credentials", "signing", "kid")
	if kid == "" || a.key(kid) != nil {
		return
	}
	if a.SignOnMode != SAML2 {
		o.signWith(kid)
	}
	a.Keys = append(a.Keys, &Key{
		Kid: kid, Created: a.Created, LastUpdated: a.Created, Expires: StampOf(a.Created.Time().AddDate(keyYears, 0, 0)),
	})
}

// signWith makes the key of the org another one.
func (o *Org) signWith(kid string) {
	was := o.info.SigningKid
	if was == kid {
		return
	}
	o.rename(was, kid)
	for _, a := range o.apps {
		for _, k := range a.Keys {
			k.Kid = renamed(k.Kid, was, kid)
		}
	}
	o.info.SigningKid = kid
}

// adoptSigningKey takes over the key with which the org signs.
func adoptSigningKey(o *Org, ids []string, body doc.Doc) error {
	o.signWith(ids[0])
	o.info.SigningKey = body
	return nil
}

// appFor finds an app, or makes one of which nothing but the id is known.
func (o *Org) appFor(id string) (*App, error) {
	if a := o.apps[id]; a != nil {
		return a, nil
	}
	if err := adoptApp(o, []string{id}, doc.Doc{"id": id}); err != nil {
		return nil, err
	}
	o.seedAnchor("app", id)
	return o.App(id)
}

func adoptAppKey(o *Org, ids []string, body doc.Doc) error {
	a, err := o.appFor(ids[0])
	if err != nil {
		return err
	}
	k := a.key(ids[1])
	if k == nil {
		k = &Key{Kid: ids[1]}
		a.Keys = append(a.Keys, k)
	}
	k.Created, k.LastUpdated = stampIn(body, "created", a.Created), stampIn(body, "lastUpdated", a.Created)
	k.Adopted = body
	return nil
}

func adoptGrant(o *Org, ids []string, body doc.Doc) error {
	a, err := o.appFor(ids[0])
	if err != nil {
		return err
	}
	g := &Grant{
		ID: ids[1], Created: stampIn(body, "created", a.Created), LastUpdated: stampIn(body, "lastUpdated", a.Created),
		CreatedBy: doc.String(body, "createdBy", "id"), Issuer: doc.String(body, "issuer"), ScopeID: doc.String(body, "scopeId"),
	}
	a.Grants = append(slices.DeleteFunc(a.Grants, func(x *Grant) bool { return x.ID == g.ID }), g)
	return nil
}

// adoptIDToken keeps what was set; the rest follows from the app.
func adoptIDToken(o *Org, ids []string, body doc.Doc) error {
	a, err := o.App(ids[0])
	if err != nil {
		return err
	}
	a.IDToken = doc.Doc{}
	for _, field := range []string{"issuerMode", "name", "value", "valueType", "groupFilterType"} {
		if v, there := body[field]; there {
			a.IDToken[field] = v
		}
	}
	return nil
}

// adoptAppUser takes assignments by name; those through a group follow from it.
func adoptAppUser(o *Org, ids []string, body doc.Doc) error {
	a, err := o.App(ids[0])
	if err != nil {
		return err
	}
	if doc.String(body, "scope") == "GROUP" {
		return nil
	}
	if o.users[ids[1]] == nil {
		if err := adoptUser(o, ids[1:], doc.Doc{"id": ids[1]}); err != nil {
			return err
		}
	}
	now := o.info.Created
	d := &AppUser{
		User: ids[1], Created: stampIn(body, "created", now), LastUpdated: stampIn(body, "lastUpdated", now),
		StatusChanged: stampIn(body, "statusChanged", now), UserName: doc.String(body, "credentials", "userName"),
		Profile: doc.Object(body, "profile"),
	}
	a.Users[ids[1]] = d
	a.userOrder.add(ids[1])
	return nil
}

func adoptAppGroup(o *Org, ids []string, body doc.Doc) error {
	a, err := o.App(ids[0])
	if err != nil {
		return err
	}
	if o.groups[ids[1]] == nil {
		if err := adoptGroup(o, ids[1:], doc.Doc{"id": ids[1]}); err != nil {
			return err
		}
	}
	l := &AppGroupLink{Group: ids[1], LastUpdated: stampIn(body, "lastUpdated", o.info.Created), Profile: doc.Object(body, "profile")}
	priority, given := doc.Int(body, "priority")
	if !given {
		priority = a.freePriority()
	}
	if l.Profile == nil {
		l.Profile = doc.Doc{}
	}
	l.Priority = priority
	a.Groups = slices.DeleteFunc(a.Groups, func(x *AppGroupLink) bool { return x.Group == ids[1] })
	a.Groups = append(a.Groups, l)
	slices.SortStableFunc(a.Groups, func(x, y *AppGroupLink) int { return cmp.Compare(x.Priority, y.Priority) })
	return nil
}

func adoptAppSecret(o *Org, ids []string, body doc.Doc) error {
	a, err := o.App(ids[0])
	if err != nil {
		return err
	}
	value := doc.String(body, "client_secret")
	if value == "" {
		return errors.New("adopt app secret: it has no value")
	}
	a.Secrets = slices.DeleteFunc(a.Secrets, func(s *Secret) bool { return s.ID == ids[1] })
	a.Secrets = append(a.Secrets, &Secret{
		ID: ids[1], Created: stampIn(body, "created", 0), LastUpdated: stampIn(body, "lastUpdated", 0),
		Status: cmp.Or(doc.String(body, "status"), Active), Value: value, Hash: doc.String(body, "secret_hash"),
	})
	return nil
}

func adoptPolicy(o *Org, ids []string, body doc.Doc) error {
	p := o.policies[ids[0]]
	if p == nil {
		p = o.systemTwin(body)
	}
	t := doc.String(body, "type")
	if k, ok := kinds[t]; !ok || k.oie && !o.IsOIE() {
		return ErrUnadoptable
	}
	if p == nil {
		p = &Policy{}
	}
	if p.ID != "" && p.ID != ids[0] {
		delete(o.policies, p.ID)
		o.rename(p.ID, ids[0])
	}
	p.ID = ids[0]
	o.policies[p.ID] = p
	if p.Type == t && doc.String(body, "name") == "" {
		return nil
	}
	p.Type, p.Name, p.Description = t, cmp.Or(doc.String(body, "name"), ids[0]), doc.String(body, "description")
	p.Status, p.System = cmp.Or(doc.String(body, "status"), Active), doc.Bool(body, "system")
	p.Created, p.LastUpdated = stampIn(body, "created", o.info.Created), stampIn(body, "lastUpdated", o.info.Created)
	p.Conditions, p.Settings = doc.Object(body, "conditions"), doc.Object(body, "settings")
	p.ResourceType = doc.String(body, "_embedded", "resourceType")
	if n, given := doc.Int(body, "priority"); given {
		p.Priority = n
	}
	o.recogniseEveryone(p)
	return o.RecogniseEnrollment(p.Settings, nil)
}

// recogniseEveryone learns the id of Everyone from a system policy, which is for them.
func (o *Org) recogniseEveryone(p *Policy) {
	ids := doc.Strings(p.Conditions, "people", "groups", "include")
	if p.System && len(ids) == 1 && o.groups[ids[0]] == nil {
		everyone := *o.groups[o.info.Everyone]
		everyone.ID = ids[0]
		o.adoptEveryone(&everyone)
	}
}

// systemTwin finds the policy that a fresh org has in the place of a recorded one: the
// one of the same name or, where Okta has changed the name since, the only system
// policy of its type.
func (o *Org) systemTwin(body doc.Doc) *Policy {
	var system []*Policy
	for _, p := range o.Policies(doc.String(body, "type")) {
		if p.Created != StampOf(Founded) {
			continue
		}
		if p.Name == doc.String(body, "name") {
			return p
		}
		if p.System {
			system = append(system, p)
		}
	}
	if doc.Bool(body, "system") && !kinds[doc.String(body, "type")].ranked && len(system) == 1 {
		return system[0]
	}
	return nil
}

func adoptPolicyRule(o *Org, ids []string, body doc.Doc) error {
	p, err := o.Policy(ids[0])
	if err != nil {
		return err
	}
	i := slices.IndexFunc(p.Rules, func(r *Rule) bool {
		return r.ID == ids[1] || r.System && doc.Bool(body, "system")
	})
	r := &Rule{}
	if i >= 0 {
		r = p.Rules[i]
	} else {
		p.Rules = append(p.Rules, r)
	}
	r.ID, r.Name, r.Status = ids[1], doc.String(body, "name"), cmp.Or(doc.String(body, "status"), Active)
	r.System = doc.Bool(body, "system")
	r.Created, r.LastUpdated = stampIn(body, "created", o.info.Created), stampIn(body, "lastUpdated", o.info.Created)
	r.Conditions, r.Actions = doc.Object(body, "conditions"), doc.Object(body, "actions")
	if n, given := doc.Int(body, "priority"); given {
		r.Priority = n
	}
	slices.SortStableFunc(p.Rules, func(x, y *Rule) int { return cmp.Compare(x.Priority, y.Priority) })
	return nil
}
