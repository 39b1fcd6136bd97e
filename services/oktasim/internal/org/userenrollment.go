package org

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Enrollments are what a person has enrolled, by authenticator (documented): the factors,
// and temporary access codes, which are no factors.

// enrolledBy are the keys of the authenticators to which factors belong, by type.
var enrolledBy = map[string]string{
	"call": "phone_number", "email": "okta_email", "push": "okta_verify", "question": "security_question", "signed_nonce": "okta_verify",
	"sms": "phone_number", "token:software:totp": "okta_verify", "token:hotp": "custom_otp", "webauthn": "webauthn", "u2f": "webauthn",
	"token:hardware": "yubikey_token", "token": "onprem_mfa", "web": "duo",
}

// tacEnrollments are temporary access codes.
func tacEnrollments() Kind {
	return Kind{
		Name: "tac_enrollments", Path: "/api/v1/users/{userId}/authenticator-enrollments/{enrollmentId}", Prefix: "tac", Class: "AuthenticatorEnrollment",
		Scope: "okta.users", Area: AreaUsers, Engine: "oie",
		Stamps: dated, Natural: []string{"name"},
		Fields: []Field{
			{Path: "authenticatorId", Required: true, Mode: WriteOnly, Ref: "authenticators", Gone: Follows},
			{Path: "profile.multiUse", Type: Bool, Default: false},
			{Path: "profile.ttl", Mode: WriteOnly, Pattern: `[0-9]+`},
			{Path: "profile.tac", Mode: ReadOnly},
			{Path: "profile.expiresAt", Mode: ReadOnly},
		},
		Events: map[string]string{create: "user.mfa.factor.activate", remove: "user.mfa.factor.deactivate"},
		Check:  checkTac, Show: showTac,
	}
}

// tacLimit is a setting of the authenticator of temporary access codes: what Okta has there
// unless the org says otherwise (documented).
func (o *Org) tacLimit(authenticator, name string, otherwise int) int {
	x := o.object(o.kinds.named("authenticators"), authenticator)
	if n, ok := whole(get(x.Body, "provider.configuration."+name)); ok && n > 0 {
		return n
	}
	return otherwise
}

// checkTac makes the code, for as long as the authenticator allows: minutes.
func checkTac(c *Change) error {
	if c.Verb != create {
		return nil
	}
	id := doc.String(c.Body, "authenticatorId")
	if err := c.Org.enrollable(id, "tac"); err != nil {
		return err
	}
	limit := func(name string, otherwise int) int { return c.Org.tacLimit(id, name, otherwise) }
	profile := doc.Ensure(c.Body, "profile")
	minutes, err := strconv.Atoi(cmp.Or(doc.String(profile, "ttl"), strconv.Itoa(limit("defaultTtl", 120))))
	if least, most := limit("minTtl", 10), limit("maxTtl", 14400); err != nil || minutes < least || minutes > most {
		return failure.Invalid("ttl", "ttl: The value must be between "+strconv.Itoa(least)+" and "+strconv.Itoa(most))
	}
	profile["tac"] = c.Org.ids.Secret(limit("length", 16))
	profile["expiresAt"] = Millis.write(StampOf(c.Org.stamp().Time().Add(time.Duration(minutes) * time.Minute)))
	return nil
}

// showTac shows the code once. One that is too old is expired.
func showTac(v *View) {
	if v.Verb != create {
		drop(v.Body, "profile.tac")
	}
	v.Body["status"] = Active
	if Millis.read(get(v.Body, "profile.expiresAt")) < v.Org.stamp() {
		v.Body["status"] = "EXPIRED"
	}
	v.Org.enrolled(v.Body, v.Object, "tac")
}

// enrolled adds what an enrollment has of its authenticator.
func (o *Org) enrolled(body doc.Doc, x *Object, key string) {
	user := o.base + "/api/v1/users/" + x.Home
	links := doc.Doc{
		"self": Hints.write("self", user+"/authenticator-enrollments/"+x.ID, []string{"GET", "DELETE"}),
		"user": Hints.write("user", user, []string{"GET"}),
	}
	body["key"], body["type"] = key, authenticatorTypes[key]
	if a := o.authenticatorOf(key); a != nil {
		body["name"] = a.Body["name"]
		links["authenticator"] = Hints.write("authenticator", o.Href(o.kinds.named("authenticators"), a), []string{"GET"})
	}
	body["_links"] = links
}

