package api

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
)

func (w *world) connect(p *person, url string) *imagov1.Connection {
	w.t.Helper()
	res, err := p.connections.CreateConnection(w.t.Context(), req(&imagov1.CreateConnectionRequest{OrgUrl: url}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg.GetConnection()
}

func TestCreateConnectionMakesKeysThatOnlyWorkersOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.connect(p, "https://ACME.okta.com/")
	if c.GetOrgUrl() != "https://acme.okta.com" || c.GetName() != "acme.okta.com" || c.GetState() != "new" || c.GetProvider() != "okta" ||
		c.GetRateShare() != 0.5 || c.GetFollowSeconds() != 60 || len(c.GetCredentials()) != 2 {
		t.Errorf("the connection is %v", c)
	}
	for _, cred := range c.GetCredentials() {
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON([]byte(cred.GetPublicJwk())); err != nil || !jwk.IsPublic() || jwk.KeyID != cred.GetKeyId() {
			t.Fatalf("%s: the key %s is no public key: %v", cred.GetPurpose(), cred.GetPublicJwk(), err)
		}
		var box []byte
		w.row([]any{&box}, `select sealed_key from credentials where connection_id = $1 and purpose = $2`, c.GetId(), cred.GetPurpose())
		text, err := w.box.Open(sealed.CredentialBox(p.account, account.ConnectionID(c.GetId()), account.Purpose(cred.GetPurpose())), box)
		if err != nil {
			t.Fatalf("the worker cannot open the %s key: %v", cred.GetPurpose(), err)
		}
		block, _ := pem.Decode(text)
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !key.(*rsa.PrivateKey).PublicKey.Equal(jwk.Key) {
			t.Errorf("the %s key that is sealed is not the one that is shown", cred.GetPurpose())
		}
	}
	read, write := c.GetCredentials()[0], c.GetCredentials()[1]
	if read.GetPurpose() != "read" || read.GetAdminRole() != "READ_ONLY_ADMIN" || !slices.Contains(read.GetScopes(), "okta.logs.read") ||
		slices.ContainsFunc(read.GetScopes(), func(s string) bool { return strings.HasSuffix(s, ".manage") }) {
		t.Errorf("the read credential asks for %v as %s", read.GetScopes(), read.GetAdminRole())
	}
	if write.GetPurpose() != "write" || !slices.Contains(write.GetScopes(), "okta.groups.manage") {
		t.Errorf("the write credential asks for %v", write.GetScopes())
	}
	if read.GetKeyId() == write.GetKeyId() {
		t.Error("both service apps have one key")
	}
	if strings.Contains(w.log.String(), "PRIVATE KEY") {
		t.Error("a key stands in the log")
	}
}

func TestSettingTheReadCredentialHasItChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.connect(p, "https://acme.okta.com")
	checks := func() int {
		return w.count(`select count(*) from river.river_job where kind = 'check_connection' and args ->> 'connection_id' = $1`, c.GetId())
	}
	_, err := p.connections.CheckConnection(t.Context(), req(&imagov1.CheckConnectionRequest{ConnectionId: c.GetId()}))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(pr.GetWhat(), "no read credential") || pr.GetHint() == "" {
		t.Errorf("checking without a credential: %v", pr)
	}
	set := func(purpose, client string) (*connect.Response[imagov1.SetCredentialResponse], error) {
		return p.connections.SetCredential(t.Context(), req(&imagov1.SetCredentialRequest{ConnectionId: c.GetId(), Purpose: purpose, ClientId: client}))
	}
	if _, err := set("write", "0oawrite"); err != nil || checks() != 0 {
		t.Errorf("setting the write credential: %v, %d checks; want none", err, checks())
	}
	res, err := set("read", "0oaread")
	if err != nil || res.Msg.GetConnection().GetState() != "checking" || checks() != 1 {
		t.Errorf("setting the read credential: %v, %v, %d checks", res, err, checks())
	}
	if _, err = set("read", "0oawrite"); problemOf(t, err, connect.CodeInvalidArgument).GetField() != "client_id" {
		t.Errorf("one app for both purposes: %v", err)
	}
	if diff := cmp.Diff([]string{"set_credential", "set_credential", "create_connection"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	id := string(w.db.Connection(t, p.account))
	w.clock.at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set := func(m *imagov1.SetScheduleRequest) *imagov1.Schedule {
		t.Helper()
		m.ConnectionId = id
		res, err := p.connections.SetSchedule(t.Context(), req(m))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg.GetSchedule()
	}
	s := set(&imagov1.SetScheduleRequest{Cron: "30 1 * * *", TimeZone: "Europe/Berlin", Enabled: true})
	if got := s.GetNextRunAt().AsTime().Format(time.RFC3339); got != "2026-03-02T00:30:00Z" {
		t.Errorf("the next run is %s", got)
	}
	off := set(&imagov1.SetScheduleRequest{})
	if off.GetEnabled() || off.GetNextRunAt() != nil || off.GetCron() != "30 1 * * *" || off.GetTimeZone() != "Europe/Berlin" {
		t.Errorf("switched off, the schedule is %v; want it to remember when", off)
	}
	got, err := p.connections.GetConnection(t.Context(), req(&imagov1.GetConnectionRequest{ConnectionId: id}))
	if err != nil || got.Msg.GetConnection().GetSchedule().GetCron() != "30 1 * * *" {
		t.Errorf("the connection shows %v, %v", got, err)
	}
}

func TestListsPageNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	want := []string{}
	for range 5 {
		want = append(want, string(w.db.Connection(t, p.account)))
	}
	slices.Sort(want)
	slices.Reverse(want) // IDs rise with the time, and within a millisecond by chance
	w.db.Connection(t, w.owner().account)
	var got []string
	for token := ""; ; {
		res, err := p.connections.ListConnections(t.Context(), req(&imagov1.ListConnectionsRequest{PageSize: 2, PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range res.Msg.GetConnections() {
			got = append(got, c.GetId())
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
