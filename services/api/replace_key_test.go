package api

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
)

// opens tells whether the workers can open the key of the read app, and that it is the one
// that is shown.
func (w *world) opens(p *person, c *imagov1.Connection) bool {
	w.t.Helper()
	id := account.ConnectionID(c.GetId())
	proof := w.db.Job(w.t, job.CheckConnection{AccountID: string(p.account), ConnectionID: c.GetId()})
	var row connections.Sealed
	err := w.worker.As(w.t.Context(), proof, func(tx *postgres.Tx) (err error) {
		row, err = connections.SealedCredential(w.t.Context(), tx, id, account.Read)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := w.box.Open(sealed.CredentialBox(p.account, id, account.Read), row.SealedKey)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	shown := c.GetCredentials()[0]
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON([]byte(shown.GetPublicJwk())); err != nil || jwk.KeyID != row.KeyID || shown.GetKeyId() != row.KeyID {
		w.t.Fatalf("the key %s is shown, %s is kept: %v", shown.GetPublicJwk(), row.KeyID, err)
	}
	return key.(*rsa.PrivateKey).PublicKey.Equal(jwk.Key)
}

// TestALostCredentialsKeyIsReplaced: the workers have another key pair than the one that
// a connection's keys are sealed to.
func TestALostCredentialsKeyIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.connect(p, "https://acme.okta.com")
	if !w.opens(p, c) {
		t.Fatal("the workers cannot open the key that was just made")
	}
	w.exec(`update connections set state = 'ready' where id = $1`, c.GetId())
	w.exec(`update credentials set client_id = 'app-' || purpose, state = 'working' where connection_id = $1`, c.GetId())
	var err error
	if w.box, err = envelope.NewBoxKey(); err != nil {
		t.Fatal(err)
	}
	w.api.Box = w.box.PublicKey()
	if w.opens(p, c) {
		t.Fatal("the workers open it without the key that it is sealed to")
	}

	res, err := p.connections.ReplaceKey(t.Context(), req(&imagov1.ReplaceKeyRequest{ConnectionId: c.GetId(), Purpose: "read"}))
	if err != nil {
		t.Fatal(err)
	}
	got := res.Msg.GetConnection()
	if !w.opens(p, got) {
		t.Error("the workers cannot open the new key")
	}
	if got.GetState() != "failed" || !strings.Contains(got.GetProblem().GetHint(), "add the new public key") {
		t.Errorf("it is %s: %v; want that somebody must add the key", got.GetState(), got.GetProblem())
	}
	read, write := got.GetCredentials()[0], got.GetCredentials()[1]
	if read.GetClientId() != "app-read" || write.GetKeyId() != c.GetCredentials()[1].GetKeyId() {
		t.Errorf("more than the read key has changed: %v", got.GetCredentials())
	}
	checked, err := p.connections.CheckConnection(t.Context(), req(&imagov1.CheckConnectionRequest{ConnectionId: c.GetId()}))
	if err != nil || checked.Msg.GetConnection().GetState() != "checking" || checked.Msg.GetConnection().GetProblem() != nil {
		t.Errorf("the way on: %v, %v", checked, err)
	}
	res, err = p.connections.ReplaceKey(t.Context(), req(&imagov1.ReplaceKeyRequest{ConnectionId: c.GetId(), Purpose: "write"}))
	if err != nil || res.Msg.GetConnection().GetCredentials()[1].GetKeyId() == write.GetKeyId() || res.Msg.GetConnection().GetState() != "checking" {
		t.Errorf("the write key: %v, %v", res, err)
	}
	if diff := cmp.Diff([]string{"replace_key", "check_connection", "replace_key", "create_connection"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
}

// TestAConnectionThatIsNewStaysNew: its app is not made yet, and will have the new key.
func TestAConnectionThatIsNewStaysNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.connect(p, "https://acme.okta.com")
	res, err := p.connections.ReplaceKey(t.Context(), req(&imagov1.ReplaceKeyRequest{ConnectionId: c.GetId(), Purpose: "read"}))
	if err != nil || res.Msg.GetConnection().GetState() != "new" || res.Msg.GetConnection().GetProblem() != nil {
		t.Errorf("got %v, %v", res, err)
	}
}

// approved makes a restore of a connection that is approved.
func (w *world) approved(p *person, c account.ConnectionID) string {
	w.t.Helper()
	r, err := w.plan(p, w.take(p, c, acme), "group/00g1")
	if err != nil {
		w.t.Fatal(err)
	}
	digest := w.planned(p, r.GetId())
	if _, err := p.restores.ApproveRestore(w.t.Context(), req(&imagov1.ApproveRestoreRequest{RestoreId: r.GetId(), Digest: digest})); err != nil {
		w.t.Fatal(err)
	}
	return r.GetId()
}

// TestTheWriteAppStaysWhileARestoreMayWrite: a refused sign-in of another app, or with
// another key, would be taken for a closed window.
func TestTheWriteAppStaysWhileARestoreMayWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	id := w.approved(p, c)
	set := func(purpose, client string) error {
		_, err := p.connections.SetCredential(t.Context(), req(&imagov1.SetCredentialRequest{ConnectionId: string(c), Purpose: purpose, ClientId: client}))
		return err
	}
	replace := func(purpose string) error {
		_, err := p.connections.ReplaceKey(t.Context(), req(&imagov1.ReplaceKeyRequest{ConnectionId: string(c), Purpose: purpose}))
		return err
	}
	if err := set("write", "0oafirst"); err != nil {
		t.Fatalf("before it is asked for: %v", err)
	}
	if _, err := p.restores.ApplyRestore(t.Context(), req(&imagov1.ApplyRestoreRequest{RestoreId: id})); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"approved", "waiting", "applying", "verifying", "verified", "closing"} {
		if state != "approved" {
			w.exec(`update restores set state = $2, window_opened_at = now() where id = $1`, id, state)
		}
		for what, err := range map[string]error{"client": set("write", "0oaother"), "key": replace("write")} {
			if pr := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), id) || pr.GetHint() == "" {
				t.Errorf("%s, another %s: %v", state, what, pr)
			}
		}
	}
	if err := replace("read"); err != nil {
		t.Errorf("the read app is not the restore's: %v", err)
	}
	w.exec(`update restores set state = 'closed', ended_at = now() where id = $1`, id)
	if err := set("write", "0oaother"); err != nil {
		t.Errorf("when it is closed: %v", err)
	}
}

func TestOneRestoreAtATimeIsApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	first, second, elsewhere := w.approved(p, c), w.approved(p, c), w.approved(p, w.db.Connection(t, p.account))
	apply := func(id string) error {
		_, err := p.restores.ApplyRestore(t.Context(), req(&imagov1.ApplyRestoreRequest{RestoreId: id}))
		return err
	}
	for _, id := range []string{first, first, elsewhere} {
		if err := apply(id); err != nil {
			t.Fatal(err)
		}
	}
	if pr := problemOf(t, apply(second), connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), first) || !strings.Contains(pr.GetHint(), "cancel that one") {
		t.Errorf("a second one: %v", pr)
	}
	if n := w.count(`select count(*) from restores where id = $1 and state = 'approved' and apply_requested_at is null`, second); n != 1 {
		t.Error("the second one is not as it was")
	}
	w.exec(`update restores set state = 'cancelled', ended_at = now() where id = $1`, first)
	if err := apply(second); err != nil {
		t.Errorf("when the first has ended: %v", err)
	}
}

func TestUpdateConnection(t *testing.T) {
	t.Parallel()
	w := worldOn(t, postgrestest.New(t), Config{})
	p := w.owner()
	c := w.connect(p, "https://acme.okta.com")
	w.connect(p, "https://other.okta.com")
	update := func(m *imagov1.UpdateConnectionRequest) (*imagov1.Connection, error) {
		m.ConnectionId = c.GetId()
		res, err := p.connections.UpdateConnection(t.Context(), req(m))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetConnection(), nil
	}
	got, err := update(&imagov1.UpdateConnectionRequest{RateShare: 0.75})
	if err != nil || got.GetRateShare() != 0.75 || got.GetName() != c.GetName() || got.GetFollowSeconds() != 60 {
		t.Errorf("the share alone: %v, %v", got, err)
	}
	got, err = update(&imagov1.UpdateConnectionRequest{Name: "Acme", FollowSeconds: 5})
	if err != nil || got.GetRateShare() != 0.75 || got.GetName() != "Acme" || got.GetFollowSeconds() != 5 {
		t.Errorf("name and pace: %v, %v", got, err)
	}
	for field, m := range map[string]*imagov1.UpdateConnectionRequest{
		"rate_share": {RateShare: 1.5}, "follow_seconds": {FollowSeconds: 1}, "name": {Name: strings.Repeat("x", 101)},
	} {
		_, err := update(m)
		if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != field || pr.GetHint() == "" {
			t.Errorf("%s: %v", field, pr)
		}
	}
	_, err = update(&imagov1.UpdateConnectionRequest{Name: "other.okta.com"})
	if pr := problemOf(t, err, connect.CodeAlreadyExists); pr.GetField() != "name" {
		t.Errorf("another's name: %v", pr)
	}
	if status, body := w.rest(p, "PATCH", "/v1/connections/"+c.GetId(), `{"rate_share":0.5}`); status != 200 || body["connection"].(map[string]any)["rate_share"] != 0.5 {
		t.Errorf("by REST: %d %v", status, body)
	}
}
