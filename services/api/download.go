package api

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"mime"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/export"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

// downloads is below which path they are fetched.
const downloads = "/v1/downloads/"

// CreateDownload takes no idempotency key: its answer, which is good once, would be kept.
func (s snapshotService) CreateDownload(ctx context.Context, r *connect.Request[imagov1.CreateDownloadRequest]) (*connect.Response[imagov1.CreateDownloadResponse], error) {
	d, err := s.wanted(ctx, r.Msg)
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	key := secret()
	err = s.read(ctx, func(tx *postgres.Tx) error {
		if d, err = snapshots.Offer(ctx, tx, d, sha256.Sum256([]byte(key))); err != nil {
			return err
		}
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		return w.recordDownload(ctx, "create_download", d, kindOf(d))
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.CreateDownloadResponse{
		Url: downloads + d.ID + "/" + key, FileName: fileName(d), ExpiresAt: stamp(d.ExpiresAt),
	}), nil
}

// wanted checks what is to be downloaded.
func (s snapshotService) wanted(ctx context.Context, m *imagov1.CreateDownloadRequest) (d snapshots.Download, err error) {
	d.Plain = m.GetPlain()
	if m.GetSnapshotId() != allOfThem {
		return s.wantedOne(ctx, m)
	}
	id, err := valid.ID("connection_id", m.GetConnectionId())
	if err != nil {
		return d, err
	}
	if d.ConnectionID = account.ConnectionID(id); d.Plain {
		return d, problem.InField("snapshot_id", "one snapshot at a time is decrypted").WithHint("name one, or have all of them sealed")
	}
	return d, s.read(ctx, func(tx *postgres.Tx) error {
		_, err := connections.Get(ctx, tx, d.ConnectionID)
		return in("connection_id", connectionsHint, err)
	})
}

// allOfThem stands for all snapshots of a connection.
const allOfThem = "all"

func (s snapshotService) wantedOne(ctx context.Context, m *imagov1.CreateDownloadRequest) (d snapshots.Download, err error) {
	row, err := s.find(ctx, m.GetSnapshotId(), m.GetConnectionId())
	switch {
	case err != nil:
		return d, err
	case m.GetConnectionId() != "" && m.GetConnectionId() != string(row.ConnectionID):
		return d, problem.InField("snapshot_id", "it is of another connection").WithHint(snapshotsHint)
	case row.State != snapshots.Complete && row.State != snapshots.Partial:
		return d, problem.New(problem.Conflict, "the snapshot is %s, so there is nothing to download", row.State).
			WithHint("choose one that is complete, or wait for this one")
	}
	return snapshots.Download{ConnectionID: row.ConnectionID, SnapshotID: &row.ID, Plain: m.GetPlain()}, nil
}

// kindOf says what a download is of, for the activity log.
func kindOf(d snapshots.Download) string {
	switch {
	case d.SnapshotID == nil:
		return "all snapshots, sealed"
	case d.Plain:
		return "decrypted"
	}
	return "sealed"
}

// fileName is what a browser calls what it saves.
func fileName(d snapshots.Download) string {
	name, of := "imago-connection-", string(d.ConnectionID)
	if d.SnapshotID != nil {
		name, of = "imago-snapshot-", *d.SnapshotID
	}
	name += of[len(of)-8:] + "-" + d.CreatedAt.UTC().Format("20060102")
	if d.Plain {
		return name + ".jsonl"
	}
	return name + ".tar"
}

// recordDownload writes down what is done about a download.
func (w *work) recordDownload(ctx context.Context, action string, d snapshots.Download, detail string) error {
	if d.SnapshotID != nil {
		return w.record(ctx, action, "snapshot", *d.SnapshotID, detail)
	}
	return w.record(ctx, action, "connection", string(d.ConnectionID), detail)
}

// download gives what an address of CreateDownload stands for. The address alone is not
// enough: the session must be of the person, and in the account, that asked for it.
func (s *Service) download(w http.ResponseWriter, r *http.Request) {
	ctx, q := r.Context(), requestOf(r.Context())
	q.procedure = "download"
	c, err := s.authenticate(ctx, r.Header)
	if err != nil {
		refuse(w, q, http.StatusUnauthorized, err)
		return
	}
	q.caller = c
	if err := s.streams.enter(c.proof); err != nil {
		refuse(w, q, http.StatusTooManyRequests, err)
		return
	}
	defer s.streams.leave(c.proof)
	g, err := s.redeem(ctx, r.PathValue("id"), r.PathValue("secret"))
	if err != nil {
		refuse(w, q, statusOfDownload(err), err)
		return
	}
	g.send(ctx, w, q)
}

func statusOfDownload(err error) int {
	switch {
	case problem.Is(err, problem.Denied):
		return http.StatusForbidden
	case problem.Is(err, problem.NotFound):
		return http.StatusNotFound
	case problem.Is(err, problem.Stale):
		return http.StatusGone
	case problem.Is(err, problem.Damaged):
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// giving is a download that was taken, on its way.
type giving struct {
	s       *Service
	ring    *envelope.Keyring
	repo    *repository.Repository
	d       snapshots.Download
	moments []snapshots.Moment // of the snapshots, oldest first
	first   *repository.Snapshot
}

// redeem takes the download that an address names. A refusal is written down.
func (s *Service) redeem(ctx context.Context, id, key string) (*giving, error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	g := &giving{s: s, ring: ring}
	var refused error
	err = s.DB.As(ctx, requestOf(ctx).caller.proof, func(tx *postgres.Tx) (err error) {
		w := &work{tx, s, ring, requestOf(ctx)}
		if refused = (permission{action: account.Download}).admits(tx.Role(), true, tx.Scopes()); refused != nil {
			return nil
		}
		d, ok, err := snapshots.Redeem(ctx, tx, id, sha256.Sum256([]byte(key)))
		if err != nil {
			return err
		}
		if g.d = d; !ok {
			refused, err = w.refuseDownload(ctx, id)
			return err
		}
		if g.moments, err = g.kept(ctx, tx); err != nil {
			return err
		}
		return w.recordDownload(ctx, "take_download", g.d, kindOf(g.d))
	})
	if err == nil {
		err = refused
	}
	if err == nil {
		err = g.begin(ctx)
	}
	return g, err
}

// begin opens the first snapshot: what is wrong with it can still be answered.
func (g *giving) begin(ctx context.Context) (err error) {
	if g.repo, err = g.s.repository(g.ring, g.d.ConnectionID); err == nil && len(g.moments) > 0 {
		g.first, err = g.open(ctx, 0)
	}
	return err
}

// open opens the ith snapshot, unless begin did.
func (g *giving) open(ctx context.Context, i int) (*repository.Snapshot, error) {
	if i == 0 && g.first != nil {
		return g.first, nil
	}
	return g.repo.OpenKnown(ctx, g.moments[i].Known())
}

// refuseDownload says why an address is good for nothing, and writes it down.
func (w *work) refuseDownload(ctx context.Context, id string) (refused, err error) {
	const again = "ask for the download again"
	if _, err := valid.ID("id", id); err != nil {
		return problem.New(problem.NotFound, "there is no such download").WithHint(again), nil
	}
	d, ok, err := snapshots.Offered(ctx, w.Tx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case !ok: // it may be another's: then it is not there
		refused = problem.New(problem.NotFound, "there is no such download").WithHint(again)
		return refused, w.record(ctx, "refuse_download", "download", id, refused.Error())
	case d.TakenAt != nil:
		refused = problem.New(problem.Stale, "the download was taken already").WithHint(again)
	case d.Late:
		refused = problem.New(problem.Stale, "the download was not taken in time").WithHint(again)
	default:
		refused = problem.New(problem.NotFound, "the address of the download was altered").WithHint(again)
	}
	return refused, w.recordDownload(ctx, "refuse_download", d, refused.Error())
}

// kept are the snapshots to give, oldest first: if the transfer breaks off, what has come is
// whole up to there.
func (g *giving) kept(ctx context.Context, tx *postgres.Tx) (out []snapshots.Moment, err error) {
	all, err := snapshots.Moments(ctx, tx, g.d.ConnectionID, time.Time{})
	for i := len(all) - 1; i >= 0; i-- {
		if g.d.SnapshotID == nil || all[i].ID == *g.d.SnapshotID {
			out = append(out, all[i])
		}
	}
	if err == nil && g.d.SnapshotID != nil && len(out) == 0 {
		err = problem.New(problem.NotFound, "the snapshot was let go meanwhile")
	}
	return out, err
}

// send streams the answer. What fails on the way cuts it off, so that it does not look whole.
func (g *giving) send(ctx context.Context, w http.ResponseWriter, q *request) {
	h := w.Header()
	h.Set("Content-Type", "application/x-tar")
	if g.d.Plain {
		h.Set("Content-Type", "application/jsonl")
	}
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(g.d)}))
	h.Set("Cache-Control", "no-store")
	write := g.archive
	if g.d.Plain {
		write = g.lines
	}
	// A client that was cut off before it heard anything asks again by itself, in vain.
	err := http.NewResponseController(w).Flush()
	if err == nil {
		err = write(ctx, w)
	}
	if err != nil {
		q.err = fmt.Errorf("download %s: %w", g.d.ID, err)
		panic(http.ErrAbortHandler)
	}
}

