package limit

import "strings"

// size is a bucket's published limit per minute.
type size struct{ free, enterprise, workforce int }

// sizes are the last limits that Okta published for management endpoints. Buckets
// whose size is not known have that of "everything else".
var sizes = map[string]size{
	"/api/v1/apps":          {20, 100, 100},
	"/api/v1/apps/{id}":     {100, 600, 500},
	"/api/v1/groups":        {100, 600, 500},
	"/api/v1/groups/{id}":   {100, 600, 1000},
	"/api/v1/users":         {100, 600, 600},
	"/api/v1/users/{id:.+}": {100, 1000, 2000},
	"/api/v1/users/{id}":    {100, 600, 600},
	"/api/v1/logs":          {20, 50, 120},
	"/oauth2/v1/clients":    {25, 100, 100},
	"/api/v1/devices":       {100, 150, 100},
	"/api/v1":               {100, 600, 1200},
	"/api/v1/iam":           {100, 600, 1200},
	"/oauth2/v1/token":      {300, 1200, 2000},
	"/oauth2/v1":            {300, 1200, 2000},
	"/oauth2/v1/keys":       {300, 1200, 2000},
	"/":                     {1000, 1200, 1200},
}

func published(bucket, plan string) int {
	s, ok := sizes[bucket]
	if !ok {
		s = sizes["/api/v1"]
	}
	switch plan {
	case "free":
		return s.free
	case "enterprise":
		return s.enterprise
	}
	return s.workforce
}

// exact are the paths with a bucket of their own; {} stands for any segment.
var exact = map[string]string{
	"/api/v1/apps/{}":   "/api/v1/apps/{id}",
	"/api/v1/groups/{}": "/api/v1/groups/{id}",
	"/api/v1/users/{}":  "/api/v1/users/{id}",
}

// prefixes are searched in order; the longest stand first.
var prefixes = []string{
	"/oauth2/v1/clients", "/oauth2/v1/token", "/oauth2/v1/keys", "/oauth2/v1",
	"/api/v1/groups", "/api/v1/devices", "/api/v1/users", "/api/v1/apps", "/api/v1/logs", "/api/v1/iam", "/api/v1",
}

// Bucket names the rate limit bucket of a request, by method and path template
// (/api/v1/groups/{groupId}).
func Bucket(method, template string) string {
	if name, ok := exact[anonymous(template)]; ok {
		// Reading one user has a larger bucket than changing one.
		if name == "/api/v1/users/{id}" && method == "GET" {
			return "/api/v1/users/{id:.+}"
		}
		return name
	}
	for _, p := range prefixes {
		if template == p || strings.HasPrefix(template, p+"/") {
			return p
		}
	}
	return "/"
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
