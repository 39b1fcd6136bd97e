// Package jose reads, checks and signs JSON Web Tokens in compact form (RFC 7515, RFC
// 7519) with the algorithms that Okta takes: RS, ES and, for shared secrets, HS, each with
// 256, 384 and 512. It promises to believe nothing before Verify: what a token says of
// its own key and algorithm is only compared.
package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms below
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// Token is a token as read.
type Token struct {
	Head      Head
	payload   []byte
	signed    string
	signature []byte
}

// Head is the header of a token. Key is nil unless it brings a key of its own.
type Head struct {
	Type      string  `json:"typ"`
	Algorithm string  `json:"alg"`
	KeyID     string  `json:"kid"`
	Key       doc.Doc `json:"jwk"`
}

// Audience is one text or several (RFC 7519, section 4.1.3).
type Audience []string

// UnmarshalJSON reads either form.
func (a *Audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = Audience{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("read aud: %w", err)
	}
	*a = many
	return nil
}

// Date is a point in time in seconds, which may have a fraction (RFC 7519, section 2).
type Date float64

// Time is the date as a time; a missing one is the zero time.
func (d *Date) Time() time.Time {
	if d == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(float64(*d) * 1000)).UTC()
}

// Parse takes a token apart. Its signature is not checked yet.
func Parse(text string) (*Token, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a compact JWT")
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(p)
		if err != nil {
			return nil, fmt.Errorf("decode JWT: %w", err)
		}
		raw[i] = b
	}
	t := &Token{payload: raw[1], signed: parts[0] + "." + parts[1], signature: raw[2]}
	if err := json.Unmarshal(raw[0], &t.Head); err != nil {
		return nil, fmt.Errorf("read JWT header: %w", err)
	}
	return t, nil
}

// Claims reads the payload.
func (t *Token) Claims(into any) error {
	if err := json.Unmarshal(t.payload, into); err != nil {
		return fmt.Errorf("read JWT claims: %w", err)
	}
	return nil
}

// hashes are those of the algorithms by the end of their names.
var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// errAlgorithm says that the token's algorithm is not one for the key.
var errAlgorithm = errors.New("the algorithm is not one for the key")

// Verify checks the signature by an RSA or elliptic public key, or by a shared secret.
func (t *Token) Verify(key any) error {
	alg := t.Head.Algorithm
	if len(alg) != 5 || !hashes[alg[2:]].Available() {
		return errAlgorithm
	}
	hash := hashes[alg[2:]]
	switch k := key.(type) {
	case *rsa.PublicKey:
		if alg[:2] == "RS" {
			return rsa.VerifyPKCS1v15(k, hash, digest(hash, t.signed), t.signature)
		}
	case *ecdsa.PublicKey:
		if alg[:2] == "ES" {
			return t.verifyCurve(k, hash)
		}
	case []byte:
		if alg[:2] == "HS" {
			return t.verifySecret(k, hash)
		}
	}
	return errAlgorithm
}

// curveBits are the curves of the hashes (RFC 7518, section 3.4): each has its own.
var curveBits = map[crypto.Hash]int{crypto.SHA256: 256, crypto.SHA384: 384, crypto.SHA512: 521}

func (t *Token) verifyCurve(k *ecdsa.PublicKey, hash crypto.Hash) error {
	bits := k.Curve.Params().BitSize
	size := (bits + 7) / 8
	if curveBits[hash] != bits || len(t.signature) != 2*size {
		return errAlgorithm
	}
	r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
	if !ecdsa.Verify(k, digest(hash, t.signed), r, s) {
		return errors.New("the signature does not match")
	}
	return nil
}

func (t *Token) verifySecret(secret []byte, hash crypto.Hash) error {
	mac := hmac.New(hash.New, secret)
	mac.Write([]byte(t.signed))
	if !hmac.Equal(mac.Sum(nil), t.signature) {
		return errors.New("the signature does not match")
	}
	return nil
}

func digest(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}
