package repository

import (
	"context"
	"iter"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Every Flush writes what was added since the last one, however little that is: where
// an org's rate limit paces the reading, a segment holds a handful of records. Such
// crumbs are written again as full segments, while the draft grows and once more when
// it ends, so that neither its state nor the snapshot counts the flushes.

// crumbs is how many small segments in a row are left until the snapshot is committed.
const crumbs = 16

// fold writes runs of at least so many small segments of a type as fewer. They stay
// where they were among the others: of two records with one key the later still counts.
// The old segments become rubbish; a state that was taken before goes on from them.
func (d *Draft) fold(ctx context.Context, t resource.Type, least int) error {
	for _, run := range d.small(t, least) {
		fresh, err := d.pack(ctx, t, run, newest(d.r.merge(ctx, d.facts.Prefix, run)))
		if err != nil {
			return err
		}
		d.replace(run, fresh)
	}
	return nil
}

// small finds the runs of small segments of a type, in the order of writing.
func (d *Draft) small(t resource.Type, least int) (runs [][]snapshot.Segment) {
	var run []snapshot.Segment
	end := func() {
		if len(run) >= least {
			runs = append(runs, run)
		}
		run = nil
	}
	for _, s := range (snapshot.Manifest{Segments: d.facts.Segments}).Of(t) {
		if int(s.Bytes) < d.r.o.SegmentSealed/2 && int(s.Plain) < d.r.o.SegmentPlain/2 {
			run = append(run, s)
		} else {
			end()
		}
	}
	end()
	return runs
}

// pack makes segments of records that stood in others.
func (d *Draft) pack(ctx context.Context, t resource.Type, old []snapshot.Segment, records iter.Seq2[resource.Resource, error]) (fresh []snapshot.Segment, err error) {
	b := newBuffer(t, d.r.o, d.spare)
	b.expect(old, d.r.o)
	d.spare = nil
	defer func() { d.spare = b }()
	for res, err := range records {
		if err == nil {
			err = b.add(res)
		}
		if err == nil && b.full() {
			fresh, err = d.append(ctx, fresh, b)
		}
		if err != nil {
			return nil, err
		}
	}
	return d.append(ctx, fresh, b)
}

// replace puts fresh segments in the place of old ones.
func (d *Draft) replace(old, fresh []snapshot.Segment) {
	among := func(s snapshot.Segment) bool {
		return slices.ContainsFunc(old, func(o snapshot.Segment) bool { return o.Name == s.Name })
	}
	at := max(0, slices.IndexFunc(d.facts.Segments, among))
	d.facts.Segments = slices.Insert(slices.DeleteFunc(slices.Clone(d.facts.Segments), among), at, fresh...)
}
