package api

import (
	lru "container/list"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"imago/pkg/account"
	"imago/pkg/resource"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

// Bounds of what is held in memory of snapshots.
const (
	indexBytes   = 256 << 20        // of all indexes together
	indexObjects = 1_000_000        // a type with more is read anew each time
	indexIdle    = 15 * time.Minute // one that nobody uses goes
	indexFor     = time.Minute      // that one may take to be made
)

// line is what an index knows of one resource.
type line struct {
	key    resource.Key
	label  string
	parent string // the label of its parent
	folded string // label and ID, for searches
}

func (l line) holds(search string) bool { return strings.Contains(l.folded, search) }

func (l line) summary() *imagov1.ResourceSummary {
	return &imagov1.ResourceSummary{Key: l.key.String(), Label: l.label, ParentLabel: l.parent}
}

// index names everything of one type of one snapshot, in key order. It is directory data
// in the clear, so it stays in memory, and each use of it is let in and written down as
// the opening of its snapshot is.
type index []line

// cost is about how many bytes an index holds: its strings, and a line's own size.
func (x index) cost() (n int64) {
	for _, l := range x {
		n += int64(len(l.key.ID) + len(l.key.Parent) + len(l.label) + len(l.parent) + len(l.folded) + 128)
	}
	return n
}

// after is what comes after a key; all of it for "".
func (x index) after(key string) index {
	if key == "" {
		return x
	}
	k, _ := resource.ParseKey(key)
	i, there := slices.BinarySearchFunc(x, k, func(l line, k resource.Key) int { return l.key.Compare(k) })
	if there {
		i++
	}
	return x[i:]
}

// list finds at most q.most resources; more tells that there are others.
func (x index) list(q query) (found []*imagov1.ResourceSummary, more bool) {
	search := strings.ToLower(q.search)
	for _, l := range x.after(q.after) {
		if q.parent != "" && l.key.Parent != q.parent || !l.holds(search) {
			continue
		}
		if len(found) == q.most {
			return found, true
		}
		found = append(found, l.summary())
	}
	return found, false
}

// index names everything of a type: half of the work is to read it, which goes on meanwhile.
func (n *names) index(ctx context.Context, t resource.Type) (out index, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out = make(index, 0, n.holds(t))
	read, failed := n.ahead(ctx, t)
	for batch := range read {
		for _, r := range batch {
			l, err := n.line(ctx, r)
			if err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	return out, failed()
}

// line is what an index knows of a resource.
func (n *names) line(ctx context.Context, r resource.Resource) (l line, err error) {
	if l.label, err = n.of(ctx, r); err != nil {
		return l, err
	}
	l.parent, err = n.parent(ctx, r.Key)
	l.key, l.folded = r.Key, strings.ToLower(l.label+"\n"+r.ID)
	return l, err
}

// keyOf turns what a person wrote (a key, or type:name) into a key. What is no identity is
// looked for in the index of its type: what is only shown, as a link's name is.
func (s *Service) keyOf(ctx context.Context, n *names, at spot, text string) (resource.Key, error) {
	t, name, named := labelled(text, n.catalog)
	if !named {
		return valid.Key("key", text, n.catalog)
	}
	info, _ := n.catalog.Info(t)
	found := map[called][]resource.Key{}
	w := called{t, name}.folded()
	if err := n.lookUp(ctx, []called{w}, found); err != nil {
		return resource.Key{}, err
	}
	if len(found[w]) > 0 {
		return n.only("key", w, found[w])
	}
	if n.snap.ByName(t) || len(info.Names()) == 0 {
		at.of = t
		x, ok, err := s.indexed(ctx, n, at)
		if err != nil {
			return resource.Key{}, err
		}
		if ok {
			return n.only("key", called{t, name}, x.labelled(name))
		}
	}
	keys, err := n.resolve(ctx, "key", []string{text})
	if err != nil {
		return resource.Key{}, err
	}
	return keys[0], nil
}

// labelled are the keys of what has a label, whatever its case.
func (x index) labelled(label string) (found []resource.Key) {
	label = resource.Fold(label)
	for _, l := range x {
		if resource.Fold(l.label) == label {
			found = append(found, l.key)
		}
	}
	return found
}

// ahead reads a type ahead of who looks at it, until ctx ends; failed is why it did not come
// to the end, and is asked when read is closed.
func (n *names) ahead(ctx context.Context, t resource.Type) (read <-chan []resource.Resource, failed func() error) {
	const many = 512
	batches := make(chan []resource.Resource, 4)
	var err error
	go func() {
		defer close(batches)
		defer func() {
			if what := recover(); what != nil {
				err = fmt.Errorf("panic: %v\n%s", what, debug.Stack())
			}
		}()
		var batch []resource.Resource
		give := func() bool {
			select {
			case batches <- batch:
				batch = make([]resource.Resource, 0, many)
				return true
			case <-ctx.Done():
				err = ctx.Err()
				return false
			}
		}
		for r, wrong := range n.snap.Walk(ctx, t) {
			if err = wrong; err != nil {
				return
			}
			if batch = append(batch, r); len(batch) == many && !give() {
				return
			}
		}
		give()
	}()
	return batches, func() error { return err }
}

// holds is how many resources of a type the snapshot holds.
func (n *names) holds(t resource.Type) (objects int64) {
	for _, s := range n.snap.Manifest().Types {
		if s.Type == t {
			objects = s.Objects
		}
	}
	return objects
}

// spot says what an index is of.
type spot struct {
	account  account.ID
	snapshot string
	of       resource.Type
}

// indexes holds indexes within a bound; what was not used for longest goes first.
type indexes struct {
	most int64 // bytes
	idle time.Duration
	now  func() time.Time

	mu    sync.Mutex
	held  int64
	known map[spot]*lru.Element
	order lru.List // of *kept, the newest use first
	armed bool     // sweep is to come
}

type kept struct {
	spot
	lines index
	cost  int64
	used  time.Time
}

func newIndexes(most int64, idle time.Duration, now func() time.Time) *indexes {
	return &indexes{most: most, idle: idle, now: now, known: map[spot]*lru.Element{}}
}

// get finds an index, and drops those that nobody has used for long.
func (x *indexes) get(s spot) (index, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expire()
	e, ok := x.known[s]
	if !ok {
		return nil, false
	}
	k := e.Value.(*kept)
	k.used = x.now()
	x.order.MoveToFront(e)
	return k.lines, true
}

// put keeps an index, if it is within the bound by itself.
func (x *indexes) put(s spot, lines index) {
	cost := lines.cost()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expire()
	if x.known[s] != nil || cost > x.most {
		return
	}
	for x.held+cost > x.most {
		x.drop(x.order.Back())
	}
	x.held += cost
	x.known[s] = x.order.PushFront(&kept{s, lines, cost, x.now()})
	x.arm()
}

// arm has sweep come, if there is anything to sweep.
func (x *indexes) arm() {
	if !x.armed && x.order.Len() > 0 {
		x.armed = true
		time.AfterFunc(x.idle, x.sweep)
	}
}

// sweep drops what nobody has used for long, also when nobody asks any more.
func (x *indexes) sweep() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.armed = false
	x.expire()
	x.arm()
}

func (x *indexes) expire() {
	for e := x.order.Back(); e != nil && x.now().Sub(e.Value.(*kept).used) > x.idle; e = x.order.Back() {
		x.drop(e)
	}
}

func (x *indexes) drop(e *lru.Element) {
	k := x.order.Remove(e).(*kept)
	x.held -= k.cost
	delete(x.known, k.spot)
}

// indexed is the index of a type; ok is false for a type that is too large for one.
func (s *Service) indexed(ctx context.Context, n *names, at spot) (x index, ok bool, err error) {
	if x, ok = s.indexes.get(at); ok {
		return x, true, nil
	}
	if n.holds(at.of) > indexObjects {
		return nil, false, nil
	}
	select {
	case built := <-s.build(ctx, n, at):
		x, ok = built.Val.(index)
		return x, ok, built.Err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// build makes an index, once for all who want it at the same time, and to its end though
// they go away: somebody will look for it again.
func (s *Service) build(ctx context.Context, n *names, at spot) <-chan singleflight.Result {
	return s.building.DoChan(fmt.Sprint(at), func() (built any, err error) {
		defer func() {
			if what := recover(); what != nil {
				err = fmt.Errorf("panic: %v\n%s", what, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), indexFor)
		defer cancel()
		x, err := newNames(n.catalog, n.snap).index(ctx, at.of)
		if err != nil {
			return nil, err
		}
		s.indexes.put(at, x)
		return x, nil
	})
}

// foresee makes the indexes that whoever has begun to look at a snapshot will search: of the
// type that they look at, if there is more of it, and of all large ones that are no links,
// one after another.
func (s *Service) foresee(ctx context.Context, n *names, at spot, more bool) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return s.building.DoChan(fmt.Sprint("ahead ", at), func() (any, error) {
		for _, t := range n.likely(at.of, more) {
			at.of = t
			if _, made := s.indexes.get(at); made {
				continue
			}
			if built := <-s.build(ctx, n, at); built.Err != nil {
				s.log.WarnContext(ctx, "an index was not made ahead", "type", t, "error", built.Err)
				return nil, built.Err
			}
		}
		return nil, nil
	})
}

// worthwhile is from how many resources on it is felt that a type is read.
const worthwhile = 1000

// likely are the types that are worth an index before anybody asks for one.
func (n *names) likely(t resource.Type, more bool) (out []resource.Type) {
	if more {
		out = append(out, t)
	}
	for _, info := range n.catalog {
		if info.Type != t && !link(info) && n.holds(info.Type) > worthwhile {
			out = append(out, info.Type)
		}
	}
	return slices.DeleteFunc(out, func(t resource.Type) bool { return n.holds(t) > indexObjects })
}

// listed lists by the index, if there is one; the first look without a search needs none
// and reads no more than it shows. Whoever sees that there is more will search or read on:
// the index is made meanwhile.
func (s *Service) listed(ctx context.Context, n *names, at spot, q query) ([]*imagov1.ResourceSummary, bool, error) {
	x, ok := s.indexes.get(at)
	if !ok && (q.search != "" || q.after != "" || q.parent != "") {
		var err error
		if x, ok, err = s.indexed(ctx, n, at); err != nil {
			return nil, false, err
		}
	}
	if !ok {
		found, more, err := n.list(ctx, q)
		if err == nil {
			s.foresee(ctx, n, at, more)
		}
		return found, more, err
	}
	found, more := x.list(q)
	return found, more, nil
}
