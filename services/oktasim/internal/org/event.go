package org

import (
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/filter"
)

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
		Message: messages[eventType], Severity: "INFO", Result: "SUCCESS",
		Actor: by.Actor, Targets: targets, IP: by.IP, UserAgent: by.UserAgent,
		RequestID: by.RequestID, TxID: by.RequestID, TxType: "WEB", TokenID: by.TokenID,
		Session: by.Session, URI: by.URI, Debug: debug,
	}
	if by.Job {
		e.TxID, e.TxType, e.Session = o.ids.Secret(24), "JOB", ""
	}
	o.log = append(o.log, e)
	o.await(e)
	return e
}

// NoteFailure writes an event with outcome FAILURE.
func (o *Org) NoteFailure(by *Cause, eventType, reason string, targets ...Party) {
	if e := o.Note(by, eventType, nil, targets...); e != nil {
		e.Result, e.Reason, e.Severity = "FAILURE", reason, "WARN"
	}
}

// retention is how long Okta keeps events (documented: 90 days).
const retention = 90 * 24 * time.Hour

// LogQuery asks for events. Zero times are open ends.
type LogQuery struct {
	Since, Until time.Time
	Filter       *filter.Filter
	Words        []string
	// Bounded queries are ordered by published, the others by arrival.
	Bounded, Descending bool
}

// Found is an event with its position in the log.
type Found struct {
	*Event
	Seq int
}

// Events answers the query, at most limit events that follow the position after, in
// the query's order. Positions start at 1; after 0 is the beginning. It also returns
// whether more follow.
func (o *Org) Events(q LogQuery, after, limit int) (found []Found, more bool) {
	oldest := Stamp(o.clock.Now().Add(-retention).UnixMilli())
	order := o.logOrder(q)
	start := 0
	if after > 0 {
		start = slices.IndexFunc(order, func(i int) bool { return i == after-1 }) + 1
		if start == 0 {
			start = len(order)
		}
	}
	for _, i := range order[start:] {
		e := o.log[i]
		if e.Published < oldest || !q.matches(e) {
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, Found{e, i + 1})
	}
	return found, false
}

// logOrder lists log positions in the order of the query.
func (o *Org) logOrder(q LogQuery) []int {
	order := make([]int, len(o.log))
	for i := range order {
		order[i] = i
	}
	if q.Bounded {
		slices.SortStableFunc(order, func(a, b int) int { return int(o.log[a].Published - o.log[b].Published) })
	}
	if q.Descending {
		slices.Reverse(order)
	}
	return order
}

func (q LogQuery) matches(e *Event) bool {
	t := e.Published.Time()
	if !q.Since.IsZero() && t.Before(q.Since) || !q.Until.IsZero() && !t.Before(q.Until) {
		return false
	}
	if !q.Filter.Match(e.attribute) {
		return false
	}
	for _, w := range q.Words {
		if !strings.Contains(e.text(), strings.ToLower(w)) {
			return false
		}
	}
	return true
}

// text is what q searches: names, ids, types and addresses.
func (e *Event) text() string {
	parts := []string{e.EventType, e.Message, e.IP, e.UserAgent, e.UUID, e.Result, e.Reason}
	for _, p := range append([]Party{e.Actor}, e.Targets...) {
		parts = append(parts, p.ID, p.Type, p.AlternateID, p.DisplayName)
	}
	return strings.ToLower(strings.Join(parts, " "))
}

func (e *Event) attribute(name string) []any {
	switch name {
	case "eventType":
		return []any{e.EventType}
	case "uuid":
		return []any{e.UUID}
	case "severity":
		return []any{e.Severity}
	case "displayMessage":
		return []any{e.Message}
	case "outcome.result":
		return []any{e.Result}
	case "transaction.id":
		return []any{e.TxID}
	case "transaction.type":
		return []any{e.TxType}
	case "client.ipAddress":
		return text(e.IP)
	case "authenticationContext.externalSessionId":
		return text(e.Session)
	case "debugContext.debugData.requestId":
		return text(e.RequestID)
	case "debugContext.debugData.requestUri":
		return text(e.URI)
	}
	if field, ok := strings.CutPrefix(name, "actor."); ok {
		return e.Actor.attribute(field)
	}
	if field, ok := strings.CutPrefix(name, "target."); ok {
		var out []any
		for _, t := range e.Targets {
			out = append(out, t.attribute(field)...)
		}
		return out
	}
	return nil
}

// LogAttribute says whether the System Log can be filtered by the attribute.
// published cannot (documented).
func LogAttribute(name string) bool {
	switch name {
	case "eventType", "uuid", "severity", "displayMessage", "outcome.result", "transaction.id", "transaction.type",
		"client.ipAddress", "authenticationContext.externalSessionId",
		"debugContext.debugData.requestId", "debugContext.debugData.requestUri",
		"actor.id", "actor.type", "actor.alternateId", "actor.displayName",
		"target.id", "target.type", "target.alternateId", "target.displayName":
		return true
	}
	return false
}

func (p Party) attribute(field string) []any {
	switch field {
	case "id":
		return text(p.ID)
	case "type":
		return text(p.Type)
	case "alternateId":
		return text(p.AlternateID)
	case "displayName":
		return text(p.DisplayName)
	}
	return nil
}

func text(s string) []any {
	if s == "" {
		return nil
	}
	return []any{s}
}

