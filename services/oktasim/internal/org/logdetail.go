package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// detailed are the types of events that say what changed, from what to what. Of all
// others the log tells only that something did (documented: Okta's catalog of event
// types).
var detailed = []string{
	"access.request.condition.update", "access.request.sequence.create", "access.request.sequence.delete",
	"access.request.sequence.update", "access.request.settings.update", "access.request.update",
	"account.org_group.update", "account.user.classify", "app.ai_agent_provider.priority.update",
	"app.ai_agent_provider.update", "app.cross_app_access.connection.update", "application.account.match.update",
	"application.lifecycle.update", "application.policy.sign_on.update", "device.assurance.policy.update",
	"device.desktop_mfa.configuration.update", "device.posture.check.update", "governance.principal.settings.update",
	"governance.settings.update", "iam.policy.assignee_configuration.update", "iam.policy.configuration.update",
	"iam.resourceset.resources.update", "iam.resourceset.update", "iam.role.update", "pki.ca.scope.mapping.update",
	"policy.branch.lifecycle.promote", "policy.branch.lifecycle.rollback", "policy.branch.lifecycle.stage",
	"policy.branch.lifecycle.update", "policy.lifecycle.update", "resource.label.assignment.update",
	"resource.label.update", "resource.owner.update", "resource_servers.api_server.auth_server.update",
	"resource_servers.api_server.update", "resource_servers.client_authentication_settings.update",
	"resource_servers.mcp_server.auth_server.update", "resource_servers.mcp_server.update",
	"resource_servers.virtual_mcp_server.capability.update", "security.attack_protection.settings.update",
	"security.authenticator.lifecycle.update", "security.bot_protection.settings.update",
	"security.bot_protection.status.update", "security.protected_action.settings.update",
	"security.session_protection.status.update", "security.trusted_origin.activate",
	"security.trusted_origin.deactivate", "system.agent.ad.config_change_detected",
	"system.agent.ldap.config_change_detected", "system.custom_email_server.lifecycle.update",
	"system.custom_url_domain.update", "system.email_domain.update", "system.identity_sources.group.update",
	"system.identity_sources.user.update", "system.idp.lifecycle.update", "system.import.roadblock.updated",
	"system.self_service.configuration.update", "system.well_known_uri.update", "workload_principal.ai_agent.update",
	"workload_principal.resource_connection.update", "workload_principal.update",
}

// secretFields hold what the log never tells, whatever an object's own reads show.
var secretFields = []string{
	"password", "client_secret", "clientSecret", "secret", "secretKey", "sharedSecret", "privateKey", "token",
}

// changeDetails is what from and to do not share, but for secrets.
func changeDetails(from, to doc.Doc) doc.Doc {
	a, b := doc.Doc{}, doc.Doc{}
	for _, k := range changedFields(from, to) {
		if slices.Contains(secretFields, k) && (textOf(from[k]) != "" || textOf(to[k]) != "") {
			continue
		}
		x, isX := from[k].(doc.Doc)
		y, isY := to[k].(doc.Doc)
		if isX && isY {
			inner := changeDetails(x, y)
			a[k], b[k] = inner["from"], inner["to"]
			continue
		}
		a[k], b[k] = doc.Clone(from[k]), doc.Clone(to[k])
	}
	return doc.Doc{"from": a, "to": b}
}

// details is what a change of an object changed, as far as its event tells: what a
// reader of the object would see, but for links and times.
func (c *Change) details(event string) doc.Doc {
	if c.Before == nil || !slices.Contains(detailed, event) {
		return nil
	}
	was := *c.Object
	was.Body = c.Before
	shown := func(x *Object) doc.Doc {
		d := c.Org.Show(c.Kind, x, View{}, x.LastUpdated)
		for _, field := range []string{"_links", "_embedded", c.Kind.Stamps.Updated} {
			delete(d, field)
		}
		return d
	}
	return changeDetails(shown(&was), shown(c.Object))
}

// messageOf is what an event of the type says. For most it is put together from the
// type's words (assumption): system.brand.update is "Update brand".
func messageOf(eventType string) string {
	if m := messages[eventType]; m != "" {
		return m
	}
	words := strings.Split(strings.ReplaceAll(eventType, "_", " "), ".")
	verb, subject := words[len(words)-1], ""
	for _, w := range words[:len(words)-1] {
		if w != "lifecycle" {
			subject = w
		}
	}
	if strings.HasSuffix(verb, "ted") {
		verb = strings.TrimSuffix(verb, "d")
	}
	text := verb + " " + subject
	return strings.TrimSpace(strings.ToUpper(text[:1]) + text[1:])
}
