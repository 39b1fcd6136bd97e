package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// factorKinds are the factors with which users prove who they are.
func factorKinds() []Kind {
	pending := is("status", PendingActivation)
	return []Kind{factorTransactions(), tacEnrollments(), preregistrations(), {
		Name: "user_factors", Path: "/api/v1/users/{userId}/factors/{factorId}", Prefix: "ufs", Class: "UserFactor",
		Scope: "okta.users", Area: AreaCredentials,
		Verbs:   Verbs{List: true, Get: true, Create: 200, Replace: "PUT", Delete: 204},
		Stamps:  dated,
		Natural: []string{"factorType", "provider"},
		Fields: []Field{
			{Path: "factorType", Required: true, Mode: Immutable, Enum: factorTypes(), Example: "sms"},
			{Path: "provider", Required: true, Mode: Immutable, Enum: []string{"OKTA", "CUSTOM", "DUO", "FIDO", "GOOGLE", "RSA", "SYMANTEC", "YUBICO"}},
			{Path: "vendorName", Mode: ReadOnly},
			{Path: "status", Mode: ReadOnly},
			{Path: "profile", Type: Map, Keep: true, Example: doc.Doc{}},
			{Path: "profile.phoneNumber", Example: "+1555415%d"},
			{Path: "profile.answer", Mode: WriteOnly},
		},
		Operations: []Operation{
			{Name: "activate", Path: "lifecycle/activate", When: pending, Else: failure.WrongFactorStatus(), Set: doc.Doc{"status": Active}, Status: 200},
			{Name: "resend", Path: "resend", Status: 200, Link: "-", Read: true},
		},
		Links: []Link{
			self("GET DELETE"),
			{Name: "verify", To: "verify", Allow: "POST", When: is("factorType", "sms", "call", "email", "push", "token:software:totp")},
		},
		Events: map[string]string{
			create: "user.mfa.factor.activate", replace: "user.mfa.factor.update", "activate": "user.mfa.factor.activate", remove: "user.mfa.factor.deactivate",
		},
		Check: checkFactor, Fill: fillFactor, Show: showFactor,
	}}
}

// PendingActivation is the status of a factor that its owner has not proved yet.
const PendingActivation = "PENDING_ACTIVATION"

// factorPrefixes start the ids of factors by type (question is recorded, the others are
// those of Okta's examples).
var factorPrefixes = map[string]string{
	"call": "clf", "email": "emf", "push": "opf", "question": "ufs", "signed_nonce": "sos", "sms": "mbl", "token": "ykf", "token:hardware": "ykf",
	"token:hotp": "uft", "token:software:totp": "ost", "u2f": "fuf", "web": "dsf", "webauthn": "fwf",
}

func factorTypes() []string { return sortedKeys(factorPrefixes) }

// securityQuestions are those that Okta offers (recorded): name and text.
func securityQuestions() [][2]string {
	return [][2]string{
		{"disliked_food", "What is the food you least liked as a child?"},
		{"name_of_first_plush_toy", "What is the name of your first stuffed animal?"},
		{"first_award", "What did you earn your first medal or award for?"},
		{"favorite_security_question", "What is your favorite security question?"},
		{"favorite_toy", "What is the toy/stuffed animal you liked the most as a kid?"},
		{"first_computer_game", "What was the first computer game you played?"},
		{"favorite_movie_quote", "What is your favorite movie quote?"},
		{"first_sports_team_mascot", "What was the mascot of the first sports team you played on?"},
		{"first_music_purchase", "What music album or song did you first purchase?"},
		{"favorite_art_piece", "What is your favorite piece of art?"},
		{"grandmother_favorite_desert", "What was your grandmother's favorite dessert?"},
		{"first_thing_cooked", "What was the first thing you learned to cook?"},
		{"childhood_dream_job", "What was your dream job as a child?"},
		{"place_where_significant_other_was_met", "Where did you meet your spouse/significant other?"},
		{"favorite_vacation_location", "Where did you go for your favorite vacation?"},
		{"new_years_two_thousand", "Where were you on New Year's Eve in the year 2000?"},
		{"favorite_speaker_actor", "Who is your favorite speaker/orator?"},
		{"favorite_book_movie_character", "Who is your favorite book/movie character?"},
		{"favorite_sports_player", "Who is your favorite sports player?"},
	}
}

