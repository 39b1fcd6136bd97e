package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"imago/pkg/postgres/cluster"
)

// folder is a place that the database's user can come to.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "db")
}

func exec1(t *testing.T, url, sql string) (out string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDataOutlastsAStop(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for n, sql := range []string{`create table t as select 'kept' as v; `, ``} {
		c, err := cluster.Start(t.Context(), dir, cluster.Options{})
		if err != nil {
			t.Fatal(err)
		}
		url := c.URL("postgres", cluster.Superuser)
		if n == 0 {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if got := exec1(t, url, `select v from t`); got != "kept" {
			t.Errorf("got %q", got)
		}
		if got := exec1(t, url, `select current_setting('data_checksums') || ' ' || current_setting('listen_addresses')`); got != "on " {
			t.Errorf("checksums, addresses: %q", got)
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		if err := c.Stop(); err != nil {
			t.Errorf("stopped twice: %v", err)
		}
		<-c.Done()
	}
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(log), "database system is shut down") != 2 || strings.Contains(string(log), "not properly shut down") {
		t.Errorf("not stopped cleanly: %s", log)
	}
}

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c, err := cluster.Start(t.Context(), dir, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "run"), filepath.Join(dir, "data")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %s", path, info.Mode())
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

func TestLongPathHasAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), strings.Repeat("long/", 25))
	c, err := cluster.Start(t.Context(), dir, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := exec1(t, c.URL("postgres", cluster.Superuser), `select 'here'`); got != "here" {
		t.Errorf("got %q", got)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

// Postgres and its clients take a comma in a socket's folder for the end of it.
func TestPathWithACommaIsOnePath(t *testing.T) {
	t.Parallel()
	c, err := cluster.Start(t.Context(), filepath.Join(folder(t), "Acme, Inc"), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := exec1(t, c.URL("postgres", cluster.Superuser), `select 'here'`); got != "here" {
		t.Errorf("got %q", got)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	named := filepath.Join(t.TempDir(), "a,b")
	if _, err := cluster.Start(t.Context(), folder(t), cluster.Options{Socket: named}); err == nil || !strings.Contains(err.Error(), named) {
		t.Errorf("a socket's folder with a comma: %v", err)
	}
}

// A program that is killed leaves a server that shuts down by itself; the next one
// waits for it and goes on with what was committed.
func TestKilledProgramLosesNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	program := exec.Command(os.Args[0], "-test.run=^TestProgram$", "-test.v")
	program.Env = append(os.Environ(), "IMAGO_TEST_CLUSTER="+dir)
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "committed" {
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err == nil {
		t.Error("the program ended by itself")
	}
	c, err := cluster.Start(t.Context(), dir, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := exec1(t, c.URL("postgres", cluster.Superuser), `select string_agg(v, ' ') from t`); got != "kept" {
		t.Errorf("got %q", got)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

// TestProgram is the program that TestKilledProgramLosesNothing kills.
func TestProgram(t *testing.T) {
	dir := os.Getenv("IMAGO_TEST_CLUSTER")
	if dir == "" {
		return // it is run by the test above alone
	}
	c, err := cluster.Start(t.Context(), dir, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), c.URL("postgres", cluster.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `create table t as select 'kept' as v`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `begin; insert into t values ('not committed')`); err != nil {
		t.Fatal(err)
	}
	fmt.Println("committed")
	<-c.Done()
}

func TestClusterThatIsInUseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c, err := cluster.Start(t.Context(), dir, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := cluster.Start(ctx, dir, cluster.Options{})
		second <- err
	}()
	if got := exec1(t, c.URL("postgres", cluster.Superuser), `select 'here'`); got != "here" {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-second; err == nil {
		t.Error("two servers in one folder")
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

func TestMissingPostgresIsNamed(t *testing.T) {
	t.Parallel()
	_, err := cluster.Start(t.Context(), folder(t), cluster.Options{Bin: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "initdb and postgres") {
		t.Errorf("got %v", err)
	}
}

func TestFolderThatCannotBeReachedIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: the server runs as ourselves, and comes where we come")
		return
	}
	closed := filepath.Join(folder(t), "closed")
	if err := os.MkdirAll(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := cluster.Start(t.Context(), filepath.Join(closed, "db"), cluster.Options{})
	if err == nil || !strings.Contains(err.Error(), closed) {
		t.Errorf("got %v", err)
	}
}
