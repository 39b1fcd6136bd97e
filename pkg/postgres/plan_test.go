package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"imago/pkg/postgres/postgrestest"
)

// explain gives the plan of a statement for a role ("" is the owner), as if tables were so large that
// reading them whole is the last resort. What Postgres may have counted meanwhile (empty tables, in
// which one index is as good as another) is forgotten for the question.
func explain(t *testing.T, base *postgrestest.Database, role, sql string) []string {
	t.Helper()
	tx, err := base.Owner().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	first := []string{
		`update pg_class set reltuples = -1, relpages = 0 where relkind in ('r', 'i') and relnamespace <> 'pg_catalog'::regnamespace`,
		`set local enable_seqscan = off`,
	}
	if role != "" {
		first = append(first, "set local role "+role)
	}
	for _, statement := range first {
		if _, err := tx.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := tx.Query(t.Context(), "explain (costs off) "+sql)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s as %s: %v", sql, role, err)
	}
	return plan
}

// A policy that asked for the account at each row would make every list slow.
func TestPoliciesAskForTheAccountOnce(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	checked := 0
	for _, tb := range tables(t, base.Owner()) {
		for _, role := range programs {
			var may bool
			err := base.Owner().QueryRow(t.Context(), `select has_any_column_privilege($1, $2, 'select')`, role, tb.String()).Scan(&may)
			if err != nil {
				t.Fatal(err)
			}
			if !may {
				continue
			}
			checked++
			for _, line := range explain(t, base, role, "select 1 from "+tb.String()) {
				if (strings.Contains(line, "Filter:") || strings.Contains(line, "Cond:")) && strings.Contains(line, "current_") {
					t.Errorf("%s, as %s: %s", tb, role, strings.TrimSpace(line))
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d were looked at", checked)
	}
}

// What runs every few seconds, or for every list, reads no table whole. The statements
// are those of the packages by subject, and of the functions of the tick.
func TestWhatRunsOftenHasAnIndex(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	if _, err := base.Owner().Exec(t.Context(), `analyze`); err != nil { // as autovacuum does at any time
		t.Fatal(err)
	}
	const id = `'01900000-0000-7000-8000-000000000000'`
	for _, c := range []struct{ role, index, sql string }{
		{"imago_api", "findings_list_idx", `select id from findings where connection_id = ` + id + ` order by id desc limit 51`},
		{"imago_api", "snapshots_list_idx", `select id from snapshots where connection_id = ` + id + ` order by id desc limit 51`},
		{"imago_api", "restores_list_idx", `select id from restores where connection_id = ` + id + ` order by id desc limit 51`},
		{"imago_api", "activity_logs_pkey", `select seq from activity_logs where seq < 100 order by seq desc limit 51`},
		{"imago_api", "restore_steps_pkey", `select n from restore_steps where restore_id = ` + id + ` order by n`},
		{"imago_worker", "findings_together_idx", `select id from findings where (connection_id, found_at) in (
			select f.connection_id, f.found_at from findings f where f.id = ` + id + `) order by id`},
		{"imago_drift", "sightings_pkey", `select seen_at from sightings where connection_id = ` + id + ` and resource = 'x'`},
		{"", "sign_in_codes_email_idx", `select from sign_in_codes where email = 'x' and created_at > now()`},
		{"", "sign_in_codes_ip_idx", `select from sign_in_codes where ip_hash = 'x' and created_at > now()`},
		{"", "sign_in_codes_created_idx", `delete from sign_in_codes where created_at < now() - interval '1 day'`},
		{"", "sign_in_refusals_claim_idx", `select from sign_in_refusals where claimed_at is null order by at limit 50`},
		{"", "sign_in_refusals_once_key", `delete from sign_in_refusals where code_id = ` + id},
		{"", "idempotency_keys_created_idx", `delete from idempotency_keys where created_at < now() - interval '1 day'`},
		{"", "sessions_place_idx", `select from sessions where user_id = ` + id + ` and ip_hash = 'x'`},
		{"", "sessions_expires_idx", `delete from sessions where expires_at < now() - interval '30 days'`},
		{"", "schedules_due_idx", `select from schedules where enabled and next_run_at <= now() order by next_run_at limit 50`},
		{"", "schedules_alarm_idx", `select from schedules where enabled and (alarm_at is null or alarm_at <= now())`},
		{"", "snapshots_unfinished_key", `select from snapshots where state in ('queued', 'running')`},
		{"", "restores_writing_key", `select from restores where state in ('waiting', 'applying', 'verifying', 'verified', 'closing')`},
	} {
		if plan := strings.Join(explain(t, base, c.role, c.sql), "\n"); !strings.Contains(plan, c.index) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s does not go by %s:\n%s", c.sql, c.index, plan)
		}
	}
}
