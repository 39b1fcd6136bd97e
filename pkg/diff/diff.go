// Package diff compares two states of an org: which resources were created,
// updated or deleted, and which of their fields differ. It is pure, and what is
// unknown on either side is never taken for a deletion.
package diff

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// Op says what happened to a resource or to a field of it.
type Op string

// The operations; Unknown is only of a Change.
const (
	Create  Op = "create"  // was absent before
	Update  Op = "update"  // differs
	Delete  Op = "delete"  // is absent after
	Unknown Op = "unknown" // one of the states has a gap there
)

// Change is the create, update or delete of one resource, or a place of which
// nothing can be said.
type Change struct {
	Key    resource.Key    `json:"key"` // after the change; before it, for a Delete. Of an Unknown: type and parent
	Op     Op              `json:"op"`
	Before json.RawMessage `json:"before,omitempty"` // the whole body; nil when absent
	After  json.RawMessage `json:"after,omitempty"`
	Fields []Field         `json:"fields,omitempty"` // of an Update; never empty there
	Gap    *Gap            `json:"gap,omitempty"`    // of an Unknown
}

// Gap is a place that one of the states does not know: a type, or one parent's
// part of it. It is what a snapshot.Gap says, in this floor's words.
type Gap struct {
	Type   resource.Type `json:"type"`
	Parent string        `json:"parent,omitempty"` // "" is the whole type
	Reason string        `json:"reason"`
	Detail string        `json:"detail,omitempty"`
}

// Side is one of the two states.
type Side struct {
	// Resources MUST come in the order of resource.Key.Compare; see Stream.
	Resources iter.Seq2[resource.Resource, error]
	Gaps      []Gap
}

// Options says how to compare. The zero value compares everything but volatile fields.
type Options struct {
	// IDs, when not nil, are the identities that a restore gave to what it made
	// again: the states are compared as if they had been kept, and times that the
	// provider stamps are passed over.
	IDs IDs
	// Tally, when not nil, counts what was compared, by the time the sequence ends.
	Tally *Tally
}

// Tally counts the outcome of a comparison, in resources; Unknown counts gaps.
type Tally struct{ Compared, Created, Updated, Deleted, Unknown int64 }

// Stream puts the types' resources together in the order that a Side needs. walk
// yields the resources of one type by parent and ID.
func Stream(types []resource.Type, walk func(resource.Type) iter.Seq2[resource.Resource, error]) iter.Seq2[resource.Resource, error] {
	sorted := slices.Clone(types)
	slices.Sort(sorted)
	return func(yield func(resource.Resource, error) bool) {
		for _, t := range slices.Compact(sorted) {
			for r, err := range walk(t) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// Changes yields the gaps of either state first, then what differs in key order;
// under Options.IDs, what the identities concern comes last. Both streams are read
// once; memory holds one resource of each, and those that the identities concern.
// An error ends the sequence. The bodies of a Change are the streams' own: who keeps
// them beyond the next step copies them.
//
// A resource under a gap of either side is compared when both sides have it, and
// passed over when one of them lacks it.
func Changes(catalog resource.Catalog, before, after Side, o Options) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		c := &comparison{catalog: catalog, options: o, yield: yield, gaps: gaps(before.Gaps, after.Gaps), tally: o.Tally}
		if c.tally == nil {
			c.tally = &Tally{}
		}
		if err := c.run(before.Resources, after.Resources); err != nil && !errors.Is(err, errEnough) {
			yield(Change{}, err)
		}
	}
}

// errEnough ends a comparison whose reader has seen enough.
var errEnough = fmt.Errorf("the reader stopped")

// Pair is one resource as it stands on either side; a body is nil where it is absent.
type Pair struct {
	resource.Key
	Before, After json.RawMessage
}

// Pairs is Changes of states that somebody has joined already: the pairs MUST come in the
// order of resource.Key.Compare, and those that are the same may be left out. So it knows
// no identities, which concern what is the same, too; and the tally counts what it is given.
func Pairs(catalog resource.Catalog, pairs iter.Seq2[Pair, error], before, after []Gap, tally *Tally) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		c := &comparison{catalog: catalog, yield: yield, gaps: gaps(before, after), tally: tally}
		if err := c.runPairs(pairs); err != nil && !errors.Is(err, errEnough) {
			yield(Change{}, err)
		}
	}
}

