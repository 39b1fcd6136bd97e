package api_test

import (
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func TestAPITokens(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	x := s.list("/api/v1/api-tokens")[0]
	path := "/api/v1/api-tokens/" + doc.String(x, "id")
	if x["clientName"] != "Okta API" || x["tokenWindow"] != "P30D" || x["expiresAt"] != "2026-04-01T12:00:00.000Z" || doc.String(x, "network", "connection") != "ANYWHERE" {
		t.Errorf("got %v", x)
	}
	zone := doc.String(s.create("/api/v1/zones", doc.Doc{"type": "IP", "name": "Office", "gateways": []any{doc.Doc{"type": "RANGE", "value": "192.0.2.1-192.0.2.9"}}}), "id")
	network := func(connection string, zones doc.Doc) doc.Doc {
		body := doc.Doc{"connection": connection}
		for k, v := range zones {
			body[k] = v
		}
		return doc.Doc{"name": "ignored", "network": body}
	}
	s.refused(400, "E0000001", "network.connection", "PUT", path, network("MOON", nil))
	s.refused(400, "E0000001", "network", "PUT", path, network("ZONE", nil))
	s.refused(404, "E0000007", "nzonone", "PUT", path, network("ZONE", doc.Doc{"include": doc.Array("nzonone")}))
	s.clock.Advance(time.Second)
	y := s.want(200, "PUT", path, network("ZONE", doc.Doc{"exclude": doc.Array(zone)})).object(t)
	if y["name"] != "test" || y["lastUpdated"] != "2026-03-02T12:00:01.000Z" || y["created"] != x["created"] {
		t.Errorf("got %v", y)
	}
	s.refused(401, "E0000011", "", "GET", path, nil, "X-Forwarded-For", "192.0.2.5")
	s.want(200, "GET", path, nil, "X-Forwarded-For", "192.0.2.10")
	s.want(200, "PUT", path, network("ZONE", doc.Doc{"include": doc.Array(zone)}))
	s.refused(401, "E0000011", "", "GET", path, nil, "X-Forwarded-For", "192.0.2.10")
	inside := []string{"X-Forwarded-For", "192.0.2.9"}
	s.want(200, "GET", path, nil, inside...)
	s.want(200, "PUT", path, network("ANYWHERE", nil), inside...)
	types := eventTypes(s.events())
	for event, n := range map[string]int{"system.api_token.update": 3, "system.api_token.request_outside_allowed_range": 2} {
		if got := count(types, event); got != n {
			t.Errorf("%d events %s, want %d", got, event, n)
		}
	}
}

func count(list []string, want string) int {
	n := 0
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
}

func TestRevokeAPITokens(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	other := s.tokenOf("admin@x.example")
	all := s.list("/api/v1/api-tokens")
	if len(all) != 2 {
		t.Fatalf("got %d tokens", len(all))
	}
	s.want(204, "DELETE", "/api/v1/api-tokens/current", nil, "Authorization", "SSWS "+other)
	s.refused(401, "E0000011", "", "GET", "/api/v1/api-tokens", nil, "Authorization", "SSWS "+other)
	left := s.list("/api/v1/api-tokens")
	path := "/api/v1/api-tokens/" + doc.String(left[0], "id")
	if len(left) != 1 {
		t.Errorf("%d tokens are left", len(left))
	}
	s.refused(404, "E0000007", "ApiToken", "DELETE", "/api/v1/api-tokens/00Tnone", nil)
	s.want(204, "DELETE", path, nil)
	s.refused(401, "E0000011", "", "GET", path, nil)
}
