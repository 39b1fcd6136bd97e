package restore

import (
	"encoding/json"
	"fmt"
	"time"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Facts are what a receipt says besides the plan and the journal.
type Facts struct {
	Restore     string    `json:"restore"` // ID
	RequestedBy string    `json:"requested_by"`
	ApprovedBy  string    `json:"approved_by"`
	Approved    time.Time `json:"approved"`
	Ended       time.Time `json:"ended"`
}

// Receipt is the account of a restore: what was planned, made, skipped, left out,
// and how the org stands. It holds directory data: store it sealed.
type Receipt struct {
	Facts
	Plan      string    `json:"plan"` // the approved digest
	Snapshot  string    `json:"snapshot"`
	Org       string    `json:"org"`
	Made      int       `json:"made"`
	Failed    int       `json:"failed"`
	Skipped   int       `json:"skipped"`
	Lines     []Line    `json:"lines"`
	LeftOut   []LeftOut `json:"left_out,omitempty"`
	Identical []Count   `json:"identical,omitempty"`
	Report    Report    `json:"report"`
	IDs       diff.IDs  `json:"ids"` // old to new
}

// Line is what became of one step.
type Line struct {
	N           int          `json:"n"`
	Op          provider.Op  `json:"op"`
	Title       string       `json:"title"`
	Label       string       `json:"label"`
	Parent      string       `json:"parent,omitempty"`
	Was         resource.Key `json:"was"`
	Is          resource.Key `json:"is,omitzero"`
	State       State        `json:"state"`
	Transaction string       `json:"transaction,omitempty"`
	Problem     string       `json:"problem,omitempty"`
}

// NewReceipt puts a receipt together.
func NewReceipt(f Facts, plan Plan, entries []Entry, report Report) (Receipt, error) {
	approved, err := plan.Digest()
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{Facts: f, Plan: approved, Snapshot: plan.Snapshot, Org: plan.Org, LeftOut: plan.LeftOut,
		Identical: plan.Identical, Report: report, IDs: IDs(plan, entries)}
	at := numbered(entries)
	for _, s := range plan.Steps {
		e := at[s.N]
		switch e.State {
		case Done:
			r.Made++
		case Failed:
			r.Failed++
		case Skipped:
			r.Skipped++
		}
		r.Lines = append(r.Lines, Line{s.N, s.Op, s.Title, s.Label, s.Parent, s.Key, e.Key, e.State, e.Transaction, e.Problem})
	}
	return r, nil
}

// Encode is the receipt in canonical JSON.
func (r Receipt) Encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err == nil {
		text, err = resource.Canonical(nil, text)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the receipt: %w", err)
	}
	return text, nil
}

// Digest is the SHA-256 of the encoded receipt, as "sha256:…".
func (r Receipt) Digest() (string, error) {
	text, err := r.Encode()
	if err != nil {
		return "", err
	}
	return digest(text), nil
}
