package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// notificationTypes are what administrators can be told of (documented), and the roles
// that are told unless they say otherwise. Which ones is an assumption but for
// SUPER_ADMIN and APP_IMPORT (recorded: unsubscribed).
var notificationTypes = map[string][]string{
	"AD_AGENT":                            {"SUPER_ADMIN", "ORG_ADMIN"},
	"AGENT_AUTO_UPDATE_NOTIFICATION":      {"SUPER_ADMIN", "ORG_ADMIN"},
	"AGENT_AUTO_UPDATE_NOTIFICATION_LDAP": {"SUPER_ADMIN", "ORG_ADMIN"},
	"APP_IMPORT":                          nil,
	"CONNECTOR_AGENT":                     {"SUPER_ADMIN", "ORG_ADMIN"},
	"IWA_AGENT":                           {"SUPER_ADMIN", "ORG_ADMIN"},
	"LDAP_AGENT":                          {"SUPER_ADMIN", "ORG_ADMIN"},
	"OKTA_ANNOUNCEMENT":                   {"SUPER_ADMIN"},
	"OKTA_ISSUE":                          {"SUPER_ADMIN"},
	"OKTA_UPDATE":                         {"SUPER_ADMIN"},
	"RATELIMIT_NOTIFICATION":              {"SUPER_ADMIN", "ORG_ADMIN"},
	"REPORT_SUSPICIOUS_ACTIVITY":          {"SUPER_ADMIN"},
	"USER_DEPROVISION":                    {"SUPER_ADMIN", "ORG_ADMIN"},
	"USER_LOCKED_OUT":                     {"SUPER_ADMIN", "ORG_ADMIN"},
}

// Subscriber is whose notifications are asked for: a role by type or id, or a user.
type Subscriber struct{ Role, User string }

func (s Subscriber) key() string { return s.Role + s.User }

func (s Subscriber) path() string {
	if s.User != "" {
		return "/api/v1/users/" + s.User
	}
	return "/api/v1/roles/" + s.Role
}

// RoleSubscriber finds a role by its type, or a custom one by its id.
func (o *Org) RoleSubscriber(ref string) (Subscriber, error) {
	if roleLabels[ref] == "" && o.object(o.kinds.named("custom_roles"), ref) == nil {
		return Subscriber{}, failure.NotFound(ref, "Role")
	}
	return Subscriber{Role: ref}, nil
}

// SubscriptionTypes lists what there is to subscribe to.
func SubscriptionTypes() []string { return sortedKeys(notificationTypes) }

// SubscriptionBody says whether the subscriber is told of something.
func (o *Org) SubscriptionBody(s Subscriber, kind string) (doc.Doc, error) {
	if _, known := notificationTypes[kind]; !known {
		return nil, failure.NotFound(kind, "NotificationType")
	}
	self := o.base + s.path() + "/subscriptions/" + kind
	status, next := "unsubscribed", "subscribe"
	if o.subscribed(s, kind) {
		status, next = "subscribed", "unsubscribe"
	}
	return doc.Doc{
		"notificationType": kind, "channels": doc.Array("email"), "status": status,
		"_links": doc.Doc{next: Hints.write(next, self+"/"+next, []string{"POST"}), "self": doc.Doc{"href": self}},
	}, nil
}

// subscribed looks at the subscriber's own word, then at that of a user's roles.
func (o *Org) subscribed(s Subscriber, kind string) bool {
	if on, said := o.info.Subscriptions[s.key()][kind]; said {
		return on
	}
	if s.User == "" {
		return slices.Contains(notificationTypes[kind], s.Role)
	}
	return slices.ContainsFunc(o.RoleTypesOf(s.User), func(role string) bool { return o.subscribed(Subscriber{Role: role}, kind) })
}

// Subscribe lets the subscriber be told of something, or not.
func (o *Org) Subscribe(by *Cause, s Subscriber, kind string, on bool) error {
	if _, err := o.SubscriptionBody(s, kind); err != nil {
		return err
	}
	if o.info.Subscriptions == nil {
		o.info.Subscriptions = map[string]map[string]bool{}
	}
	if o.info.Subscriptions[s.key()] == nil {
		o.info.Subscriptions[s.key()] = map[string]bool{}
	}
	o.info.Subscriptions[s.key()][kind] = on
	if s.Role != "" {
		o.Note(by, "iam.role.subscriptions.update", nil, Party{ID: s.Role, Type: "ROLE", AlternateID: s.Role, DisplayName: o.roleLabel(s.Role)})
	}
	return nil
}

// adoptSubscription takes over what a role is told of.
func adoptSubscription(o *Org, ids []string, body doc.Doc) error {
	s, err := o.RoleSubscriber(ids[0])
	if err != nil {
		return err
	}
	return o.Subscribe(nil, s, ids[1], doc.String(body, "status") == "subscribed")
}
