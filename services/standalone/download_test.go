package standalone

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"imago/pkg/envelope"
	"imago/pkg/postgres/worldtest"
)

// TestADownloadOpensByAnEscrow: what the api gives away, `imago open` reads when the api, the
// database, the bucket and the master key are gone.
func TestADownloadOpensByAnEscrow(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	i := serve(t, w)
	w.Taken(t, w.Queue(t))
	id, _ := w.Group(t, "Support")
	w.Org.Call(http.MethodPut, "/api/v1/groups/"+id, map[string]any{"profile": map[string]string{"name": "Support", "description": "who answers"}}, nil)
	w.Points(t, 1)
	dir := t.TempDir()
	imago := filepath.Join(dir, "imago")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", imago, "imago/services/cli/cmd/imago").CombinedOutput()
	if err != nil {
		t.Fatalf("build imago: %v\n%s", err, out)
	}
	escrowed(t, w, dir)
	run := func(env []string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), imago, args...)
		cmd.Dir, cmd.Env = dir, append(env, "HOME="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("imago %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	online := []string{"IMAGO_SERVER=" + i.url, "IMAGO_TOKEN=" + i.token}
	if said := run(online, "download", "--all", "away"); !strings.Contains(said, "2 snapshots in away") {
		t.Errorf("download says %s", said)
	}
	plain := run(online, "download", "latest", "acme.jsonl", "--plain", "--json")
	if text, err := os.ReadFile(filepath.Join(dir, "acme.jsonl")); err != nil || !strings.Contains(string(text), `"name":"Support"`) {
		t.Errorf("%s: %d bytes, %v", plain, len(text), err)
	}
	opened := func(args ...string) string {
		return run([]string{"IMAGO_SERVER=http://127.0.0.1:1"}, append(args, "--escrow", "imago.age", "--identity", "key.txt")...)
	}
	opened("open", "verify", "away")
	if said := opened("open", "history", "away", "group:Support"); !strings.Contains(said, "who answers") {
		t.Errorf("history says %s", said)
	}
	var people []struct{ Profile struct{ Login string } }
	w.Org.Call(http.MethodGet, "/api/v1/users?limit=1", nil, &people)
	if login := people[0].Profile.Login; !strings.Contains(opened("open", "show", "away", "user:"+login), login) {
		t.Errorf("%s is not found by the login", login)
	}
}

// escrowed puts an escrow of the account's keys, and what opens it, into a folder.
func escrowed(t *testing.T, w *worldtest.World, dir string) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	to, err := envelope.ParseRecipient(identity.Recipient().String())
	must(t, err)
	file, err := w.Ring.Escrow(to)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "imago.age"), file, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "key.txt"), []byte(identity.String()+"\n"), 0o600))
}
