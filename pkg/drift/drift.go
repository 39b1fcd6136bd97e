// Package drift finds the changes in an org that somebody should hear about: it
// reads again what the org's log names, compares it with what was known, says who
// did it as far as the log proves it, and judges it by rules.
package drift

import (
	"context"
	"iter"
	"time"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Input is what events are looked into with.
type Input struct {
	Catalog resource.Catalog
	Reader  provider.Reader
	// Snapshot is what changes are told against: see Base for which one it must be.
	Snapshot Snapshot
	// Earlier is the snapshot before it, when it is in doubt whether Snapshot holds
	// already what the events did, as two clocks tell which came first; nil: it is not.
	Earlier Snapshot
	// Seen is what earlier looks saw. nil: nothing.
	Seen Seen
	// Ours reports whether an event is our own write (a restore), by its
	// transaction or its actor; nil: none is.
	Ours func(provider.Event) bool
	// Wants limits the types that are looked at; nil: all. Rules.Wants is made for it.
	Wants func(resource.Type) bool
	// ParentHas lists, for a type, what a parent must have for the log to be told of what
	// was made below it; nil: nothing is. Rules.ParentHas is made for it.
	ParentHas func(resource.Type) []resource.Type
	Now       func() time.Time // nil: time.Now
	Until     time.Time        // stop with the first object after this; zero: never
}

// Snapshot is a snapshot to compare with. repository.Snapshot is one.
type Snapshot interface {
	Manifest() snapshot.Manifest
	// Get answers a problem of kind NotFound for what the snapshot does not hold.
	Get(ctx context.Context, key resource.Key) (resource.Resource, error)
	// Walk yields the resources of a type by parent and ID.
	Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error]
}

// Seen keeps what was seen last of each resource that was looked at since the
// snapshot, so that a change is told once, and taking it back is told, too.
type Seen interface {
	// Last gives the last sighting of a resource; ok is false when there was none.
	Last(ctx context.Context, key resource.Key) (s Sighting, ok bool, err error)
}

// Sighting is one resource as it was seen; with an ID of "", the list of the type
// below the parent: a JSON list of IDs. It holds directory data: store it sealed,
// under a keyed digest of its key, in the transaction that stores the findings.
type Sighting struct {
	Key   resource.Key `json:"key"`
	Body  []byte       `json:"body"` // nil: it was absent
	At    time.Time    `json:"at"`
	Event string       `json:"event"`          // ID of the last event that had been looked into
	Wake  *Wake        `json:"wake,omitempty"` // of what was deleted, once it is known
}

// Observed is what a look found.
type Observed struct {
	Changes   []Observation
	Sightings []Sighting
	// Unknown are touched places that could not be read, or not compared; they are
	// no deletions. Storing the rest and going on is right.
	Unknown []snapshot.Gap
	// Complete is false when the look ended early, at Until or to Wait: store what
	// it found, keep the log's cursor, and look again with the same events.
	Complete bool
	Wait     time.Time // when to go on; zero: at once
}

// Observation is one change, and who did it.
type Observation struct {
	Change      diff.Change `json:"change"`
	Label       string      `json:"label"`
	ParentLabel string      `json:"parent_label,omitempty"`
	Attribution Attribution `json:"attribution"`
	// Moved says where to an update moved the object among its like: "up", to where it
	// decides before others, or "down"; "": it did not.
	Moved string `json:"moved,omitempty"`
	// LogOnly marks a change that the log tells of and the org does not show, because
	// the credential may not read it, the snapshot could not, or it is not read (see
	// ParentHas). Its key may lack the ID, and its bodies are nil.
	LogOnly bool `json:"log_only,omitempty"`
	// Fleeting marks a change of which nothing was left when it was looked for: an update
	// that was changed back, or what was made and is gone, which the log alone tells of.
	Fleeting bool `json:"fleeting,omitempty"`
	// ParentHas is what the parent has that makes the change worth telling.
	ParentHas resource.Type `json:"parent_has,omitempty"`
	// Affected is what went, or stays behind, when the resource was deleted.
	Affected []Affected `json:"affected,omitempty"`
	// Uncounted is set when time was over before all of that was counted.
	Uncounted bool `json:"uncounted,omitempty"`

	snapshot string // ID of the one that it was compared with; "": Input.Snapshot
}

// Affected counts what hung on a deleted resource, of one type.
type Affected struct {
	Type   resource.Type `json:"type"`
	Title  string        `json:"title"`
	Gone   bool          `json:"gone"` // was a part of it, and went with it; else it still names it
	Count  int           `json:"count"`
	Labels []string      `json:"labels"` // the first of them, at most MostLabels
}

// Bounds of what an observation keeps.
const (
	MostLabels  = 20 // of Affected.Labels
	MostRelated = 50 // of Attribution.Related
)

// Attribution is who did it, as the provider's log proves it. No event that does
// not concern the resource is ever named.
type Attribution struct {
	// Event did it; nil when the log names nobody, or more than one who may have.
	Event *provider.Event `json:"event,omitempty"`
	// Candidates are the events of more than one actor who may have done it.
	Candidates []provider.Event `json:"candidates,omitempty"`
	// Related happened in the same transaction; at most MostRelated.
	Related []provider.Event `json:"related,omitempty"`
	// Through is set when Event did not touch the resource itself: it deleted what
	// Through names, and the change is no more than the loss of that reference.
	Through *resource.Key `json:"through,omitempty"`
	// Expected marks our own write.
	Expected bool `json:"expected,omitempty"`
}

// Finding is an observation that a rule says somebody should hear about. It holds
// directory data: store it sealed.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`    // "Group deleted"
	Sentence string   `json:"sentence"` // what, who, from where: for a person
	What     string   `json:"what"`     // its first part: what happened
	Observation
	// Consequences are other things that the same change led to, a sentence each.
	Consequences []string `json:"consequences,omitempty"`
	// Snapshot is the ID of the snapshot that holds the resource as it was.
	Snapshot string    `json:"snapshot,omitempty"`
	Found    time.Time `json:"found"`
}

// Severity says how soon somebody should look.
type Severity string

// The severities.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)