func (c *comparison) runPairs(pairs iter.Seq2[Pair, error]) error {
	if err := c.tellGaps(); err != nil {
		return err
	}
	for p, err := range pairs {
		if err == nil {
			err = c.pair(side(p.Key, p.Before), side(p.Key, p.After))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func side(k resource.Key, body []byte) *resource.Resource {
	return present(resource.Resource{Key: k, Body: body}, body != nil)
}

type comparison struct {
	catalog resource.Catalog
	options Options
	yield   func(Change, error) bool
	gaps    []Gap
	tally   *Tally

	moved aside           // what the identities concern
	taken map[string]bool // the IDs that replaced others
}

// gaps puts both sides' gaps together, each place once, in order.
func gaps(a, b []Gap) []Gap {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y Gap) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.Parent, y.Parent))
	})
	return slices.CompactFunc(all, func(x, y Gap) bool { return x.Type == y.Type && x.Parent == y.Parent })
}

// tellGaps tells what is unknown.
func (c *comparison) tellGaps() error {
	for i := range c.gaps {
		g := c.gaps[i]
		c.tally.Unknown++
		if err := c.tell(Change{Key: resource.Key{Type: g.Type, Parent: g.Parent}, Op: Unknown, Gap: &g}); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) run(before, after iter.Seq2[resource.Resource, error]) error {
	if err := c.tellGaps(); err != nil {
		return err
	}
	old, stopOld := pull("before", before)
	defer stopOld()
	now, stopNow := pull("after", after)
	defer stopNow()
	if err := c.join(old, now); err != nil {
		return err
	}
	return c.joinMoved()
}

// join walks both streams side by side.
func (c *comparison) join(old, now *stream) error {
	for {
		if err := c.setAside(old, now); err != nil {
			return err
		}
		var err error
		switch {
		case old.head == nil && now.head == nil:
			return nil
		case now.head == nil || old.head != nil && old.head.Compare(now.head.Key) < 0:
			err = firstError(c.pair(old.head, nil), old.next)
		case old.head == nil || old.head.Compare(now.head.Key) > 0:
			err = firstError(c.pair(nil, now.head), now.next)
		default:
			err = firstError(c.pair(old.head, now.head), old.next, now.next)
		}
		if err != nil {
			return err
		}
	}
}

func firstError(err error, then ...func() error) error {
	for _, f := range then {
		if err == nil {
			err = f()
		}
	}
	return err
}

// pair judges one resource as it stands on either side; nil is absent.
func (c *comparison) pair(old, now *resource.Resource) error {
	c.tally.Compared++
	switch {
	case old == nil && c.unknown(now.Type, now.Parent), now == nil && c.unknown(old.Type, old.Parent):
		return nil
	case old == nil:
		c.tally.Created++
		return c.tell(Change{Key: now.Key, Op: Create, After: now.Body})
	case now == nil:
		c.tally.Deleted++
		return c.tell(Change{Key: old.Key, Op: Delete, Before: old.Body})
	}
	info, _ := c.catalog.Info(now.Type) // a type that is not known any more is compared as it stands
	fields, err := c.options.IDs.Compare(info, old.Body, now.Body)
	if err != nil {
		return fmt.Errorf("compare %s: %w", now.Type, err)
	}
	if len(fields) == 0 {
		return nil
	}
	c.tally.Updated++
	return c.tell(Change{Key: now.Key, Op: Update, Before: old.Body, After: now.Body, Fields: fields})
}

func (c *comparison) tell(change Change) error {
	if !c.yield(change, nil) {
		return errEnough
	}
	return nil
}

// unknown reports whether a gap covers the place, or the place of its parent: the
// children of what could not be listed could not be listed either.
func (c *comparison) unknown(t resource.Type, parent string) bool {
	for t != "" && len(c.gaps) > 0 {
		covers := func(g Gap) bool { return g.Type == t && (g.Parent == "" || g.Parent == parent) }
		if slices.ContainsFunc(c.gaps, covers) {
			return true
		}
		info, _ := c.catalog.Info(t)
		t = info.Parent
		parent = parent[:max(0, strings.LastIndexByte(parent, '/'))]
	}
	return false
}

// stream is a sequence with its next resource in sight.
type stream struct {
	side string
	pull func() (resource.Resource, error, bool)
	head *resource.Resource // nil at the end
}

// pull starts a stream before its first resource.
func pull(side string, seq iter.Seq2[resource.Resource, error]) (*stream, func()) {
	next, stop := iter.Pull2(seq)
	s := &stream{side: side, pull: next, head: &resource.Resource{}}
	return s, stop
}

// next steps on, and refuses a stream that is out of order: a merge of it would
// report what is there as deleted.
func (s *stream) next() error {
	r, err, ok := s.pull()
	switch {
	case !ok:
		s.head = nil
		return nil
	case err != nil:
		return fmt.Errorf("read the state %s: %w", s.side, err)
	case r.Compare(s.head.Key) <= 0:
		return fmt.Errorf("read the state %s: %s stands out of order", s.side, r.Type)
	}
	s.head = &r
	return nil
}
