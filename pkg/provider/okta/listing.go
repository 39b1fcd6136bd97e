package okta

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// listing is a List on its way. Its cursor is the pass's number, when the list was begun,
// and the path of the page to read next, with for a Swept type the last parent that is
// done.
type listing struct {
	reader *Reader
	entry  *entry
	parent resource.Key
	done   bool

	pass  int
	began time.Time             // the list, in the org's clock
	next  string                // path and query of the page to read
	after string                // Swept: the last parent done on that page
	asked map[string]bool       // pages of this pass
	given map[resource.Key]bool // keys on the last page, as an object may move to the next while it is asked for
	spare map[resource.Key]bool // for those of the next
	first bool                  // nothing was read yet: a refused cursor is stale
	spent int                   // calls made since the last page was given
	sheet *sheet                // that the page is read onto

	waiting []string // Swept: parents of the page that are to be read
	ahead   string   // Swept: the page after it
}

// listing starts or goes on with a list.
func (r *Reader) listing(ctx context.Context, t resource.Type, parent resource.Key, cursor string) (*listing, error) {
	e, err := r.entry(t)
	if err != nil {
		return nil, err
	}
	if e.Parent != "" && parent.ID == "" && !e.Swept {
		return nil, problem.InField("parent", "is missing: %s stands below %s", t, e.Parent)
	}
	if err := checkID("parent", parent.ID); err != nil {
		return nil, err
	}
	l := &listing{reader: r, entry: e, parent: parent, asked: map[string]bool{}}
	if cursor == "" {
		l.began = r.client.clock.there().Truncate(time.Second) // as the cursor tells it
		return l, l.start(ctx)
	}
	return l, l.resume(ctx, cursor)
}

// beganMargin is for a clock that is not known well, and an index that lags.
const beganMargin = 10 * time.Minute

// start begins the pass.
func (l *listing) start(ctx context.Context) (err error) {
	clear(l.asked)
	if l.sweeps() {
		l.next = l.entry.among.path
		return nil
	}
	var calls int
	path := strings.ReplaceAll(l.entry.lists[l.pass].path, "{began}", l.began.Add(-beganMargin).UTC().Format("2006-01-02T15:04:05.000Z"))
	l.next, calls, err = l.reader.path(ctx, l.entry, path, l.key())
	l.spent += calls
	return ofList(l.entry, l.parent, err)
}

func (l *listing) sweeps() bool { return l.entry.Swept && l.parent.ID == "" }

// key stands for an object below the parent, to fill in paths.
func (l *listing) key() resource.Key {
	return resource.Key{Type: l.entry.Type, Parent: l.parent.ID}
}

// resume reads a cursor, which must be one of this list's.
func (l *listing) resume(ctx context.Context, cursor string) error {
	stale := problem.New(problem.Stale, "the cursor is not one of the list of %s", l.entry.Type).WithHint("list again from the start")
	parts := strings.Split(cursor, " ")
	number, began, _ := strings.Cut(parts[0], "@")
	pass, err := strconv.Atoi(number)
	since, err2 := strconv.ParseInt(began, 10, 64)
	if err != nil || err2 != nil || pass < 0 || pass >= len(l.entry.lists) || len(parts) < 2 || len(parts) > 3 {
		return stale
	}
	l.pass, l.began = pass, time.Unix(since, 0)
	if err := l.start(ctx); err != nil {
		return err
	}
	begin, _, _ := strings.Cut(l.next, "?")
	if u, err := url.Parse(parts[1]); err != nil || u.Host != "" || u.Scheme != "" || u.Path != begin {
		return stale
	}
	l.next, l.first = parts[1], true
	if len(parts) == 3 {
		l.after = parts[2]
	}
	return nil
}

// page reads the next page.
func (l *listing) page(ctx context.Context) (provider.Page, error) {
	l.sheet = newSheet()
	page, err := l.read(ctx)
	page.Done = sync.OnceFunc(l.sheet.done)
	if r := refusalOf(err); r != nil && l.first && r.status == 400 {
		return page, problem.New(problem.Stale, "okta no longer takes the cursor").WithHint("list again from the start").Because(r)
	}
	l.first = false
	if err != nil {
		return page, ofList(l.entry, l.parent, err)
	}
	page.Calls, l.spent = l.spent, 0
	return page, nil
}

func (l *listing) read(ctx context.Context) (provider.Page, error) {
	if l.sweeps() {
		return l.sweep(ctx)
	}
	found, next, err := l.fetch(ctx, l.entry.lists[l.pass], l.next, l.parent.ID)
	if err != nil {
		return provider.Page{}, err
	}
	page := provider.Page{Resources: l.fresh(found)}
	page.Cursor, err = l.advance(ctx, next)
	return page, err
}