// authenticatorOf is the org's authenticator of a key; nil if there is none.
func (o *Org) authenticatorOf(key string) *Object {
	for _, x := range o.below("authenticators", "") {
		if x.text("key") == key {
			return x
		}
	}
	return nil
}

// enrollable fails unless the id is that of an active authenticator of the key.
func (o *Org) enrollable(id, key string) error {
	k := o.kinds.named("authenticators")
	x := o.object(k, id)
	switch {
	case x == nil:
		return k.missing(id)
	case x.text("key") != key:
		return failure.Invalid("authenticatorId", "authenticatorId: It is not an authenticator of the key "+key)
	case x.Status() != Active:
		return failure.Invalid("authenticatorId", "authenticatorId: The authenticator is not active")
	}
	return nil
}

// enrollmentKinds are the kinds of objects that are enrollments.
func (o *Org) enrollmentKinds() []*Kind {
	return []*Kind{o.kinds.named("user_factors"), o.kinds.named("tac_enrollments")}
}

// Enrollments lists what a person has enrolled. Phone numbers are masked, unless disclose.
func (o *Org) Enrollments(u *User, disclose bool) []any {
	list := []any{}
	for _, k := range o.enrollmentKinds() {
		for _, x := range o.objectsIn(k, u.ID) {
			list = append(list, o.EnrollmentBody(k, x, disclose))
		}
	}
	return list
}

// Enrollment finds one enrollment of a person.
func (o *Org) Enrollment(u *User, id string) (*Kind, *Object, error) {
	for _, k := range o.enrollmentKinds() {
		if x := o.look(k, u.ID, id); x != nil {
			return k, x, nil
		}
	}
	return nil, nil, failure.NotFound(id, "AuthenticatorEnrollment")
}

// EnrollmentBody is the answer for an enrollment.
func (o *Org) EnrollmentBody(k *Kind, x *Object, disclose bool) doc.Doc {
	if k.Name == "tac_enrollments" {
		return o.Show(k, x, View{}, 0)
	}
	body := doc.Doc{"id": x.ID, "status": x.Status(), "created": Millis.write(x.Created), "lastUpdated": Millis.write(x.LastUpdated)}
	if phone := x.text("profile.phoneNumber"); phone != "" {
		if !disclose {
			phone = masked(phone)
		}
		body["profile"] = doc.Doc{"phoneNumber": phone}
	}
	o.enrolled(body, x, enrolledBy[x.text("factorType")])
	return body
}

// masked leaves the last four digits of a number.
func masked(phone string) string {
	tail := phone[max(0, len(phone)-4):]
	return strings.Repeat("X", len(phone)-len(tail)) + tail
}

// EnrollPhone enrolls a phone, which is active at once.
func (o *Org) EnrollPhone(u *User, r Request) (*Object, error) {
	id := doc.String(r.Given, "authenticatorId")
	if id == "" {
		return nil, failure.Missing("authenticatorId")
	}
	if err := o.enrollable(id, "phone_number"); err != nil {
		return nil, err
	}
	return o.CreateObject(o.kinds.named("user_factors"), []string{u.ID}, Request{
		By: r.By, Query: map[string][]string{"activate": {"true"}},
		Given: doc.Doc{"factorType": "sms", "provider": "OKTA", "profile": doc.Doc{"phoneNumber": doc.Get(r.Given, "profile", "phoneNumber")}},
	})
}

// EnrollTac gives a person a temporary access code in place of the one before (that there is
// but one is an assumption).
func (o *Org) EnrollTac(u *User, r Request) (*Object, error) {
	k := o.kinds.named("tac_enrollments")
	before := slices.Clone(o.objectsIn(k, u.ID))
	x, err := o.CreateObject(k, []string{u.ID}, r)
	if err != nil {
		return nil, err
	}
	for _, old := range before {
		if err := o.DeleteObject(k, old, r); err != nil {
			return nil, err
		}
	}
	return x, nil
}
