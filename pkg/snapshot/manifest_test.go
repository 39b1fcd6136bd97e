package snapshot_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

var started = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)

func hexed(b byte) string { return strings.Repeat(string([]byte{'0', b}), 32) }

func ref(name string, sum byte) snapshot.Ref {
	return snapshot.Ref{Name: name, Bytes: 100, SHA256: hexed(sum)}
}

func digest(b byte) snapshot.Digest { return snapshot.Digest{31: b} }

func manifest() snapshot.Manifest {
	return snapshot.Manifest{
		Format: snapshot.Format, ID: "s", Account: "a", Connection: "c", Provider: "okta",
		Org: "https://acme.okta.com", Started: started, Ended: started.Add(time.Minute), LogCursor: "l", Kind: snapshot.Full,
		Types: []snapshot.TypeStatus{
			{Type: "group", Held: snapshot.Held{Objects: 5, Digest: digest(3)}, Calls: 2},
			{Type: "zone", Gaps: []snapshot.Gap{{Type: "zone", Reason: snapshot.Forbidden, Detail: "d", Hides: true}}, Hidden: snapshot.Held{Objects: 2, Moving: digest(4)}},
		},
		Segments: []snapshot.Segment{
			{Ref: ref("seg-000001-0123456789abcdef", 'a'), First: key("group", "", "a"), Last: key("group", "", "d"), Records: 4, Plain: 400,
				Head: make([]byte, 42), Chunks: []snapshot.Chunk{{Bytes: 40, Records: 3, First: key("group", "", "a")}, {Bytes: 10, Records: 1, First: key("group", "", "d"), Digest: digest(1)}}},
			{Ref: ref("seg-000002-0123456789abcdef", 'b'), First: key("group", "", "e"), Last: key("group", "", "e"), Records: 1, Tombstones: 1, Plain: 400, Filter: []byte{1, 2}},
			{Ref: ref("seg-000003-0123456789abcdef", 'b'), Family: snapshot.Moving, First: key("group", "", "e"), Last: key("zone", "", "a"), Records: 2, Plain: 400},
		},
	}
}

func TestManifestRoundTrip(t *testing.T) {
	t.Parallel()
	text, err := snapshot.EncodeManifest(manifest())
	if err != nil {
		t.Fatal(err)
	}
	got, err := snapshot.DecodeManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(manifest(), got); diff != "" {
		t.Error(diff)
	}
	if got.Complete() || got.Objects() != 5 || got.Bytes() != 300 || len(got.Of(snapshot.Bodies, "group")) != 2 || len(got.Of(snapshot.Moving, "thing")) != 1 {
		t.Errorf("%+v", got)
	}
	for what, bad := range map[string][]byte{
		"a member twice": bytes.Replace(text, []byte(`"kind"`), []byte(`"kind":"full","kind"`), 1),
		"no UTF-8":       bytes.Replace(text, []byte(`"okta"`), []byte("\"okt\xff\""), 1),
	} {
		if _, err := snapshot.DecodeManifest(bad); err == nil || bytes.Equal(bad, text) {
			t.Errorf("%s: read", what)
		}
	}
	later := bytes.Replace(text, []byte(`{`), []byte(`{"later":{"x":1},`), 1)
	if _, err := snapshot.DecodeManifest(later); err != nil {
		t.Errorf("a field of a later version: %v", err)
	}
}

