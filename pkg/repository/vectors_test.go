package repository_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

var update = flag.Bool("update", false, "write the test vectors anew")

const vectorsFolder = "../snapshot/testdata/vectors/"

// vectors are a whole repository and what a reader must make of it. Readers in
// other languages run them too.
type vectors struct {
	Comment    string                  `json:"comment"`
	MasterKeys json.RawMessage         `json:"master_keys"` // the local key file
	Account    account.ID              `json:"account"`
	Connection account.ConnectionID    `json:"connection"`
	Objects    map[string][]byte       `json:"objects"`
	Snapshots  []vector                `json:"snapshots"` // oldest first
	Invalid    map[string]invalidState `json:"invalid"`   // changes by which a reader MUST refuse the last snapshot
}

// vector is what a snapshot holds.
type vector struct {
	Prefix  string              `json:"prefix"`
	Records map[string][]string `json:"records"` // by type, sorted: parent, a line feed, and the whole resource as a record
	Digests map[string]string   `json:"digests"`
	Named   []namedVector       `json:"named,omitempty"`
}

// namedVector is what a name leads to.
type namedVector struct {
	Type string   `json:"type"`
	Name string   `json:"name"`
	Keys []string `json:"keys"` // of type, parent and id, with a slash between
}

// invalidState replaces objects; null deletes one.
type invalidState struct {
	Names   string            `json:"names"`        // the object that the error must name
	By      string            `json:"by,omitempty"` // who must refuse it: "read", who hands resources out; "check", who checks; "": both
	Objects map[string][]byte `json:"objects"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*testing.T, string){"repository.json": writeVectors, "resealed.json": writeResealed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if *update {
				write(t, vectorsFolder+name)
			}
			runVectors(t, vectorsFolder+name)
		})
	}
}

func runVectors(t *testing.T, file string) {
	t.Helper()
	v := readVectors(t, file)
	r, err := v.open(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range v.Snapshots {
		got, err := readLines(t, r, s.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.Records, got); diff != "" {
			t.Errorf("%s: %s", s.Prefix, diff)
		}
		s.finds(t, r)
	}
	if report := check(t, r); report.Snapshots != int64(len(v.Snapshots)) || len(report.Unchained) != 0 || len(report.Damage) != 0 {
		t.Errorf("%+v", report)
	}
	for name, bad := range v.Invalid {
		v.refuses(t, name, bad)
	}
	v.chains(t)
}

// chains fails unless each snapshot that is removed is missed by the one after it, but for
// the newest.
func (v vectors) chains(t *testing.T) {
	t.Helper()
	var all []string
	for _, s := range v.Snapshots {
		all = append(all, s.Prefix)
	}
	slices.Sort(all)
	for i := range all {
		r, err := v.open(t, map[string][]byte{all[i] + "/" + snapshot.ManifestName: nil})
		if err != nil {
			t.Fatal(err)
		}
		if report := check(t, r); !slices.Equal(report.Unchained, all[i+1:min(i+2, len(all))]) {
			t.Errorf("without %s: %v unchained", all[i], report.Unchained)
		}
	}
}

func readVectors(t testing.TB, file string) (v vectors) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// refuses fails unless a change has readers refuse the last snapshot, and a check of all
// find it, unless there is no snapshot, or no key.
func (v vectors) refuses(t *testing.T, name string, bad invalidState) {
	t.Helper()
	last := v.Snapshots[len(v.Snapshots)-1].Prefix
	r, err := v.open(t, bad.Objects)
	opens := err == nil
	var got map[string][]string
	if opens {
		got, err = readLines(t, r, last)
	}
	if bad.By != "check" && (err == nil || !strings.Contains(err.Error(), bad.Names)) {
		t.Errorf("%s: read %v and %v, want an error that names %s", name, got, err, bad.Names)
	}
	if manifest, ok := bad.Objects[last+"/"+snapshot.ManifestName]; !opens || bad.By == "read" || ok && manifest == nil {
		return
	}
	report := check(t, r)
	if !slices.ContainsFunc(report.Damage, func(d repository.Damage) bool {
		return slices.Contains(d.Snapshots, last) && strings.Contains(d.Object, bad.Names) && !strings.HasSuffix(d.Object, snapshot.ChecksumsName)
	}) {
		t.Errorf("%s: a check finds %+v, want damage of %s", name, report.Damage, bad.Names)
	}
}

// open opens the vectors' repository from the master keys on, with changes.
func (v vectors) open(t testing.TB, changes map[string][]byte) (*repository.Repository, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master")
	if err := os.WriteFile(path, v.MasterKeys, 0o600); err != nil {
		t.Fatal(err)
	}
	ks, err := local.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	store := mem.New(mem.Options{})
	for key, data := range v.Objects {
		if change, ok := changes[key]; ok {
			data = change
		}
		if data == nil {
			continue
		}
		if err := store.Put(t.Context(), key, bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
	}
	wrapped, err := repository.LoadKeyring(t.Context(), store, v.Account)
	if err != nil {
		return nil, err
	}
	k, err := envelope.OpenKeyring(t.Context(), ks, v.Account, wrapped)
	if err != nil {
		return nil, err
	}
	return repo(t, store, k, v.Connection, repository.Options{}), nil
}

func readLines(t *testing.T, r *repository.Repository, prefix string) (map[string][]string, error) {
	t.Helper()
	s, err := r.Open(t.Context(), prefix)
	if err != nil {
		return nil, err
	}
	all, err := readBack(t.Context(), s)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, res := range all {
		record, err := snapshot.AppendRecord(nil, res)
		if err != nil {
			return nil, err
		}
		out[string(res.Type)] = append(out[string(res.Type)], res.Parent+"\n"+strings.TrimSuffix(string(record), "\n"))
	}
	for _, of := range out {
		slices.Sort(of)
	}
	return out, nil
}

var vectorsCatalog = resource.Catalog{
	{Type: "user", Shape: resource.Collection, Moving: []string{"lastLogin"}, NaturalKey: []resource.Path{"profile.displayName", "profile.login"}},
	{Type: "group", Shape: resource.Collection, NaturalKey: []resource.Path{"profile.name"}},
	{Type: "rule", Shape: resource.Collection, Parent: "policy", NaturalKey: []resource.Path{"name"}},
}

// vectorsOrg is small and holds what is easily got wrong.
func vectorsOrg() []resource.Resource {
	out := []resource.Resource{
		res("group", "", "00g1", `{"id":"00g1","profile":{"description":null,"name":"Finance"}}`),
		res("group", "", "00g2", `{"id":"00g2","profile":{"name":"\"Ops\"\u0001\né 😀"}}`),
		res("user", "", "00u1", `{"id":"00u1","lastLogin":null,"profile":{"login":"one"}}`),
		res("user", "", "00u2", `{"id":"00u2","lastLogin":"2026-01-01T00:00:00.000Z","profile":{"login":"two"}}`),
		res("zone", "", "nzo1", `{"big":9007199254740993,"id":"nzo1","real":1.0E+2}`),
		res("rule", "p1", "r1", `{"name":"All"}`), res("rule", "p1/q", "r1", `{"name":"all"}`),
		res("odd", "a/b", "quote\"back\\slash\ttab", `[]`), res("odd", "a", "b", `null`), res("odd", "a/b", "tab\t", `{"id":"tab\t"}`),
	}
	for i := range 12 {
		body := `{}`
		if i > 2 { // a bare link, and one that says another's id
			body = fmt.Sprintf(`{"id":"00u%d"}`, max(i, 4))
		}
		out = append(out, res("group_member", fmt.Sprintf("00g%d", 1+i%2), fmt.Sprintf("00u%d", i), body))
	}
	return out
}

func writeVectors(t *testing.T, file string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master")
	ks, err := local.Create(path, started)
	if err != nil {
		t.Fatal(err)
	}
	k, err := envelope.NewKeyring(t.Context(), ks, alice)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = k.Rotate(t.Context(), ks); err != nil { // two data keys: the old one must not be taken
		t.Fatal(err)
	}
	store := mem.New(mem.Options{})
	if err := repository.SaveKeyring(t.Context(), store, k); err != nil {
		t.Fatal(err)
	}
	o := repository.Options{SegmentPlain: 400, SegmentSealed: 300, Chunk: 100, Catalog: vectorsCatalog}
	v := vectors{Account: alice, Connection: conn, Objects: map[string][]byte{}}
	var last *repository.Snapshot
	for _, take := range []func(*testing.T, *repository.Repository, *repository.Snapshot) string{fullVector, pointVector, sweptVector} {
		r := repo(t, store, k, conn, o)
		if last, err = r.Open(t.Context(), take(t, r, last)); err != nil {
			t.Fatal(err)
		}
		v.Snapshots = append(v.Snapshots, vectorOf(t, r, last))
		o.SegmentPlain = 800 // of a layer: segments of several chunks
	}
	v.Objects = objectsOf(t, store)
	v.Invalid = invalid(last, v.Objects)
	v.write(t, file, path)
}

// write completes vectors by the master key that is in a file.
func (v vectors) write(t *testing.T, file, master string) {
	t.Helper()
	v.Comment = "Written by: go test ./pkg/repository -run TestVectors -update. The keys are for tests only."
	var err error
	if v.MasterKeys, err = os.ReadFile(master); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func objectsOf(t *testing.T, store blob.Store) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, key := range keysOf(t, store) {
		var err error
		if out[key], err = blob.ReadAll(t.Context(), store, key, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// writeResealed writes a repository that was sealed anew, with what it was before beside it,
// of which nothing may be read any more.
func writeResealed(t *testing.T, file string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master")
	ks, err := local.Create(path, started)
	if err != nil {
		t.Fatal(err)
	}
	l, store := &life{ks: ks}, mem.New(mem.Options{})
	if l.ring, err = envelope.NewKeyring(t.Context(), ks, alice); err != nil {
		t.Fatal(err)
	}
	l.until(t, store, "reseal")
	was := objectsOf(t, store)
	l.until(t, store, "forget")
	r := repo(t, store, l.ring, conn, small)
	v := vectors{Account: alice, Connection: conn, Objects: objectsOf(t, store)}
	var last *repository.Snapshot
	for _, row := range l.rows {
		if last, err = r.Open(t.Context(), row.prefix); err != nil {
			t.Fatal(err)
		}
		v.Snapshots = append(v.Snapshots, vectorOf(t, r, last))
	}
	v.Invalid = replays(last, v.Objects, was)
	v.write(t, file, path)
}

// replays puts what was there before sealing in the place of what is there.
func replays(s *repository.Snapshot, objects, was map[string][]byte) map[string]invalidState {
	manifest, ring := s.Prefix()+"/"+snapshot.ManifestName, snapshot.KeyringName(alice)
	var anew, old string
	for _, g := range s.Manifest().Segments {
		if key := snapshot.BackupsPrefix(alice, conn) + "/" + g.Folder + "/"; g.Again {
			anew, old = key+g.Object(), key+g.Name
		}
	}
	oldest := bytes.Replace(objects[ring], []byte(`"oldest":2`), []byte(`"oldest":1`), 1)
	return map[string]invalidState{
		"segment of before, in the place of what was sealed anew": {Names: anew, Objects: map[string][]byte{anew: objects[old]}},
		"segment that was sealed anew is missing":                 {Names: anew, Objects: map[string][]byte{anew: nil}},
		"keyring that tells of an older key than it does":         {Names: string(alice), Objects: map[string][]byte{ring: oldest}},
		"keyring that does not tell of retired keys":              {Names: string(alice), Objects: map[string][]byte{ring: bytes.Replace(objects[ring], []byte(`"oldest":2,`), nil, 1)}},
		"manifest of before it was sealed anew":                   {Names: snapshot.BackupsPrefix(alice, conn), Objects: map[string][]byte{manifest: was[manifest]}}, // it names what lies under a retired key
	}
}

// finds fails unless each name leads to what it should.
func (v vector) finds(t *testing.T, r *repository.Repository) {
	t.Helper()
	s, err := r.Open(t.Context(), v.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range v.Named {
		if got := named(t, s, resource.Type(n.Type), n.Name); got != strings.Join(n.Keys, " ") {
			t.Errorf("%s: %s %q is %s, want %v", v.Prefix, n.Type, n.Name, got, n.Keys)
		}
	}
}

// askedNames are names that readers look for in every snapshot of the vectors.
var askedNames = []namedVector{
	{Type: "group", Name: "FINANCE"}, {Type: "group", Name: "\"oPS\"\u0001\nÉ 😀"}, {Type: "group", Name: "nobody"},
	{Type: "user", Name: "One"}, {Type: "user", Name: "two"}, {Type: "user", Name: "STRASSE"}, {Type: "rule", Name: "all"}, {Type: "zone", Name: "nzo1"},
}

func vectorOf(t *testing.T, r *repository.Repository, s *repository.Snapshot) vector {
	t.Helper()
	records, err := readLines(t, r, s.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	out := vector{s.Prefix(), records, map[string]string{}, nil}
	for _, n := range askedNames {
		n.Keys = strings.Fields(named(t, s, resource.Type(n.Type), n.Name))
		out.Named = append(out.Named, n)
	}
	for typ, digest := range digests(s.Manifest()) {
		out.Digests[string(typ)] = digest
	}
	return out
}

// fullVector is the first snapshot.
func fullVector(t *testing.T, r *repository.Repository, _ *repository.Snapshot) string {
	d := begin(t, r)
	addAll(t, d, shuffled(vectorsOrg(), 6))
	commit(t, d)
	return d.Prefix()
}

// pointVector has a login, changes, one of a name, and deletions.
func pointVector(t *testing.T, r *repository.Repository, parent *repository.Snapshot) string {
	d, err := r.BeginNamed("named", started.Add(time.Minute), parent)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, []resource.Resource{
		res("user", "", "00u1", `{"id":"00u1","lastLogin":"2026-11-22T10:00:00.000Z","profile":{"login":"one"}}`),
		res("user", "", "00u2", `{"id":"00u2","profile":{"login":"straße"}}`),
		res("group", "", "00g1", `{"id":"00g1","profile":{"description":"D","name":"Finance"}}`),
	})
	for _, key := range []resource.Key{{Type: "zone", ID: "nzo1"}, {Type: "group_member", Parent: "00g1", ID: "00u2"}} {
		if err := d.Remove(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	f := facts()
	f.Types, f.Previous = nil, parent.Digest()
	if _, err := d.Commit(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return d.Prefix()
}

// sweptVector could not read the members of one group, nor anything odd.
func sweptVector(t *testing.T, r *repository.Repository, parent *repository.Snapshot) string {
	d, err := r.Begin("swept", started.Add(time.Hour), parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range vectorsOrg() {
		if res.Type != "odd" && res.Parent != "00g2" {
			addAll(t, d, []resource.Resource{res})
		}
	}
	f := facts()
	f.Previous = parent.Digest()
	f.Types = []snapshot.TypeStatus{
		{Type: "group"}, {Type: "user"}, {Type: "zone"}, {Type: "rule"},
		{Type: "odd", Gaps: []snapshot.Gap{{Type: "odd", Reason: snapshot.Forbidden, Detail: "d"}}},
		{Type: "group_member", Gaps: []snapshot.Gap{{Type: "group_member", Parent: "00g2", Reason: snapshot.Failed, Detail: "d"}}},
	}
	if _, err := d.Commit(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return d.Prefix()
}

func invalid(s *repository.Snapshot, objects map[string][]byte) map[string]invalidState {
	segments := s.Manifest().Segments
	backups := snapshot.BackupsPrefix(alice, conn)
	first, second := backups+"/"+segments[0].Folder+"/"+segments[0].Name, backups+"/"+segments[1].Folder+"/"+segments[1].Name
	var list string
	for key := range objects {
		if strings.Contains(key, "/list-") {
			list = key
		}
	}
	manifest := s.Prefix() + "/" + snapshot.ManifestName
	flipped := func(key string, i int) []byte {
		out := bytes.Clone(objects[key])
		out[(i+len(out))%len(out)] ^= 1
		return out
	}
	one := func(key string, data []byte) invalidState {
		return invalidState{Names: key, Objects: map[string][]byte{key: data}}
	}
	return map[string]invalidState{
		"segment with a flipped magic":   one(first, flipped(first, 0)),
		"segment with a flipped salt":    one(first, flipped(first, 20)),
		"segment with a flipped text":    one(first, flipped(first, 50)),
		"segment with a flipped tag":     one(first, flipped(first, -1)),
		"segment cut short":              one(first, objects[first][:len(objects[first])-20]),
		"segment in another's place":     one(first, objects[second]),
		"segment missing":                one(first, nil),
		"list missing":                   one(list, nil),
		"list with a flipped text":       one(list, flipped(list, 60)),
		"manifest with a flipped text":   one(manifest, flipped(manifest, 60)),
		"manifest replaced by a segment": one(manifest, objects[first]),
		"manifest missing":               {Names: s.Prefix(), Objects: map[string][]byte{manifest: nil}},
		"keyring altered":                {Names: string(alice), Objects: map[string][]byte{snapshot.KeyringName(alice): bytes.Replace(objects[snapshot.KeyringName(alice)], []byte(`"keys":"`), []byte(`"keys":"AAAA`), 1)}},
	}
}
