package api

import (
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// sessionOperations are the sessions of people. Nobody signs in here, so there is none.
func sessionOperations() []operation {
	at := func(method, path string) operation {
		op := operation{method: method, path: "/api/v1/sessions/{sessionId}" + path, scope: "okta.sessions.manage", area: org.AreaSessions, write: true, run: noSession}
		if method == "GET" {
			op.scope, op.write = "okta.sessions.read", false
		}
		return op
	}
	return []operation{at("GET", ""), at("DELETE", ""), at("POST", "/lifecycle/refresh")}
}

func noSession(c *call) error { return failure.NotFound(c.params["sessionId"], "Session") }
