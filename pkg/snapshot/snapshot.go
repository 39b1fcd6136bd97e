// Package snapshot holds the state of one connection at one moment: its manifest, the
// segments that it stands on, and its gaps. It is pure: no I/O, no clock.
package snapshot

import (
	"fmt"
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
	// Hides says that nothing of the place was read. What the layers hold of it is from
	// before, is nobody's state now, and is compared with when it can be read again.
	Hides bool `json:"hides,omitempty"`
}

// Covers reports whether the gap leaves the state of that place unknown.
func (g Gap) Covers(t resource.Type, parent string) bool {
	return g.Type == t && (g.Parent == "" || g.Parent == parent)
}

// Missing reports whether there may be something that the snapshot does not hold: an
// org that has not got a feature has nothing of it to be held.
func (g Gap) Missing() bool { return g.Reason != NotLicensed }

// Held counts records.
type Held struct {
	Objects int64  `json:"objects"`
	Digest  Digest `json:"digest,omitzero"` // of the records of the family of bodies
	Moving  Digest `json:"moving,omitzero"` // of those of the other family
	// Unnamed is the digest of the names that the bodies have, less that of those which the
	// family of names tells: zero, when all is well. It is not told, but computed.
	Unnamed Digest `json:"-"`
}

// Add takes in what is held besides; nothing of it may be held already.
func (h *Held) Add(o Held) {
	h.Objects += o.Objects
	h.Digest.Add(o.Digest)
	h.Moving.Add(o.Moving)
	h.Unnamed.Add(o.Unnamed)
}

// Sub takes away a part of what is held.
func (h *Held) Sub(o Held) {
	h.Objects -= o.Objects
	h.Digest.Sub(o.Digest)
	h.Moving.Sub(o.Moving)
	h.Unnamed.Sub(o.Unnamed)
}

// TypeStatus is what a manifest says of one type.
type TypeStatus struct {
	Type  resource.Type `json:"type"`
	Held                // the state: equal states have equal digests
	Calls int64         `json:"calls,omitempty"` // requests to the provider
	Gaps  []Gap         `json:"gaps,omitempty"`
	// Hidden is what the layers hold of the type besides, under gaps that hide.
	Hidden Held `json:"hidden,omitzero"`
}

// Complete reports whether everything that the org has of the type was read.
func (s TypeStatus) Complete() bool { return !slices.ContainsFunc(s.Gaps, Gap.Missing) }

// Hides reports whether what the layers hold below a parent is nobody's state.
func (s TypeStatus) Hides(parent string) bool {
	return slices.ContainsFunc(s.Gaps, func(g Gap) bool { return g.Hides && g.Covers(s.Type, parent) })
}

