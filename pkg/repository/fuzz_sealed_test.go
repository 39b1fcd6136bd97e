package repository_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// What FuzzObjects changes does not open. These targets word what is sealed, and seal it
// as who has the keys does, in the vectors' last snapshot: so they reach the readers below
// the seal. Their seeds are all that the vectors seal, what is right and what is forged.

// forger seals into the vectors' repository.
type forger struct {
	vectors vectors
	keys    *envelope.Keyring
	store   *mem.Store
	prefix  string // of the last snapshot
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	text    []byte
	m       snapshot.Manifest // as it is stored, which text words
	list    string
}

func newForger(f testing.TB) *forger {
	f.Helper()
	v := readVectors(f, vectorsFolder+"repository.json")
	r, err := v.open(f, nil)
	if err != nil {
		f.Fatal(err)
	}
	g := &forger{vectors: v, keys: repository.Keys(r), store: repository.Store(r), prefix: v.Snapshots[len(v.Snapshots)-1].Prefix}
	g.enc, err = zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	if g.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20)); err != nil {
		f.Fatal(err)
	}
	key := g.prefix + "/" + snapshot.ManifestName
	g.text = g.texts("manifest", key, v.Objects[key])[0]
	if g.m, err = snapshot.DecodeManifest(g.text); err != nil {
		f.Fatal(err)
	}
	g.list = snapshot.BackupsPrefix(alice, conn) + "/" + g.m.List.Folder + "/" + g.m.List.Name
	return g
}

// texts are what an object's chunks unpack to; none, if it does not open.
func (g *forger) texts(purpose, key string, object []byte) (out [][]byte) {
	o, err := g.keys.NewOpener(purpose, snapshot.SealedName(alice, key), object)
	if err != nil {
		return nil
	}
	spans, err := envelope.Chunks(object)
	if err != nil {
		return nil
	}
	for i, at := range spans {
		packed, err := o.Chunk(i, i == len(spans)-1, object[at.Offset:at.Offset+at.Length])
		if err != nil {
			return nil
		}
		text, err := g.dec.DecodeAll(packed, nil)
		if err != nil || len(text) > 1<<16 {
			return nil
		}
		out = append(out, text)
	}
	return out
}

// seeds calls do with what each object seals whose key has a part, right or forged.
func (g *forger) seeds(purpose, part string, do func(texts [][]byte)) {
	all := []map[string][]byte{g.vectors.Objects}
	for _, bad := range g.vectors.Invalid {
		all = append(all, bad.Objects)
	}
	for _, objects := range all {
		for key, object := range objects {
			if strings.Contains(key, part) {
				if texts := g.texts(purpose, key, object); len(texts) > 0 {
					do(texts)
				}
			}
		}
	}
}

