package api

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// preregistrationOperations set up security keys with a fulfillment provider.
func preregistrationOperations() []operation {
	at := func(name string, run func(*call, org.Request) error) operation {
		return operation{
			method: "POST", path: "/webauthn-registration/api/v1/" + name, scope: "okta.users.manage", area: org.AreaUsers, write: true,
			run: func(c *call) error {
				k := org.KindNamed("webauthn_preregistrations")
				if err := c.org.Offers(k); err != nil {
					return err
				}
				r, err := c.required(k)
				if err != nil {
					return err
				}
				return run(c, r)
			},
		}
	}
	answer := func(do func(*org.Org, org.Request) (doc.Doc, error)) func(*call, org.Request) error {
		return func(c *call, r org.Request) error { return c.show(do(c.org, r)) }
	}
	return []operation{
		at("enroll", answer((*org.Org).Preregister)),
		at("activate", answer((*org.Org).ActivatePreregistration)),
		at("initiate-fulfillment-request", func(c *call, r org.Request) error { return c.done(c.org.RequestFulfillment(r)) }),
		at("send-pin", func(c *call, r org.Request) error { return c.done(c.org.SendPin(r)) }),
	}
}
