package api

import "imago/services/oktasim/internal/org"

// deviceOperations are what devices have beside their entries.
func deviceOperations() []operation {
	return []operation{{
		method: "GET", path: "/api/v1/device-posture-checks/default", scope: "okta.devicePostureChecks.read", area: org.AreaPolicies,
		run: func(c *call) error {
			if err := c.org.Offers(org.KindNamed("device_posture_checks")); err != nil {
				return err
			}
			return c.array(c.org.DefaultPostureChecks())
		},
	}}
}
