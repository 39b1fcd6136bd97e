package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// threatKinds are ThreatInsight and the rules that tell unusual behavior.
func threatKinds() []Kind { return []Kind{threatInsight(), behaviors()} }

// threatInsight is what the org does with addresses that attack others. A POST replaces
// it: zones that are not named are no longer exempt (recorded).
func threatInsight() Kind {
	return Kind{
		Name: "threat_configuration", Path: "/api/v1/threats/configuration", Class: "ThreatInsightConfiguration",
		Scope: "okta.threatInsights", Area: AreaZones,
		Verbs:   Verbs{Get: true, Replace: "POST"},
		Stamps:  dated,
		Natural: []string{"action"},
		Fields: []Field{
			{Path: "action", Required: true, Enum: []string{"none", "audit", "block"}},
			{Path: "excludeZones", Type: List, Default: []any{}, Ref: "zones", Gone: Cleared},
		},
		Links:  []Link{self("GET POST")},
		Events: map[string]string{replace: "security.threat.configuration.update"},
		Seeds:  []Seed{{Body: map[string]any{"action": "none"}}},
	}
}

// behaviors are the rules of behavior detection. The layout of their times is recorded,
// the rest documented.
func behaviors() Kind {
	location, velocity := is("type", "ANOMALOUS_LOCATION"), is("type", "VELOCITY")
	history := isNot("type", "VELOCITY")
	signs := []string{"CITY", "STATE", "SUBDIVISION", "COUNTRY", "LAT_LONG"}
	return Kind{
		Name: "behaviors", Path: "/api/v1/behaviors/{behaviorId}", Prefix: "bhv", Class: "BehaviorRule",
		Scope: "okta.behaviors", Area: AreaPolicies, Feature: "behavior_detection",
		Verbs: crud(200), Operations: unlinked(switches(200, TheObject)),
		Page:   Page{Default: 200, Max: 200, Silent: true, Q: []string{"name"}},
		Stamps: Stamps{Created: "created", Updated: "lastUpdated", Layout: Spaced},
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 128},
			{Path: "type", Required: true, Enum: []string{"ANOMALOUS_LOCATION", "ANOMALOUS_IP", "ANOMALOUS_DEVICE", "ANOMALOUS_ASN", "VELOCITY"}},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true},
			{Path: "settings.granularity", Required: true, Enum: signs, When: location, Example: "CITY"},
			{Path: "settings.radiusKilometers", Type: Number, Min: 1, Max: 1 << 30, When: location},
			{Path: "settings.maxEventsUsedForEvaluation", Type: Number, Min: 0, Max: 100, Default: eventsUsed, When: history},
			{Path: "settings.minEventsNeededForEvaluation", Type: Number, Max: 10, Default: 0, When: history},
			{Path: "settings.velocityKph", Type: Number, Min: 1, Max: 1 << 30, Default: 805, When: velocity},
		},
		Links: []Link{self("GET POST PUT DELETE")},
		Check: checkBehavior,
		// Documented: the one link stands under another name than everywhere else.
		Show: func(v *View) {
			v.Body["_link"] = v.Body["_links"]
			delete(v.Body, "_links")
		},
		Events: map[string]string{
			create: "security.behavior.settings.create", replace: "security.behavior.settings.update", remove: "security.behavior.settings.delete",
			"activate": "security.behavior.settings.update", "deactivate": "security.behavior.settings.update",
		},
		Seeds: behaviorSeeds(),
	}
}

// eventsUsed is how many events a rule looks back upon unless it says so.
func eventsUsed(c *Change) any {
	if doc.String(c.Body, "type") == "ANOMALOUS_IP" {
		return 50
	}
	return 20
}

// checkBehavior: a place by coordinates has a radius, and rules beside those of addresses
// look at one event at least (documented).
func checkBehavior(c *Change) error {
	settings := doc.Object(c.Body, "settings")
	switch used, given := whole(settings["maxEventsUsedForEvaluation"]); {
	case c.Verb != create && c.Verb != replace:
	case doc.String(settings, "granularity") == "LAT_LONG" && settings["radiusKilometers"] == nil:
		return failure.Missing("settings.radiusKilometers")
	case given && used == 0 && doc.String(c.Body, "type") != "ANOMALOUS_IP":
		return failure.Invalid("settings.maxEventsUsedForEvaluation", "settings.maxEventsUsedForEvaluation: The value must be between 1 and 100")
	}
	return nil
}

// behaviorSeeds are what a new org has (documented).
func behaviorSeeds() []Seed {
	seed := func(name, kind string, settings map[string]any) Seed {
		return Seed{Body: map[string]any{"name": name, "type": kind, "settings": settings}}
	}
	place := func(granularity string, events int) map[string]any {
		return map[string]any{"granularity": granularity, "maxEventsUsedForEvaluation": events, "minEventsNeededForEvaluation": 0}
	}
	near := place("LAT_LONG", 20)
	near["radiusKilometers"] = 20
	return []Seed{
		seed("New City", "ANOMALOUS_LOCATION", place("CITY", 20)),
		seed("New State", "ANOMALOUS_LOCATION", place("SUBDIVISION", 15)),
		seed("New Country", "ANOMALOUS_LOCATION", place("COUNTRY", 10)),
		seed("New Geo-Location", "ANOMALOUS_LOCATION", near),
		seed("New Device", "ANOMALOUS_DEVICE", map[string]any{"maxEventsUsedForEvaluation": 20}),
		seed("New IP", "ANOMALOUS_IP", map[string]any{"maxEventsUsedForEvaluation": 50}),
		seed("Velocity", "VELOCITY", map[string]any{"velocityKph": 805}),
	}
}
