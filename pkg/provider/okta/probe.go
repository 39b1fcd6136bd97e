package okta

import (
	"context"
	"errors"
	"iter"
	"net/http"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Probe tells what the credential may read, by one small call a type: its smallest
// list or, for a type below a parent, the first page below one parent that may have
// it. Where there is no such parent, the scope alone decides. Whoever asks may just have
// granted something, so it is found out anew.
func (r *Reader) Probe(ctx context.Context) iter.Seq2[provider.Access, error] {
	return func(yield func(provider.Access, error) bool) {
		r.Renew()
		if _, err := r.tokens.get(ctx); err != nil {
			yield(provider.Access{}, err)
			return
		}
		p := probing{r, map[resource.Type]snapshot.Gap{}, map[resource.Type]resource.Key{}}
		for i := range r.registry {
			access, err := p.probe(ctx, &r.registry[i])
			if !yield(access, err) || err != nil {
				return
			}
		}
	}
}

// probing is what was learned of the types so far.
type probing struct {
	*Reader
	gaps    map[resource.Type]snapshot.Gap
	parents map[resource.Type]resource.Key // one parent that may have resources of the type
}

func (p *probing) probe(ctx context.Context, e *entry) (provider.Access, error) {
	access := provider.Access{Type: e.Type, Readable: true}
	err := p.try(ctx, e)
	if err == nil || problem.Is(err, problem.NotFound) { // the parent was deleted meanwhile
		return access, nil
	}
	u, ok := errors.AsType[*provider.Unreadable](err)
	if !ok {
		return provider.Access{}, err
	}
	u.Gap.Type, u.Gap.Parent = e.Type, ""
	p.gaps[e.Type] = u.Gap
	access.Readable, access.Gap = false, &u.Gap
	return access, nil
}

// try reads a little of the type.
func (p *probing) try(ctx context.Context, e *entry) error {
	if lacks := p.tokens.lacks(e.ReadScopes); len(lacks) > 0 {
		return ofList(e, resource.Key{}, &refusal{status: http.StatusForbidden, lacking: true})
	}
	parent, has := p.parents[e.Type]
	above, lost := p.gaps[e.Parent]
	switch {
	case lost && !e.Swept:
		return &provider.Unreadable{Gap: above} // which says of what
	case has, len(p.registry.catalog().Children(e.Type)) > 0 && e.Parent == "":
		return p.first(ctx, e, parent)
	}
	if path := e.smallest(); path != "" {
		if _, err := p.client.do(ctx, http.MethodGet, path, nil); err != nil {
			return ofList(e, resource.Key{}, err)
		}
	}
	return nil
}

// first reads the first page of the type, and notes parents for the types below it.
func (p *probing) first(ctx context.Context, e *entry, parent resource.Key) error {
	for page, err := range p.List(ctx, e.Type, parent, "") {
		if err != nil {
			return err
		}
		for _, r := range page.Resources {
			p.note(r)
		}
		break
	}
	return nil
}

func (p *probing) note(r resource.Resource) {
	for _, child := range p.registry.catalog().Children(r.Type) {
		if _, has := p.parents[child.Type]; !has && !child.Swept && (child.Within == nil || child.Within(r)) {
			p.parents[child.Type] = r.Key
		}
	}
}
