package envelopetest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// shown is how much of a form of a secret is found, in characters: fewer could stand in a
// text by chance.
const shown = 8

// Shows reports whether a text has a part of a secret: as it is, in hexadecimal, or in
// base64 of either alphabet, wherever in what was encoded the secret began.
func Shows(text string, secret []byte) bool {
	lower := strings.ToLower(text)
	if has(text, string(secret)) || has(lower, hex.EncodeToString(secret)) {
		return true
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			form := enc.EncodeToString(append(bytes.Repeat([]byte{0}, before), secret...))
			if has(text, inner(form, before)) {
				return true
			}
		}
	}
	return false
}

// inner is the part of a base64 form to which neither what stands before the secret, in
// bytes, nor what may follow it contributes.
func inner(form string, before int) string { return form[(before*8+5)/6 : len(form)-1] }

// has reports whether a text has a part of a form.
func has(text, form string) bool {
	for i := 0; i+shown <= len(form); i++ {
		if strings.Contains(text, form[i:i+shown]) {
			return true
		}
	}
	return false
}
