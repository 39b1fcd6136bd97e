package repository_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	Snapshot   string                  `json:"snapshot"` // its prefix
	Objects    map[string][]byte       `json:"objects"`
	Records    map[string][]string     `json:"records"` // by type, in order, without line feeds
	Digests    map[string]string       `json:"digests"`
	Invalid    map[string]invalidState `json:"invalid"` // changes that a reader MUST refuse
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
	got, err := v.read(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range v.Records {
		if strings.Join(got[typ], "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got %q, want %q", typ, got[typ], want)
		}
	}
	for name, bad := range v.Invalid {
		if got, err := v.read(t, bad.Objects); err == nil || !strings.Contains(err.Error(), bad.Names) {
			t.Errorf("%s: read %v and %v, want an error that names %s", name, got, err, bad.Names)
		}
	}
}

// read opens the vectors' repository from the master keys on.
func (v vectors) read(t *testing.T, changes map[string][]byte) (map[string][]string, error) {
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
	return readLines(t, repo(t, store, k, v.Connection, repository.Options{}), v.Snapshot)
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
		out[string(res.Type)] = append(out[string(res.Type)], strings.TrimSuffix(string(record), "\n"))
	}
	return out, nil
}

// vectorsOrg is small and holds what is easily got wrong.
func vectorsOrg() []resource.Resource {
	out := []resource.Resource{
		res("group", "", "00g1", `{"id":"00g1","profile":{"description":null,"name":"Finance"}}`),
		res("group", "", "00g2", `{"id":"00g2","profile":{"name":"\"Ops\"\u0001\né 😀"}}`),
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
	r := repo(t, store, k, conn, repository.Options{SegmentPlain: 300, Chunk: 100})
	s := take(t, r, shuffled(vectorsOrg(), 6))
	v := vectors{Account: alice, Connection: conn, Snapshot: s.Prefix(), Objects: map[string][]byte{}, Digests: map[string]string{}}
	v.Comment = "Written by: go test ./pkg/repository -run TestVectors -update. The keys are for tests only."
	if v.MasterKeys, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(t, store) {
		if v.Objects[key], err = blob.ReadAll(t.Context(), store, key, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if v.Records, err = readLines(t, r, s.Prefix()); err != nil {
		t.Fatal(err)
	}
	for typ, digest := range digests(s.Manifest()) {
		v.Digests[string(typ)] = digest
	}
	v.Invalid = invalid(s, v.Objects)
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func invalid(s *repository.Snapshot, objects map[string][]byte) map[string]invalidState {
	segments := s.Manifest().Segments
	first, second := s.Prefix()+"/"+segments[0].Name, s.Prefix()+"/"+segments[1].Name
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
		"manifest with a flipped text":   one(manifest, flipped(manifest, 60)),
		"manifest replaced by a segment": one(manifest, objects[first]),
		"manifest missing":               {s.Prefix(), map[string][]byte{manifest: nil}},
		"keyring altered":                {string(alice), map[string][]byte{snapshot.KeyringName(alice): bytes.Replace(objects[snapshot.KeyringName(alice)], []byte(`"keys":"`), []byte(`"keys":"AAAA`), 1)}},
	}
}
