package rebuild_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/audit"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/catalogue"
	"imago/pkg/postgres/migrate"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/sealed"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	"imago/services/cli/internal/archive"
	"imago/services/cli/internal/rebuild"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123e6, time.UTC)

// bucket is what two installations may have left: one account, with connections.
type bucket struct {
	store   *mem.Store
	keys    *local.KeyService
	ring    *envelope.Keyring
	account account.ID
	newest  map[account.ConnectionID]*repository.Snapshot
	taken   []string // IDs, in the order that they were taken
}

func id(t *testing.T) string {
	t.Helper()
	u, err := uuid.NewV7()
	must(t, err)
	return u.String()
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	keys, err := local.Create(filepath.Join(t.TempDir(), "master.keys"), noon)
	must(t, err)
	b := &bucket{store: mem.New(mem.Options{}), keys: keys, account: account.ID(id(t)), newest: map[account.ConnectionID]*repository.Snapshot{}}
	b.ring, err = envelope.NewKeyring(t.Context(), keys, b.account)
	must(t, err)
	must(t, repository.SaveKeyring(t.Context(), b.store, b.ring))
	return b
}

// take takes a snapshot over the connection's newest; named: a point.
func (b *bucket) take(t *testing.T, c account.ConnectionID, named bool, gaps ...snapshot.Gap) *repository.Snapshot {
	t.Helper()
	r, err := repository.New(b.store, b.ring, b.account, c, repository.Options{})
	must(t, err)
	at, one := noon.Add(time.Duration(len(b.taken))*time.Minute), id(t)
	begin := r.Begin
	if named {
		begin = r.BeginNamed
	}
	d, err := begin(one, at, b.newest[c])
	must(t, err)
	must(t, d.Add(t.Context(), resource.Resource{Key: resource.Key{Type: "user", ID: "00u1"}, Body: fmt.Appendf(nil, `{"id":"00u1","n":%d}`, len(b.taken))}))
	facts := snapshot.Manifest{Provider: "okta", Org: "https://" + string(c)[24:] + ".okta.test", OrgID: "00o1", Engine: "oie", Ended: at.Add(time.Second)}
	if last := b.newest[c]; last != nil {
		facts.Previous = last.Digest()
	}
	if !named {
		facts.Types = []snapshot.TypeStatus{{Type: "user", Calls: 3, Gaps: gaps}}
	}
	_, err = d.Commit(t.Context(), facts)
	must(t, err)
	b.newest[c], err = r.Open(t.Context(), d.Prefix())
	must(t, err)
	b.taken = append(b.taken, one)
	return b.newest[c]
}

// furnish takes some snapshots of two connections.
func furnish(t *testing.T) (b *bucket, first, second account.ConnectionID) {
	t.Helper()
	b = newBucket(t)
	first, second = account.ConnectionID(id(t)), account.ConnectionID(id(t))
	b.take(t, first, false)
	b.take(t, first, true)
	b.take(t, first, true)
	b.take(t, first, false, snapshot.Gap{Type: "user", Parent: "x", Reason: snapshot.Failed, Detail: "it failed"})
	b.take(t, second, false)
	return b, first, second
}

// open lays the bucket out in a directory, as a copy of it, and opens that.
func (b *bucket) open(t *testing.T) *archive.Archive {
	t.Helper()
	dir := t.TempDir()
	for o, err := range b.store.List(t.Context(), "") {
		must(t, err)
		data, err := blob.ReadAll(t.Context(), b.store, o.Key, o.Size)
		must(t, err)
		path := filepath.Join(dir, o.Key)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, data, 0o600))
	}
	a, err := archive.Open(t.Context(), archive.Source{Place: dir}, archive.Keys{Service: b.keys}, "")
	must(t, err)
	return a
}

// run rebuilds, and gives what was told.
func run(t *testing.T, b *bucket, into rebuild.Catalogue, o rebuild.Options) (done []rebuild.Done, err error) {
	t.Helper()
	o.Now, o.Tell = noon.Add(time.Hour), func(d rebuild.Done) { done = append(done, d) }
	if o.Batch == 0 {
		o.Batch = 2
	}
	err = rebuild.Run(t.Context(), b.open(t), into, o)
	return done, err
}

