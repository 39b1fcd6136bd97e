package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// RiskBody is a user's risk level; NONE, without a reason, is that of people whom no
// administrator marked (documented).
func (o *Org) RiskBody(u *User) doc.Doc {
	self := o.base + "/api/v1/users/" + u.ID
	body := doc.Doc{"riskLevel": "NONE", "_links": doc.Doc{
		"user": Hints.write("user", self, []string{"GET"}), "self": Hints.write("self", self+"/risk", []string{"GET", "PUT"}),
	}}
	if u.Risk != "" {
		body["riskLevel"], body["reason"] = u.Risk, "Admin override risk"
	}
	return body
}

// SetRisk overrides a user's risk level, and says whether there was none before.
func (o *Org) SetRisk(by *Cause, u *User, body doc.Doc) (isNew bool, err error) {
	level := doc.String(body, "riskLevel")
	if !slices.Contains([]string{"HIGH", "LOW"}, level) {
		return false, failure.Invalid("riskLevel", "riskLevel: '"+level+"' is not a valid value. It must be one of HIGH, LOW")
	}
	isNew = u.Risk == ""
	u.Risk = level
	o.Note(by, "user.risk.change", doc.Doc{"riskLevel": level}, u.Party())
	return isNew, nil
}

// ClassificationBody says whether a user is STANDARD or LITE.
func (u *User) ClassificationBody() doc.Doc {
	class, since := u.Class, u.Classified
	if class == "" {
		class, since = "STANDARD", u.Created
	}
	return doc.Doc{"type": class, "lastUpdated": since}
}

// Classify makes a user STANDARD or LITE.
func (o *Org) Classify(by *Cause, u *User, body doc.Doc) error {
	class := doc.String(body, "type")
	if !slices.Contains([]string{"LITE", "STANDARD"}, class) {
		return failure.Invalid("type", "type: '"+class+"' is not a valid value. It must be one of LITE, STANDARD")
	}
	before := doc.Doc{"type": u.ClassificationBody()["type"]}
	u.Class, u.Classified = class, o.stamp()
	party := u.Party()
	party.ChangeDetails = changeDetails(before, doc.Doc{"type": class})
	o.Note(by, "account.user.classify", nil, party)
	return nil
}
