package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	imagov1 "imago/proto/imago/v1"
	"imago/services/cli"
)

var update = flag.Bool("update", false, "rewrite the golden screens")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"imago": runImago})
}

// runImago is the program as the scripts run it: the real one at a fixed moment,
// which does not wait between two looks.
func runImago() {
	env := cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Now: func() time.Time { return noon }, Wait: noWait,
		Prompt: os.Getenv("TEST_PROMPT") != "",
	}
	os.Exit(cli.Run(context.Background(), env, os.Args[1:]))
}

func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// TestScripts runs every command against a server, as a person or a script would.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fake":     func(ts *testscript.TestScript, _ bool, args []string) { arrange(ts, args) },
			"exit":     func(ts *testscript.TestScript, _ bool, args []string) { exit(ts, args) },
			"archived": func(ts *testscript.TestScript, _ bool, args []string) { archived(ts, args) },
			"spoiled":  func(ts *testscript.TestScript, _ bool, args []string) { spoiled(ts, args) },
			"mode":     func(ts *testscript.TestScript, _ bool, args []string) { mode(ts, args) },
		},
	})
}

// setup gives each script a server and a home of its own.
func setup(e *testscript.Env) error {
	f := newFake()
	server := f.serve()
	e.Defer(server.Close)
	e.Values["fake"] = f
	source, err := os.Getwd()
	if err != nil {
		return err
	}
	e.Setenv("SOURCE", source)
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("IMAGO_SERVER", server.URL)
	e.Setenv("SERVER", server.URL)
	return nil
}

// arrange puts the server into a state: `fake signed-in`, `fake ready acme`, ….
func arrange(ts *testscript.TestScript, args []string) {
	f, ok := ts.Value("fake").(*fake)
	if !ok {
		ts.Fatalf("there is no fake")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch args[0] {
	case "signed-in":
		ts.Check(signIn(filepath.Join(ts.Getenv("HOME"), ".config", "imago"), ts.Getenv("SERVER")))
	case "imago-again":
		f.set = map[string]bool{}
	case "failed":
		f.addConnection(args[1], args[0]).Problem = &imagov1.Problem{
			Kind: "unavailable", What: "the org cannot be reached", Hint: "check the address and the network",
		}
	case "ready", "new":
		f.addConnection(args[1], args[0])
	case "snapshot":
		f.finish(f.addSnapshot(f.connections[0].GetId(), "schedule"))
	case "offers":
		f.offered = ts.MkAbs(args[1])
	case "point":
		f.addPoint(f.connections[0].GetId())
	case "finding":
		f.addFinding()
	case "damaged":
		c := f.connections[0].GetRepositoryCheck()
		c.Damaged, c.SnapshotsConcerned = 2, 31
	default:
		f.set[args[0]] = true
	}
}

// signIn writes what a sign-in leaves behind.
func signIn(dir, server string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := `{"last":"` + server + `","servers":{"` + server + `":{"email":"ada@example.com","token":"` + token + `"}}}`
	return os.WriteFile(filepath.Join(dir, "login.json"), []byte(text), 0o600)
}

// exit runs a command line and wants an exit code: `exit 3 imago drift`.
func exit(ts *testscript.TestScript, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if e, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		got = string(rune('0' + e.ExitCode()))
	} else {
		ts.Check(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// mode wants a file's permissions: `mode 600 file`.
func mode(ts *testscript.TestScript, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strings.TrimPrefix(info.Mode().Perm().String(), "-"); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// TestTerminal shows what a terminal gets to see: colours, and a block that is drawn
// over, and nothing that a name in the directory could do to it.
func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, set string }{
		{"snapshot", ""}, {"snapshot", "held"}, {"diff latest live", ""}, {"drift", ""}, {"restore plan group:Finance", ""}, {"connections acme", ""},
	} {
		name := c.name
		t.Run(name+c.set, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			server := f.serve()
			defer server.Close()
			f.set["gaps"], f.set[c.set] = true, true
			f.addConnection("acme", "ready")
			f.finish(f.addSnapshot(id(10), "schedule"))
			f.addFinding()
			home := t.TempDir()
			if err := signIn(filepath.Join(home, "imago"), server.URL); err != nil {
				t.Fatal(err)
			}
			var out, rest bytes.Buffer
			env := cli.Env{
				Stdin: strings.NewReader(""), Stdout: &out, Stderr: &rest, Now: func() time.Time { return noon }, Wait: noWait,
				Getenv: func(key string) string {
					return map[string]string{"XDG_CONFIG_HOME": home, "IMAGO_SERVER": server.URL}[key]
				},
				Live: true, Color: true, Width: 60,
			}
			cli.Run(t.Context(), env, strings.Fields(name))
			golden(t, filepath.Join("testdata", "screen", strings.NewReplacer(" ", "_", ":", "_").Replace(strings.TrimSpace(name+" "+c.set))+".txt"), visible(out.String(), rest.String()))
		})
	}
}

// visible writes both streams with their escape sequences to be read.
func visible(out, rest string) string {
	return strings.ReplaceAll("-- stdout --\n"+out+"-- stderr --\n"+rest, "\x1b", "␛")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the screen differs (-want +got); run with -update if it should:\n%s", diff)
	}
}

// TestEveryHelp wants an example and the exit codes in the help of every command.
func TestEveryHelp(t *testing.T) {
	t.Parallel()
	commands := []string{
		"", "login", "logout", "whoami", "connect", "connections", "disconnect", "schedule", "status", "snapshot", "snapshots", "browse", "diff", "drift",
		"restore", "restore plan", "restore show", "restore list", "restore approve", "restore apply", "restore cancel", "activity", "version",
		"open", "open list", "open show", "open search", "open history", "open diff", "open export", "open verify", "repo", "repo check", "repo stats",
	}
	for _, name := range commands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, rest bytes.Buffer
			env := cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &rest, Now: time.Now, Getenv: func(string) string { return "" }}
			if code := cli.Run(t.Context(), env, append(strings.Fields(name), "--help")); code != 0 {
				t.Errorf("exit code %d: %s", code, &rest)
			}
			for _, want := range []string{"Examples:", "  # ", "Exit codes:", "  4  refused"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the help of %q lacks %q", name, want)
				}
			}
		})
	}
}
