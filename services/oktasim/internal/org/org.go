// Package org is the state of one simulated Okta org and the rules by which Okta
// changes it: what an operation requires, what it changes, what follows from it, and
// what it writes to the System Log. It knows nothing of HTTP.
package org

import (
	"errors"
	"slices"
	"sync"
	"time"

	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/ident"
)

// Org is one org. View and Update guard it; every other method needs to be called
// inside one of them.
type Org struct {
	mu       sync.RWMutex
	clock    *clock.Clock
	base     string
	revision uint64
	opt      Options
	kinds    *registry
	// fixed replaces the clock while the org is being furnished; 0 otherwise.
	fixed Stamp
	// waiting are events of the running change, for event hooks, which carry tells.
	waiting []*Event
	carry   func([]Delivery)
	data
}

// Founded is when every org was made: fixed, so that equal seeds give equal orgs.
var Founded = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// Options configure a new org.
type Options struct {
	// Engine is "oie" (default) or "classic".
	Engine string
	// Seed makes the ids; equal seeds give equal ids.
	Seed uint64
	// Subdomain and company name; "acme" and "Acme" by default.
	Subdomain, Company string
}

// Info is what the org says about itself.
type Info struct {
	ID        string `json:"id"`
	Subdomain string `json:"subdomain"`
	Company   string `json:"companyName"`
	Engine    string `json:"engine"`
	Created   Stamp  `json:"created"`
	UserType  string `json:"userTypeId"`
	SchemaID  string `json:"userSchemaId"`
	Everyone  string `json:"everyoneGroupId"`
	System    string `json:"systemPrincipalId"`
	// SigningKid names the key that signs SAML assertions and id tokens.
	SigningKid string `json:"signingKid"`
	// SigningKey is that key as another org has shown it, nil for the org's own.
	SigningKey doc.Doc `json:"signingKey,omitempty"`
	// ProviderKid names the key with which the org signs requests to identity providers; it
	// is another one (recorded).
	ProviderKid string `json:"providerKid"`
	// Cell is the part of Okta's service that the org is in; Traits are the settings by
	// which the org describes itself to everybody.
	Cell   string  `json:"cell"`
	Traits doc.Doc `json:"traits"`
	// Catalog are entries of the catalog of apps as another org showed them.
	Catalog map[string]doc.Doc `json:"catalog,omitempty"`
	// Subscriptions are what roles and users said of being told things.
	Subscriptions map[string]map[string]bool `json:"subscriptions,omitempty"`
	// Unlicensed are the features that the org lacks; a new org has all.
	Unlicensed []string `json:"unlicensed,omitempty"`
}

// data is everything that is saved, restored and compared.
type data struct {
	ids       ident.Source
	info      Info
	users     map[string]*User
	userOrder index
	// userPlaces and groupPlaces are in the order of creation.
	userPlaces, groupPlaces index
	logins                  map[string]*User
	groups                  map[string]*Group
	groupOrder              index
	// groupNames are the names that are taken, in lower case; imported groups have none.
	groupNames map[string]*Group
	rules      map[string]*GroupRule
	ruleOrder  index
	apps       map[string]*App
	appOrder   index
	policies   map[string]*Policy
	shelves    map[string]*shelf
	roles      map[string][]*RoleAssignment
	tokens     map[string]*Token
	access     map[string]*AccessToken
	assertions map[string]Stamp
	schemas    map[string]*Schema
	mappings   map[string]*Mapping
	log        eventLog
	// searchLag is how long search takes to follow changes; pastUsers and pastGroups are
	// what it finds meanwhile, the oldest first.
	searchLag  time.Duration
	pastUsers  []version[User]
	pastGroups []version[Group]
}

// New makes an org as Okta hands it over: Everyone, the default user type, the system
// policies, the system network zones, and no user.
func New(c *clock.Clock, o Options) (*Org, error) {
	if o.Engine == "" {
		o.Engine = "oie"
	}
	if o.Engine != "oie" && o.Engine != "classic" {
		return nil, errors.New("engine must be oie or classic")
	}
	if o.Subdomain == "" {
		o.Subdomain, o.Company = "acme", "Acme"
	}
	return newOrg(c, o, kindTable()), nil
}

func newOrg(c *clock.Clock, o Options, kinds *registry) *Org {
	org := &Org{clock: c, opt: o, kinds: kinds}
	org.reset(o.Seed)
	return org
}

// Reset makes the org new, with ids from the seed.
func (o *Org) Reset(seed uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revision++
	o.reset(seed)
}

