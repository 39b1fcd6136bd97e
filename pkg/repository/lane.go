package repository

import (
	"bytes"
	"cmp"
	"context"
	"math/bits"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// lane writes one family of a draft. What is added gathers, is joined with what was there
// before, and what differs goes on: into memory first, and into segments.
type lane struct {
	d        *Draft
	family   snapshot.Family
	incoming buffer
	delta    buffer
	base     []snapshot.Segment // what the draft is a layer over
	own      []snapshot.Segment // each a layer over those before it, until the lane is settled
	seen     seen               // which records of base were met
	target   int                // bytes of plain at which a segment is written
}

func (l *lane) stack() []snapshot.Segment { return slices.Concat(l.base, l.own) }

// top is the highest layer of segments; -1: there are none.
func top(segments []snapshot.Segment) int {
	layer := -1
	for _, s := range segments {
		layer = max(layer, s.Layer)
	}
	return layer
}

// add gathers a resource; without a body, that it is gone.
func (l *lane) add(ctx context.Context, r resource.Resource) error {
	if err := l.incoming.add(r); err != nil {
		return err
	}
	if l.incoming.held < min(l.target, gathered) {
		return nil
	}
	return l.take(ctx)
}

// gathered is how many bytes of records are joined at a time with what was before.
const gathered = 1 << 20

// take joins what gathered, and writes what differs once it fills a segment.
func (l *lane) take(ctx context.Context) error {
	if err := l.join(ctx); err != nil {
		return err
	}
	if l.delta.held < l.target {
		return nil
	}
	return l.write(ctx, true)
}

// join takes in what gathered: of what is as it was before it is only noted that it was
// met.
func (l *lane) join(ctx context.Context) error {
	if len(l.incoming.lines) == 0 {
		return nil
	}
	l.incoming.sort()
	for from := 0; from < len(l.incoming.lines); {
		part := l.incoming.typed(from)
		if err := l.joinType(ctx, &part); err != nil {
			return err
		}
		from += len(part.lines)
	}
	l.incoming.reset()
	return nil
}

// joinType takes in records of one type: what lies between those of two types is not read.
func (l *lane) joinType(ctx context.Context, part *buffer) error {
	before, end := l.before(part)
	defer end()
	for i := range part.lines {
		record := part.record(i)
		old, err := before(ctx, record.Key)
		if err != nil {
			return err
		}
		if !bytes.Equal(old.Body, record.Body) {
			if err := l.rename(ctx, old, record); err != nil { // first: it may be done twice, counting not
				return err
			}
			l.count(old, -1)
			if sum := l.count(record, 1); l.d.parent == nil {
				l.delta.copySummed(record, sum) // its segment's digest needs it once more
			} else {
				l.delta.copy(record)
			}
		}
	}
	return nil
}

// before gives what stood under the keys of sorted records, which rise, before the join:
// until its end.
func (l *lane) before(part *buffer) (look func(context.Context, resource.Key) (snapshot.Record, error), end func()) {
	if l.d.facts.Scope == Named {
		return l.newest, func() {}
	}
	in := reach{part.key(0), part.key(len(part.lines) - 1)}
	w := l.d.r.walk(l.stack(), in).with(&l.delta)
	w.brief = true
	var was []version
	begun := false
	return func(ctx context.Context, k resource.Key) (_ snapshot.Record, err error) {
		for !begun || len(was) > 0 && was[0].Key.Compare(k) < 0 {
			begun = true
			if was, err = w.next(ctx); err != nil {
				return snapshot.Record{}, err
			}
		}
		if len(was) == 0 || was[0].Key != k {
			return snapshot.Record{}, nil
		}
		l.seen.mark(was)
		return was[0].Record, nil
	}, w.close
}

// newest looks one key up: a few are named, and what lies deeper need not be read.
func (l *lane) newest(ctx context.Context, k resource.Key) (snapshot.Record, error) {
	l.delta.sort()
	if i := l.delta.search(k); i < len(l.delta.lines) && l.delta.key(i) == k {
		return l.delta.record(i), nil
	}
	found, err := l.d.r.find(ctx, l.stack(), k, l.d.r.chunk)
	return found.Record, err
}

// count counts a record in or out of the state, and gives its digest; a tombstone is nothing.
func (l *lane) count(r snapshot.Record, by int64) (sum snapshot.Digest) {
	if r.Deleted() {
		return sum
	}
	sum = l.d.digest.Of(r.Key, r.Line)
	held := l.d.held(r.Type)
	if by > 0 {
		held.Add(l.one(sum))
	} else {
		held.Sub(l.one(sum))
	}
	return sum
}

// one is what a record adds to the state.
func (l *lane) one(sum snapshot.Digest) snapshot.Held {
	if l.family == snapshot.Bodies {
		return snapshot.Held{Objects: 1, Digest: sum}
	}
	return snapshot.Held{Moving: sum}
}

// write makes segments of what differs: one of each type, so that they do not reach over
// those of types between. Types of which there is little may wait in memory, for others
// beside them. On error what differs stays as it is.
func (l *lane) write(ctx context.Context, wait bool) error {
	l.delta.sort()
	layer := top(l.stack()) + 1
	var waiting buffer
	for from := 0; from < len(l.delta.lines); {
		part := l.delta.typed(from)
		if from += len(part.lines); wait && part.size() < l.target/fan {
			waiting.copyAll(&part)
			continue
		}
		if err := l.append(ctx, &part, layer); err != nil {
			return err
		}
	}
	if wait && l.d.parent == nil { // all of the org comes: the room is full again soon
		l.delta.reset()
		l.delta.copyAll(&waiting)
	} else {
		l.delta = waiting // not in the room of what was written: it may stay empty for long
	}
	return nil
}

// append writes a segment of the lane's own.
func (l *lane) append(ctx context.Context, b *buffer, layer int) error {
	s, err := l.d.segment(ctx, l.family, layer, b)
	if err != nil {
		return err
	}
	l.own = append(l.own, s)
	l.aim(s)
	return nil
}

// last writes what still waits, when nothing more comes: as few segments as there can be
// that do not reach over others of the draft.
func (l *lane) last(ctx context.Context) error {
	l.delta.sort()
	layer := top(l.stack()) + 1
	behind := slices.Clone(l.own)
	slices.SortFunc(behind, func(a, b snapshot.Segment) int { return a.First.Compare(b.First) })
	for from := 0; from < len(l.delta.lines); {
		part := l.delta
		to := len(l.delta.lines)
		for len(behind) > 0 && l.delta.key(from).Compare(behind[0].First) > 0 {
			behind = behind[1:]
		}
		if len(behind) > 0 {
			to = max(from+1, l.delta.search(behind[0].First))
		}
		part.lines = l.delta.lines[from:to]
		part.lines = part.lines[:part.within(l.target)]
		if err := l.append(ctx, &part, layer); err != nil {
			return err
		}
		from += len(part.lines)
	}
	l.delta = buffer{}
	return nil
}

// aim says how much makes the next segment, by how well this one compressed. At least an
// eighth of the most: a badly compressed one must not make crumbs of those that follow.
func (l *lane) aim(s snapshot.Segment) {
	o := l.d.r.o
	l.target = max(o.SegmentPlain/8, min(l.most(), int(float64(s.Plain)/float64(s.Bytes)*float64(o.SegmentSealed))))
}

// most is how many bytes of plain a segment has at most: of a layer half as many, as it
// lies in memory beside the layers that it is compared with.
func (l *lane) most() int {
	if l.d.parent != nil {
		return l.d.r.o.SegmentPlain / 2
	}
	return l.d.r.o.SegmentPlain
}

// walk goes through the state as it is now.
func (l *lane) walk(in reach) *walker {
	return l.d.r.walk(l.stack(), in).with(&l.delta)
}

// missing has what was not met of the segments below counted out, unless it is kept. A
// second call finds nothing more.
func (l *lane) missing(ctx context.Context, keep func(resource.Key) bool) error {
	w := l.d.r.walk(l.base, reach{})
	w.skip, w.brief = l.seen.all, true
	defer w.close()
	for {
		all, err := w.next(ctx)
		if err != nil || len(all) == 0 {
			return err
		}
		if l.seen.met(all[0]) || all[0].Deleted() || keep(all[0].Key) {
			continue
		}
		if err := l.rename(ctx, all[0].Record, snapshot.Record{}); err != nil { // first, as above
			return err
		}
		l.seen.mark(all)
		l.count(all[0].Record, -1)
		if err := l.delta.add(resource.Resource{Key: all[0].Key}); err != nil {
			return err
		}
		if l.delta.held >= l.target {
			if err := l.write(ctx, true); err != nil {
				return err
			}
		}
	}
}

// settle leaves the lane's own segments as one layer, and merges layers below that have
// become many: a reader passes a bounded number of them.
func (l *lane) settle(ctx context.Context) error {
	if run := l.run(); len(run) > 0 {
		if err := l.rewrite(ctx, slices.Concat(run, l.own)); err != nil {
			return err
		}
	}
	if err := l.last(ctx); err != nil {
		return err
	}
	for _, group := range groups(l.own, l.small) {
		if err := l.rewrite(ctx, group); err != nil {
			return err
		}
	}
	layer := top(l.base) + 1
	for i := range l.own {
		l.own[i].Layer = layer
	}
	return nil
}

// fold writes runs of crumbs as fewer: every Flush writes what differed since the last
// one, however little that is.
func (l *lane) fold(ctx context.Context) error {
	for _, group := range groups(l.own, l.small) {
		run := youngest(group)
		if len(run) < crumbs {
			continue
		}
		if err := l.rewrite(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// crumbs is how many small segments in a row are left until the draft is settled.
const crumbs = 16

// youngest are the newest layers of a group, up to one that has more than twice what they
// have: names lie over all others, and are not all written anew for a few.
func youngest(group []snapshot.Segment) (out []snapshot.Segment) {
	var sum int64
	for _, layer := range strata(group) {
		if sum > 0 && layer.records > 2*sum {
			break
		}
		sum += layer.records
		out = append(out, layer.segments...)
	}
	return out
}

func (l *lane) small(s snapshot.Segment) bool {
	return int(s.Bytes) < l.d.r.o.SegmentSealed/2 && int(s.Plain) < l.most()/2
}

// groups parts segments into those that are written anew as one: which overlap, and small
// neighbours.
func groups(segments []snapshot.Segment, small func(snapshot.Segment) bool) (out [][]snapshot.Segment) {
	sorted := slices.Clone(segments)
	slices.SortFunc(sorted, func(a, b snapshot.Segment) int { return a.First.Compare(b.First) })
	var group []snapshot.Segment
	var last resource.Key
	for _, s := range sorted {
		if n := len(group); n > 0 && (last.Compare(s.First) >= 0 || small(s) && small(group[n-1])) {
			group = append(group, s)
		} else {
			out, group = append(out, group), []snapshot.Segment{s}
		}
		if last.Compare(s.Last) < 0 {
			last = s.Last
		}
	}
	return slices.DeleteFunc(append(out, group), func(g []snapshot.Segment) bool { return len(g) < 2 })
}

// rewrite writes what counts of these segments, and of what is in memory, as new ones of
// the lane's own. The old ones are not the lane's any more.
func (l *lane) rewrite(ctx context.Context, old []snapshot.Segment) error {
	w := l.d.r.walk(old, reach{}).with(&l.delta)
	w.brief = true
	defer w.close()
	below := without(l.own, old)
	var fresh []snapshot.Segment
	var out buffer
	flush := func() error {
		if len(out.lines) == 0 {
			return nil
		}
		s, err := l.d.segment(ctx, l.family, top(l.stack())+1, &out)
		fresh = append(fresh, s)
		out.reset()
		return err
	}
	for {
		all, err := w.next(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			break
		}
		if all[0].Deleted() && len(l.base)+len(covering(below, all[0].Key)) == 0 {
			continue // there is nothing that it would hide
		}
		out.copy(all[0].Record)
		if out.held >= l.target {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	l.delta = buffer{}
	l.own = append(below, fresh...)
	l.base = without(l.base, old)
	return nil
}

func without(all, gone []snapshot.Segment) []snapshot.Segment {
	return slices.DeleteFunc(slices.Clone(all), func(s snapshot.Segment) bool {
		return slices.ContainsFunc(gone, func(g snapshot.Segment) bool { return g.Name == s.Name })
	})
}

// fan is how many layers of a size become one.
const fan = 8

// run finds the layers below, the newest ones, that are merged with what the draft holds:
// so many of one size, or of smaller ones, are one of the next size.
func (l *lane) run() (out []snapshot.Segment) {
	sum := int64(len(l.delta.lines))
	for _, s := range l.own {
		sum += s.Records
	}
	if sum == 0 {
		return nil
	}
	layers := layersOf(l.base)
	for {
		n, total := 0, sum
		for n < len(layers) && level(layers[n].records) <= level(sum) {
			total += layers[n].records
			n++
		}
		if n+1 < fan {
			return out
		}
		for _, merged := range layers[:n] {
			out = append(out, merged.segments...)
		}
		layers, sum = layers[n:], total
	}
}

// level is the size of a layer: so many times fan records.
func level(records int64) int { return (bits.Len64(uint64(records)) - 1) / bits.Len64(fan-1) }

// stratum is one layer.
type stratum struct {
	records  int64
	segments []snapshot.Segment
}

// layersOf parts segments by layer, the newest first, but for that of the full snapshot.
func layersOf(segments []snapshot.Segment) []stratum {
	return strata(slices.DeleteFunc(slices.Clone(segments), func(s snapshot.Segment) bool { return s.Layer == 0 }))
}

// strata parts segments by layer, the newest first.
func strata(segments []snapshot.Segment) (out []stratum) {
	sorted := slices.Clone(segments)
	slices.SortStableFunc(sorted, func(a, b snapshot.Segment) int { return cmp.Compare(b.Layer, a.Layer) })
	for i, s := range sorted {
		if i == 0 || sorted[i-1].Layer != s.Layer {
			out = append(out, stratum{})
		}
		last := &out[len(out)-1]
		last.records += s.Records
		last.segments = append(last.segments, s)
	}
	return out
}

// weigh adds up what the layers hold of a place.
func (l *lane) weigh(ctx context.Context, in reach, into *snapshot.Held) error {
	w := l.walk(in)
	for {
		all, err := w.next(ctx)
		if err != nil || len(all) == 0 {
			return err
		}
		if !all[0].Deleted() {
			into.Add(l.one(l.d.digest.Of(all[0].Key, all[0].Line)))
		}
	}
}
