package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/repository/repositorytest"
	imagov1 "imago/proto/imago/v1"
)

// rotated gives a person's account another data key, which the api knows of. It answers the
// keyring of before.
func (w *world) rotated(p *person) (old *envelope.Keyring) {
	w.t.Helper()
	old = p.ring
	p.ring = repositorytest.Rotate(w.t, w.keys, old)
	w.exec(`update account_keys set wrapped = $2 where account_id = $1`, p.account, p.ring.Wrapped())
	w.clock.move(2 * time.Minute)
	return old
}

// readers are the RPCs that open one of a connection's two snapshots.
func (w *world) readers(p *person, c account.ConnectionID, id, other string) map[string]func() error {
	ctx := w.t.Context()
	return map[string]func() error{
		"browse": func() error {
			_, err := p.snapshots.ListResources(ctx, req(&imagov1.ListResourcesRequest{SnapshotId: id, Type: "group"}))
			return err
		},
		"one object": func() error {
			_, err := p.snapshots.GetResource(ctx, req(&imagov1.GetResourceRequest{SnapshotId: id, Key: "group/00g1"}))
			return err
		},
		"search": func() error {
			_, err := p.snapshots.SearchSnapshot(ctx, req(&imagov1.SearchSnapshotRequest{SnapshotId: id, Search: "Finance"}))
			return err
		},
		"versions": func() error {
			_, err := p.snapshots.ListVersions(ctx, req(&imagov1.ListVersionsRequest{ConnectionId: string(c), Key: "group/00g1"}))
			return err
		},
		"compare, as the older one": func() error { return w.ask2(p, id, other) },
		"compare, as the newer one": func() error { return w.ask2(p, other, id) },
		"ask for a restore": func() error {
			_, err := p.restores.PlanRestore(ctx, req(&imagov1.PlanRestoreRequest{SnapshotId: id, Selection: &imagov1.Selection{Keys: []string{"group/00g1"}}}))
			return err
		},
	}
}

// TestReplacedSnapshot: what who has an old data key put in the place of a snapshot is shown
// to nobody, and it is no fault of who asks; a snapshot that was sealed anew opens.
func TestReplacedSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	first, second := w.take(p, c, acme), w.take(p, c, acme)
	_, s, err := w.stored(p, first)
	if err != nil {
		t.Fatal(err)
	}
	thief := w.rotated(p)
	repositorytest.Reseal(t, w.store, p.ring, s)
	readers := w.readers(p, c, first, second)
	for name, read := range readers {
		if err := read(); err != nil {
			t.Errorf("%s, sealed anew: %v", name, err)
		}
	}
	repositorytest.Forge(t, w.store, thief, s)
	for _, name := range slices.Sorted(maps.Keys(readers)) {
		err := readers[name]()
		if err == nil {
			t.Errorf("%s shows what was forged", name)
			continue
		}
		got := problemOf(t, err, connect.CodeDataLoss)
		if got.GetKind() != "damaged" || !strings.Contains(got.GetWhat(), s.Prefix()+"/manifest is damaged: another snapshot lies in the place") ||
			!strings.HasPrefix(got.GetHint(), "see who may write to the bucket") {
			t.Errorf("%s: %v", name, got)
		}
	}
	status, doc := w.rest(p, http.MethodGet, "/v1/snapshots/"+first+"/resources?type=group", "")
	if status != http.StatusInternalServerError || doc["kind"] != "damaged" || doc["title"] != "Damaged" {
		t.Errorf("by REST: %d %v", status, doc)
	}
	if !strings.Contains(w.log.String(), s.Prefix()+"/manifest is damaged") {
		t.Error("the log does not tell of it")
	}
	if _, err := p.snapshots.ListResources(t.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: second, Type: "group"})); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// TestSealedAnewAndNotNoted: what a worker sealed anew, and died before the row heard of it, is no
// damage, also once another data key seals: it is read like any other, and not given up.
func TestSealedAnewAndNotNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	first, second := w.take(p, c, acme), w.take(p, c, acme)
	_, s, err := w.stored(p, first)
	if err != nil {
		t.Fatal(err)
	}
	w.rotated(p)
	w.db.Announce(t, first, repositorytest.Reseal(t, w.store, p.ring, s))
	w.rotated(p)
	for name, read := range w.readers(p, c, first, second) {
		if err := read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []string{first, "all"} {
		got := w.fetch(p, p.offer(t, &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: id}).GetUrl())
		if got.status != http.StatusOK || got.broken != nil {
			t.Errorf("download of %s: %d, %v", id, got.status, got.broken)
		}
	}
	_, err = p.snapshots.GiveUpSnapshot(t.Context(), req(&imagov1.GiveUpSnapshotRequest{SnapshotId: first}))
	if got := problemOf(t, err, connect.CodeAlreadyExists); got.GetWhat() != "the snapshot is there, and opens" {
		t.Errorf("given up: %v", got)
	}
}

// TestReplacedDownload: a download of what was put in the place of a snapshot is refused
// before it begins; where others went before, it is cut off.
func TestReplacedDownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	ids := []string{w.take(p, c, acme), w.take(p, c, acme)}
	thief := w.rotated(p)
	fetch := func(id string, plain bool) fetched {
		return w.fetch(p, p.offer(t, &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: id, Plain: plain}).GetUrl())
	}
	for i, id := range slices.Backward(ids) {
		_, s, err := w.stored(p, id)
		if err != nil {
			t.Fatal(err)
		}
		repositorytest.Reseal(t, w.store, p.ring, s)
		for _, plain := range []bool{false, true} {
			if got := fetch(id, plain); got.status != http.StatusOK || got.broken != nil {
				t.Errorf("sealed anew, plain %t: %d, %v", plain, got.status, got.broken)
			}
		}
		repositorytest.Forge(t, w.store, thief, s)
		for _, plain := range []bool{false, true} {
			refusesDownload(t, fetch(id, plain), s.Prefix())
		}
		all := fetch("all", false)
		if i == 0 {
			refusesDownload(t, all, s.Prefix())
		} else if !errors.Is(all.broken, io.EOF) && !errors.Is(all.broken, io.ErrUnexpectedEOF) || bytes.Contains(all.body, []byte(s.Prefix()+"/manifest")) {
			t.Errorf("behind another: %d, %d bytes, and it looks whole", all.status, len(all.body))
		}
	}
}

func refusesDownload(t *testing.T, got fetched, prefix string) {
	t.Helper()
	var doc struct{ Kind, Detail, Hint string }
	if err := json.Unmarshal(got.body, &doc); err != nil || got.status != http.StatusInternalServerError || got.broken != nil {
		t.Fatalf("%d, %d bytes, %v: %v", got.status, len(got.body), got.broken, err)
	}
	if doc.Kind != "damaged" || !strings.HasPrefix(doc.Detail, prefix+"/manifest is damaged: another snapshot") || doc.Hint == "" {
		t.Errorf("%+v", doc)
	}
}
