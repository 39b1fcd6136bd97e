package repository

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Version is a change of one resource over time. Its bodies come without what moves by
// itself, so that a login is none; From is nil where it appeared, To where it was removed.
type Version struct {
	Change
	Snapshot string // prefix of the first that has it so
	Since    string // prefix of the last before it that has it otherwise; "": there is none that knows
}

// History yields the versions of a resource, newest first; at the end, if the oldest snapshot
// that knows has it already, that one, without a Since. prefixes name snapshots of the
// connection, newest first, as they were taken one after another: any may be left out. open
// opens one of them: Open, or OpenKnown for who knows more of them.
//
// A snapshot with a gap there tells nothing, and is passed over.
//
// What a snapshot stands on tells when a record was written last, or merged with others: from
// then on each snapshot has it so. Of a thousand that did not change it two or three manifests
// are read, and each segment once.
func (r *Repository) History(ctx context.Context, key resource.Key, prefixes []string, open Opener) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		h := &history{r: r, key: key, prefixes: prefixes, open: open, yield: yield, records: map[string]*snapshot.Record{}}
		if err := h.run(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(Version{}, err)
		}
	}
}

// Opener opens the snapshot at a prefix.
type Opener func(ctx context.Context, prefix string) (*Snapshot, error)

// errEnough ends a history whose reader has seen enough.
var errEnough = errors.New("the reader stopped")

type history struct {
	r        *Repository
	key      resource.Key
	prefixes []string
	open     Opener
	yield    func(Version, error) bool

	records map[string]*snapshot.Record // what segments hold of the key, by their names; nil: nothing
	newer   *sight                      // the oldest so far that has it as those before it
}

// sight is the resource in one snapshot.
type sight struct {
	prefix string
	stack  []snapshot.Segment // that may hold it, the highest layer first
	since  string             // the folder from which on it was the same
	known  bool
}

func (h *history) run(ctx context.Context) error {
	for i := 0; i < len(h.prefixes); i++ {
		s, err := h.sight(ctx, i)
		if err != nil {
			return err
		}
		if !s.known {
			continue
		}
		if err := h.judge(ctx, s); err != nil {
			return err
		}
		if i, err = h.back(ctx, i, s); err != nil {
			return err
		}
	}
	return h.begin(ctx)
}

// judge compares a snapshot with the next newer one that knows.
func (h *history) judge(ctx context.Context, s *sight) error {
	newer := h.newer
	if h.newer = s; newer == nil {
		return nil
	}
	from, err := h.body(ctx, s)
	if err != nil {
		return err
	}
	to, err := h.body(ctx, newer)
	if err != nil || bytes.Equal(from, to) {
		return err
	}
	return h.tell(Version{Change: Change{h.key, from, to}, Snapshot: newer.prefix, Since: s.prefix})
}

// back goes from a snapshot to the oldest that has the resource as it has, and knows. It
// gives the place of the oldest that has it so at all: older ones may have it otherwise. No
// record of the key was written between them, since it would be in a segment that the newer
// one stands on, or merged into one; and none was left out, since tombstones stay until a
// full snapshot begins anew.
func (h *history) back(ctx context.Context, i int, s *sight) (oldest int, err error) {
	for oldest = i; oldest+1 < len(h.prefixes); oldest++ {
		if _, folder := split(h.prefixes[oldest+1]); folder < s.since {
			break
		}
	}
	for at := oldest; at > i; at-- {
		older, err := h.sight(ctx, at)
		if err != nil {
			return 0, err
		}
		if older.known {
			h.newer = older
			break
		}
	}
	return oldest, nil
}

// begin tells of what the oldest snapshot that knows has.
func (h *history) begin(ctx context.Context) error {
	if h.newer == nil {
		return nil
	}
	body, err := h.body(ctx, h.newer)
	if err != nil || body == nil {
		return err
	}
	return h.tell(Version{Change: Change{h.key, nil, body}, Snapshot: h.newer.prefix})
}

func (h *history) tell(v Version) error {
	if !h.yield(v, nil) {
		return errEnough
	}
	return nil
}

// sight looks at a snapshot's manifest.
func (h *history) sight(ctx context.Context, i int) (*sight, error) {
	open, err := h.open(ctx, h.prefixes[i])
	if err != nil {
		return nil, err
	}
	bodies := open.of(snapshot.Bodies)
	s := &sight{prefix: h.prefixes[i], stack: covering(bodies, h.key), since: baseOf(bodies, open.folder)}
	for _, g := range s.stack {
		s.since = max(s.since, g.Folder)
	}
	status, asked := open.manifest.Status(h.key.Type)
	s.known = asked && !status.Hides(h.key.Parent)
	if s.known && slices.ContainsFunc(status.Gaps, func(g snapshot.Gap) bool { return g.Missing() && g.Covers(h.key.Type, h.key.Parent) }) {
		body, err := h.body(ctx, s)
		if err != nil {
			return nil, err
		}
		s.known = body != nil
	}
	return s, nil
}

// baseOf is the folder of the lowest layer; that of the snapshot itself where there is none.
func baseOf(segments []snapshot.Segment, own string) string {
	if len(segments) == 0 {
		return own
	}
	return slices.MinFunc(segments, func(a, b snapshot.Segment) int { return cmp.Compare(a.Layer, b.Layer) }).Folder
}

// body is what a snapshot has of the key; nil: nothing.
func (h *history) body(ctx context.Context, s *sight) ([]byte, error) {
	for i := range s.stack {
		g := &s.stack[i]
		record, read := h.records[g.Name]
		if !read {
			found, ok, err := h.r.within(ctx, g, h.key, h.r.chunk)
			if err != nil {
				return nil, err
			}
			if ok {
				found.Line, found.Body = nil, bytes.Clone(found.Body) // and not the chunk with it
				record = &found
			}
			h.records[g.Name] = record
		}
		if record != nil {
			return record.Body, nil
		}
	}
	return nil, nil
}
