// Package repository keeps snapshots of one connection, sealed, in a blob store,
// as pkg/snapshot/FORMAT.md says.
//
// The order of writing is what makes it safe: segments, checksums, and last the
// manifest, by a put that refuses to overwrite. A snapshot exists when its manifest
// does; what no manifest names is rubbish. Reading trusts nothing in the store:
// a segment is verified whole before its first record is handed out. Memory holds a
// manifest and some segments at a time, however large the org and however many its
// snapshots.
package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/memory"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// ErrDamaged marks errors about an object that is not as it was written: missing,
// altered, moved, sealed for somebody else, or in another format.
var ErrDamaged = errors.New("damaged")

// Options of New; zero values are right for production.
type Options struct {
	SegmentPlain  int // most bytes of records in a segment, but for a single larger record, half of it in an incremental; zero: 6 MiB
	SegmentSealed int // bytes of a sealed segment to aim at; zero: 1 MiB
	Chunk         int // most bytes of records compressed and sealed together; zero: 1 MiB
	Inline        int // bytes of segments, as JSON, that a manifest has besides its list; zero: 32 KiB
	// Catalog tells which members of bodies move by themselves and in which fields names
	// stand, for drafts.
	Catalog resource.Catalog
	// Cache keeps small objects between repositories of one store; nil: nothing is kept.
	Cache *Cache
}

func (o *Options) settle() error {
	for _, f := range []struct {
		name  string
		value *int
		zero  int
	}{
		{"SegmentPlain", &o.SegmentPlain, 6 << 20}, {"SegmentSealed", &o.SegmentSealed, 1 << 20},
		{"Chunk", &o.Chunk, 1 << 20}, {"Inline", &o.Inline, 32 << 10},
	} {
		if *f.value < 0 {
			return fmt.Errorf("repository: %s is negative", f.name)
		}
		if *f.value == 0 {
			*f.value = f.zero
		}
	}
	// With the largest record on top, a chunk still seals and a segment is an object.
	if o.Chunk > envelope.MaxChunk/4 || o.SegmentPlain > blob.MaxObject/2 {
		return fmt.Errorf("repository: chunks of at most %d bytes, segments of at most %d", envelope.MaxChunk/4, blob.MaxObject/2)
	}
	return nil
}

// Repository is all that is kept of one connection. It is safe for concurrent
// use; one Draft at a time should be written.
type Repository struct {
	store      blob.Store
	keys       *envelope.Keyring
	account    account.ID
	connection account.ConnectionID
	o          Options
	enc        *zstd.Encoder
	dec        *zstd.Decoder
	rooms      memory.Pool
	last       lastList
	moving     map[resource.Type][]string // members that move by themselves
	names      snapshot.NamePaths         // fields that full snapshots find resources by
}

// New opens a connection's repository. A keyring of another account is a problem
// of kind Denied.
func New(store blob.Store, keys *envelope.Keyring, id account.ID, c account.ConnectionID, o Options) (*Repository, error) {
	if keys.Account() != id {
		return nil, problem.New(problem.Denied, "the keyring is that of account %s, the repository that of account %s", keys.Account(), id).
			Because(envelope.ErrOtherAccount)
	}
	if err := blob.CheckKey(string(id) + string(c)); err != nil || id == "" || c == "" || strings.Contains(string(id)+string(c), "/") {
		return nil, problem.InField("connection", "account and connection must be UUIDs").Because(err)
	}
	if err := o.settle(); err != nil {
		return nil, err
	}
	// One thread each: callers work on several connections side by side. A better level takes
	// twice as long, and saves a twentieth.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window(o.Chunk)), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	return &Repository{store: store, keys: keys, account: id, connection: c, o: o, enc: enc, dec: dec,
		rooms: memory.Pool{Most: 6, Least: mostCached + 1, Largest: 4 << 20}, moving: movingOf(o.Catalog), names: namesOf(o.Catalog)}, nil
}

func movingOf(c resource.Catalog) map[resource.Type][]string {
	out := map[resource.Type][]string{}
	for _, i := range c {
		if len(i.Moving) > 0 {
			out[i.Type] = i.Moving
		}
	}
	return out
}

// maxUnpacked bounds what one chunk may unpack to: a record of the largest size
// with its neighbours, or a manifest.
const maxUnpacked = 64 << 20

// window is the power of two that covers a chunk: more would only cost memory.
func window(chunk int) int {
	w := zstd.MinWindowSize
	for w < chunk {
		w *= 2
	}
	return w
}

// Entry is a snapshot in a listing.
type Entry struct {
	Prefix  string    // where it lies; names it for Open and Forget
	Started time.Time // as its prefix says
	Written time.Time // of its manifest, by the store's clock
}

// List yields the snapshots, oldest first.
func (r *Repository) List(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for o, err := range r.store.List(ctx, r.backups()+"/") {
			if err != nil {
				yield(Entry{}, fmt.Errorf("list %s/: %w", r.backups(), err))
				return
			}
			prefix, name := split(o.Key)
			started, ok := snapshot.ParsePrefix(r.account, r.connection, prefix)
			if ok && name == snapshot.ManifestName && !yield(Entry{prefix, started, o.Modified}, nil) {
				return
			}
		}
	}
}

