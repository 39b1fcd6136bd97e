package api

import (
	"net/http"
	"strconv"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// appKeyOperations are the credentials of apps: keys that Okta signs with, requests for
// certificates, and the secrets and public keys of clients.
func appKeyOperations() []operation {
	const read, manage = "okta.apps.read", "okta.apps.manage"
	at := func(method, path string, area org.Area, run func(*call) error) operation {
		scope := read
		if method != http.MethodGet {
			scope = manage
		}
		return operation{
			method: method, path: "/api/v1/apps/{appId}/credentials" + path, scope: scope, area: area, write: method != http.MethodGet, run: run,
		}
	}
	secrets := at("GET", "/secrets", org.AreaSecrets, listSecrets)
	secret := at("GET", "/secrets/{secretId}", org.AreaSecrets, showSecret)
	secrets.notes, secret.notes = true, true
	return []operation{
		at("GET", "/keys", org.AreaApps, listAppKeys),
		at("POST", "/keys/generate", org.AreaApps, generateAppKey),
		at("GET", "/keys/{keyId}", org.AreaApps, showAppKey),
		at("POST", "/keys/{keyId}/clone", org.AreaApps, cloneAppKey),
		at("POST", "/csrs/{csrId}/lifecycle/publish", org.AreaApps, publishCSR),
		secrets, secret,
		at("POST", "/secrets", org.AreaSecrets, createSecret),
		at("DELETE", "/secrets/{secretId}", org.AreaSecrets, deleteSecret),
		at("POST", "/secrets/{secretId}/lifecycle/{operation}", org.AreaSecrets, switchSecret),
		at("GET", "/jwks", org.AreaApps, listClientKeys),
		at("POST", "/jwks", org.AreaApps, createClientKey),
		at("GET", "/jwks/{keyId}", org.AreaApps, showClientKey),
		at("DELETE", "/jwks/{keyId}", org.AreaApps, deleteClientKey),
		at("POST", "/jwks/{keyId}/lifecycle/{operation}", org.AreaApps, switchClientKey),
	}
}

func listAppKeys(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	items := []any{}
	for _, k := range a.Keys {
		body, err := c.org.KeyBody(k)
		if err != nil {
			return err
		}
		items = append(items, body)
	}
	return c.array(items)
}

// appKey finds the app and the key in the path.
func (c *call) appKey() (*org.App, *org.Key, error) {
	a, err := c.app()
	if err != nil {
		return nil, nil, err
	}
	k, err := a.KeyOf(c.params["keyId"])
	return a, k, err
}

func showAppKey(c *call) error {
	_, k, err := c.appKey()
	if err != nil {
		return err
	}
	return c.show(c.org.KeyBody(k))
}

// made answers 201 with the key.
func (c *call) made(k *org.Key, err error) error {
	if err != nil {
		return err
	}
	body, err := c.org.KeyBody(k)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, body)
}

func generateAppKey(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	years, err := strconv.Atoi(c.query.Get("validityYears"))
	if err != nil {
		years = 0
	}
	return c.made(c.org.GenerateKey(c.cause(), a, years))
}

func cloneAppKey(c *call) error {
	_, k, err := c.appKey()
	if err != nil {
		return err
	}
	target := c.query.Get("targetAid")
	if target == "" {
		return failure.Missing("targetAid")
	}
	to, err := c.org.App(target)
	if err != nil {
		return err
	}
	return c.made(c.org.CloneKey(c.cause(), k, to))
}

func publishCSR(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	request, err := c.org.FindObject(org.KindNamed(org.CSRKind), []string{a.ID, c.params["csrId"]})
	if err != nil {
		return err
	}
	return c.made(c.org.PublishCSR(c.cause(), a, request, c.body))
}

func listSecrets(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	items := []any{}
	for _, s := range a.Secrets {
		items = append(items, c.org.SecretBody(a, s))
	}
	c.org.NoteSecretsRead(c.cause(), a)
	return c.array(items)
}

// secret finds the app and the secret in the path.
func (c *call) secret() (*org.App, *org.Secret, error) {
	a, err := c.app()
	if err != nil {
		return nil, nil, err
	}
	s, err := a.SecretOf(c.params["secretId"])
	return a, s, err
}

func showSecret(c *call) error {
	a, s, err := c.secret()
	if err != nil {
		return err
	}
	c.org.NoteSecretsRead(c.cause(), a)
	return c.show(c.org.SecretBody(a, s), nil)
}

func createSecret(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.optional()
	if err != nil {
		return err
	}
	s, err := c.org.AddSecret(c.cause(), a, body)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.org.SecretBody(a, s))
}

func deleteSecret(c *call) error {
	a, s, err := c.secret()
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteSecret(c.cause(), a, s))
}

// switched says whether the operation in the path activates.
func (c *call) switched() (bool, error) {
	switch c.params["operation"] {
	case "activate":
		return true, nil
	case "deactivate":
		return false, nil
	}
	return false, failure.NoPath()
}

func switchSecret(c *call) error {
	a, s, err := c.secret()
	if err != nil {
		return err
	}
	on, err := c.switched()
	if err != nil {
		return err
	}
	if err := c.org.SwitchSecret(c.cause(), a, s, on); err != nil {
		return err
	}
	return c.show(c.org.SecretBody(a, s), nil)
}

func listClientKeys(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(doc.Doc{"keys": c.org.ClientKeys(a)}, nil)
}

// clientKey finds the app and the client's public key in the path.
func (c *call) clientKey() (*org.App, doc.Doc, error) {
	a, err := c.app()
	if err != nil {
		return nil, nil, err
	}
	k, err := a.ClientKeyOf(c.params["keyId"])
	return a, k, err
}

func showClientKey(c *call) error {
	a, k, err := c.clientKey()
	if err != nil {
		return err
	}
	return c.show(c.org.ClientKeyBody(a, k), nil)
}

func createClientKey(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	k, err := c.org.AddClientKey(c.cause(), a, body)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.org.ClientKeyBody(a, k))
}

func deleteClientKey(c *call) error {
	a, k, err := c.clientKey()
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteClientKey(c.cause(), a, k))
}

func switchClientKey(c *call) error {
	a, k, err := c.clientKey()
	if err != nil {
		return err
	}
	on, err := c.switched()
	if err != nil {
		return err
	}
	c.org.SwitchClientKey(c.cause(), a, k, on)
	return c.show(c.org.ClientKeyBody(a, k), nil)
}
