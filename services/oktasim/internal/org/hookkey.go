package org

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"

	"imago/services/oktasim/internal/doc"
)

// hookKeyKinds are the keys with which inline hooks get their tokens. Single writes embed
// the public half (recorded).
func hookKeyKinds() []Kind {
	return []Kind{{
		Name: "hook_keys", Path: "/api/v1/hook-keys/{id}", Prefix: "HKY", Class: "HookKey",
		Scope: "okta.inlineHooks", Area: AreaInlineHooks,
		Verbs:  crud(200),
		Stamps: dated, Once: []string{"_embedded"},
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "keyId", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.ids.UUID() }},
			{Path: "isUsed", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "privateKey", Mode: WriteOnly},
		},
		Fill: generateHookKey,
		Show: func(v *View) {
			if v.Verb == create || v.Verb == replace {
				v.Body["_embedded"] = v.Object.publicHalf()
			}
		},
	}}
}

// hookKeyBits is the length of RSA keys that Okta makes (recorded).
const hookKeyBits = 2048

// generateHookKey makes the key pair of a new hook key.
func generateHookKey(c *Change) error {
	if c.Before != nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, hookKeyBits)
	if err != nil {
		return fmt.Errorf("make a hook key: %w", err)
	}
	c.Body["privateKey"] = base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key))
	return nil
}

// hookSecret is the private half of a hook key; an error for one that was adopted, of which
// nobody knows it.
func (x *Object) hookSecret() (*rsa.PrivateKey, error) {
	der, err := base64.StdEncoding.DecodeString(x.text("privateKey"))
	if err != nil {
		return nil, fmt.Errorf("read hook key: %w", err)
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read hook key: %w", err)
	}
	return key, nil
}

// HookKey finds the private half of the key with the id or the key id, and its key id.
func (o *Org) HookKey(id string) (*rsa.PrivateKey, string, error) {
	for _, x := range o.objectsIn(o.kinds.named("hook_keys"), "") {
		if kid := x.text("keyId"); x.ID == id || kid == id {
			key, err := x.hookSecret()
			return key, kid, err
		}
	}
	return nil, "", fmt.Errorf("there is no hook key %s", id)
}

// PublicHookKey is the public half of the hook key with the key id.
func (o *Org) PublicHookKey(kid string) (doc.Doc, error) {
	k := o.kinds.named("hook_keys")
	for _, x := range o.objectsIn(k, "") {
		if x.text("keyId") == kid {
			return x.publicHalf(), nil
		}
	}
	return nil, k.missing(kid)
}

// publicHalf is the public key as a JWK. That of an adopted key is made up.
func (x *Object) publicHalf() doc.Doc {
	kid, encode := x.text("keyId"), base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256([]byte(kid))
	n, e := modulus(encode(sum[:])), big.NewInt(65537)
	if key, err := x.hookSecret(); err == nil {
		n, e = key.N, big.NewInt(int64(key.E))
	}
	return doc.Doc{"kty": "RSA", "alg": "RSA", "kid": kid, "use": nil, "e": encode(e.Bytes()), "n": encode(n.Bytes())}
}
