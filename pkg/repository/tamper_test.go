package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// vault is a store with one snapshot, or one over another, and how to read it.
type vault struct {
	store  *mem.Store
	keys   *envelope.Keyring
	o      repository.Options
	prefix string
	list   string                      // its name
	names  []string                    // of the segments that it wrote
	holds  map[resource.Key][]byte     // its bodies
	of     map[string]snapshot.Segment // by name
}

func newVault(t *testing.T) vault {
	t.Helper()
	v := vault{store: mem.New(mem.Options{}), keys: keyring(t, alice), o: small}
	r := repo(t, v.store, v.keys, conn, v.o)
	return v.with(t, take(t, r, org(30)), org(30))
}

// newLayer is that of a sweep over another, in which somebody was renamed, and everybody
// signed in: it has segments of each family, and a list of its own.
func newLayer(t *testing.T) vault {
	t.Helper()
	v := vault{store: mem.New(mem.Options{}), keys: keyring(t, alice), o: small}
	v.o.Catalog, v.o.Inline = catalog, 1
	r := repo(t, v.store, v.keys, conn, v.o)
	all := append(called(40, "bob")[5:12], called(30, "ada")[12:]...)
	return v.with(t, over(t, r, take(t, r, called(30, "ada")), started.Add(time.Hour), all), all)
}

func (v vault) with(t *testing.T, s *repository.Snapshot, all []resource.Resource) vault {
	t.Helper()
	v.prefix, v.holds, v.of = s.Prefix(), map[resource.Key][]byte{}, map[string]snapshot.Segment{}
	for _, r := range all {
		v.holds[r.Key] = r.Body
	}
	for _, o := range s.Objects() {
		if strings.HasPrefix(o.Key, v.prefix+"/list-") {
			v.list = strings.TrimPrefix(o.Key, v.prefix+"/")
		}
	}
	for _, g := range s.Manifest().Segments {
		if strings.HasSuffix(v.prefix, "/"+g.Folder) {
			v.names = append(v.names, g.Name)
			v.of[g.Name] = g
		}
	}
	if v.list == "" || len(v.names) < 3 {
		t.Fatalf("%s has list %q and segments %v: too few to prove anything", v.prefix, v.list, v.names)
	}
	return v
}

// detects fails unless reading and checking a changed copy find the object, and
// no reader was given anything of the segment that it is.
func (v vault) detects(t *testing.T, what, object string, change func(*mem.Store)) {
	t.Helper()
	store := v.store.Clone()
	change(store)
	r := repo(t, store, v.keys, conn, v.o)
	err := v.read(t, r, object)
	passed := err == nil && v.of[object].Family == snapshot.Names // of which nobody but a check reads all
	if !passed && !problem.Is(err, problem.Damaged) && !problem.Is(err, problem.Denied) || !passed && !strings.Contains(err.Error(), v.prefix+"/"+object) {
		t.Errorf("%s: read with %v, which does not name %s", what, err, object)
	}
	report := check(t, r)
	if !slices.ContainsFunc(report.Damage, func(d repository.Damage) bool {
		return d.Object == v.prefix+"/"+object && slices.Contains(d.Snapshots, v.prefix) && d.What != ""
	}) {
		t.Errorf("%s: check found %+v", what, report.Damage)
	}
}

// read opens the snapshot and reads all of it; records of a broken segment must
// not come out.
func (v vault) read(t *testing.T, r *repository.Repository, broken string) error {
	t.Helper()
	s, err := r.Open(t.Context(), v.prefix)
	if err != nil {
		return err
	}
	g, segment := v.of[broken]
	for _, typ := range s.Manifest().Types {
		for res, e := range s.Walk(t.Context(), typ.Type) {
			if e != nil && (err == nil || strings.Contains(e.Error(), broken)) {
				err = e
			} else if e != nil {
				continue
			} else if segment && holdsKey(g, res.Key) {
				t.Errorf("%s came out of broken segment %s", res.Key, broken)
			}
		}
	}
	if !segment {
		return err
	}
	// Each chunk is sealed by itself: what comes out of one is right.
	if res, e := s.Get(t.Context(), g.First); e == nil && !bytes.Equal(res.Body, v.holds[g.First]) {
		t.Errorf("%s came out of broken segment %s", res.Body, broken)
	}
	if g.Family == snapshot.Names {
		err = errors.Join(err, v.calls(t, s))
	}
	return err
}

