package restore

import (
	"context"
	"fmt"
	"slices"

	"imago/pkg/diff"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// recover finds out what became of a write that was begun and not confirmed. It
// gives an entry when the org shows that it was made, else the write to make now.
func (a *applying) recover(ctx context.Context, s Step, w provider.Write) (*Entry, provider.Write, error) {
	info, ok := a.Catalog.Info(s.Key.Type)
	if !ok {
		return nil, w, problem.New(problem.Invalid, "%s is no type that this program knows", s.Key.Type)
	}
	now, err := a.look(ctx, info, s, w)
	if err != nil {
		return nil, w, err
	}
	switch {
	case w.Op == provider.Delete && now == nil:
		return &Entry{State: Done, Key: w.Key}, w, nil
	case now == nil:
		return nil, w, nil // never made; or gone, as the writer will say of an update
	}
	if w.Op != provider.Delete {
		apart := writable(info).Volatile
		if w.Op == provider.Create {
			apart = append(apart, resource.Place) // that it did not get is told by Verify
		}
		same, err := resource.Equal(now.Body, w.Want, apart...)
		if err != nil {
			return nil, w, err
		}
		if same {
			return &Entry{State: Done, Key: now.Key}, w, nil
		}
	}
	return a.goOn(info, s, w, *now)
}

// goOn continues a write that was made by halves: what moved since the plan is
// what the write itself moves, or the status that it passes through.
func (a *applying) goOn(info resource.Info, s Step, w provider.Write, now resource.Resource) (*Entry, provider.Write, error) {
	if w.Op == provider.Create && info.Shape == resource.LinkSet {
		return madeLink(info, w, now)
	}
	own, err := ownWork(info, w, now.Body)
	switch {
	case err != nil:
		return nil, w, err
	case !own && w.Op == provider.Create:
		return nil, w, problem.New(problem.Stale, "another %s with its name was made since the plan", s.Key.Type).WithHint("plan the restore again")
	case !own:
		return nil, w, nil // the writer compares with Expect, and will say that it moved
	case w.Op == provider.Create:
		w.Op = provider.Update
	}
	w.Key, w.Expect = now.Key, now.Body
	return nil, w, nil
}

// madeLink: a link that is there is ours if it is what was wanted, and whatever the
// provider added to it. One that says something else somebody made meanwhile.
func madeLink(info resource.Info, w provider.Write, now resource.Resource) (*Entry, provider.Write, error) {
	fields, err := diff.Compare(writable(info), w.Want, now.Body)
	if err != nil {
		return nil, w, fmt.Errorf("compare a %s: %w", info.Type, err)
	}
	if slices.ContainsFunc(fields, func(f diff.Field) bool { return f.Op != diff.Create }) {
		return nil, w, problem.New(problem.Stale, "it was made since the plan, and differs").WithHint("plan the restore again")
	}
	return &Entry{State: Done, Key: now.Key}, w, nil
}

// ownWork reports whether each field of the live object is as the plan found it,
// or as the write leaves it; the status may be on its way, and the place among its like
// is moved by whatever is written beside it.
func ownWork(info resource.Info, w provider.Write, now []byte) (bool, error) {
	apart := append(slices.Clone(writable(info).Volatile), "status", resource.Place)
	if w.Op == provider.Create {
		return resource.Equal(now, w.Want, apart...)
	}
	sides, keys := [3]map[string]string{}, map[string]bool{}
	for i, body := range [][]byte{now, w.Expect, w.Want} {
		var err error
		if sides[i], err = fields(body, apart); err != nil {
			return false, err
		}
		for key := range sides[i] {
			keys[key] = true
		}
	}
	for key := range keys {
		if sides[0][key] != sides[1][key] && (w.Want == nil || sides[0][key] != sides[2][key]) {
			return false, nil
		}
	}
	return true, nil
}

// fields are a body's members, but for some; absent ones are "".
func fields(body []byte, apart []resource.Path) (map[string]string, error) {
	out := map[string]string{}
	if body == nil {
		return out, nil
	}
	rest, err := resource.Without(body, apart...)
	if err == nil {
		err = resource.Members(rest, func(key, value []byte) error {
			out[string(key)] = string(value)
			return nil
		})
	}
	return out, err
}

// look finds the object of a write as it stands: by its key, or by its natural key
// when the write makes it.
func (a *applying) look(ctx context.Context, info resource.Info, s Step, w provider.Write) (*resource.Resource, error) {
	if w.Key.ID != "" {
		r, err := a.Reader.Get(ctx, w.Key)
		switch {
		case problem.Is(err, problem.NotFound):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("look for it: %w", err)
		}
		return &r, nil
	}
	found, err := a.Reader.Find(ctx, resource.Resource{Key: w.Key, Body: w.Want})
	if err != nil {
		return nil, fmt.Errorf("look for it by its name: %w", err)
	}
	found = slices.DeleteFunc(found, func(r resource.Resource) bool {
		return slices.Contains(s.Namesakes, r.ID) || a.taken(r.Key)
	})
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	return mine(info, w, found)
}

// taken reports whether another step made the object.
func (a *applying) taken(k resource.Key) bool {
	for _, e := range a.entries {
		if e.State == Done && e.Key == k {
			return true
		}
	}
	return false
}

// provided finds what the provider made together with the parent.
func (a *applying) provided(ctx context.Context, s Step, w provider.Write) (provider.Write, error) {
	found, err := a.Reader.Find(ctx, resource.Resource{Key: w.Key, Body: w.Want})
	if err != nil {
		return w, fmt.Errorf("look for what the provider made: %w", err)
	}
	if len(found) != 1 {
		return w, problem.New(problem.NotFound, "the provider made %d of the name %q, and one was expected", len(found), s.Label)
	}
	w.Key, w.Expect = found[0].Key, found[0].Body
	return w, nil
}

// mine picks what this write made among several of one name: the one that is as it
// wants it.
func mine(info resource.Info, w provider.Write, found []resource.Resource) (*resource.Resource, error) {
	var like []resource.Resource
	for _, r := range found {
		own, err := ownWork(info, provider.Write{Op: provider.Create, Want: w.Want}, r.Body)
		if err != nil {
			return nil, err
		}
		if own {
			like = append(like, r)
		}
	}
	switch len(like) {
	case 0:
		return nil, nil
	case 1:
		return &like[0], nil
	}
	return nil, problem.New(problem.Conflict, "the org has %d of its name and content: which one this step made cannot be told", len(like)).
		WithHint("delete what is too much, and plan the restore again")
}
