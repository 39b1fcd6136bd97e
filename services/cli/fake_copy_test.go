package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/snapshot"
)

// vectors are the format's: a whole repository, with its master keys.
type vectors struct {
	MasterKeys json.RawMessage      `json:"master_keys"`
	Account    account.ID           `json:"account"`
	Connection account.ConnectionID `json:"connection"`
	Objects    map[string][]byte    `json:"objects"`
	Snapshots  []struct{ Prefix string }
	Invalid    map[string]struct{ Objects map[string][]byte }
}

// archived lays a repository out in the script's folder: `archived copy` writes a copied
// bucket, its master.keys, another installation's other.keys, and an escrow with its
// identity.
func archived(ts *testscript.TestScript, args []string) {
	v := readVectors(ts)
	own := v.Snapshots[len(v.Snapshots)-1].Prefix // what is newer another program wrote
	for key, data := range v.Objects {
		if filepath.Dir(key) > own {
			continue
		}
		put(ts, filepath.Join(args[0], key), data)
	}
	put(ts, "master.keys", v.MasterKeys)
	ks, err := local.Open(ts.MkAbs("master.keys"))
	ts.Check(err)
	_, err = local.Create(ts.MkAbs("other.keys"), noon)
	ts.Check(err)
	ring, err := envelope.OpenKeyring(context.Background(), ks, v.Account, v.Objects[snapshot.KeyringName(v.Account)])
	ts.Check(err)
	ts.Check(escrow(ts, ring))
}

func readVectors(ts *testscript.TestScript) (v vectors) {
	text, err := os.ReadFile(filepath.Join(ts.Getenv("SOURCE"), "../../pkg/snapshot/testdata/vectors/repository.json"))
	ts.Check(err)
	ts.Check(json.Unmarshal(text, &v))
	return v
}

func escrow(ts *testscript.TestScript, ring *envelope.Keyring) error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	to, err := envelope.ParseRecipient(identity.Recipient().String())
	if err != nil {
		return err
	}
	sealed, err := ring.Escrow(to)
	put(ts, "imago.age", sealed)
	put(ts, "key.txt", []byte(identity.String()+"\n"))
	return err
}

func put(ts *testscript.TestScript, name string, data []byte) {
	path := ts.MkAbs(name)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, data, 0o600))
}

// spoiled puts one of the vectors' invalid changes into a copy: `spoiled copy NAME`.
func spoiled(ts *testscript.TestScript, args []string) {
	bad, ok := readVectors(ts).Invalid[args[1]]
	if !ok {
		ts.Fatalf("there is no vector %q", args[1])
	}
	for key, data := range bad.Objects {
		put(ts, filepath.Join(args[0], key), data)
	}
}
