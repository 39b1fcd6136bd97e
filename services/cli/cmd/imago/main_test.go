package main

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const root = "../../../.."

// TestIsBuiltStatic: whoever builds it for others asks for a file that needs no other.
func TestIsBuiltStatic(t *testing.T) {
	t.Parallel()
	builds := regexp.MustCompile(`go build[^\n]*(services/cli/cmd/imago|\$package)`)
	scripts, err := filepath.Glob(root + "/scripts/*")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range append(scripts, root+"/README.md", root+"/infra/Dockerfile") {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			if !builds.MatchString(line) {
				continue
			}
			if found++; !strings.Contains(line, "CGO_ENABLED=0 ") {
				t.Errorf("%s builds it for this machine alone: %s", path, line)
			}
		}
	}
	if found < 4 {
		t.Errorf("%d builds were found: of README.md, scripts/demo and infra/Dockerfile", found)
	}
}

// TestOpensAnArchiveAlone: the static file opens a copied bucket where there is nothing else:
// no library, no environment, no home.
func TestOpensAnArchiveAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imago := filepath.Join(dir, "imago")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", imago, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if runtime.GOOS == "linux" {
		wantStatic(t, imago)
	}
	archived(t, dir)
	cmd := exec.CommandContext(t.Context(), imago, "open", "verify", "copy", "--master-keys", "master.keys")
	cmd.Dir, cmd.Env = dir, []string{}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "5 snapshots") {
		t.Errorf("%v\n%s", err, out)
	}
}

func wantStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has %v: it is loaded with libraries", p.Type)
		}
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// archived lays out the repository of the format's vectors, and what opens it.
func archived(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(root + "/pkg/snapshot/testdata/vectors/repository.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		MasterKeys json.RawMessage `json:"master_keys"`
		Objects    map[string][]byte
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	write := func(path string, data []byte) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("master.keys", v.MasterKeys)
	for key, data := range v.Objects {
		write(filepath.Join("copy", key), data)
	}
}
