package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
)

// fillEnrollSettings lists every authenticator, or every factor, that is active in the
// org (recorded). Policies with factors are those of Classic orgs, and older ones.
func (o *Org) fillEnrollSettings(p *Policy, given doc.Doc) {
	asked := doc.String(given, "type")
	switch {
	case given == nil && p.Settings != nil:
	case asked == "AUTHENTICATORS" || asked == "" && given["factors"] == nil && o.IsOIE():
		p.Settings = doc.Doc{"type": "AUTHENTICATORS", "authenticators": o.enrollList(given)}
	default:
		p.Settings = doc.Doc{"factors": o.enrollFactors(p, doc.Object(given, "factors"))}
		if o.IsOIE() {
			p.Settings["type"] = "FACTORS"
		}
	}
}

// enrollList names every active authenticator: those of the request as they are, others
// as not allowed. Passkeys are of any model (recorded).
func (o *Org) enrollList(given doc.Doc) []any {
	out := doc.Clone(values(given["authenticators"]))
	named := func(x *Object) bool {
		return slices.ContainsFunc(out, func(e any) bool {
			entry, _ := e.(doc.Doc)
			return entry["key"] == x.Body["key"] && (entry["id"] == nil || entry["id"] == x.ID)
		})
	}
	for _, x := range o.objectsIn(o.kinds.named("authenticators"), "") {
		if x.Status() != Active || named(x) {
			continue
		}
		entry := doc.Doc{"key": x.Body["key"], "enroll": doc.Doc{"self": "NOT_ALLOWED"}}
		switch x.Body["key"] {
		case "custom_app":
			entry["id"] = x.ID
		case "webauthn":
			entry["constraints"] = doc.Doc{"aaguidGroups": doc.Array("ANY")}
		}
		out = append(out, entry)
	}
	return out
}

// enrollFactors are the org's active factors: as the request says, as they were, or not
// allowed. Classic lets people have the password as they like.
func (o *Org) enrollFactors(p *Policy, given doc.Doc) doc.Doc {
	before, out := doc.Object(p.Settings, "factors"), doc.Doc{}
	for _, x := range o.objectsIn(o.kinds.named("org_factors"), "") {
		if x.Status() != Active {
			continue
		}
		self := "NOT_ALLOWED"
		if x.ID == "okta_password" && !o.IsOIE() {
			self = "OPTIONAL"
		}
		factor := doc.Doc{"enroll": doc.Doc{"self": self}, "consent": doc.Doc{"type": "NONE"}}
		out[x.ID] = doc.Merge(doc.Merge(factor, doc.Object(before, x.ID)), doc.Object(given, x.ID))
	}
	return out
}

// shownSettings leaves out the factors that were switched off since (recorded).
func (o *Org) shownSettings(p *Policy) doc.Doc {
	factors := doc.Object(p.Settings, "factors")
	if p.Type != "MFA_ENROLL" || factors == nil {
		return p.Settings
	}
	active := doc.Doc{}
	for id, factor := range factors {
		if x := o.object(o.kinds.named("org_factors"), id); x == nil || x.Status() == Active {
			active[id] = factor
		}
	}
	shown := doc.Clone(p.Settings)
	shown["factors"] = active
	return shown
}

// factorsOf are the factors that authenticators are known by in policies of older orgs.
var factorsOf = map[string][]string{
	"webauthn": {"fido_webauthn"}, "google_otp": {"google_otp"}, "okta_email": {"okta_email"}, "phone_number": {"okta_sms"},
	"security_question": {"okta_question"}, "okta_verify": {"okta_otp", "okta_push"}, "custom_otp": {"hotp"}, "duo": {"duo"},
	"yubikey_token": {"yubikey_token"}, "rsa_token": {"rsa_token"}, "symantec_vip": {"symantec_vip"},
}

// switchFactors lets the factors follow their authenticator (recorded of passkeys).
func switchFactors(c *Change) {
	if c.Adopting || c.Verb != create && c.Verb != "activate" && c.Verb != "deactivate" {
		return
	}
	for _, id := range factorsOf[doc.String(c.Body, "key")] {
		if x := c.Org.object(c.Org.kinds.named("org_factors"), id); x != nil {
			x.Body["status"] = c.Body["status"]
		}
	}
}

// RecogniseEnrollment learns from the settings of an enrollment policy which factors or
// authenticators the org has switched on: Okta lists all of them, whatever the policy says
// of each (recorded). What stands in but, by key, is left as it is.
func (o *Org) RecogniseEnrollment(settings doc.Doc, but map[string]bool) error {
	if factors := doc.Object(settings, "factors"); factors != nil {
		o.recogniseFactors(factors, but)
	}
	list, given := settings["authenticators"].([]any)
	if !given {
		return nil
	}
	return o.recogniseAuthenticators(list, but)
}

func (o *Org) recogniseFactors(factors doc.Doc, but map[string]bool) {
	for _, x := range o.objectsIn(o.kinds.named("org_factors"), "") {
		if !x.Seed || but[x.ID] {
			continue
		}
		x.Body["status"] = Inactive
		if factors[x.ID] != nil {
			x.Body["status"] = Active
		}
	}
}

func (o *Org) recogniseAuthenticators(list []any, but map[string]bool) error {
	k, shown := o.kinds.named("authenticators"), map[string]bool{}
	for _, e := range list {
		entry, _ := e.(doc.Doc)
		key, id := doc.String(entry, "key"), doc.String(entry, "id")
		if shown[key] = true; but[key] || id == "" && o.hasAuthenticator(key) {
			continue
		}
		if id == "" {
			id = o.ids.ID(k.Prefix)
		}
		body := doc.Doc{"key": key, "type": authenticatorTypes[key], "name": authenticatorName(key), "status": Active}
		if err := o.adoptKind(k, []string{id}, body); err != nil {
			return err
		}
	}
	for _, x := range o.objectsIn(k, "") {
		if key := x.text("key"); x.Seed && !but[key] {
			x.Body["status"] = Inactive
			if shown[key] {
				x.Body["status"] = Active
			}
		}
	}
	return nil
}

func (o *Org) hasAuthenticator(key string) bool {
	return slices.ContainsFunc(o.objectsIn(o.kinds.named("authenticators"), ""), func(x *Object) bool { return x.Body["key"] == key })
}
