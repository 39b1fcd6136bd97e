package api

import (
	"context"
	"iter"
	"slices"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// opened is a snapshot that a member looks into.
type opened interface {
	Manifest() snapshot.Manifest
	Get(ctx context.Context, key resource.Key) (resource.Resource, error)
	Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error]
	ByName(t resource.Type) bool
	Named(ctx context.Context, t resource.Type, name string) iter.Seq2[resource.Resource, error]
}

// names finds out what things in a snapshot are called, each of them once.
type names struct {
	catalog resource.Catalog
	snap    opened
	known   map[resource.Key]string
	asked   map[resource.Type]int // how many were looked for one by one
}

// patience is how many things of a type are looked for one by one; then it is cheaper
// to read the whole type once.
const patience = 100

func newNames(c resource.Catalog, snap opened) *names {
	return &names{catalog: c, snap: snap, known: map[resource.Key]string{}, asked: map[resource.Type]int{}}
}

// of names a resource: by its own label or, for a link, by that of what is linked.
func (n *names) of(ctx context.Context, r resource.Resource) (string, error) {
	info, ok := n.catalog.Info(r.Type)
	if !ok {
		return r.ID, nil
	}
	label, err := resource.Label(info, r.Body)
	if err != nil || label != "" {
		return label, err
	}
	for _, ref := range info.Refs {
		if ref.In != resource.InID {
			continue
		}
		for _, t := range ref.To {
			if label, err := n.at(ctx, resource.Key{Type: t, ID: r.ID}); err != nil || label != "" {
				return label, err
			}
		}
	}
	return "", nil
}

