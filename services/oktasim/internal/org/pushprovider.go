package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// pushProviderKinds are the services through which Okta sends push messages.
func pushProviderKinds() []Kind {
	apns, fcm := is("providerType", "APNS"), is("providerType", "FCM")
	return []Kind{{
		Name: "push_providers", Path: "/api/v1/push-providers/{pushProviderId}", Prefix: "ppc", Class: "PushProvider",
		Scope: "okta.pushProviders", Area: AreaOrg,
		Verbs:  crud(200),
		Page:   Page{Equal: map[string]string{"type": "providerType"}},
		Stamps: Stamps{Updated: "lastUpdatedDate"},
		Fields: []Field{
			{Path: "providerType", Required: true, Enum: []string{"APNS", "FCM"}, Mode: Fixed, Keep: true, Example: "FCM"},
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "configuration", Type: Map, Required: true, Keep: true, Example: doc.Doc{"serviceAccountJson": doc.Doc{"project_id": "example"}}},
			{Path: "configuration.projectId", Mode: ReadOnly, When: fcm},
			{Path: "configuration.fileName", When: fcm},
			{Path: "configuration.serviceAccountJson", Type: Map, Mode: WriteOnly, When: fcm},
			{Path: "configuration.keyId", Required: true, When: apns},
			{Path: "configuration.teamId", Required: true, When: apns},
			{Path: "configuration.fileName", When: apns},
			{Path: "configuration.tokenSigningKey", Mode: WriteOnly, When: apns},
		},
		Links:  []Link{self("GET PUT DELETE")},
		Events: present("device.push.provider"),
		Check:  checkPushProvider,
		// The project is that of the service account (recorded).
		Fill: func(c *Change) error {
			if project := get(c.Body, "configuration.serviceAccountJson.project_id"); project != nil {
				put(c.Body, "configuration.projectId", project)
			}
			return nil
		},
	}}
}

// checkPushProvider asks for the account of a new provider (the words are an assumption),
// and keeps those that an authenticator uses (documented).
func checkPushProvider(c *Change) error {
	switch c.Verb {
	case create:
		if c.Body["providerType"] == "FCM" && get(c.Body, "configuration.serviceAccountJson") == nil {
			return failure.Missing("configuration.serviceAccountJson")
		}
	case remove:
		for _, x := range c.Org.objectsIn(KindNamed("authenticators"), "") {
			if doc.Mentions(x.Body, c.Object.ID) {
				return failure.PushProviderInUse()
			}
		}
	}
	return nil
}
