package worker_test

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/bigorg"
	"imago/pkg/resource"
	"imago/services/worker"
)

// BenchmarkSweep measures what a full snapshot costs the worker's process, from its start
// to its end: the first one of an org, and a later one that finds nothing new; of the org
// that sizes are promised for, and of a fifth of it. Beside it stand the floor in the same
// run, a process that downloads the same pages and does one canonicalisation, one zstd and
// one AES-256-GCM pass over the same bytes; and who would have it from others, a bare
// download of the pages and restic's backup of the snapshot's objects as ready files: its
// first, and one of files that were written anew with the same content. It reports CPU
// seconds (user and system), and the worker's peak memory. What is promised of them
// "scripts/bench sweep" knows.
//
// A run is one round, in a world of its own that ends with it; -count makes more.
//
//	go test ./services/worker -run '^$' -bench Sweep -benchtime 1x
func BenchmarkSweep(b *testing.B) {
	for _, share := range []float64{1.0 / 5, 1} {
		size := bigorg.Full.Scaled(share)
		b.Run(fmt.Sprintf("users=%d", size.Users), func(b *testing.B) { measureSweep(b, size) })
	}
}

func measureSweep(b *testing.B, size bigorg.Size) {
	a := newApart(b, worldtest.Options{Seed: seedOf(size)})
	first := a.sweep(b, size)
	pages := a.pages(b, size)
	floor, download := a.passes(b, "as-floor", pages), a.passes(b, "as-download", pages)
	later := a.sweep(b, size)
	if restic := a.restic(b, later.taken); restic != nil {
		b.ReportMetric(restic[0], "restic-first-cpu-s")
		b.ReportMetric(restic[1], "restic-cpu-s")
	}
	b.ReportMetric(first.cpu, "worker-first-cpu-s")
	b.ReportMetric(later.cpu, "worker-cpu-s")
	b.ReportMetric(first.peak, "worker-first-peak-MiB")
	b.ReportMetric(later.peak, "worker-peak-MiB")
	b.ReportMetric(floor, "floor-cpu-s")
	b.ReportMetric(download, "download-cpu-s")
	b.ReportMetric(float64(len(pages.URLs)), "pages")
	b.ReportMetric(float64(later.taken.Objects), "objects")
	b.ReportMetric(0, "ns/op") // of all that together it would say nothing
}

// seedOf is the simulator's plan of an org. An app is assigned to one group, whose members
// are its users; of the catalog's other types it makes what it can.
func seedOf(size bigorg.Size) string {
	return fmt.Sprintf(`{"seed":1,"users":%d,"groups":%d,"memberships":%d,"apps":%d,"rules":%[5]d,"policies":%[5]d,"zones":%[5]d}`,
		size.Users, size.Groups, size.Memberships, size.Apps, size.Others)
}

// download is what the floor reads: pages, and the token that reads them.
type download struct {
	URLs          []string
	Authorization string
}

// pages takes one snapshot in this process and notes every page that it read. It waits for
// the day's check, too, which follows and is no part of the sweep that is measured.
func (a *apart) pages(b *testing.B, size bigorg.Size) download {
	b.Helper()
	noted := &noting{}
	d := deps(b, a.World)
	d.Providers = []provider.Provider{okta.New(okta.Options{Transport: noted})}
	stop := work(b, a.World, worker.Config{}, d)
	a.taken(b, size)
	worldtest.Until(b, "the repository is checked", func() bool { _, ok := lastCheck(b, a.World); return ok })
	stop()
	return noted.download
}

// taken takes a snapshot of an org with whatever worker runs.
func (a *apart) taken(b *testing.B, size bigorg.Size) (taken snapshots.Snapshot) {
	b.Helper()
	id, least := a.Queue(b), int64(size.Users+size.Groups+size.Memberships+size.Apps+size.AppUsers)
	worldtest.UntilWithin(b, 10*time.Minute, "snapshot ends", func() bool { taken = a.Snapshot(b, id); return taken.State.Ended() })
	if taken.State != snapshots.Complete && taken.State != snapshots.Partial || taken.Objects < least {
		b.Fatalf("the snapshot is %s with %d objects, not %d or more", taken.State, taken.Objects, least)
	}
	return taken
}

// noting notes the pages that pass.
type noting struct {
	mu sync.Mutex
	download
}

func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && res.StatusCode == http.StatusOK && r.Header.Get("Authorization") != "" {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.URLs, n.Authorization = append(n.URLs, r.URL.String()), r.Header.Get("Authorization")
	}
	return res, err
}

// swept is a snapshot that a worker's process took, the CPU seconds of that process and
// its peak memory in MiB.
type swept struct {
	taken     snapshots.Snapshot
	cpu, peak float64
}

// sweep has a worker's process take a snapshot.
func (a *apart) sweep(b *testing.B, size bigorg.Size) (s swept) {
	b.Helper()
	p := a.worker(b)
	s.taken = a.taken(b, size)
	s.peak = p.peak(b)
	p.end(b, syscall.SIGTERM)
	s.cpu = p.used()
	b.Logf("%d objects, %d calls, %d bytes before compression, %d in the store", s.taken.Objects, s.taken.Calls, s.taken.PlainBytes, s.taken.Bytes)
	return s
}

