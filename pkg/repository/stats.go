package repository

import (
	"context"
	"fmt"
	"time"

	"imago/pkg/snapshot"
)

// Stats say what a repository takes in the store, in objects and sealed bytes.
type Stats struct {
	Full, Incremental, Unreadable int64 // snapshots; the last do not open
	First, Last                   time.Time
	Resources                     int64            // that the last snapshot holds
	Segments, Plain               int64            // that a snapshot stands on, and their bytes before compression
	Sealed                        int64            // bytes of these segments
	Other                         int64            // bytes of manifests, lists and checksums
	Rubbish, RubbishBytes         int64            // objects that no snapshot names; unknown, 0, where one is unreadable
	Keys                          map[uint32]int64 // objects that a snapshot names, by the data key that they are sealed under
}

// Snapshots counts all of them.
func (s Stats) Snapshots() int64 { return s.Full + s.Incremental + s.Unreadable }

// Stats measures the repository: it lists it, and reads manifests.
func (r *Repository) Stats(ctx context.Context) (Stats, error) {
	all, err := r.all(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	m := &measure{named: map[string]bool{}}
	m.Keys = map[uint32]int64{}
	for _, f := range all {
		if !f.taken() {
			continue
		}
		s, err := r.Open(ctx, f.prefix)
		switch {
		case err == nil:
			m.add(s)
		case isUnreadable(err):
			m.Unreadable++
		default:
			return Stats{}, fmt.Errorf("stats: %w", err)
		}
	}
	m.rest(all)
	return m.Stats, nil
}

// measure counts every object once.
type measure struct {
	Stats
	named map[string]bool
}

func (m *measure) add(s *Snapshot) {
	if s.manifest.Kind == snapshot.Full {
		m.Full++
	} else {
		m.Incremental++
	}
	if m.First.IsZero() {
		m.First = s.manifest.Started
	}
	for key, version := range s.versions() {
		if !m.named[key] {
			m.Keys[version]++
		}
	}
	m.Last, m.Resources = s.manifest.Started, s.manifest.Objects()
	for _, g := range s.manifest.Segments {
		key := s.r.keyOf(g.Ref)
		if m.named[key] {
			continue
		}
		m.named[key] = true
		m.Segments++
		m.Sealed += g.Bytes
		m.Plain += g.Plain
	}
	for _, key := range s.keys() {
		m.named[key] = true
	}
}

// rest measures what stands beside the segments.
func (m *measure) rest(all []folder) {
	var total int64
	for _, f := range all {
		for _, o := range f.objects {
			if m.named[o.Key] {
				total += o.Size
			} else if m.Unreadable == 0 {
				m.Rubbish++
				m.RubbishBytes += o.Size
			}
		}
	}
	m.Other = max(0, total-m.Sealed)
}