func (g *forger) seal(t *testing.T, purpose, key string, frames ...[]byte) []byte {
	t.Helper()
	s, err := g.keys.NewSealer(purpose, snapshot.SealedName(alice, key))
	for i, frame := range frames {
		err = errors.Join(err, s.Chunk(frame, i == len(frames)-1))
	}
	if err != nil {
		t.Fatal(err)
	}
	object, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func (g *forger) pack(text []byte) []byte { return g.enc.EncodeAll(text, nil) }

// manifest seals a manifest whatever it tells.
func (g *forger) manifest(t *testing.T, m snapshot.Manifest) []byte {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return g.seal(t, "manifest", g.prefix+"/"+snapshot.ManifestName, g.pack(text))
}

func told(ref snapshot.Ref, object []byte) snapshot.Ref {
	sum := sha256.Sum256(object)
	ref.Bytes, ref.SHA256 = int64(len(object)), hex.EncodeToString(sum[:])
	return ref
}

// judge reads the last snapshot with objects in the place of others. Nothing may come out
// that is not as it must be; what fails, fails for a reason that names an object; and what
// a check finds nothing wrong with can be read.
func (g *forger) judge(t *testing.T, objects map[string][]byte) {
	t.Helper()
	store := g.store.Clone()
	for key, object := range objects {
		if !store.Edit(key, func([]byte) []byte { return object }) {
			t.Fatalf("there is no %s", key)
		}
	}
	r := repo(t, store, g.keys, conn, repository.Options{})
	report, err := r.Check(t.Context(), repository.CheckOptions{Data: true, Records: true, Prefixes: []string{g.prefix}})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	s, err := r.Open(t.Context(), g.prefix)
	var all []resource.Resource
	if err == nil {
		all, err = readBack(t.Context(), s)
	}
	if err != nil {
		if !errors.Is(err, repository.ErrDamaged) && !problem.Is(err, problem.Denied) || !strings.Contains(err.Error(), "users/") {
			t.Fatalf("read: %v", err)
		}
		if good(report) && !strings.Contains(err.Error(), "is damaged: ") {
			t.Fatalf("a check finds nothing, and reading says %v", err)
		}
		return
	}
	for _, want := range all {
		if _, err := snapshot.AppendRecord(nil, want); err != nil || !resource.IsCanonical(want.Body) {
			t.Fatalf("%q came out: %v", want.Key, err)
		}
		if got, err := s.Get(t.Context(), want.Key); err != nil || !bytes.Equal(got.Body, want.Body) {
			t.Fatalf("%q is %q in a walk, and alone %q and %v", want.Key, want.Body, got.Body, err)
		}
	}
}

// good: checksums are in clear, and tell of what was there before.
func good(report repository.Report) bool {
	for _, d := range report.Damage {
		if !strings.HasSuffix(d.Object, snapshot.ChecksumsName) {
			return false
		}
	}
	return true
}

// reworded calls do with a text of which each value, wherever it stands, is another, or not
// there. These seeds are made and not kept: what a manifest names has other names in vectors
// that are written anew.
func reworded(t testing.TB, text []byte, do func([]byte)) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var all any
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	n := 0
	words := func() {
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%deathEvery == 0 {
			do(text)
		}
	}
	var within func(any)
	each := func(now any, set func(any)) {
		for _, other := range others(now) {
			set(other)
			words()
		}
		set(now)
		within(now)
	}
	within = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(value)) {
				each(value[k], func(other any) { value[k] = other })
			}
		case []any:
			for i := range value {
				each(value[i], func(other any) { value[i] = other })
			}
		}
	}
	within(all)
}

// others are what may stand in the place of a value.
func others(value any) []any {
	switch value := value.(type) {
	case json.Number:
		return []any{nil, -1, 0, "1" + value, json.Number("18446744073709551616")}
	case string:
		return []any{nil, value + "0", value[:len(value)/2]}
	case bool:
		return []any{!value}
	case []any:
		return []any{nil, append(slices.Clone(value), value...), value[:len(value)/2]}
	}
	return []any{nil}
}

// FuzzManifest words a manifest.
func FuzzManifest(f *testing.F) {
	g := newForger(f)
	g.seeds("manifest", "/"+snapshot.ManifestName, func(texts [][]byte) { f.Add(texts[0]) })
	reworded(f, g.text, func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text []byte) {
		key := g.prefix + "/" + snapshot.ManifestName
		g.judge(t, map[string][]byte{key: g.seal(t, "manifest", key, g.pack(text))})
	})
}

// FuzzList words a list, of which the manifest tells.
func FuzzList(f *testing.F) {
	g := newForger(f)
	g.seeds("list", "/list-", func(texts [][]byte) { f.Add(texts[0]) })
	reworded(f, g.texts("list", g.list, g.vectors.Objects[g.list])[0], func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text []byte) {
		object := g.seal(t, "list", g.list, g.pack(text))
		m, ref := g.m, told(*g.m.List, object)
		m.List = &ref
		g.judge(t, map[string][]byte{g.list: object, g.prefix + "/" + snapshot.ManifestName: g.manifest(t, m)})
	})
}

