package org

import "imago/services/oktasim/internal/doc"

// rateSettingKinds are what the org has set about its rate limits.
func rateSettingKinds() []Kind {
	setting := func(name, path string, fields ...Field) Kind {
		return Kind{
			Name: name, Path: "/api/v1/rate-limit-settings/" + path, Class: "RateLimitSettings",
			Scope: "okta.rateLimits", Area: AreaOrg,
			Verbs: Verbs{Get: true, Replace: "PUT"}, Fields: fields, Seeds: []Seed{{}},
			Events: map[string]string{replace: "system.rate_limit.configuration.update"},
		}
	}
	modes := []string{"ENFORCE", "DISABLE", "PREVIEW"}
	return []Kind{
		setting("rate_limit_notifications", "admin-notifications", Field{Path: "notificationsEnabled", Type: Bool, Default: true}),
		setting("rate_limit_warnings", "warning-threshold", Field{Path: "warningThreshold", Type: Number, Default: standardWarning, Min: 30, Max: 90}),
		setting("client_rate_limits", "per-client",
			Field{Path: "defaultMode", Enum: modes, Default: "ENFORCE"},
			Field{Path: "useCaseModeOverrides", Type: Map, Default: doc.Doc{}},
		),
		principalLimits(),
		sameSetting("client_rate_limit_mode", "/api/v1/internal/rateLimits/clientRateLimitMode", "client_rate_limits",
			face{Field{Path: "mode", Enum: modes}, "defaultMode"}, face{Field{Path: "granularModeSettings", Type: Map}, "useCaseModeOverrides"}),
		sameSetting("rate_limit_notification", "/api/internal/orgSettings/rateLimitNotificationSetting", "rate_limit_notifications",
			face{Field{Path: "rateLimitNotification", Type: Bool}, "notificationsEnabled"}),
	}
}

// face is a field under another name.
type face struct {
	Field
	theirs string
}

// sameSetting is the singleton of the named kind at another path, which is not published
// (recorded).
func sameSetting(name, path, of string, faces ...face) Kind {
	k := Kind{
		Name: name, Path: path, Class: "RateLimitSettings", Scope: "okta.rateLimits", Area: AreaOrg,
		Verbs: Verbs{Get: true, Merge: "POST"}, Seeds: []Seed{{}},
		Events: map[string]string{merge: "system.rate_limit.configuration.update"},
		After: func(c *Change) {
			x := c.Org.singleton(of)
			for _, f := range faces {
				if v := c.Given[f.Path]; v != nil && x != nil {
					x.Body[f.theirs] = doc.Clone(v)
				}
			}
		},
		Show: func(v *View) {
			x := v.Org.singleton(of)
			for _, f := range faces {
				v.Body[f.Path] = doc.Clone(x.Body[f.theirs])
			}
		},
	}
	for _, f := range faces {
		k.Fields = append(k.Fields, f.Field)
	}
	return k
}

// principalLimits are the shares that tokens and clients have of the org's limits.
func principalLimits() Kind {
	return Kind{
		Name: "principal_rate_limits", Path: "/api/v1/principal-rate-limits/{principalRateLimitId}", Prefix: "prl", Class: "PrincipalRateLimit",
		Scope: "okta.principalRateLimits", Area: AreaOrg,
		Verbs:   Verbs{List: true, Get: true, Create: 201, Replace: "PUT"},
		Page:    Page{Default: 20, Max: 200, Filter: []string{"principalId", "principalType"}},
		Stamps:  Stamps{Created: "createdDate", Updated: "lastUpdate", CreatedBy: "createdBy", UpdatedBy: "lastUpdatedBy", Layout: Seconds},
		Natural: []string{"principalId"},
		Fields: []Field{
			{Path: "orgId", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.info.ID }},
			{Path: "principalId", Required: true, Mode: Immutable},
			{Path: "principalType", Required: true, Mode: Immutable, Enum: []string{"SSWS_TOKEN", "OAUTH_CLIENT"}},
			{Path: "defaultPercentage", Type: Number, Default: 50, Max: 100},
			{Path: "defaultConcurrencyPercentage", Type: Number, Default: 50, Max: 100},
		},
	}
}

// Shares are the parts, from 0 to 1, that the org gives a token or client of its rate
// limits and of its concurrency limit; 0 where it says nothing.
func (o *Org) Shares(principal string) (rate, concurrency float64) {
	for _, x := range o.shelf(o.kinds.named("principal_rate_limits")).objects {
		if doc.String(x.Body, "principalId") == principal {
			return percent(x.Body, "defaultPercentage"), percent(x.Body, "defaultConcurrencyPercentage")
		}
	}
	return 0, 0
}

// percent reads a percentage, of which one that is set to nothing is all but nothing.
func percent(body doc.Doc, field string) float64 {
	n, there := doc.Int(body, field)
	if !there {
		return 0
	}
	return max(float64(n), 0.001) / 100
}

// WarningThreshold is the part of a rate limit, in percent, at which the org is warned.
func (o *Org) WarningThreshold() int {
	for _, x := range o.shelf(o.kinds.named("rate_limit_warnings")).objects {
		if n, there := doc.Int(x.Body, "warningThreshold"); there {
			return n
		}
	}
	return standardWarning
}

// standardWarning is the threshold of a new org (documented).
const standardWarning = 60
