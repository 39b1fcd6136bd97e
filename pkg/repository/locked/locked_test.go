// Package locked_test holds repositories in buckets that lock against the store in memory
// that says it does the same. It is apart from the other tests because the server takes the
// working directory of the process.
package locked_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/blob/retry"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	"imago/pkg/snapshot/retention"
)

const (
	alice account.ID           = "0b6a9f0e-0000-7000-8000-00000000000a"
	conn  account.ConnectionID = "0b6a9f0e-0000-7000-8000-0000000000c1"
	day                        = 24 * time.Hour
)

// server is Versity's gateway with Object Lock, one for the process.
var server struct{ address, id, secret string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "locked")
	if err == nil {
		err = serve(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the gateway:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

const region = "eu-test-1"

func serve(dir string) error {
	for _, name := range []string{"objects", "versions"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	attributes := meta.XattrMeta{}
	if err := attributes.Test(dir); err != nil {
		return fmt.Errorf("%s needs extended attributes, as ext4, xfs and newer tmpfs have them: %w", dir, err)
	}
	disk, err := posix.New(filepath.Join(dir, "objects"), attributes, posix.PosixOpts{
		VersioningDir: filepath.Join(dir, "versions"), CopyObjectThreshold: 5 << 30, ForceNoTmpFile: true,
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server.address, server.id, server.secret = l.Addr().String(), rand.Text(), rand.Text()
	if err := l.Close(); err != nil {
		return err
	}
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- embedgw.RunVersityGW(context.Background(), disk, &embedgw.Config{
			RootUserAccess: server.id, RootUserSecret: server.secret, Region: region, Ports: []string{server.address},
			MaxConnections: 512, MaxRequests: 256, MultipartMaxParts: 1, KeepAlive: true, Quiet: true, DisableACLs: true,
			IAMService: auth.NewIAMServiceSingle(auth.Account{Access: server.id, Secret: server.secret, Role: auth.RoleAdmin}),
			S3Options:  []s3api.Option{s3api.WithOnListen(func() { close(ready) })},
		})
	}()
	select {
	case <-ready:
		return nil
	case err := <-ended:
		return err
	}
}

// client is the SDK's own, for what an operator does.
func client() *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String("http://" + server.address), Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(server.id, server.secret, ""),
	})
}

// locking is a store that locks every object for a day from when it is put.
type locking struct {
	blob.Store
	// end ends the locks of what is there: nobody waits for a day.
	end func(t *testing.T)
	// hold locks one object by itself, until it is let go.
	hold func(t *testing.T, key string, on bool)
	// refuses to write over what it locks; else that is kept behind what is new.
	refuses bool
}

// stores are buckets of a server, one that locks and one that is asked to, and the stores in
// memory that the other tests go by, one of which is like R2.
var stores = map[string]func(*testing.T) locking{
	"bucket":  func(t *testing.T) locking { return newBucket(t, 1, 0) },
	"asked":   func(t *testing.T) locking { return newBucket(t, 0, day) },
	"memory":  func(*testing.T) locking { return newMemory(false) },
	"refuses": func(*testing.T) locking { return newMemory(true) },
}

func newMemory(refuses bool) locking {
	late := time.Duration(0)
	store := mem.New(mem.Options{LockFor: day, Refuses: refuses, Now: func() time.Time { return time.Now().Add(late) }})
	return locking{store, func(*testing.T) { late += day + time.Minute }, nil, refuses}
}

// newBucket makes a bucket that locks every object for so many days, and has what is put
// locked for a time; 0: not.
func newBucket(t *testing.T, days int32, lock time.Duration) locking {
	t.Helper()
	name, c := strings.ToLower("locks-"+rand.Text()), client()
	_, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if days > 0 {
		_, err = c.PutObjectLockConfiguration(t.Context(), &sdk.PutObjectLockConfigurationInput{
			Bucket: &name, ObjectLockConfiguration: &types.ObjectLockConfiguration{
				ObjectLockEnabled: types.ObjectLockEnabledEnabled,
				Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: &days}},
			},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	store, err := s3.New(t.Context(), name, s3.Options{
		Endpoint: "http://" + server.address, Region: region, PathStyle: true, Encryption: "none",
		AccessKeyID: server.id, SecretAccessKey: account.Secret(server.secret), Lock: lock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	again, err := retry.New(store, retry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return locking{again, func(t *testing.T) { t.Helper(); endLocks(t, name) }, func(t *testing.T, key string, on bool) { t.Helper(); hold(t, name, key, on) }, false}
}

// endLocks has the locks of a bucket's objects end as soon as one may: at the next second.
func endLocks(t *testing.T, bucket string) {
	t.Helper()
	all, err := client().ListObjectVersions(t.Context(), &sdk.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Second).Truncate(time.Second).Add(time.Second)
	for _, v := range all.Versions {
		_, err := client().PutObjectRetention(t.Context(), &sdk.PutObjectRetentionInput{
			Bucket: &bucket, Key: v.Key, VersionId: v.VersionId, BypassGovernanceRetention: aws.Bool(true),
			Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: &end},
		})
		if err != nil {
			t.Fatal(*v.Key, err)
		}
	}
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	<-ctx.Done()
}

func hold(t *testing.T, bucket, key string, on bool) {
	t.Helper()
	status := map[bool]types.ObjectLockLegalHoldStatus{true: types.ObjectLockLegalHoldStatusOn, false: types.ObjectLockLegalHoldStatusOff}[on]
	_, err := client().PutObjectLegalHold(t.Context(), &sdk.PutObjectLegalHoldInput{
		Bucket: &bucket, Key: &key, LegalHold: &types.ObjectLockLegalHold{Status: status},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shelf is a repository in a store that locks.
type shelf struct {
	locking
	ks    envelope.KeyService
	ring  *envelope.Keyring
	r     *repository.Repository
	taken []taken
}

// taken is a snapshot with what it must hold.
type taken struct {
	*repository.Snapshot
	want map[resource.Key]string
}

func newShelf(t *testing.T, in locking) *shelf {
	t.Helper()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := envelope.NewKeyring(t.Context(), ks, alice)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{locking: in, ks: ks, ring: ring}
	s.open(t)
	return s
}

func (s *shelf) open(t *testing.T) {
	t.Helper()
	var err error
	s.r, err = repository.New(s.Store, s.ring, alice, conn, repository.Options{SegmentPlain: 600, SegmentSealed: 300, Chunk: 150})
	if err != nil {
		t.Fatal(err)
	}
}

// begin begins the next snapshot, over the last.
func (s *shelf) begin(t *testing.T, at time.Time) *repository.Draft {
	t.Helper()
	var parent *repository.Snapshot
	if n := len(s.taken); n > 0 {
		parent = s.taken[n-1].Snapshot
	}
	d, err := s.r.Begin(fmt.Sprint("snapshot", at.UnixNano()), at, parent)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// add adds users, of which the given one is another each time.
func add(t *testing.T, d *repository.Draft, changed int) map[resource.Key]string {
	t.Helper()
	want := map[resource.Key]string{}
	for i := range 20 {
		r := resource.Resource{Key: resource.Key{Type: "user", ID: fmt.Sprintf("00u%03d", i)}, Body: fmt.Appendf(nil, `{"n":%d}`, i)}
		if i == changed {
			r.Body = []byte(`{"n":"changed"}`)
		}
		if err := d.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want[r.Key] = string(r.Body)
	}
	return want
}

func (s *shelf) take(t *testing.T, at time.Time) taken {
	t.Helper()
	d := s.begin(t, at)
	want := add(t, d, len(s.taken))
	if _, err := d.Commit(t.Context(), facts()); err != nil {
		t.Fatal(err)
	}
	open, err := s.r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	s.taken = append(s.taken, taken{open, want})
	return s.taken[len(s.taken)-1]
}

func facts() snapshot.Manifest {
	return snapshot.Manifest{
		Provider: "okta", Org: "https://acme.okta.com", OrgID: "00o1", Engine: "oie", Software: "test", Ended: time.Now(),
		Types: []snapshot.TypeStatus{{Type: "user", Calls: 1}},
	}
}

// holds fails unless snapshots open and hold what they must, and nothing is damaged.
func (s *shelf) holds(t *testing.T, want ...taken) {
	t.Helper()
	var listed []string
	for e, err := range s.r.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, e.Prefix)
	}
	for _, one := range want {
		open, err := s.r.Open(t.Context(), one.Prefix())
		if err != nil {
			t.Fatal(err)
		}
		got := map[resource.Key]string{}
		for r, err := range open.Walk(t.Context(), "user") {
			if err != nil {
				t.Fatal(err)
			}
			got[r.Key] = string(r.Body)
		}
		if !maps.Equal(got, one.want) || !slices.Contains(listed, one.Prefix()) {
			t.Fatalf("%s of %v holds %v, want %v", one.Prefix(), listed, got, one.want)
		}
	}
	report, err := s.r.Check(t.Context(), repository.CheckOptions{Data: true, Records: true})
	if err != nil || len(report.Damage) != 0 || len(listed) != len(want) {
		t.Fatalf("%d listed, want %d; %+v, %v", len(listed), len(want), report, err)
	}
}

func (s *shelf) keys(t *testing.T) (keys []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), "users/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func (s *shelf) sweep(t *testing.T) repository.Swept {
	t.Helper()
	swept, err := s.r.Sweep(t.Context(), repository.SweepOptions{Before: time.Now().Add(1000 * time.Hour)})
	if err != nil || len(swept.Unread) > 0 {
		t.Fatalf("%+v, %v", swept, err)
	}
	return swept
}

// TestWhatIsLocked: what the bucket locks is kept, with that as the reason and until the lock
// ends; who removes it all the same is told until when; nothing is half removed, and all of
// it goes when no lock holds it.
func TestWhatIsLocked(t *testing.T) {
	t.Parallel()
	for name, in := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, begun := newShelf(t, in(t)), time.Now()
			if got := s.Capabilities().LockFor; got != day {
				t.Fatalf("it locks for %s", got)
			}
			first, second := s.take(t, begun.Add(-3*time.Hour)), s.take(t, begun.Add(-2*time.Hour))
			dead := s.begin(t, begun.Add(-time.Hour))
			add(t, dead, 7)
			if err := dead.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := s.keys(t)
			until := s.reason(t, first, begun)

			err := s.r.Forget(t.Context(), first.Prefix())
			locked, ok := errors.AsType[*blob.LockedError](err)
			if !ok || locked.Until.Before(begun.Add(day).Truncate(time.Second)) || locked.Until.After(until.Add(time.Minute)) {
				t.Fatalf("forgot what is locked: %v; it is kept until %s", err, until)
			}
			if swept := s.sweep(t); swept.Objects != 0 || swept.Locked == 0 {
				t.Fatalf("%+v", swept)
			}
			if got := s.keys(t); !slices.Equal(got, before) {
				t.Fatalf("%d objects of %d", len(got), len(before))
			}
			s.holds(t, first, second)

			s.end(t)
			if err := s.r.Forget(t.Context(), first.Prefix()); err != nil {
				t.Fatal(err)
			}
			if swept := s.sweep(t); swept.Objects == 0 || swept.Locked != 0 {
				t.Fatalf("the locks have ended: %+v", swept)
			}
			if _, err := s.r.Open(t.Context(), first.Prefix()); !problem.Is(err, problem.NotFound) {
				t.Fatal(err)
			}
			s.holds(t, second)
		})
	}
}

// reason fails unless the lock is the one reason for which a snapshot is kept that a newer one
// has followed; it gives the reason's end.
func (s *shelf) reason(t *testing.T, one taken, now time.Time) time.Time {
	t.Helper()
	var all []retention.Snapshot
	for _, other := range s.taken {
		m := other.Manifest()
		all = append(all, retention.Snapshot{ID: m.ID, Began: m.Started, Ended: m.Ended, Complete: true})
	}
	p := retention.Policy{Keep: time.Minute, Lock: s.Capabilities().LockFor}
	v := retention.Judge(all, p, now)[0]
	if len(v) != 1 || v[0].Rule != retention.Locked || one.Prefix() != s.taken[0].Prefix() {
		t.Fatalf("kept for %+v", v)
	}
	if after := retention.Judge(all, p, v.Until())[0]; after.Keep() {
		t.Fatalf("kept for %+v when the lock has ended", after)
	}
	return v.Until()
}

// TestSealingAnewWhatIsLocked waits for the lock, and touches nothing before; nor does it break
// anything where the clock that it goes by is ahead of the store's.
func TestSealingAnewWhatIsLocked(t *testing.T) {
	t.Parallel()
	for name, in := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, in(t))
			one := s.take(t, time.Now().Add(-time.Hour))
			ring, err := s.ring.Rotate(t.Context(), s.ks)
			if err != nil {
				t.Fatal(err)
			}
			s.ring = ring
			s.open(t)
			before := s.keys(t)
			seal := func(now time.Time) (repository.Resealed, error) {
				return s.r.Resealing(now).Snapshot(t.Context(), repository.Known{Prefix: one.Prefix(), Digest: one.Digest()})
			}
			if _, err := seal(time.Now()); !errors.Is(err, blob.ErrLocked) || !slices.Equal(s.keys(t), before) {
				t.Fatalf("while it is locked: %v; %d objects of %d", err, len(s.keys(t)), len(before))
			}
			if _, err := seal(time.Now().Add(2 * day)); !errors.Is(err, blob.ErrLocked) {
				t.Fatalf("by a clock that is ahead: %v", err)
			}
			s.holds(t, one)
			s.end(t)
			done, err := seal(time.Now().Add(2 * day))
			if err != nil || done.Digest == one.Digest() {
				t.Fatalf("the lock has ended: %+v, %v", done, err)
			}
			s.holds(t, one)
		})
	}
}

