package drift

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// mostReferrers bounds how many objects are read again because what they refer to
// was deleted.
const mostReferrers = 200

// Wake is what the snapshot says names a deleted resource, and must be read again:
// losing a reference may open what it restricted.
type Wake struct {
	Named []resource.Key  `json:"named,omitempty"`
	More  []resource.Type `json:"more,omitempty"` // types of which not all are named
}

// deletion is what was found deleted, and has not been looked up in the snapshot.
type deletion struct {
	key    resource.Key
	event  string // that was looked into
	change int    // its index in Observed.Changes; -1: an earlier look told of it
	wake   Wake
	counts []*tally
}

// tally counts what hung on a deletion, of one type.
type tally struct {
	Affected
	first []item // of which to give the labels
}

type item struct {
	key   resource.Key
	label string // as its body says; "": a link
}

// wake walks the snapshot once for all deletions: first the types that are looked at,
// for what must be read again, then the others, for what is counted. It is false when
// time was over before the first part was: with the next look, which has told the
// deletions already and all its time for this, it ends, one way or another.
func (l *look) wake(ctx context.Context) (awake bool, err error) {
	if len(l.gone) == 0 {
		return true, nil
	}
	idle := len(l.out.Sightings) == 0
	wanted, others := l.referring()
	left, err := l.walk(ctx, wanted)
	if err != nil {
		return false, fmt.Errorf("look for what names a deletion: %w", err)
	}
	if len(left) > 0 && !idle {
		l.uncounted()
		return false, nil
	}
	for _, d := range l.gone {
		for _, info := range left {
			d.wake.More = append(d.wake.More, info.Type)
		}
	}
	if !slices.ContainsFunc(l.gone, func(d *deletion) bool { return d.change >= 0 }) {
		others = nil
	}
	if left, err = l.walk(ctx, others); err != nil {
		return false, fmt.Errorf("count what hung on a deletion: %w", err)
	}
	if len(left) > 0 {
		l.uncounted()
	}
	l.settle(ctx)
	return true, nil
}

// referring are the types that can name a deletion: those that are looked at, and
// those that are not. Each keeps no other refs than such.
func (l *look) referring() (wanted, others []resource.Info) {
	for _, info := range l.Catalog {
		info.Refs = slices.DeleteFunc(slices.Clone(info.Refs), func(r resource.Ref) bool {
			return !slices.ContainsFunc(l.gone, func(d *deletion) bool { return slices.Contains(r.To, d.key.Type) })
		})
		switch {
		case len(info.Refs) == 0:
		case l.Wants == nil || l.Wants(info.Type):
			wanted = append(wanted, info)
		default:
			others = append(others, info)
		}
	}
	return wanted, others
}

