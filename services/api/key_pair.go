package api

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// keyBits is the size of a service app's key: what Okta's own pages use, and enough
// for signatures until 2030 (NIST SP 800-57, 112 bits).
const keyBits = 2048

// keyPair is a service app's key. RS256, because every org takes it.
type keyPair struct {
	id      string // the key's thumbprint (RFC 7638)
	public  []byte // JSON Web Key
	private []byte // PKCS#8 PEM: to be sealed at once
}

func newKeyPair() (keyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return keyPair{}, fmt.Errorf("make key pair: %w", err)
	}
	jwk := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	print, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return keyPair{}, fmt.Errorf("name key pair: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(print)
	public, err := jwk.MarshalJSON()
	if err != nil {
		return keyPair{}, fmt.Errorf("write public key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return keyPair{}, fmt.Errorf("write private key: %w", err)
	}
	return keyPair{jwk.KeyID, public, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}, nil
}
