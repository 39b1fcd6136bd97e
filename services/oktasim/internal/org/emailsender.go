package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// emailSenderKinds are the senders of mails before brands had domains to send from. The
// endpoint is not published (recorded).
func emailSenderKinds() []Kind {
	return []Kind{{
		Name: "email_senders", Path: "/api/v1/org/email/sender/{senderId}", Prefix: "0es", Class: "EmailSender",
		Scope: "okta.orgs", Area: AreaOrg,
		Verbs: Verbs{List: true, Get: true, Create: 200},
		// Nothing is looked up: no sender is ever found to be verified.
		Operations: []Operation{{Name: "validate", Path: "validate", Status: 200, Set: doc.Doc{"status": "POLLING"}, Run: startPolling}},
		Natural:    []string{"fromAddress"},
		Fields: []Field{
			{Path: "status", Mode: ReadOnly, Default: "NOT_STARTED"},
			{Path: "pollingStartTime", Mode: ReadOnly, Null: true},
			{Path: "fromName", Required: true},
			{Path: "fromAddress", Required: true, Pattern: `[^@\s]+@[^@\s]+\.[^@\s]+`, Example: "mail%d@example.com"},
			{Path: "validationSubdomain", Required: true},
			{Path: "dnsValidation", Type: List, Mode: ReadOnly, Default: senderRecords},
			{Path: "validationError", Mode: ReadOnly, Null: true},
		},
	}}
}

func startPolling(c *Change) error {
	c.Body["pollingStartTime"] = Epoch.write(c.Org.stamp())
	return nil
}

// senderRecords are those of the address's domain.
func senderRecords(c *Change) any {
	_, domain, _ := strings.Cut(textOf(c.Body["fromAddress"]), "@")
	return c.Org.mailRecords(domain, textOf(c.Body["validationSubdomain"]))
}

// DisableSender gives up a sender, be it pending or in use.
func (o *Org) DisableSender(by *Cause, body doc.Doc) error {
	k := o.kinds.named("email_senders")
	for _, field := range []string{"pending_id", "active_id"} {
		id := doc.String(body, field)
		if id == "" {
			continue
		}
		x := o.look(k, "", id)
		if x == nil {
			return k.missing(id)
		}
		return o.DeleteObject(k, x, Request{By: by})
	}
	return failure.Missing("pending_id")
}
