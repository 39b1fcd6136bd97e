package snapshot_test

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// stranger reads a repository as FORMAT.md tells it, with nothing of this
// project: if the text and the code part ways, it fails on the vectors.
type stranger struct {
	account string
	objects map[string][]byte
	digest  []byte
	keys    map[uint32][]byte
	unpack  *zstd.Decoder
}

type vectorsFile struct {
	MasterKeys struct {
		Keys []struct {
			Version uint32
			Key     []byte
		}
	} `json:"master_keys"`
	Account   string
	Objects   map[string][]byte
	Snapshots []struct {
		Prefix  string
		Records map[string][]string
		Digests map[string]string
	}
	Invalid map[string]struct{ Objects map[string][]byte }
}

// What a stranger takes from manifests and lists.
type (
	strangersRef struct {
		Folder, Name, SHA256 string
		Bytes, Key           int
		Again                bool
	}
	strangersSegment struct {
		strangersRef
		Layer, Records, Tombstones, Plain int
		Family                            string
	}
	strangersType struct {
		Type, Digest, Moving string
		Objects              int
		Gaps                 []struct {
			Parent string
			Hides  bool
		}
	}
	strangersManifest struct {
		Format   int
		List     *strangersRef
		Dropped  []string
		Types    []strangersType
		Segments []strangersSegment
	}
	// place is where a record stands: of one family, under one key.
	place struct{ family, typ, parent, id string }
	// line is a record.
	line struct {
		layer int
		text  string
		value json.RawMessage // nil: a tombstone
	}
)

// object is what it is called in the store: FORMAT.md, "Objects".
func (r strangersRef) object() string {
	if r.Again {
		return fmt.Sprintf("%s-%d", r.Name, r.Key)
	}
	return r.Name
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"repository.json", "resealed.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reads(t, name)
		})
	}
}

