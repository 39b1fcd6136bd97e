// Package migrations holds the database's schema: forward-only SQL, run by
// imago-migrate after River's own migrations.
//
// Each file leaves the previous release working. The functions that reach across
// accounts stand in 00012_functions.sql, for the auditor; later files that add to them
// say so.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Files holds the SQL, in goose's form.
//
//go:embed *.sql
var Files embed.FS

// Latest gives the version of the newest file, which a database must have reached.
func Latest() (int64, error) {
	names, err := fs.Glob(Files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	var latest int64
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s: no version in its name: %w", name, err)
		}
		latest = max(latest, v)
	}
	return latest, nil
}
