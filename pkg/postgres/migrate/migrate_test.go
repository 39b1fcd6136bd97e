package migrate_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cluster"
	"imago/pkg/postgres/migrate"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/problem"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestRunTwiceDoesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	base := postgrestest.Empty(t)
	if err := migrate.Check(t.Context(), base.OwnerURL()); !problem.Is(err, problem.Stale) {
		t.Errorf("an empty database: %v", err)
	}
	first, err := migrate.Run(t.Context(), base.OwnerURL())
	if err != nil {
		t.Fatal(err)
	}
	if want := postgrestest.Latest(t); first.Version != want || int64(len(first.Applied)) != want || len(first.River) == 0 {
		t.Errorf("first: %+v", first)
	}
	second, err := migrate.Run(t.Context(), base.OwnerURL())
	if err != nil || len(second.Applied) != 0 || len(second.River) != 0 || second.Version != first.Version {
		t.Errorf("second: %+v: %v", second, err)
	}
	if err := migrate.Check(t.Context(), base.OwnerURL()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestTwoAtOnceWaitForEachOther(t *testing.T) {
	t.Parallel()
	base := postgrestest.Empty(t)
	ended := make(chan error)
	for range 3 {
		go func() {
			_, err := migrate.Run(t.Context(), base.OwnerURL())
			ended <- err
		}()
	}
	if err := errors.Join(<-ended, <-ended, <-ended); err != nil {
		t.Error(err)
	}
}

// Where the database is somebody else's service, its owner is no superuser. The
// programs' roles must work there too, and the owner itself must see no rows.
func TestOwnerNeedsNoSuperuser(t *testing.T) {
	t.Parallel()
	base := postgrestest.Empty(t)
	owner := "owner_" + strings.ToLower(rand.Text()[:8])
	for _, sql := range []string{
		"create role " + owner + " login createrole nosuperuser nobypassrls",
		"alter database " + base.Name + " owner to " + owner,
		"alter schema public owner to " + owner,
		// The roles are there already, in a cluster that tests share. From 16 on, an owner
		// that had made them would have been granted this with it.
		`do $$ begin
			if current_setting('server_version_num')::int >= 160000 then
				execute 'grant imago_definer to ` + owner + ` with admin true, inherit false, set false';
			end if;
		end $$`,
	} {
		if _, err := base.Owner().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := migrate.Run(t.Context(), base.URL(owner)); err != nil {
		t.Fatal(err)
	}
	acme := base.Account(t)
	base.Connection(t, acme.ID)
	err := base.Open(t, "imago_api").As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		if tx.Account() != acme.ID {
			t.Errorf("let into %q", tx.Account())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	conn, err := pgx.Connect(t.Context(), base.URL(owner))
	if err != nil {
		t.Fatal(err)
	}
	var seen int
	if err := conn.QueryRow(t.Context(), `select (select count(*) from accounts) + (select count(*) from connections)
		+ (select count(*) from sessions) + (select count(*) from sign_in_codes)`).Scan(&seen); err != nil {
		t.Fatal(err)
	}
	if seen != 0 {
		t.Errorf("the owner sees %d rows", seen)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// The server itself takes the verifier: only the right password logs in.
func TestPasswordsLogIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	c, err := cluster.Start(t.Context(), filepath.Join(dir, "db"), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	owner := c.URL("postgres", cluster.Superuser)
	if _, err := migrate.Run(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	for password, want := range map[account.Secret]problem.Kind{"short": problem.Invalid, "correct horse battery": ""} {
		err := migrate.SetPasswords(t.Context(), owner, map[string]account.Secret{"imago_drift": password})
		if want == "" && err != nil || want != "" && !problem.Is(err, want) {
			t.Errorf("%s: %v", password.Reveal(), err)
		}
	}
	askForPasswords(t, dir, owner)
	for password, want := range map[string]bool{"correct horse battery": true, "wrong horse battery": false, "": false} {
		config, err := pgx.ParseConfig(c.URL("postgres", "imago_drift"))
		if err != nil {
			t.Fatal(err)
		}
		config.Password = password
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if (err == nil) != want {
			t.Errorf("%q: %v", password, err)
		}
		if err == nil {
			if err := conn.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

// askForPasswords makes the server ask the drift monitor, and it alone, for a password.
func askForPasswords(t *testing.T, dir, owner string) {
	t.Helper()
	rules := "local all imago_drift scram-sha-256\nlocal all all trust\n"
	if err := os.WriteFile(filepath.Join(dir, "db", "data", "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	var rejected int
	if err := conn.QueryRow(t.Context(), `select count(*) from pg_hba_file_rules where error is not null`).Scan(&rejected); err != nil || rejected != 0 {
		t.Fatalf("%d rules are wrong: %v", rejected, err)
	}
	if _, err := conn.Exec(t.Context(), `select pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	// The reload is a signal: a session that began after it was handled knows it.
	for asks := false; !asks; {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), `select pg_conf_load_time() > pg_postmaster_start_time()`).Scan(&asks); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