// FuzzSegment words a segment of one chunk or two, the only one of a full snapshot, whose
// manifest tells what is so, as far as that can be told.
func FuzzSegment(f *testing.F) {
	g := newForger(f)
	g.seeds("segment", "/seg-", func(texts [][]byte) { f.Add(texts[0], bytes.Join(texts[1:], nil)) })
	f.Fuzz(func(t *testing.T, one, two []byte) {
		texts := [][]byte{one, two}
		if len(two) == 0 {
			texts = texts[:1]
		}
		frames := make([][]byte, len(texts))
		for i, text := range texts {
			frames[i] = g.pack(text)
		}
		g.judge(t, g.withSegment(t, texts, frames))
	})
}

// FuzzFrame puts anything in the place of the frame of a segment.
func FuzzFrame(f *testing.F) {
	g := newForger(f)
	g.seeds("segment", "/seg-", func(texts [][]byte) { f.Add(g.pack(texts[0])) })
	f.Fuzz(func(t *testing.T, frame []byte) {
		text, err := g.dec.DecodeAll(frame, nil)
		if err != nil {
			text = nil
		}
		g.judge(t, g.withSegment(t, [][]byte{text}, [][]byte{frame}))
	})
}

// withSegment is a full snapshot of one segment.
func (g *forger) withSegment(t *testing.T, texts, frames [][]byte) map[string][]byte {
	t.Helper()
	name := g.m.Segments[slices.IndexFunc(g.m.Segments, func(s snapshot.Segment) bool { return s.Folder == "" })].Name
	key := g.prefix + "/" + name
	object := g.seal(t, "segment", key, frames...)
	w := words{digest: snapshot.NewDigester(g.keys.MAC(snapshot.DigestPurpose)), held: map[resource.Type]*snapshot.Held{}}
	w.s = snapshot.Segment{Ref: told(snapshot.Ref{Name: name}, object), Head: object[:envelope.HeadSize]}
	for i, text := range texts {
		w.chunk(text, len(frames[i]))
	}
	if len(texts) == 1 {
		w.s.Head, w.s.Chunks = nil, nil
	}
	m := g.m
	m.Kind, m.Parent, m.List, m.Dropped = snapshot.Full, "", nil, nil
	m.Types, m.Segments = nil, []snapshot.Segment{w.s}
	for typ, held := range w.held {
		m.Types = append(m.Types, snapshot.TypeStatus{Type: typ, Held: *held})
	}
	return map[string][]byte{key: object, g.prefix + "/" + snapshot.ManifestName: g.manifest(t, m)}
}

// words is what a manifest tells of a segment, and of the state that it is.
type words struct {
	s      snapshot.Segment
	digest *snapshot.Digester
	held   map[resource.Type]*snapshot.Held
}

// chunk takes in a chunk, up to where its text ends to be one.
func (w *words) chunk(text []byte, packed int) {
	const tag = 16
	c := snapshot.Chunk{Bytes: int64(packed + tag)}
	for scan := snapshot.Scan(text); ; c.Records++ {
		r, err := scan.Next()
		if err != nil { // io.EOF, or where a reader stops, too
			break
		}
		if c.Records == 0 {
			c.First = r.Key
		}
		w.s.Last = r.Key
		w.record(r, &c)
	}
	if len(w.s.Chunks) == 0 {
		w.s.First = c.First
	}
	w.s.Chunks = append(w.s.Chunks, c)
	w.s.Records += c.Records
	w.s.Plain += int64(len(text))
	w.s.Digest.Add(c.Digest)
}

func (w *words) record(r snapshot.Record, c *snapshot.Chunk) {
	held := w.held[r.Type]
	if held == nil {
		held = &snapshot.Held{}
		w.held[r.Type] = held
	}
	if r.Deleted() {
		w.s.Tombstones++
		return
	}
	digest := w.digest.Of(r.Key, r.Line)
	c.Digest.Add(digest)
	held.Add(snapshot.Held{Objects: 1, Digest: digest})
}
