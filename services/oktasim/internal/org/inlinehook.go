package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// inlineHookKinds are the inline hooks. Secrets of the channel are stored and never shown.
func inlineHookKinds() []Kind {
	oauth := is("channel.type", "OAUTH")
	return []Kind{{
		Name: "inline_hooks", Path: "/api/v1/inlineHooks/{inlineHookId}", Prefix: "cal", Class: "InlineHook",
		Scope: "okta.inlineHooks", Area: AreaInlineHooks,
		Verbs:      Verbs{List: true, Get: true, Create: 200, Replace: "PUT", Merge: "POST", Delete: 204},
		Operations: switches(200, TheObject),
		Page:       Page{Equal: map[string]string{"type": "type"}},
		Stamps:     dated,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "type", Required: true, Mode: Immutable, Enum: []string{
				"com.okta.import.transform", "com.okta.oauth2.tokens.transform", "com.okta.saml.tokens.transform",
				"com.okta.telephony.provider", "com.okta.user.credential.password.import", "com.okta.user.pre-registration",
			}},
			{Path: "version", Required: true, Mode: Immutable, Example: "1.0.0"},
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "channel", Type: Map, Required: true, Example: doc.Doc{"config": doc.Doc{"uri": "https://hooks.example.com"}}},
			{Path: "channel.type", Enum: []string{"HTTP", "OAUTH"}, Default: "HTTP"},
			{Path: "channel.version", Default: "1.0.0"},
			{Path: "channel.config.uri", Required: true, Pattern: `https://.+`},
			{Path: "channel.config.headers", Type: List, Default: []any{}},
			{Path: "channel.config.method", Default: "POST"},
			{Path: "channel.config.authScheme", Type: Map, Null: true},
			{Path: "channel.config.authScheme.value", Mode: WriteOnly},
			{Path: "channel.config.clientSecret", Mode: WriteOnly, When: oauth},
		},
		Links: []Link{
			{Name: "self"},
			{Name: "execute", To: "execute", Allow: "POST", When: is("status", Active)},
			{Name: "delete", Allow: "DELETE", When: is("status", Inactive)},
		},
		Events: past("inline_hook"),
		// The link to delete stands on inactive hooks alone (recorded); the refusal is an assumption.
		Refusals: []Refusal{{
			On: []string{remove}, When: is("status", Active),
			With: failure.Invalid("status", "status: It must be deactivated before it can be deleted"),
		}},
	}}
}

// NoteExecuted writes that an inline hook was called.
func (o *Org) NoteExecuted(by *Cause, x *Object) {
	o.Note(by, "inline_hook.executed", nil, o.kinds.named("inline_hooks").party(x))
}
