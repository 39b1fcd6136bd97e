package org

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Key is a key with which the org signs for an app. The simulator signs nothing: modulus
// and certificate follow from the key's id, so that they are always the same.
type Key struct {
	Kid         string `json:"kid"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	Expires     Stamp  `json:"expiresAt"`
	// Made is when the key itself came to be, if not with the app's use of it.
	Made Stamp `json:"made,omitempty"`
	// Chain is the certificate that an authority has issued for the key, in base64; nil
	// for one that the key has signed itself.
	Chain []string `json:"x5c,omitempty"`
	// Adopted is the key as another org has shown it.
	Adopted doc.Doc `json:"adopted,omitempty"`
}

// keyYears is how long Okta's own keys are valid (recorded).
const keyYears = 10

// firstKeys are those of a new app: SAML apps have one of their own, and those of the
// network the org's beside it; all others sign with the org's key (recorded).
func (o *Org) firstKeys(a *App) {
	own := a.SignOnMode == SAML2
	if a.SignOnMode == OpenIDConnect || a.SignOnMode == SAML1 || a.SignOnMode == WSFed || own && !a.own() {
		a.Keys = append(a.Keys, &Key{
			Kid: o.info.SigningKid, Created: a.Created, LastUpdated: a.Created, Made: o.info.Created,
			Expires: StampOf(o.info.Created.Time().AddDate(keyYears, 0, 0)), Adopted: o.info.SigningKey,
		})
	}
	if own {
		o.addKey(a, keyYears)
	}
}

// kidAfter is the id of the key that an org makes beside another one.
func kidAfter(kid string) string {
	sum := sha256.Sum256([]byte("after " + kid))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (o *Org) addKey(a *App, years int) *Key {
	now := o.stamp()
	k := &Key{Kid: o.ids.Secret(43), Created: now, LastUpdated: now, Expires: StampOf(now.Time().AddDate(years, 0, 0))}
	a.Keys = append(a.Keys, k)
	return k
}

func (a *App) key(kid string) *Key {
	i := slices.IndexFunc(a.Keys, func(k *Key) bool { return k.Kid == kid })
	if i < 0 || kid == "" {
		return nil
	}
	return a.Keys[i]
}

// KeyOf finds a key of the app.
func (a *App) KeyOf(kid string) (*Key, error) {
	if k := a.key(kid); k != nil {
		return k, nil
	}
	return nil, failure.NotFound(kid, "ClientApplicationKey")
}

// SigningKey is the key with which the org signs for the app now; nil if it does not.
func (a *App) SigningKey() *Key { return a.key(doc.String(a.Body, "credentials", "signing", "kid")) }

// GenerateKey makes a key that is valid for 2 to 10 years.
func (o *Org) GenerateKey(by *Cause, a *App, years int) (*Key, error) {
	if years < 2 || years > keyYears {
		return nil, failure.Invalid("validityYears", "validityYears: The value must be between 2 and 10")
	}
	k := o.addKey(a, years)
	o.Note(by, "application.lifecycle.update", nil, a.Party())
	return k, nil
}

// CloneKey gives another app the same key.
func (o *Org) CloneKey(by *Cause, k *Key, to *App) (*Key, error) {
	if to.key(k.Kid) != nil {
		return nil, failure.Invalid("cloneKey", "Key already exists in the list of key credentials for the target app.")
	}
	c := *k
	c.Created = o.stamp()
	c.LastUpdated = c.Created
	to.Keys = append(to.Keys, &c)
	o.Note(by, "application.lifecycle.update", nil, to.Party())
	return &c, nil
}

// KeyBody is the key as Okta shows it.
func (o *Org) KeyBody(k *Key) (doc.Doc, error) {
	if k.Adopted != nil {
		return doc.Merge(k.Adopted, doc.Doc{"created": k.Created.String(), "lastUpdated": k.LastUpdated.String()}), nil
	}
	chain, err := o.chain(k)
	if err != nil {
		return nil, err
	}
	der, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	digest := sha256.Sum256(der)
	return doc.Doc{
		"kid": k.Kid, "kty": "RSA", "use": "sig", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(modulus(k.Kid).Bytes()),
		"created": k.Created, "lastUpdated": k.LastUpdated, "expiresAt": k.Expires,
		"x5c": doc.Array(chain...), "x5t#S256": base64.RawURLEncoding.EncodeToString(digest[:]),
	}, nil
}

// Certificate is the key's certificate in base64.
func (o *Org) Certificate(k *Key) (string, error) {
	if chain := doc.Strings(k.Adopted, "x5c"); len(chain) > 0 {
		return chain[0], nil
	}
	chain, err := o.chain(k)
	if err != nil {
		return "", err
	}
	return chain[0], nil
}

func (o *Org) chain(k *Key) ([]string, error) {
	if len(k.Chain) > 0 {
		return k.Chain, nil
	}
	der, err := selfSigned(k.Kid, o.info.Subdomain, cmp.Or(k.Made, k.Created).Time(), k.Expires.Time())
	if err != nil {
		return nil, err
	}
	return []string{base64.StdEncoding.EncodeToString(der)}, nil
}