// TestSealingAnewWhatStaysLocked: a lock that nobody knows of any more holds on to what was
// there before, and who is told the new manifest's digest opens it after another rotation, too.
// Where the store refuses to write over it nobody is told of another, and it is done later.
func TestSealingAnewWhatStaysLocked(t *testing.T) {
	t.Parallel()
	for name, in := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, in(t))
			one := s.take(t, time.Now().Add(-time.Hour))
			told := one.Digest()
			seal := func() (repository.Resealed, error) {
				return s.r.Resealing(time.Now().Add(2*day)).Snapshot(t.Context(), repository.Known{Prefix: one.Prefix(), Digest: told})
			}
			for range 2 {
				var err error
				if s.ring, err = s.ring.Rotate(t.Context(), s.ks); err != nil {
					t.Fatal(err)
				}
				s.open(t)
				done, err := seal()
				if !errors.Is(err, blob.ErrLocked) || done.Digest == told || (done.Digest == "") != s.refuses {
					t.Fatalf("%+v, %v", done, err)
				}
				told = cmp.Or(done.Digest, told)
				if _, err := s.r.OpenKnown(t.Context(), repository.Known{Prefix: one.Prefix(), Digest: told}); err != nil {
					t.Fatal(err)
				}
			}
			s.holds(t, one)
			s.end(t)
			if done, err := seal(); err != nil || (done.Digest == told) == s.refuses {
				t.Fatalf("the lock has ended: %+v, %v", done, err)
			}
			s.holds(t, one)
		})
	}
}