// QuestionsBody lists the security questions.
func QuestionsBody() []any {
	var all []any
	for _, q := range securityQuestions() {
		all = append(all, doc.Doc{"question": q[0], "questionText": q[1]})
	}
	return all
}

func questionText(name string) string {
	for _, q := range securityQuestions() {
		if q[0] == name {
			return q[1]
		}
	}
	return ""
}

// checkFactor wants a profile that fits the type and that no other factor of it has, and an
// id that tells the type.
func checkFactor(c *Change) error {
	if c.Verb != create && c.Verb != replace {
		return nil
	}
	kind, profile := doc.String(c.Body, "factorType"), doc.Object(c.Body, "profile")
	switch kind {
	case "question":
		if questionText(doc.String(profile, "question")) == "" {
			return failure.Invalid("factorEnrollRequest", "Invalid Question")
		}
		if len(doc.String(profile, "answer")) < 4 {
			return failure.Invalid("factorEnrollRequest", "The security question answer must be at least 4 characters in length")
		}
	case "sms", "call":
		if !strings.HasPrefix(doc.String(profile, "phoneNumber"), "+") {
			return failure.Invalid("factorEnrollRequest", "Invalid Phone Number.")
		}
	}
	if c.Verb == create {
		twin := func(x *Object) bool {
			return c.Kind.alike(x.Body, c.Body) && (kind == "question" || equal(x.Body["profile"], c.Body["profile"]))
		}
		if slices.ContainsFunc(c.Org.objectsIn(c.Kind, c.Object.Home), twin) {
			return failure.Invalid("factorEnrollRequest", "A factor of this type is already set up.")
		}
		c.Object.ID = c.Org.ids.ID(factorPrefixes[kind])
	}
	return nil
}

// fillFactor settles what follows from the type. Questions need no proof (recorded), others
// one unless the request says otherwise (documented: activate=true).
func fillFactor(c *Change) error {
	doc.Default(c.Body, "vendorName", doc.String(c.Body, "provider"))
	if c.Before != nil || c.Body["status"] != nil {
		return nil
	}
	c.Body["status"] = PendingActivation
	if doc.String(c.Body, "factorType") == "question" || slices.Equal(c.Query["activate"], []string{"true"}) {
		c.Body["status"] = Active
	}
	return nil
}

func showFactor(v *View) {
	user := v.Org.base + "/api/v1/users/" + v.Object.Home
	links := doc.Ensure(v.Body, "_links")
	links["user"] = Hints.write("user", user, []string{"GET"})
	if profile := doc.Object(v.Body, "profile"); doc.String(v.Body, "factorType") == "question" {
		links["questions"] = Hints.write("questions", user+"/factors/questions", []string{"GET"})
		profile["questionText"] = questionText(doc.String(profile, "question"))
	}
}

// FactorCatalog lists the factors that there are, and whether the user has them.
func (o *Org) FactorCatalog(u *User) []any {
	self := o.base + "/api/v1/users/" + u.ID + "/factors"
	have := o.objectsIn(o.kinds.named("user_factors"), u.ID)
	var all []any
	for _, kind := range []string{"question", "token:software:totp", "push", "sms", "call", "email", "webauthn"} {
		provider := "OKTA"
		if kind == "webauthn" {
			provider = "FIDO"
		}
		status := "NOT_SETUP"
		if slices.ContainsFunc(have, func(x *Object) bool { return x.text("factorType") == kind && x.text("provider") == provider }) {
			status = Active
		}
		links := doc.Doc{"enroll": Hints.write("enroll", self, []string{"POST"})}
		if kind == "question" {
			links["questions"] = Hints.write("questions", self+"/questions", []string{"GET"})
		}
		all = append(all, doc.Doc{
			"factorType": kind, "provider": provider, "vendorName": provider, "status": status, "enrollment": "OPTIONAL", "_links": links,
		})
	}
	return all
}

// ResetFactors takes every factor from a user.
func (o *Org) ResetFactors(by *Cause, u *User) {
	o.clearHome(o.kinds.named("user_factors"), u.ID)
	o.Note(by, "user.mfa.factor.reset_all", nil, u.Party())
}
