package postgres_test

import (
	"crypto/sha256"
	"testing"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/postgres/snapshots"
)

// TestDownloadsAreGoodOnce: for who asked, in time, and whatever the program would like.
func TestDownloadsAreGoodOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secret := sha256.Sum256([]byte("secret"))
	offer := func() (d snapshots.Download) {
		in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) (err error) {
			d, err = snapshots.Offer(t.Context(), tx, snapshots.Download{ConnectionID: b.connection}, secret)
			return err
		})
		return d
	}
	taken := func(as postgres.Proof, id string, secret [sha256.Size]byte) (ok bool) {
		in(t, b.api, as, func(tx *postgres.Tx) (err error) {
			_, ok, err = snapshots.Redeem(t.Context(), tx, id, secret)
			return err
		})
		return ok
	}
	d, late := offer(), offer()
	if _, err := b.base.Owner().Exec(t.Context(), `update downloads set expires_at = now() where id = $1`, late.ID); err != nil {
		t.Fatal(err)
	}
	colleague, stranger := b.base.Member(t, b.acme.ID, account.Owner), b.base.Account(t)
	for name, ok := range map[string]bool{
		"a wrong secret": taken(b.acme.Proof, d.ID, sha256.Sum256(nil)), "a colleague": taken(colleague.Proof, d.ID, secret),
		"another account": taken(stranger.Proof, d.ID, secret), "too late": taken(b.acme.Proof, late.ID, secret), "no ID": taken(b.acme.Proof, "x", secret),
	} {
		if ok {
			t.Errorf("%s takes it", name)
		}
	}
	if !taken(b.acme.Proof, d.ID, secret) || taken(b.acme.Proof, d.ID, secret) {
		t.Error("it is not taken once")
	}
	for what, sql := range map[string]string{
		"offered again":    `update downloads set taken_at = null where id = $1`,
		"taken once more":  `update downloads set taken_at = now() where id = $1`,
		"prolonged":        `update downloads set expires_at = now() + interval '1 day' where id = $1`,
		"given to another": `update downloads set user_id = gen_random_uuid() where id = $1`,
	} {
		var n int64
		err := b.api.As(t.Context(), b.acme.Proof, func(tx *postgres.Tx) (err error) {
			n, err = rows.Exec(t.Context(), tx, sql, d.ID)
			return err
		})
		if n != 0 && err == nil {
			t.Errorf("it can be %s", what)
		}
	}
}
