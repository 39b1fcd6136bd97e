package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres/postgrestest"
)

// The most important test of the house: whoever has let a program into account A lets
// it into nothing of B's. It walks the catalog of a migrated database, so a table that
// is added tomorrow is tested tomorrow, or fails for want of a fixture.

var programs = []string{"imago_api", "imago_worker", "imago_drift"}

// table is one that holds accounts' rows.
type table struct {
	schema, name string
	column       string // the column that names the account; "" for those that are no account's
	columns      []column
}

type column struct {
	Name, Type string
	Generated  bool
}

func (t table) String() string { return t.schema + "." + t.name }

// unprotected are tables without an account, and why no row of them is anybody's.
var unprotected = map[string]string{
	"public.goose_db_version":  "which migrations were run",
	"public.product_updates":   "what the operator tells everybody who asks for it",
	"river.river_migration":    "which migrations of River's were run",
	"river.river_leader":       "which process leads",
	"river.river_queue":        "names of queues",
	"river.river_notification": "not used with Postgres",
}

// tables lists every table of ours and River's, but for the unprotected.
func tables(t *testing.T, owner *pgxpool.Pool) (out []table) {
	t.Helper()
	rows, err := owner.Query(t.Context(), `
		select n.nspname, c.relname, a.attname, format_type(a.atttypid, null), a.attgenerated <> '' or a.attidentity <> ''
		from pg_class c
		join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
		order by 1, 2, a.attnum`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var schema, name string
		var c column
		if err := rows.Scan(&schema, &name, &c.Name, &c.Type, &c.Generated); err != nil {
			t.Fatal(err)
		}
		if unprotected[schema+"."+name] != "" {
			continue
		}
		if len(out) == 0 || out[len(out)-1].String() != schema+"."+name {
			out = append(out, table{schema: schema, name: name})
		}
		last := &out[len(out)-1]
		last.columns = append(last.columns, c)
		if c.Name == "account_id" || name == "accounts" && c.Name == "id" || name == "river_job" && c.Name == "args" {
			last.column = c.Name
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(out) < 15 {
		t.Fatalf("only %d tables were found", len(out))
	}
	return out
}

// unforced lists the tables that row-level security does not hold, and those that it
// holds without a policy that names the current account.
func unforced(ctx context.Context, owner *pgxpool.Pool) ([]string, error) {
	rows, err := owner.Query(ctx, `
		select n.nspname || '.' || c.relname
			|| case when not c.relrowsecurity then ' is not enabled'
				when not c.relforcerowsecurity then ' is not forced' else ' has no policy' end
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
			and not n.nspname || '.' || c.relname = any ($1)
			and (not c.relrowsecurity or not c.relforcerowsecurity or (
				c.relname not in ('users', 'sign_in_codes', 'sign_in_refusals', 'installation_keys', 'selling', 'totp_factors', 'recovery_codes', 'device_sign_ins', 'device_guesses', 'passkeys', 'passkey_ceremonies') and not exists (
					select from pg_policy p where p.polrelid = c.oid
						and pg_get_expr(coalesce(p.polqual, p.polwithcheck), c.oid) like '%current_account()%')))
		order by 1`, keys(unprotected))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func keys[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestEveryTableIsForced(t *testing.T) {
	t.Parallel()
	wrong, err := unforced(t.Context(), postgrestest.New(t).Owner())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Errorf("row-level security of %s", w)
	}
}

func TestProgramsOwnNothingAndCannotPassBy(t *testing.T) {
	t.Parallel()
	var n int
	err := postgrestest.New(t).Owner().QueryRow(t.Context(), `
		select (select count(*) from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname like 'imago_%' and r.rolname <> current_user)
			+ (select count(*) from pg_proc p join pg_roles r on r.oid = p.proowner where r.rolname = any ($1))
			+ (select count(*) from pg_roles r where r.rolname = any ($1 || array['imago_definer'])
				and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolinherit))
			+ (select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname = any ($1))`,
		programs).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("%d things are owned by, or too great powers are given to, the programs' roles", n)
	}
}

// Functions that run with more rights than their caller's name every schema, and are
// not for everybody.
func TestDefinerFunctionsAreNarrow(t *testing.T) {
	t.Parallel()
	rows, err := postgrestest.New(t).Owner().Query(t.Context(), `
		select p.proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where p.prosecdef and n.nspname in ('public', 'river') and (
			p.proconfig is null or not 'search_path=""' = any (p.proconfig)
			or p.proowner <> 'imago_definer'::regrole
			or has_function_privilege('public', p.oid, 'execute'))`)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(wrong) > 0 {
		t.Errorf("too wide: %v", wrong)
	}
}

// literal makes a value for a column of account n, from the column's type; special
// holds what the checks of a table ask for.
var special = map[string]string{
	"members.role": "'owner'", "sessions.kind": "'cli'",
	// An update that these values are written by must not end the session that proves A.
	"sessions.revoked_at": "null", "sessions.name": "null", "sessions.scopes": "null", "sessions.idle_expires_at": "now() + interval '1 hour'",
	"users.email": "'n' || %d || '@acme.test'", "sign_in_codes.email": "'n' || %d || '@acme.test'",
	"sign_in_codes.tries": "0",
	"connections.state":   "'ready'", "connections.share": "0.5", "connections.follow_seconds": "60", "connections.demo": "''",
	"key_escrows.recipient": "'age1' || repeat('q', 30) || '%d'", "key_escrows.file": "''", "key_escrows.removed_at": "null",
	"accounts.deletion_id": "null", "accounts.deletion_asked_at": "null", "accounts.deletion_asked_by": "null",
	"accounts.deletion_due_at": "null", "accounts.shredded_at": "null", "accounts.purged_at": "null",
	"credentials.purpose": "'read'", "credentials.state": "'set'",
	"snapshots.trigger": "'manual'", "snapshots.state": "'queued'", "snapshots.ended_at": "null",
	"snapshots.pinned_at": "null", "snapshots.pinned_by": "null", "snapshots.given_up_at": "null", "snapshots.given_up_by": "null",
	"snapshots.expired_at": "null", "snapshots.expired_for": "''", "snapshots.forgotten_at": "null",
	"findings.severity": "'high'", "findings.state": "'open'",
	"finding_states.state": "'resolved'", "finding_states.until": "null",
	"restores.state":      "'planned'",
	"restore_steps.state": "'done'", "restore_steps.op": "'create'",
	"passkey_ceremonies.kind": "'prove'", "passkey_ceremonies.client_hash": "null",
	"invitations.role": "'viewer'", "invitations.email": "'n' || %d || '@acme.test'", "invitations.mails": "1",
	"messages.kind": "'finding'", "messages.state": "'queued'", "messages.waits_for": "''", "messages.due_at": "null",
	"messages.unsubscribe_hash": "sha256('%d')", "mail_events.kind": "'bounce'",
	"mail_preferences.topic": "'drift'", "mail_preferences.timing": "'daily'", "mail_preferences.threshold": "'high'",
	"mail_preferences.stopped": "''", "mail_preferences.stopped_at": "null",
	"sso_providers.slug": "'acme-%d'", "sso_providers.issuer": "'https://%d.acme.test'",
	"subscriptions.plan": "'standard'", "subscriptions.better": "''", "subscriptions.state": "'past_due'",
	"river_job.state": "'completed'", "river_job.finalized_at": "now()", "river_job.max_attempts": "25",
	"river_job.priority": "1", "river_job.id": "1000000 + %d", "river_job.metadata": "'{}'",
	"river_job.unique_key": "null", "river_job.unique_states": "null", "river_job.errors": "null",
	"river_job.kind": "'take_snapshot'", "river_job.queue": "'backup'",
}

var byType = map[string]string{
	"uuid": "md5('%d')::uuid", "text": "'text %d'", "bytea": "sha256('%d')", "timestamp with time zone": "now()",
	"integer": "%d", "bigint": "%d", "smallint": "%d", "real": "%d", "jsonb": "'[]'", "boolean": "false", "date": "current_date",
	"uuid[]": "array[md5('%d')]::uuid[]", "text[]": "array['%d']", "character varying[]": "array['%d']",
}

// value is a column's literal; it fails for a type that nobody has thought of.
func (tb table) value(t *testing.T, c column, n int, id account.ID) string {
	t.Helper()
	switch {
	case c.Name == tb.column && c.Name == "args":
		return fmt.Sprintf(`'{"account_id": "%s"}'`, id)
	case c.Name == tb.column:
		return fmt.Sprintf("'%s'", id)
	}
	form, ok := special[tb.name+"."+c.Name]
	if !ok {
		form, ok = byType[c.Type]
	}
	if !ok {
		t.Fatalf("%s.%s is of type %s: give this test a value for it", tb, c.Name, c.Type)
	}
	if strings.Contains(form, "%d") {
		return fmt.Sprintf(form, n)
	}
	return form
}

// seed puts one row of the account into every table, past keys and triggers.
func seed(t *testing.T, base *postgrestest.Database, all []table, n int, id account.ID) {
	t.Helper()
	tx, err := base.Owner().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(context.Background()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Error(err)
		}
	}()
	if _, err := tx.Exec(t.Context(), `set local session_replication_role = replica`); err != nil {
		t.Fatal(err)
	}
	for _, tb := range all {
		names, values := tb.row(t, n, id, func(column) bool { return true })
		sql := fmt.Sprintf("insert into %s (%s) values (%s) on conflict do nothing", tb, names, values)
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatalf("no fixture for %s: %v\n%s", tb, err, sql)
		}
	}
	// The member is the user, so that users' policy finds it.
	if _, err := tx.Exec(t.Context(), `update members set user_id = md5($1)::uuid where account_id = $2 and user_id = md5($1)::uuid`,
		fmt.Sprint(n), id); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// row renders the columns that are wanted, and their values.
func (tb table) row(t *testing.T, n int, id account.ID, want func(column) bool) (names, values string) {
	t.Helper()
	var cs, vs []string
	for _, c := range tb.columns {
		if !c.Generated && want(c) {
			cs, vs = append(cs, c.Name), append(vs, tb.value(t, c, n, id))
		}
	}
	return strings.Join(cs, ", "), strings.Join(vs, ", ")
}

// may reports whether a role has a privilege on a column.
func may(t *testing.T, base *postgrestest.Database, role, verb string, tb table, c column) (ok bool) {
	t.Helper()
	if err := base.Owner().QueryRow(t.Context(), `select has_column_privilege($1, $2, $3, $4)`,
		role, tb.String(), c.Name, verb).Scan(&ok); err != nil {
		t.Fatal(err)
	}
	return ok
}

// permitted lists the columns that a role may read or write; nil: none.
func permitted(t *testing.T, base *postgrestest.Database, role, verb string, tb table) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, c := range tb.columns {
		if may(t, base, role, verb, tb, c) {
			out[c.Name] = true
		}
	}
	return out
}

