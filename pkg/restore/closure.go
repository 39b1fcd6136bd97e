package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// role says why a resource is a part of a restore.
type role int

const (
	selected role = iota // somebody named it
	part                 // hangs on something that is restored
	referrer             // names something that is restored
)

// member is a resource of the snapshot that a restore is about.
type member struct {
	resource.Resource
	info resource.Info
	role role
	of   resource.Key // what it hangs on, or names
}

// closure collects members from the snapshot.
type closure struct {
	catalog resource.Catalog
	snap    Snapshot
	exclude map[resource.Key]bool
	members []member
	known   map[resource.Key]bool
}

// collect finds what a selection is about: the selected, and their parts.
func collect(ctx context.Context, catalog resource.Catalog, snap Snapshot, sel Selection) (*closure, error) {
	c := &closure{catalog: catalog, snap: snap, exclude: map[resource.Key]bool{}, known: map[resource.Key]bool{}}
	for _, k := range sel.Exclude {
		c.exclude[k] = true
	}
	for _, k := range sel.Keys {
		if err := c.selected(ctx, k); err != nil {
			return nil, err
		}
	}
	if len(c.members) == 0 {
		return nil, problem.InField("selection", "nothing is selected").WithHint("name what to restore: group/00g…, or group:Finance")
	}
	if !sel.WithDependents {
		return c, nil
	}
	for from := 0; from < len(c.members); {
		next := len(c.members)
		if err := c.hanging(ctx, c.members[from:next], part); err != nil {
			return nil, err
		}
		from = next
	}
	return c, nil
}

func (c *closure) selected(ctx context.Context, k resource.Key) error {
	info, ok := c.catalog.Info(k.Type)
	if !ok {
		return problem.InField("selection", "%s is no type that Imago knows", k.Type)
	}
	r, err := c.snap.Get(ctx, k)
	if problem.Is(err, problem.NotFound) {
		return c.absent(k)
	}
	if err != nil {
		return fmt.Errorf("read %s from the snapshot: %w", k.Type, err)
	}
	c.add(member{Resource: r, info: info, role: selected})
	return nil
}

// absent explains why the snapshot does not hold a key.
func (c *closure) absent(k resource.Key) error {
	for _, g := range c.snap.Manifest().Gaps() {
		if g.Covers(k.Type, k.Parent) {
			return &problem.Problem{Kind: problem.NotFound, Field: "selection",
				What: fmt.Sprintf("the snapshot does not know %s: %s", k, g.Detail), Hint: "choose another snapshot"}
		}
	}
	return &problem.Problem{Kind: problem.NotFound, Field: "selection",
		What: fmt.Sprintf("the snapshot holds no %s", k), Hint: "imago browse lists what it holds"}
}

func (c *closure) add(m member) {
	if c.known[m.Key] || c.exclude[m.Key] {
		return
	}
	c.known[m.Key] = true
	m.Body = slices.Clone(m.Body)
	c.members = append(c.members, m)
}

// referrers adds what names one of the targets without being a part of it.
func (c *closure) referrers(ctx context.Context, targets []member) error {
	return c.hanging(ctx, targets, referrer)
}

// hanging walks every type that has a ref to one of the targets' types: an owned
// one for parts, another for referrers.
func (c *closure) hanging(ctx context.Context, targets []member, as role) error {
	at := map[name]resource.Key{}
	for _, m := range targets {
		at[nameOf(m.Key)] = m.Key
	}
	for _, info := range c.catalog {
		info.Refs = slices.DeleteFunc(slices.Clone(info.Refs), func(r resource.Ref) bool {
			return r.Owned != (as == part) || !slices.ContainsFunc(targets, func(m member) bool { return slices.Contains(r.To, m.Type) })
		})
		if len(info.Refs) == 0 {
			continue
		}
		if err := c.walk(ctx, info, at, as); err != nil {
			return err
		}
	}
	return nil
}

// walk adds the resources of one type that refer to one of the names.
func (c *closure) walk(ctx context.Context, narrow resource.Info, at map[name]resource.Key, as role) error {
	info, _ := c.catalog.Info(narrow.Type)
	for r, err := range c.snap.Walk(ctx, info.Type) {
		if err != nil {
			return fmt.Errorf("read %s from the snapshot: %w", info.Type, err)
		}
		of, ok, err := names(narrow, r, at)
		if err != nil {
			return err
		}
		if ok {
			c.add(member{Resource: r, info: info, role: as, of: of})
		}
	}
	return nil
}

// names finds what of at a resource refers to.
func names(info resource.Info, r resource.Resource, at map[name]resource.Key) (resource.Key, bool, error) {
	refs, err := resource.References(info, r)
	if err != nil {
		return resource.Key{}, false, fmt.Errorf("read the snapshot: %w", err)
	}
	for _, ref := range refs {
		for _, t := range ref.To {
			if k, ok := at[name{t, ref.ID}]; ok {
				return k, true, nil
			}
		}
	}
	return resource.Key{}, false, nil
}

// Resolve reads what a person writes for a resource of a snapshot: type/id,
// type/parent/id, or type:label. A label that is not one resource's is a problem.
func Resolve(ctx context.Context, catalog resource.Catalog, snap Snapshot, text string) (resource.Key, error) {
	typ, label, ok := strings.Cut(text, ":")
	if strings.Contains(typ, "/") || !ok {
		k, ok := resource.ParseKey(text)
		if !ok {
			return k, problem.InField("selection", "%q names nothing", text).WithHint("write type/id or type:label, as in group/00g… or group:Finance")
		}
		return k, nil
	}
	info, ok := catalog.Info(resource.Type(typ))
	if !ok {
		return resource.Key{}, problem.InField("selection", "%q is no type that Imago knows", typ)
	}
	found, err := labelled(ctx, info, snap, label)
	switch {
	case err != nil:
		return resource.Key{}, err
	case len(found) == 0:
		return resource.Key{}, &problem.Problem{Kind: problem.NotFound, Field: "selection", What: fmt.Sprintf("the snapshot holds no %s with the name %q", typ, label)}
	case len(found) > 1:
		return resource.Key{}, &problem.Problem{Kind: problem.Conflict, Field: "selection",
			What: fmt.Sprintf("%d resources have the name %q", len(found), label), Hint: "name one of them by its key: " + keys(found)}
	}
	return found[0], nil
}

func labelled(ctx context.Context, info resource.Info, snap Snapshot, label string) (found []resource.Key, err error) {
	for r, err := range snap.Walk(ctx, info.Type) {
		if err != nil {
			return nil, fmt.Errorf("read %s from the snapshot: %w", info.Type, err)
		}
		have, err := resource.Label(info, r.Body)
		if err != nil {
			return nil, err
		}
		if have == label {
			found = append(found, r.Key)
		}
	}
	return found, nil
}

// keys lists keys for a person, the first few of them.
func keys(ks []resource.Key) string {
	const most = 5
	var out []string
	for _, k := range ks[:min(most, len(ks))] {
		out = append(out, k.String())
	}
	if len(ks) > most {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}
