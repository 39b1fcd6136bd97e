package worker_test

import (
	"slices"
	"strings"
	"testing"

	"imago/pkg/postgres"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/worldtest"
	"imago/services/worker"
)

// Whoever ends their sessions from one account is told of in the logs of the others, each
// session once; what somebody ends in the account that they are in, the api has told there.
func TestSessionEndedFromAnotherAccountIsTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	here, elsewhere := w.Base.Member(t, w.Account.ID, "viewer"), w.Base.Account(t)
	stranger := w.Base.Member(t, w.Account.ID, "viewer")
	w.Exec(t, `insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, elsewhere.ID, here.User)
	w.Exec(t, `insert into sessions (account_id, user_id, token_hash, kind, idle_expires_at, expires_at)
		select account_id, user_id, sha256(token_hash), 'web', idle_expires_at, expires_at from sessions where user_id = $1`, here.User)
	w.Exec(t, `update sessions set account_id = $2 where user_id = $1 and kind = 'cli'`, here.User, elsewhere.ID)
	in := func(p postgres.Proof, do func(*postgres.Tx) error) {
		t.Helper()
		if err := w.API.As(t.Context(), p, do); err != nil {
			t.Fatal(err)
		}
	}
	in(here.Proof, func(tx *postgres.Tx) error {
		n, err := signin.EndOthers(t.Context(), tx)
		if n != 1 || tx.Account() != elsewhere.ID {
			t.Errorf("%d ended in %s", n, tx.Account())
		}
		return err
	})
	in(stranger.Proof, func(tx *postgres.Tx) error { return signin.End(t.Context(), tx, tx.SessionID()) })
	work(t, w, worker.Config{}, deps(t, w))
	worldtest.Until(t, "it is told", func() bool { return slices.Contains(w.Actions(t), "revoke_session") })
	ticks(t, w, 2)
	told := slices.DeleteFunc(w.Actions(t), func(a string) bool { return a != "revoke_session" })
	if got := w.Detail(t, "revoke_session"); len(told) != 1 || !strings.Contains(got, here.Email+" ended this web session of theirs from another account") {
		t.Errorf("told %d times: %s", len(told), got)
	}
}