// at names what stands under a key; "" if the snapshot does not hold it.
func (n *names) at(ctx context.Context, k resource.Key) (string, error) {
	if label, ok := n.known[k]; ok {
		return label, nil
	}
	if n.asked[k.Type]++; n.asked[k.Type] == patience {
		if err := n.learn(ctx, k.Type); err != nil {
			return "", err
		}
	}
	if label, ok := n.known[k]; ok || n.asked[k.Type] >= patience {
		return label, nil
	}
	n.known[k] = "" // also ends a circle of links
	r, err := n.snap.Get(ctx, k)
	if problem.Is(err, problem.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	label, err := n.of(ctx, r)
	n.known[k] = label
	return label, err
}

// learn names everything of a type.
func (n *names) learn(ctx context.Context, t resource.Type) error {
	for r, err := range n.snap.Walk(ctx, t) {
		if err != nil {
			return err
		}
		label, err := n.of(ctx, r)
		if err != nil {
			return err
		}
		n.known[r.Key] = label
	}
	return nil
}

// parent names the parent of a key; "" at the top.
func (n *names) parent(ctx context.Context, k resource.Key) (string, error) {
	p, ok := parentKey(n.catalog, k)
	if !ok {
		return "", nil
	}
	return n.at(ctx, p)
}

// parentKey is the key of what a resource hangs below.
func parentKey(c resource.Catalog, k resource.Key) (resource.Key, bool) {
	info, ok := c.Info(k.Type)
	if !ok || info.Parent == "" || k.Parent == "" {
		return resource.Key{}, false
	}
	above, id, nested := cutLast(k.Parent)
	if !nested {
		return resource.Key{Type: info.Parent, ID: k.Parent}, true
	}
	return resource.Key{Type: info.Parent, Parent: above, ID: id}, true
}

func cutLast(s string) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

func (n *names) summary(ctx context.Context, r resource.Resource) (*imagov1.ResourceSummary, error) {
	label, err := n.of(ctx, r)
	if err != nil {
		return nil, err
	}
	parent, err := n.parent(ctx, r.Key)
	return &imagov1.ResourceSummary{Key: r.Key.String(), Label: label, ParentLabel: parent}, err
}

// query is what a person looks for in a snapshot.
type query struct {
	t      resource.Type
	parent string // only below it; "" is anywhere
	search string // in label or ID, whatever the case; "" is everything
	after  string // the key to go on after; "" is the start
	most   int
}

// list finds at most q.most resources, in key order; more tells that there are others.
func (n *names) list(ctx context.Context, q query) (found []*imagov1.ResourceSummary, more bool, err error) {
	search := strings.ToLower(q.search)
	after, _ := resource.ParseKey(q.after)
	for r, err := range n.snap.Walk(ctx, q.t) {
		if err != nil {
			return nil, false, err
		}
		if q.after != "" && r.Key.Compare(after) <= 0 || q.parent != "" && r.Parent != q.parent {
			continue
		}
		s, err := n.summary(ctx, r)
		if err != nil {
			return nil, false, err
		}
		if search != "" && !strings.Contains(strings.ToLower(s.Label), search) && !strings.Contains(strings.ToLower(r.ID), search) {
			continue
		}
		if len(found) == q.most {
			return found, true, nil
		}
		found = append(found, s)
	}
	return found, false, nil
}

// references names what a resource refers to, each once, in the order of its type's
// refs. What the snapshot does not hold keeps its key and has no label, but for words
// of expressions, which may be no IDs at all.
func (n *names) references(ctx context.Context, r resource.Resource) ([]*imagov1.ResourceSummary, error) {
	info, ok := n.catalog.Info(r.Type)
	if !ok {
		return nil, nil
	}
	refs, err := resource.References(info, r)
	if err != nil {
		return nil, err
	}
	var out []*imagov1.ResourceSummary
	seen := map[string]bool{}
	for _, ref := range refs {
		s, err := n.target(ctx, ref)
		if err != nil {
			return nil, err
		}
		if s != nil && !seen[s.Key] {
			seen[s.Key] = true
			out = append(out, s)
		}
	}
	return out, nil
}

func (n *names) target(ctx context.Context, ref resource.Reference) (*imagov1.ResourceSummary, error) {
	for _, t := range ref.To {
		k := resource.Key{Type: t, ID: ref.ID}
		r, err := n.snap.Get(ctx, k)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return n.summary(ctx, r)
	}
	if ref.In == resource.InExpression || len(ref.To) == 0 {
		return nil, nil
	}
	return &imagov1.ResourceSummary{Key: resource.Key{Type: ref.To[0], ID: ref.ID}.String()}, nil
}

// called is what a person calls something of a type; names differ by more than case.
type called struct {
	t    resource.Type
	name string
}

func (c called) folded() called { return called{c.t, resource.Fold(c.name)} }

// fewNames is how many names of a type are looked up one by one: each costs some reads.
const fewNames = 8

// find finds what stands behind each name: what it identifies, or else what is shown by it. The
// first the snapshot finds by itself, unless they are many; then, as for the second, its type
// is read once.
func (n *names) find(ctx context.Context, wanted []called) (map[called][]resource.Key, error) {
	found := map[called][]resource.Key{}
	types := map[resource.Type][]called{}
	for _, w := range wanted {
		if w = w.folded(); !slices.Contains(types[w.t], w) {
			found[w], types[w.t] = nil, append(types[w.t], w)
		}
	}
	for t, of := range types {
		if n.snap.ByName(t) && len(of) <= fewNames {
			if err := n.lookUp(ctx, of, found); err != nil {
				return nil, err
			}
			of = slices.DeleteFunc(of, func(w called) bool { return len(found[w]) > 0 })
		}
		if len(of) == 0 {
			continue
		}
		if err := n.lookThrough(ctx, t, of, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (n *names) lookUp(ctx context.Context, wanted []called, found map[called][]resource.Key) error {
	for _, w := range wanted {
		for r, err := range n.snap.Named(ctx, w.t, w.name) {
			if err != nil {
				return err
			}
			found[w] = append(found[w], r.Key)
		}
	}
	return nil
}

// lookThrough reads a type for what is wanted of it.
func (n *names) lookThrough(ctx context.Context, t resource.Type, wanted []called, found map[called][]resource.Key) error {
	info, _ := n.catalog.Info(t)
	asked, shown := map[called]bool{}, map[called][]resource.Key{}
	for _, w := range wanted {
		asked[w] = true
	}
	for r, err := range n.snap.Walk(ctx, t) {
		if err != nil {
			return err
		}
		label, err := n.of(ctx, r)
		if err != nil {
			return err
		}
		identity, err := resource.Called(r.Body, info.Names())
		if err != nil {
			return err
		}
		for _, name := range identity {
			if c := (called{t, name}); asked[c] {
				found[c] = append(found[c], r.Key)
			}
		}
		if c := (called{t, label}).folded(); asked[c] {
			shown[c] = append(shown[c], r.Key)
		}
	}
	for _, w := range wanted {
		if len(found[w]) == 0 {
			found[w] = shown[w]
		}
	}
	return nil
}
