package keyservice_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/awskms/awskmstest"
	"imago/pkg/envelope/envelopetest"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/envelope/local"
	"imago/pkg/envelope/vault/vaulttest"
)

func secret(t *testing.T, content account.Secret) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content.Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func masterKeys(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.keys")
	if _, err := local.Create(path, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	return path
}

func aws(t *testing.T) keyservice.AWS {
	t.Helper()
	return keyservice.AWS{
		Key: awskmstest.ARN("1"), Endpoint: awskmstest.New(t).URL,
		KeyID: secret(t, awskmstest.AccessKeyID), Secret: secret(t, awskmstest.SecretAccessKey),
	}
}

func vault(t *testing.T) keyservice.Vault {
	t.Helper()
	v := vaulttest.New(t)
	return keyservice.Vault{Address: v.URL, Key: "imago", Namespace: vaulttest.Namespace, CA: v.CA, Token: secret(t, vaulttest.Root)}
}

func open(t *testing.T, c keyservice.Config) envelope.KeyService {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	ks, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func TestEveryService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]keyservice.Config{
		"local":   {Local: masterKeys(t)},
		"aws-kms": {Remote: keyservice.Remote{AWS: aws(t)}},
		"vault":   {Remote: keyservice.Remote{Vault: vault(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ks := open(t, c)
			envelopetest.Run(t, ks)
			if !strings.HasPrefix(ks.Name(), name) {
				t.Errorf("%s is %s", name, ks.Name())
			}
		})
	}
}

// TestMoving: the service that is used wraps, whichever it is, and what the others have
// wrapped still opens.
func TestMoving(t *testing.T) {
	t.Parallel()
	all := keyservice.Config{Local: masterKeys(t), Remote: keyservice.Remote{AWS: aws(t), Vault: vault(t)}}
	one := map[string]keyservice.Config{
		"local": {Local: all.Local}, "aws-kms": {Remote: keyservice.Remote{AWS: all.AWS}}, "vault": {Remote: keyservice.Remote{Vault: all.Vault}},
	}
	for to := range one {
		moving := all
		moving.Use = to
		ks := open(t, moving)
		if want := open(t, one[to]).Name(); ks.Name() != want {
			t.Errorf("%s wraps by %s", want, ks.Name())
		}
		for from, c := range one {
			k, err := envelope.NewKeyring(t.Context(), open(t, c), "alice")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := envelope.OpenKeyring(t.Context(), ks, "alice", k.Wrapped()); err != nil {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
		}
	}
}

// TestMovingToAnotherKey: keyrings move between two keys of one kind of service, too. The
// old one wraps nothing any more.
func TestMovingToAnotherKey(t *testing.T) {
	t.Parallel()
	key, transit := aws(t), vault(t)
	otherKey, otherTransit := key, transit
	otherKey.Key, otherTransit.Key = awskmstest.ARN("2"), "other"
	for name, c := range map[string]struct{ before, while, after keyservice.Remote }{
		"aws-kms": {keyservice.Remote{AWS: key}, keyservice.Remote{AWS: otherKey, Old: keyservice.Old{AWS: key}}, keyservice.Remote{AWS: otherKey}},
		"vault":   {keyservice.Remote{Vault: transit}, keyservice.Remote{Vault: otherTransit, Old: keyservice.Old{Vault: transit}}, keyservice.Remote{Vault: otherTransit}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := envelope.NewKeyring(t.Context(), open(t, keyservice.Config{Remote: c.before}), "alice")
			if err != nil {
				t.Fatal(err)
			}
			while := open(t, keyservice.Config{Remote: c.while})
			if k, err = envelope.OpenKeyring(t.Context(), while, "alice", k.Wrapped()); err != nil {
				t.Fatal(err)
			}
			if k, err = k.Rewrap(t.Context(), while); err != nil {
				t.Fatal(err)
			}
			if _, err := envelope.OpenKeyring(t.Context(), open(t, keyservice.Config{Remote: c.after}), "alice", k.Wrapped()); err != nil {
				t.Errorf("after the move: %v", err)
			}
		})
	}
}

// TestValidate: all that is wrong and shows without the network is told by Validate, and by
// Open; each names its variable.
func TestValidate(t *testing.T) {
	t.Parallel()
	file, kms, transit := masterKeys(t), aws(t), vault(t)
	for says, c := range map[string]keyservice.Config{
		"MASTER_KEYS: it is missing":                             {},
		"KEY_SERVICE: it is missing: which of aws-kms and local": {Local: file, Remote: keyservice.Remote{AWS: kms}},
		`KEY_SERVICE: "vault" is not given here; local is`:       {Local: file, Remote: keyservice.Remote{Use: "vault"}},
		`KEY_SERVICE: "lokal" is not`:                            {Local: file, Remote: keyservice.Remote{Use: "lokal"}},
		"MASTER_KEYS: key file /nowhere is not there":            {Local: "/nowhere"},
		"OLD_AWS_KMS_KEY: it is the same":                        {Remote: keyservice.Remote{AWS: kms, Old: keyservice.Old{AWS: kms}}},
		"OLD_VAULT_ADDR: all is the same":                        {Remote: keyservice.Remote{Vault: transit, Old: keyservice.Old{Vault: transit}}},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
		if _, err := c.Open(t.Context()); err == nil {
			t.Errorf("%s: it opens", says)
		}
	}
	next := kms
	next.Key = awskmstest.ARN("2")
	for says, change := range map[string]func(*keyservice.AWS){
		"KEY: ":                             func(a *keyservice.AWS) { a.Key = "" },
		`KEY: "alias/imago" is not the ARN`: func(a *keyservice.AWS) { a.Key = "alias/imago" },
		"ENDPOINT: plain HTTP is for this machine":   func(a *keyservice.AWS) { a.Endpoint = "http://kms.example.com" },
		"ACCESS_KEY_ID_FILE: it is missing":          func(a *keyservice.AWS) { a.KeyID = "" },
		"SECRET_ACCESS_KEY_FILE: it is missing":      func(a *keyservice.AWS) { a.Secret = "" },
		"SECRET_ACCESS_KEY_FILE: open /nowhere":      func(a *keyservice.AWS) { a.Secret = "/nowhere" },
		"ACCESS_KEY_ID_FILE: " + file + " must hold": func(a *keyservice.AWS) { a.KeyID = file },
	} {
		c := kms
		change(&c)
		told(t, says, "AWS_KMS_", c, keyservice.Remote{AWS: c}, keyservice.Remote{AWS: next, Old: keyservice.Old{AWS: c}})
	}
	for says, change := range map[string]func(*keyservice.Vault){
		"ADDR: it is missing":                           func(v *keyservice.Vault) { v.Address = "" },
		"ADDR: what it says is not the address":         func(v *keyservice.Vault) { v.Address = "vault:8200" },
		"KEY: it is missing":                            func(v *keyservice.Vault) { v.Key = "" },
		`KEY: "a/b" is not the name`:                    func(v *keyservice.Vault) { v.Key = "a/b" },
		`NAMESPACE: "a b" is not the name`:              func(v *keyservice.Vault) { v.Namespace = "a b" },
		`MOUNT: "a b" is not where`:                     func(v *keyservice.Vault) { v.Mount = "a b" },
		"CA_FILE: cannot be read":                       func(v *keyservice.Vault) { v.CA = "/nowhere" },
		"TOKEN_FILE: it is missing":                     func(v *keyservice.Vault) { v.Token = "" },
		"ROLE_ID: …_TOKEN_FILE is given, too":           func(v *keyservice.Vault) { v.RoleID = "a" },
		"SECRET_ID_FILE: it is missing (…_ROLE_ID":      func(v *keyservice.Vault) { v.Token, v.RoleID = "", "a" },
		"ROLE_ID: it is missing (…_SECRET_ID_FILE":      func(v *keyservice.Vault) { v.SecretID = "a" },
		"KUBERNETES_ROLE: it is missing (…_JWT_FILE":    func(v *keyservice.Vault) { v.JWT = "a" },
		`AUTH_MOUNT: "a b" is not where an auth method`: func(v *keyservice.Vault) { v.Auth = "a b" },
	} {
		c := transit
		change(&c)
		told(t, says, "VAULT_", c, keyservice.Remote{Vault: c}, keyservice.Remote{Vault: transit, Old: keyservice.Old{Vault: c}})
	}
	gone := transit
	gone.Token = "/nowhere"
	if err := gone.Validate(); err != nil {
		t.Errorf("a token that is not there yet: %v", err)
	}
	gone.Token, gone.RoleID, gone.SecretID = "", "role", "/nowhere"
	if err := gone.Validate(); err == nil || !strings.HasPrefix(err.Error(), "SECRET_ID_FILE: stat /nowhere") {
		t.Errorf("a secret ID that is not there: %v", err)
	}
}

// told wants an error of a service's own Validate, and of Open, where it is in use and where
// keyrings move from it.
func told(t *testing.T, says, variables string, one interface{ Validate() error }, used, old keyservice.Remote) {
	t.Helper()
	if err := one.Validate(); err == nil || !strings.HasPrefix(err.Error(), says) {
		t.Errorf("%v; want %q", err, says)
	}
	for prefix, r := range map[string]keyservice.Remote{"IMAGO_": used, "IMAGO_OLD_": old} {
		if _, err := r.With(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), prefix+variables+says) {
			t.Errorf("%v; want %q", err, prefix+variables+says)
		}
	}
}
