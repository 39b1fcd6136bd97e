package worker_test

import (
	"path"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/mem"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/repository"
	"imago/services/worker"
)

// TestAFailedOneIsAStranger: a snapshot whose worker died between manifest and row, and whose row
// failed then, is told of, and keeps the data keys that open it.
func TestAFailedOneIsAStranger(t *testing.T) {
	t.Parallel()
	var c clock
	w := worldtest.New(t, worldtest.Options{Store: mem.New(mem.Options{Now: c.now})})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	failed := w.Taken(t, w.Queue(t))
	w.Taken(t, w.Queue(t))
	w.Exec(t, `alter table snapshots disable trigger snapshots_guard`)
	w.Exec(t, `update snapshots set state = 'failed', manifest_digest = '' where id = '`+failed.ID+`'`)
	w.Exec(t, `alter table snapshots enable trigger snapshots_guard`)
	check(t, w)
	worldtest.Until(t, "it is told", func() bool { return count(w.Actions(t), "find_strangers") == 1 })
	if got := w.Detail(t, "find_strangers"); !strings.Contains(got, path.Base(failed.Place())) {
		t.Error(got)
	}
	rotates(t, w, &c)
	c.ahead.Add(int64(10 * time.Minute))
	asks(t, w, accounts.AskReseal)
	hurried(t, w, "it is told what keeps the key", func() bool { return count(w.Actions(t), "fail_reseal") == 1 })
	if got := w.Detail(t, "fail_reseal"); !strings.Contains(got, path.Base(failed.Place())) {
		t.Error(got)
	}
}

// TestStrangers: a snapshot that somebody puts back when it was let go is told of, and no data
// key is retired that opens it, until it is removed.
func TestStrangers(t *testing.T) {
	t.Parallel()
	var c clock
	w := worldtest.New(t, worldtest.Options{Store: mem.New(mem.Options{Now: c.now})})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	back := w.Taken(t, w.Queue(t))
	w.Taken(t, w.Queue(t))
	check(t, w)
	w.Exec(t, `update snapshots set expired_at = now() where id = '`+back.ID+`'`)
	check(t, w)
	if n := count(w.Actions(t), "find_strangers"); n != 0 {
		t.Errorf("told of %d times while it is there, or let go and not removed yet", n)
	}
	w.Exec(t, `update snapshots set forgotten_at = now() where id = '`+back.ID+`'`)
	check(t, w)
	worldtest.Until(t, "it is told", func() bool { return count(w.Actions(t), "find_strangers") == 1 })
	if got := w.Detail(t, "find_strangers"); !strings.HasPrefix(got, "1 snapshot in the bucket that the database does not know: "+path.Base(back.Place())+";") {
		t.Error(got)
	}
	rotates(t, w, &c)
	c.ahead.Add(int64(10 * time.Minute))
	asks(t, w, accounts.AskReseal)
	hurried(t, w, "it is told what keeps the key", func() bool { return count(w.Actions(t), "fail_reseal") == 1 })
	if got := w.Detail(t, "fail_reseal"); !strings.Contains(got, "1 snapshot cannot be sealed anew, and no data key is retired") || !strings.Contains(got, path.Base(back.Place())) {
		t.Error(got)
	}
	if standing(t, w).ResealAskedAt == nil {
		t.Fatal("the key is retired")
	}
	r, err := repository.New(w.Store, w.Ring, w.Account.ID, w.Connection, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Forget(t.Context(), back.Place()); err != nil {
		t.Fatal(err)
	}
	hurried(t, w, "the old key is retired", func() bool { return standing(t, w).ResealAskedAt == nil })
}
