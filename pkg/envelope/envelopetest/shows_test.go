package envelopetest_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"imago/pkg/envelope/envelopetest"
)

func TestShows(t *testing.T) {
	t.Parallel()
	secret := []byte("\xfb\xff\xfea secret")
	for before := range 4 {
		for after := range 4 {
			whole := append([]byte(strings.Repeat("<", before)), secret...)
			whole = append(whole, strings.Repeat(">", after)...)
			for name, form := range map[string]string{
				"raw": string(whole), "hex": hex.EncodeToString(whole), "HEX": fmt.Sprintf("%X", whole),
				"base64": base64.StdEncoding.EncodeToString(whole), "base64url": base64.RawURLEncoding.EncodeToString(whole),
			} {
				if !envelopetest.Shows("wrap "+form+": refused", secret) {
					t.Errorf("%s with %d bytes before and %d after is not found", name, before, after)
				}
				if short := form[:len(form)-2]; after == 0 && !envelopetest.Shows(short, secret) {
					t.Errorf("%s with %d bytes before and cut short is not found", name, before)
				}
			}
		}
	}
	for _, text := range []string{"", "the secret cannot be told", base64.StdEncoding.EncodeToString([]byte("another text, as long"))} {
		if envelopetest.Shows(text, secret) {
			t.Errorf("%q shows it", text)
		}
	}
}