// messages are the display messages of the events that the simulator writes.
var messages = map[string]string{
	"user.lifecycle.create":                       "Create Okta user",
	"user.lifecycle.activate":                     "Activate Okta user",
	"user.lifecycle.deactivate":                   "Deactivate Okta user",
	"user.lifecycle.reactivate":                   "Reactivate Okta user",
	"user.lifecycle.suspend":                      "Suspend Okta user",
	"user.lifecycle.unsuspend":                    "Unsuspend Okta user",
	"user.lifecycle.delete.initiated":             "Delete Okta user initiated",
	"user.lifecycle.delete.completed":             "Delete Okta user completed",
	"user.account.update_profile":                 "Update user profile for Okta",
	"user.account.update_user_type":               "User type update",
	"user.account.update_password":                "User update password for Okta",
	"user.account.privilege.grant":                "Grant user privilege",
	"user.account.privilege.revoke":               "Revoke user privilege",
	"group.lifecycle.create":                      "Create okta group",
	"group.lifecycle.delete":                      "Delete okta group",
	"group.profile.update":                        "Update group profile",
	"group.user_membership.add":                   "Add user to group membership",
	"group.user_membership.remove":                "Remove user from group membership",
	"group.user_membership.rule.add_exclusion":    "Add user to group rule exclusion list",
	"group.user_membership.rule.deactivated":      "Group rule was deactivated",
	"group.user_membership.rule.invalidate":       "Group rule was marked invalid",
	"group.user_membership.rule.trigger":          "Group rule evaluation was triggered",
	"group.application_assignment.add":            "Add assigned application to group",
	"group.application_assignment.remove":         "Remove assigned application from group",
	"group.application_assignment.update":         "Update assigned application in group",
	"group.privilege.grant":                       "Grant group privilege",
	"group.privilege.revoke":                      "Revoke group privilege",
	"application.lifecycle.create":                "Create application",
	"application.lifecycle.update":                "Update application",
	"application.lifecycle.activate":              "Activate application",
	"application.lifecycle.deactivate":            "Deactivate application",
	"application.lifecycle.delete":                "Delete application",
	"application.user_membership.add":             "Add user to application membership",
	"application.user_membership.remove":          "Remove user's application membership",
	"application.user_membership.update":          "Update user's application membership",
	"application.user_membership.change_username": "Change user's application username",
	"application.policy.sign_on.update":           "Update application sign on policy",
	"app.oauth2.client.lifecycle.create":          "OAuth client created",
	"app.oauth2.client.lifecycle.update":          "OAuth client updated",
	"app.oauth2.client.lifecycle.activate":        "OAuth client activated",
	"app.oauth2.client.lifecycle.deactivate":      "OAuth client deactivated",
	"app.oauth2.client.lifecycle.delete":          "OAuth client deleted",
	"app.oauth2.client.privilege.grant":           "Grant OAuth client privilege",
	"app.oauth2.client.privilege.revoke":          "Revoke OAuth client privilege",
	"app.oauth2.client.read_client_secret":        "Read OAuth client secret",
	"app.oauth2.credentials.lifecycle.create":     "OAuth client credential created",
	"app.oauth2.credentials.lifecycle.activate":   "OAuth client credential activated",
	"app.oauth2.credentials.lifecycle.deactivate": "OAuth client credential deactivated",
	"app.oauth2.credentials.lifecycle.delete":     "OAuth client credential deleted",
	"app.oauth2.admin.consent.grant":              "Grant scope consent to application",
	"app.oauth2.admin.consent.revoke":             "Revoke scope consent from application",
	"app.oauth2.token.grant":                      "OAuth token request",
	"app.oauth2.token.grant.access_token":         "OAuth2 access token is granted",
	"app.oauth2.token.revoke":                     "OAuth2 token revocation request",
	"app.oauth2.invalid_client_credentials":       "OAuth client authentication failed",
	"policy.lifecycle.create":                     "Create policy",
	"policy.lifecycle.update":                     "Update policy",
	"policy.lifecycle.activate":                   "Activate policy",
	"policy.lifecycle.deactivate":                 "Deactivate policy",
	"policy.lifecycle.delete":                     "Delete policy",
	"policy.mapping.create":                       "Map resource to policy",
	"policy.rule.add":                             "Add policy rule",
	"policy.rule.update":                          "Update policy rule",
	"policy.rule.activate":                        "Activate policy rule",
	"policy.rule.deactivate":                      "Deactivate policy rule",
	"policy.rule.delete":                          "Delete policy rule",
	"policy.rule.invalidate":                      "Invalidate policy rule",
	"zone.create":                                 "Create network zone",
	"zone.update":                                 "Update network zone",
	"zone.activate":                               "Activate network zone",
	"zone.deactivate":                             "Deactivate network zone",
	"zone.delete":                                 "Delete network zone",
	"zone.make_blacklist":                         "Network zone turned into a blocklist",
	"zone.remove_blacklist":                       "Network zone no longer a blocklist",
	"system.api_token.create":                     "Create API token",
	"system.org.rate_limit.violation":             "Rate limit violation",
	"core.concurrency.org.limit.violation":        "Concurrency limit violation",
	"application.configuration.update":            "Update application configuration",
	"application.configuration.update_logo":       "Update application logo",
	"directory.app_user_profile.update":           "Update app user profile",
	"directory.mapping.update":                    "Update mapping",

	"application.provision.group_push.mapping.created":                 "Create group push mapping",
	"application.provision.group_push.updated":                         "Update group push mapping",
	"application.provision.group_push.removed":                         "Remove group push mapping",
	"application.provision.group_push.mapping.update.or.delete.failed": "Fail to update or delete group push mapping",
}