// advance goes to the next page, or pass, and gives the cursor that leads there.
func (l *listing) advance(ctx context.Context, next string) (string, error) {
	l.asked[l.next] = true
	if next == "" {
		if l.pass++; l.pass == len(l.entry.lists) {
			l.done = true
			return "", nil
		}
		if err := l.start(ctx); err != nil {
			return "", err
		}
		return l.cursor(), nil
	}
	if l.asked[next] {
		return "", circle(l.entry.Type)
	}
	l.next = next
	return l.cursor(), nil
}

// cursor leads to where the list stands.
func (l *listing) cursor() string {
	return strings.TrimSpace(fmt.Sprintf("%d@%d %s %s", l.pass, l.began.Unix(), l.next, l.after))
}

// fetch reads one page of a pass. A full page without a link to the next is asked
// for once more: a link that a proxy lost must not look like the end.
func (l *listing) fetch(ctx context.Context, p pass, path, parent string) (found []resource.Resource, next string, err error) {
	for n := 0; n < 2; n++ {
		calls, err := l.reader.client.read(ctx, path, func(answer reply) (err error) {
			next = answer.next
			if p.single {
				one, err := l.entry.resource(answer.body, parent)
				found = []resource.Resource{one}
				return err
			}
			if p.envelope != "" && next == "" {
				next, err = bodyNext(l.reader.client.org, path, answer.body)
			}
			if err == nil {
				found, err = l.entry.resources(l.sheet, answer.body, p.envelope, parent)
			}
			return err
		})
		l.spent += calls
		if err != nil || next != "" || p.limit == 0 || len(found) < p.limit {
			return found, next, err
		}
	}
	return found, next, nil
}

// fresh keeps what neither this page nor the last one gave yet. What moved further comes
// again: to know all that was given takes as much memory as the org has objects.
func (l *listing) fresh(found []resource.Resource) []resource.Resource {
	kept, last := found[:0], l.given
	if l.given, l.spare = l.spare, last; l.given == nil {
		l.given = make(map[resource.Key]bool, len(found))
	}
	clear(l.given)
	for _, r := range found {
		known := last[r.Key] || l.given[r.Key]
		if l.given[r.Key] = true; !known && l.entry.isOne(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// sweep reads the resources of the next parent that has any: a page for each
// parent, so that a wait in the middle loses nothing.
func (l *listing) sweep(ctx context.Context) (provider.Page, error) {
	if l.waiting == nil {
		if err := l.assignees(ctx); err != nil {
			return provider.Page{}, err
		}
	}
	var page provider.Page
	if len(l.waiting) > 0 {
		parent := l.waiting[0]
		found, err := l.below(ctx, parent)
		if gap := l.lone(parent, err); gap != nil {
			page.Gaps = []snapshot.Gap{*gap}
		} else if err != nil {
			return page, err
		}
		page.Resources = l.fresh(found)
		l.waiting, l.after = l.waiting[1:], parent
	}
	if len(l.waiting) > 0 {
		page.Cursor = l.cursor()
		return page, nil
	}
	l.waiting, l.after = nil, ""
	var err error
	page.Cursor, err = l.advance(ctx, l.ahead)
	return page, err
}

// assignees reads a page of parents, less those that are done.
func (l *listing) assignees(ctx context.Context) error {
	among := *l.entry.among
	parents := &entry{Info: resource.Info{Type: l.entry.Parent}, bare: true}
	inner := &listing{reader: l.reader, entry: parents, sheet: &sheet{}}
	found, next, err := inner.fetch(ctx, among, l.next, "")
	l.spent += inner.spent
	if err != nil {
		return err
	}
	l.ahead, l.waiting = next, make([]string, 0, len(found))
	for _, p := range found {
		l.waiting = append(l.waiting, p.ID)
		if p.ID == l.after {
			l.waiting = l.waiting[:0]
		}
	}
	return nil
}

// lone is what an error below one parent of a Swept type says of that parent alone: it
// went meanwhile, or Okta is odd about it; nil when it tells of the others too.
func (l *listing) lone(parent string, err error) *snapshot.Gap {
	err = ofList(l.entry, resource.Key{Type: l.entry.Parent, ID: parent}, err)
	if problem.Is(err, problem.NotFound) {
		gone := provider.Gone(l.entry.Type, parent)
		return &gone
	}
	if u, ok := errors.AsType[*provider.Unreadable](err); ok && u.Gap.Reason == snapshot.Failed {
		return &u.Gap
	}
	return nil
}

// below reads all resources of one parent of a Swept type.
func (l *listing) below(ctx context.Context, parent string) (all []resource.Resource, err error) {
	path, calls, err := l.reader.path(ctx, l.entry, l.entry.lists[0].path, resource.Key{Type: l.entry.Type, Parent: parent})
	l.spent += calls
	for asked := map[string]bool{}; err == nil && path != ""; {
		if asked[path] {
			return nil, circle(l.entry.Type)
		}
		asked[path] = true
		var found []resource.Resource
		if found, path, err = l.fetch(ctx, l.entry.lists[0], path, parent); err == nil {
			all = append(all, found...)
		}
	}
	return all, err
}
