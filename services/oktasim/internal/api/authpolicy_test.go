package api_test

import (
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func TestRulesOfAuthorizationServersForgotTheirTimes(t *testing.T) {
	t.Parallel()
	for year, forgets := range map[int]bool{2023: true, 2026: false} {
		s := start(t)
		s.clock.Set(time.Date(year, noon.Month(), noon.Day(), 12, 0, 0, 0, time.UTC))
		policies := "/api/v1/authorizationServers/default/policies"
		policy := s.do("POST", policies, doc.Doc{
			"name": "p", "description": "d", "type": "OAUTH_AUTHORIZATION_POLICY", "conditions": doc.Doc{"clients": doc.Doc{"include": doc.Array("ALL_CLIENTS")}},
		}).object(t)
		rules := policies + "/" + doc.String(policy, "id") + "/rules"
		body := doc.Doc{"name": "r", "type": "RESOURCE_ACCESS", "conditions": doc.Doc{"grantTypes": doc.Doc{"include": doc.Array("client_credentials")}}}
		made := s.do("POST", rules, body).object(t)
		path := rules + "/" + doc.String(made, "id")
		changed, read := s.do("PUT", path, body).object(t), s.do("GET", path, nil).object(t)
		if made["created"] == nil || changed["lastUpdated"] == nil {
			t.Errorf("%d: the answers to changes tell no times: %v, %v", year, made, changed)
		}
		if (changed["created"] == nil) != forgets || (read["created"] == nil) != forgets || (read["lastUpdated"] == nil) != forgets {
			t.Errorf("%d: changed %v, read %v", year, changed, read)
		}
	}
}
