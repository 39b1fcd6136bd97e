// Package restore puts back what a person chooses: a selection becomes a plan
// against the live org, the approved plan is applied step by step with a journal,
// and what was made is read again and compared. SAFETY.md says what it never does.
package restore

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Selection is what the person wants back.
type Selection struct {
	Keys []resource.Key `json:"keys"`
	// WithDependents takes what hangs on the keys: their parts (memberships,
	// assignments, a policy's rules), and what refers to them and lost the reference.
	WithDependents bool           `json:"with_dependents"`
	Exclude        []resource.Key `json:"exclude,omitempty"`
}

// Snapshot is where things come back from. repository.Snapshot is one.
type Snapshot interface {
	Manifest() snapshot.Manifest
	// Get answers a problem of kind NotFound for what the snapshot does not hold.
	Get(ctx context.Context, key resource.Key) (resource.Resource, error)
	// Walk yields the resources of a type by parent and ID.
	Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error]
}

// Plan is the ordered writes that bring a selection back, each with the live state
// that it was planned against. It holds directory data: store it sealed.
type Plan struct {
	Format    int       `json:"format"`
	Snapshot  string    `json:"snapshot"` // ID
	Taken     time.Time `json:"taken"`    // when the snapshot was begun
	Org       string    `json:"org"`
	Planned   time.Time `json:"planned"`
	Selection Selection `json:"selection"`
	// Matched are IDs of the snapshot whose objects are gone, and the IDs of live
	// objects that are taken for them, by their natural keys.
	Matched map[string]string `json:"matched,omitempty"`
	Steps   []Step            `json:"steps"`
	// Rows are how the objects stood, one behind another, among which steps write: when
	// somebody has changed that, nothing is written there.
	Rows []Row `json:"rows,omitempty"`
	// LeftOut was selected, and is not restored.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	// Identical is as it was: nothing to do.
	Identical []Count `json:"identical,omitempty"`
	// Follows comes back by itself with what is restored, made by the provider.
	Follows  []Count  `json:"follows,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Lost is what cannot come back of what is restored: IDs, passwords.
	Lost   []string `json:"lost,omitempty"`
	Scopes []string `json:"scopes"` // what the write credential needs
}

// Step is one write. What is made has no ID yet: "{{new:type/id}}" stands for it,
// with the ID that it had.
type Step struct {
	N      int           `json:"n"` // from 1
	Op     provider.Op   `json:"op"`
	Key    resource.Key  `json:"key"`    // as the snapshot knows it
	Target resource.Key  `json:"target"` // what is written; may hold placeholders
	Title  string        `json:"title"`  // of the type: "Group"
	Label  string        `json:"label"`
	Parent string        `json:"parent,omitempty"` // label of the parent
	Why    string        `json:"why"`
	Fields []diff.Field  `json:"fields,omitempty"` // what changes: of an update
	After  []int         `json:"after,omitempty"`  // steps that must be made before
	Warn   []string      `json:"warnings,omitempty"`
	Person *resource.Key `json:"person,omitempty"` // who gets access: must not have left by then
	// Provided marks an update of what the provider makes together with its parent:
	// it is found by its natural key, and Expect is whatever it is made like.
	Provided bool `json:"provided,omitempty"`
	// Namesakes are live objects that have the name of what is made, and are not it.
	Namesakes []string `json:"namesakes,omitempty"`

	Want   json.RawMessage `json:"want,omitempty"`   // the state to reach; may hold placeholders
	Expect json.RawMessage `json:"expect,omitempty"` // the live state; absent: there is none
}

// Row is the objects of a type below one parent whose order matters.
type Row struct {
	In  resource.Key `json:"in"`  // type and parent
	IDs []string     `json:"ids"` // in their order
}

// LeftOut is something that was selected and is not restored, and why.
type LeftOut struct {
	Key    resource.Key `json:"key"`
	Title  string       `json:"title"`
	Label  string       `json:"label"`
	Reason string       `json:"reason"`
}

// Count counts resources of one type.
type Count struct {
	Type resource.Type `json:"type"`
	N    int           `json:"n"`
}

// Journal remembers which steps of one restore were begun and how they ended.
// Begin and End MUST be durable when they return, and MUST refuse when another
// worker has taken the restore over.
type Journal interface {
	// Load gives the entries, in any order.
	Load(ctx context.Context) ([]Entry, error)
	// Begin notes that a step is about to be made. Beginning it again is no error.
	Begin(ctx context.Context, s Step) error
	// End notes how it ended: Done, Failed or Skipped, begun or not.
	End(ctx context.Context, s Step, e Entry) error
}

// Entry is a step's line in the journal. All but N and State is stored sealed.
type Entry struct {
	N           int          `json:"n"`
	State       State        `json:"state"`
	Key         resource.Key `json:"key,omitzero"`          // of what was written, as it is now
	Transaction string       `json:"transaction,omitempty"` // the provider's, to know our write in its log
	Problem     string       `json:"problem,omitempty"`     // for a person
	// Transactions are those of all requests that wrote; Resumed says that there may be
	// more, as the step had been begun before, or an answer was lost.
	Transactions []string `json:"transactions,omitempty"`
	Resumed      bool     `json:"resumed,omitempty"`
}

// State is where a step is.
type State string

// The states of a step.
const (
	Begun   State = "begun"
	Done    State = "done"
	Failed  State = "failed"
	Skipped State = "skipped" // because a step that it needs was not made
)
