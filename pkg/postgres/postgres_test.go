package postgres_test

import (
	"testing"

	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestOpenNeedsMigrations(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	err := api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		if tx.Account() != acme.ID {
			t.Errorf("account %s", tx.Account())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
