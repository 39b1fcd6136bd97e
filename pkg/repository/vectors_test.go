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

const vectorsFile = "../snapshot/testdata/vectors/repository.json"

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
}

// invalidState replaces objects; null deletes one.
type invalidState struct {
	Names   string            `json:"names"` // the object that the error must name
	Objects map[string][]byte `json:"objects"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	if *update {
		writeVectors(t)
	}
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for _, s := range v.Snapshots {
		got, err := v.read(t, s.Prefix, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.Records, got); diff != "" {
			t.Errorf("%s: %s", s.Prefix, diff)
		}
	}
	last := v.Snapshots[len(v.Snapshots)-1].Prefix
	for name, bad := range v.Invalid {
		if got, err := v.read(t, last, bad.Objects); err == nil || !strings.Contains(err.Error(), bad.Names) {
			t.Errorf("%s: read %v and %v, want an error that names %s", name, got, err, bad.Names)
		}
	}
}

// read opens the vectors' repository from the master keys on.
func (v vectors) read(t *testing.T, prefix string, changes map[string][]byte) (map[string][]string, error) {
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
	return readLines(t, repo(t, store, k, v.Connection, repository.Options{}), prefix)
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
			t.Fatal(err)
		}
		out[string(res.Type)] = append(out[string(res.Type)], res.Parent+"\n"+strings.TrimSuffix(string(record), "\n"))
	}
	for _, of := range out {
		slices.Sort(of)
	}
	return out, nil
}

// vectorsOrg is small and holds what is easily got wrong.
func vectorsOrg() []resource.Resource {
	out := []resource.Resource{
		res("group", "", "00g1", `{"id":"00g1","profile":{"description":null,"name":"Finance"}}`),
		res("group", "", "00g2", `{"id":"00g2","profile":{"name":"\"Ops\"\u0001\né 😀"}}`),
		res("user", "", "00u1", `{"id":"00u1","lastLogin":null,"profile":{"login":"one"}}`),
		res("user", "", "00u2", `{"id":"00u2","lastLogin":"2026-01-01T00:00:00.000Z","profile":{"login":"two"}}`),
		res("zone", "", "nzo1", `{"big":9007199254740993,"id":"nzo1","real":1.0E+2}`),
		res("odd", "a/b", "quote\"back\\slash\ttab", `[]`), res("odd", "a", "b", `null`),
	}
	for i := range 12 {
		out = append(out, res("group_member", fmt.Sprintf("00g%d", 1+i%2), fmt.Sprintf("00u%d", i), `{}`))
	}
	return out
}

func writeVectors(t *testing.T) {
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
	r := repo(t, store, k, conn, repository.Options{SegmentPlain: 400, SegmentSealed: 300, Chunk: 100, Catalog: catalog})
	v := vectors{Account: alice, Connection: conn, Objects: map[string][]byte{}}
	var last *repository.Snapshot
	for _, take := range []func(*testing.T, *repository.Repository, *repository.Snapshot) string{fullVector, namedVector, sweptVector} {
		if last, err = r.Open(t.Context(), take(t, r, last)); err != nil {
			t.Fatal(err)
		}
		v.Snapshots = append(v.Snapshots, vectorOf(t, r, last))
	}
	v.Comment = "Written by: go test ./pkg/repository -run TestVectors -update. The keys are for tests only."
	if v.MasterKeys, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(t, store) {
		if v.Objects[key], err = blob.ReadAll(t.Context(), store, key, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	v.Invalid = invalid(last, v.Objects)
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func vectorOf(t *testing.T, r *repository.Repository, s *repository.Snapshot) vector {
	t.Helper()
	records, err := readLines(t, r, s.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	out := vector{s.Prefix(), records, map[string]string{}}
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

// namedVector has a login, a change and a deletion.
func namedVector(t *testing.T, r *repository.Repository, parent *repository.Snapshot) string {
	d, err := r.BeginNamed("named", started.Add(time.Minute), parent)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, []resource.Resource{
		res("user", "", "00u1", `{"id":"00u1","lastLogin":"2026-11-22T10:00:00.000Z","profile":{"login":"one"}}`),
		res("user", "", "00u2", `{"id":"00u2","profile":{"login":"two"}}`),
		res("group", "", "00g1", `{"id":"00g1","profile":{"description":"D","name":"Finance"}}`),
	})
	for _, key := range []resource.Key{{Type: "zone", ID: "nzo1"}, {Type: "group_member", Parent: "00g1", ID: "00u2"}} {
		if err := d.Remove(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	f := facts()
	f.Types = nil
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
	f.Types = []snapshot.TypeStatus{
		{Type: "group"}, {Type: "user"}, {Type: "zone"},
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
		return invalidState{key, map[string][]byte{key: data}}
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
		"manifest missing":               {s.Prefix(), map[string][]byte{manifest: nil}},
		"keyring altered":                {string(alice), map[string][]byte{snapshot.KeyringName(alice): bytes.Replace(objects[snapshot.KeyringName(alice)], []byte(`"keys":"`), []byte(`"keys":"AAAA`), 1)}},
	}
}
