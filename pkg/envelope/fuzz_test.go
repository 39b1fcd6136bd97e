package envelope_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"imago/pkg/account"
	"imago/pkg/envelope"
)

// plainly is a key service that wraps nothing, so that a test words what is wrapped.
type plainly struct{}

func (plainly) Name() string { return "plainly" }
func (plainly) Wrap(_ context.Context, _ account.ID, plain []byte) ([]byte, error) {
	return plain, nil
}
func (plainly) Unwrap(_ context.Context, _ account.ID, wrapped []byte) ([]byte, error) {
	return wrapped, nil
}

// FuzzKeyringText words the text of a keyring, which is sealed as it should be: what opens
// has rising versions, seals under its last one or the one before, and wraps again.
func FuzzKeyringText(f *testing.F) {
	two := make([]byte, 32+2*36)
	two[35], two[71] = 1, 2
	f.Add(uint32(2), two)
	f.Add(uint32(1), two)
	f.Add(uint32(3), two)
	f.Add(uint32(1), append(slices.Clone(two), 0, 0, 0, 9))
	f.Add(uint32(0), two[:32+36])
	f.Fuzz(func(t *testing.T, current uint32, text []byte) {
		k, err := envelope.OpenKeyring(t.Context(), plainly{}, alice, stored(t, current, text))
		if err != nil {
			return
		}
		versions := k.Versions()
		last := versions[max(0, len(versions)-2):]
		if len(text) != 32+36*len(versions) || versions[0] == 0 || k.Current() != current || !slices.Contains(last, current) {
			t.Errorf("%d of %v, out of %d bytes", k.Current(), versions, len(text))
		}
		again, err := k.Rewrap(t.Context(), plainly{})
		if err != nil || again.Current() != current || !slices.Equal(again.Versions(), versions) {
			t.Errorf("wrapped again: %v, %v", again, err)
		}
	})
}

// stored seals a text as FORMAT.md says, under a key of zeros.
func stored(t *testing.T, current uint32, text []byte) []byte {
	t.Helper()
	key := make([]byte, 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	about := fmt.Appendf(nil, "imago/2/keyring\x00%s\x00%d\x00%d\x00%s", alice, current, 1, "plainly")
	out, err := json.Marshal(map[string]any{
		"format": 2, "account": alice, "current": current, "wrapping": 1, "by": "plainly", "key": key,
		"keys": aead.Seal(nil, make([]byte, 12), text, about),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
