package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// in runs fn with a proof, and fails the test on its error.
func in(t *testing.T, db *postgres.DB, proof postgres.Proof, fn func(*postgres.Tx) error) {
	t.Helper()
	if err := db.As(t.Context(), proof, fn); err != nil {
		t.Fatal(err)
	}
}

func TestConnectionFromNewToReady(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api, worker := base.Open(t, "imago_api"), base.Open(t, "imago_worker")
	var made connections.Connection
	in(t, api, acme.Proof, func(tx *postgres.Tx) (err error) {
		made, err = connections.Create(t.Context(), tx, connections.Connection{
			Provider: "okta", Name: "Acme", OrgURL: "https://acme.okta.test", Share: 0.25, FollowSeconds: 5})
		if err != nil {
			return err
		}
		for _, purpose := range []account.Purpose{account.Read, account.Write} {
			_, err := connections.AddCredential(t.Context(), tx, connections.Credential{
				ConnectionID: made.ID, Purpose: purpose, KeyID: "k", PublicJWK: []byte(`{"kty": "RSA"}`)}, []byte("sealed "+purpose))
			if err != nil {
				return err
			}
		}
		c, err := connections.SetClientID(t.Context(), tx, made.ID, account.Read, " 0oa1 ", []string{"okta.groups.read"})
		if c.ClientID != "0oa1" || c.State != "set" || c.Scopes[0] != "okta.groups.read" {
			t.Errorf("credential %+v", c)
		}
		if err != nil {
			return err
		}
		checking, err := connections.StartCheck(t.Context(), tx, made.ID)
		if made.State != connections.New || checking.State != connections.Checking {
			t.Errorf("%s, then %s", made.State, checking.State)
		}
		return err
	})
	if got := made.Connection(); got.Follow != 5*time.Second || got.Org.Share != 0.25 || got.Account != acme.ID {
		t.Errorf("in words: %+v", got)
	}

	check := base.Job(t, job.CheckConnection{AccountID: string(acme.ID), ConnectionID: string(made.ID)})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	access := []connections.Access{{Type: "group", Readable: true}, {Type: "app", Reason: snapshot.Forbidden, Detail: "grant okta.apps.read"}}
	in(t, worker, check, func(tx *postgres.Tx) error {
		return connections.SetChecked(t.Context(), tx, made.ID, connections.Checked{OrgID: "00o1", Engine: "oie", Access: access, At: at})
	})
	refused := problem.New(problem.Denied, "the org refused the key").WithHint("paste it again")
	in(t, worker, check, func(tx *postgres.Tx) error {
		return connections.SetChecked(t.Context(), tx, made.ID, connections.Checked{Problem: refused, At: at.Add(time.Hour)})
	})
	in(t, api, acme.Proof, func(tx *postgres.Tx) error {
		got, err := connections.Get(t.Context(), tx, made.ID)
		if got.State != connections.Failed || !got.CheckedAt.Equal(at.Add(time.Hour)) || got.OrgID != "00o1" {
			t.Errorf("after the failure: %+v", got)
		}
		if diff := cmp.Diff(access, got.Access); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(refused, got.Problem); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func TestConnectionIsUniqueByNameAndOrg(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme, other := base.Account(t), base.Account(t)
	api := base.Open(t, "imago_api")
	create := func(a postgrestest.Account, name, url string) error {
		return api.As(t.Context(), a.Proof, func(tx *postgres.Tx) error {
			_, err := connections.Create(t.Context(), tx, connections.Connection{Provider: "okta", Name: name, OrgURL: url, Share: 0.5, FollowSeconds: 60})
			return err
		})
	}
	if err := create(acme, "Acme", "https://acme.okta.test"); err != nil {
		t.Fatal(err)
	}
	for field, err := range map[string]error{
		"name":    create(acme, "Acme", "https://acme2.okta.test"),
		"org_url": create(acme, "Acme 2", "https://acme.okta.test"),
	} {
		if p := problem.Of(err); p == nil || p.Kind != problem.Conflict || p.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := create(other, "Acme", "https://acme.okta.test"); err != nil {
		t.Errorf("another account's: %v", err)
	}
}

// Who may read which private key, as the database holds it.
func TestWriteCredentialIsForApplyingAlone(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	c := base.Connection(t, acme.ID)
	id := string(acme.ID)
	for _, want := range []struct {
		role    string
		proof   postgres.Proof
		purpose account.Purpose
		kind    problem.Kind
	}{
		{"imago_worker", base.Job(t, job.TakeSnapshot{AccountID: id, SnapshotID: "x"}), account.Read, ""},
		{"imago_worker", base.Job(t, job.TakeSnapshot{AccountID: id, SnapshotID: "y"}), account.Write, problem.NotFound},
		{"imago_worker", base.Job(t, job.PlanRestore{AccountID: id}), account.Write, problem.NotFound},
		{"imago_worker", base.Job(t, job.ApplyRestore{AccountID: id}), account.Write, problem.NotFound}, // of no restore
		{"imago_drift", base.Job(t, job.FollowLog{AccountID: id}), account.Read, ""},
		{"imago_drift", base.Job(t, job.FollowLog{AccountID: id}), account.Write, problem.NotFound},
		{"imago_api", acme.Proof, account.Read, problem.Denied},
		{"imago_api", acme.Proof, account.Write, problem.Denied},
	} {
		err := base.Open(t, want.role).As(t.Context(), want.proof, func(tx *postgres.Tx) error {
			got, err := connections.SealedCredential(t.Context(), tx, c, want.purpose)
			if err == nil && string(got.SealedKey) != "sealed "+string(want.purpose) {
				t.Errorf("key %q", got.SealedKey)
			}
			return err
		})
		if want.kind == "" && err != nil || want.kind != "" && !problem.Is(err, want.kind) {
			t.Errorf("%s reads the %s key: %v, want %q", want.role, want.purpose, err, want.kind)
		}
	}
}
