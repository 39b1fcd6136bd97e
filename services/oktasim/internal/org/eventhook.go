package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// eventHookKinds are the event hooks.
func eventHookKinds() []Kind { return []Kind{eventHooks()} }

func eventHooks() Kind {
	active := is("status", Active)
	k := Kind{
		Name: "event_hooks", Path: "/api/v1/eventHooks/{eventHookId}", Prefix: "who", Class: "Webhook", Target: "EventHook",
		Scope: "okta.eventHooks", Area: AreaEventHooks,
		Verbs: crud(200), LateStamp: true, PromptSwitch: true,
		// The challenge comes before; see package api.
		Operations: append([]Operation{
			{Name: "verify", Path: "lifecycle/verify", When: active, Else: notActive(), Set: doc.Doc{"verificationStatus": "VERIFIED"}, Status: 200},
		}, switches(200, TheObject)...),
		Stamps: Stamps{Created: "created", Updated: "lastUpdated", CreatedBy: "createdBy"},
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "description", Null: true},
			// Neither changes by an update (recorded of the status).
			{Path: "status", Mode: Late, Default: Active, Keep: true},
			{Path: "verificationStatus", Mode: ReadOnly, Default: "UNVERIFIED"},
			{Path: "events", Type: Map, Required: true, Example: doc.Doc{"type": "EVENT_TYPE", "items": doc.Array("user.lifecycle.create")}},
			{Path: "events.type", Required: true, Enum: []string{"EVENT_TYPE", "FLOW_EVENT"}},
			{Path: "events.items", Type: List, Required: true, Max: 300},
			{Path: "events.filter", Type: Map, Null: true},
			{Path: "events.filter.type", Default: "EXPRESSION_LANGUAGE"},
			{Path: "events.filter.eventFilterMap[].condition.version", Null: true},
			{Path: "channel", Type: Map, Required: true, Example: doc.Doc{
				"type": "HTTP", "version": "1.0.0", "config": doc.Doc{"uri": "https://hooks.example.com"},
			}},
			{Path: "channel.type", Required: true, Enum: []string{"HTTP"}},
			{Path: "channel.version", Required: true},
			{Path: "channel.config.uri", Required: true, Pattern: `https://.+`},
			{Path: "channel.config.headers", Type: List, Default: []any{}},
			{Path: "channel.config.method", Mode: ReadOnly, Default: "POST"},
			{Path: "channel.config.authScheme", Type: Map, Null: true},
			{Path: "channel.config.authScheme.value", Mode: WriteOnly},
		},
		Links: []Link{{Name: "self"}, {Name: "delete", Allow: "DELETE", When: is("status", Inactive)}},
		Check: checkEventHook, Fill: unverify,
		Events: map[string]string{
			create: "event_hook.created", replace: "event_hook.updated", remove: "event_hook.deleted",
			"activate": "event_hook.activated", "deactivate": "event_hook.deactivated", "verify": "event_hook.verified",
		},
		// The link to delete stands on inactive hooks alone (recorded); the refusal is an assumption.
		Refusals: []Refusal{{On: []string{remove}, When: active, With: failure.Invalid("status", "status: It must be deactivated before it can be deleted")}},
	}
	return k
}

func notActive() *failure.Failure {
	return failure.Invalid("status", "status: The event hook must be active to be verified")
}

// unverify: a hook that calls another address must be verified anew (recorded).
func unverify(c *Change) error {
	if c.Before != nil && !same(get(c.Before, "channel.config.uri"), get(c.Body, "channel.config.uri")) {
		c.Body["verificationStatus"] = "UNVERIFIED"
	}
	return nil
}