func TestManifestCheck(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*snapshot.Manifest){
		"format 3":                func(m *snapshot.Manifest) { m.Format = 3 },
		"are needed":              func(m *snapshot.Manifest) { m.Account = "" },
		"are needed ":             func(m *snapshot.Manifest) { m.Started = time.Time{} },
		"kind":                    func(m *snapshot.Manifest) { m.Kind = "half" },
		"parent":                  func(m *snapshot.Manifest) { m.Parent = "2026-11-21T120000.123Z-01234567" },
		"parent ":                 func(m *snapshot.Manifest) { m.Kind = snapshot.Incremental },
		"snapshot's folder":       func(m *snapshot.Manifest) { m.Kind, m.Parent = snapshot.Incremental, "../x" },
		"list":                    func(m *snapshot.Manifest) { m.List = &snapshot.Ref{Name: "list", Bytes: 1, SHA256: hexed('a')} },
		"name of its kind":        func(m *snapshot.Manifest) { m.Segments[0].Name = "../../manifest" },
		"which is no snapshot's":  func(m *snapshot.Manifest) { m.Segments[0].Folder = "../x" },
		"stands twice":            func(m *snapshot.Manifest) { m.Segments[1].Name = m.Segments[0].Name },
		"overlap":                 func(m *snapshot.Manifest) { m.Segments[1].First.ID, m.Segments[1].Records = "d", 2 },
		"wrong range":             func(m *snapshot.Manifest) { m.Segments[0].First.ID = "z" },
		"wrong range ":            func(m *snapshot.Manifest) { m.Segments[1].First.ID, m.Segments[1].Last.ID = "", "" },
		"wrong size":              func(m *snapshot.Manifest) { m.Segments[0].Bytes = 0 },
		"wrong size ":             func(m *snapshot.Manifest) { m.Segments[1].Bytes = snapshot.MaxObject + 1 },
		"wrong size, layer":       func(m *snapshot.Manifest) { m.Segments[0].Layer = -1 },
		"wrong size, layer ":      func(m *snapshot.Manifest) { m.Segments[1].Filter = []byte{1} },
		"wrong size, layer  ":     func(m *snapshot.Manifest) { m.Segments[1].Filter = []byte{1, 2, 1, 2} },
		"wrong count":             func(m *snapshot.Manifest) { m.Segments[0].Records = 1 },
		"wrong count ":            func(m *snapshot.Manifest) { m.Segments[1].Tombstones = 2 },
		"wrong chunks":            func(m *snapshot.Manifest) { m.Segments[0].Records = 5 },
		"wrong chunks ":           func(m *snapshot.Manifest) { m.Segments[0].Chunks[0].First.ID = "b" },
		"wrong chunks  ":          func(m *snapshot.Manifest) { m.Segments[0].Chunks[1].First.ID = "a" },
		"wrong chunks   ":         func(m *snapshot.Manifest) { m.Segments[0].Chunks[1].Bytes = 9 },
		"wrong chunks    ":        func(m *snapshot.Manifest) { m.Segments[0].Chunks[1].Bytes = 1 << 62 },
		"wrong chunks, or":        func(m *snapshot.Manifest) { m.Segments[0].Chunks = nil },
		"wrong chunks, or a":      func(m *snapshot.Manifest) { m.Segments[0].Head = nil },
		"wrong head":              func(m *snapshot.Manifest) { m.Segments[0].Head = m.Segments[0].Head[1:] },
		"family":                  func(m *snapshot.Manifest) { m.Segments[0].Family = "other" },
		"wrong SHA-256":           func(m *snapshot.Manifest) { m.Segments[0].SHA256 = strings.ToUpper(hexed('a')) },
		"wrong SHA-256 ":          func(m *snapshot.Manifest) { m.Segments[0].SHA256 = "00" },
		"type \"group\" has":      func(m *snapshot.Manifest) { m.Types[0].Objects = -1 },
		"type group stands twice": func(m *snapshot.Manifest) { m.Types[1] = m.Types[0] },
		"type \"gro/up\"":         func(m *snapshot.Manifest) { m.Types[0].Type = "gro/up" },
		"something else hidden":   func(m *snapshot.Manifest) { m.Types[1].Gaps[0].Hides = false },
		"something else hidden ":  func(m *snapshot.Manifest) { m.Types[1].Objects = 1 },
		"wrong gap":               func(m *snapshot.Manifest) { m.Types[1].Gaps[0].Reason = "forgotten" },
		"type zone has a":         func(m *snapshot.Manifest) { m.Types[1].Gaps[0].Type = "group" },
	} {
		m := manifest()
		change(&m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := snapshot.EncodeManifest(m); err == nil {
			t.Errorf("%s: written", want)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := snapshot.DecodeManifest(text); err == nil {
			t.Errorf("%s: read", want)
		}
	}
}

// TestResolve puts a manifest over a list of another folder.
func TestResolve(t *testing.T) {
	t.Parallel()
	const others = "2026-11-20T120000.123Z-01234567"
	own := snapshot.Folder(started, manifest().ID)
	of := manifest()
	list := snapshot.List{Format: snapshot.Format, Types: of.Types, Segments: of.Segments}
	m := manifest()
	m.List = &snapshot.Ref{Folder: others, Name: "list-0123456789abcdef", Bytes: 1, SHA256: hexed('c')}
	m.Dropped = []string{of.Segments[1].Name}
	m.Types = []snapshot.TypeStatus{{Type: "zone"}, {Type: "app"}}
	m.Segments = []snapshot.Segment{{Ref: ref("seg-000009-0123456789abcdef", 'd'), Layer: 1, First: key("app", "", "a"), Last: key("app", "", "a"), Records: 1, Plain: 1}}
	got, err := m.Resolve(own, list)
	if err != nil {
		t.Fatal(err)
	}
	var where []string
	for _, s := range got.Segments {
		where = append(where, s.Folder+" "+s.Name[:10])
	}
	if diff := cmp.Diff([]string{others + " seg-000001", others + " seg-000003", own + " seg-000009"}, where); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]snapshot.TypeStatus{of.Types[0], {Type: "zone"}, {Type: "app"}}, got.Types); diff != "" {
		t.Error(diff)
	}
	if got.List != nil || got.Dropped != nil || list.Segments[0].Folder != "" {
		t.Error("it is not resolved, or the list was changed")
	}
	if _, err := m.Resolve(others, list); err == nil {
		t.Error("a manifest in another's folder")
	}
	m.Segments[0].Name = of.Segments[0].Name
	if _, err := m.Resolve(own, list); err == nil {
		t.Error("a segment stands twice")
	}
}