// Ref names an object of the repository.
type Ref struct {
	// Folder is that of the snapshot which wrote it; "": the one that names it.
	Folder string `json:"folder,omitempty"`
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`  // sealed
	SHA256 string `json:"sha256"` // of the sealed object, hex
	// Key is the version of the data key that it is sealed under; 0, when stored: that of the
	// object that names it.
	Key uint32 `json:"key,omitempty"`
	// Again says that it was sealed anew since it was written: what it is called in the store
	// ends in the key's version then.
	Again bool `json:"again,omitempty"`
}

// Object is what it is called in the store.
func (r Ref) Object() string {
	if r.Again {
		return fmt.Sprintf("%s-%d", r.Name, r.Key)
	}
	return r.Name
}

// Family parts what a resource is by how often it moves.
type Family string

// The families. A resource has a record in the first, and one in the second if it has
// members that move by themselves. The third says which resources have a name (NameKey):
// it follows from the first.
const (
	Bodies Family = ""
	Moving Family = "moving"
	Names  Family = "names"
)

// Families lists those that make up resources.
func Families() []Family { return []Family{Bodies, Moving} }

// Segment is a sealed, bounded run of records.
type Segment struct {
	Ref
	Layer      int          `json:"layer"` // of two records with one key that of the higher layer counts
	Family     Family       `json:"family,omitempty"`
	First      resource.Key `json:"first"` // least key, inclusive
	Last       resource.Key `json:"last"`  // greatest key, inclusive
	Records    int64        `json:"records"`
	Tombstones int64        `json:"tombstones,omitempty"` // of the records
	Plain      int64        `json:"plain"`                // bytes, before compression
	// Head is what the sealed object begins with, and Chunks are its chunks, so that one
	// can be read by itself; a segment of one chunk has neither.
	Head   []byte  `json:"head,omitempty"`
	Chunks []Chunk `json:"chunks,omitempty"`
	// Digest of the records of a full snapshot's segment, to compare it with another's.
	Digest Digest `json:"digest,omitzero"`
	Filter []byte `json:"filter,omitempty"` // of a few records' keys (Filter.Has)
}

// Chunk is a part of a segment that is sealed by itself.
type Chunk struct {
	Bytes   int64        `json:"bytes"` // sealed, without the four of its length
	Records int64        `json:"records"`
	First   resource.Key `json:"first"`
	Digest  Digest       `json:"digest,omitzero"`
}

// Covers reports whether a record with the key may stand in the segment.
func (s *Segment) Covers(k resource.Key) bool {
	return s.First.Compare(k) <= 0 && s.Last.Compare(k) >= 0 && MayHold(s.Filter, k)
}

// Holding is the chunk that holds the key, if one does.
func (s *Segment) Holding(k resource.Key) int {
	i, exact := slices.BinarySearchFunc(s.Chunks, k, func(c Chunk, k resource.Key) int { return c.First.Compare(k) })
	if exact {
		return i
	}
	return max(0, i-1)
}

// Reach is between which keys the records of a chunk stand, both inclusive; 0 is the only
// chunk of a segment that tells of none.
func (s *Segment) Reach(chunk int) (first, last resource.Key) {
	first, last = s.First, s.Last
	if len(s.Chunks) > 0 {
		first = s.Chunks[chunk].First
	}
	if chunk+1 < len(s.Chunks) {
		last = s.Chunks[chunk+1].First
	}
	return first, last
}

// Kind of a snapshot.
type Kind string

// The kinds.
const (
	Full        Kind = "full"        // stands on its own segments alone
	Incremental Kind = "incremental" // is a layer over its parent
)

// Manifest makes a snapshot exist: it names everything that the snapshot stands on. It is
// written last, once, and never changed.
//
// As it is stored it names a list, whose types and segments are its own but for those
// that it gives anew or drops. Resolve makes it whole.
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
	Kind       Kind         `json:"kind"`
	Parent     string       `json:"parent,omitempty"`   // folder of what an incremental is a layer over
	Point      bool         `json:"point,omitempty"`    // only what the provider's log named was read again
	Previous   string       `json:"previous,omitempty"` // digest of the previous snapshot's manifest
	Was        []string     `json:"was,omitempty"`      // digests of the manifests that this one is in the place of, oldest first
	List       *Ref         `json:"list,omitempty"`
	Dropped    []string     `json:"dropped,omitempty"` // segments of the list that it does not stand on
	Types      []TypeStatus `json:"types"`
	Segments   []Segment    `json:"segments"`
	Names      NamePaths    `json:"names,omitempty"`
}

// NamePaths says, of each type whose resources can be found by name, in which fields names
// stand.
type NamePaths map[resource.Type][]resource.Path

// List is what many manifests have in common.
type List struct {
	Format   int          `json:"format"`
	Types    []TypeStatus `json:"types"`
	Segments []Segment    `json:"segments"`
	Names    NamePaths    `json:"names,omitempty"`
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

// Status finds a type; ok is false for one that was not asked for.
func (m Manifest) Status(t resource.Type) (s TypeStatus, ok bool) {
	if i := slices.IndexFunc(m.Types, func(s TypeStatus) bool { return s.Type == t }); i >= 0 {
		return m.Types[i], true
	}
	return TypeStatus{Type: t}, false
}

// Of lists the segments of a family that may hold records of a type, of a manifest that
// was resolved.
func (m Manifest) Of(f Family, t resource.Type) []Segment {
	var out []Segment
	for _, s := range m.Segments {
		if s.Family == f && s.First.Type <= t && t <= s.Last.Type {
			out = append(out, s)
		}
	}
	return out
}

// Added is what the segments take in the store that the snapshot has written itself; of a
// manifest that was resolved.
func (m Manifest) Added() (n int64) {
	own := Folder(m.Started, m.ID)
	for _, s := range m.Segments {
		if s.Folder == own {
			n += s.Bytes
		}
	}
	return n
}

// Bytes is what the segments take in the store.
func (m Manifest) Bytes() (n int64) {
	for _, s := range m.Segments {
		n += s.Bytes
	}
	return n
}