// reads reads the vectors in a file.
func reads(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v vectorsFile
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	unpack, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unpack.Close()
	read := func(objects map[string][]byte, prefix string) (map[string][]string, map[string]string, error) {
		s := &stranger{account: v.Account, objects: objects, unpack: unpack}
		if err := s.keyring(v.MasterKeys.Keys[0].Version, v.MasterKeys.Keys[0].Key); err != nil {
			return nil, nil, err
		}
		return s.snapshot(prefix)
	}
	for _, want := range v.Snapshots {
		records, digests, err := read(v.Objects, want.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want.Records, records); diff != "" {
			t.Errorf("%s: %s", want.Prefix, diff)
		}
		if diff := gocmp.Diff(want.Digests, digests); diff != "" {
			t.Errorf("%s: %s", want.Prefix, diff)
		}
	}
	for name, bad := range v.Invalid {
		if strings.HasPrefix(name, "forged: ") {
			continue // by who has the keys: scripts/reader refuses these, too
		}
		objects := maps.Clone(v.Objects)
		maps.Copy(objects, bad.Objects)
		if _, _, err := read(objects, v.Snapshots[len(v.Snapshots)-1].Prefix); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// keyring: FORMAT.md, "Keys".
func (s *stranger) keyring(version uint32, master []byte) error {
	var w struct {
		Format, Current, Wrapping, Oldest int
		Account, By                       string
		Key, Keys                         []byte
	}
	if err := json.Unmarshal(s.objects["users/"+s.account+"/keyring"], &w); err != nil {
		return err
	}
	if w.Format != 2 && w.Format != 3 || (w.Format == 3) != (w.Oldest > 0) || w.Account != s.account || len(w.Key) < 16 || binary.BigEndian.Uint32(w.Key) != version {
		return fmt.Errorf("keyring is not ours")
	}
	aead, err := gcm(master)
	if err != nil {
		return err
	}
	key, err := aead.Open(nil, w.Key[4:16], w.Key[16:], []byte("imago/1/wrap\x00"+s.account))
	if err != nil {
		return err
	}
	if aead, err = gcm(key); err != nil {
		return err
	}
	told := fmt.Appendf(nil, "imago/%d/keyring\x00%s\x00%d\x00%d\x00%s", w.Format, w.Account, w.Current, w.Wrapping, w.By)
	if w.Format == 3 {
		told = fmt.Appendf(told, "\x00%d", w.Oldest)
	}
	plain, err := aead.Open(nil, make([]byte, 12), w.Keys, told)
	if err != nil {
		return err
	}
	s.digest, s.keys = plain[:32], map[uint32][]byte{}
	for rest := plain[32:]; len(rest) >= 36; rest = rest[36:] {
		if version := binary.BigEndian.Uint32(rest); int(version) >= w.Oldest {
			s.keys[version] = rest[4:36]
		}
	}
	return nil
}

// open: FORMAT.md, "Sealed objects"; it gives the chunks.
func (s *stranger) open(key, purpose string) (chunks [][]byte, err error) {
	object := s.objects[key]
	if len(object) < 42 || string(object[:6]) != "imago\x01" {
		return nil, fmt.Errorf("%s: no header", key)
	}
	name := strings.TrimPrefix(key, "users/"+s.account+"/")
	derived, err := hkdf.Key(sha256.New, s.keys[binary.BigEndian.Uint32(object[6:])], object[10:42],
		"imago/1\x00"+purpose+"\x00"+s.account+"\x00"+name, 32)
	if err != nil {
		return nil, err
	}
	aead, err := gcm(derived)
	if err != nil {
		return nil, err
	}
	for rest := object[42:]; len(rest) > 0; {
		if len(rest) < 4 || int(binary.BigEndian.Uint32(rest)) > len(rest)-4 {
			return nil, fmt.Errorf("%s: cut off", key)
		}
		sealed := rest[4 : 4+binary.BigEndian.Uint32(rest)]
		rest = rest[4+len(sealed):]
		nonce := binary.BigEndian.AppendUint32(make([]byte, 7), uint32(len(chunks)))
		if len(rest) == 0 {
			nonce = append(nonce, 1)
		} else {
			nonce = append(nonce, 0)
		}
		packed, err := aead.Open(nil, nonce, sealed, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		chunk, err := s.unpack.DecodeAll(packed, nil)
		if err != nil {
			return nil, err
		}
		chunks = append(chunks, chunk)
	}
	if len(chunks) == 0 {
		return nil, fmt.Errorf("%s: no chunks", key)
	}
	return chunks, nil
}

// text opens an object of one chunk.
func (s *stranger) text(key, purpose string, into any) error {
	chunks, err := s.open(key, purpose)
	if err != nil {
		return err
	}
	return json.Unmarshal(bytes.Join(chunks, nil), into)
}

// manifest: FORMAT.md, "Manifest". It gives the types, and segments with their folders.
func (s *stranger) manifest(prefix string) (m strangersManifest, err error) {
	if err := s.text(prefix+"/manifest", "manifest", &m); err != nil {
		return m, err
	}
	folder := path.Base(prefix)
	segments, types := located(m.Segments, folder), m.Types
	if m.List != nil {
		at := cmp.Or(m.List.Folder, folder)
		key := path.Join(path.Dir(prefix), at, m.List.object())
		if err := s.whole(key, *m.List); err != nil {
			return m, err
		}
		var list strangersManifest
		if err := s.text(key, "list", &list); err != nil {
			return m, err
		}
		for _, g := range located(list.Segments, at) {
			if !slices.Contains(m.Dropped, g.Name) {
				segments = append(segments, g)
			}
		}
		for _, t := range list.Types {
			if !slices.ContainsFunc(m.Types, func(o strangersType) bool { return o.Type == t.Type }) {
				types = append(types, t)
			}
		}
	}
	m.Segments, m.Types = segments, types
	if m.Format != 2 {
		err = fmt.Errorf("format %d", m.Format)
	}
	return m, err
}

func located(segments []strangersSegment, folder string) []strangersSegment {
	out := slices.Clone(segments)
	for i := range out {
		out[i].Folder = cmp.Or(out[i].Folder, folder)
	}
	return out
}

func (s *stranger) whole(key string, r strangersRef) error {
	if sum := sha256.Sum256(s.objects[key]); hex.EncodeToString(sum[:]) != r.SHA256 || len(s.objects[key]) != r.Bytes {
		return fmt.Errorf("%s: not as what names it says", key)
	}
	return nil
}

// snapshot: FORMAT.md, "Reading".
func (s *stranger) snapshot(prefix string) (records map[string][]string, digests map[string]string, err error) {
	m, err := s.manifest(prefix)
	if err != nil {
		return nil, nil, err
	}
	state := map[place]line{}
	for _, g := range m.Segments {
		key := path.Join(path.Dir(prefix), g.Folder, g.object())
		if err := s.whole(key, g.strangersRef); err != nil {
			return nil, nil, err
		}
		if err := s.segment(key, g, state); err != nil {
			return nil, nil, err
		}
	}
	return s.state(m, state)
}

// segment: FORMAT.md, "Records". What it holds goes over what lies below.
func (s *stranger) segment(key string, g strangersSegment, state map[place]line) error {
	chunks, err := s.open(key, "segment")
	if err != nil {
		return err
	}
	records, gone := 0, 0
	for _, chunk := range chunks {
		var at place
		for text := range strings.SplitSeq(strings.TrimSuffix(string(chunk), "\n"), "\n") {
			var r struct {
				Type, ID, Parent string
				Value            json.RawMessage
			}
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				return err
			}
			if r.Type == "" && r.ID == "" { // a bare link
				if err := json.Unmarshal(r.Value, &r); err != nil {
					return err
				}
			}
			if r.Type != "" {
				at = place{g.Family, r.Type, r.Parent, ""}
				continue
			}
			if records++; r.Value == nil {
				gone++
			}
			at.id = r.ID
			if below, ok := state[at]; !ok || below.layer < g.Layer {
				state[at] = line{g.Layer, text, r.Value}
			}
		}
	}
	if records != g.Records || gone != g.Tombstones || len(bytes.Join(chunks, nil)) != g.Plain {
		return fmt.Errorf("%s: other records", key)
	}
	return nil
}

// state puts both families together, type by type, and compares counts and digests.
func (s *stranger) state(m strangersManifest, all map[place]line) (map[string][]string, map[string]string, error) {
	records, digests := map[string][]string{}, map[string]string{}
	for _, t := range m.Types {
		visible := func(parent string) bool {
			for _, g := range t.Gaps {
				if g.Hides && (g.Parent == "" || g.Parent == parent) {
					return false
				}
			}
			return true
		}
		var bodies, moving, whole []string
		for at, l := range all {
			if at.typ != t.Type || l.value == nil || !visible(at.parent) {
				continue
			}
			if at.family == "names" {
				continue // scripts/reader reads these
			}
			if at.family == "moving" {
				moving = append(moving, at.parent+"\n"+l.text)
				continue
			}
			bodies = append(bodies, at.parent+"\n"+l.text)
			text, err := joined(l.text, all[place{"moving", at.typ, at.parent, at.id}].value)
			if err != nil {
				return nil, nil, err
			}
			whole = append(whole, at.parent+"\n"+text)
		}
		sum, err := s.sum(t.Type, bodies)
		if err != nil {
			return nil, nil, err
		}
		other, err := s.sum(t.Type, moving)
		if err != nil {
			return nil, nil, err
		}
		digests[t.Type] = fmt.Sprintf("%064x", sum)
		none := strings.Repeat("0", 64)
		if digests[t.Type] != cmp.Or(t.Digest, none) || fmt.Sprintf("%064x", other) != cmp.Or(t.Moving, none) || len(bodies) != t.Objects {
			return nil, nil, fmt.Errorf("%s: other state", t.Type)
		}
		if slices.Sort(whole); whole != nil {
			records[t.Type] = whole
		}
	}
	return records, digests, nil
}

// joined is a record with the members that move put among the others. In the vectors they
// are all plain ASCII.
func joined(text string, moving json.RawMessage) (string, error) {
	if moving == nil {
		return text, nil
	}
	var r struct{ Value, Moving map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return "", err
	}
	if err := json.Unmarshal(moving, &r.Moving); err != nil {
		return "", err
	}
	maps.Copy(r.Value, r.Moving)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Value)) {
		out = append(out, fmt.Sprintf("%q:%s", name, r.Value[name]))
	}
	if !strings.HasPrefix(text, `{"id":`) { // it is no bare link any more
		text = fmt.Sprintf(`{"id":%s,"value":`, r.Value["id"])
	}
	return text[:strings.Index(text, `"value":`)] + `"value":{` + strings.Join(out, ",") + "}}", nil
}

// sum: FORMAT.md, "Digests". Each line has its parent before it.
func (s *stranger) sum(typ string, lines []string) (*big.Int, error) {
	key, err := hkdf.Key(sha256.New, s.digest, nil, "imago/1\x00digest\x00"+s.account+"\x00record", 32)
	if err != nil {
		return nil, err
	}
	sum := new(big.Int)
	for _, line := range lines {
		mac := hmac.New(sha256.New, key)
		if _, err := mac.Write([]byte(typ + "\n" + line)); err != nil {
			return nil, err
		}
		sum.Add(sum, new(big.Int).SetBytes(mac.Sum(nil)))
	}
	return sum.Mod(sum, modulus()), nil
}

func modulus() *big.Int { return new(big.Int).Lsh(big.NewInt(1), 256) }
