package org

import (
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// orgSettingKinds are the org's description, its contacts, its preferences and what it lets
// Okta do.
func orgSettingKinds() []Kind {
	return []Kind{
		orgSettings(), contacts(), communication(), aerialConsent(), supportAccess(), supportCases(), preferences(), securityNotifications(),
		orgFlag("third_party_admin", "orgSettings/thirdPartyAdminSetting", "thirdPartyAdmin", "POST", false),
		orgFlag("auto_assign_admin_app", "settings/autoAssignAdminAppSetting", "autoAssignAdminAppSetting", "POST", true),
		orgFlag(clientPrivileges, "settings/clientPrivilegesSetting", "clientPrivilegesSetting", "PUT", false),
	}
}

// orgSettings are how the org describes itself: texts about the company and its help for
// people are empty at first, the address is null (recorded).
func orgSettings() Kind {
	fields := []Field{
		{Path: "subdomain", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.info.Subdomain }},
		{Path: "companyName", Required: true, Keep: true, Example: "Acme %d"},
		{Path: "status", Mode: ReadOnly, Default: Active},
		{Path: "expiresAt", Mode: ReadOnly, Null: true},
	}
	for _, name := range []string{"website", "phoneNumber", "endUserSupportHelpURL", "supportPhoneNumber"} {
		fields = append(fields, Field{Path: name, Default: ""})
	}
	for _, name := range []string{"address1", "address2", "city", "state", "country", "postalCode"} {
		fields = append(fields, Field{Path: name, Null: true})
	}
	return Kind{
		Name: "org_settings", Path: "/api/v1/org", Class: "Org",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs: Verbs{Get: true, Replace: "PUT", Merge: "POST"}, Stamps: dated, Natural: []string{"companyName"},
		Fields: fields,
		Links: []Link{
			{Name: "preferences", To: "preferences"}, {Name: "contacts", To: "contacts"}, {Name: "uploadLogo", To: "logo", Allow: "POST"},
			{Name: "oktaCommunication", To: "privacy/oktaCommunication"}, {Name: "oktaSupport", To: "privacy/oktaSupport"},
		},
		Seeds: []Seed{{}},
		Fill: func(c *Change) error {
			doc.Default(c.Body, "companyName", c.Org.info.Company)
			return nil
		},
		After: func(c *Change) { c.Org.info.Company = textOf(c.Body["companyName"]) },
		Show: func(v *View) {
			v.Body["id"] = v.Org.info.ID
			doc.Object(v.Body, "_links")["logo"] = nil
		},
	}
}

// orgFlag is a setting of the whole org that says yes or no (documented; which of them a new
// org has is an assumption).
func orgFlag(name, path, field, method string, on bool) Kind {
	verbs := Verbs{Get: true, Merge: method}
	if method == "PUT" {
		verbs = Verbs{Get: true, Replace: method}
	}
	return Kind{
		Name: name, Path: "/api/v1/org/" + path, Class: "OrgSetting",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs:  verbs,
		Fields: []Field{{Path: field, Type: Bool, Default: on, Keep: true}},
		Seeds:  []Seed{{}},
	}
}

// clientPrivileges is whether new service apps become super administrators.
const clientPrivileges = "client_privileges"

// preferences are whether the dashboard of end users has a footer.
func preferences() Kind {
	set := func(name string, shown bool) Operation {
		return Operation{Name: name, Path: name, When: is("showEndUserFooter", !shown), Set: doc.Doc{"showEndUserFooter": shown}, Status: 200}
	}
	return Kind{
		Name: "org_preferences", Path: "/api/v1/org/preferences", Class: "OrgPreferences",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs: Verbs{Get: true}, Operations: []Operation{set("hideEndUserFooter", false), set("showEndUserFooter", true)},
		Fields: []Field{{Path: "showEndUserFooter", Type: Bool, Mode: ReadOnly, Default: true}},
		Links:  []Link{},
		Seeds:  []Seed{{}},
	}
}

// securityNotifications are which mails about their security people get. The endpoint is not
// published (recorded).
func securityNotifications() Kind {
	var fields []Field
	for _, name := range []string{
		"sendEmailForNewDeviceEnabled", "sendEmailForFactorEnrollmentEnabled", "sendEmailForFactorResetEnabled",
		"sendEmailForPasswordChangedEnabled", "reportSuspiciousActivityEnabled",
	} {
		fields = append(fields, Field{Path: name, Type: Bool, Default: true, Keep: true})
	}
	for _, name := range []string{"customizedEmailsList", "customizedEmailsWithReportButtonList"} {
		fields = append(fields, Field{Path: name, Type: List, Mode: ReadOnly, Default: []any{}})
	}
	return Kind{
		Name: "security_notifications", Path: "/api/internal/org/settings/security-notification-settings", Class: "SecurityNotificationSettings",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs: Verbs{Get: true, Replace: "PUT"}, Fields: fields, Seeds: []Seed{{}},
	}
}

// contacts are the two people whom Okta writes to.
func contacts() Kind {
	return Kind{
		Name: "org_contacts", Path: "/api/v1/org/contacts/{contactType}", HideID: true, Class: "OrgContact",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs:  Verbs{List: true, Get: true, Replace: "PUT"},
		Fields: []Field{{Path: "userId", Ref: "user", Gone: Cleared}},
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

// supportCases are what the company has asked Okta's support. Support makes them, so a new
// org has none; an admin opens the org for one, for eight hours (documented).
func supportCases() Kind {
	return Kind{
		Name: "support_cases", Path: "/api/v1/org/privacy/oktaSupport/cases/{caseNumber}", Key: "caseNumber", Class: "OktaSupportCase",
		Scope: "okta.oktaSupport", Area: AreaSupport + ".cases",
		Verbs:   Verbs{List: true, Merge: "PATCH"},
		Page:    Page{Envelope: "supportCases"},
		Natural: []string{"subject"},
		Fields: []Field{
			{Path: "caseNumber", Mode: ReadOnly},
			{Path: "subject", Mode: ReadOnly},
			{Path: "impersonation.status", Enum: []string{"ENABLED", "DISABLED"}, Default: "DISABLED"},
			{Path: "impersonation.expiration", Null: true},
			{Path: "selfAssigned.status", Enum: []string{"APPROVED", "REQUESTED", "NOT_REQUIRED"}, Default: "NOT_REQUIRED"},
		},
		Fill: func(c *Change) error {
			access := doc.Ensure(c.Body, "impersonation")
			switch {
			case access["status"] == "DISABLED":
				access["expiration"] = nil
			case doc.Get(c.Given, "impersonation", "expiration") == nil && doc.String(c.Before, "impersonation", "status") != "ENABLED":
				access["expiration"] = Millis.write(StampOf(c.Org.stamp().Time().Add(supportHours * time.Hour)))
			}
			return nil
		},
	}
}

// supportHours is how long support may enter the org when it is let in (documented).
const supportHours = 8

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
		Scope: "okta.orgs", Area: AreaSupport,
		Verbs: Verbs{Get: true},
		Operations: []Operation{
			{Name: "grant", Path: "grant", When: disabled, Set: doc.Doc{"support": "ENABLED"}, Run: until(supportHours), Status: 200},
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