// dump is the catalogue without what is of the moment.
func dump(t *testing.T, base *postgrestest.Database) (out []string) {
	t.Helper()
	rows, err := base.Owner().Query(t.Context(), `
		select 'account ' || (to_jsonb(a))::text from accounts a
		union all select 'keyring ' || (to_jsonb(k) - array['created_at', 'prepared_at', 'renewed_at'])::text from account_keys k
		union all select 'connection ' || (to_jsonb(c) - 'forget_at')::text || (c.forget_at > now() + interval '29 days') from connections c
		union all select 'snapshot ' || to_jsonb(s)::text from snapshots s
		union all select 'member ' || m.role || ' ' || u.email from members m join users u on u.id = m.user_id
		order by 1`)
	must(t, err)
	for rows.Next() {
		var line string
		must(t, rows.Scan(&line))
		out = append(out, line)
	}
	must(t, rows.Err())
	return out
}

// told opens the account's activity log, and verifies its chain.
func (b *bucket) told(t *testing.T, base *postgrestest.Database) (out []string) {
	t.Helper()
	viewer := base.Member(t, b.account, account.Viewer)
	must(t, base.Open(t, "imago_api").As(t.Context(), viewer.Proof, func(tx *postgres.Tx) error {
		if _, err := audit.Verify(b.account, audit.Head{}, activity.Walk(t.Context(), tx, 0)); err != nil {
			return err
		}
		for r, err := range activity.Walk(t.Context(), tx, 0) {
			var who audit.Who
			if err := errors.Join(err, sealed.Activity(r.Entry).Open(b.ring, r.Sealed, &who)); err != nil {
				return err
			}
			out = append(out, r.Action+" "+r.TargetType+" "+r.TargetID+": "+who.Detail)
		}
		return nil
	}))
	return out
}

// Everything that the bucket knows comes back as it was, is told of, and comes back once.
func TestRebuild(t *testing.T) {
	t.Parallel()
	b, first, second := furnish(t)
	base := postgrestest.Fresh(t)
	into := catalogue.New(base.OwnerURL())

	dry, err := run(t, b, into, rebuild.Options{Owner: "Ada@example.com", DryRun: true})
	must(t, err)
	if all := dump(t, base); len(all) > 0 {
		t.Fatalf("a dry run made %v", all)
	}
	done, err := run(t, b, into, rebuild.Options{Owner: "Ada@example.com"})
	must(t, err)
	want := []rebuild.Done{
		{Account: b.account, Made: catalogue.Made{Account: true, Owner: true}, Owners: 1},
		{Account: b.account, Connection: first, Org: orgOf(first), Made: catalogue.Made{Connection: true, Snapshots: 4}},
		{Account: b.account, Connection: second, Org: orgOf(second), Made: catalogue.Made{Connection: true, Snapshots: 1}},
	}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, dry); diff != "" {
		t.Errorf("the dry run told otherwise: %s", diff)
	}
	b.checkRows(t, base, first)

	was := dump(t, base)
	again, err := run(t, b, into, rebuild.Options{Owner: "eve@example.com"})
	must(t, err)
	if diff := cmp.Diff(was, dump(t, base)); diff != "" {
		t.Errorf("the second run changed %s", diff)
	}
	if again[0].Made != (catalogue.Made{}) || again[1].There != 4 || again[1].Made != (catalogue.Made{}) {
		t.Errorf("the second run told %+v", again)
	}
	told := b.told(t, base)
	for i, want := range []string{
		"rebuild_catalogue account " + string(b.account) + ": put back from the bucket: the account, Ada@example.com as its owner",
		"rebuild_catalogue connection " + string(first) + ": put back from the bucket: the connection to " + orgOf(first),
		"rebuild_catalogue connection " + string(first) + ": put back from the bucket: 2 of its snapshots",
		"rebuild_catalogue connection " + string(first) + ": put back from the bucket: 2 of its snapshots",
	} {
		if i >= len(told) || told[i] != want {
			t.Errorf("the log tells %q, want %q", told, want)
		}
	}
	if len(told) != 6 {
		t.Errorf("the log has %d rows: %q", len(told), told)
	}
}

// TestFailedComesBack: a snapshot whose row failed once it lay in the bucket is taken in, as it was
// taken; a row that failed and left nothing stays.
func TestFailedComesBack(t *testing.T) {
	t.Parallel()
	b, first, _ := furnish(t)
	base := postgrestest.Fresh(t)
	into := catalogue.New(base.OwnerURL())
	_, err := run(t, b, into, rebuild.Options{})
	must(t, err)
	_, err = base.Owner().Exec(t.Context(), `insert into snapshots (account_id, connection_id, trigger, state, started_at, ended_at, problem)
		values ($1, $2, 'manual', 'failed', now(), now(), '{}')`, b.account, first)
	must(t, err)
	was := dump(t, base)
	for _, sql := range []string{
		`alter table snapshots disable trigger snapshots_guard`,
		`update snapshots set state = 'failed', manifest_digest = '', objects = 0, problem = '{}' where id = '` + b.taken[1] + `'`,
		`alter table snapshots enable trigger snapshots_guard`,
	} {
		_, err := base.Owner().Exec(t.Context(), sql)
		must(t, err)
	}
	for _, dry := range []bool{true, false} {
		done, err := run(t, b, into, rebuild.Options{DryRun: dry})
		must(t, err)
		if got := done[1]; got.Made.Snapshots != 1 || got.There != 3 {
			t.Errorf("dry %v: told %+v", dry, got)
		}
	}
	if diff := cmp.Diff(was, dump(t, base)); diff != "" {
		t.Errorf("it came back as another: %s", diff)
	}
}

