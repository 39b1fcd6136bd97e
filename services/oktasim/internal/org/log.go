package org

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"imago/services/oktasim/internal/filter"
)

// eventLog is the System Log: events in the order of their arrival, which is mostly,
// but not always, that of their publication.
type eventLog struct {
	arrived []Arrival
	// latest is the time of the last arrival among the first ones up to each; it never
	// goes back, whatever the clock does, so that a poll can be cut by binary search.
	latest []Stamp
	// published are places in arrived by the time of publication.
	published []int
	// held are the events that are late, the first to arrive first.
	held     []Arrival
	disorder []*Disorder
}

// Arrival is an event with the time at which it reached the log.
type Arrival struct {
	*Event
	// At is 0 if the event arrived as it was published.
	At Stamp `json:"arrived,omitzero"`
}

func (a Arrival) time() Stamp { return cmp.Or(a.At, a.Published) }

// write takes an event in, at once or late, and once or twice.
func (l *eventLog) write(e *Event) {
	l.settle(e.Published)
	i := slices.IndexFunc(l.disorder, func(d *Disorder) bool { return d.strikes(e) })
	if i < 0 {
		l.arrive(Arrival{Event: e})
		return
	}
	d := l.disorder[i]
	again := Arrival{Event: e, At: e.Published + Stamp(d.Late)}
	if d.Duplicate {
		l.arrive(Arrival{Event: e})
	}
	at, _ := slices.BinarySearchFunc(l.held, again, func(a, b Arrival) int {
		return cmp.Or(cmp.Compare(a.At, b.At), -1)
	})
	l.held = slices.Insert(l.held, at, again)
	l.settle(e.Published)
}

// settle lets the events arrive whose time has come.
func (l *eventLog) settle(now Stamp) {
	for len(l.held) > 0 && l.held[0].At <= now {
		l.arrive(l.held[0])
		l.held = l.held[1:]
	}
}

func (l *eventLog) arrive(a Arrival) {
	place, latest := len(l.arrived), a.time()
	if place > 0 {
		latest = max(latest, l.latest[place-1])
	}
	l.arrived = append(l.arrived, a)
	l.latest = append(l.latest, latest)
	at := sort.Search(place, func(i int) bool { return l.arrived[l.published[i]].Published > a.Published })
	l.published = slices.Insert(l.published, at, place)
}

// Settle lets happen what was to happen by now: late events arrive. It takes the lock
// itself.
func (o *Org) Settle() {
	now := Stamp(o.clock.Now().UnixMilli())
	o.mu.RLock()
	due := len(o.log.held) > 0 && o.log.held[0].At <= now
	o.mu.RUnlock()
	if !due {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revision++
	o.log.settle(now)
}

// retention is how long Okta keeps events (documented: 90 days).
const retention = 90 * 24 * time.Hour

// LogQuery asks for events. Zero times are open ends.
type LogQuery struct {
	// Since and Until are times of publication in bounded queries, of arrival in others
	// (documented: the time of persistence).
	Since, Until time.Time
	Filter       *filter.Filter
	Words        []string
	// Bounded queries are ordered by published, the others by arrival.
	Bounded, Descending bool
	// After is where the last page ended.
	After Position
}

// Position is a place between two events: after the one that arrived as the Seq-th and
// was published At. Seq 0 is the beginning.
type Position struct {
	At  Stamp
	Seq int
}

// Events answers the query: at most limit events, where the page ends, and whether more
// follow.
func (o *Org) Events(q LogQuery, limit int) (found []*Event, end Position, more bool) {
	oldest := Stamp(o.clock.Now().Add(-retention).UnixMilli())
	end = q.After
	for place := range o.log.places(q, oldest) {
		e := o.log.arrived[place]
		if e.Published >= oldest && q.matches(e.Event) {
			if len(found) == limit {
				return found, end, true
			}
			found = append(found, e.Event)
		}
		end = Position{At: e.Published, Seq: place + 1}
	}
	return found, end, false
}

// places are the places in arrived that the query looks at, in its order.
func (l *eventLog) places(q LogQuery, oldest Stamp) iter.Seq[int] {
	switch {
	case !q.Bounded:
		return l.arrivals(q, oldest)
	case q.Descending:
		return l.descending(q)
	}
	return l.ascending(q, oldest)
}

func (l *eventLog) arrivals(q LogQuery, oldest Stamp) iter.Seq[int] {
	since := max(stampOfEvent(q.Since), oldest)
	first := sort.Search(len(l.latest), func(i int) bool { return l.latest[i] >= since })
	return func(yield func(int) bool) {
		for i := max(first, q.After.Seq); i < len(l.arrived); i++ {
			if l.arrived[i].time() >= since && !yield(i) {
				return
			}
		}
	}
}

func (l *eventLog) ascending(q LogQuery, oldest Stamp) iter.Seq[int] {
	from, to := l.from(max(stampOfEvent(q.Since), oldest)), l.until(q)
	if q.After.Seq > 0 {
		from = max(from, l.behind(q.After))
	}
	return slices.Values(l.published[min(from, to):to])
}

func (l *eventLog) descending(q LogQuery) iter.Seq[int] {
	from, to := l.from(stampOfEvent(q.Since)), l.until(q)
	if q.After.Seq > 0 {
		to = min(to, l.behind(q.After)-1)
	}
	return func(yield func(int) bool) {
		for i := to - 1; i >= from; i-- {
			if !yield(l.published[i]) {
				return
			}
		}
	}
}

// from is the index in published of the first event that was published at t or later.
func (l *eventLog) from(t Stamp) int {
	return sort.Search(len(l.published), func(i int) bool { return l.arrived[l.published[i]].Published >= t })
}

func (l *eventLog) until(q LogQuery) int {
	if q.Until.IsZero() {
		return len(l.published)
	}
	return l.from(stampOfEvent(q.Until))
}

// behind is the index in published after the position.
func (l *eventLog) behind(p Position) int {
	return sort.Search(len(l.published), func(i int) bool {
		place := l.published[i]
		return cmp.Or(cmp.Compare(l.arrived[place].Published, p.At), cmp.Compare(place+1, p.Seq)) > 0
	})
}

// stampOfEvent is the first millisecond that is not before t, 0 for no time.
func stampOfEvent(t time.Time) Stamp {
	if t.IsZero() {
		return 0
	}
	return Stamp(t.Add(time.Millisecond - 1).UnixMilli())
}

func (q LogQuery) matches(e *Event) bool {
	if !q.Filter.Match(e.attribute) {
		return false
	}
	for _, w := range q.Words {
		if !strings.Contains(e.text(), strings.ToLower(w)) {
			return false
		}
	}
	return true
}
