package okta

import (
	"strings"
	"testing"

	"imago/pkg/resource"
)

// TestRegistry holds every entry against the rules that the interpreters lean on.
func TestRegistry(t *testing.T) {
	t.Parallel()
	for _, e := range newRegistry() {
		if len(e.lists) == 0 || e.get == "" {
			t.Errorf("%s cannot be listed or read", e.Type)
		}
		for _, path := range append([]string{e.get, e.lists[0].path}, routes(e)...) {
			if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "{parent:") {
				t.Errorf("%s: %q is no path", e.Type, path)
			}
			if strings.Contains(path, "{parent") && e.Parent == "" {
				t.Errorf("%s: %q asks for a parent that it has not", e.Type, path)
			}
			if strings.Contains(path, "search=") {
				t.Errorf("%s: search reads an index that lags behind", e.Type)
			}
		}
		if e.Parent != "" && !hasIn(e.Refs, resource.InParent) {
			t.Errorf("%s does not name its parent as a reference", e.Type)
		}
		if e.Shape == resource.LinkSet && !hasIn(e.Refs, resource.InID) {
			t.Errorf("%s does not say what it links", e.Type)
		}
		if e.write.create+e.write.update != "" && len(e.WriteScopes) == 0 {
			t.Errorf("%s is written without a scope", e.Type)
		}
		if e.Swept != (e.among != nil) {
			t.Errorf("%s: swept types, and only they, are listed among their parents", e.Type)
		}
	}
}

func routes(e entry) []string {
	var out []string
	for _, r := range []string{e.write.create, e.write.update, e.write.remove} {
		if _, path, ok := strings.Cut(r, " "); ok {
			out = append(out, path)
		}
	}
	return out
}

func hasIn(refs []resource.Ref, in resource.RefIn) bool {
	for _, r := range refs {
		if r.In == in {
			return true
		}
	}
	return false
}

func TestRoute(t *testing.T) {
	t.Parallel()
	user := newRegistry().entry("user").write.life
	for _, c := range []struct{ from, to, want string }{
		{"STAGED", "ACTIVE", "activate?sendEmail=false"},
		{"DEPROVISIONED", "ACTIVE", "activate?sendEmail=false"},
		{"SUSPENDED", "ACTIVE", "unsuspend"},
		{"STAGED", "SUSPENDED", "activate?sendEmail=false"}, // and then suspend
		{"ACTIVE", "SUSPENDED", "suspend"},
		{"SUSPENDED", "DEPROVISIONED", "deactivate?sendEmail=false"},
		{"ACTIVE", "STAGED", ""},
	} {
		if got := user.route(c.from, c.to); got != c.want {
			t.Errorf("from %s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// A rule or policy that is to be off must not be on for the moment between two
// calls: Okta makes what it is asked for ACTIVE, whatever status the body says.
func TestPoliciesAreMadeInactive(t *testing.T) {
	t.Parallel()
	for _, e := range newRegistry() {
		if e.Family == "policies" && e.write.create != "" && !strings.HasSuffix(e.write.create, "?activate=false") {
			t.Errorf("%s is made by %s", e.Type, e.write.create)
		}
	}
}
