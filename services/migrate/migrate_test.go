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

// A product update goes to nobody by a dry run, and a command line that is wrong sends none.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	env := map[string]string{"IMAGO_DATABASE_URL_FILE": file(t, base.OwnerURL())}
	news, empty := file(t, "# New\n"), file(t, "\n")
	subject := "Imago " + t.Name()
	for _, step := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"-announce", news}, 2, "-announce FILE -subject TEXT"},
		{[]string{"-announce=", "-subject", "x"}, 2, "needs a file and a subject"},
		{[]string{"-announce", news, "-subject", "x", "now"}, 2, `"now" is not a flag`},
		{[]string{"-announce", news, "-subject", "x", "-to", "everybody"}, 2, "-to"},
		{[]string{"-announce", empty, "-subject", "x"}, 2, "it has 0 characters"},
		{[]string{"-announce", "/nowhere", "-subject", "x"}, 2, "/nowhere"},
		{[]string{"-announce", news, "-subject", subject, "-dry-run"}, 0, "would get it; nothing was sent"},
		{[]string{"--announce=" + news, "--subject=" + subject}, 0, "will get it"},
		{[]string{"-announce", news, "-subject", subject}, 0, "will get it"},
	} {
		if code, said := run(t, env, step.args...); code != step.code || !strings.Contains(said, step.said) {
			t.Errorf("%v: exit %d: %s", step.args, code, said)
		}
		var n int
		if err := base.Owner().QueryRow(t.Context(), `select count(*) from product_updates`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"will get it": 1}[step.said]; n != want {
			t.Errorf("%v: %d updates are to be sent", step.args, n)
		}
	}
}

// An operator has keyrings wrapped anew, and sees which still wait.
func TestKeyrings(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	env := map[string]string{"IMAGO_DATABASE_URL_FILE": file(t, base.OwnerURL())}
	for range 2 {
		base.Account(t)
	}
	if _, err := base.Owner().Exec(t.Context(), `update account_keys set wrapped = $1 where account_id = (select account_id from account_keys limit 1)`,
		`{"format":2,"account":"x","by":"aws-kms arn:aws:kms:x","key":""}`); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args []string
		code int
		said []string
	}{
		{[]string{"-keyrings"}, 0, []string{"1 wrapped by a master key that they do not name\n", "1 wrapped by aws-kms arn:aws:kms:x\n"}},
		{[]string{"-rewrap", "now"}, 2, []string{`"now" is not a flag`}},
		{[]string{"--rewrap"}, 0, []string{"2 keyrings will be wrapped anew", "imago-migrate -keyrings"}},
		{[]string{"-keyrings"}, 3, []string{"1 wrapped by aws-kms arn:aws:kms:x, 1 of them to be wrapped anew: keep that master key"}},
	} {
		code, said := run(t, env, step.args...)
		for _, want := range step.said {
			if code != step.code || !strings.Contains(said, want) {
				t.Errorf("%v: exit %d: %s", step.args, code, said)
			}
		}
	}
}

func TestServerThatIsAwayIsTold(t *testing.T) {
	t.Parallel()
	url := file(t, "postgres:///x?host=/nowhere&user=owner&password=hunter2")
	for _, args := range [][]string{nil, {"-check"}, {"-keyrings"}, {"-rewrap"}} {
		code, said := run(t, map[string]string{"IMAGO_DATABASE_URL_FILE": url}, args...)
		if code == 0 || !strings.Contains(said, "the database does not answer") || strings.Contains(said, "hunter2") {
			t.Errorf("%v: exit %d: %s", args, code, said)
		}
	}
}
