package org

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// registry knows the kinds by name and by path.
type registry struct {
	list   []*Kind
	byName map[string]*Kind
	// seeded are the kinds of which every new object of an anchor has some.
	seeded map[string][]*Kind
}

// allKinds lists every kind.
func allKinds() []Kind {
	return slices.Concat(
		authenticatorKinds(), threatKinds(), orgFactorKinds(), deviceKinds(), securityEventKinds(), pushProviderKinds(),
		zoneKinds(), originKinds(), logStreamKinds(), inlineHookKinds(), realmKinds(), captchaKinds(), orgSettingKinds(),
		authServerKinds(), userTypeKinds(), factorKinds(), linkedObjectKinds(),
		customRoleKinds(), resourceSetKinds(), bundleKinds(), identitySourceKinds(), appChildKinds(), csrKinds(),
		brandKinds(), domainKinds(), idpKinds(), eventHookKinds(), hookKeyKinds(), authPolicyKinds(), authKeyKinds(), governanceKinds(), rateSettingKinds(), smsTemplateKinds(), apiServiceKinds(),
		selfServiceKinds(), emailSenderKinds(), agentPoolKinds(),
		uiSchemaKinds(), attackProtectionKinds(), personalKinds(), deviceIntegrationKinds(), telephonyKinds(), serviceAccountKinds(), yubikeyKinds(),
	)
}

var table struct {
	once sync.Once
	registry
}

// kindTable is the table of all kinds. It is made at its first use, because entries have
// hooks that look into it.
func kindTable() *registry {
	table.once.Do(func() { table.registry = newRegistry(allKinds()) })
	return &table.registry
}

// Kinds lists every kind.
func Kinds() []*Kind { return kindTable().list }

// KindNamed finds a kind; nil if there is none.
func KindNamed(name string) *Kind { return kindTable().named(name) }

func (r *registry) named(name string) *Kind { return r.byName[name] }

func newRegistry(list []Kind) registry {
	r := registry{byName: map[string]*Kind{}, seeded: map[string][]*Kind{}}
	for i := range list {
		k := &list[i]
		k.parts = segments(k.Path)
		r.list = append(r.list, k)
		r.byName[k.Name] = k
	}
	for _, k := range r.list {
		k.parent, k.anchor = r.parentOf(k), anchorOf(k.parts)
		if k.parent != nil && k.anchor != nil && len(k.anchor.parts) > len(k.parent.parts) {
			k.parent = nil
		}
		if k.parent != nil {
			k.anchor = nil
		}
		if k.anchor != nil && len(k.Seeds) > 0 {
			r.seeded[k.anchor.name] = append(r.seeded[k.anchor.name], k)
		}
	}
	return r
}

func segments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// parentOf finds the kind with the longest path that k's path begins with. What every org
// has once is nobody's parent: what lies below its path lies in the org.
func (r registry) parentOf(k *Kind) *Kind {
	var best *Kind
	for _, p := range r.list {
		if slices.ContainsFunc(p.parts, isVariable) && beginsWith(k.parts, p.parts) && (best == nil || len(p.parts) > len(best.parts)) {
			best = p
		}
	}
	return best
}

// beginsWith says whether path lies below prefix, whatever their variables are called.
func beginsWith(path, prefix []string) bool {
	if len(path) <= len(prefix) {
		return false
	}
	for i, p := range prefix {
		if path[i] != p && !(isVariable(p) && isVariable(path[i])) {
			return false
		}
	}
	return true
}

// anchor is a hand-written type that kinds may lie below or refer to.
type anchor struct {
	name, path, class string
	parts             []string
	find              func(o *Org, key string) (id string, err error)
}

func anchors() []anchor {
	list := []anchor{
		{name: "user", path: "/api/v1/users/{userId}", class: "User", find: userID},
		{name: "group", path: "/api/v1/groups/{groupId}", class: "UserGroup", find: func(o *Org, key string) (string, error) {
			g, err := o.Group(key)
			if err != nil {
				return "", err
			}
			return g.ID, nil
		}},
		{name: "app", path: "/api/v1/apps/{appId}", class: "AppInstance", find: func(o *Org, key string) (string, error) {
			a, err := o.App(key)
			if err != nil {
				return "", err
			}
			return a.ID, nil
		}},
		{name: "policy", path: "/api/v1/policies/{policyId}", class: "Policy", find: func(o *Org, key string) (string, error) {
			p, err := o.Policy(key)
			if err != nil {
				return "", err
			}
			return p.ID, nil
		}},
		{name: "user", path: preregistrationPath, class: "User", find: userID},
		{name: "app", path: governedPath, class: "AppInstance", find: governedApp},
		{name: "identity_source", path: identitySourcePath, class: "IdentitySource", find: identitySourceID},
	}
	for i := range list {
		list[i].parts = segments(list[i].path)
	}
	return list
}

func userID(o *Org, key string) (string, error) {
	u, err := o.User(key)
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

func anchorOf(path []string) *anchor {
	for _, a := range anchors() {
		if beginsWith(path, a.parts) {
			return &a
		}
	}
	return nil
}

// problems says what is wrong with an entry; the tests of kinds want none.
func (k *Kind) problems() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, k.Name+": "+fmt.Sprintf(format, args...)) }
	if k.Name == "" || k.Class == "" || k.Scope == "" || k.Area == "" {
		add("name, class, scope and area are needed")
	}
	if !strings.HasPrefix(k.Path, "/") || strings.HasSuffix(k.Path, "/") {
		add("path %s must start and not end with /", k.Path)
	}
	if k.Of != "" && !known(k.Of) {
		add("there is no kind %s to link to", k.Of)
	}
	if !k.Singleton() && k.Prefix == "" && k.Key == "" && k.MakeID == nil && k.Verbs.Create != 0 {
		add("prefix, key or MakeID is needed")
	}
	if n := k.variablesOfParent(); len(k.Variables())-n > 1 {
		add("its path has %d variables that no kind or anchor explains", len(k.Variables())-n-1)
	}
	for _, f := range k.Fields {
		for _, p := range f.problems(k) {
			add("field %s: %s", f.Path, p)
		}
	}
	return append(out, k.operationProblems()...)
}

func (k *Kind) operationProblems() []string {
	var out []string
	for _, op := range k.Operations {
		if op.Name == "" || op.Path == "" || op.Status == 0 {
			out = append(out, k.Name+": an operation needs name, path and status")
		}
	}
	known := []string{create, replace, merge, remove}
	for _, op := range k.Operations {
		known = append(known, op.Name)
	}
	for verb := range k.Events {
		// present and past name the switches of kinds that have none, too.
		if !slices.Contains(known, verb) && verb != "activate" && verb != "deactivate" {
			out = append(out, k.Name+": there is no "+verb+" for its event")
		}
	}
	for _, r := range k.Refusals {
		for _, verb := range r.On {
			if !slices.Contains(known, verb) {
				out = append(out, k.Name+": there is no "+verb+" to refuse")
			}
		}
	}
	return out
}

func (k *Kind) variablesOfParent() int {
	switch {
	case k.parent != nil:
		return len(k.parent.Variables())
	case k.anchor != nil:
		return 1
	}
	return 0
}

// known says whether a kind or an anchor has the name.
func known(name string) bool {
	return KindNamed(name) != nil || slices.ContainsFunc(anchors(), func(a anchor) bool { return a.name == name })
}
