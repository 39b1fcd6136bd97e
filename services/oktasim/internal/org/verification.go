package org

import (
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// pushLife is how long a push waits for its answer (documented: five minutes).
const pushLife = 5 * time.Minute

// factorTransactions are pushes that wait for the person. Nobody looks at the phone, so that
// each of them times out.
func factorTransactions() Kind {
	return Kind{
		Name: "factor_transactions", Path: "/api/v1/users/{userId}/factors/{factorId}/transactions/{transactionId}", Class: "FactorTransaction",
		Scope: "okta.users", Area: AreaUsers,
		MakeID: func(o *Org) string { return "v2mst." + o.ids.Secret(22) },
		Verbs:  Verbs{Get: true, Delete: 204}, Natural: []string{"factorResult"},
		Fields: []Field{
			{Path: "factorResult", Mode: ReadOnly, Default: "WAITING"},
			{Path: "expiresAt", Mode: ReadOnly, Default: func(c *Change) any {
				return Millis.write(StampOf(c.Org.stamp().Time().Add(pushLife)))
			}},
		},
		HideID: true, Show: showTransaction,
	}
}

// showTransaction leads on: to asking again while it waits, to another try afterwards.
func showTransaction(v *View) {
	factor := v.Org.parentOf(v.Kind, v.Object)
	at := v.Org.Href(v.Kind.parent, factor)
	v.Body["profile"] = factor.Body["profile"]
	if Millis.read(v.Body["expiresAt"]) >= v.Org.stamp() {
		v.Body["_links"] = doc.Doc{
			"poll":   Hints.write("poll", v.Self, []string{"GET"}),
			"cancel": Hints.write("cancel", v.Self, []string{"DELETE"}),
		}
		return
	}
	delete(v.Body, "expiresAt")
	v.Body["factorResult"] = "TIMEOUT"
	v.Body["_links"] = doc.Doc{
		"verify": Hints.write("verify", at+"/verify", []string{"POST"}), "factor": Hints.write("factor", at, []string{"GET", "DELETE"}),
	}
}

// VerifyFactor asks a person to prove a factor, or takes the proof: the right answer to a
// question, any code of the others (an assumption: nobody gets a code).
func (o *Org) VerifyFactor(x *Object, r Request) (doc.Doc, error) {
	k := o.kinds.named("user_factors")
	if x.Status() != Active {
		return nil, failure.WrongFactorStatus()
	}
	switch x.text("factorType") {
	case "push":
		return o.sendPush(x, r)
	case "question":
		if !strings.EqualFold(doc.String(r.Given, "answer"), x.text("profile.answer")) {
			return nil, failure.WrongPasscode()
		}
	case "sms", "call", "email":
		if doc.String(r.Given, "passCode") == "" {
			self := o.Href(k, x)
			return doc.Doc{"factorResult": "CHALLENGE", "_links": doc.Doc{
				"verify": Hints.write("verify", self+"/verify", []string{"POST"}), "factor": Hints.write("factor", self, []string{"GET", "DELETE"}),
			}}, nil
		}
	}
	o.Note(r.By, "user.authentication.auth_via_mfa", nil, k.party(x))
	return doc.Doc{"factorResult": "SUCCESS"}, nil
}

func (o *Org) sendPush(x *Object, r Request) (doc.Doc, error) {
	transactions := o.kinds.named("factor_transactions")
	t, err := o.CreateObject(transactions, []string{x.Home, x.ID}, Request{By: r.By})
	if err != nil {
		return nil, err
	}
	return o.Show(transactions, t, View{}, 0), nil
}
