package api

import (
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"filippo.io/age"

	imagov1 "imago/proto/imago/v1"
)

// renewals is how many jobs are to renew the account's keyring.
func (w *world) renewals(p *person) int {
	return w.count(`select count(*) from river.river_job where kind = 'renew_keyring' and args ->> 'account_id' = $1`, p.account)
}

func TestRotateKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	for range 2 { // the second time it is under way
		res, err := p.keys.RotateKey(t.Context(), req(&imagov1.RotateKeyRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		if k := res.Msg.GetKeys(); k.GetVersion() != 1 || k.GetWrappedBy() != "local" || !k.GetRotating() {
			t.Errorf("%v", k)
		}
	}
	if n := w.renewals(p); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if n := w.count(`select count(*) from activity_logs where account_id = $1 and action = 'rotate_key'`, p.account); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}

// TestRetireKeys: there is something to retire once there is a newer key, and it is asked
// for once.
func TestRetireKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	retire := func() (*imagov1.Keys, error) {
		res, err := p.keys.RetireKeys(t.Context(), req(&imagov1.RetireKeysRequest{}))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetKeys(), nil
	}
	_, err := retire()
	if got := problemOf(t, err, connect.CodeAlreadyExists); got.GetKind() != "conflict" || got.GetHint() != "make a new one first: imago keys rotate" {
		t.Errorf("without a newer key: %v", got)
	}
	if _, err := p.keys.RotateKey(t.Context(), req(&imagov1.RotateKeyRequest{})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if k, err := retire(); err != nil || !k.GetRetiring() || k.GetOldest() != 1 || len(k.GetUses()) != 0 {
			t.Errorf("%v, %v", k, err)
		}
	}
	if n := w.renewals(p); n != 2 { // one for each that was asked
		t.Errorf("%d jobs", n)
	}
	if n := w.count(`select count(*) from activity_logs where account_id = $1 and action = 'ask_retirement'`, p.account); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}

// TestEscrows: an owner names recipients, gets what the worker has sealed to them, and
// nothing of another account's.
func TestEscrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p, other := w.owner(), w.owner()
	var made []*imagov1.Escrow
	recipient := func() string {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		return identity.Recipient().String()
	}
	create := func(to string) error {
		res, err := p.keys.CreateEscrow(t.Context(), req(&imagov1.CreateEscrowRequest{Recipient: to}))
		if err == nil {
			made = append(made, res.Msg.GetEscrow())
		}
		return err
	}
	first := recipient()
	if err := create(" " + first + "\n"); err != nil {
		t.Fatal(err)
	}
	if got := problemOf(t, create(first), connect.CodeAlreadyExists); got.GetKind() != "conflict" {
		t.Errorf("the same again: %v", got)
	}
	if got := problemOf(t, create("AGE-SECRET-KEY-1P8G9XYX8P7YEPDV75Y2ETQ7RZLN9N2MQKPPKKURR88XQ5JASEYCQAV50K4"), connect.CodeInvalidArgument); got.GetField() != "recipient" || strings.Contains(got.String(), "P8G9") {
		t.Errorf("an identity: %v", got)
	}
	for range mostEscrows - 1 {
		if err := create(recipient()); err != nil {
			t.Fatal(err)
		}
	}
	if got := problemOf(t, create(recipient()), connect.CodeResourceExhausted); got.GetKind() != "over_limit" {
		t.Errorf("one too many: %v", got)
	}
	if n := w.renewals(p); n != mostEscrows {
		t.Errorf("%d jobs", n)
	}
	id := made[0].GetId()
	get := func(by *person) (*imagov1.GetEscrowResponse, error) {
		res, err := by.keys.GetEscrow(t.Context(), req(&imagov1.GetEscrowRequest{EscrowId: id}))
		if err != nil {
			return nil, err
		}
		return res.Msg, nil
	}
	if m, err := get(p); err != nil || m.GetFile() != "" || m.GetEscrow().GetRecipient() != first {
		t.Errorf("before it is made: %v, %v", m, err)
	}
	w.exec(`update key_escrows set version = 1, file = '-----BEGIN AGE ENCRYPTED FILE-----', made_at = now() where id = $1`, id)
	if m, err := get(p); err != nil || !strings.HasPrefix(m.GetFile(), "-----BEGIN AGE") || m.GetEscrow().GetVersion() != 1 {
		t.Errorf("made: %v, %v", m, err)
	}
	if _, err := get(other); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another account's: %v", err)
	}
	if _, err := p.keys.DeleteEscrow(t.Context(), req(&imagov1.DeleteEscrowRequest{EscrowId: id})); err != nil {
		t.Fatal(err)
	}
	if _, err := get(p); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("removed: %v", err)
	}
	if n := w.count(`select count(*) from key_escrows where id = $1 and file <> ''`, id); n != 0 {
		t.Error("its file is still kept")
	}
	if err := create(first); err != nil {
		t.Errorf("made again after it was removed: %v", err)
	}
	res, err := p.keys.GetKeys(t.Context(), req(&imagov1.GetKeysRequest{}))
	if err != nil || len(res.Msg.GetKeys().GetEscrows()) != mostEscrows {
		t.Errorf("%v, %v", res, err)
	}
	if slices.ContainsFunc(res.Msg.GetKeys().GetEscrows(), func(e *imagov1.Escrow) bool { return e.GetId() == id }) {
		t.Error("it is still listed")
	}
}