func orgOf(c account.ConnectionID) string { return "https://" + string(c)[24:] + ".okta.test" }

// checkRows wants the rows of the first connection to say what its manifests say.
func (b *bucket) checkRows(t *testing.T, base *postgrestest.Database, c account.ConnectionID) {
	t.Helper()
	rows, err := base.Owner().Query(t.Context(), `select id, trigger, state, started_at, manifest_digest, objects, calls, gaps
		from snapshots where connection_id = $1 order by started_at`, c)
	must(t, err)
	triggers, states := []string{"schedule", "change", "change", "schedule"}, []string{"complete", "complete", "complete", "partial"}
	i := 0
	for ; rows.Next(); i++ {
		var id, trigger, state, digest string
		var started time.Time
		var objects, calls, gaps int64
		must(t, rows.Scan(&id, &trigger, &state, &started, &digest, &objects, &calls, &gaps))
		repo, err := repository.New(b.store, b.ring, b.account, c, repository.Options{})
		must(t, err)
		s, err := repo.Open(t.Context(), snapshot.Prefix(b.account, c, started, id))
		must(t, err)
		if id != b.taken[i] || trigger != triggers[i] || state != states[i] || digest != s.Digest() || objects != 1 || calls != 3 || gaps != int64(i/3) {
			t.Errorf("snapshot %d: %s %s %s, %d objects, %d calls, %d gaps", i, id, trigger, state, objects, calls, gaps)
		}
	}
	must(t, rows.Err())
	if i != 4 {
		t.Errorf("%d snapshots", i)
	}
}

// dying is a catalogue of a program that is killed at one of its operations: before that
// reaches the database, or once it has.
type dying struct {
	*catalogue.Catalogue
	left  int
	after bool
}

var errKilled = errors.New("killed")

func (d *dying) die() bool { d.left--; return d.left == 0 }

func (d *dying) Account(ctx context.Context, id account.ID) (catalogue.Account, bool, error) {
	if d.die() {
		return catalogue.Account{}, false, errKilled
	}
	return d.Catalogue.Account(ctx, id)
}

func (d *dying) PutBack(ctx context.Context, b catalogue.Batch) (catalogue.Made, error) {
	dies := d.die()
	if dies && !d.after {
		return catalogue.Made{}, errKilled
	}
	m, err := d.Catalogue.PutBack(ctx, b)
	if dies {
		return catalogue.Made{}, errors.Join(errKilled, err)
	}
	return m, err
}

// TestKilledAtEachStep: whoever is killed and runs again ends with the same catalogue, and
// all of it is told of once.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	b, _, _ := furnish(t)
	o := rebuild.Options{Owner: "ada@example.com", Batch: 2}
	whole := postgrestest.Fresh(t)
	_, err := run(t, b, catalogue.New(whole.OwnerURL()), o)
	must(t, err)
	want := dump(t, whole)
	told := b.told(t, whole)
	steps := 0
	for n := 1; ; n++ {
		ended := false
		for _, after := range []bool{false, true} {
			base := postgrestest.Fresh(t)
			into := catalogue.New(base.OwnerURL())
			_, err := run(t, b, &dying{into, n, after}, o)
			ended = err == nil
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			_, err = run(t, b, into, o)
			must(t, err)
			if diff := cmp.Diff(want, dump(t, base)); diff != "" {
				t.Errorf("killed at %d, after %v: %s", n, after, diff)
			}
			if diff := cmp.Diff(told, b.told(t, base)); diff != "" {
				t.Errorf("killed at %d, after %v: told %s", n, after, diff)
			}
		}
		if ended {
			break
		}
		steps = n
	}
	if steps < 7 {
		t.Errorf("killed at %d steps only", steps)
	}
}

