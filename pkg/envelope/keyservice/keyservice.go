// Package keyservice opens the key service that a program's environment names: the same
// for every program of an installation.
package keyservice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
	Old   Old    `envPrefix:"OLD_"`
}

// Old are services that wrap nothing any more, while keyrings move from them: where a key
// of AWS KMS follows another one, or a Vault another one.
type Old struct {
	AWS   AWS   `envPrefix:"AWS_KMS_"`
	Vault Vault `envPrefix:"VAULT_"`
}

// AWS is a key of AWS KMS.
type AWS struct {
	Key      string `env:"KEY" help:"ARN of the symmetric key of AWS KMS, as arn:aws:kms:eu-central-1:111122223333:key/…; that of IMAGO_OLD_… only opens, while keyrings move from it"`
	Endpoint string `env:"ENDPOINT" help:"URL of another endpoint than that of the key's region"`
	KeyID    string `env:"ACCESS_KEY_ID_FILE" help:"file with the ID of the access key; absent: the SDK's chain"`
	Secret   string `env:"SECRET_ACCESS_KEY_FILE" help:"file with the access key"`
}

// Vault is a key of the transit engine of HashiCorp Vault or OpenBao.
type Vault struct {
	Address    string `env:"ADDR" help:"address of the Vault or OpenBao, as https://vault.example.com:8200; that of IMAGO_OLD_… only opens, while keyrings move from it"`
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

// Given reports whether there is a service that wraps.
func (r Remote) Given() bool { return r.AWS != (AWS{}) || r.Vault != (Vault{}) }

// Validate tells what is wrong, so far as that shows without asking a service. What is
// wrong with one service its own Validate tells.
func (c Config) Validate() error {
	if c.Local == "" && !c.Given() {
		return errors.New("MASTER_KEYS: it is missing, as are AWS_KMS_KEY and VAULT_ADDR: give one, to wrap accounts' keyrings")
	}
	if c.Local != "" {
		if _, err := local.Open(c.Local); err != nil {
			return fmt.Errorf("MASTER_KEYS: %w", err)
		}
	}
	return c.Check(c.Local != "")
}

// Check tells what does not go together, with a file or without. Its error begins with the
// variable's name, without IMAGO_.
func (r Remote) Check(file bool) error {
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
		return fmt.Errorf("KEY_SERVICE: %q is not given here; %s is: name that, or give the other's variables, too", r.Use, strings.Join(given, " and "))
	case r.Old.AWS.Key != "" && r.Old.AWS.Key == r.AWS.Key:
		return errors.New("OLD_AWS_KMS_KEY: it is the same as AWS_KMS_KEY: give the key that wrapped before, or none")
	case r.Old.Vault != (Vault{}) && r.Old.Vault == r.Vault:
		return errors.New("OLD_VAULT_ADDR: all is the same as VAULT_…: give what wrapped before, or nothing")
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
	if err := r.Check(file != nil); err != nil {
		return nil, problem.New(problem.Invalid, "IMAGO_%v", err)
	}
	all := map[string]envelope.KeyService{}
	if file != nil {
		all[useLocal] = file
	}
	if err := open(ctx, r.AWS, r.Vault, "IMAGO_", all); err != nil {
		return nil, err
	}
	old := map[string]envelope.KeyService{}
	if err := open(ctx, r.Old.AWS, r.Old.Vault, "IMAGO_OLD_", old); err != nil {
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
	m.From = slices.AppendSeq(m.From, maps.Values(old))
	switch {
	case m.To == nil:
		return nil, problem.New(problem.Invalid, "there is no key service").WithHint("give IMAGO_AWS_KMS_KEY, IMAGO_VAULT_ADDR or a file of master keys")
	case len(m.From) == 0:
		return m.To, nil
	}
	return m, nil
}

// open adds the services that are given by variables that begin with prefix.
func open(ctx context.Context, a AWS, v Vault, prefix string, all map[string]envelope.KeyService) (err error) {
	if a != (AWS{}) {
		if all[useAWS], err = a.open(ctx); err != nil {
			return inVariable(prefix+"AWS_KMS_", "", err)
		}
	}
	if v != (Vault{}) {
		if all[useVault], err = v.open(); err != nil {
			return inVariable(prefix+"VAULT_", "", err)
		}
	}
	return nil
}

// inVariable has a problem name the variable: a prefix, and what stands after it for the
// field that the problem names, or for one that names none.
func inVariable(prefix, otherwise string, err error) error {
	p := problem.Of(err)
	if p == nil {
		return fmt.Errorf("%s%s: %w", prefix, otherwise, err)
	}
	field := strings.ToUpper(strings.ReplaceAll(cmp.Or(p.Field, otherwise), " ", "_"))
	field = strings.TrimPrefix(field, "IMAGO_VAULT_") // where a service knows it, as for the one in use
	if field == "CA" {
		field = "CA_FILE"
	}
	named := *p
	named.Field = prefix + field
	return &named
}

// Validate tells what is wrong, without asking AWS.
func (a AWS) Validate() error {
	if a == (AWS{}) {
		return nil
	}
	_, err := a.open(context.Background())
	return err
}

// open makes the service. Problems name the variable, without what it begins with.
func (a AWS) open(ctx context.Context) (envelope.KeyService, error) {
	o := awskms.Options{Endpoint: a.Endpoint}
	if a.KeyID != "" || a.Secret != "" {
		id, err := word("ACCESS_KEY_ID_FILE", a.KeyID)
		if err != nil {
			return nil, err
		}
		if o.SecretAccessKey, err = word("SECRET_ACCESS_KEY_FILE", a.Secret); err != nil {
			return nil, err
		}
		o.AccessKeyID = id.Reveal()
	}
	ks, err := awskms.New(ctx, a.Key, o)
	if err != nil {
		return nil, inVariable("", "KEY", err)
	}
	return ks, nil
}

// word reads one half of an access key.
func word(variable, path string) (account.Secret, error) {
	if path == "" {
		return "", problem.InField(variable, "it is missing").WithHint("an access key is an ID and a secret: give both, or none for the SDK's chain")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", problem.InField(variable, "%v", err).Because(err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, " \n\t") {
		return "", problem.InField(variable, "%s must hold one word", path)
	}
	return account.Secret(secret), nil
}

// Validate tells what is wrong, without asking Vault. It leaves out the token: who keeps that
// there, as Vault Agent, may begin a little later than the program.
func (v Vault) Validate() error {
	if v == (Vault{}) {
		return nil
	}
	if _, err := v.open(); err != nil {
		return err
	}
	for variable, path := range map[string]string{"SECRET_ID_FILE": v.SecretID, "JWT_FILE": v.JWT} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return problem.InField(variable, "%v", err).WithHint("the program signs in by it").Because(err)
		}
	}
	return nil
}

