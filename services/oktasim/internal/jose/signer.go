package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"

	"imago/services/oktasim/internal/doc"
)

// Signer signs tokens with a key that is made when first needed. It is safe for
// concurrent use.
type Signer struct {
	once sync.Once
	key  *rsa.PrivateKey
	err  error
}

func (s *Signer) load() (*rsa.PrivateKey, error) {
	s.once.Do(func() {
		if s.key, s.err = rsa.GenerateKey(rand.Reader, 2048); s.err != nil {
			s.err = fmt.Errorf("make signing key: %w", s.err)
		}
	})
	return s.key, s.err
}

const signerKid = "oktasim-signing-key"

// Sign makes a token of the claims.
func (s *Signer) Sign(claims map[string]any) (string, error) {
	key, err := s.load()
	if err != nil {
		return "", err
	}
	return Sign(key, signerKid, claims)
}

// Sign makes a token of the claims with RS256 and a key that it names.
func Sign(key *rsa.PrivateKey, kid string, claims map[string]any) (string, error) {
	text := ""
	for _, part := range []any{map[string]string{"kid": kid, "alg": "RS256"}, claims} {
		b, err := json.Marshal(part)
		if err != nil {
			return "", fmt.Errorf("write token: %w", err)
		}
		text += base64.RawURLEncoding.EncodeToString(b) + "."
	}
	text = text[:len(text)-1]
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest(crypto.SHA256, text))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// Public is the key set by which the tokens can be checked.
func (s *Signer) Public() (any, error) {
	key, err := s.load()
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return doc.Doc{"keys": []any{doc.Doc{
		"kty": "RSA", "alg": "RS256", "kid": signerKid, "use": "sig",
		"e": encode(big.NewInt(int64(key.E)).Bytes()), "n": encode(key.N.Bytes()),
	}}}, nil
}