// archive writes the folders of the store as a tar archive, and the keyring that a master
// key opens.
func (g *giving) archive(ctx context.Context, w http.ResponseWriter) error {
	out := tar.NewWriter(w)
	wrapped := g.ring.Wrapped()
	if err := out.WriteHeader(entryOf(snapshot.KeyringName(g.ring.Account()), int64(len(wrapped)), g.d.CreatedAt)); err != nil {
		return err
	}
	if _, err := out.Write(wrapped); err != nil {
		return err
	}
	written := map[string]bool{}
	for i, m := range g.moments {
		s, err := g.open(ctx, i)
		if err != nil {
			return err
		}
		for _, o := range s.Objects() {
			if written[o.Key] {
				continue
			}
			written[o.Key] = true
			if err := out.WriteHeader(entryOf(o.Key, o.Bytes, m.EndedAt)); err != nil {
				return err
			}
			if err := g.repo.Copy(ctx, o, out); err != nil {
				return err
			}
		}
	}
	return out.Close()
}

func entryOf(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at.Truncate(time.Second), Format: tar.FormatPAX}
}

// lines writes one snapshot as JSON Lines, without what nobody may see.
func (g *giving) lines(ctx context.Context, w http.ResponseWriter) error {
	_, err := export.Export{Snapshot: g.first, Catalog: g.s.Provider.Catalog(), Discreet: true}.JSONLines(ctx, w)
	return err
}
