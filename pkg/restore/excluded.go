package restore

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// present is a body whose lists of excluded people name nobody who is gone: that a
// deleted person is no longer excluded lets nobody in, and is no reason to do without a
// rule. With a group it is otherwise: its members may still be there.
func present(ctx context.Context, catalog resource.Catalog, info resource.Info, body []byte, gone func(context.Context, resource.Reference) (bool, error)) ([]byte, error) {
	for _, ref := range info.Refs {
		if !excludesPeople(catalog, ref) {
			continue
		}
		values, err := ref.Path.Lookup(body)
		if err != nil {
			return nil, err
		}
		var kept [][]byte
		for _, v := range values {
			id, _ := v.Text()
			dead, err := gone(ctx, resource.Reference{Ref: ref, ID: id})
			if err != nil {
				return nil, err
			}
			if !dead {
				kept = append(kept, v.JSON)
			}
		}
		if len(kept) == len(values) {
			continue
		}
		list := slices.Concat([]byte{'['}, bytes.Join(kept, []byte{','}), []byte{']'})
		if body, err = set(body, steps(ref.Path[:len(ref.Path)-len("[]")]), list); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func excludesPeople(catalog resource.Catalog, ref resource.Ref) bool {
	return strings.HasSuffix(string(ref.Path), ".exclude[]") && !slices.ContainsFunc(ref.To, func(t resource.Type) bool {
		info, ok := catalog.Info(t)
		return !ok || info.Left == nil
	})
}

// present leaves people out of what a member excludes who are gone, with a warning.
func (p *planner) present(ctx context.Context, m member) (member, error) {
	gone := 0
	body, err := present(ctx, p.Catalog, m.info, m.Body, func(ctx context.Context, ref resource.Reference) (bool, error) {
		why, err := p.needs(ctx, m, ref)
		if why != "" {
			gone++
		}
		return why != "", err
	})
	if gone > 0 {
		p.warned = append(p.warned, p.called(m.Key)+" no longer names people whom it excluded and who were deleted")
	}
	m.Body = body
	return m, err
}

// present is the same for what a restore is held against.
func (v *verifying) present(ctx context.Context, e expectation) ([]byte, error) {
	return present(ctx, v.Catalog, e.info, e.Body, func(ctx context.Context, ref resource.Reference) (bool, error) {
		if _, moved := v.ids[ref.ID]; moved {
			return false, nil
		}
		for _, t := range ref.To {
			now, err := v.live.get(ctx, parentKey(t, ref.ID))
			if now != nil || err != nil {
				return false, err
			}
		}
		return true, nil
	})
}