// restic has restic back up a snapshot's objects, one file of lines for each type, twice,
// and gives the CPU seconds of each time; none, and says so, where there is no restic.
func (a *apart) restic(b *testing.B, taken snapshots.Snapshot) (cpu []float64) {
	b.Helper()
	if _, err := exec.LookPath("restic"); err != nil {
		b.Log("SKIPPED: there is no restic to measure beside (scripts/install bench)")
		return nil
	}
	dir := b.TempDir()
	org := filepath.Join(dir, "org")
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("benchmark\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	run := func(args ...string) float64 {
		restic := exec.Command("restic", append([]string{"--quiet", "--repo", filepath.Join(dir, "repository"),
			"--password-file", filepath.Join(dir, "password"), "--cache-dir", filepath.Join(dir, "cache")}, args...)...)
		restic.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RESTIC_") })
		if said, err := restic.CombinedOutput(); err != nil {
			b.Fatalf("restic %s: %v\n%s", args[0], err, said)
		}
		return (restic.ProcessState.UserTime() + restic.ProcessState.SystemTime()).Seconds()
	}
	run("init")
	for range 2 {
		if err := os.RemoveAll(org); err != nil {
			b.Fatal(err)
		}
		a.export(b, taken, org)
		cpu = append(cpu, run("backup", org))
	}
	return cpu
}

// export writes a snapshot's objects as a dump tool would: of a membership both ends.
func (a *apart) export(b *testing.B, taken snapshots.Snapshot, dir string) {
	b.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	snap := a.Open(b, taken)
	for _, t := range snap.Manifest().Types {
		file, err := os.Create(filepath.Join(dir, string(t.Type)+".jsonl"))
		if err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewWriter(file)
		for r, err := range snap.Walk(b.Context(), t.Type) {
			if err != nil {
				b.Fatal(err)
			}
			if t.Type == "group_membership" {
				r.Body = fmt.Appendf(nil, `{"groupId":%q,"userId":%q}`, r.Parent, r.ID)
			}
			if _, err := fmt.Fprintf(lines, "%s\n", r.Body); err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(lines.Flush(), file.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

// passes has another process read the pages, and do with them what its name says, and
// gives its CPU seconds.
func (a *apart) passes(b *testing.B, as string, pages download) float64 {
	b.Helper()
	config := filepath.Join(b.TempDir(), "pages.json")
	text, err := json.Marshal(pages)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		b.Fatal(err)
	}
	p := again(b, as, config)
	line, err := bufio.NewReader(p.stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	p.end(b, syscall.SIGTERM)
	b.Logf("%s: %s", as, line)
	return p.used()
}

// used is what an ended process used, in CPU seconds.
func (p *process) used() float64 {
	state := p.cmd.ProcessState
	return (state.UserTime() + state.SystemTime()).Seconds()
}

// peak is the most resident memory that a running process had, in MiB. What is told of one
// that has ended is no less than what its parent had when it started it.
func (p *process) peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	var kib float64
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatal("this system does not tell a process's peak memory:", err)
	}
	return kib / 1024
}

// asFloor reads every page and passes over it three times.
func asFloor(ctx context.Context, config string) error {
	f, err := newPasses()
	if err != nil {
		return err
	}
	return readPages(ctx, config, f.page, func() error {
		if err := f.flush(); err != nil {
			return err
		}
		fmt.Printf("%d bytes, %d sealed\n", f.read, f.sealed)
		return nil
	})
}

// asDownload reads every page.
func asDownload(ctx context.Context, config string) error {
	var read int64
	return readPages(ctx, config, func(body io.Reader) error {
		n, err := io.Copy(io.Discard, body)
		read += n
		return err
	}, func() error {
		fmt.Printf("%d bytes\n", read)
		return nil
	})
}

// readPages calls page with the body of each, and end when that is done.
func readPages(ctx context.Context, config string, page func(io.Reader) error, end func() error) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var pages download
	if err := json.Unmarshal(text, &pages); err != nil {
		return err
	}
	for _, url := range pages.URLs {
		if err := readPage(ctx, url, pages.Authorization, page); err != nil {
			return fmt.Errorf("page: %w", err)
		}
	}
	if err := end(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func readPage(ctx context.Context, url, authorization string, page func(io.Reader) error) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", authorization)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return page(res.Body)
}

// passes does over a run of bytes what no snapshot can do without: once each.
type passes struct {
	canonical resource.Canonicaliser
	zstd      *zstd.Encoder
	aead      cipher.AEAD
	nonce     uint64
	run, zip  []byte
	body      []byte
	read      int
	sealed    int
}

// runLength is how much is compressed and sealed at a time, the most plain bytes of a segment.
const runLength = 6 << 20

func newPasses() (*passes, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	return &passes{zstd: enc, aead: aead}, err
}

func (f *passes) page(body io.Reader) (err error) {
	if f.body, err = readInto(f.body[:0], body); err != nil {
		return err
	}
	f.read += len(f.body)
	if f.run, err = f.canonical.Append(f.run, f.body); err != nil {
		return err
	}
	if len(f.run) < runLength {
		return nil
	}
	return f.flush()
}

func readInto(buf []byte, r io.Reader) ([]byte, error) {
	for {
		buf = slices.Grow(buf, 64<<10)
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// flush compresses and seals the run.
func (f *passes) flush() error {
	f.zip = f.zstd.EncodeAll(f.run, f.zip[:0])
	var nonce [12]byte
	f.nonce++
	binary.BigEndian.PutUint64(nonce[:], f.nonce)
	f.zip = f.aead.Seal(f.zip[:0], nonce[:], f.zip, nil)
	f.sealed += len(f.zip)
	f.run = f.run[:0]
	return nil
}
