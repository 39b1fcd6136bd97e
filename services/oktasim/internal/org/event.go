package org

import "imago/services/oktasim/internal/doc"

// Party is an actor or a target of a log event.
type Party struct {
	ID            string  `json:"id"`
	Type          string  `json:"type"`
	AlternateID   string  `json:"alternateId"`
	DisplayName   string  `json:"displayName"`
	DetailEntry   doc.Doc `json:"detailEntry"`
	ChangeDetails doc.Doc `json:"changeDetails,omitempty"`
}

// Cause is who asked for a change, from where and by which request. A nil cause is
// Okta building the org: it leaves no trace in the log.
type Cause struct {
	Actor         Party
	IP, UserAgent string
	RequestID     string
	URI           string
	// TokenID is the API token's or the access token's id.
	TokenID string
	// Session is the externalSessionId: "trs…" for API calls.
	Session string
	// Job marks work that Okta does by itself after a request.
	Job bool
}

// Event is one System Log entry.
type Event struct {
	UUID      string  `json:"uuid"`
	Published Stamp   `json:"published"`
	EventType string  `json:"eventType"`
	Message   string  `json:"displayMessage"`
	Severity  string  `json:"severity"`
	Result    string  `json:"result"`
	Reason    string  `json:"reason,omitempty"`
	Actor     Party   `json:"actor"`
	Targets   []Party `json:"target"`
	IP        string  `json:"ip,omitempty"`
	UserAgent string  `json:"userAgent,omitempty"`
	RequestID string  `json:"requestId,omitempty"`
	TxID      string  `json:"transactionId"`
	TxType    string  `json:"transactionType"`
	TokenID   string  `json:"tokenId,omitempty"`
	Session   string  `json:"session,omitempty"`
	URI       string  `json:"uri,omitempty"`
	Debug     doc.Doc `json:"debug,omitempty"`
}

// system is the cause of what Okta does by itself in the wake of by.
func (o *Org) system(by *Cause) *Cause {
	if by == nil {
		return nil
	}
	return &Cause{
		Actor:     Party{ID: o.info.System, Type: "SystemPrincipal", AlternateID: "system@okta.com", DisplayName: "Okta System"},
		RequestID: by.RequestID, URI: by.URI, Job: true,
	}
}

// Note writes an event. Debug is added to debugContext.debugData; it may be nil.
func (o *Org) Note(by *Cause, eventType string, debug doc.Doc, targets ...Party) *Event {
	if by == nil {
		return nil
	}
	e := &Event{
		UUID: o.ids.UUID(), Published: Stamp(o.clock.Now().UnixMilli()), EventType: eventType,
		Message: messageOf(eventType), Severity: "INFO", Result: "SUCCESS",
		Actor: by.Actor, Targets: targets, IP: by.IP, UserAgent: by.UserAgent,
		RequestID: by.RequestID, TxID: by.RequestID, TxType: "WEB", TokenID: by.TokenID,
		Session: by.Session, URI: by.URI, Debug: debug,
	}
	if by.Job {
		e.TxID, e.TxType, e.Session = o.ids.Secret(24), "JOB", ""
	}
	o.log.write(e)
	o.await(e)
	return e
}

// NoteFailure writes an event with outcome FAILURE.
func (o *Org) NoteFailure(by *Cause, eventType, reason string, targets ...Party) {
	if e := o.Note(by, eventType, nil, targets...); e != nil {
		e.Result, e.Reason, e.Severity = "FAILURE", reason, "WARN"
	}
}

