package snapshot_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

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
	Account  string
	Snapshot string
	Objects  map[string][]byte
	Records  map[string][]string
	Digests  map[string]string
	Invalid  map[string]struct{ Objects map[string][]byte }
}

type strangersManifest struct {
	Types []struct {
		Type, Digest string
		Objects      int
	}
	Segments []struct {
		Name, Type, SHA256, Digest string
		Objects, Bytes, Plain      int
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors/repository.json")
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
	read := func(objects map[string][]byte) (map[string][]string, map[string]string, error) {
		s := &stranger{account: v.Account, objects: objects, unpack: unpack}
		if err := s.keyring(v.MasterKeys.Keys[0].Version, v.MasterKeys.Keys[0].Key); err != nil {
			return nil, nil, err
		}
		return s.snapshot(v.Snapshot)
	}
	records, digests, err := read(v.Objects)
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range v.Records {
		if !slices.Equal(records[typ], want) {
			t.Errorf("%s: %q, want %q", typ, records[typ], want)
		}
		if digests[typ] != v.Digests[typ] {
			t.Errorf("%s: digest %s, want %s", typ, digests[typ], v.Digests[typ])
		}
	}
	for name, bad := range v.Invalid {
		objects := map[string][]byte{}
		for key, data := range v.Objects {
			objects[key] = data
		}
		for key, data := range bad.Objects {
			objects[key] = data
		}
		if _, _, err := read(objects); err == nil {
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
		Format  int
		Account string
		Keys    []byte
	}
	if err := json.Unmarshal(s.objects["users/"+s.account+"/keyring"], &w); err != nil {
		return err
	}
	if w.Format != 1 || w.Account != s.account || len(w.Keys) < 16 || binary.BigEndian.Uint32(w.Keys) != version {
		return fmt.Errorf("keyring is not ours")
	}
	aead, err := gcm(master)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, w.Keys[4:16], w.Keys[16:], []byte("imago/1/wrap\x00"+s.account))
	if err != nil {
		return err
	}
	s.digest, s.keys = plain[:32], map[uint32][]byte{}
	for rest := plain[32:]; len(rest) >= 36; rest = rest[36:] {
		s.keys[binary.BigEndian.Uint32(rest)] = rest[4:36]
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

// snapshot: FORMAT.md, "Reading".
func (s *stranger) snapshot(prefix string) (records map[string][]string, digests map[string]string, err error) {
	manifest, err := s.open(prefix+"/manifest", "manifest")
	if err != nil {
		return nil, nil, err
	}
	var m strangersManifest
	if err := json.Unmarshal(bytes.Join(manifest, nil), &m); err != nil {
		return nil, nil, err
	}
	records, digests = map[string][]string{}, map[string]string{}
	sums := map[string]*big.Int{}
	for _, g := range m.Segments {
		key := path.Join(prefix, g.Name)
		if sum := sha256.Sum256(s.objects[key]); hex.EncodeToString(sum[:]) != g.SHA256 || len(s.objects[key]) != g.Bytes {
			return nil, nil, fmt.Errorf("%s: not as the manifest says", key)
		}
		chunks, err := s.open(key, "segment")
		if err != nil {
			return nil, nil, err
		}
		lines := strings.Split(strings.TrimSuffix(string(bytes.Join(chunks, nil)), "\n"), "\n")
		sum, err := s.sum(g.Type, lines)
		if err != nil {
			return nil, nil, err
		}
		if len(lines) != g.Objects || fmt.Sprintf("%064x", sum) != g.Digest {
			return nil, nil, fmt.Errorf("%s: other records", key)
		}
		records[g.Type] = append(records[g.Type], lines...)
		if sums[g.Type] == nil {
			sums[g.Type] = new(big.Int)
		}
		sums[g.Type].Add(sums[g.Type], sum)
	}
	for _, typ := range m.Types {
		sum := sums[typ.Type]
		if sum == nil {
			sum = new(big.Int)
		}
		digests[typ.Type] = fmt.Sprintf("%064x", sum.Mod(sum, modulus()))
		if digests[typ.Type] != typ.Digest || len(records[typ.Type]) != typ.Objects {
			return nil, nil, fmt.Errorf("%s: other state", typ.Type)
		}
		slices.SortFunc(records[typ.Type], byKey)
	}
	return records, digests, nil
}

// sum: FORMAT.md, "Digests".
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

// byKey orders records by parent, then id.
func byKey(a, b string) int {
	var x, y struct{ ID, Parent string }
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return 0 // the records are compared with the vectors afterwards
	}
	return strings.Compare(x.Parent+"\x00"+x.ID, y.Parent+"\x00"+y.ID)
}
