// Package infra tests what Imago is deployed by, as far as that can be without the
// deployment: docker compose's own reader, and the programs' own reading of what it gives them.
package infra

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// filled is what an operator writes into .env after infra/prepare.
const filled = `
IMAGO_STORE_BUCKET=imago-backups
IMAGO_STORE_ENDPOINT=https://account.r2.cloudflarestorage.com
IMAGO_MAIL_SMTP_ADDR=mail.example.com:587
IMAGO_MAIL_SMTP_USER=imago
COMPOSE_PROFILES=demo
IMAGO_DEMO_ORGS_URL=http://oktasim:8080
IMAGO_DEMO_CONTROL_URL=http://oktasim:8081
`

// prepared is a copy of this folder in which infra/prepare has been run, twice.
func prepared(t *testing.T, bin string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"compose.yaml", "prepare", "Dockerfile", "Caddyfile"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text, 0o700)
	}
	for range 2 {
		prepare(t, dir, bin, 0, "imago.example.com")
	}
	for _, name := range []string{"store_id", "store_key", "smtp_password"} {
		write(t, filepath.Join(dir, "secrets", name), []byte("x"), 0o600)
	}
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".env"), append(env, filled...), 0o600)
	return dir
}

func write(t *testing.T, path string, text []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, text, mode); err != nil {
		t.Fatal(err)
	}
}

func prepare(t *testing.T, dir, bin string, want int, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "prepare"), args...)
	cmd.Env = append(os.Environ(), "IMAGOD="+filepath.Join(bin, "imagod"), "IMAGO_SOCKET="+dir)
	if code, said := run(t, cmd); code != want {
		t.Fatalf("prepare %v: exit %d, want %d\n%s", args, code, want, said)
	}
}

func run(t *testing.T, cmd *exec.Cmd) (code int, said string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// build compiles the programs, and gives their folder.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"api/cmd/imago-api", "worker/cmd/imago-worker", "drift/cmd/imago-drift", "migrate/cmd/imago-migrate", "standalone/cmd/imagod"} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "imago/services/"+program)
		if code, said := run(t, cmd); code != 0 {
			t.Fatalf("build %s: %s", program, said)
		}
	}
	return dir
}

func load(t *testing.T, dir string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles())
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	bin := build(t)
	dir := prepared(t, bin)
	t.Run("compose", func(t *testing.T) { compose(t, bin, dir) })
	t.Run("prepare", func(t *testing.T) { again(t, bin, dir) })
}

// Every program takes the configuration that compose gives it: it knows each variable,
// and has each file that one names. None can do more than it needs.
func compose(t *testing.T, bin, dir string) {
	project := load(t, dir)
	for _, name := range []string{"api", "worker", "drift", "migrate"} {
		s := project.Services[name]
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "imago-"+name), "-check")
		cmd.Env = environ(t, dir, project, s)
		// There is no database at its socket here, nor the worker's bucket: that is told by the
		// check, and not as a wrong configuration.
		away := "the database does not answer"
		if name == "worker" {
			away = "the configuration is right"
		}
		if code, said := run(t, cmd); code != 1 || !strings.Contains(said, away) {
			t.Errorf("%s -check: exit %d: %s", name, code, said)
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || len(s.CapAdd) > 0 || s.User == "" || len(s.Ports) > 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s can do more than it needs: %+v", name, s)
		}
	}
	sim := project.Services["oktasim"]
	if len(sim.Networks) != 1 || len(sim.Ports) > 0 || !project.Networks["demo"].Internal || !sim.ReadOnly {
		t.Errorf("the simulator is reached by more than worker and drift monitor: %+v", sim)
	}
	for name, s := range project.Services {
		if _, ok := s.Networks["demo"]; ok && !slices.Contains([]string{"oktasim", "worker", "drift"}, name) {
			t.Errorf("%s reaches the simulator's control port", name)
		}
	}
	if p := project.Services["postgres"]; p.NetworkMode != "none" || len(p.Ports) > 0 {
		t.Errorf("the database is reached by the network: %s %v", p.NetworkMode, p.Ports)
	}
}

// environ is what compose puts into a container's environment, with each secret where it
// lies here.
func environ(t *testing.T, dir string, project *types.Project, s types.ServiceConfig) (out []string) {
	t.Helper()
	files := map[string]string{}
	for _, secret := range s.Secrets {
		target := secret.Target
		if target == "" {
			target = secret.Source
		}
		files["/run/secrets/"+filepath.Base(target)] = project.Secrets[secret.Source].File
	}
	for name, value := range s.Environment {
		text := ""
		if value != nil {
			text = *value
		}
		if path, ok := files[text]; ok {
			text = path
		} else if strings.HasPrefix(text, "/run/secrets/") {
			t.Errorf("%s: %s names %s, which it is not given", s.Name, name, text)
		}
		out = append(out, name+"="+text)
	}
	return out
}

// Nobody else can look into the secrets, and running it again changes none.
func again(t *testing.T, bin, dir string) {
	before := secrets(t, dir)
	prepare(t, dir, bin, 0, "imago.example.com")
	for name, text := range secrets(t, dir) {
		if text == "" || text != before[name] {
			t.Errorf("%s was changed, or is empty", name)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets")); err != nil || info.Mode().Perm()&0o066 != 0 {
		t.Errorf("others may read the secrets: %v %v", info, err)
	}
	prepare(t, dir, bin, 2, "https://imago.example.com")
	prepare(t, dir, bin, 2)
}

func secrets(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(dir, "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "lock" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, "secrets", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(text)
	}
	return out
}