func FuzzDecodeManifest(f *testing.F) {
	text, err := snapshot.EncodeManifest(manifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := snapshot.DecodeManifest(text)
		if err != nil {
			return
		}
		again, err := snapshot.EncodeManifest(m)
		if err != nil {
			t.Fatalf("read and not written: %v", err)
		}
		n, err := snapshot.DecodeManifest(again)
		if err != nil {
			t.Fatalf("written and not read: %v", err)
		}
		if third, err := snapshot.EncodeManifest(n); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("wrote %s, then %s, %v", again, third, err)
		}
	})
}

func TestDigesterAllocatesNothing(t *testing.T) {
	d := snapshot.NewDigester(hmac.New(sha256.New, []byte("key")))
	k, record := resource.Key{Type: "user", ID: "00u1"}, bytes.Repeat([]byte("x"), 300)
	if n := testing.AllocsPerRun(100, func() { d.Of(k, record) }); n != 0 {
		t.Errorf("%g allocations a record", n)
	}
}

func TestDigestAddsUp(t *testing.T) {
	t.Parallel()
	mod := new(big.Int).Lsh(big.NewInt(1), 256)
	sum := new(big.Int)
	var total, back snapshot.Digest
	d := snapshot.NewDigester(hmac.New(sha256.New, []byte("key")))
	digest := func(t resource.Type, record string) snapshot.Digest {
		return d.Of(resource.Key{Type: t}, []byte(record))
	}
	var parts []snapshot.Digest
	for i := range 100 {
		d := digest("t", string(rune(i)))
		parts = append(parts, d)
		total.Add(d)
		sum.Add(sum, new(big.Int).SetBytes(d[:])).Mod(sum, mod)
	}
	if new(big.Int).SetBytes(total[:]).Cmp(sum) != 0 {
		t.Errorf("%s, want %x", total, sum)
	}
	for _, d := range slices.Backward(parts) {
		back.Add(d)
	}
	if back != total {
		t.Error("the order matters")
	}
	for _, d := range parts {
		if back.Sub(d); d == total {
			t.Error("one is all")
		}
	}
	if back != (snapshot.Digest{}) {
		t.Errorf("all taken away leaves %s", back)
	}
	if got, err := snapshot.ParseDigest(total.String()); err != nil || got != total {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("g", 64), strings.Repeat("0", 66)} {
		if _, err := snapshot.ParseDigest(bad); err == nil {
			t.Errorf("read %q", bad)
		}
	}
	if digest("t", "x") == digest("u", "x") {
		t.Error("the type does not matter")
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	sums := []snapshot.Checksum{{"seg-1", 12, hexed('1')}, {"manifest", 0, hexed('2')}}
	text := snapshot.EncodeChecksums(sums)
	want := "# imago checksums 1\n# 12 bytes\n" + hexed('1') + "  seg-1\n# 0 bytes\n" + hexed('2') + "  manifest\n"
	if string(text) != want {
		t.Errorf("wrote %s", text)
	}
	if got, err := snapshot.DecodeChecksums(text); err != nil || !slices.Equal(got, sums) {
		t.Errorf("%v, %v", got, err)
	}
	for i := range text {
		if got, err := snapshot.DecodeChecksums(text[:i]); err == nil && len(got) == len(sums) {
			t.Errorf("cut at %d: %v", i, got)
		}
	}
	for _, bad := range []string{"", "# imago checksums 2\n", strings.Replace(want, "12", "012", 1), strings.Replace(want, "  seg", " seg", 1), want + "\n"} {
		if _, err := snapshot.DecodeChecksums([]byte(bad)); err == nil {
			t.Errorf("read %q", bad)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	prefix := snapshot.Prefix("acc", "con", started, "id")
	if want := "users/acc/connections/con/backups/2026-11-21T120000.123Z-"; !strings.HasPrefix(prefix, want) {
		t.Errorf("%s", prefix)
	}
	got, ok := snapshot.ParsePrefix("acc", "con", prefix)
	if !ok || !got.Equal(started.Truncate(time.Millisecond)) {
		t.Errorf("%v, %v", got, ok)
	}
	if other := snapshot.Prefix("acc", "con", started, "id2"); other == prefix {
		t.Error("two snapshots of one moment lie in one place")
	}
	if early, late := snapshot.Prefix("a", "c", started, "z"), snapshot.Prefix("a", "c", started.Add(time.Millisecond), "a"); early >= late {
		t.Error("prefixes do not sort by time")
	}
	if name := snapshot.SealedName("acc", prefix+"/manifest"); !strings.HasPrefix(name, "connections/con/backups/") {
		t.Errorf("sealed as %s", name)
	}
	if got := snapshot.KeyringName("acc"); got != "users/acc/keyring" {
		t.Error(got)
	}
	if got := snapshot.SegmentName(7, [8]byte{1, 0xab}); got != "seg-000007-01ab000000000000" {
		t.Error(got)
	}
	for _, bad := range []string{"", prefix + "/x", strings.TrimSuffix(prefix, "0") + "g", strings.Replace(prefix, "acc", "abc", 1), strings.Replace(prefix, "2026-11-21", "2026-13-21", 1)} {
		if _, ok := snapshot.ParsePrefix("acc", "con", bad); ok {
			t.Errorf("%q is taken for a prefix", bad)
		}
	}
}

func TestGapCovers(t *testing.T) {
	t.Parallel()
	whole, one := snapshot.Gap{Type: "m"}, snapshot.Gap{Type: "m", Parent: "p"}
	for _, c := range []struct {
		g    snapshot.Gap
		typ  string
		par  string
		want bool
	}{
		{whole, "m", "p", true}, {whole, "m", "", true}, {whole, "n", "p", false},
		{one, "m", "p", true}, {one, "m", "q", false}, {one, "m", "", false}, {one, "n", "p", false},
	} {
		if got := c.g.Covers(key(c.typ, "", "x").Type, c.par); got != c.want {
			t.Errorf("%+v covers %s below %q: %v", c.g, c.typ, c.par, got)
		}
	}
}
