package api

import (
	"net/mail"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// orgOperations are what the org's settings have beside entries: the sender of mails, and
// addresses that bounced.
func orgOperations() []operation {
	post := func(path string, run func(*call) error) operation {
		return operation{method: "POST", path: "/api/v1/org/email" + path, scope: "okta.orgs.manage", area: org.AreaOrg, write: true, run: run}
	}
	bounces := post("/bounces/remove-list", removeBounces)
	bounces.scope, bounces.area = "okta.emailDomains.manage", org.AreaCustomizations
	return []operation{post("/sender", putSender), post("/sender/disable", disableSender), bounces}
}

// putSender makes a sender, or changes the one that the body names.
func putSender(c *call) error {
	k := org.KindNamed("email_senders")
	body, err := c.object()
	if err != nil {
		return err
	}
	id := doc.String(body, "id")
	if id == "" {
		return createObject(c, k)
	}
	c.params["senderId"] = id
	return mergeObject(c, k)
}

func disableSender(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	return c.done(c.org.DisableSender(c.cause(), body))
}

// removeBounces takes every address that is one; no mail ever bounces here. Those that are
// none are named, with status 200 (documented).
func removeBounces(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	refused := []any{}
	for _, address := range doc.Strings(body, "emailAddresses") {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			refused = append(refused, doc.Doc{"emailAddress": address, "reason": "Invalid email address. The provided email address failed validation against RFC 3696."})
			continue
		}
		c.org.Note(c.cause(), "system.email.bounce.removal", nil, org.Party{ID: address, Type: "EmailAddress", AlternateID: address, DisplayName: address})
	}
	return c.show(doc.Doc{"errors": refused}, nil)
}
