package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// deprovisioned is how a person who has left stands in Okta's directory.
func deprovisioned(user resource.Resource) bool {
	status, err := resource.Path("status").Text(user.Body)
	return err == nil && status == "DEPROVISIONED"
}

// person is the user who gets access by a link: a membership, an assignment.
func person(info resource.Info, k resource.Key) (resource.Key, bool) {
	gives := func(r resource.Ref) bool { return r.In == resource.InID && r.Owned && slices.Contains(r.To, "user") }
	if info.Shape != resource.LinkSet || !slices.ContainsFunc(info.Refs, gives) {
		return resource.Key{}, false
	}
	return resource.Key{Type: "user", ID: k.ID}, true
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
	if unwritten(m.info, ref.Ref) || slices.ContainsFunc(ref.To, func(t resource.Type) bool { return p.settled[name{t, ref.ID}] }) {
		return "", nil
	}
	var was *resource.Key // what it refers to, by the snapshot
	for _, t := range ref.To {
		k := parentKey(t, ref.ID)
		now, err := p.live.get(ctx, k)
		if err != nil {
			return "", err
		}
		if now != nil {
			return p.leaver(m, ref, *now)
		}
		if real, err := p.held(ctx, k, ref); err != nil || !real {
			return "", err
		}
		was = &k
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

// leaver keeps access from people who have left since the snapshot.
func (p *planner) leaver(m member, ref resource.Reference, now resource.Resource) (why string, err error) {
	k, gives := person(m.info, m.Key)
	if !gives || k != now.Key || !p.Left(now) {
		return "", nil
	}
	return fmt.Sprintf("%s has left: the account is deactivated, and gets no access back", p.nameNow(now)), nil
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
