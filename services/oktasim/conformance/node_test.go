package conformance

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// nodeModules names the variable that says in which folder npm installed Okta's SDK for
// Node.
const nodeModules = "OKTASIM_NODE_MODULES"

func TestNodeSDK(t *testing.T) {
	t.Parallel()
	folder := os.Getenv(nodeModules)
	if folder == "" {
		t.Skipf("%s does not say where Okta's SDK for Node is installed", nodeModules)
	}
	s := start(t)
	cmd := exec.CommandContext(t.Context(), "node", "lives.mjs", folder, s.URL, s.Token)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lives, err := Lives()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(out), "passed "); got != len(lives) {
		t.Errorf("%d of %d lives were lived:\n%s", got, len(lives), out)
	}
}