// TestWhatIsNotThereIsTold: a snapshot that was removed is missed by the one after it; one
// that does not open is not missed.
func TestWhatIsNotThereIsTold(t *testing.T) {
	t.Parallel()
	b, first, _ := furnish(t)
	folder := func(i int) string { return snapshot.Folder(noon.Add(time.Duration(i)*time.Minute), b.taken[i]) }
	manifest := func(i int) string { return snapshot.BackupsPrefix(b.account, first) + "/" + folder(i) + "/manifest" }
	into := newShelves()
	must(t, b.store.Delete(t.Context(), manifest(1)))
	b.store.Edit(manifest(2), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	for _, c := range []struct {
		name string
		want []string
	}{{"the one after does not open", nil}, {"it does", []string{folder(2)}}} {
		done, err := run(t, b, into, rebuild.Options{})
		must(t, err)
		if diff := cmp.Diff(c.want, done[1].Unchained); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		b.store.Edit(manifest(2), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	}
}

// What is damaged, deleted, or somebody else's is told, and the rest comes back.
func TestWhatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		break_ func(t *testing.T, b *bucket, first account.ConnectionID, base *postgrestest.Database)
		object string // that is told, its end
		what   string
		damage bool
		made   int64 // snapshots of the first connection
	}{
		{"a manifest that was altered", func(t *testing.T, b *bucket, first account.ConnectionID, _ *postgrestest.Database) {
			b.store.Edit(b.newest[first].Prefix()+"/manifest", func(x []byte) []byte { x[len(x)-1] ^= 1; return x })
		}, "/manifest", "damaged", true, 3},
		{"a manifest of another folder", func(t *testing.T, b *bucket, first account.ConnectionID, _ *postgrestest.Database) {
			m := b.newest[first].Manifest()
			from, to := b.newest[first].Prefix(), snapshot.Prefix(b.account, first, m.Started.Add(time.Hour), m.ID)
			data, err := blob.ReadAll(t.Context(), b.store, from+"/manifest", 1<<20)
			must(t, err)
			must(t, b.store.Put(t.Context(), to+"/manifest", strings.NewReader(string(data)), int64(len(data))))
		}, "/manifest", "damaged", true, 4},
		{"no manifest that opens", func(t *testing.T, b *bucket, first account.ConnectionID, _ *postgrestest.Database) {
			for o, err := range b.store.List(t.Context(), snapshot.BackupsPrefix(b.account, first)) {
				must(t, err)
				b.store.Edit(o.Key, func(x []byte) []byte { x[len(x)-1] ^= 1; return x })
			}
		}, "/backups", "no manifest of connection", true, 0},
		{"a keyring of another installation", func(t *testing.T, b *bucket, _ account.ConnectionID, _ *postgrestest.Database) {
			other, err := local.Create(filepath.Join(t.TempDir(), "master.keys"), noon)
			must(t, err)
			b.keys = other
		}, "/keyring", "the key is another one", true, 0},
		{"an account that was deleted", func(t *testing.T, b *bucket, _ account.ConnectionID, base *postgrestest.Database) {
			exec(t, base, `insert into accounts (id, name, deletion_id, deletion_asked_at, deletion_due_at, shredded_at) values ($1, 'deleted', $1, now(), now(), now())`, b.account)
			exec(t, base, `insert into account_keys (account_id, wrapped) values ($1, '')`, b.account)
		}, string("users/"), "was deleted, and stays so", false, 0},
		{"an org that is connected anew", func(t *testing.T, b *bucket, first account.ConnectionID, base *postgrestest.Database) {
			exec(t, base, `insert into accounts (id, name) values ($1, 'Acme')`, b.account)
			exec(t, base, `insert into connections (account_id, provider, name, org_url) values ($1, 'okta', 'acme', $2)`, b.account, orgOf(first))
		}, "/backups", "cannot come back: the account has connection", true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, first, _ := furnish(t)
			base := postgrestest.Fresh(t)
			c.break_(t, b, first, base)
			done, err := run(t, b, catalogue.New(base.OwnerURL()), rebuild.Options{})
			must(t, err)
			var passed []rebuild.Passed
			made := int64(0)
			for _, d := range done {
				passed = append(passed, d.Passed...)
				if d.Connection == first {
					made = d.Made.Snapshots
				}
			}
			if len(passed) != 1 || !strings.Contains(passed[0].Object, c.object) || !strings.Contains(passed[0].Problem.What, c.what) || passed[0].Damage != c.damage || made != c.made {
				t.Errorf("%d snapshots, passed over %+v", made, passed)
			}
		})
	}
}

func exec(t *testing.T, base *postgrestest.Database, sql string, args ...any) {
	t.Helper()
	_, err := base.Owner().Exec(t.Context(), sql, args...)
	must(t, err)
}

