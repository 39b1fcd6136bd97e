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

func TestValidate(t *testing.T) {
	t.Parallel()
	file, kms := masterKeys(t), aws(t)
	for says, c := range map[string]keyservice.Config{
		"MASTER_KEYS: it is missing":                             {},
		"KEY_SERVICE: it is missing: which of aws-kms and local": {Local: file, Remote: keyservice.Remote{AWS: kms}},
		`KEY_SERVICE: "vault" is not given here; local is`:       {Local: file, Remote: keyservice.Remote{Use: "vault"}},
		`KEY_SERVICE: "lokal" is not`:                            {Local: file, Remote: keyservice.Remote{Use: "lokal"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
	half := kms
	half.Secret = ""
	lost := kms
	lost.Secret = "/nowhere"
	for says, c := range map[string]keyservice.Config{
		"ID and secret belong together": {Remote: keyservice.Remote{AWS: half}},
		"/nowhere":                      {Remote: keyservice.Remote{AWS: lost}},
		"is not the ARN of a key":       {Remote: keyservice.Remote{AWS: keyservice.AWS{Endpoint: kms.Endpoint}}},
		"is not the address of a Vault": {Remote: keyservice.Remote{Vault: keyservice.Vault{Key: "imago"}}},
	} {
		if _, err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}
