package migrate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imago/pkg/postgres/postgrestest"
	"imago/services/migrate"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, environ map[string]string, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	var pairs []string
	for name, value := range environ {
		pairs = append(pairs, name+"="+value)
	}
	code = migrate.Main(t.Context(), args, pairs, &out, &out)
	return code, out.String()
}

func TestCommand(t *testing.T) {
	t.Parallel()
	base := postgrestest.Empty(t)
	url := map[string]string{"IMAGO_DATABASE_URL_FILE": file(t, base.OwnerURL()+"\n")}
	for _, step := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"-check"}, 3, "run imago-migrate"},
		{nil, 0, `"msg":"migrated"`},
		{nil, 0, `"applied":0`},
		{[]string{"--check"}, 0, "the schema is that of this release"},
		{[]string{"-help"}, 0, "IMAGO_API_PASSWORD_FILE"},
		{[]string{"-reference"}, 0, "| `IMAGO_DATABASE_URL_FILE` | path of a file | **required** |"},
		{[]string{"down"}, 2, "imago-migrate -check"},
	} {
		if code, said := run(t, url, step.args...); code != step.code || !strings.Contains(said, step.said) {
			t.Errorf("%v: exit %d: %s", step.args, code, said)
		}
	}
}

func TestWrongConfigurationIsToldAtOnce(t *testing.T) {
	t.Parallel()
	code, said := run(t, map[string]string{"IMAGO_API_PASSWORD_FILE": "/nowhere", "IMAGO_DRIFT_PASSWORD_FILE": file(t, "\n")})
	for _, want := range []string{"IMAGO_DATABASE_URL_FILE: it is missing", "IMAGO_API_PASSWORD_FILE: open /nowhere", "IMAGO_DRIFT_PASSWORD_FILE: "} {
		if code != 2 || !strings.Contains(said, want) {
			t.Errorf("exit %d, %q is not told: %s", code, want, said)
		}
	}
}

func TestServerThatIsAwayIsTold(t *testing.T) {
	t.Parallel()
	url := file(t, "postgres:///x?host=/nowhere&user=owner&password=hunter2")
	for _, args := range [][]string{nil, {"-check"}} {
		code, said := run(t, map[string]string{"IMAGO_DATABASE_URL_FILE": url}, args...)
		if code == 0 || !strings.Contains(said, "the database does not answer") || strings.Contains(said, "hunter2") {
			t.Errorf("%v: exit %d: %s", args, code, said)
		}
	}
}
