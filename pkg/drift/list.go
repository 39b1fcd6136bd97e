package drift

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"imago/pkg/diff"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// list compares the list of a type below a parent, and looks at what came or went.
func (l *look) list(ctx context.Context, info resource.Info, t task) error {
	if info.Parent != "" && t.key.Parent == "" {
		l.unknown(t.key, snapshot.Gap{Type: info.Type, Reason: snapshot.Failed, Detail: "the log names a list without what it is a part of"})
		return nil
	}
	base, err := l.base(ctx, t.key)
	if err != nil || base.Event != "" && base.Event == t.event {
		return err
	}
	was, err := l.listedBefore(ctx, t.key, base)
	if err != nil {
		return err
	}
	now, err := l.listNow(ctx, info, t.key)
	_, unreadable := errors.AsType[*provider.Unreadable](err)
	unknown := unreadable || err == nil && base.gap && base.Body == nil
	if unknown {
		if failed := l.tell(ctx, info, t.key); failed != nil {
			return failed
		}
	}
	if err != nil {
		return err
	}
	for _, id := range union(was, now) {
		if err := l.element(ctx, info, t, id, base, now[id]); err != nil {
			return err
		}
	}
	if !unknown {
		if err := l.granted(ctx, info, t.key, base, now); err != nil {
			return err
		}
	}
	return l.remember(t, now)
}

// element compares one of a list. Of a list that was seen, what was not in it was not
// there.
func (l *look) element(ctx context.Context, info resource.Info, of task, id string, list known, now []byte) error {
	key := resource.Key{Type: info.Type, Parent: of.key.Parent, ID: id}
	if l.done[key] {
		return nil
	}
	before, err := l.base(ctx, key)
	if err == nil {
		before, err = l.doubt(ctx, before, now)
	}
	if err != nil {
		return err
	}
	before.gap = before.gap && list.Body == nil
	l.done[key] = true
	return l.compare(ctx, info, task{key: key, event: of.event}, before, now)
}

// tell observes what the log says was made in a list that cannot be read, or of which
// nothing was known: each event for itself, as there is nothing else to go by.
func (l *look) tell(ctx context.Context, info resource.Info, place resource.Key) error {
	for _, e := range l.events {
		made := func(t provider.Touch) bool { return t.Key == place && t.Op == provider.Create }
		if e.Outcome != succeeded || !slices.ContainsFunc(e.Touched, made) {
			continue
		}
		o, err := l.told(ctx, info, place, e)
		if err != nil {
			return err
		}
		o.Label = words(o)[0]
		l.out.Changes = append(l.out.Changes, o)
	}
	return nil
}

// told is what one event says was made.
func (l *look) told(ctx context.Context, info resource.Info, k resource.Key, e provider.Event) (o Observation, err error) {
	o = Observation{Change: diff.Change{Key: k, Op: diff.Create}, LogOnly: true,
		Attribution: named(principals([]provider.Event{e}, l.events), l.events, true)}
	o.Attribution.Expected = l.Ours != nil && l.Ours(*o.Attribution.Event)
	o.Label, o.ParentLabel, err = l.labels(ctx, info, o.Change)
	return o, err
}

// remember keeps the list as a sighting.
func (l *look) remember(t task, now map[string][]byte) error {
	body, err := json.Marshal(union(nil, now))
	if err != nil {
		return err
	}
	l.out.Sightings = append(l.out.Sightings, Sighting{Key: t.key, Body: body, At: l.Now().UTC(), Event: t.event})
	return nil
}

// listedBefore are the IDs of a list as it was known, and in doubt those from before.
func (l *look) listedBefore(ctx context.Context, place resource.Key, base known) ([]string, error) {
	was, err := l.listed(ctx, l.Snapshot, place, base)
	if err != nil || l.Earlier == nil || base.Body != nil {
		return was, err
	}
	before, err := l.baseIn(ctx, l.Earlier, place)
	if err != nil {
		return nil, err
	}
	more, err := l.listed(ctx, l.Earlier, place, before)
	return slices.Concat(was, more), err
}

// listed are the IDs of a list as it was seen, or as it is in a snapshot.
func (l *look) listed(ctx context.Context, in Snapshot, place resource.Key, base known) (ids []string, err error) {
	if base.Body != nil {
		err := json.Unmarshal(base.Body, &ids)
		return ids, err
	}
	of := listing{in, place.Type}
	if l.lists[of] == nil {
		if l.lists[of], err = byParent(ctx, in, place.Type); err != nil {
			return nil, err
		}
	}
	return l.lists[of][place.Parent], nil
}

// listing is what a snapshot holds of a type.
type listing struct {
	in Snapshot
	of resource.Type
}

// byParent are the IDs that a snapshot holds of a type, by parent.
func byParent(ctx context.Context, in Snapshot, t resource.Type) (map[string][]string, error) {
	all := map[string][]string{}
	for r, err := range in.Walk(ctx, t) {
		if err != nil {
			return nil, err
		}
		all[r.Parent] = append(all[r.Parent], r.ID)
	}
	return all, nil
}

func (l *look) listNow(ctx context.Context, info resource.Info, place resource.Key) (map[string][]byte, error) {
	out := map[string][]byte{}
	var parent resource.Key
	if info.Parent != "" {
		parent = parentKey(info.Parent, place.Parent)
	}
	for page, err := range l.Reader.List(ctx, info.Type, parent, "") {
		if problem.Is(err, problem.NotFound) && info.Parent != "" {
			return out, nil // the parent went, and with it everything below
		}
		if err != nil {
			return nil, err
		}
		for _, r := range page.Resources {
			if r.Parent == place.Parent {
				out[r.ID] = slices.Clone(r.Body)
			}
		}
		page.Release()
	}
	return out, nil
}

// union is every ID once, sorted.
func union(was []string, now map[string][]byte) []string {
	all := slices.Clone(was)
	for id := range now {
		all = append(all, id)
	}
	slices.Sort(all)
	return append([]string{}, slices.Compact(all)...)
}