// open makes the service. Problems name the variable, without what it begins with.
func (v Vault) open() (envelope.KeyService, error) {
	if err := v.lacks(); err != nil {
		return nil, err
	}
	ks, err := vault.New(v.Address, v.Key, vault.Options{
		Mount: v.Mount, Namespace: v.Namespace, CA: v.CA,
		Auth: vault.Auth{
			TokenFile: v.Token, RoleID: v.RoleID, SecretIDFile: v.SecretID,
			KubernetesRole: v.Kubernetes, JWTFile: v.JWT, Mount: v.Auth,
		},
	})
	if err != nil {
		return nil, inVariable("", "ADDR", err)
	}
	return ks, nil
}

// lacks tells what is missing, or one too many of the ways to sign in.
func (v Vault) lacks() error {
	var ways []string
	for variable, value := range map[string]string{"TOKEN_FILE": v.Token, "ROLE_ID": v.RoleID, "KUBERNETES_ROLE": v.Kubernetes} {
		if value != "" {
			ways = append(ways, variable)
		}
	}
	slices.Sort(ways)
	switch {
	case v.Address == "":
		return problem.InField("ADDR", "it is missing").WithHint("write https://vault.example.com:8200")
	case v.Key == "":
		return problem.InField("KEY", "it is missing").WithHint("name a key of the transit engine")
	case len(ways) == 0:
		return problem.InField("TOKEN_FILE", "it is missing").WithHint("give it, or …_ROLE_ID and …_SECRET_ID_FILE, or …_KUBERNETES_ROLE, to sign in by")
	case len(ways) > 1:
		return problem.InField(ways[0], "%s is given, too", "…_"+ways[1]).WithHint("give one of them, to sign in by")
	case v.RoleID != "" && v.SecretID == "":
		return problem.InField("SECRET_ID_FILE", "it is missing").WithHint("…_ROLE_ID needs it")
	case v.RoleID == "" && v.SecretID != "":
		return problem.InField("ROLE_ID", "it is missing").WithHint("…_SECRET_ID_FILE is of no use without it")
	case v.Kubernetes == "" && v.JWT != "":
		return problem.InField("KUBERNETES_ROLE", "it is missing").WithHint("…_JWT_FILE is of no use without it")
	}
	return nil
}
