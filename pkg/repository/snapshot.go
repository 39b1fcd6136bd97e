package repository

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"imago/pkg/blob"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// maxManifest bounds a sealed manifest: some 100,000 segments, 100 GB of an org.
const maxManifest = 16 << 20

// Snapshot is one that exists, open for reading. It is safe for concurrent use.
type Snapshot struct {
	r        *Repository
	prefix   string
	manifest snapshot.Manifest
	sealed   []byte // the manifest as it lies in the store

	mu   sync.Mutex
	last *verified // the segment that Get looked at last
}

// Open opens the snapshot at a prefix, and verifies its manifest. A problem of
// kind NotFound says that there is none; one that names the object, and wraps
// ErrDamaged, that it cannot be trusted.
func (r *Repository) Open(ctx context.Context, prefix string) (*Snapshot, error) {
	if err := r.place(prefix); err != nil {
		return nil, err
	}
	key := prefix + "/" + snapshot.ManifestName
	object, err := blob.ReadAll(ctx, r.store, key, maxManifest)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, problem.New(problem.NotFound, "there is no snapshot at %s", prefix).Because(err)
	}
	if errors.Is(err, blob.ErrLonger) {
		return nil, damaged(key, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	m, err := r.decode(key, object)
	if err != nil {
		return nil, damaged(key, err)
	}
	return &Snapshot{r: r, prefix: prefix, manifest: m, sealed: object}, nil
}

// decode opens and checks a sealed manifest.
func (r *Repository) decode(key string, object []byte) (snapshot.Manifest, error) {
	if len(object) > maxManifest {
		return snapshot.Manifest{}, fmt.Errorf("%w than %d bytes", blob.ErrLonger, maxManifest)
	}
	packed, err := r.keys.OpenObject(manifestPurpose, snapshot.SealedName(r.account, key), object)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	text, err := r.dec.DecodeAll(packed, nil)
	if err != nil {
		return snapshot.Manifest{}, fmt.Errorf("unpack: %w", err)
	}
	m, err := snapshot.DecodeManifest(text)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	if m.Account != string(r.account) || m.Connection != string(r.connection) {
		return snapshot.Manifest{}, errors.New("it tells of another connection")
	}
	return m, nil
}

// Manifest says what the snapshot holds and lacks. Its lists are not to be changed.
func (s *Snapshot) Manifest() snapshot.Manifest { return s.manifest }

// Prefix is where the snapshot lies.
func (s *Snapshot) Prefix() string { return s.prefix }

// Digest is the SHA-256 of the sealed manifest, in hex: what checksums says of it,
// and what the next snapshot's Previous holds.
func (s *Snapshot) Digest() string { return hexSum(s.sealed) }

func (s *Snapshot) checksums() []snapshot.Checksum { return checksums(s.manifest, s.sealed) }

// Walk yields a type's resources in the order of their keys. Bodies stay valid;
// holding on to one holds on to its neighbours.
func (s *Snapshot) Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	return unique(s.r.merge(ctx, s.prefix, s.manifest.Of(t)))
}

// Get gives one resource; a problem of kind NotFound when the snapshot does not
// hold it. Whether that means that it did not exist, the gaps say.
func (s *Snapshot) Get(ctx context.Context, key resource.Key) (resource.Resource, error) {
	for _, segment := range s.manifest.Segments {
		if segment.Type != key.Type || segment.First.Compare(key) > 0 || segment.Last.Compare(key) < 0 {
			continue
		}
		v, err := s.segment(ctx, segment)
		if err != nil {
			return resource.Resource{}, err
		}
		if res, ok, err := v.find(ctx, key); ok || err != nil {
			return res, err
		}
	}
	return resource.Resource{}, problem.New(problem.NotFound, "the snapshot does not hold %s", key)
}

// segment verifies a segment, or takes the one that was looked at last: who asks
// for one resource asks for its neighbours next.
func (s *Snapshot) segment(ctx context.Context, segment snapshot.Segment) (*verified, error) {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last != nil && last.segment.Name == segment.Name {
		return last, nil
	}
	v, err := s.r.verify(ctx, s.prefix, segment, true)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.last = v
	s.mu.Unlock()
	return v, nil
}
