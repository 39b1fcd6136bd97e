package drift

import (
	"context"
	"slices"
	"strings"

	"imago/pkg/diff"
	"imago/pkg/problem"
	"imago/pkg/resource"
)

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
	return l.names(ctx, info, c.Key, label)
}

// names are labels of what is labelled by its body so far.
func (l *look) names(ctx context.Context, info resource.Info, k resource.Key, own string) (label, parent string, err error) {
	if label = own; label == "" {
		for _, ref := range info.Refs {
			if ref.In == resource.InID && label == "" {
				label, err = l.labelOf(ctx, resource.Key{Type: ref.To[0], ID: k.ID})
			}
		}
	}
	if label == "" && err == nil {
		label = l.targetName(k.ID)
	}
	if err == nil && k.Parent != "" {
		parent, err = l.labelOf(ctx, parentKey(info.Parent, k.Parent))
	}
	if label == "" {
		label = k.ID
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