// calls asks for every user by name: whoever has it comes out, and nobody else.
func (v vault) calls(t *testing.T, s *repository.Snapshot) (err error) {
	t.Helper()
	for k, body := range v.holds {
		if k.Type != "user" {
			continue
		}
		names, e := resource.Called(body, catalog[0].Names())
		if e != nil || len(names) != 1 {
			t.Fatal(names, e)
		}
		got, e := collect(s.Named(t.Context(), "user", names[0]))
		if e == nil && (len(got) != 1 || got[0].Key != k || !bytes.Equal(got[0].Body, body)) {
			t.Errorf("%s finds %v, not %s", names[0], got, k)
		}
		err = errors.Join(err, e)
	}
	return err
}

// holdsKey: the segments of an org that was added in order do not overlap.
func holdsKey(g snapshot.Segment, k resource.Key) bool {
	return g.First.Compare(k) <= 0 && k.Compare(g.Last) <= 0
}

// TestEveryByteCounts: of what a full snapshot is made of, and of what a layer is.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	full, layer := newVault(t), newLayer(t)
	full.everyByte(t, slices.Concat([]string{snapshot.ManifestName, full.list}, full.names))
	families := map[snapshot.Family]string{}
	for _, name := range layer.names {
		families[layer.of[name].Family] = name
	}
	if len(families) != 3 {
		t.Fatalf("the layer has segments of %v", families)
	}
	layer.everyByte(t, []string{families[snapshot.Bodies], families[snapshot.Moving], families[snapshot.Names], snapshot.ManifestName, layer.list})
}

// everyByte flips every byte of the first three objects, and an eleventh of the others', and
// cuts each.
func (v vault) everyByte(t *testing.T, objects []string) {
	t.Helper()
	for n, name := range objects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var size int
			v.store.Clone().Edit(v.prefix+"/"+name, func(b []byte) []byte { size = len(b); return b })
			for i := range size {
				if n > 2 && i%11 != n%11 || i%deathEvery != n%deathEvery {
					continue
				}
				v.detects(t, fmt.Sprintf("byte %d of %s flipped", i, name), name, func(s *mem.Store) {
					s.Edit(v.prefix+"/"+name, func(b []byte) []byte { b[i] ^= 0x10; return b })
				})
			}
			for _, length := range []int{0, 1, 41, 42, 46, size / 2, size - 17, size - 1} {
				v.detects(t, fmt.Sprintf("%s cut at %d", name, length), name, func(s *mem.Store) {
					s.Edit(v.prefix+"/"+name, func(b []byte) []byte { return b[:length] })
				})
			}
			v.detects(t, name+" with a byte more", name, func(s *mem.Store) {
				s.Edit(v.prefix+"/"+name, func(b []byte) []byte { return append(b, 0) })
			})
		})
	}
}

