package org

import "imago/services/oktasim/internal/doc"

// deviceIntegrationKinds are where claims about devices come from: Okta names them, an org
// switches them on (documented).
func deviceIntegrationKinds() []Kind {
	ops := switches(200, TheObject)
	ops[0].When, ops[1].Set = is("status", "DEACTIVATED"), doc.Doc{"status": "DEACTIVATED"}
	return []Kind{{
		Name: "device_integrations", Path: "/api/v1/device-integrations/{deviceIntegrationId}", Prefix: "din", Class: "DeviceIntegration",
		Scope: "okta.deviceIntegrations", Area: AreaPolicies, Engine: "oie",
		Verbs: Verbs{List: true, Get: true}, Operations: ops,
		Page:    Page{Order: "created"},
		Natural: []string{"displayName"}, SeedKey: []string{"name", "platform"},
		Fields: []Field{
			{Path: "name", Mode: ReadOnly}, {Path: "displayName", Mode: ReadOnly}, {Path: "platform", Mode: ReadOnly},
			{Path: "status", Mode: ReadOnly, Default: "DEACTIVATED"},
		},
		Links: []Link{self("GET")},
		Seeds: deviceIntegrationSeeds(),
	}}
}

func deviceIntegrationSeeds() []Seed {
	var seeds []Seed
	for _, s := range [][3]string{
		{"com.android.zero.trust", "Android Device Trust", "ANDROID"}, {"com.google.dtc", "Chrome Device Trust", "CHROMEOS"},
		{"com.okta.device.osquery", "OSQuery", "MACOS"}, {"com.okta.windowssecuritycenter", "Windows Security Center", "WINDOWS"},
		{"com.crowdstrike.zta", "CrowdStrike", "WINDOWS"},
	} {
		seeds = append(seeds, Seed{Body: doc.Doc{"name": s[0], "displayName": s[1], "platform": s[2]}})
	}
	return seeds
}