// digester makes the digests of records.
func (r *Repository) digester() *snapshot.Digester {
	return snapshot.NewDigester(r.keys.MAC(snapshot.DigestPurpose))
}

func (r *Repository) backups() string { return snapshot.BackupsPrefix(r.account, r.connection) }

// split parts an object's key from its last name.
func split(key string) (prefix, name string) {
	i := strings.LastIndexByte(key, '/')
	return key[:max(i, 0)], key[i+1:]
}

// place checks that a prefix is one of a snapshot of this connection.
func (r *Repository) place(prefix string) error {
	if _, ok := snapshot.ParsePrefix(r.account, r.connection, prefix); !ok {
		return problem.InField("prefix", "%q is not a snapshot of this connection", prefix)
	}
	return nil
}

// put writes an object of ours. When the place is taken, it may be by this very
// put, whose first answer got lost: then the bytes are ours.
func (r *Repository) put(ctx context.Context, key string, data []byte) error {
	return r.stands(ctx, key, data, r.store.Put(ctx, key, bytes.NewReader(data), int64(len(data))))
}

// stands forgives a store that does not write over an object which is what was to be written.
func (r *Repository) stands(ctx context.Context, key string, data []byte, err error) error {
	if !errors.Is(err, blob.ErrExists) {
		return err
	}
	have, e := blob.ReadAll(ctx, r.store, key, int64(len(data)))
	if e == nil && bytes.Equal(have, data) {
		return nil
	}
	return errors.Join(err, e)
}

// errReplaced tells of a manifest that opens and is not the one that is known elsewhere.
var errReplaced = errors.New("another snapshot lies in the place of the one that was taken")

// damaged is a problem that names the object. One that was sealed under a key which
// the keyring lacks may be whole: it says so, and does not wrap ErrDamaged. One in another
// format may be whole, too, but is of as little use to this program.
func damaged(key string, err error) error {
	what, hint := "%s is damaged: %v", "take another snapshot, or bring the object back from the bucket's own versions"
	switch {
	case errors.Is(err, envelope.ErrNoKey):
		return problem.New(problem.Denied, "%s: %v", key, err).
			WithHint("open it with the account's newest keyring, or an escrow made since its keys rotated").Because(&unusable{err, key})
	case errors.Is(err, snapshot.ErrFormat):
		what, hint = "%s: %v", "open it with the version of Imago that wrote it, or with a newer one"
	case errors.Is(err, errReplaced):
		hint = "see who may write to the bucket, and bring the object back from the bucket's own versions"
	}
	return problem.New(problem.Damaged, what, key, err).WithHint("%s", hint).Because(errors.Join(ErrDamaged, &unusable{err, key}))
}

// unusable is an error about one object.
type unusable struct {
	error
	object string
}

func (u *unusable) Unwrap() error { return u.error }

// isUnreadable reports whether an error is about an object, not about the store.
func isUnreadable(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, envelope.ErrNoKey)
}

// SaveKeyring puts an account's wrapped keyring beside what it opens, in the place
// of an older one. A problem of kind Stale says that the store holds a newer one:
// replacing that would take the key away from what was sealed since.
func SaveKeyring(ctx context.Context, store blob.Store, k *envelope.Keyring) error {
	key, wrapped := snapshot.KeyringName(k.Account()), k.Wrapped()
	replacer, ok := store.(blob.Replacer)
	if !ok {
		return fmt.Errorf("save %s: the store cannot replace objects", key)
	}
	// What is replaced is lost. So it is looked at twice: one read that went wrong would do
	// for the newest key of all.
	for range 2 {
		if there, err := supersedes(ctx, store, k); there || err != nil {
			return err
		}
	}
	if err := replacer.Replace(ctx, key, bytes.NewReader(wrapped), int64(len(wrapped))); err != nil {
		return fmt.Errorf("save keyring: %w", err)
	}
	return nil
}

// supersedes fails unless a keyring may take the place of the one in the store, and reports
// whether it is there already. What is no keyring is nobody's loss.
func supersedes(ctx context.Context, store blob.Store, k *envelope.Keyring) (there bool, err error) {
	have, err := LoadKeyring(ctx, store, k.Account())
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrLonger):
		return false, nil
	case err != nil:
		return false, err
	case envelope.WrappingOf(k.Wrapped()).Before(envelope.WrappingOf(have)):
		return false, problem.New(problem.Stale, "%s holds a newer keyring than ours, which ends at key %d", snapshot.KeyringName(k.Account()), k.Current()).
			WithHint("open the account's newest keyring")
	}
	return bytes.Equal(have, k.Wrapped()), nil
}

// maxKeyring is far above a keyring of as many versions as a key service wraps.
const maxKeyring = 64 << 10

// LoadKeyring reads an account's wrapped keyring for envelope.OpenKeyring;
// blob.ErrNotFound when there is none.
func LoadKeyring(ctx context.Context, store blob.Store, id account.ID) ([]byte, error) {
	wrapped, err := blob.ReadAll(ctx, store, snapshot.KeyringName(id), maxKeyring)
	if err != nil {
		return nil, fmt.Errorf("load keyring: %w", err)
	}
	return wrapped, nil
}
