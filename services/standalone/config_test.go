package standalone

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imago/pkg/boot"
	"imago/pkg/envelope/awskms/awskmstest"
	"imago/pkg/envelope/local"
)

// TestKeysOfTheConfiguration: a look tells what of the key service would end a start, by the
// variables' whole names.
func TestKeysOfTheConfiguration(t *testing.T) {
	t.Parallel()
	empty, used, open := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{used, open} {
		if _, err := local.Create(filepath.Join(dir, "master.keys"), noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(open, "master.keys"), 0o644); err != nil {
		t.Fatal(err)
	}
	const other = "arn:aws:kms:eu-central-1:111122223333:alias/imago"
	key := "IMAGO_AWS_KMS_KEY=" + awskmstest.ARN("1")
	for says, environ := range map[string][]string{
		"IMAGO_AWS_KMS_KEY: \"" + other:                                      {"IMAGO_DATA=" + empty, "IMAGO_AWS_KMS_KEY=" + other},
		"IMAGO_OLD_AWS_KMS_KEY: \"" + other:                                  {"IMAGO_DATA=" + empty, key, "IMAGO_OLD_AWS_KMS_KEY=" + other},
		"IMAGO_OLD_AWS_KMS_KEY: it is the same":                              {"IMAGO_DATA=" + empty, key, "IMAGO_OLD_" + key[len("IMAGO_"):]},
		"IMAGO_VAULT_KEY: it is missing":                                     {"IMAGO_DATA=" + empty, "IMAGO_VAULT_ADDR=https://vault.example.com"},
		"IMAGO_KEY_SERVICE: it is missing: which of aws-kms and local wraps": {"IMAGO_DATA=" + used, key},
		"IMAGO_DATA: key file":                                               {"IMAGO_DATA=" + open},
		"":                                                                   {"IMAGO_DATA=" + empty},
	} {
		_, err := boot.Load[Config](environ)
		if says == "" && err != nil || says != "" && (err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}
