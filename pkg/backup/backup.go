// Package backup takes a snapshot of an org, in slices that can be killed at any
// moment: it reads every type of the catalog and writes down what it read, and
// what it could not.
//
// A snapshot is taken by calling Slice until it is done. All that has to be
// remembered between the calls is in the Journal; what was read and not yet
// checkpointed is read again, and nothing stands in the snapshot twice. Memory and
// checkpoints grow with the number of lists to be read, not with what is in them.
package backup

import (
	"context"
	"iter"
	"time"

	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Input is what a snapshot is taken from, and where it goes.
type Input struct {
	// Facts says what the manifest is about: ID, Account, Connection, Provider,
	// Org, Software, Started and Previous. The rest is found out. It MUST be the
	// same in every slice.
	Facts   snapshot.Manifest
	Catalog resource.Catalog
	Reader  provider.Reader
	// Open begins the draft when state is nil, else resumes it from what its State
	// said.
	Open    func(ctx context.Context, state []byte) (Draft, error)
	Journal Journal
}

// Draft is a snapshot that is being written. repository.Draft is one.
type Draft interface {
	// Add takes a resource in; it may keep it in memory. Resources of one type
	// come one after another. One whose key was added before takes its place, by the
	// Commit at the latest. One that cannot be kept is refused with snapshot.ErrUnfit.
	Add(ctx context.Context, r resource.Resource) error
	// Remove takes a resource out that is known to be gone; only a Point does.
	Remove(ctx context.Context, key resource.Key) error
	// Flush makes everything that was added durable, and State tell of it.
	Flush(ctx context.Context) error
	// State is what resumes the draft as it was at the last Flush, as JSON.
	State() ([]byte, error)
	// Walk yields everything of the type that was added before.
	Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error]
	// Commit makes the snapshot exist. Committing again what was committed already
	// answers the manifest that exists.
	Commit(ctx context.Context, m snapshot.Manifest) (snapshot.Manifest, error)
}

// Journal remembers how far a snapshot is. Save MUST refuse when another worker
// has taken the snapshot over.
type Journal interface {
	// Load gives what was saved last; nil when nothing was.
	Load(ctx context.Context) ([]byte, error)
	// Save keeps state, which is JSON and holds IDs of the org: it is stored sealed.
	// The progress may be shown, and holds no directory data.
	Save(ctx context.Context, state []byte, p Progress) error
}

// Options says how a slice works; the zero value is a slice without end.
type Options struct {
	Now   func() time.Time // nil: time.Now
	Until time.Time        // the slice ends with the first page after this; zero: never
	Every time.Duration    // between checkpoints; zero: one after every page
	// GiveUp is after how many failures at one place, in slices that got no
	// further, the place becomes a gap ("failed") and the rest goes on; zero: never.
	// While the org as a whole does not answer, failures do not count.
	GiveUp int
}

// Outcome is how a slice ended without an error.
type Outcome struct {
	Done     bool
	Manifest snapshot.Manifest // of the snapshot, when Done
	// Wait is when to go on, when the provider asked for patience; zero: at once.
	Wait     time.Time
	Progress Progress
}

// Progress tells people how far a snapshot is, type by type in catalog order. It
// holds no directory data.
type Progress struct {
	Types []TypeProgress `json:"types"`
}

// TypeProgress is what was read of one type so far. Until the snapshot is done, an
// object that the provider gave twice counts twice.
type TypeProgress struct {
	Type    resource.Type `json:"type"`
	Objects int64         `json:"objects"`
	Calls   int64         `json:"calls"` // requests to the provider
	Bytes   int64         `json:"bytes"` // of canonical JSON
	Done    bool          `json:"done"`
	// Gaps name what could not be read; gaps of single parents come without
	// the parent's ID here.
	Gaps []snapshot.Gap `json:"gaps,omitempty"`
}

// Sum adds up all types.
func (p Progress) Sum() (objects, calls, bytes int64, gaps int) {
	for _, t := range p.Types {
		objects, calls, bytes, gaps = objects+t.Objects, calls+t.Calls, bytes+t.Bytes, gaps+len(t.Gaps)
	}
	return objects, calls, bytes, gaps
}
