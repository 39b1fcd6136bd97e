package org

import (
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// orgSettingKinds are the org's contacts and its privacy settings.
func orgSettingKinds() []Kind {
	return []Kind{contacts(), communication(), supportAccess()}
}

// contacts are the two people whom Okta writes to.
func contacts() Kind {
	return Kind{
		Name: "org_contacts", Path: "/api/v1/org/contacts/{contactType}", HideID: true, Class: "OrgContact",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs:  Verbs{List: true, Get: true, Replace: "PUT"},
		Fields: []Field{{Path: "userId", Null: true, Ref: "user", Gone: Cleared}},
		Links:  []Link{{Name: "user", To: "/api/v1/users/{userId}", When: isNot("userId", nil)}},
		Seeds:  []Seed{{ID: "BILLING"}, {ID: "TECHNICAL"}},
		// The list names the types alone (documented).
		Show: func(v *View) {
			if v.InList {
				v.Body = doc.Doc{"contactType": v.Object.ID, "_links": doc.Doc{strings.ToLower(v.Object.ID): doc.Doc{"href": v.Self}}}
			}
		},
	}
}

// communication is whether Okta may write to users.
func communication() Kind {
	optOut := func(out bool, name string) Operation {
		return Operation{Name: name, Path: name, When: is("optOutEmailUsers", !out), Set: doc.Doc{"optOutEmailUsers": out}, Status: 200}
	}
	return Kind{
		Name: "org_communication", Path: "/api/v1/org/privacy/oktaCommunication", Class: "OrgOktaCommunicationSetting",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs: Verbs{Get: true}, Operations: []Operation{optOut(false, "optIn"), optOut(true, "optOut")},
		Fields: []Field{{Path: "optOutEmailUsers", Type: Bool, Mode: ReadOnly, Default: false}},
		Links:  []Link{},
		Seeds:  []Seed{{}},
	}
}

// supportAccess is whether Okta's support may enter the org, and until when.
func supportAccess() Kind {
	enabled, disabled := is("support", "ENABLED"), is("support", "DISABLED")
	until := func(hours int) func(*Change) error {
		return func(c *Change) error {
			from := c.Org.stamp().Time()
			if t := Millis.read(c.Before["expiration"]); c.Verb == "extend" && t != 0 {
				from = t.Time()
			}
			c.Body["expiration"] = Millis.write(StampOf(from.Add(time.Duration(hours) * time.Hour)))
			return nil
		}
	}
	return Kind{
		Name: "org_support", Path: "/api/v1/org/privacy/oktaSupport", Class: "OrgOktaSupportSetting",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs: Verbs{Get: true},
		Operations: []Operation{
			{Name: "grant", Path: "grant", When: disabled, Set: doc.Doc{"support": "ENABLED"}, Run: until(8), Status: 200},
			{Name: "extend", Path: "extend", When: enabled, Run: until(24), Status: 200},
			{Name: "revoke", Path: "revoke", When: enabled, Set: doc.Doc{"support": "DISABLED", "expiration": nil}, Status: 200},
		},
		Fields: []Field{
			{Path: "support", Mode: ReadOnly, Default: "DISABLED"},
			{Path: "expiration", Mode: ReadOnly, Null: true},
		},
		Links: []Link{},
		Events: map[string]string{
			"grant": "user.session.impersonation.grant", "extend": "user.session.impersonation.extend", "revoke": "user.session.impersonation.revoke",
		},
		Seeds: []Seed{{}},
	}
}
