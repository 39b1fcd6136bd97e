package api

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms below
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// assertion is a client assertion before it is believed.
type assertion struct {
	alg, kid  string
	claims    claims
	signed    string
	signature []byte
}

type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	Issued   int64    `json:"iat"`
	ID       string   `json:"jti"`
}

// audience is one text or several (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("read aud: %w", err)
	}
	*a = many
	return nil
}

// parseAssertion takes a compact JWT apart.
func parseAssertion(text string) (*assertion, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a compact JWT")
	}
	var head struct{ Alg, Kid string }
	t := &assertion{signed: parts[0] + "." + parts[1]}
	if err := decodePart(parts[0], &head); err != nil {
		return nil, err
	}
	if err := decodePart(parts[1], &t.claims); err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("decode signature: %w", err)
	}
	t.alg, t.kid, t.signature = head.Alg, head.Kid, signature
	return t, nil
}

func decodePart(part string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return fmt.Errorf("decode JWT: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decode JWT: %w", err)
	}
	return nil
}

// key finds the app's active public key that the assertion names; without a name only
// a single key will do (documented).
func (t *assertion) key(a *org.App) (crypto.PublicKey, error) {
	keys, ok := doc.Get(a.Body, "settings", "oauthClient", "jwks", "keys").([]any)
	if !ok {
		return nil, errors.New("the app has no keys")
	}
	var active []doc.Doc
	for _, k := range keys {
		key, ok := k.(doc.Doc)
		if ok && doc.String(key, "status") == org.Active && (t.kid == "" || doc.String(key, "kid") == t.kid) {
			active = append(active, key)
		}
	}
	if len(active) != 1 {
		return nil, errors.New("no single key matches")
	}
	return publicKey(active[0])
}

func publicKey(jwk doc.Doc) (crypto.PublicKey, error) {
	number := func(field string) (*big.Int, error) {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(doc.String(jwk, field), "="))
		if err != nil || len(b) == 0 {
			return nil, fmt.Errorf("field %s of the key is not base64url", field)
		}
		return new(big.Int).SetBytes(b), nil
	}
	switch doc.String(jwk, "kty") {
	case "RSA":
		n, err := number("n")
		if err != nil {
			return nil, err
		}
		e, err := number("e")
		if err != nil {
			return nil, err
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case "EC":
		x, err := number("x")
		if err != nil {
			return nil, err
		}
		y, err := number("y")
		if err != nil {
			return nil, err
		}
		return ecKey(doc.String(jwk, "crv"), x, y)
	}
	return nil, errors.New("unknown kty")
}

func ecKey(name string, x, y *big.Int) (crypto.PublicKey, error) {
	curves := map[string]elliptic.Curve{"": elliptic.P256(), "P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve := curves[name]
	if curve == nil {
		return nil, errors.New("unknown curve")
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x.Bytes()) > size || len(y.Bytes()) > size {
		return nil, errors.New("the point is not on the curve")
	}
	point := append([]byte{4}, x.FillBytes(make([]byte, size))...)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(point, y.FillBytes(make([]byte, size))...))
	if err != nil {
		return nil, fmt.Errorf("read EC key: %w", err)
	}
	return key, nil
}

// hashes are those of the algorithms that Okta accepts: RS and ES, 256 to 512.
var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// verify checks the signature.
func (t *assertion) verify(key crypto.PublicKey) error {
	if len(t.alg) != 5 {
		return errors.New("unknown algorithm")
	}
	hash, ok := hashes[t.alg[2:]]
	if !ok {
		return errors.New("unknown algorithm")
	}
	h := hash.New()
	if _, err := h.Write([]byte(t.signed)); err != nil {
		return fmt.Errorf("hash: %w", err)
	}
	sum := h.Sum(nil)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if t.alg[:2] != "RS" {
			return errors.New("the key is for RS algorithms")
		}
		return rsa.VerifyPKCS1v15(k, hash, sum, t.signature)
	case *ecdsa.PublicKey:
		half := len(t.signature) / 2
		r, s := new(big.Int).SetBytes(t.signature[:half]), new(big.Int).SetBytes(t.signature[half:])
		if t.alg[:2] != "ES" || !ecdsa.Verify(k, sum, r, s) {
			return errors.New("the signature does not match")
		}
		return nil
	}
	return errors.New("unknown key")
}

// signer signs access tokens with the org's key, made when first needed.
type signer struct {
	once sync.Once
	key  *rsa.PrivateKey
	err  error
}

func (s *signer) load() (*rsa.PrivateKey, error) {
	s.once.Do(func() { s.key, s.err = rsa.GenerateKey(rand.Reader, 2048) })
	return s.key, s.err
}

const signerKid = "oktasim-signing-key"

func (s *signer) sign(claims map[string]any) (string, error) {
	key, err := s.load()
	if err != nil {
		return "", fmt.Errorf("make signing key: %w", err)
	}
	return signed(key, signerKid, claims)
}

// signed is the compact JWT of the claims (RFC 7515, RS256).
func signed(key *rsa.PrivateKey, kid string, claims map[string]any) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": "RS256", "kid": kid})
	if err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	h := crypto.SHA256.New()
	if _, err := h.Write([]byte(text)); err != nil {
		return "", fmt.Errorf("hash: %w", err)
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, h.Sum(nil))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// public is the key set at /oauth2/v1/keys.
func (s *signer) public() (any, error) {
	key, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return doc.Doc{"keys": []any{doc.Doc{
		"kty": "RSA", "alg": "RS256", "kid": signerKid, "use": "sig",
		"e": encode(big.NewInt(int64(key.E)).Bytes()), "n": encode(key.N.Bytes()),
	}}}, nil
}
