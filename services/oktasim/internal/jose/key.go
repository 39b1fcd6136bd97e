package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// PublicKey reads a public key in JWK form (RFC 7517): RSA, or one of the curves P-256,
// P-384 and P-521.
func PublicKey(jwk doc.Doc) (crypto.PublicKey, error) {
	switch doc.String(jwk, "kty") {
	case "RSA":
		return rsaKey(jwk)
	case "EC":
		return curveKey(jwk)
	}
	return nil, errors.New("unknown kty")
}

func rsaKey(jwk doc.Doc) (crypto.PublicKey, error) {
	n, err := number(jwk, "n")
	if err != nil {
		return nil, err
	}
	e, err := number(jwk, "e")
	if err != nil {
		return nil, err
	}
	if !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, errors.New("the exponent is too large")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func number(jwk doc.Doc, field string) (*big.Int, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(doc.String(jwk, field), "="))
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("field %s of the key is not base64url", field)
	}
	return new(big.Int).SetBytes(b), nil
}

// curveKey reads an elliptic key; without a name its curve is P-256, as Okta's key
// generator leaves it out.
func curveKey(jwk doc.Doc) (crypto.PublicKey, error) {
	curves := map[string]elliptic.Curve{"": elliptic.P256(), "P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve := curves[doc.String(jwk, "crv")]
	if curve == nil {
		return nil, errors.New("unknown curve")
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4}
	for _, field := range []string{"x", "y"} {
		v, err := number(jwk, field)
		if err != nil {
			return nil, err
		}
		if v.BitLen() > size*8 {
			return nil, errors.New("the point is not on the curve")
		}
		point = append(point, v.FillBytes(make([]byte, size))...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("read EC key: %w", err)
	}
	return key, nil
}

// members are what the thumbprint is made of, in order (RFC 7638, section 3.2).
var members = map[string][]string{"RSA": {"e", "kty", "n"}, "EC": {"crv", "kty", "x", "y"}}

// Thumbprint is the SHA-256 thumbprint of a key in base64url (RFC 7638).
func Thumbprint(jwk doc.Doc) string {
	var b strings.Builder
	for i, m := range members[doc.String(jwk, "kty")] {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + `"` + m + `":`)
		b.WriteString(quoted(doc.String(jwk, m)))
	}
	b.WriteByte('}')
	return Hash(b.String())
}

// quoted writes a text as JSON; texts always can be.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// Hash is the SHA-256 hash of a text in base64url, as claims like ath have it.
func Hash(text string) string {
	return base64.RawURLEncoding.EncodeToString(digest(crypto.SHA256, text))
}

// private are the fields of a JWK that only its owner may have (RFC 7518, section 6).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// IsPublic says whether a JWK holds a public key and nothing else.
func IsPublic(jwk doc.Doc) bool {
	for _, field := range private {
		if _, there := jwk[field]; there {
			return false
		}
	}
	return true
}
