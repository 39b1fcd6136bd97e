// Package keyservice opens the key service that a program's environment names: the same
// for every program of an installation.
package keyservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/awskms"
	"imago/pkg/envelope/local"
	"imago/pkg/envelope/vault"
	"imago/pkg/problem"
)

// Config says who wraps accounts' keyrings: a file of this machine, or a service.
type Config struct {
	Local string `env:"MASTER_KEYS" help:"file of the master keys that wrap accounts' keyrings, mode 0600; absent: AWS KMS or Vault wraps them"`
	Remote
}

// Remote are the services beside the file. With more than one way to wrap, keyrings move:
// the one that is used wraps, and all of them open what they have wrapped.
type Remote struct {
	Use   string `env:"KEY_SERVICE" help:"local (the file), aws-kms or vault: who wraps from now on, where keyrings move from one to another; absent: the only one that is given"`
	AWS   AWS    `envPrefix:"AWS_KMS_"`
	Vault Vault  `envPrefix:"VAULT_"`
}

// AWS is a key of AWS KMS.
type AWS struct {
	Key      string `env:"KEY" help:"ARN of the symmetric key of AWS KMS that wraps, as arn:aws:kms:eu-central-1:111122223333:key/…"`
	Endpoint string `env:"ENDPOINT" help:"URL of another endpoint than that of the key's region"`
	KeyID    string `env:"ACCESS_KEY_ID_FILE" help:"file with the ID of the access key; absent: the SDK's chain"`
	Secret   string `env:"SECRET_ACCESS_KEY_FILE" help:"file with the access key"`
}

// Vault is a key of the transit engine of HashiCorp Vault or OpenBao.
type Vault struct {
	Address    string `env:"ADDR" help:"address of the Vault or OpenBao that wraps, as https://vault.example.com:8200"`
	Key        string `env:"KEY" help:"its transit key, of type aes256-gcm96 or chacha20-poly1305"`
	Mount      string `env:"MOUNT" help:"where its transit engine is mounted; absent: transit"`
	Namespace  string `env:"NAMESPACE" help:"its namespace; absent: the root"`
	CA         string `env:"CA_FILE" help:"file of who signs its certificate, PEM; absent: whom the machine trusts"`
	Token      string `env:"TOKEN_FILE" help:"file with a token for it, read again when the token is over"`
	RoleID     string `env:"ROLE_ID" help:"instead: ID of an AppRole"`
	SecretID   string `env:"SECRET_ID_FILE" help:"file with the AppRole's secret ID"`
	Kubernetes string `env:"KUBERNETES_ROLE" help:"instead: role of the Kubernetes auth method"`
	JWT        string `env:"JWT_FILE" help:"file with the service account's token; absent: where Kubernetes mounts it"`
	Auth       string `env:"AUTH_MOUNT" help:"where the auth method is mounted; absent: approle or kubernetes"`
}

// The key services by the name that KEY_SERVICE has for them.
const (
	useLocal = "local"
	useAWS   = "aws-kms"
	useVault = "vault"
)

// Given reports whether there is a service.
func (r Remote) Given() bool { return r.AWS != (AWS{}) || r.Vault != (Vault{}) }

// Validate tells what is missing.
func (c Config) Validate() error {
	if c.Local == "" && !c.Given() {
		return errors.New("MASTER_KEYS: it is missing, as are AWS_KMS_KEY and VAULT_ADDR: give one, to wrap accounts' keyrings")
	}
	return c.check(c.Local != "")
}

// check tells what does not go together, with a file or without.
func (r Remote) check(file bool) error {
	var given []string
	for name, there := range map[string]bool{useLocal: file, useAWS: r.AWS != (AWS{}), useVault: r.Vault != (Vault{})} {
		if there {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	switch {
	case r.Use == "" && len(given) > 1:
		return fmt.Errorf("KEY_SERVICE: it is missing: which of %s wraps from now on?", strings.Join(given, " and "))
	case r.Use != "" && !slices.Contains(given, r.Use):
		return fmt.Errorf("KEY_SERVICE: %q is not given here; %s is", r.Use, strings.Join(given, " and "))
	}
	return nil
}

// Open opens the key service. It calls nobody: envelope.Check does.
func (c Config) Open(ctx context.Context) (envelope.KeyService, error) {
	if c.Local == "" {
		return c.With(ctx, nil)
	}
	file, err := local.Open(c.Local)
	if err != nil {
		return nil, err
	}
	return c.With(ctx, file)
}

// With opens the key service beside a file's; nil: there is none.
func (r Remote) With(ctx context.Context, file *local.KeyService) (envelope.KeyService, error) {
	if err := r.check(file != nil); err != nil {
		return nil, problem.New(problem.Invalid, "IMAGO_%v", err)
	}
	all := map[string]envelope.KeyService{}
	if file != nil {
		all[useLocal] = file
	}
	if err := r.open(ctx, all); err != nil {
		return nil, err
	}
	var m envelope.Moving
	for name, ks := range all {
		if r.Use == name || r.Use == "" {
			m.To = ks
		} else {
			m.From = append(m.From, ks)
		}
	}
	if len(m.From) == 0 {
		return m.To, nil
	}
	return m, nil
}

// open adds the services that are given.
func (r Remote) open(ctx context.Context, all map[string]envelope.KeyService) (err error) {
	if r.AWS != (AWS{}) {
		if all[useAWS], err = r.AWS.open(ctx); err != nil {
			return fmt.Errorf("AWS KMS: %w", err)
		}
	}
	if r.Vault != (Vault{}) {
		if all[useVault], err = r.Vault.open(); err != nil {
			return fmt.Errorf("Vault: %w", err)
		}
	}
	return nil
}

func (a AWS) open(ctx context.Context) (envelope.KeyService, error) {
	if (a.KeyID == "") != (a.Secret == "") {
		return nil, problem.InField("access key files", "ID and secret belong together: one is missing")
	}
	o := awskms.Options{Endpoint: a.Endpoint}
	if a.KeyID != "" {
		id, err := word(a.KeyID)
		if err != nil {
			return nil, err
		}
		if o.SecretAccessKey, err = word(a.Secret); err != nil {
			return nil, err
		}
		o.AccessKeyID = id.Reveal()
	}
	return awskms.New(ctx, a.Key, o)
}

func word(path string) (account.Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", problem.New(problem.Invalid, "access key: %v", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, " \n\t") {
		return "", problem.New(problem.Invalid, "access key: %s must hold one word", path)
	}
	return account.Secret(secret), nil
}

func (v Vault) open() (envelope.KeyService, error) {
	return vault.New(v.Address, v.Key, vault.Options{
		Mount: v.Mount, Namespace: v.Namespace, CA: v.CA,
		Auth: vault.Auth{
			TokenFile: v.Token, RoleID: v.RoleID, SecretIDFile: v.SecretID,
			KubernetesRole: v.Kubernetes, JWTFile: v.JWT, Mount: v.Auth,
		},
	})
}
