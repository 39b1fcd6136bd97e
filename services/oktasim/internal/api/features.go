package api

import "imago/services/oktasim/internal/org"

// featureOperations are what self-service features have beside reads: what they need,
// what needs them, and their switch.
func featureOperations() []operation {
	at := func(method, path, scope string, run func(*call, *org.Object) error) operation {
		return operation{
			method: method, path: "/api/v1/features/{featureId}" + path, scope: scope, area: org.AreaOrg, write: method != "GET",
			run: func(c *call) error {
				x, err := c.find(org.KindNamed("features"))
				if err != nil {
					return err
				}
				return run(c, x)
			},
		}
	}
	return []operation{
		at("GET", "/dependencies", "okta.features.read", func(c *call, x *org.Object) error { return c.features(c.org.Dependencies(x)) }),
		at("GET", "/dependents", "okta.features.read", func(c *call, x *org.Object) error { return c.features(c.org.Dependents(x)) }),
		at("POST", "/{lifecycle}", "okta.features.manage", switchFeature),
	}
}

func (c *call) features(list []*org.Object) error {
	return c.array(c.bodies(org.KindNamed("features"), list))
}

func switchFeature(c *call, x *org.Object) error {
	if err := c.org.SwitchFeature(c.cause(), x, c.params["lifecycle"], c.query.Get("mode") == "force"); err != nil {
		return err
	}
	return showObject(c, org.KindNamed("features"))
}
