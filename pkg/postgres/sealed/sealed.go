// Package sealed says where each sealed column belongs, so that whoever writes one and
// whoever reads it agree, and a value that was moved to another row does not open.
package sealed

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"imago/pkg/account"
	"imago/pkg/audit"
	"imago/pkg/envelope"
)

// Place is where a sealed value belongs: one column of one row.
type Place struct{ table, column, row string }

// Activity is the place of an entry's audit.Who. The log's number is not known before
// the entry is sealed, so its row is named by what it says.
func Activity(e audit.Entry) Place {
	return Place{"activity_logs", "sealed", e.RequestID + "/" + e.Action + "/" + e.TargetType + "/" + e.TargetID}
}

// Finding is the place of a drift.Finding, named by what keeps it from being stored twice.
func Finding(c account.ConnectionID, dedupKey string) Place {
	return Place{"findings", "sealed", string(c) + "/" + dedupKey}
}

// Word is the place of a findings.Said, of one row of finding_states.
func Word(findingID, wordID string) Place {
	return Place{"finding_states", "sealed", findingID + "/" + wordID}
}

// Actor is the digest by which an actor's findings are looked for: of a login, a name or
// an ID, whatever the case.
func Actor(k *envelope.Keyring, c account.ConnectionID, name string) string {
	return hex.EncodeToString(k.Digest("actor", []byte(c), []byte(strings.ToLower(name))))
}

// Check is the place of a list of checks.Damaged.
func Check(c account.ConnectionID) Place { return Place{"repository_checks", "sealed", string(c)} }

// Sighting is the place of a drift.Sighting, named by the keyed digest of its resource.
func Sighting(c account.ConnectionID, resource string) Place {
	return Place{"sightings", "sealed", string(c) + "/" + resource}
}

// Named is the place of the key of an object that the org's log has named, itself named by
// a keyed digest of that.
func Named(c account.ConnectionID, resource string) Place {
	return Place{"named_objects", "sealed", string(c) + "/" + resource}
}

// Selection is the place of a restore.Selection.
func Selection(restoreID string) Place { return Place{"restores", "selection_sealed", restoreID} }

// Plan is the place of a restore.Plan.
func Plan(restoreID string) Place { return Place{"restores", "plan_sealed", restoreID} }

// Receipt is the place of a restore.Receipt.
func Receipt(restoreID string) Place { return Place{"restores", "receipt_sealed", restoreID} }

// Step is the place of a restore.Entry, the journal's line of one step.
func Step(restoreID string, n int) Place {
	return Place{"restore_steps", "sealed", restoreID + "/" + strconv.Itoa(n)}
}

// Checkpoint is the place of a snapshot's state between two slices.
func Checkpoint(snapshotID string) Place { return Place{"snapshots", "checkpoint", snapshotID} }

// Response is the place of an answer that was given to a request.
func Response(u account.UserID, key string) Place {
	return Place{"idempotency_keys", "response", string(u) + "/" + key}
}

// Session is the place of a signin.Place, in the keyring for signing in: a person sees
// their sessions in all of their accounts.
func Session(id string) Place { return Place{"sessions", "origin", id} }

// Device is the place of where a machine asked from to be let in, in the keyring for
// signing in.
func Device(id string) Place { return Place{"device_sign_ins", "origin", id} }

// TOTP is the place of the secret of a person's authenticator, in the keyring for signing
// in: a person is of no one account.
func TOTP(u account.UserID) Place { return Place{"totp_factors", "secret", string(u)} }

// Passkey is the place of a passkey's record, in the keyring for signing in.
func Passkey(id string) Place { return Place{"passkeys", "record", id} }

// Sso is the place of the secret of an account's client at its identity provider, in the
// keyring for signing in: nobody is in yet when it is needed.
func Sso(a account.ID) Place { return Place{"sso_providers", "secret", string(a)} }

// SsoAttempt is the place of a sso.Request, named by the hash of its state, in hexadecimal.
func SsoAttempt(state string) Place { return Place{"sso_attempts", "box", state} }

// Seal seals a value, as JSON, for its place.
func (p Place) Seal(k *envelope.Keyring, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write %s.%s: %w", p.table, p.column, err)
	}
	return p.SealBytes(k, plain)
}

// Open opens what Seal sealed for the same place.
func (p Place) Open(k *envelope.Keyring, sealed []byte, value any) error {
	plain, err := p.OpenBytes(k, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, value); err != nil {
		return fmt.Errorf("read %s.%s of %s: %w", p.table, p.column, p.row, err)
	}
	return nil
}

// SealBytes seals bytes for their place.
func (p Place) SealBytes(k *envelope.Keyring, plain []byte) ([]byte, error) {
	sealed, err := k.SealColumn(p.table, p.column, p.row, plain)
	if err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", p.table, p.column, err)
	}
	return sealed, nil
}

// OpenBytes opens what SealBytes sealed for the same place.
func (p Place) OpenBytes(k *envelope.Keyring, sealed []byte) ([]byte, error) {
	plain, err := k.OpenColumn(p.table, p.column, p.row, sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s of %s: %w", p.table, p.column, p.row, err)
	}
	return plain, nil
}

// CredentialBox is the associated data with which a service app's private key (PKCS#8
// PEM) is sealed to the workers: it opens for that credential alone.
func CredentialBox(a account.ID, c account.ConnectionID, p account.Purpose) []byte {
	return []byte(string(a) + "/" + string(c) + "/" + string(p))
}

// RefusalBox is the associated data with which the origin of a refused sign-in is sealed
// to the workers, before anybody knows whose account it was tried on.
func RefusalBox(refusalID string) []byte { return []byte("sign_in_refusals/" + refusalID) }