// messages are the display messages of the events that the simulator writes.
var messages = map[string]string{
	"user.lifecycle.create":                        "Create Okta user",
	"user.lifecycle.activate":                      "Activate Okta user",
	"user.lifecycle.deactivate":                    "Deactivate Okta user",
	"user.lifecycle.reactivate":                    "Reactivate Okta user",
	"user.lifecycle.suspend":                       "Suspend Okta user",
	"user.lifecycle.unsuspend":                     "Unsuspend Okta user",
	"user.lifecycle.delete.initiated":              "Delete Okta user initiated",
	"user.lifecycle.delete.completed":              "Delete Okta user completed",
	"user.account.update_profile":                  "Update user profile for Okta",
	"user.account.update_user_type":                "User type update",
	"user.account.update_password":                 "User update password for Okta",
	"user.account.privilege.grant":                 "Grant user privilege",
	"user.account.privilege.revoke":                "Revoke user privilege",
	"group.lifecycle.create":                       "Create okta group",
	"group.lifecycle.delete":                       "Delete okta group",
	"group.profile.update":                         "Update group profile",
	"group.user_membership.add":                    "Add user to group membership",
	"group.user_membership.remove":                 "Remove user from group membership",
	"group.user_membership.rule.add_exclusion":     "Add user to group rule exclusion list",
	"group.user_membership.rule.deactivated":       "Group rule was deactivated",
	"group.user_membership.rule.invalidate":        "Group rule was marked invalid",
	"group.user_membership.rule.trigger":           "Group rule evaluation was triggered",
	"group.application_assignment.add":             "Add assigned application to group",
	"group.application_assignment.remove":          "Remove assigned application from group",
	"group.application_assignment.update":          "Update assigned application in group",
	"group.privilege.grant":                        "Grant group privilege",
	"group.privilege.revoke":                       "Revoke group privilege",
	"application.lifecycle.create":                 "Create application",
	"application.lifecycle.update":                 "Update application",
	"application.lifecycle.activate":               "Activate application",
	"application.lifecycle.deactivate":             "Deactivate application",
	"application.lifecycle.delete":                 "Delete application",
	"application.user_membership.add":              "Add user to application membership",
	"application.user_membership.remove":           "Remove user's application membership",
	"application.user_membership.update":           "Update user's application membership",
	"application.user_membership.change_username":  "Change user's application username",
	"application.policy.sign_on.update":            "Update application sign on policy",
	"app.oauth2.client.lifecycle.create":           "OAuth client created",
	"app.oauth2.client.lifecycle.update":           "OAuth client updated",
	"app.oauth2.client.lifecycle.activate":         "OAuth client activated",
	"app.oauth2.client.lifecycle.deactivate":       "OAuth client deactivated",
	"app.oauth2.client.lifecycle.delete":           "OAuth client deleted",
	"app.oauth2.client.privilege.grant":            "Grant OAuth client privilege",
	"app.oauth2.client.privilege.revoke":           "Revoke OAuth client privilege",
	"app.oauth2.client.read_client_secret":         "Read OAuth client secret",
	"app.oauth2.credentials.lifecycle.create":      "OAuth client credential created",
	"app.oauth2.credentials.lifecycle.activate":    "OAuth client credential activated",
	"app.oauth2.credentials.lifecycle.deactivate":  "OAuth client credential deactivated",
	"app.oauth2.credentials.lifecycle.delete":      "OAuth client credential deleted",
	"app.oauth2.admin.consent.grant":               "Grant scope consent to application",
	"app.oauth2.admin.consent.revoke":              "Revoke scope consent from application",
	"app.oauth2.token.grant":                       "OAuth token request",
	"app.oauth2.token.grant.access_token":          "OAuth2 access token is granted",
	"app.oauth2.token.revoke":                      "OAuth2 token revocation request",
	"app.oauth2.invalid_client_credentials":        "OAuth client authentication failed",
	"policy.lifecycle.create":                      "Create policy",
	"policy.lifecycle.update":                      "Update policy",
	"policy.lifecycle.activate":                    "Activate policy",
	"policy.lifecycle.deactivate":                  "Deactivate policy",
	"policy.lifecycle.delete":                      "Delete policy",
	"policy.mapping.create":                        "Map resource to policy",
	"policy.rule.add":                              "Add policy rule",
	"policy.rule.update":                           "Update policy rule",
	"policy.rule.activate":                         "Activate policy rule",
	"policy.rule.deactivate":                       "Deactivate policy rule",
	"policy.rule.delete":                           "Delete policy rule",
	"policy.rule.invalidate":                       "Invalidate policy rule",
	"zone.create":                                  "Create network zone",
	"zone.update":                                  "Update network zone",
	"zone.activate":                                "Activate network zone",
	"zone.deactivate":                              "Deactivate network zone",
	"zone.delete":                                  "Delete network zone",
	"zone.make_blacklist":                          "Network zone turned into a blocklist",
	"zone.remove_blacklist":                        "Network zone no longer a blocklist",
	"system.api_token.create":                      "Create API token",
	"system.org.rate_limit.violation":              "Rate limit violation",
	"system.org.rate_limit.warning":                "Rate limit warning",
	"system.org.rate_limit.burst":                  "Rate limit burst",
	"system.operation.rate_limit.violation":        "Operation rate limit violation",
	"system.operation.concurrency_limit.violation": "Operation concurrency limit violation",
	"core.concurrency.org.limit.violation":         "Concurrency limit violation",
	"application.configuration.update":             "Update application configuration",
	"application.configuration.update_logo":        "Update application logo",
	"directory.app_user_profile.update":            "Update app user profile",
	"directory.mapping.update":                     "Update mapping",

	"application.provision.group_push.mapping.created":                 "Create group push mapping",
	"application.provision.group_push.updated":                         "Update group push mapping",
	"application.provision.group_push.removed":                         "Remove group push mapping",
	"application.provision.group_push.mapping.update.or.delete.failed": "Fail to update or delete group push mapping",
}
