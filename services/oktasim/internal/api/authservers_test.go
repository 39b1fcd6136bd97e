package api_test

import (
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestAssociatedServers lets one authorization server trust others, and no more.
func TestAssociatedServers(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const all = "/api/v1/authorizationServers"
	made := map[string]string{}
	for _, name := range []string{"a", "b"} {
		made[name] = doc.String(s.want(201, "POST", all, doc.Doc{"name": name, "audiences": doc.Array("api://" + name)}).object(t), "id")
	}
	path := all + "/" + made["a"] + "/associatedServers"
	if got := s.list(path); len(got) != 0 {
		t.Errorf("a new server trusts %v", got)
	}
	trusted := s.want(200, "POST", path, doc.Doc{"trusted": doc.Array(made["b"], "default", made["b"])}).list(t)
	if len(trusted) != 2 || len(s.list(path+"?trusted=true&q=b")) != 1 || len(s.list(path+"?trusted=false")) != 0 {
		t.Errorf("got %v", trusted)
	}
	s.refused(404, "E0000007", "aus0", "POST", path, doc.Doc{"trusted": doc.Array("aus0")})
	s.refused(400, "E0000001", "itself", "POST", path, doc.Doc{"trusted": doc.Array(made["a"])})
	s.refused(400, "E0000001", "trusted", "POST", path, doc.Doc{})
	s.want(204, "DELETE", path+"/"+made["b"], nil)
	s.refused(404, "E0000007", made["b"], "DELETE", path+"/"+made["b"], nil)
	if got := s.list(path); len(got) != 1 || got[0]["name"] != "default" {
		t.Errorf("got %v", got)
	}
	if e := s.events(); len(only(e, "app.oauth2.trusted_server.add")) != 2 || len(only(e, "app.oauth2.trusted_server.delete")) != 1 {
		t.Errorf("the log has %v", eventTypes(e))
	}
}