// presented is a proof as the database gets it, and what it ought to open.
type presented struct{ name, kind, value string }

// ours tells the rows of an account, for the owner.
func (tb table) ours(n int, id account.ID) string {
	switch tb.column {
	case "args":
		return fmt.Sprintf("args ->> 'account_id' = '%s'", id)
	case "":
		switch tb.name {
		case "installation_keys":
			return fmt.Sprintf("purpose = 'text %d'", n)
		case "device_guesses":
			return fmt.Sprintf("user_id = md5('%d')::uuid", n)
		}
		return fmt.Sprintf("id = md5('%d')::uuid", n)
	}
	return fmt.Sprintf("%s = '%s'", tb.column, id)
}

// stamp is every row of B's, down to its version: it changes with any write.
func stamp(t *testing.T, base *postgrestest.Database, tb table, n int, id account.ID) (s string) {
	t.Helper()
	if err := base.Owner().QueryRow(t.Context(), fmt.Sprintf(
		`select coalesce(string_agg(ctid || ':' || xmin || ':' || r::text, ' ' order by ctid), '') from %s r where %s`, tb, tb.ours(n, id))).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// as runs one statement as a role with a proof, and commits.
func as(ctx context.Context, conn *pgx.Conn, p presented, sql string) (touched int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select set_config('app.proof_kind', $1, true), set_config('app.proof', $2, true)`, p.kind, p.value); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql)
		touched = tag.RowsAffected()
		return err
	})
	return touched, err
}

// refused reports whether the database said no: no privilege, row-level security, or
// one of our own triggers.
func refused(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "42501" || raised(err)
}

// raised reports whether it was one of our own triggers.
func raised(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(pg.Code, "IM")
}

// wide are the rows that a role sees or changes of every account, and why.
var wide = map[string]string{
	"river.river_job imago_worker": "runs River, which fetches and ends jobs of all accounts; args hold IDs only",
	"river.river_job imago_drift":  "runs River, which fetches and ends jobs of all accounts; args hold IDs only",
}

type world struct {
	base   *postgrestest.Database
	all    []table
	a, b   postgrestest.Account
	good   map[string]presented // per role: A's own
	bad    map[string][]presented
	nA, nB int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldIn(t, postgrestest.Fresh(t))
}

// worldIn puts two accounts, and every kind of proof, into a database.
func worldIn(t *testing.T, base *postgrestest.Database) *world {
	t.Helper()
	w := &world{base: base, a: base.Account(t), b: base.Account(t), nA: 1, nB: 2}
	w.all = tables(t, base.Owner())
	seed(t, base, w.all, w.nA, w.a.ID)
	seed(t, base, w.all, w.nB, w.b.ID)
	// What people choose is theirs alone, also within an account.
	if _, err := base.Owner().Exec(t.Context(), `insert into mail_preferences (account_id, user_id, topic) values ($1, $2, 'drift')`, w.a.ID, w.a.User); err != nil {
		t.Fatal(err)
	}
	if _, err := base.Owner().Exec(t.Context(), `insert into digest_times (account_id, user_id, hour, time_zone) values ($1, $2, 6, 'UTC')`, w.a.ID, w.a.User); err != nil {
		t.Fatal(err)
	}
	session := func(a postgrestest.Account) string { return hex.EncodeToString(a.Token[:]) }
	ended := base.JobRow(t, job.TakeSnapshot{AccountID: string(w.b.ID)})
	base.EndJob(t, ended)
	work := fmt.Sprint(base.JobRow(t, job.TakeSnapshot{AccountID: string(w.a.ID)}))
	follow := fmt.Sprint(base.JobRow(t, job.FollowLog{AccountID: string(w.a.ID)}))
	w.good = map[string]presented{
		"imago_api": {"A's session", "session", session(w.a)}, "imago_worker": {"A's job", "job", work},
		"imago_drift": {"A's job", "job", follow},
	}
	dead := map[string]string{}
	for name, change := range map[string]string{
		"expired": "expires_at = now() - interval '1 second'", "idle": "idle_expires_at = now() - interval '1 second'",
		"revoked": "revoked_at = now()",
	} {
		m := base.Member(t, w.b.ID, account.Owner)
		if _, err := base.Owner().Exec(t.Context(), `update sessions set `+change+` where token_hash = $1`, m.Token[:]); err != nil {
			t.Fatal(err)
		}
		dead[name] = session(m)
	}
	left := base.Member(t, w.b.ID, account.Owner)
	if _, err := base.Owner().Exec(t.Context(), `delete from members where user_id = $1`, left.User); err != nil {
		t.Fatal(err)
	}
	none := []presented{{"no proof", "", ""}, {"an unknown kind", "account", string(w.b.ID)}, {"the account itself", "session", string(w.b.ID)},
		{"garbage", "session", "'; drop table accounts; --"}, {"garbage", "job", "1 or 1=1"}, {"another's", "session", hex.EncodeToString(make([]byte, sha256.Size))},
		{"no such job", "job", "999999999"}, {"a code", "code", string(w.b.ID)}}
	w.bad = map[string][]presented{
		"imago_api": append([]presented{{"expired", "session", dead["expired"]}, {"idle", "session", dead["idle"]}, {"revoked", "session", dead["revoked"]},
			{"no member any more", "session", session(left)}, {"a job", "job", work}}, none...),
		"imago_worker": append([]presented{{"a finished job", "job", fmt.Sprint(ended)}, {"a session", "session", session(w.a)},
			{"the drift monitor's job", "job", follow}}, none...),
		"imago_drift": append([]presented{{"a finished job", "job", fmt.Sprint(ended)}, {"a session", "session", session(w.a)},
			{"the worker's job", "job", work}}, none...),
	}
	return w
}

// TestNothingCrosses proves, for every table, role and verb, what A's proof and every
// proof that is none does to rows of B (and, for the latter, of A).
func TestNothingCrosses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var cells int
	for _, role := range programs {
		conn, err := pgx.Connect(t.Context(), w.base.URL(role))
		if err != nil {
			t.Fatal(err)
		}
		for _, tb := range w.all {
			for _, verb := range []string{"select", "insert", "update", "delete"} {
				cells++
				for _, wrong := range w.crosses(t, conn, role, verb, tb) {
					t.Error(wrong)
				}
			}
		}
		// Had one of the statements ended A's proof, the cells after it would prove nothing.
		if n, err := as(t.Context(), conn, w.good[role], `select from accounts`); n != 1 || err != nil {
			t.Errorf("%s: A's own proof came to nothing on the way (%v)", role, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d tables × %d roles × 4 verbs = %d cells", len(w.all), len(programs), cells)
}

// crosses tries a verb with every proof, and tells what came through.
func (w *world) crosses(t *testing.T, conn *pgx.Conn, role, verb string, tb table) (wrong []string) {
	t.Helper()
	if wide[tb.String()+" "+role] != "" && verb != "insert" {
		return nil
	}
	columns := map[string]bool{}
	if verb != "delete" { // which no column is named in
		columns = permitted(t, w.base, role, verb, tb)
	}
	for i, p := range append([]presented{w.good[role]}, w.bad[role]...) {
		where := fmt.Sprintf("%s %s %s with %s (%s)", role, verb, tb, p.name, p.kind)
		beforeA, beforeB := stamp(t, w.base, tb, w.nA, w.a.ID), stamp(t, w.base, tb, w.nB, w.b.ID)
		if beforeB == "" {
			t.Fatalf("%s has no row of B's: no fixture", tb)
		}
		touched, err := as(t.Context(), conn, p, w.statement(t, verb, tb, columns))
		if err != nil && !refused(err) {
			wrong = append(wrong, fmt.Sprintf("%s: the statement itself is wrong: %v", where, err))
		}
		if stamp(t, w.base, tb, w.nB, w.b.ID) != beforeB {
			wrong = append(wrong, where+": rows of B were changed")
		}
		switch {
		case i > 0 && raised(err): // by a trigger, which sees only rows that were let through
			wrong = append(wrong, fmt.Sprintf("%s: a row was reached: %v", where, err))
		case i > 0 && touched > 0:
			wrong = append(wrong, fmt.Sprintf("%s: %d rows", where, touched))
		case i > 0 && stamp(t, w.base, tb, w.nA, w.a.ID) != beforeA:
			wrong = append(wrong, where+": rows of A were changed")
		case i == 0 && verb == "select" && len(columns) > 0:
			wrong = append(wrong, w.sees(t, conn, p, where, tb, columns, touched, err)...)
		}
	}
	return wrong
}

// statement writes what the role is permitted to try: of the columns that its grants
// name if there are any, so that the policy is tested and not the grant alone.
func (w *world) statement(t *testing.T, verb string, tb table, columns map[string]bool) string {
	t.Helper()
	wanted := func(c column) bool { return len(columns) == 0 || columns[c.Name] }
	switch verb {
	case "select":
		names, _ := tb.row(t, w.nB, w.b.ID, wanted)
		return fmt.Sprintf("select %s from %s", names, tb)
	case "insert": // another row of B's
		names, values := tb.row(t, w.nB+1, w.b.ID, wanted)
		return fmt.Sprintf("insert into %s (%s) values (%s)", tb, names, values)
	case "update":
		var sets []string
		for _, c := range tb.columns {
			if wanted(c) && c.Name != tb.column && !c.Generated {
				sets = append(sets, c.Name+" = "+tb.value(t, c, w.nA, w.a.ID))
			}
		}
		return fmt.Sprintf("update %s set %s", tb, strings.Join(sets, ", "))
	}
	return "delete from " + tb.String()
}

// narrower are tables that show less than the account's rows: their own tests hold what.
var narrower = []string{
	"sign_in_codes", "sign_in_refusals", "totp_factors", "recovery_codes", "device_sign_ins", "device_guesses", "passkeys", "passkey_ceremonies",
	"sso_attempts", "users", "sessions", "idempotency_keys", "downloads",
}

// sees holds that A's proof opens A's rows and no others: a policy that let nothing
// through would pass the rest of the test.
func (w *world) sees(t *testing.T, conn *pgx.Conn, p presented, where string, tb table, columns map[string]bool, touched int64, err error) (wrong []string) {
	t.Helper()
	if slices.Contains(narrower, tb.name) || tb.name == "restore_steps" && len(columns) == 0 {
		return nil
	}
	if touched == 0 {
		return []string{fmt.Sprintf("%s: nothing of A's own is seen (%v)", where, err)}
	}
	if !columns[tb.column] {
		return nil
	}
	n, err := as(t.Context(), conn, p, fmt.Sprintf("select 1 from %s where not (%s)", tb, tb.ours(w.nA, w.a.ID)))
	if err != nil || n != 0 {
		return []string{fmt.Sprintf("%s: %d rows that are not A's are seen (%v)", where, n, err)}
	}
	return nil
}

// TestBrokenWallsAreFound breaks the walls of a scratch database one after another,
// and expects the checks above to say so.
func TestBrokenWallsAreFound(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]struct {
		sql, table, role, verb string
		crosses                bool
	}{
		"policy dropped":      {"drop policy snapshots_own on snapshots", "public.snapshots", "", "", false},
		"policy let go":       {"alter policy snapshots_own on snapshots using (true)", "public.snapshots", "imago_worker", "select", true},
		"security off":        {"alter table findings disable row level security", "public.findings", "imago_api", "select", true},
		"not forced":          {"alter table restores no force row level security", "public.restores", "", "", false},
		"a hole for updates":  {"create policy hole on connections for all to imago_api using (true)", "public.connections", "imago_api", "update", true},
		"a hole for inserts":  {"create policy hole on log_cursors for insert to imago_drift with check (true)", "public.log_cursors", "imago_drift", "insert", true},
		"a hole for deletes":  {"create policy hole on connections for delete to imago_api using (true)", "public.connections", "imago_api", "delete", true},
		"account from caller": {`create or replace function current_account() returns uuid language sql stable as $$ select public.as_uuid(nullif(current_setting('app.proof', true), '')) $$`, "public.connections", "imago_drift", "select", true},
		"new table":           {"create table notes (id uuid, account_id uuid); grant select on notes to imago_api", "public.notes", "imago_api", "select", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := postgrestest.Fresh(t)
			if _, err := base.Owner().Exec(t.Context(), broken.sql); err != nil {
				t.Fatal(err)
			}
			wrong, err := unforced(t.Context(), base.Owner())
			if err != nil {
				t.Fatal(err)
			}
			if !broken.crosses {
				if len(wrong) != 1 || !strings.HasPrefix(wrong[0], broken.table+" ") {
					t.Errorf("found %v", wrong)
				}
				return
			}
			checkFound(t, base, broken.table, broken.role, broken.verb)
		})
	}
}

// checkFound expects something to come through in one cell.
func checkFound(t *testing.T, base *postgrestest.Database, name, role, verb string) {
	t.Helper()
	w := worldIn(t, base)
	conn, err := pgx.Connect(t.Context(), base.URL(role))
	if err != nil {
		t.Fatal(err)
	}
	for _, tb := range w.all {
		if tb.String() == name && len(w.crosses(t, conn, role, verb, tb)) == 0 {
			t.Errorf("%s %s %s: nothing was found", role, verb, name)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
