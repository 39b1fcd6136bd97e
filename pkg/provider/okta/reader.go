package okta

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Reader reads one org. It is safe for use by many goroutines.
type Reader struct {
	*session
	registry registry
}

var (
	_ provider.Reader   = (*Reader)(nil)
	_ provider.Prober   = (*Reader)(nil)
	_ provider.Follower = (*Reader)(nil)
	_ provider.Renewer  = (*Reader)(nil)
)

// List yields every page of a type; see provider.Reader.
func (r *Reader) List(ctx context.Context, t resource.Type, parent resource.Key, cursor string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		l, err := r.listing(ctx, t, parent, cursor)
		for err == nil && !l.done {
			var page provider.Page
			if page, err = l.page(ctx); err == nil && !yield(page, nil) {
				return
			}
		}
		if err != nil {
			yield(provider.Page{}, err)
		}
	}
}

// Get reads one resource as it stands now.
func (r *Reader) Get(ctx context.Context, key resource.Key) (resource.Resource, error) {
	e, err := r.entry(key.Type)
	if err != nil {
		return resource.Resource{}, err
	}
	found, _, err := r.get(ctx, e, key)
	if err != nil {
		return resource.Resource{}, ofCall("read "+string(key.Type), e.ReadScopes, err)
	}
	return found, nil
}

// entry finds what is known of a type.
func (r *Reader) entry(t resource.Type) (*entry, error) {
	if e := r.registry.entry(t); e != nil {
		return e, nil
	}
	return nil, problem.InField("type", "%q is not a type of Okta's", string(t))
}

// get reads one resource, and tells what it cost. Errors are the client's.
func (r *Reader) get(ctx context.Context, e *entry, key resource.Key) (found resource.Resource, calls int, err error) {
	if err := checkKey(key); err != nil {
		return found, 0, err
	}
	path, calls, err := r.path(ctx, e, e.get, key)
	if err != nil {
		return found, calls, err
	}
	if e.match != "" {
		found, more, err := r.search(ctx, e, path, key)
		return found, calls + more, err
	}
	more, err := r.client.read(ctx, path, func(answer reply) (err error) {
		found, err = e.resource(answer.body, key.Parent)
		return err
	})
	if err == nil && (found.ID != key.ID || !e.isOne(found)) {
		err = gone(key.Type)
	}
	return found, calls + more, err
}

// checkKey refuses IDs that would lead a path elsewhere.
func checkKey(key resource.Key) error {
	if key.ID == "" {
		return problem.InField("id", "is missing")
	}
	return cmp.Or(checkID("id", key.ID), checkID("parent", key.Parent))
}

func checkID(field, id string) error {
	if strings.ContainsAny(id, "/?#") || id == "." || id == ".." {
		return problem.InField(field, "is not an id of Okta's")
	}
	return nil
}

// search lists at path for the element whose ID the entry's match gives.
func (r *Reader) search(ctx context.Context, e *entry, path string, key resource.Key) (resource.Resource, int, error) {
	want, calls := expand(e.match, key), 0
	for asked := map[string]bool{}; path != ""; {
		if asked[path] {
			return resource.Resource{}, calls, circle(key.Type)
		}
		asked[path] = true
		var next string
		var hit bool
		n, err := r.client.read(ctx, path, func(answer reply) error {
			next, hit = answer.next, false
			return resource.Elements(answer.body, func(element []byte) error {
				id, err := topText(element, "id")
				hit = hit || id == want
				return err
			})
		})
		calls += n
		if err != nil {
			return resource.Resource{}, calls, err
		}
		if hit {
			return resource.Resource{Key: key, Body: bare(key.ID)}, calls, nil
		}
		path = next
	}
	return resource.Resource{}, calls, gone(key.Type)
}

// circle is pages that lead back to one that was read: what is not on them may be on
// those that they hide.
func circle(t resource.Type) error {
	return problem.New(problem.Unavailable, "okta's pages of %s lead in a circle", t).WithHint("try again later")
}

func gone(t resource.Type) error {
	return problem.New(problem.NotFound, "read %s: okta has no such object", t)
}

// Find looks for live resources with the natural key of like.
func (r *Reader) Find(ctx context.Context, like resource.Resource) ([]resource.Resource, error) {
	e, err := r.entry(like.Type)
	if err != nil {
		return nil, err
	}
	if e.Shape != resource.Collection {
		found, err := r.Get(ctx, like.Key)
		if problem.Is(err, problem.NotFound) {
			return nil, nil
		}
		return []resource.Resource{found}, err
	}
	want, err := resource.NaturalKey(e.Info, like.Body)
	if err != nil || want == "" {
		return nil, err
	}
	found, full, err := r.narrow(ctx, e, like, want)
	if err != nil || !full {
		return found, err
	}
	return r.sift(ctx, e, like, want)
}

// narrow asks Okta for candidates; full says that there may be more than it gave,
// or that Okta cannot narrow the type down.
func (r *Reader) narrow(ctx context.Context, e *entry, like resource.Resource, want string) (found []resource.Resource, full bool, err error) {
	if e.find == "" {
		return nil, true, nil
	}
	text, err := e.NaturalKey[len(e.NaturalKey)-1].Text(like.Body)
	if err != nil {
		return nil, false, err
	}
	_, err = r.client.read(ctx, candidates(e.find, text), func(answer reply) error {
		all, err := e.resources(&sheet{}, answer.body, "", like.Parent)
		if err == nil {
			found, err = keyed(e, all, want)
		}
		full = answer.next != "" || len(all) >= fullPage
		return err
	})
	return found, full, ofCall("find "+string(e.Type), e.ReadScopes, err)
}

// sift goes through the whole list. Of what comes twice the later one counts.
func (r *Reader) sift(ctx context.Context, e *entry, like resource.Resource, want string) ([]resource.Resource, error) {
	var found []resource.Resource
	for page, err := range r.List(ctx, e.Type, resource.Key{Type: e.Parent, ID: like.Parent}, "") {
		if err != nil {
			return nil, err
		}
		some, err := keyed(e, page.Resources, want)
		if err != nil {
			return nil, err
		}
		for _, one := range some {
			found = append(slices.DeleteFunc(found, func(r resource.Resource) bool { return r.Key == one.Key }), one)
		}
	}
	return found, nil
}

// keyed keeps the resources with a natural key.
func keyed(e *entry, all []resource.Resource, want string) (found []resource.Resource, err error) {
	for _, one := range all {
		key, err := resource.NaturalKey(e.Info, one.Body)
		if err != nil {
			return nil, err
		}
		if key == want {
			found = append(found, one)
		}
	}
	return found, nil
}

// Org describes the org: first without signing in, so that a wrong address is told
// from a wrong key. A token that lacks scopes is asked for anew if it is some minutes
// old, so that what goes on for long finds what the app was granted since.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/OrgSettingMetadata/
func (r *Reader) Org(ctx context.Context) (provider.OrgFacts, error) {
	facts, err := r.introduced(ctx)
	if err != nil {
		return facts, err
	}
	r.tokens.forgetNarrow(narrowLife)
	if _, err := r.tokens.get(ctx); err != nil {
		return facts, err
	}
	facts.Skew = r.client.clock.offset()
	return facts, nil
}

// Renew drops a token that lacks scopes.
func (r *Reader) Renew() { r.tokens.forgetNarrow(0) }
