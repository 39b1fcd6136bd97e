package repository_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

const (
	alice account.ID           = "0b6a9f0e-0000-7000-8000-00000000000a"
	bob   account.ID           = "0b6a9f0e-0000-7000-8000-00000000000b"
	conn  account.ConnectionID = "0b6a9f0e-0000-7000-8000-0000000000c1"
	other account.ConnectionID = "0b6a9f0e-0000-7000-8000-0000000000c2"
	id                         = "0b6a9f0e-0000-7000-8000-000000000051"
)

var started = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)

// small makes segments of a few records each, so that little data has many.
var small = repository.Options{SegmentPlain: 600, SegmentSealed: 300, Chunk: 150}

func keyring(t testing.TB, id account.ID) *envelope.Keyring {
	t.Helper()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master"), started)
	if err != nil {
		t.Fatal(err)
	}
	k, err := envelope.NewKeyring(t.Context(), ks, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func repo(t testing.TB, store blob.Store, k *envelope.Keyring, c account.ConnectionID, o repository.Options) *repository.Repository {
	t.Helper()
	r, err := repository.New(store, k, k.Account(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func begin(t testing.TB, r *repository.Repository) *repository.Draft {
	t.Helper()
	d, err := r.Begin(id, started, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func res(typ, parent, id, body string) resource.Resource {
	return resource.Resource{Key: resource.Key{Type: resource.Type(typ), Parent: parent, ID: id}, Body: []byte(body)}
}

// org makes resources of three types; all differs in every call's order only.
func org(users int) []resource.Resource {
	var out []resource.Resource
	for i := range users {
		out = append(out, res("user", "", fmt.Sprintf("00u%06d", i), fmt.Sprintf(`{"id":"00u%06d","profile":{"login":"u%d@example.com"}}`, i, i)))
	}
	for g := range users / 10 {
		group := fmt.Sprintf("00g%06d", g)
		out = append(out, res("group", "", group, fmt.Sprintf(`{"id":%q,"profile":{"name":"G%d"}}`, group, g)))
		for m := range 7 {
			out = append(out, res("group_member", group, fmt.Sprintf("00u%06d", (g*13+m)%users), `{}`))
		}
	}
	return out
}

func shuffled(in []resource.Resource, seed uint64) []resource.Resource {
	out := slices.Clone(in)
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func addAll(t testing.TB, d *repository.Draft, all []resource.Resource) {
	t.Helper()
	for _, r := range all {
		if err := d.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// facts are what a caller knows when a snapshot ends.
func facts() snapshot.Manifest {
	return snapshot.Manifest{
		Provider: "okta", Org: "https://acme.okta.com", OrgID: "00o1", Engine: "oie", Software: "test",
		Ended: started.Add(time.Minute), LogCursor: "cursor",
		Types: []snapshot.TypeStatus{
			{Type: "user", Calls: 3},
			{Type: "zone", Calls: 1, Gaps: []snapshot.Gap{{Type: "zone", Reason: snapshot.Forbidden, Detail: "needs okta.networkZones.read"}}},
		},
	}
}

func commit(t testing.TB, d *repository.Draft) snapshot.Manifest {
	t.Helper()
	m, err := d.Commit(t.Context(), facts())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func take(t testing.TB, r *repository.Repository, all []resource.Resource) *repository.Snapshot {
	t.Helper()
	d := begin(t, r)
	addAll(t, d, all)
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// collect reads everything; the first error ends it.
func collect(seq iter.Seq2[resource.Resource, error]) (out []resource.Resource, err error) {
	for r, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// readBack reads all types of a snapshot.
func readBack(ctx context.Context, s *repository.Snapshot) (out []resource.Resource, err error) {
	for _, t := range s.Manifest().Types {
		got, err := collect(s.Walk(ctx, t.Type))
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

// lines renders resources for comparing; go-cmp takes seconds for a large body of
// bytes, and no time for text.
func lines(in []resource.Resource) []string {
	out := make([]string, len(in))
	for i, r := range in {
		out[i] = fmt.Sprintf("%q %s", r.Key, r.Body)
	}
	slices.Sort(out)
	return out
}

// holds fails unless the snapshot has exactly these resources, each type in order.
func holds(t testing.TB, s *repository.Snapshot, want []resource.Resource) {
	t.Helper()
	got, err := readBack(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
		t.Fatal(diff)
	}
	for i := 1; i < len(got); i++ {
		if got[i-1].Type == got[i].Type && got[i-1].Key.Compare(got[i].Key) >= 0 {
			t.Fatalf("%s after %s", got[i].Key, got[i-1].Key)
		}
	}
}

// digests are those of the state, by type.
func digests(m snapshot.Manifest) map[resource.Type]string {
	out := map[resource.Type]string{}
	for _, t := range m.Types {
		out[t.Type] = t.Digest.String()
	}
	return out
}

func check(t testing.TB, r *repository.Repository) repository.Report {
	t.Helper()
	report, err := r.Check(t.Context(), repository.CheckOptions{Data: true, Records: true})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func keysOf(t testing.TB, store blob.Store) []string {
	t.Helper()
	var out []string
	for o, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Key)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	all := org(200)
	for name, input := range map[string][]resource.Resource{"in order": all, "shuffled": shuffled(all, 1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := mem.New(mem.Options{})
			r := repo(t, store, keyring(t, alice), conn, small)
			s := take(t, r, input)
			holds(t, s, all)
			m := s.Manifest()
			if len(m.Segments) < 20 || !m.Started.Equal(started) || m.ID != id || m.Complete() {
				t.Errorf("%d segments, started %v, id %s, complete %v", len(m.Segments), m.Started, m.ID, m.Complete())
			}
			for _, want := range all {
				if got, err := s.Get(t.Context(), want.Key); err != nil || string(got.Body) != string(want.Body) {
					t.Fatalf("get %s: %s, %v", want.Key, got.Body, err)
				}
			}
			if report := check(t, r); len(report.Damage) != 0 || report.Objects != int64(len(all)) || report.Snapshots != 1 {
				t.Errorf("check: %+v", report)
			}
			for _, key := range keysOf(t, store) {
				if want := "users/" + string(alice) + "/connections/" + string(conn) + "/backups/2026-11-21T120000.123Z-"; !strings.HasPrefix(key, want) {
					t.Errorf("object at %s, not below %s", key, want)
				}
			}
		})
	}
}

func TestDigestsDoNotDependOnSegments(t *testing.T) {
	t.Parallel()
	k := keyring(t, alice)
	all := org(120)
	var want map[resource.Type]string
	for seed, o := range []repository.Options{small, {}, {SegmentPlain: 2000, Chunk: 64}} {
		s := take(t, repo(t, mem.New(mem.Options{}), k, conn, o), shuffled(all, uint64(seed)))
		got := digests(s.Manifest())
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	changed := slices.Clone(all)
	changed[3].Body = []byte(`{"id":"00u000003"}`)
	got := digests(take(t, repo(t, mem.New(mem.Options{}), k, conn, small), changed).Manifest())
	if got["user"] == want["user"] || got["group"] != want["group"] {
		t.Error("a changed user must change the digest of users, and no other")
	}
	foreign := digests(take(t, repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small), all).Manifest())
	if foreign["user"] == want["user"] {
		t.Error("equal states have equal digests under another key")
	}
}

func TestHardRecords(t *testing.T) {
	t.Parallel()
	all := []resource.Resource{
		res("t", "", "big", `{"id":"big","x":"`+strings.Repeat("a\U0001F600", 1_000_000)+`"}`), // 5 MB
		res("t", "", "number", `{"above":9007199254740993,"long":123456789012345678901234567890,"tiny":1E-400}`),
		res("t", "", "text", "{\"bidi\":\"\u202e\",\"e\u0301\":\"é\",\"nul\":\"\\u0000\",\"sep\":\"\u2028\",\"z\":\"\U0001F600\"}"),
		res("t", "", "\"quoted\\\n\t\u0001\u2028é", `{}`),
		res("t", "a/b", "nested", `[]`), res("t", "a", "b", `null`), res("t", "a", "c", `"\\u000a"`),
		res("t", "ä ö", "x", `0`),
	}
	for i := range 20000 { // links: tiny, under few parents
		all = append(all, res("link", fmt.Sprintf("p%d", i%7), fmt.Sprintf("00u%d", i), `{}`))
	}
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, repository.Options{SegmentPlain: 200_000})
	s := take(t, r, all)
	holds(t, s, all)
	for _, want := range all[:8] {
		if got, err := s.Get(t.Context(), want.Key); err != nil || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("get %q: %v", want.Key, err)
		}
	}
}

func TestRefusesBadRecords(t *testing.T) {
	t.Parallel()
	d := begin(t, repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small))
	for _, bad := range []resource.Resource{
		res("", "", "a", `{}`), res("t", "", "", `{}`), res("t", "", "a/b", `{}`), res("t", "", "a", ``),
		res("t", "", "a", "{\n}"), res("t", "", "\xff", `{}`), res("t", "\xff", "a", `{}`), res("t/u", "", "a", `{}`),
		res("t", "", "a", `"`+strings.Repeat("x", snapshot.MaxRecord)+`"`),
	} {
		if err := d.Add(t.Context(), bad); !errors.Is(err, snapshot.ErrUnfit) {
			t.Errorf("%.60q: %v, want to be told that it is unfit", bad.Key, err)
		}
	}
	addAll(t, d, []resource.Resource{res("t", "", "a", `{}`)})
	if m := commit(t, d); m.Objects() != 1 {
		t.Errorf("%d objects after refusals", m.Objects())
	}
}

// TestManyBeforeASegment: what gathers for one segment may be of any order and size, with ids
// that stand otherwise in their lines, and come twice.
func TestManyBeforeASegment(t *testing.T) {
	t.Parallel()
	var all, old []resource.Resource
	for i := range 1500 {
		id, size := fmt.Sprintf("%05d", i), 1000
		switch i % 100 {
		case 1:
			id = fmt.Sprintf("%05d\"", i) // before the next, and its escape behind it
		case 2:
			id = fmt.Sprintf("%05d#", i-1)
			size = 700_000 * (i / 1002)
		}
		body := fmt.Sprintf(`{"id":"%d","text":"%s"}`, i, strings.Repeat("x", size))
		all = append(all, res("user", fmt.Sprint(i/100%3), id, body))
		old = append(old, res("user", fmt.Sprint(i/100%3), id, `{"id":"old"}`))
	}
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, repository.Options{})
	d := begin(t, r)
	addAll(t, d, shuffled(old, 1))
	addAll(t, d, shuffled(all, 2))
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b resource.Resource) int { return a.Compare(b.Key) })
	holds(t, s, all)
}

func TestNewestWins(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	all := org(60)
	d := begin(t, r)
	for _, old := range all {
		old.Body = []byte(`{"old":true}`)
		addAll(t, d, []resource.Resource{old})
	}
	addAll(t, d, shuffled(all, 2)) // read again, and half of it twice
	addAll(t, d, all[:30])
	m := commit(t, d)
	if m.Objects() != int64(len(all)) {
		t.Errorf("%d objects, want %d", m.Objects(), len(all))
	}
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, all)
	once := take(t, repo(t, mem.New(mem.Options{}), keyringOf(r), conn, small), all)
	if diff := cmp.Diff(digests(once.Manifest()), digests(m)); diff != "" {
		t.Error(diff)
	}
	if report := check(t, r); len(report.Damage) != 0 || report.Rubbish == 0 {
		t.Errorf("rewritten segments must be rubbish, and nothing damaged: %+v", report)
	}
}

// TestDigestsHoldAnyWay: a record's digest is made once and kept beside it, whatever it goes
// through before it lies where it stays: replaced, flushed with a few others, folded, resumed
// by another program, written anew with its neighbours, and in a family of its own.
func TestDigestsHoldAnyWay(t *testing.T) {
	t.Parallel()
	o := repository.Options{SegmentPlain: 3000, SegmentSealed: 600, Chunk: 300, Catalog: catalog}
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, o)
	all := org(300)
	for i := range 300 {
		all[i].Body = fmt.Appendf(nil, `{"id":"%s","lastLogin":"2026-01-%02dT00:00:00Z","name":"u%d"}`, all[i].ID, i%28+1, i)
	}
	d := begin(t, r)
	for round := range uint64(3) {
		for i, one := range shuffled(all[:60], round) {
			if round < 2 && i%3 > 0 {
				one.Body = fmt.Appendf(nil, `{"id":"%s","lastLogin":"2025-01-01T00:00:00Z","name":"old"}`, one.ID)
			}
			addAll(t, d, []resource.Resource{one})
			if i%(2+5*int(round)) > 0 {
				continue
			}
			if err := d.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if i%4 == 0 {
				d = resumed(t, r, d)
			}
		}
	}
	addAll(t, d, all[60:])
	m := commit(t, d)
	once := take(t, repo(t, mem.New(mem.Options{}), keyringOf(r), conn, o), all)
	if diff := cmp.Diff(once.Manifest().Types, m.Types); diff != "" {
		t.Error(diff)
	}
	if report := check(t, r); len(report.Damage) != 0 || report.Rubbish == 0 {
		t.Errorf("rewritten segments must be rubbish, and nothing damaged: %+v", report)
	}
}

// keyringOf is for tests that compare digests, which are keyed.
func keyringOf(r *repository.Repository) *envelope.Keyring { return repository.Keys(r) }

// TestWalkWhileAdding: a fan-out adds while it reads. What waits in memory is read there: a
// segment of each few would be written once more by the commit.
func TestWalkWhileAdding(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	r := repo(t, store, keyring(t, alice), conn, repository.Options{})
	d := begin(t, r)
	all := org(100)
	addAll(t, d, shuffled(all, 3))
	before := len(keysOf(t, store))
	var groups []string
	for g, err := range d.Walk(t.Context(), "group") {
		if err != nil {
			t.Fatal(err)
		}
		addAll(t, d, []resource.Resource{res("owner", g.ID, "00u1", `{}`)})
		groups = append(groups, g.ID)
	}
	if len(groups) != 10 || !slices.IsSorted(groups) {
		t.Fatalf("groups: %v", groups)
	}
	late := []resource.Resource{res("app", "", "0oa1", `{}`), res("group", "", "00g0", `{}`)}
	for _, r := range late { // each before all that waits already
		addAll(t, d, []resource.Resource{r})
		found, err := collect(d.Walk(t.Context(), r.Type))
		if err != nil || len(found) == 0 || found[0].Key != r.Key || r.Type == "group" && len(found) != 11 {
			t.Errorf("%s: %d, %v", r.Type, len(found), err)
		}
	}
	if after := len(keysOf(t, store)); after != before {
		t.Errorf("walks and additions wrote %d objects", after-before)
	}
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	owners, err := collect(s.Walk(t.Context(), "owner"))
	if err != nil || len(owners) != 10 {
		t.Errorf("%d owners, %v", len(owners), err)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	all := org(100)
	d := begin(t, r)
	addAll(t, d, all[:70])
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	saved, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, all[70:90]) // lost with the program
	again, err := r.Resume(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	if again.Prefix() != d.Prefix() || again.ID() != id {
		t.Errorf("resumed at %s", again.Prefix())
	}
	addAll(t, again, all[70:])
	commit(t, again)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, all)
	if _, err := repo(t, mem.New(mem.Options{}), keyringOf(r), other, small).Resume(t.Context(), saved); !problem.Is(err, problem.Denied) {
		t.Errorf("resumed by another connection: %v", err)
	}
	for _, bad := range []string{"", "{}", "null", strings.Replace(string(saved), `"format":2`, `"format":3`, 1)} {
		if _, err := r.Resume(t.Context(), []byte(bad)); err == nil {
			t.Errorf("resumed from %.40q", bad)
		}
	}
}

func TestListForgetSweep(t *testing.T) {
	t.Parallel()
	now := started
	store := mem.New(mem.Options{Now: func() time.Time { return now }})
	r := repo(t, store, keyring(t, alice), conn, small)
	var prefixes []string
	for i := range 3 {
		d, err := r.Begin(fmt.Sprint("snapshot-", i), started.Add(time.Duration(i)*time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		addAll(t, d, org(20))
		commit(t, d)
		prefixes = append(prefixes, d.Prefix())
	}
	dead := begin(t, r)
	addAll(t, dead, org(30))
	if err := dead.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := list(t, r); !slices.Equal(got, prefixes) {
		t.Fatalf("listed %v", got)
	}
	if err := r.Forget(t.Context(), prefixes[1]); err != nil {
		t.Fatal(err)
	}
	if got := list(t, r); !slices.Equal(got, []string{prefixes[0], prefixes[2]}) {
		t.Fatalf("after forgetting, listed %v", got)
	}
	if _, err := r.Open(t.Context(), prefixes[1]); !problem.Is(err, problem.NotFound) {
		t.Errorf("forgotten, and opened: %v", err)
	}
	if err := r.Forget(t.Context(), prefixes[1]); err != nil {
		t.Errorf("forget again: %v", err)
	}
	for _, bad := range []string{"", "users", prefixes[0] + "/x", strings.Replace(prefixes[0], string(conn), string(other), 1)} {
		if r.Forget(t.Context(), bad) == nil {
			t.Errorf("forgot %q", bad)
		}
	}
	sweeps(t, r, store, dead.Prefix(), &now)
}

func list(t *testing.T, r *repository.Repository) (out []string) {
	t.Helper()
	for e, err := range r.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Prefix)
	}
	return out
}

// sweeps: the dead draft goes once it is old, and not while it is kept.
func sweeps(t *testing.T, r *repository.Repository, store blob.Store, dead string, now *time.Time) {
	t.Helper()
	below := func() int {
		return len(slices.DeleteFunc(keysOf(t, store), func(k string) bool { return !strings.HasPrefix(k, dead) }))
	}
	objects := below()
	forgotten := int(check(t, r).Rubbish) - objects
	*now = now.Add(48 * time.Hour)
	for _, c := range []struct {
		o    repository.SweepOptions
		want int
	}{
		{repository.SweepOptions{Before: started}, 0},
		{repository.SweepOptions{Before: *now, Keep: []string{dead}, Dry: true}, forgotten},
		{repository.SweepOptions{Before: *now, Keep: []string{dead}}, forgotten},
		{repository.SweepOptions{Before: *now, Keep: []string{dead}}, 0},
		{repository.SweepOptions{Before: *now}, objects},
		{repository.SweepOptions{Before: *now}, 0},
	} {
		swept, err := r.Sweep(t.Context(), c.o)
		if err != nil || swept.Objects != int64(c.want) {
			t.Errorf("swept %+v of %d, %v", swept, c.want, err)
		}
	}
	if below() != 0 || len(list(t, r)) != 2 || len(check(t, r).Damage) != 0 {
		t.Error("a sweep took too little or too much")
	}
}

// TestWhatIsLockedGoesLater: a store that keeps objects for a while is no failure.
func TestWhatIsLockedGoesLater(t *testing.T) {
	t.Parallel()
	now := started
	store := mem.New(mem.Options{LockFor: 24 * time.Hour, Now: func() time.Time { return now }})
	r := repo(t, store, keyring(t, alice), conn, small)
	d := begin(t, r)
	addAll(t, d, org(20))
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	objects := int64(len(keysOf(t, store)))
	for _, c := range []struct {
		after         time.Duration
		locked, swept int64
	}{{time.Hour, objects, 0}, {25 * time.Hour, 0, objects}, {26 * time.Hour, 0, 0}} {
		now = started.Add(c.after)
		swept, err := r.Sweep(t.Context(), repository.SweepOptions{Before: now})
		if err != nil || swept.Locked != c.locked || swept.Objects != c.swept {
			t.Errorf("after %s: %+v, %v; want %d locked, %d swept", c.after, swept, err, c.locked, c.swept)
		}
	}
}

func TestKeyrings(t *testing.T) {
	t.Parallel()
	k := keyring(t, alice)
	store := mem.New(mem.Options{})
	if _, err := repository.New(store, k, bob, conn, small); !problem.Is(err, problem.Denied) || !errors.Is(err, envelope.ErrOtherAccount) {
		t.Errorf("another account's keyring: %v", err)
	}
	if _, err := repository.New(store, k, alice, "a/b", small); !problem.Is(err, problem.Invalid) {
		t.Errorf("a connection with a slash: %v", err)
	}
	if _, err := repository.New(store, k, alice, conn, repository.Options{Chunk: -1}); err == nil {
		t.Error("a negative chunk")
	}
	if _, err := repository.LoadKeyring(t.Context(), store, alice); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("no keyring yet: %v", err)
	}
	replacing := fault.New(store)
	for range 2 { // the second finds nothing to do
		if err := repository.SaveKeyring(t.Context(), replacing, k); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(slices.DeleteFunc(replacing.Calls(), func(c fault.Call) bool { return c.Op != fault.Replace })); n != 1 {
		t.Errorf("replaced %d times", n)
	}
	store.Edit(snapshot.KeyringName(alice), func([]byte) []byte { return []byte("rubbish") })
	if err := repository.SaveKeyring(t.Context(), store, k); err != nil {
		t.Errorf("in the place of rubbish: %v", err)
	}
	if got, err := repository.LoadKeyring(t.Context(), store, alice); err != nil || !bytes.Equal(got, k.Wrapped()) {
		t.Errorf("loaded %q, %v", got, err)
	}
	if got := keysOf(t, store); !slices.Equal(got, []string{"users/" + string(alice) + "/keyring"}) {
		t.Errorf("kept at %v", got)
	}
}

func TestRotatedKeyring(t *testing.T) {
	t.Parallel()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master"), started)
	if err != nil {
		t.Fatal(err)
	}
	old, err := envelope.NewKeyring(t.Context(), ks, alice)
	if err != nil {
		t.Fatal(err)
	}
	young, err := old.Rotate(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	store := mem.New(mem.Options{})
	for _, k := range []*envelope.Keyring{old, young} {
		if err := repository.SaveKeyring(t.Context(), store, k); err != nil {
			t.Fatal(err)
		}
	}
	// A worker that still holds the old one must not take the new key away.
	if err := repository.SaveKeyring(t.Context(), store, old); !problem.Is(err, problem.Stale) {
		t.Errorf("the keyring of before replaced the newer one: %v", err)
	}
	if got, err := repository.LoadKeyring(t.Context(), store, alice); err != nil || !bytes.Equal(got, young.Wrapped()) {
		t.Errorf("the bucket lost the newest key: %v", err)
	}
	all := org(20)
	first := take(t, repo(t, store, old, conn, small), all)
	reads := repo(t, store, young, conn, small)
	s, err := reads.Open(t.Context(), first.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, all)
	d, err := reads.Begin("later", started.Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, all)
	if diff := cmp.Diff(digests(s.Manifest()), digests(commit(t, d))); diff != "" {
		t.Errorf("rotation changed the digests: %s", diff)
	}
	if _, err := repo(t, store, old, conn, small).Open(t.Context(), d.Prefix()); !problem.Is(err, problem.Denied) || errors.Is(err, repository.ErrDamaged) {
		t.Errorf("with the keyring of before: %v", err)
	}
}

func TestGetOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := take(t, repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small), org(50))
	for _, k := range []resource.Key{{Type: "user", ID: "00u"}, {Type: "user", ID: "00u000007x"}, {Type: "user", ID: "z"}, {Type: "zone", ID: "z"}, {Type: "user", Parent: "p", ID: "00u000001"}} {
		if got, err := s.Get(t.Context(), k); !problem.Is(err, problem.NotFound) {
			t.Errorf("%s: %s, %v", k, got.Body, err)
		}
	}
}

func TestEmptySnapshot(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	s := take(t, r, nil)
	if m := s.Manifest(); m.Objects() != 0 || len(m.Types) != 2 || m.Types[0].Digest.String() != strings.Repeat("0", 64) {
		t.Errorf("%+v", m)
	}
	if report := check(t, r); len(report.Damage) != 0 || report.Snapshots != 1 {
		t.Errorf("%+v", report)
	}
}

func TestCommitTwice(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	d := begin(t, r)
	addAll(t, d, org(20))
	first := commit(t, d)
	if diff := cmp.Diff(first, commit(t, d)); diff != "" || d.Digest() == "" {
		t.Errorf("a second commit gave another manifest: %s", diff)
	}
	if s, err := r.Open(t.Context(), d.Prefix()); err != nil || s.Digest() != d.Digest() {
		t.Errorf("%v", err)
	}
}

func TestSegmentsAreBounded(t *testing.T) {
	t.Parallel()
	o := repository.Options{SegmentPlain: 1 << 20, SegmentSealed: 32 << 10, Chunk: 16 << 10}
	s := take(t, repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, o), org(20000))
	sizes := map[resource.Type]int{}
	for _, g := range s.Manifest().Segments {
		if sizes[g.First.Type]++; g.Plain > int64(o.SegmentPlain)+1000 || g.Bytes > 3*int64(o.SegmentSealed) {
			t.Errorf("%s: %d bytes, sealed %d", g.Name, g.Plain, g.Bytes)
		}
	}
	if diff := slices.Sorted(maps.Keys(sizes)); len(diff) < 2 || sizes["user"] < 2 {
		t.Errorf("segments: %v", sizes)
	}
}

// TestCommitRefusesWhatCannotBeOpened: a manifest beyond a reader's bounds would
// make a snapshot that is listed and cannot be opened.
func TestCommitRefusesWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(*snapshot.Manifest){
		"unpacks to too much": func(m *snapshot.Manifest) {
			gap := snapshot.Gap{Type: "zone", Reason: snapshot.Failed, Detail: strings.Repeat("x", 1<<20)}
			m.Types[1].Gaps = slices.Repeat([]snapshot.Gap{gap}, 66)
		},
		"seals to too much": func(m *snapshot.Manifest) {
			noise := make([]byte, 13<<20)
			rand.NewChaCha8([32]byte{}).Read(noise)
			m.Software = base64.StdEncoding.EncodeToString(noise)
			m.Org = m.Software[len(m.Software)/2:]
		},
		"two types of one name": func(m *snapshot.Manifest) {
			m.Types = append(m.Types, snapshot.TypeStatus{Type: "a\xff"}, snapshot.TypeStatus{Type: "a\xfe"})
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
			d := begin(t, r)
			addAll(t, d, org(10))
			m := facts()
			spoil(&m)
			if _, err := d.Commit(t.Context(), m); err == nil || len(list(t, r)) != 0 {
				t.Errorf("%v, listed: %v", err, list(t, r))
			}
			commit(t, d) // what was added is not lost
		})
	}
}

// TestSweepLooksAgain: a draft that was dead when Sweep listed it can have been
// resumed and committed before its turn comes.
func TestSweepLooksAgain(t *testing.T) {
	t.Parallel()
	k, now := keyring(t, alice), started
	store := &listed{Store: mem.New(mem.Options{Now: func() time.Time { return now }})}
	r := repo(t, store, k, conn, small)
	d := begin(t, r)
	addAll(t, d, org(20))
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(48 * time.Hour)
	store.after = func() { commit(t, d) }
	if swept, err := r.Sweep(t.Context(), repository.SweepOptions{Before: now}); err != nil || swept.Objects != 0 {
		t.Errorf("%+v, %v", swept, err)
	}
	holds(t, committed(t, store.Store, k), org(20))
}

// listed lets something else happen after the first listing.
type listed struct {
	*mem.Store
	after func()
}

func (l *listed) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		l.Store.List(ctx, prefix)(yield)
		if after := l.after; after != nil {
			l.after = nil
			after()
		}
	}
}
