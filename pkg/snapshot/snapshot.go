// Package snapshot holds the state of one connection at one moment: its manifest,
// its segments, and its gaps. It is pure: no I/O, no clock.
package snapshot

import (
	"slices"
	"time"

	"imago/pkg/resource"
)

// Reason says why a snapshot lacks something. The list is closed.
type Reason string

// The reasons for a gap.
const (
	Forbidden   Reason = "forbidden"    // the credential lacks a scope or a role
	NotLicensed Reason = "not_licensed" // the org does not have the feature
	Truncated   Reason = "truncated"    // the provider stopped before the end
	Failed      Reason = "failed"       // the provider kept failing
)

// Gap is what a snapshot lacks, and why. A gap is never a deletion: nothing under
// it may be reported as deleted, or planned for deletion.
type Gap struct {
	Type   resource.Type `json:"type"`
	Parent string        `json:"parent,omitempty"` // the parent that could not be read; "" for the whole type
	Reason Reason        `json:"reason"`
	Detail string        `json:"detail"` // one sentence for a person: what is missing, what to grant; no directory data
}

// Covers reports whether the gap leaves the state of that place unknown.
func (g Gap) Covers(t resource.Type, parent string) bool {
	return g.Type == t && (g.Parent == "" || g.Parent == parent)
}

// Missing reports whether there may be something that the snapshot does not hold: an
// org that has not got a feature has nothing of it to be held.
func (g Gap) Missing() bool { return g.Reason != NotLicensed }

// TypeStatus is what a manifest says of one type.
type TypeStatus struct {
	Type    resource.Type `json:"type"`
	Objects int64         `json:"objects"`
	Calls   int64         `json:"calls"`  // requests to the provider
	Digest  string        `json:"digest"` // of the state, keyed per account (FORMAT.md); equal states have equal digests
	Gaps    []Gap         `json:"gaps,omitempty"`
}

// Complete reports whether everything that the org has of the type was read.
func (s TypeStatus) Complete() bool { return !slices.ContainsFunc(s.Gaps, Gap.Missing) }

// Segment is a sealed, bounded run of records of one type.
type Segment struct {
	Name    string        `json:"name"` // object name below the snapshot's prefix
	Type    resource.Type `json:"type"`
	First   resource.Key  `json:"first"` // least key, inclusive
	Last    resource.Key  `json:"last"`  // greatest key, inclusive
	Objects int64         `json:"objects"`
	Bytes   int64         `json:"bytes"`  // of the sealed object
	Plain   int64         `json:"plain"`  // of its records, before compression
	SHA256  string        `json:"sha256"` // of the sealed object, hex
	Digest  string        `json:"digest"` // of the records, keyed
}

// Manifest makes a snapshot exist: it names everything that the snapshot holds.
// It is written last, once, and never changed.
type Manifest struct {
	Format     int          `json:"format"`
	ID         string       `json:"id"` // the snapshot's UUID
	Account    string       `json:"account"`
	Connection string       `json:"connection"`
	Provider   string       `json:"provider"`
	Org        string       `json:"org"`    // the org's URL
	OrgID      string       `json:"org_id"` // the provider's own ID of the org, when it tells
	Engine     string       `json:"engine"` // Okta: "oie" or "classic"
	Software   string       `json:"software"`
	Started    time.Time    `json:"started"`
	Ended      time.Time    `json:"ended"`
	LogCursor  string       `json:"log_cursor"` // where the provider's log stood when reading began
	Types      []TypeStatus `json:"types"`
	Segments   []Segment    `json:"segments"`
	Previous   string       `json:"previous,omitempty"` // digest of the previous snapshot's manifest
}

// Complete reports whether everything that the org has was read.
func (m Manifest) Complete() bool {
	return !slices.ContainsFunc(m.Types, func(s TypeStatus) bool { return !s.Complete() })
}

// Gaps lists the gaps of all types.
func (m Manifest) Gaps() []Gap {
	var out []Gap
	for _, t := range m.Types {
		out = append(out, t.Gaps...)
	}
	return out
}

// Objects counts the resources of all types.
func (m Manifest) Objects() (n int64) {
	for _, t := range m.Types {
		n += t.Objects
	}
	return n
}
