package api

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// proven has a person prove that it is them, a moment ago.
func (w *world) proven(p *person) *person {
	w.t.Helper()
	w.exec(`update sessions set stepped_up_at = now() where user_id = $1`, p.user)
	return p
}

// offer asks for a download.
func (p *person) offer(t *testing.T, m *imagov1.CreateDownloadRequest) *imagov1.CreateDownloadResponse {
	t.Helper()
	res, err := p.snapshots.CreateDownload(t.Context(), req(m))
	if err != nil {
		t.Fatal(err)
	}
	return res.Msg
}

// fetched is what came of an address; broken: the answer was cut off.
type fetched struct {
	status int
	body   []byte
	broken error
}

// fetch fetches an address as somebody.
func (w *world) fetch(p *person, url string) fetched {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	from{p.token, w.ip}.sign(r.Header)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return fetched{broken: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return fetched{res.StatusCode, body, err}
}

// unpacked puts what an archive holds into a store.
func unpacked(t *testing.T, archive []byte) *mem.Store {
	t.Helper()
	store := mem.New(mem.Options{})
	for in := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return store
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Put(t.Context(), h.Name, in, h.Size); err != nil {
			t.Fatal(err)
		}
	}
}

// unsealed opens the repository that was unpacked: by nothing but the master key, or by an
// escrow, which does not even look at the keyring.
func unsealed(t *testing.T, w *world, p *person, c account.ConnectionID, store *mem.Store, escrow bool) *repository.Repository {
	t.Helper()
	wrapped, err := repository.LoadKeyring(t.Context(), store, p.account)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := envelope.OpenKeyring(t.Context(), w.keys, p.account, wrapped)
	if err == nil && escrow {
		ring, err = throughEscrow(p.ring)
	}
	if err != nil {
		t.Fatal(err)
	}
	repo, err := repository.New(store, ring, p.account, c, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func throughEscrow(ring *envelope.Keyring) (*envelope.Keyring, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	to, err := envelope.ParseRecipient(identity.Recipient().String())
	if err != nil {
		return nil, err
	}
	file, err := ring.Escrow(to)
	if err != nil {
		return nil, err
	}
	return envelope.OpenEscrow(bytes.NewReader(file), strings.NewReader(identity.String()))
}

func TestDownloadSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	swept := w.take(p, c, acme)
	one := w.point(p, c, swept, group("00g1", "Money"))
	two := w.point(p, c, one, thing{key: "group/00g3"})
	for name, tt := range map[string]struct {
		m    *imagov1.CreateDownloadRequest
		want int // snapshots
	}{
		"one":         {&imagov1.CreateDownloadRequest{SnapshotId: two}, 1},
		"all of them": {&imagov1.CreateDownloadRequest{SnapshotId: "all"}, 3},
	} {
		tt.m.ConnectionId = string(c)
		offer := p.offer(t, tt.m)
		got := w.fetch(p, offer.GetUrl())
		if got.status != 200 || got.broken != nil || !strings.HasSuffix(offer.GetFileName(), ".tar") {
			t.Fatalf("%s: %d %s, %v", name, got.status, offer.GetFileName(), got.broken)
		}
		repo := unsealed(t, w, p, c, unpacked(t, got.body), tt.want > 1)
		var last *repository.Snapshot
		n := 0
		for e, err := range repo.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if last, err = repo.Open(t.Context(), e.Prefix); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != tt.want {
			t.Errorf("%s: %d snapshots, want %d", name, n, tt.want)
		}
		money, err := last.Get(t.Context(), resource.Key{Type: "group", ID: "00g1"})
		if err != nil || !strings.Contains(string(money.Body), "Money") {
			t.Errorf("%s: %s, %v", name, money.Body, err)
		}
		report, err := repo.Check(t.Context(), repository.CheckOptions{Data: true})
		if err != nil || len(report.Damage) > 0 || report.Rubbish > 0 {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	got := w.actions(p, "create_download", "take_download")
	want := []string{"create_download", "create_download", "take_download", "take_download"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// actions lists what the activity log has of some actions, sorted.
func (w *world) actions(p *person, of ...string) (out []string) {
	w.t.Helper()
	if p.account == "" {
		return nil
	}
	var text *string
	w.row([]any{&text}, `select string_agg(action, ' ' order by action) from activity_logs where account_id = $1 and action = any ($2)`, p.account, of)
	if text == nil {
		return nil
	}
	return strings.Fields(*text)
}

func TestDownloadPlain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	secret := thing{"user/00u9", `{"id":"00u9","credentials":{"password":{"value":"hunter2"},"provider":{"type":"OKTA"}},"profile":{"login":"eve@acme.test"},"n":9007199254740993}`}
	id := w.take(p, c, append([]thing{secret}, acme...), snapshot.Gap{Type: "group_rule", Reason: snapshot.Truncated, Detail: "grant it"})
	offer := p.offer(t, &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: id, Plain: true})
	got := w.fetch(p, offer.GetUrl())
	body := got.body
	if got.status != 200 || got.broken != nil {
		t.Fatal(got.status, got.broken)
	}
	kinds := map[string]int{}
	for _, line := range bytes.Split(bytes.TrimSpace(body), []byte("\n")) {
		var v struct{ Type string }
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		kinds[v.Type]++
	}
	if diff := cmp.Diff(map[string]int{"snapshot": 1, "gap": 1, "object": len(acme) + 1, "end": 1}, kinds); diff != "" {
		t.Error(diff)
	}
	if bytes.Contains(body, []byte("hunter2")) || !bytes.Contains(body, []byte("9007199254740993")) {
		t.Errorf("it tells what nobody may see, or changes numbers: %s", body)
	}
}

// TestDownloadsAreRefused: an address is good once, in time, as it was given, for who asked,
// while they may; every refusal is written down, and costs the one that is good nothing.
func TestDownloadsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	id := w.take(p, c, acme)
	ask := &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: id}
	used, late, mine := p.offer(t, ask).GetUrl(), p.offer(t, ask).GetUrl(), p.offer(t, ask).GetUrl()
	if got := w.fetch(p, used); got.status != 200 {
		t.Fatal("the first time", got.status)
	}
	w.exec(`update downloads set expires_at = now() - interval '1 second' where id = $1`, strings.Split(late, "/")[3])
	colleague, stranger := w.proven(w.member(p, account.Owner)), w.proven(w.owner())
	demoted := w.proven(w.member(p, account.Admin))
	theirs := demoted.offer(t, ask).GetUrl()
	w.exec(`update members set role = 'operator' where user_id = $1`, demoted.user)
	altered := mine[:len(mine)-1] + string(mine[len(mine)-1]^1)
	for _, tt := range []struct {
		name, url string
		who       *person
		status    int
		noted     int
	}{
		{"used", used, p, http.StatusGone, 1},
		{"late", late, p, http.StatusGone, 1},
		{"altered", altered, p, http.StatusNotFound, 1},
		{"a colleague's", mine, colleague, http.StatusNotFound, 1},
		{"another account's", mine, stranger, http.StatusNotFound, 1},
		{"of who may no more", theirs, demoted, http.StatusForbidden, 0},
		{"without a session", mine, w.stranger(), http.StatusUnauthorized, 0},
		{"no ID", "/v1/downloads/x/y", p, http.StatusNotFound, 0},
	} {
		before := len(w.actions(tt.who, "refuse_download"))
		got := w.fetch(tt.who, tt.url)
		if got.status != tt.status || !json.Valid(got.body) {
			t.Errorf("%s: %d %s, want %d", tt.name, got.status, got.body, tt.status)
		}
		if n := len(w.actions(tt.who, "refuse_download")) - before; n != tt.noted {
			t.Errorf("%s: %d refusals are noted, want %d", tt.name, n, tt.noted)
		}
	}
	if got := w.fetch(p, mine); got.status != 200 {
		t.Errorf("the good one, after all: %d", got.status)
	}
	for _, secret := range []string{used[len(used)-43:], mine[len(mine)-43:], "Finance"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestDownloadsAreTakenOnce: of many who come at the same moment one gets it.
func TestDownloadsAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	url := p.offer(t, &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: w.take(p, c, acme)}).GetUrl()
	statuses := make(chan int)
	for range 6 {
		go func() {
			statuses <- w.fetch(p, url).status
		}()
	}
	got := map[int]int{}
	for range 6 {
		got[<-statuses]++
	}
	if got[http.StatusOK] != 1 || got[http.StatusGone] != 5 {
		t.Errorf("answers: %v", got)
	}
}

func TestWhoMayNotDownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	ask := &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: w.take(p, c, acme)}
	for _, role := range []account.Role{account.Operator, account.Auditor, account.Viewer} {
		_, err := w.proven(w.member(p, role)).snapshots.CreateDownload(t.Context(), req(ask))
		problemOf(t, err, connect.CodePermissionDenied)
	}
	w.exec(`update sessions set stepped_up_at = now() - interval '11 minutes' where user_id = $1`, p.user)
	if _, err := p.snapshots.CreateDownload(t.Context(), req(ask)); err == nil {
		t.Error("without a step-up")
	}
	w.proven(p)
	other := w.proven(w.owner())
	for name, m := range map[string]*imagov1.CreateDownloadRequest{
		"another account's":             {ConnectionId: string(w.db.Connection(t, other.account)), SnapshotId: "all"},
		"another connection's":          {ConnectionId: string(w.db.Connection(t, p.account)), SnapshotId: ask.GetSnapshotId()},
		"all of a connection, in clear": {ConnectionId: string(c), SnapshotId: "all", Plain: true},
		"nothing":                       {},
	} {
		if _, err := p.snapshots.CreateDownload(t.Context(), req(m)); err == nil {
			t.Errorf("%s: it is offered", name)
		}
	}
}

// TestDamageCutsADownloadOff, so that it does not look whole.
func TestDamageCutsADownloadOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	id := w.take(p, c, acme)
	_, s, err := w.stored(p, id)
	if err != nil {
		t.Fatal(err)
	}
	key := s.Objects()[0].Key
	if err := w.store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Put(t.Context(), key, strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []bool{false, true} {
		url := p.offer(t, &imagov1.CreateDownloadRequest{ConnectionId: string(c), SnapshotId: id, Plain: plain}).GetUrl()
		if got := w.fetch(p, url); !errors.Is(got.broken, io.EOF) && !errors.Is(got.broken, io.ErrUnexpectedEOF) {
			t.Errorf("plain %t: %d, %d bytes, and it looks whole", plain, got.status, len(got.body))
		}
	}
	if !strings.Contains(w.log.String(), fmt.Sprintf("%s is damaged", key)) {
		t.Error("the log does not tell of it")
	}
}