// TestCommittingOverLockedChecksums: what a writer left that died before its manifest is no
// obstacle to who goes on, but where the store refuses to write over it: there it is when the
// lock has ended, and nothing is committed until then.
func TestCommittingOverLockedChecksums(t *testing.T) {
	t.Parallel()
	for name, in := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, in(t))
			d := s.begin(t, time.Now())
			want := add(t, d, 0)
			if err := d.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			state, err := d.State()
			if err != nil {
				t.Fatal(err)
			}
			left := string(snapshot.EncodeChecksums([]snapshot.Checksum{{Name: snapshot.ManifestName, Bytes: 1, SHA256: strings.Repeat("0", 64)}}))
			if err := s.Put(t.Context(), d.Prefix()+"/"+snapshot.ChecksumsName, strings.NewReader(left), int64(len(left))); err != nil {
				t.Fatal(err)
			}
			again, err := s.r.Resume(t.Context(), state)
			if err != nil {
				t.Fatal(err)
			}
			_, err = again.Commit(t.Context(), facts())
			if s.refuses {
				if !errors.Is(err, blob.ErrLocked) {
					t.Fatalf("committed beside checksums of another manifest: %v", err)
				}
				s.holds(t)
				s.end(t)
				_, err = again.Commit(t.Context(), facts())
			}
			if err != nil {
				t.Fatal(err)
			}
			open, err := s.r.Open(t.Context(), d.Prefix())
			if err != nil {
				t.Fatal(err)
			}
			s.holds(t, taken{open, want})
		})
	}
}