// A database that was restored from a backup has rows and an older keyring: rows stay, what
// is missing comes, and the newer keyring takes the older one's place, never the other way.
func TestAnOlderDatabase(t *testing.T) {
	t.Parallel()
	b, first, _ := furnish(t)
	base := postgrestest.Fresh(t)
	into := catalogue.New(base.OwnerURL())
	_, err := run(t, b, into, rebuild.Options{})
	must(t, err)
	exec(t, base, `update accounts set name = 'Acme'`)
	exec(t, base, `update connections set name = 'prod', state = 'ready', problem = null where id = $1`, first)
	old := b.ring
	b.ring, err = old.Rotate(t.Context(), b.keys)
	must(t, err)
	must(t, repository.SaveKeyring(t.Context(), b.store, b.ring))
	b.take(t, first, true)
	was := dump(t, base)

	done, err := run(t, b, into, rebuild.Options{})
	must(t, err)
	if !done[0].Made.Keyring || done[1].Made != (catalogue.Made{Snapshots: 1}) || done[1].There != 4 {
		t.Errorf("told %+v", done)
	}
	now := dump(t, base)
	if len(now) != len(was)+1 || !strings.Contains(strings.Join(now, "\n"), `"name": "Acme"`) || !strings.Contains(strings.Join(now, "\n"), `"name": "prod"`) {
		t.Errorf("was %v, is %v", was, now)
	}
	wrapped := func() (w []byte) {
		must(t, base.Owner().QueryRow(t.Context(), `select wrapped from account_keys`).Scan(&w))
		return w
	}
	if string(wrapped()) != string(b.ring.Wrapped()) {
		t.Error("the keyring is not the bucket's")
	}
	b.store.Edit(snapshot.KeyringName(b.account), func([]byte) []byte { return old.Wrapped() })
	if _, err = run(t, b, into, rebuild.Options{}); err != nil && !problem.Is(err, problem.Denied) {
		t.Fatal(err)
	}
	if string(wrapped()) != string(b.ring.Wrapped()) {
		t.Error("an old keyring took the place of a newer one")
	}
}

// Where the database is somebody else's service, its owner is no superuser, and sees no
// row. It puts everything back all the same, and nobody else may.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	b, first, _ := furnish(t)
	base := postgrestest.Empty(t)
	owner := "owner_" + strings.ToLower(rand.Text()[:8])
	for _, sql := range []string{
		"create role " + owner + " login createrole nosuperuser nobypassrls",
		"alter database " + base.Name + " owner to " + owner,
		"alter schema public owner to " + owner,
		`do $$ begin
			if current_setting('server_version_num')::int >= 160000 then
				execute 'grant imago_definer to ` + owner + ` with admin true, inherit false, set false';
			end if;
		end $$`,
	} {
		exec(t, base, sql)
	}
	into := catalogue.New(base.URL(owner))
	if _, err := run(t, b, into, rebuild.Options{}); !problem.Is(err, problem.Stale) {
		t.Errorf("without tables: %v", err)
	}
	_, err := migrate.Run(t.Context(), base.URL(owner))
	must(t, err)
	for _, role := range []string{"imago_api", "imago_worker", "imago_drift"} {
		if _, err := run(t, b, catalogue.New(base.URL(role)), rebuild.Options{}); !problem.Is(err, problem.Denied) {
			t.Errorf("%s: %v", role, err)
		}
	}
	_, err = run(t, b, into, rebuild.Options{Owner: "ada@example.com"})
	must(t, err)
	old := b.ring
	b.ring, err = old.Rotate(t.Context(), b.keys)
	must(t, err)
	must(t, repository.SaveKeyring(t.Context(), b.store, b.ring))
	done, err := run(t, b, into, rebuild.Options{Owner: "ada@example.com"})
	if err != nil || !done[0].Made.Keyring || done[1].There != 4 {
		t.Errorf("again: %+v, %v", done, err)
	}
	b.checkRows(t, base, first)
	b.checkFunctions(t, base)
}

// checkFunctions wants every function of the owner's to be closed to programs.
func (b *bucket) checkFunctions(t *testing.T, base *postgrestest.Database) {
	t.Helper()
	var n, open int
	must(t, base.Owner().QueryRow(t.Context(), `
		select count(*), count(*) filter (where has_function_privilege('imago_api', oid, 'execute')
			or has_function_privilege('imago_worker', oid, 'execute') or has_function_privilege('imago_drift', oid, 'execute'))
		from pg_proc where proname ~ '^(known|rebuild)_' and proowner = 'imago_definer'::regrole`).Scan(&n, &open))
	if n != 10 || open != 0 {
		t.Errorf("%d functions, of which programs may run %d", n, open)
	}
}
