package org

import (
	"net/url"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// preregistrations are security keys that a fulfillment provider sets up for people before
// they have them (documented). What Okta and the provider tell each other is sealed: the
// simulator seals nothing that anybody could open, and takes whatever has the form.
func preregistrations() Kind {
	return Kind{
		Name: "webauthn_preregistrations", Path: preregistrationPath + "/enrollments/{authenticatorEnrollmentId}", Prefix: "fwf",
		Class: "UserFactor", Scope: "okta.users", Area: AreaUsers, Engine: "oie",
		Verbs: Verbs{List: true, Delete: 204}, Stamps: dated, Natural: []string{"factorType"},
		Operations: []Operation{{
			Name: "mark-error", Path: "mark-error", Set: doc.Doc{"status": "FULFILLMENT_ERRORED"}, Status: 204, Link: "-",
		}},
		Fields: []Field{
			{Path: "factorType", Mode: ReadOnly, Default: "webauthn"},
			{Path: "provider", Mode: ReadOnly, Default: "FIDO"},
			{Path: "vendorName", Mode: ReadOnly, Default: "FIDO"},
			{Path: "status", Mode: ReadOnly, Default: PendingActivation},
			{Path: "profile", Type: Map, Default: doc.Doc{}},
			{Path: "fulfillmentProvider", Mode: WriteOnly},
		},
		Links: []Link{self("GET DELETE")},
	}
}

const preregistrationPath = "/webauthn-registration/api/v1/users/{userId}"

// Preregister begins the enrollment of a key for the hosts that the request names, or the
// org's own, and answers with what the provider writes onto it.
func (o *Org) Preregister(r Request) (doc.Doc, error) {
	u, err := o.fulfilled(r)
	if err != nil {
		return nil, err
	}
	hosts := doc.Strings(r.Given, "enrollmentRpIds")
	if len(hosts) == 0 {
		hosts = []string{o.host()}
	}
	k, requests := o.kinds.named("webauthn_preregistrations"), []any{}
	for _, host := range hosts {
		x, err := o.CreateObject(k, []string{u.ID}, Request{By: r.By, Given: doc.Doc{
			"fulfillmentProvider": r.Given["fulfillmentProvider"], "profile": doc.Doc{"rpId": host},
		}})
		if err != nil {
			return nil, err
		}
		requests = append(requests, doc.Doc{"authenticatorEnrollmentId": x.ID, "credRequestJwe": o.sealed(), "keyId": o.ids.Secret(43)})
	}
	return doc.Doc{
		"userId": u.ID, "fulfillmentProvider": r.Given["fulfillmentProvider"], "credRequests": requests, "pinRequestJwe": o.sealed(),
	}, nil
}

// host is the org's own host, without the port.
func (o *Org) host() string {
	u, err := url.Parse(o.base)
	if err != nil {
		return o.base
	}
	return u.Hostname()
}

// sealed looks like an encrypted JSON object (RFC 7516) that nobody can open.
func (o *Org) sealed() string {
	const header = "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00ifQ"
	return strings.Join([]string{header, o.ids.Secret(54), o.ids.Secret(16), o.ids.Secret(120), o.ids.Secret(22)}, ".")
}

// isSealed says whether a text has that form.
func isSealed(text string) bool { return len(strings.Split(text, ".")) == 5 }

// ActivatePreregistration makes the enrollments active that the provider has answered.
func (o *Org) ActivatePreregistration(r Request) (doc.Doc, error) {
	u, err := o.fulfilled(r)
	if err != nil {
		return nil, err
	}
	if !isSealed(doc.String(r.Given, "pinResponseJwe")) {
		return nil, failure.Invalid("pinResponseJwe", "pinResponseJwe: The value is not valid")
	}
	answered, err := o.answeredBy(u, values(r.Given["credResponses"]))
	if err != nil {
		return nil, err
	}
	ids := []any{}
	for _, x := range answered {
		x.Body["status"], x.LastUpdated = Active, o.stamp()
		o.Note(r.By, "user.mfa.factor.activate", nil, u.Party())
		ids = append(ids, x.ID)
	}
	return doc.Doc{"userId": u.ID, "fulfillmentProvider": r.Given["fulfillmentProvider"], "authenticatorEnrollmentIds": ids}, nil
}

// answeredBy are the enrollments to which the responses belong, all of which must wait.
func (o *Org) answeredBy(u *User, responses []any) ([]*Object, error) {
	if len(responses) == 0 {
		return nil, failure.Missing("credResponses")
	}
	var out []*Object
	for _, v := range responses {
		response, isObject := v.(doc.Doc)
		if !isObject {
			return nil, failure.Malformed()
		}
		x, err := o.preregistration(u, doc.String(response, "authenticatorEnrollmentId"))
		if err != nil {
			return nil, err
		}
		if !isSealed(doc.String(response, "credResponseJwe")) {
			return nil, failure.Invalid("credResponseJwe", "credResponseJwe: The value is not valid")
		}
		if x.Status() != PendingActivation {
			return nil, failure.WrongFactorStatus()
		}
		out = append(out, x)
	}
	return out, nil
}

func (o *Org) preregistration(u *User, id string) (*Object, error) {
	k := o.kinds.named("webauthn_preregistrations")
	x := o.look(k, u.ID, id)
	if x == nil {
		return nil, k.missing(id)
	}
	return x, nil
}

// fulfilled is the person for whom the request asks the one provider that there is.
func (o *Org) fulfilled(r Request) (*User, error) {
	if p := doc.String(r.Given, "fulfillmentProvider"); p != "yubico" {
		return nil, failure.Invalid("fulfillmentProvider", "fulfillmentProvider: '"+p+"' is not a valid value. It must be one of yubico")
	}
	id := doc.String(r.Given, "userId")
	if id == "" {
		return nil, failure.Missing("userId")
	}
	return o.User(id)
}

// RequestFulfillment tells the log that somebody needs a key, from where Okta Workflows
// takes it to the provider.
func (o *Org) RequestFulfillment(r Request) error {
	u, err := o.fulfilled(r)
	if err != nil {
		return err
	}
	if len(values(r.Given["fulfillmentData"])) == 0 {
		return failure.Missing("fulfillmentData")
	}
	o.Note(r.By, "system.mfa.preregister.initiate", nil, u.Party())
	return nil
}

// SendPin mails the PIN of a key to its owner, which the simulator does not.
func (o *Org) SendPin(r Request) error {
	u, err := o.fulfilled(r)
	if err != nil {
		return err
	}
	_, err = o.preregistration(u, doc.String(r.Given, "authenticatorEnrollmentId"))
	return err
}
