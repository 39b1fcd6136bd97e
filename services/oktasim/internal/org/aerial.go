package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// AerialPath is where an org says which Aerial account may manage it.
const AerialPath = "/api/v1/org/privacy/aerial"

// aerialConsent is that account (documented). There is none at first, and then there is
// nothing to read.
func aerialConsent() Kind {
	return Kind{
		Name: "aerial_consent", Path: AerialPath, Class: "AerialConsent",
		Scope: "okta.orgs", Area: AreaSupport,
		Stamps: Stamps{Created: "grantedDate", CreatedBy: "grantedBy"},
		Fields: []Field{{Path: "accountId", Required: true, Mode: Fixed, Max: 255}},
		Links:  []Link{self("GET"), {Name: "revoke", To: "revoke", Allow: "POST"}},
	}
}

// GrantAerial lets an Aerial account manage the org. Another one than has the consent is
// refused (an assumption); the same one changes nothing.
func (o *Org) GrantAerial(r Request) (*Object, error) {
	k := o.kinds.named("aerial_consent")
	x := o.singleton(k.Name)
	if x == nil {
		return o.MakeObject(k, nil, r)
	}
	if _, err := o.ReplaceObject(k, x, r); err != nil {
		return nil, err
	}
	return x, nil
}

// RevokeAerial ends the consent that an account has.
func (o *Org) RevokeAerial(r Request) (doc.Doc, error) {
	k := o.kinds.named("aerial_consent")
	account := doc.String(r.Given, "accountId")
	if account == "" {
		return nil, failure.Missing("accountId")
	}
	x := o.singleton(k.Name)
	if x == nil || x.text("accountId") != account {
		return nil, k.missing(account)
	}
	if err := o.DeleteObject(k, x, r); err != nil {
		return nil, err
	}
	return doc.Doc{"_links": doc.Doc{"grant": Hints.write("grant", o.base+AerialPath+"/grant", []string{"POST"})}}, nil
}