// walk counts what the snapshot holds of the types. Left are those to whose end it did
// not come in time.
func (l *look) walk(ctx context.Context, infos []resource.Info) (left []resource.Info, err error) {
	byID := map[string][]*deletion{}
	for _, d := range l.gone {
		byID[idOf(d.key)] = append(byID[idOf(d.key)], d)
	}
	for i, info := range infos {
		if l.over() {
			return infos[i:], nil
		}
		for r, err := range l.Snapshot.Walk(ctx, info.Type) {
			if err != nil {
				return nil, err
			}
			if l.over() {
				l.forget(info.Type)
				return infos[i:], nil
			}
			if err := l.hangs(info, r, byID); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// forget drops what was counted of a type: it is not all.
func (l *look) forget(t resource.Type) {
	for _, d := range l.gone {
		d.counts = slices.DeleteFunc(d.counts, func(c *tally) bool { return c.Type == t })
	}
}

// hangs counts a resource with the deletions that it was a part of, or names. A link
// that the provider fills by itself counts as a part.
func (l *look) hangs(info resource.Info, r resource.Resource, byID map[string][]*deletion) error {
	refs, err := resource.References(info, r)
	if err != nil {
		return err
	}
	parts := map[*deletion]bool{}
	for _, ref := range refs {
		for _, d := range byID[ref.ID] {
			if slices.Contains(ref.To, d.key.Type) {
				filled := info.Shape == resource.LinkSet && info.System != nil && info.System(r)
				parts[d] = parts[d] || ref.Owned || filled
			}
		}
	}
	label := ""
	if len(parts) > 0 {
		if label, err = resource.Label(info, r.Body); err != nil {
			return err
		}
	}
	for d, part := range parts {
		d.count(info, item{r.Key, label}, part)
		if !part && (l.Wants == nil || l.Wants(info.Type)) {
			d.wake.add(r.Key)
		}
	}
	return nil
}

func (w *Wake) add(k resource.Key) {
	if len(w.Named) < mostReferrers {
		w.Named = append(w.Named, k)
	} else if !slices.Contains(w.More, k.Type) {
		w.More = append(w.More, k.Type)
	}
}

func (d *deletion) count(info resource.Info, n item, part bool) {
	i := slices.IndexFunc(d.counts, func(t *tally) bool { return t.Type == info.Type && t.Gone == part })
	if i < 0 {
		i = len(d.counts)
		d.counts = append(d.counts, &tally{Affected: Affected{Type: info.Type, Title: info.Title, Gone: part}})
	}
	t := d.counts[i]
	t.Count++
	if len(t.first) < MostLabels {
		t.first = append(t.first, n)
	}
}

// uncounted says of deletions that more may have hung on them than is counted.
func (l *look) uncounted() {
	for _, d := range l.gone {
		if d.change >= 0 {
			l.out.Changes[d.change].Uncounted = true
		}
	}
}

// settle gives each deletion what was counted, keeps what names it for the looks to
// come, and has that read again.
func (l *look) settle(ctx context.Context) {
	for _, d := range l.gone {
		if d.change >= 0 {
			l.out.Changes[d.change].Affected = l.affected(ctx, d)
		}
		i := slices.IndexFunc(l.out.Sightings, func(s Sighting) bool { return s.Key == d.key })
		if i < 0 {
			i = len(l.out.Sightings)
			l.out.Sightings = append(l.out.Sightings, Sighting{Key: d.key, At: l.Now().UTC(), Event: d.event})
		}
		l.out.Sightings[i].Wake = &d.wake
		l.follow(d.wake, d.event)
	}
	l.gone = nil
}

// follow has read again what names a deletion. What is not all named is unknown.
func (l *look) follow(w Wake, event string) {
	for _, k := range w.Named {
		l.queue = append(l.queue, task{key: k, event: event, again: true})
	}
	for _, t := range w.More {
		l.unknown(resource.Key{Type: t}, snapshot.Gap{Reason: snapshot.Truncated,
			Detail: "what names something that was deleted is too much to be looked at whole"})
	}
}

// affected is what was counted, in the catalog's order, with labels while there is time.
func (l *look) affected(ctx context.Context, d *deletion) (out []Affected) {
	place := func(t *tally) int {
		return slices.IndexFunc(l.Catalog, func(info resource.Info) bool { return info.Type == t.Type })
	}
	order := map[bool]int{true: 0, false: 1}
	slices.SortFunc(d.counts, func(a, b *tally) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(order[a.Gone], order[b.Gone]))
	})
	for _, t := range d.counts {
		info, _ := l.Catalog.Info(t.Type)
		for _, n := range t.first {
			t.Labels = append(t.Labels, l.labelled(ctx, info, n))
		}
		out = append(out, t.Affected)
	}
	return out
}

// labelled is a label for reading only: one that cannot be found is no reason to lose
// the observation.
func (l *look) labelled(ctx context.Context, info resource.Info, n item) string {
	if l.over() {
		return cmp.Or(n.label, n.key.ID)
	}
	label, parent, err := l.names(ctx, info, n.key, n.label)
	if err != nil || label == "" {
		label = n.key.ID
	}
	if parent != "" {
		label += " (" + parent + ")"
	}
	return label
}
