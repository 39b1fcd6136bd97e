package archive_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/envelope/local"
	"imago/pkg/export"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/services/cli/internal/archive"
)

// vectors are the format's: a whole repository, with its master keys.
type vectors struct {
	MasterKeys json.RawMessage   `json:"master_keys"`
	Account    account.ID        `json:"account"`
	Objects    map[string][]byte `json:"objects"`
}

// copied lays them out in a directory, and opens the last one that Imago wrote itself.
func copied(t *testing.T, change func(dir string)) *repository.Snapshot {
	t.Helper()
	text, err := os.ReadFile("../../../../pkg/snapshot/testdata/vectors/repository.json")
	var v vectors
	if err := errors.Join(err, json.Unmarshal(text, &v)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	v.Objects["../master.keys"] = v.MasterKeys
	for key, data := range v.Objects {
		path := filepath.Join(dir, "bucket", key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	change(filepath.Join(dir, "bucket"))
	ks, err := local.Open(filepath.Join(dir, "master.keys"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), archive.Source{Place: filepath.Join(dir, "bucket")}, archive.Keys{Service: ks}, "")
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.Repositories(t.Context(), v.Account)
	if err != nil {
		t.Fatal(err)
	}
	s, err := all[0].Find(t.Context(), "2026-11-21T13")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var users = resource.Catalog{{Type: "user", Title: "User", Label: []resource.Path{"profile.login"}, NaturalKey: []resource.Path{"profile.login"}}}

// TestSQLiteHoldsTheSnapshot: every object with its body byte for byte, what is missing,
// and what the snapshot is.
func TestSQLiteHoldsTheSnapshot(t *testing.T) {
	t.Parallel()
	s := copied(t, func(string) {})
	path := filepath.Join(t.TempDir(), "a file?#%.db") // nothing in the name means anything
	n, err := archive.Export{Export: export.Export{Snapshot: s, Catalog: users}}.SQLite(t.Context(), path)
	if err != nil || n != s.Manifest().Objects() {
		t.Fatalf("%d objects and %v, want %d", n, err, s.Manifest().Objects())
	}
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "#", "%23", "%", "%25", " ", "%20").Replace(path)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct{ query, want string }{
		{"select value from objects where id = 'nzo1'", `{"big":9007199254740993,"id":"nzo1","real":1.0E+2}`},
		{"select label || ' ' || natural_key from objects where type = 'user' and id = '00u2'", `two ["two"]`},
		{"select json_extract(value, '$.profile.login') from objects where label = 'one'", "one"},
		{"select count(*) from objects where type = 'group_member' and parent = '00g1'", "6"},
		{"select title || objects || complete from types where type = 'user'", "User21"},
		{"select complete from types where type = 'odd'", "0"},
		{"select group_concat(type || '/' || parent || ':' || reason) from gaps", "group_member/00g2:failed,odd/:forbidden"},
		{"select id || ' ' || org || ' ' || kind || ' ' || started from snapshot", "swept https://acme.okta.com incremental 2026-11-21T13:00:00.123Z"},
		{"pragma integrity_check", "ok"},
	} {
		var got string
		if err := db.QueryRowContext(t.Context(), c.query).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s: %q and %v, want %q", c.query, got, err, c.want)
		}
	}
}

// TestJSONLinesHoldTheSnapshot: each line is JSON, and bodies are as the org sent them.
func TestJSONLinesHoldTheSnapshot(t *testing.T) {
	t.Parallel()
	s := copied(t, func(string) {})
	var out bytes.Buffer
	n, err := archive.Export{Export: export.Export{Snapshot: s, Catalog: users, Types: []string{"user", "zone"}}}.JSONLines(t.Context(), &out)
	if err != nil || n != 3 {
		t.Fatalf("%d objects and %v", n, err)
	}
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var l struct {
			Type  string          `json:"type"`
			ID    string          `json:"id"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		kinds = append(kinds, l.Type)
		if l.ID == "nzo1" && string(l.Value) != `{"big":9007199254740993,"id":"nzo1","real":1.0E+2}` {
			t.Errorf("%s", l.Value)
		}
	}
	if got := strings.Join(kinds, " "); got != "snapshot object object object end" {
		t.Error(got)
	}
}

// TestExportStopsAtDamage: a file that was altered ends the export with an error that
// names it, and no last line says that all is there.
func TestExportStopsAtDamage(t *testing.T) {
	t.Parallel()
	s := copied(t, func(dir string) {
		files, err := filepath.Glob(filepath.Join(dir, "users/*/connections/*/backups/2026-11-21T120000*/seg-*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if err := os.WriteFile(f, []byte("imago"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	var out bytes.Buffer
	_, err := archive.Export{Export: export.Export{Snapshot: s, Catalog: users}}.JSONLines(t.Context(), &out)
	if !errors.Is(err, repository.ErrDamaged) || !strings.Contains(err.Error(), "/seg-") || strings.Contains(out.String(), `"end"`) {
		t.Errorf("%v after %s", err, &out)
	}
	if _, err := (archive.Export{Export: export.Export{Snapshot: s, Catalog: users}}).SQLite(t.Context(), filepath.Join(t.TempDir(), "x.db")); !errors.Is(err, repository.ErrDamaged) {
		t.Errorf("SQLite: %v", err)
	}
}
