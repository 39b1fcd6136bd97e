package api

import (
	"imago/services/oktasim/internal/org"
)

// subscriptionOperations are what roles and users are told of.
func subscriptionOperations() []operation {
	var all []operation
	add := func(method, path string, write bool, run func(*call) error) {
		scope, area := "okta.roles.read", org.AreaRoles
		if write {
			scope = "okta.roles.manage"
		}
		all = append(all, operation{method: method, path: path, scope: scope, area: area, write: write, run: run})
	}
	for _, of := range []string{"/api/v1/roles/{roleRef}/subscriptions", "/api/v1/users/{userId}/subscriptions"} {
		add("GET", of, false, listSubscriptions)
		add("GET", of+"/{notificationType}", false, showSubscription)
		add("POST", of+"/{notificationType}/subscribe", true, func(c *call) error { return subscribe(c, true) })
		add("POST", of+"/{notificationType}/unsubscribe", true, func(c *call) error { return subscribe(c, false) })
	}
	return all
}

// subscriber is the role or the user in the path.
func (c *call) subscriber() (org.Subscriber, error) {
	if ref := c.params["roleRef"]; ref != "" {
		return c.org.RoleSubscriber(ref)
	}
	u, err := c.user()
	if err != nil {
		return org.Subscriber{}, err
	}
	return org.Subscriber{User: u.ID}, nil
}

func listSubscriptions(c *call) error {
	s, err := c.subscriber()
	if err != nil {
		return err
	}
	var all []any
	for _, kind := range org.SubscriptionTypes() {
		b, err := c.org.SubscriptionBody(s, kind)
		if err != nil {
			return err
		}
		all = append(all, b)
	}
	return c.array(all)
}

func showSubscription(c *call) error {
	s, err := c.subscriber()
	if err != nil {
		return err
	}
	return c.show(c.org.SubscriptionBody(s, c.params["notificationType"]))
}

func subscribe(c *call, on bool) error {
	s, err := c.subscriber()
	if err != nil {
		return err
	}
	return c.empty(c.org.Subscribe(c.cause(), s, c.params["notificationType"], on))
}