func TestMissingSegment(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for _, name := range v.names {
		v.detects(t, name+" deleted", name, func(s *mem.Store) {
			if err := s.Delete(t.Context(), v.prefix+"/"+name); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestMovedObjects puts genuine objects of other places where they do not belong.
func TestMovedObjects(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	strangers := map[string][]byte{
		"its neighbour": fetch(t, v.store, v.prefix+"/"+v.names[1]),
	}
	manifests := map[string][]byte{}
	for what, r := range map[string]*repository.Repository{
		"another connection's":         repo(t, mem.New(mem.Options{}), v.keys, other, small),
		"another account's":            repo(t, mem.New(mem.Options{}), keyring(t, bob), conn, small),
		"another keyring's":            repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small),
		"the same, in an old snapshot": repo(t, mem.New(mem.Options{}), v.keys, conn, small),
	} {
		d, err := r.Begin("moved", started.Add(time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		addAll(t, d, org(30))
		m := commit(t, d)
		store := repository.Store(r)
		strangers[what] = fetch(t, store, d.Prefix()+"/"+m.Segments[0].Name)
		manifests[what] = fetch(t, store, d.Prefix()+"/"+snapshot.ManifestName)
	}
	for what, data := range strangers {
		v.detects(t, "segment: "+what, v.names[0], func(s *mem.Store) {
			s.Edit(v.prefix+"/"+v.names[0], func([]byte) []byte { return data })
		})
	}
	for what, data := range manifests {
		v.detects(t, "manifest: "+what, snapshot.ManifestName, func(s *mem.Store) {
			s.Edit(v.prefix+"/"+snapshot.ManifestName, func([]byte) []byte { return data })
		})
	}
	v.detects(t, "two segments swapped", v.names[0], func(s *mem.Store) {
		a, b := fetch(t, s, v.prefix+"/"+v.names[0]), fetch(t, s, v.prefix+"/"+v.names[1])
		s.Edit(v.prefix+"/"+v.names[0], func([]byte) []byte { return b })
		s.Edit(v.prefix+"/"+v.names[1], func([]byte) []byte { return a })
	})
}

func fetch(t *testing.T, store interface {
	Edit(string, func([]byte) []byte) bool
}, key string) (out []byte) {
	t.Helper()
	if !store.Edit(key, func(b []byte) []byte { out = bytes.Clone(b); return b }) {
		t.Fatalf("no object %s", key)
	}
	return out
}

// TestChecksumsAltered: what stands in clear convinces nobody, and is checked.
func TestChecksumsAltered(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	key := v.prefix + "/" + snapshot.ChecksumsName
	for what, change := range map[string]func([]byte) []byte{
		"a digit":   func(b []byte) []byte { return bytes.Replace(b, []byte("  seg-"), []byte("  sag-"), 1) },
		"a sum":     func(b []byte) []byte { i := bytes.Index(b, []byte("\n# ")); b[i+20] ^= 1; return b },
		"cut off":   func(b []byte) []byte { return b[:len(b)/2] },
		"emptied":   func([]byte) []byte { return nil },
		"one short": func(b []byte) []byte { return b[:bytes.LastIndex(b[:len(b)-1], []byte("\n# "))+1] },
	} {
		store := v.store.Clone()
		store.Edit(key, change)
		r := repo(t, store, v.keys, conn, small)
		if report := check(t, r); len(report.Damage) != 1 || report.Damage[0].Object != key {
			t.Errorf("%s: %+v", what, report.Damage)
		}
		s, err := r.Open(t.Context(), v.prefix)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, org(30))
	}
	store := v.store.Clone()
	if err := store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if report := check(t, repo(t, store, v.keys, conn, small)); len(report.Damage) != 1 {
		t.Errorf("deleted: %+v", report.Damage)
	}
}

// TestDamageIsToldApart: an outage is not damage, damage is not an outage.
func TestDamageIsToldApart(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.store.Edit(v.prefix+"/"+v.names[0], func(b []byte) []byte { b[60] ^= 1; return b })
	r := repo(t, v.store, v.keys, conn, small)
	if err := v.read(t, r, v.names[0]); !errors.Is(err, repository.ErrDamaged) {
		t.Errorf("damage: %v", err)
	}
	if report, err := r.Check(t.Context(), repository.CheckOptions{}); err != nil || len(report.Damage) != 0 {
		t.Errorf("without data, a flipped byte cannot be seen: %+v, %v", report, err)
	}
	if _, err := r.Check(t.Context(), repository.CheckOptions{Prefixes: []string{v.prefix + "x"}}); !problem.Is(err, problem.NotFound) {
		t.Errorf("check of a snapshot that is not there: %v", err)
	}
	// Rubbish of a snapshot that cannot be opened is left alone.
	v.store.Edit(v.prefix+"/"+snapshot.ManifestName, func(b []byte) []byte { b[60] ^= 1; return b })
	before := keysOf(t, v.store)
	if swept, err := r.Sweep(t.Context(), repository.SweepOptions{Before: time.Now().Add(time.Hour)}); err != nil || swept.Objects != 0 || len(keysOf(t, v.store)) != len(before) {
		t.Errorf("swept %+v, %v", swept, err)
	}
}

// TestOversizeObjects: who can write the bucket must not be able to stop a check
// of all the rest by one object that is too long to be read.
func TestOversizeObjects(t *testing.T) {
	t.Parallel()
	for _, name := range []string{snapshot.ManifestName, snapshot.ChecksumsName} {
		v := newVault(t)
		v.store.Edit(v.prefix+"/"+name, func([]byte) []byte { return make([]byte, 17<<20) })
		r := repo(t, v.store, v.keys, conn, small)
		if report := check(t, r); len(report.Damage) != 1 || report.Damage[0].Object != v.prefix+"/"+name {
			t.Errorf("%s: %+v", name, report.Damage)
		}
		if _, err := r.Sweep(t.Context(), repository.SweepOptions{Before: time.Now().Add(time.Hour)}); err != nil {
			t.Errorf("%s: sweep: %v", name, err)
		}
	}
}
