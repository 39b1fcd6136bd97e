package control

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// createServiceApp makes an OAuth service app with grants and a role in one step, and
// the key pair too unless the caller brings a key set.
func (s *Server) createServiceApp(r *http.Request) (any, error) {
	var body struct {
		Label  string   `json:"label"`
		Scopes []string `json:"scopes"`
		Role   string   `json:"role"`
		Keys   []any    `json:"keys"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if err := errors.Join(checkRole(body.Role), checkScopes(body.Scopes)); err != nil {
		return nil, err
	}
	out := doc.Doc{}
	if len(body.Keys) == 0 {
		key, private, err := newKey()
		if err != nil {
			return nil, err
		}
		body.Keys, out["privateKey"], out["kid"] = []any{key}, private, key["kid"]
	}
	err := s.host.Org.Update(func() error {
		o := s.host.Org
		a, err := o.CreateApp(nil, serviceApp(body.Label, body.Keys), true)
		if err != nil {
			return err
		}
		if err := s.grant(a, body.Scopes); err != nil {
			return err
		}
		if err := s.giveRole(a.ClientID(), body.Role); err != nil {
			return err
		}
		out["id"], out["clientId"] = a.ID, a.ClientID()
		return nil
	})
	return out, err
}

func serviceApp(label string, keys []any) doc.Doc {
	return doc.Doc{
		"name": "oidc_client", "label": label, "signOnMode": org.OpenIDConnect,
		"credentials": doc.Doc{"oauthClient": doc.Doc{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": doc.Doc{"oauthClient": doc.Doc{
			"application_type": "service", "grant_types": doc.Array("client_credentials"), "response_types": doc.Array("token"),
			"jwks": doc.Doc{"keys": keys},
		}},
	}
}

// newKey makes an RSA key pair: the public half as a JWK, the private as PKCS#8 PEM.
func newKey() (doc.Doc, string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", fmt.Errorf("write the key: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	n := key.N.Bytes()
	return doc.Doc{
		"kty": "RSA", "kid": encode(n[:12]), "alg": "RS256", "use": "sig", "e": encode(big.NewInt(int64(key.E)).Bytes()), "n": encode(n),
	}, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}
