package drift

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/diff"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// mostReferrers bounds how many objects are read again because what they refer to
// was deleted.
const mostReferrers = 200

// affected counts what the snapshot says hung on a deleted resource. Whatever else
// names it is read again: losing a reference may open what it restricted. Those that
// are too many to be read are unknown.
func (l *look) affected(ctx context.Context, gone resource.Key, by Attribution) (out []Affected, err error) {
	again := 0
	for _, info := range l.Catalog {
		refs := slices.DeleteFunc(slices.Clone(info.Refs), func(r resource.Ref) bool { return !slices.Contains(r.To, gone.Type) })
		if len(refs) == 0 {
			continue
		}
		narrow := info
		narrow.Refs = refs
		parts, named := Affected{Type: info.Type, Title: info.Title, Gone: true}, Affected{Type: info.Type, Title: info.Title}
		for r, err := range l.Snapshot.Walk(ctx, info.Type) {
			if err != nil {
				return nil, err
			}
			part, names, err := hangs(narrow, r, gone)
			if err != nil {
				return nil, err
			}
			switch {
			case part:
				l.count(ctx, &parts, info, r)
			case names:
				l.count(ctx, &named, info, r)
				if l.Wants == nil || l.Wants(info.Type) {
					again++
					l.readAgain(r.Key, by, again <= mostReferrers)
				}
			}
		}
		for _, a := range []Affected{parts, named} {
			if a.Count > 0 {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// readAgain looks at what names something that was deleted.
func (l *look) readAgain(k resource.Key, by Attribution, few bool) {
	if !few {
		l.unknown(resource.Key{Type: k.Type}, snapshot.Gap{Reason: snapshot.Truncated,
			Detail: fmt.Sprintf("more than %d objects name what was deleted, and not all of them were looked at", mostReferrers)})
		return
	}
	l.queue = append(l.queue, task{key: k, event: eventID(by)})
}

func eventID(a Attribution) string {
	if a.Event == nil {
		return ""
	}
	return a.Event.ID
}

// hangs tells whether a resource is a part of what is gone, or names it. A link
// that the provider fills by itself counts as a part.
func hangs(info resource.Info, r resource.Resource, gone resource.Key) (part, names bool, err error) {
	refs, err := resource.References(info, r)
	if err != nil {
		return false, false, err
	}
	for _, ref := range refs {
		if ref.ID != idOf(gone) {
			continue
		}
		filled := info.Shape == resource.LinkSet && info.System != nil && info.System(r)
		if ref.Owned || filled {
			return true, false, nil
		}
		names = true
	}
	return false, names, nil
}

func (l *look) count(ctx context.Context, a *Affected, info resource.Info, r resource.Resource) {
	a.Count++
	if len(a.Labels) >= MostLabels {
		return
	}
	// A label is for reading only: one that cannot be found is no reason to lose
	// the observation.
	label, parent, err := l.labels(ctx, info, diff.Change{Key: r.Key, Before: r.Body})
	if err != nil || label == "" {
		label = r.ID
	}
	if parent != "" {
		label += " (" + parent + ")"
	}
	a.Labels = append(a.Labels, label)
}

// labels are the resource's name and its parent's. A link is named after what it
// links; what neither the snapshot nor the log names keeps its ID.
func (l *look) labels(ctx context.Context, info resource.Info, c diff.Change) (label, parent string, err error) {
	for _, body := range [][]byte{c.After, c.Before} {
		if body == nil || label != "" {
			continue
		}
		if label, err = resource.Label(info, body); err != nil {
			return "", "", err
		}
	}
	if label == "" {
		for _, ref := range info.Refs {
			if ref.In == resource.InID && label == "" {
				label, err = l.labelOf(ctx, resource.Key{Type: ref.To[0], ID: c.Key.ID})
			}
		}
	}
	if label == "" && err == nil {
		label = l.targetName(c.Key.ID)
	}
	if err == nil && c.Key.Parent != "" {
		parent, err = l.labelOf(ctx, parentKey(info.Parent, c.Key.Parent))
	}
	if label == "" {
		label = c.Key.ID
	}
	return label, parent, err
}

func (l *look) labelOf(ctx context.Context, k resource.Key) (string, error) {
	info, ok := l.Catalog.Info(k.Type)
	if !ok {
		return k.ID, nil
	}
	r, err := l.Snapshot.Get(ctx, k)
	if problem.Is(err, problem.NotFound) {
		if name := l.targetName(k.ID); name != "" {
			return name, nil
		}
		return k.ID, nil
	}
	if err != nil {
		return "", err
	}
	label, err := resource.Label(info, r.Body)
	if err == nil && label == "" {
		label = k.ID
	}
	return label, err
}

// targetName is what the log calls a resource.
func (l *look) targetName(id string) string {
	for _, e := range slices.Backward(l.events) {
		for _, t := range e.Targets {
			if t.ID == id && strings.TrimSpace(t.Name) != "" {
				return t.Name
			}
		}
	}
	return ""
}
