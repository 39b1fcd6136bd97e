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

func manifest() snapshot.Manifest {
	return snapshot.Manifest{
		Format: snapshot.Format, ID: "s", Account: "a", Connection: "c", Provider: "okta",
		Org: "https://acme.okta.com", Started: started, Ended: started.Add(time.Minute), LogCursor: "l",
		Types: []snapshot.TypeStatus{
			{Type: "group", Objects: 5, Calls: 2, Digest: hexed('3')},
			{Type: "zone", Digest: hexed('0'), Gaps: []snapshot.Gap{{Type: "zone", Reason: snapshot.Forbidden, Detail: "d"}}},
		},
		Segments: []snapshot.Segment{
			{Name: "seg-000001-0123456789abcdef", Type: "group", First: key("group", "", "a"), Last: key("group", "", "d"), Objects: 4, Bytes: 100, Plain: 400, SHA256: hexed('a'), Digest: hexed('1')},
			{Name: "seg-000002-0123456789abcdef", Type: "group", First: key("group", "", "e"), Last: key("group", "", "e"), Objects: 1, Bytes: 100, Plain: 400, SHA256: hexed('b'), Digest: hexed('2')},
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
	if got.Complete() || got.Objects() != 5 || got.Bytes() != 200 || len(got.Of("group")) != 2 || len(got.Of("zone")) != 0 {
		t.Errorf("%+v", got)
	}
	later := bytes.Replace(text, []byte(`{`), []byte(`{"later":{"x":1},`), 1)
	if _, err := snapshot.DecodeManifest(later); err != nil {
		t.Errorf("a field of a later version: %v", err)
	}
}

func TestManifestCheck(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*snapshot.Manifest){
		"format 2":          func(m *snapshot.Manifest) { m.Format = 2 },
		"are needed":        func(m *snapshot.Manifest) { m.Account = "" },
		"are needed ":       func(m *snapshot.Manifest) { m.Started = time.Time{} },
		"segment's name":    func(m *snapshot.Manifest) { m.Segments[0].Name = "../../manifest" },
		"stands twice":      func(m *snapshot.Manifest) { m.Segments[1].Name = m.Segments[0].Name },
		"wrong range":       func(m *snapshot.Manifest) { m.Segments[0].First.ID = "z" },
		"wrong range ":      func(m *snapshot.Manifest) { m.Segments[0].Last.Type = "zone" },
		"wrong size":        func(m *snapshot.Manifest) { m.Segments[0].Bytes = 0 },
		"wrong count":       func(m *snapshot.Manifest) { m.Segments[0].Objects = 1 },
		"wrong SHA-256":     func(m *snapshot.Manifest) { m.Segments[0].SHA256 = strings.ToUpper(hexed('a')) },
		"wrong SHA-256 ":    func(m *snapshot.Manifest) { m.Segments[0].SHA256 = "00" },
		"digest":            func(m *snapshot.Manifest) { m.Segments[0].Digest = "xx" },
		"tell the same":     func(m *snapshot.Manifest) { m.Types[0].Objects = 4 },
		"tell the same ":    func(m *snapshot.Manifest) { m.Types[0].Digest = hexed('2') },
		"tell the same  ":   func(m *snapshot.Manifest) { m.Segments = m.Segments[:1] },
		"type group stands": func(m *snapshot.Manifest) { m.Types[1] = m.Types[0] },
		"which is not":      func(m *snapshot.Manifest) { m.Types = m.Types[1:] },
		"wrong gap":         func(m *snapshot.Manifest) { m.Types[1].Gaps[0].Reason = "forgotten" },
		"type zone has a":   func(m *snapshot.Manifest) { m.Types[1].Gaps[0].Type = "group" },
		"segments of type z": func(m *snapshot.Manifest) {
			s := &m.Segments[1]
			s.Type, s.First.Type, s.Last.Type = "zap", "zap", "zap"
		},
	} {
		m := manifest()
		change(&m)
		want = strings.TrimSpace(want)
		// Two checks can be the one to find it; the text says that one did.
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "tell the same") {
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

func TestSettle(t *testing.T) {
	t.Parallel()
	m := manifest()
	want := slices.Clone(m.Types)
	m.Types = []snapshot.TypeStatus{{Type: "zone", Gaps: m.Types[1].Gaps}}
	given := m.Types
	if err := m.Settle(); err != nil {
		t.Fatal(err)
	}
	want[0].Calls = 0
	if diff := cmp.Diff([]snapshot.TypeStatus{want[1], want[0]}, m.Types); diff != "" {
		t.Error(diff)
	}
	if given[0].Digest != "" {
		t.Error("the caller's list was changed")
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	text, err := snapshot.EncodeManifest(manifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1}`))
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

func TestDigestAddsUp(t *testing.T) {
	t.Parallel()
	mod := new(big.Int).Lsh(big.NewInt(1), 256)
	sum := new(big.Int)
	var total, back snapshot.Digest
	digest := func(t resource.Type, record string) snapshot.Digest {
		d := snapshot.NewDigester(hmac.New(sha256.New, []byte("key")), t)
		d.Add([]byte(record))
		return d.Sum()
	}
	all := snapshot.NewDigester(hmac.New(sha256.New, []byte("key")), "t")
	var parts []snapshot.Digest
	for i := range 100 {
		d := digest("t", string(rune(i)))
		all.Add([]byte(string(rune(i))))
		parts = append(parts, d)
		total.Add(d)
		sum.Add(sum, new(big.Int).SetBytes(d[:])).Mod(sum, mod)
	}
	if new(big.Int).SetBytes(total[:]).Cmp(sum) != 0 || all.Sum() != total {
		t.Errorf("%s and %s, want %x", total, all.Sum(), sum)
	}
	for _, d := range slices.Backward(parts) {
		back.Add(d)
	}
	if back != total {
		t.Error("the order matters")
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
