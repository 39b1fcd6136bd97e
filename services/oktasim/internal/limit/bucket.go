package limit

import "strings"

// bucket is a set of endpoints that share a limit.
type bucket struct {
	// name is the path that it stands for, as Okta's dashboard has it; {…} stands for
	// any segment. It holds for all paths below, too, unless it is exact.
	name  string
	exact bool
	// method narrows an exact bucket; "" is any.
	method string
	// free, enterprise and workforce are the published limits per minute; 0 is that of
	// everything else below /api/v1.
	free, enterprise, workforce int
	// bursts marks buckets of authentication and authorization: they may be exceeded
	// (documented).
	bursts bool
}

// buckets follow the last tables that Okta published (Management rate limits,
// Authentication and end-user rate limits, 2025). Buckets without a size have one of their
// own in Okta's API reference, but no published limit.
var buckets = []bucket{
	{name: "/api/v1/apps", free: 20, enterprise: 100, workforce: 100},
	{name: "/api/v1/apps/{id}", exact: true, free: 100, enterprise: 600, workforce: 500},
	{name: "/api/v1/groups", free: 100, enterprise: 600, workforce: 500},
	{name: "/api/v1/groups/{id}", exact: true, free: 100, enterprise: 600, workforce: 1000},
	{name: "/api/v1/users", free: 100, enterprise: 600, workforce: 600},
	{name: "/api/v1/users/{id:.+}", exact: true, method: "GET", free: 100, enterprise: 1000, workforce: 2000},
	{name: "/api/v1/users/{id}", exact: true, free: 100, enterprise: 600, workforce: 600},
	{name: "/api/v1/logs", free: 20, enterprise: 50, workforce: 120},
	{name: "/api/v1/events", free: 20, enterprise: 50, workforce: 100},
	{name: "/api/v1/devices", free: 100, enterprise: 150, workforce: 100},
	{name: "/api/v1/certificateAuthorities", free: 100, enterprise: 150, workforce: 100},
	{name: "/api/v1/org/email/bounces/remove-list", exact: true, free: 10, enterprise: 60, workforce: 60},
	{name: "/api/v1/authn", free: 100, enterprise: 600, workforce: 500, bursts: true},
	{name: "/api/v1/sessions", free: 100, enterprise: 600, workforce: 750, bursts: true},
	{name: "/api/v1/iam"},
	{name: "/api/v1/domains"},
	{name: "/api/v1/device-assurances"},
	{name: "/api/v1/agentPools"},
	{name: "/api/v1/hook-keys"},
	{name: "/api/v1/push-providers"},
	{name: "/api/v1/principal-rate-limits"},
	{name: "/api/v1/risk/providers"},
	{name: "/api/v1/risk/events/ip", exact: true},
	{name: "/api/v1/identity-sources/{id}/sessions"},
	{name: "/api/v1/identity-sources/{id}/sessions/{sessionId}/bulk-delete", exact: true},
	{name: "/api/v1/identity-sources/{id}/sessions/{sessionId}/bulk-upsert", exact: true},
	{name: "/api/v1/identity-sources/{id}/sessions/{sessionId}/start-import", exact: true},
	{name: "/api/v1/devices/{id}/users", exact: true},
	{name: "/api/v1/users/{userId}/factors/{userFactorIdOrFactorType}/verify", exact: true},
	{name: "/api/v1/orgs", exact: true},
	{name: "/api/v1", free: 100, enterprise: 600, workforce: 1200},
	{name: "/oauth2/v1/clients", free: 25, enterprise: 100, workforce: 100},
	{name: "/oauth2/v1/token", exact: true, free: 300, enterprise: 1200, workforce: 2000, bursts: true},
	{name: "/oauth2/v1/authorize", exact: true, free: 300, enterprise: 1200, workforce: 2000, bursts: true},
	{name: "/oauth2/v1", free: 300, enterprise: 1200, workforce: 2000, bursts: true},
	{name: "/oauth2/{authorizationServerId}/v1/token", exact: true, free: 300, enterprise: 1200, workforce: 2000, bursts: true},
	{name: "/oauth2/{authorizationServerId}/v1/authorize", exact: true, free: 300, enterprise: 1200, workforce: 2000, bursts: true},
	{name: "/oauth2/{authorizationServerId}/v1", free: 300, enterprise: 1200, workforce: 2000, bursts: true},
	{name: "/oauth2", free: 100, enterprise: 600, workforce: 600, bursts: true},
	{name: "/"},
}

// unlimited are the public metadata, which have no limit (documented).
var unlimited = []string{
	"/oauth2/v1/keys", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server",
	"/oauth2/{}/v1/keys", "/oauth2/{}/.well-known/openid-configuration", "/oauth2/{}/.well-known/oauth-authorization-server",
}

// rest is what buckets without a published limit have.
const rest = "/api/v1"

// published is a bucket's limit per minute by the plan.
func published(name, plan string) int {
	b := named(name)
	if b == nil || b.workforce == 0 {
		b = named(rest)
	}
	switch plan {
	case "free":
		return b.free
	case "enterprise":
		return b.enterprise
	}
	return b.workforce
}

// IsBucket says whether there is a bucket of that name.
func IsBucket(name string) bool { return named(name) != nil }

func named(name string) *bucket {
	for i := range buckets {
		if buckets[i].name == name {
			return &buckets[i]
		}
	}
	return nil
}

// Bucket names the rate limit bucket of a request, by method and path template
// (/api/v1/groups/{groupId}); "" is none. An exact match comes before the longest one
// (documented).
func Bucket(method, template string) string {
	path := anonymous(template)
	for _, u := range unlimited {
		if path == u {
			return ""
		}
	}
	best, length := "/", 0
	for _, b := range buckets {
		name := anonymous(b.name)
		switch {
		case b.exact && path == name && (b.method == "" || b.method == method):
			return b.name
		case b.exact || len(name) <= length:
		case path == name || strings.HasPrefix(path, name+"/"):
			best, length = b.name, len(name)
		}
	}
	return best
}

// anonymous replaces the names of path parameters by {}.
func anonymous(template string) string {
	parts := strings.Split(template, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}
