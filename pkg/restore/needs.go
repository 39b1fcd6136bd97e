package restore

import (
	"context"
	"fmt"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// person is who gets access by a resource: somebody who could leave, and whom it is
// a part of (a membership, an assignment, an admin role).
func person(catalog resource.Catalog, info resource.Info, k resource.Key) (resource.Key, bool) {
	for _, ref := range info.Refs {
		for _, t := range ref.To {
			to, ok := catalog.Info(t)
			switch {
			case !ok || to.Left == nil || !ref.Owned:
			case ref.In == resource.InID:
				return resource.Key{Type: t, ID: k.ID}, true
			case ref.In == resource.InParent:
				return parentKey(t, k.Parent), true
			}
		}
	}
	return resource.Key{}, false
}

// left reports whether a person has left.
func left(catalog resource.Catalog, person resource.Resource) bool {
	info, ok := catalog.Info(person.Type)
	return ok && info.Left != nil && info.Left(person)
}

// missing says what a member refers to that is neither there nor restored; "" when
// nothing is. A member that could not be made whole is not made at all: a rule
// without its zone would let in more people than before. What is only given a
// reference back (all false) needs no more than what it is a part of.
func (p *planner) missing(ctx context.Context, m member, all bool) (why string, err error) {
	refs, err := resource.References(m.info, m.Resource)
	if err != nil {
		return "", err
	}
	for _, ref := range refs {
		if !all && !ref.Owned {
			continue
		}
		if why, err := p.needs(ctx, m, ref); why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

func (p *planner) needs(ctx context.Context, m member, ref resource.Reference) (why string, err error) {
	if unwritten(m.info, ref.Ref) {
		return "", nil
	}
	for _, t := range ref.To {
		if n := (name{t, ref.ID}); p.settled[n] {
			return p.leaver(m, parentKey(t, ref.ID), p.will[n])
		}
	}
	var was *resource.Key // what it refers to, by the snapshot
	for _, t := range ref.To {
		k := parentKey(t, ref.ID)
		if real, err := p.held(ctx, k, ref); err != nil {
			return "", err
		} else if !real {
			continue
		}
		now, err := p.live.get(ctx, k)
		if err != nil {
			return "", err
		}
		if now != nil {
			return p.leaver(m, k, now.Body)
		}
		was = &k
	}
	if was == nil {
		return "", nil // a word, or gone before the snapshot was taken
	}
	return p.lacks(ctx, *was)
}

// held reports whether the snapshot holds what a reference seems to name: lists
// hold words besides IDs (ALL_ZONES), and expressions any text.
func (p *planner) held(ctx context.Context, k resource.Key, ref resource.Reference) (bool, error) {
	if ref.Owned {
		return true, nil
	}
	_, err := p.Snapshot.Get(ctx, k)
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// leaver keeps access from people who have left, and do not come back by this plan:
// body is how the one who is referred to will stand.
func (p *planner) leaver(m member, k resource.Key, body []byte) (why string, err error) {
	who := resource.Resource{Key: k, Body: body}
	if one, gives := person(p.Catalog, m.info, m.Key); !gives || one != k || !left(p.Catalog, who) {
		return "", nil
	}
	return fmt.Sprintf("%s has left: the account is deactivated, and gets no access back", p.nameNow(who)), nil
}

func (p *planner) nameNow(r resource.Resource) string {
	info, _ := p.Catalog.Info(r.Type)
	if label, err := resource.Label(info, r.Body); err == nil && label != "" {
		return label
	}
	return r.ID
}

// lacks says that something which is needed does not exist any more.
func (p *planner) lacks(ctx context.Context, k resource.Key) (string, error) {
	info, _ := p.Catalog.Info(k.Type)
	title := strings.ToLower(info.Title)
	shown := k.ID
	r, err := p.Snapshot.Get(ctx, k)
	if err == nil {
		shown, p.past[k] = p.nameNow(r), r.Body
	} else if !problem.Is(err, problem.NotFound) {
		return "", err
	}
	if p.dropped[nameOf(k)] {
		return fmt.Sprintf("the %s “%s” that it needs is left out", title, shown), nil
	}
	return fmt.Sprintf("the %s “%s” that it needs does not exist any more", title, shown), nil
}