// TestStandsOnWhatStaysLocked: after half of the time a snapshot is a full one.
func TestStandsOnWhatStaysLocked(t *testing.T) {
	t.Parallel()
	for name, in := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, now := newShelf(t, in(t)), time.Now()
			s.take(t, now)
			for after, full := range map[time.Duration]bool{11 * time.Hour: false, 13 * time.Hour: true} {
				if d := s.begin(t, now.Add(after)); (d.Parent() == "") != full {
					t.Errorf("%s later: over %q", after, d.Parent())
				}
			}
		})
	}
}

// TestHolds: what somebody holds by a lock of its own keeps its snapshot, a segment keeps no
// other; all goes when it is let go. It is the bucket's alone: the store in memory has none.
// The bucket has no lock besides: this server forgets a hold when such a lock has ended.
func TestHolds(t *testing.T) {
	t.Parallel()
	s := newShelf(t, newBucket(t, 0, 0))
	held := s.take(t, time.Now().Add(-3*time.Hour))
	gone := s.take(t, time.Now().Add(-4*time.Hour)) // by a clock that went back: it does not stand on the other
	last := s.take(t, time.Now().Add(-time.Hour))
	manifest := held.Prefix() + "/" + snapshot.ManifestName
	s.hold(t, manifest, true)
	err := s.r.Forget(t.Context(), held.Prefix(), gone.Prefix())
	if locked, ok := errors.AsType[*blob.LockedError](err); !ok || !locked.Until.IsZero() || !strings.Contains(err.Error(), manifest) {
		t.Fatalf("forgot what is held: %v", err)
	}
	s.holds(t, held, last)
	s.hold(t, manifest, false)
	if err := s.r.Forget(t.Context(), held.Prefix(), gone.Prefix()); err != nil {
		t.Fatal(err)
	}
	rubbish := s.rubbish(t)
	s.hold(t, rubbish[0], true)
	if swept := s.sweep(t); swept.Locked != 1 || swept.Objects != int64(len(rubbish)-1) {
		t.Fatalf("%+v of %d", swept, len(rubbish))
	}
	s.holds(t, last)
	s.hold(t, rubbish[0], false)
	if swept := s.sweep(t); swept.Locked != 0 || swept.Objects != 1 {
		t.Fatalf("%+v", swept)
	}
	s.holds(t, last)
}

// rubbish are the objects that the last snapshot does not stand on.
func (s *shelf) rubbish(t *testing.T) []string {
	t.Helper()
	named := map[string]bool{}
	for _, o := range s.taken[len(s.taken)-1].Objects() {
		named[o.Key] = true
	}
	left := slices.DeleteFunc(s.keys(t), func(key string) bool { return named[key] })
	if len(left) < 2 {
		t.Fatalf("only %v is rubbish", left)
	}
	return left
}
