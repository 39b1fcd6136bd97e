package postgres

import "imago/pkg/postgres/internal/rows"

// Page is a part of a list, newest first: Before is the ID that it comes before (""
// for the newest), Limit how many at most (zero: 50).
type Page = rows.Page
