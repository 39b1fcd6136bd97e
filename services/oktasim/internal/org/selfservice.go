package org

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
)

// selfServiceKind names the kind of self-service features.
const selfServiceKind = "features"

// selfServiceKinds are the features that an admin may switch on and off. Some stand for
// one of the org's licences, and are switched with it.
func selfServiceKinds() []Kind {
	return []Kind{{
		Name: selfServiceKind, Path: "/api/v1/features/{featureId}", Class: "Feature",
		Scope: "okta.features", Area: AreaOrg,
		Verbs: Verbs{List: true, Get: true},
		Page:  Page{Order: "created"},
		Fields: []Field{
			{Path: "type", Mode: ReadOnly, Default: "self-service"},
			{Path: "status", Mode: ReadOnly, Default: disabled},
			{Path: "name", Mode: ReadOnly},
			{Path: "description", Mode: ReadOnly},
			{Path: "stage", Type: Map, Mode: ReadOnly, Default: doc.Doc{"value": "EA"}},
			// licence is what the feature stands for, needs what it depends on, by name.
			{Path: "licence", Mode: WriteOnly},
			{Path: "needs", Type: List, Mode: WriteOnly},
			{Path: "helpDoc", Mode: WriteOnly}, {Path: "devDoc", Mode: WriteOnly},
		},
		Links: []Link{
			{Name: "self"}, {Name: "dependents", To: "dependents"}, {Name: "dependencies", To: "dependencies"},
			{Name: "enable", To: "enable", Allow: "POST", When: is("status", disabled)},
			{Name: "disable", To: "disable", Allow: "POST", When: is("status", enabled)},
		},
		Seeds: selfServiceSeeds(),
		Show: func(v *View) {
			for _, name := range manuals {
				if href := v.Object.text(name); href != "" {
					doc.Object(v.Body, "_links")[name] = doc.Doc{"href": href}
				}
			}
		},
	}}
}

// manuals are links to Okta's own pages about a feature, which some have.
var manuals = []string{"helpDoc", "devDoc"}

func adoptFeature(o *Org, ids []string, body doc.Doc) error {
	for _, name := range manuals {
		if href := doc.String(body, "_links", name, "href"); href != "" {
			body[name] = href
		}
	}
	return o.adoptKind(o.kinds.named(selfServiceKind), ids, body)
}

// selfService is a feature of a new org. Which an org has differs from month to month;
// their names are recorded, what they depend on is an assumption.
type selfService struct{ name, description, licence, needs string }

func selfServices() []selfService {
	return []selfService{
		{"Front-channel Single Logout", "Signs people out of every app that takes part when they sign out of one.", "oauth_single_logout", ""},
		{"Front-channel Single Logout for IdPs", "Signs people out of identity providers, too.", "", "Front-channel Single Logout"},
		{"Custom AAGUIDs for FIDO2 (WebAuthn) Authenticators", "Lets admins add authenticators by their AAGUID.", "custom_aaguids", ""},
		{"Support SHA-256 Digest Algorithm for SAML IdP Authentication Requests", "Signs requests to identity providers with SHA-256.", "idp_request_digest", ""},
		{"Optional consent for OAuth 2.0 scopes", "Lets people leave out scopes that are not required.", "optional_scopes", ""},
		{"Device Posture Provider", "Takes claims about devices from another provider.", "", ""},
		{"Device Posture Claims Mapping", "Maps claims about devices to those that policies use.", "", "Device Posture Provider"},
		{"Breached Credentials Protection in Password Policies", "Lets password policies act on passwords that were stolen elsewhere.", "", ""},
		{"Breached Credentials Detection Feeds", "Brings further lists of stolen passwords.", "", "Breached Credentials Protection in Password Policies"},
		{"Android Device Trust", "Collects more signals of devices that run Android.", "", ""},
		{"Grace period for device assurance", "Gives people time before a device that falls short is refused.", "", ""},
		{"Event Hook Filtering", "Sends event hooks those events alone that a filter chooses.", "", ""},
		{"Passkeys Autofill", "Offers passkeys where a browser fills in user names.", "", ""},
		{"Network restrictions for OAuth Token Endpoint", "Lets apps get tokens from some network zones alone.", "", ""},
	}
}

func selfServiceSeeds() []Seed {
	var seeds []Seed
	for _, s := range selfServices() {
		body := doc.Doc{"name": s.name, "description": s.description, "status": disabled}
		if s.licence != "" {
			body["licence"], body["status"] = s.licence, enabled
		}
		if s.needs != "" {
			body["needs"] = doc.Array(s.needs)
		}
		seeds = append(seeds, Seed{ID: selfServiceID(s.name), Body: body})
	}
	return seeds
}

// selfServiceID is the same in every org (recorded).
func selfServiceID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "ftr" + hex.EncodeToString(sum[:])[:17]
}

// Dependencies are the features that x needs to be enabled.
func (o *Org) Dependencies(x *Object) []*Object {
	return o.featuresWhere(func(y *Object) bool { return needs(x, y) })
}

// Dependents are the features that need x.
func (o *Org) Dependents(x *Object) []*Object {
	return o.featuresWhere(func(y *Object) bool { return needs(y, x) })
}

func needs(x, y *Object) bool { return slices.Contains(doc.Strings(x.Body, "needs"), y.text("name")) }

func (o *Org) featuresWhere(chosen func(*Object) bool) []*Object {
	return slices.DeleteFunc(o.below(selfServiceKind, ""), func(x *Object) bool { return !chosen(x) })
}

// SwitchFeature enables or disables a feature, in any case of letters (recorded). What
// stands in the way, features that it needs or that need it, is switched before it by
// force, and refuses the change otherwise (documented).
func (o *Org) SwitchFeature(by *Cause, x *Object, lifecycle string, force bool) error {
	to, inTheWay := enabled, o.Dependencies
	switch strings.ToUpper(lifecycle) {
	case "ENABLE":
	case "DISABLE":
		to, inTheWay = disabled, o.Dependents
	default:
		return failure.Invalid("lifecycle", "lifecycle: It must be ENABLE or DISABLE")
	}
	for _, y := range inTheWay(x) {
		if y.Status() == to {
			continue
		}
		if !force {
			return failure.FeatureConflict()
		}
		if err := o.SwitchFeature(by, y, lifecycle, true); err != nil {
			return err
		}
	}
	if x.Status() != to {
		o.putFeature(by, x, to)
	}
	return nil
}

func (o *Org) putFeature(by *Cause, x *Object, status string) {
	x.Body["status"] = status
	x.LastUpdated = o.stamp()
	if licence := x.text("licence"); licence != "" {
		o.SetLicensed(licence, status == enabled)
	}
	event := map[string]string{enabled: "system.feature.enable", disabled: "system.feature.disable"}[status]
	o.Note(by, event, nil, o.kinds.named(selfServiceKind).party(x))
}

// showLicence lets the feature that stands for a licence follow it.
func (o *Org) showLicence(licence string, on bool) {
	for _, x := range o.featuresWhere(func(x *Object) bool { return x.text("licence") == licence }) {
		x.Body["status"] = disabled
		if on {
			x.Body["status"] = enabled
		}
	}
}
