package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// delegates decide for others who are away. They are listed here and appointed in the
// settings of the person who is away.
func delegates() Kind {
	page := governancePage()
	page.Filter, page.Rename = []string{"delegatorId", "delegateId"}, map[string]string{"delegatorId": "delegator.externalId", "delegateId": "delegate.externalId"}
	return Kind{
		Name: "delegates", Path: "/governance/api/v1/delegates/{delegateAppointmentId}", Prefix: "gda", Class: "DelegateAppointment",
		Scope: "okta.governance.delegates", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true}, Page: page, Stamps: governanceStamps,
		Fields: []Field{
			{Path: "delegator", Type: Map, Required: true},
			{Path: "delegate", Type: Map, Required: true, Example: doc.Doc{"type": "OKTA_USER", "externalId": "00u00000000000000000"}},
			{Path: "delegate.externalId", Required: true},
			{Path: "delegate.type", Required: true, Enum: []string{"OKTA_USER"}},
			{Path: "note", Max: 1000},
			{Path: "startTime"},
			{Path: "endTime"},
		},
		Show: func(v *View) { delete(v.Body, "_links") },
	}
}

// Appoint replaces the people who decide for a person, if the request names any, and
// returns all of them.
func (o *Org) Appoint(person string, r Request) (doc.Doc, error) {
	u, err := o.User(person)
	if err != nil {
		return nil, err
	}
	k := o.kinds.named("delegates")
	given, named := doc.Get(r.Given, "delegates", "appointments").([]any)
	fresh, err := o.appointments(k, u.ID, given, r.By)
	if err != nil {
		return nil, err
	}
	for _, x := range o.objectsIn(k, "") {
		if named && x.text("delegator.externalId") == u.ID {
			o.shelf(k).take(x)
		}
	}
	for _, c := range fresh {
		o.install(c)
	}
	shown := []any{}
	for _, x := range o.objectsIn(k, "") {
		if x.text("delegator.externalId") == u.ID {
			shown = append(shown, o.Show(k, x, View{}, 0))
		}
	}
	return doc.Doc{"delegates": doc.Doc{"appointments": shown}}, nil
}

// appointments checks what is asked for before anything is changed.
func (o *Org) appointments(k *Kind, person string, given []any, by *Cause) ([]*Change, error) {
	var out []*Change
	for _, v := range given {
		body, ok := v.(doc.Doc)
		if !ok {
			return nil, failure.Malformed()
		}
		body = doc.Merge(body, doc.Doc{"delegator": doc.Doc{"type": "OKTA_USER", "externalId": person}})
		c := o.change(k, &Object{}, create, Request{By: by, Given: body})
		if err := c.prepare(); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
