package restore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

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
		w.Op, w.Expect = provider.Create, nil // not there: never made, or deleted to be made again
		if info.Shape == resource.Collection && s.Op == provider.Create {
			w.Key.ID = ""
		}
		return nil, w, nil
	}
	if w.Op != provider.Delete {
		same, err := resource.Equal(now.Body, w.Want, writable(info).Volatile...)
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
	own, err := ownWork(info, w, now.Body)
	if err != nil {
		return nil, w, err
	}
	if !own && info.Shape != resource.LinkSet {
		if s.Op == provider.Create {
			return nil, w, problem.New(problem.Stale, "another %s with its name was made since the plan", s.Key.Type).
				WithHint("plan the restore again")
		}
		return nil, w, nil // the writer compares with Expect, and will say that it moved
	}
	if w.Op == provider.Create {
		w.Op = provider.Update
	}
	w.Key, w.Expect = now.Key, now.Body
	return nil, w, nil
}

// ownWork reports whether each field of the live object is as the plan found it,
// or as the write leaves it; the status may be on its way.
func ownWork(info resource.Info, w provider.Write, now []byte) (bool, error) {
	apart := append(slices.Clone(writable(info).Volatile), "status")
	if w.Op == provider.Create {
		return resource.Equal(now, w.Want, apart...)
	}
	rest, err := resource.Without(now, apart...)
	if err != nil {
		return false, err
	}
	own := true
	err = resource.Members(rest, func(key, value []byte) error {
		path := resource.Path(key)
		for _, body := range [][]byte{w.Expect, w.Want} {
			if body == nil {
				continue
			}
			at, err := resource.Without(body, apart...)
			if err != nil {
				return err
			}
			have, err := path.Lookup(at)
			if err != nil {
				return err
			}
			if len(have) > 0 && bytes.Equal(have[0].JSON, value) {
				return nil
			}
		}
		own = false
		return nil
	})
	return own, err
}

// look finds the object of a write as it stands: by its key, or by its natural key
// when the write makes it.
func (a *applying) look(ctx context.Context, info resource.Info, s Step, w provider.Write) (*resource.Resource, error) {
	if w.Key.ID != "" {
		r, err := a.Reader.Get(ctx, w.Key)
		if err == nil {
			return &r, nil
		}
		if !problem.Is(err, problem.NotFound) {
			return nil, fmt.Errorf("look for it: %w", err)
		}
		if w.Op == provider.Delete || info.Shape != resource.Collection {
			return nil, nil
		}
	}
	found, err := a.Reader.Find(ctx, resource.Resource{Key: w.Key, Body: w.Want})
	if err != nil {
		return nil, fmt.Errorf("look for it by its name: %w", err)
	}
	found = slices.DeleteFunc(found, func(r resource.Resource) bool { return slices.Contains(s.Namesakes, r.ID) })
	if len(found) == 0 {
		return nil, nil
	}
	if len(found) == 1 {
		return &found[0], nil
	}
	return a.mine(info, w, found)
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

// mine picks what this write made among several of one name: the one that is as
// it wants it, and that no other step has made.
func (a *applying) mine(info resource.Info, w provider.Write, found []resource.Resource) (*resource.Resource, error) {
	var like []resource.Resource
	for _, r := range found {
		taken := false
		for _, e := range a.entries {
			taken = taken || e.State == Done && e.Key == r.Key
		}
		own, err := resource.Equal(r.Body, w.Want, append(slices.Clone(writable(info).Volatile), "status")...)
		if err != nil {
			return nil, err
		}
		if own && !taken {
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