func (o *Org) reset(seed uint64) {
	o.data = emptyData(seed)
	o.At(Founded, func() { o.bootstrap(o.opt) })
}

// At runs f as if it were t.
func (o *Org) At(t time.Time, f func()) {
	o.fixed = StampOf(t)
	defer func() { o.fixed = 0 }()
	f()
}

func emptyData(seed uint64) data {
	return data{
		ids:        ident.Source{Seed: seed},
		users:      map[string]*User{},
		logins:     map[string]*User{},
		groups:     map[string]*Group{},
		groupNames: map[string]*Group{},
		rules:      map[string]*GroupRule{},
		apps:       map[string]*App{},
		policies:   map[string]*Policy{},
		shelves:    map[string]*shelf{},
		roles:      map[string][]*RoleAssignment{},
		tokens:     map[string]*Token{},
		access:     map[string]*AccessToken{},
		assertions: map[string]Stamp{},
		schemas:    map[string]*Schema{},
		mappings:   map[string]*Mapping{},
	}
}

// bootstrap makes what every new org has. The moment is fixed by the clock.
func (o *Org) bootstrap(opt Options) {
	now := o.stamp()
	o.info = Info{
		ID: o.ids.ID("00o"), Subdomain: opt.Subdomain, Company: opt.Company, Engine: opt.Engine, Created: now,
		UserType: o.ids.ID("oty"), System: o.ids.ID("spr"),
		SigningKid: o.ids.Secret(43), Cell: "sim", Traits: traits(),
	}
	o.info.ProviderKid = kidAfter(o.info.SigningKid)
	everyone := &Group{
		ID: o.ids.ID("00g"), Type: BuiltIn, Created: now, LastUpdated: now, LastMembershipUpdated: now,
		Profile: doc.Doc{"name": "Everyone", "description": "All users in your organization"},
	}
	o.info.Everyone = everyone.ID
	o.putGroup(everyone)
	o.bootstrapSchemas(now)
	o.bootstrapPolicies(now)
	o.seedKinds()
}

// traits are what a new org says of itself at its well-known address.
func traits() doc.Doc {
	return doc.Doc{
		"analyticsCollectionEnabled": false, "bugReportingEnabled": true, "omEnabled": false, "pssoEnabled": false,
		"desktopMFAEnabled": false, "itpEnabled": false,
	}
}

// View runs f while nobody changes the org.
func (o *Org) View(f func() error) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return f()
}

// Update runs f alone and counts a revision. Event hooks are told afterwards.
func (o *Org) Update(f func() error) error {
	told, carry, err := o.update(f)
	if len(told) > 0 && carry != nil {
		carry(told)
	}
	return err
}

func (o *Org) update(f func() error) ([]Delivery, func([]Delivery), error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revision++
	err := f()
	return o.deliveries(), o.carry, err
}

// Revision grows with every Update; the saver compares it.
func (o *Org) Revision() uint64 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.revision
}

// SetBase sets the URL at which clients reach the org, without a slash at the end.
func (o *Org) SetBase(url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.base = url
	for _, u := range o.users {
		u.line.Store(nil)
	}
}

// Base is the URL at which clients reach the org.
func (o *Org) Base() string { return o.base }

// Info describes the org.
func (o *Org) Info() Info { return o.info }

// Now is the org's time.
func (o *Org) Now() time.Time { return o.clock.Now() }

// Clock is the org's clock.
func (o *Org) Clock() *clock.Clock { return o.clock }

func (o *Org) stamp() Stamp {
	if o.fixed != 0 {
		return o.fixed
	}
	return StampOf(o.clock.Now())
}

// NewID makes an id; the caller is inside Update.
func (o *Org) NewID(prefix string) string { return o.ids.ID(prefix) }

// IsOIE says whether the org runs on Identity Engine.
func (o *Org) IsOIE() bool { return o.info.Engine == "oie" }

// Counts says how many objects of each kind there are.
func (o *Org) Counts() map[string]int {
	n := map[string]int{
		"users": len(o.users), "groups": len(o.groups), "group_rules": len(o.rules), "apps": len(o.apps),
		"policies": len(o.policies), "events": len(o.log.arrived), "api_tokens": len(o.tokens),
	}
	for _, g := range o.groups {
		n["memberships"] += g.order.size
	}
	for _, p := range o.policies {
		n["policy_rules"] += len(p.Rules)
	}
	for _, a := range o.apps {
		n["app_groups"] += len(a.Groups)
		n["app_users"] += len(a.Users)
	}
	for _, k := range o.kinds.list {
		n[k.Name] = len(o.shelf(k).objects)
	}
	return n
}

// sortedKeys lists the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
