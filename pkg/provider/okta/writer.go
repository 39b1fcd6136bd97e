package okta

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Writer changes one org. It is safe for use by many goroutines; writes to one
// object, or to the priorities of one type, must not overlap.
type Writer struct {
	*Reader
}

var _ provider.Writer = (*Writer)(nil)

// Release revokes the access token.
func (w *Writer) Release(ctx context.Context) error { return w.tokens.revoke(ctx) }

// Apply makes one change; see provider.Writer. A rule whose actions change, or that
// has become INVALID, is deleted and made again, so that its ID differs after an
// Update. Errors that leave open whether a create was carried out are problems of
// kind Unavailable: look for the object by its natural key before trying again. Done
// names the object even then, as far as it is known.
func (w *Writer) Apply(ctx context.Context, write provider.Write) (provider.Done, error) {
	e, err := w.entry(write.Key.Type)
	if err != nil {
		return provider.Done{}, err
	}
	c := &change{writer: w, entry: e, write: write, key: write.Key}
	err = c.check()
	if err == nil {
		err = c.apply(ctx)
	}
	if err != nil {
		c.done.Resource.Key = c.key
		return c.done, ofCall(fmt.Sprintf("%s %s", write.Op, write.Key.Type), e.WriteScopes, err)
	}
	return c.done, nil
}

// change is one Write on its way.
type change struct {
	writer *Writer
	entry  *entry
	write  provider.Write
	key    resource.Key // of the object as it is known now
	live   []byte       // its body; nil: there is none
	begun  bool         // something was written
	done   provider.Done
}

// check refuses what can be refused without asking Okta.
func (c *change) check() error {
	route := map[provider.Op]string{provider.Create: c.entry.write.create, provider.Update: c.entry.write.update, provider.Delete: c.entry.write.remove}
	switch r, ok := route[c.write.Op]; {
	case !ok:
		return problem.InField("op", "%q is not create, update or delete", string(c.write.Op))
	case r == "":
		return problem.New(problem.Invalid, "okta has no way to %s %s", c.write.Op, c.entry.Title)
	case c.write.Op != provider.Delete && c.write.Want == nil:
		return problem.InField("want", "is missing")
	case c.entry.Parent != "" && c.write.Key.Parent == "":
		return problem.InField("parent", "is missing")
	case c.write.Key.ID == "" && (c.write.Op != provider.Create || c.entry.Shape != resource.Collection):
		return problem.InField("id", "is missing")
	}
	if c.write.Key.ID != "" {
		if err := checkKey(c.write.Key); err != nil {
			return err
		}
	}
	if c.write.Op == provider.Create {
		return c.safe()
	}
	return nil
}

// safe refuses creates that the entry knows to be wrong.
func (c *change) safe() error {
	for path, allowed := range c.entry.write.only {
		if text, err := path.Text(c.write.Want); err != nil || text != "" && !slices.Contains(allowed, text) {
			return problem.New(problem.Invalid, "create %s: %s", c.entry.Title, c.entry.write.why).Because(err)
		}
	}
	return nil
}

func (c *change) apply(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	made, err := c.alreadyMade()
	if err != nil {
		return err
	}
	if !made {
		if err := c.compare(); err != nil {
			return err
		}
		if err := c.act(ctx); err != nil {
			return err
		}
	}
	if c.write.Op == provider.Delete {
		c.done.Resource = resource.Resource{Key: c.write.Key}
		return nil
	}
	c.done.Resource = resource.Resource{Key: c.key, Body: c.live}
	return nil
}

func (c *change) act(ctx context.Context) error {
	switch c.write.Op {
	case provider.Create:
		return c.create(ctx)
	case provider.Update:
		return c.update(ctx)
	}
	return c.remove(ctx)
}

// look reads the live object: by its ID, or for one that Okta is yet to number by
// its natural key.
func (c *change) look(ctx context.Context) error {
	if c.write.Op == provider.Create && c.entry.Shape == resource.Collection {
		c.key.ID = "" // an old one is of no use: Okta never gives an ID again
		like := resource.Resource{Key: c.key, Body: c.write.Want}
		found, err := c.writer.Find(ctx, like)
		if err != nil || len(found) == 0 {
			return err
		}
		return problem.New(problem.Conflict, "create %s: the org has one of that name already", c.entry.Title)
	}
	if c.entry.bare {
		// A bare link is there or not, and its writes may be repeated: what is live
		// could not change what is done.
		c.live = c.write.Expect
		return nil
	}
	return c.refresh(ctx)
}

// refresh reads the object again.
func (c *change) refresh(ctx context.Context) error {
	if c.entry.bare {
		c.live = bare(c.key.ID)
		return nil
	}
	var found resource.Resource
	err := c.patiently(ctx, func() (calls int, err error) {
		found, calls, err = c.writer.get(ctx, c.entry, c.key)
		return calls, err
	})
	c.live = nil
	if missing(err) {
		return nil
	}
	c.live = found.Body
	return err
}

// patiently makes a call and counts it. Once something was written a wait is slept
// off, and not told: a Wait says that nothing was done, and a rule must not stay off
// because its last call would come too early.
func (c *change) patiently(ctx context.Context, call func() (calls int, err error)) error {
	clock := c.writer.client.clock
	for n := 1; ; n++ {
		calls, err := call()
		c.done.Calls += calls
		wait := provider.WaitOf(err)
		if wait == nil || !c.begun || n == tries {
			return err
		}
		if err := clock.sleep(ctx, max(time.Second, wait.Until.Sub(clock.now()))); err != nil {
			return err
		}
	}
}

func missing(err error) bool {
	r := refusalOf(err)
	return r != nil && r.status == 404 || problem.Is(err, problem.NotFound)
}

// alreadyMade reports whether the live state is what the write wants, so that
// making it again after a lost answer does nothing.
func (c *change) alreadyMade() (bool, error) {
	if c.write.Op == provider.Delete {
		return c.live == nil, nil
	}
	if c.live == nil || c.entry.bare {
		return false, nil
	}
	apart := slices.Concat(c.entry.Volatile, c.entry.Derived, c.entry.ReadOnly, c.entry.Secret)
	same, err := resource.Equal(c.live, c.write.Want, apart...)
	if !same || err != nil {
		return false, err
	}
	for _, l := range c.entry.write.links {
		if moved, err := c.moved(l); moved != "" || err != nil {
			return false, err
		}
	}
	return true, nil
}

// compare holds the live state against the one that the plan was made for.
func (c *change) compare() error {
	apart := slices.Concat(c.entry.Volatile, c.entry.Derived)
	if c.entry.write.place != "" {
		apart = append(apart, c.entry.write.place)
	}
	same, err := resource.Equal(c.live, c.write.Expect, apart...)
	switch {
	case err != nil:
		return err
	case same:
		return nil
	case c.live == nil:
		return problem.New(problem.Stale, "%s %s: it is gone since the plan was made", c.write.Op, c.entry.Title).WithHint("plan again")
	case c.write.Expect == nil:
		return problem.New(problem.Conflict, "%s %s: it exists already, and differs", c.write.Op, c.entry.Title).WithHint("plan again")
	}
	return problem.New(problem.Stale, "%s %s: it has changed since the plan was made", c.write.Op, c.entry.Title).WithHint("plan again")
}

// create makes the object, then its links, then its status: nothing is active
// before it is whole.
func (c *change) create(ctx context.Context) error {
	body, err := c.request()
	if err != nil {
		return err
	}
	answer, err := c.call(ctx, c.entry.write.create, "", body)
	if err != nil {
		return err
	}
	if c.key.ID == "" {
		if c.key.ID, err = topText(answer.body, "id"); err != nil {
			return problem.New(problem.Unavailable, "create %s: okta's answer names no object", c.entry.Title).Because(err)
		}
	}
	want, err := c.wanted()
	if err == nil && slices.Contains(c.entry.write.life.late, want) {
		want = ""
	}
	if err != nil {
		return err
	}
	return c.finish(ctx, want)
}

// wanted is the status to reach.
func (c *change) wanted() (string, error) { return resource.Path("status").Text(c.write.Want) }

// finish brings the links and the status to what is wanted, and reads how it ended.
func (c *change) finish(ctx context.Context, status string) error {
	if err := c.refresh(ctx); err != nil {
		return err
	}
	if c.live == nil {
		return problem.New(problem.Unavailable, "%s %s: okta does not show it yet", c.write.Op, c.entry.Title).WithHint("look for it again later")
	}
	linked, err := c.link(ctx)
	if err != nil {
		return err
	}
	moved, err := c.reach(ctx, status)
	if err != nil || !linked || moved { // having moved it, reach has read it again
		return err
	}
	return c.refresh(ctx)
}

// link writes the references that have routes of their own and lead elsewhere than
// they should.
func (c *change) link(ctx context.Context) (linked bool, err error) {
	for _, l := range c.entry.write.links {
		ref, err := c.moved(l)
		if err != nil {
			return linked, err
		}
		if ref == "" {
			continue
		}
		if _, err := c.call(ctx, l.route, ref, nil); err != nil {
			return linked, err
		}
		linked = true
	}
	return linked, nil
}

func (c *change) update(ctx context.Context) error {
	again, err := c.mustRebuild()
	if err != nil {
		return err
	}
	if again {
		return c.rebuild(ctx)
	}
	want, err := c.wanted()
	if err != nil {
		return err
	}
	if err := c.makeWritable(ctx, want); err != nil {
		return err
	}
	body, err := c.request()
	if err != nil {
		return err
	}
	if _, err := c.call(ctx, c.entry.write.update, "", body); err != nil {
		return err
	}
	return c.finish(ctx, want)
}

// makeWritable brings the object to a status in which it takes an update, if its
// type cares.
func (c *change) makeWritable(ctx context.Context, want string) (err error) {
	life := c.entry.write.life
	switch status, statusErr := c.status(); {
	case statusErr != nil:
		return statusErr
	case life.offToUpdate:
		_, err = c.reach(ctx, life.off)
	case life.offFirst && status == life.off:
		_, err = c.reach(ctx, want)
	}
	return err
}

// mustRebuild reports whether no update leads from the live object to the wanted.
func (c *change) mustRebuild() (bool, error) {
	status, err := c.status()
	if err != nil || slices.Contains(c.entry.write.life.dead, status) {
		return true, err
	}
	for _, path := range c.entry.write.rebuild {
		was, err := path.Lookup(c.live)
		if err != nil {
			return false, err
		}
		will, err := path.Lookup(c.write.Want)
		if err != nil {
			return false, err
		}
		same := func(a, b resource.Value) bool { return string(a.JSON) == string(b.JSON) }
		if !slices.EqualFunc(was, will, same) {
			return true, nil
		}
	}
	return false, nil
}

// rebuild deletes the object and makes it again, with a new ID.
func (c *change) rebuild(ctx context.Context) error {
	if err := c.remove(ctx); err != nil {
		return err
	}
	c.key.ID, c.live = "", nil
	return c.create(ctx)
}

func (c *change) remove(ctx context.Context) error {
	life := c.entry.write.life
	if status, err := c.status(); err != nil {
		return err
	} else if (life.offToDelete || life.deleteTwice) && !slices.Contains(life.dead, status) {
		if _, err := c.reach(ctx, life.off); err != nil {
			return err
		}
	}
	if _, err := c.call(ctx, c.entry.write.remove, "", nil); err != nil && !missing(err) {
		return err
	}
	if !life.asyncDelete {
		return nil
	}
	return c.awaitGone(ctx)
}

// awaitGone waits for a delete that was answered before it was done.
func (c *change) awaitGone(ctx context.Context) error {
	for n := 1; n <= tries; n++ {
		if err := c.refresh(ctx); err != nil || c.live == nil {
			return err
		}
		if err := c.writer.client.clock.sleep(ctx, backoff(n)); err != nil {
			return err
		}
	}
	return problem.New(problem.Unavailable, "delete %s: okta has not carried it out yet", c.entry.Title).WithHint("try again later")
}

// status is the live object's; "" without one.
func (c *change) status() (string, error) {
	if c.live == nil {
		return "", nil
	}
	return resource.Path("status").Text(c.live)
}

// reach brings the object to a status by its type's moves, one call at a time;
// moved tells whether there was any. A status that nobody can set counts as the one
// that it is like; without a lifecycle there is nothing to do.
func (c *change) reach(ctx context.Context, want string) (moved bool, err error) {
	life := c.entry.write.life
	if want == "" || life.path == "" || slices.Contains(life.dead, want) {
		return false, nil
	}
	goal := alike(life, want)
	for range life.moves {
		status, err := c.status()
		if err != nil || alike(life, status) == goal || status == "" {
			return moved, err
		}
		verb := life.route(alike(life, status), goal)
		if slices.Contains(life.late, goal) && !life.direct(status, goal) {
			verb = "" // not by way of a status that gives access
		}
		if verb == "" {
			return moved, problem.New(problem.Invalid, "%s %s: no way leads from %s to %s", c.write.Op, c.entry.Title, status, want)
		}
		if _, err := c.call(ctx, "POST "+life.path+verb, "", nil); err != nil {
			return moved, err
		}
		moved = true
		if err := c.refresh(ctx); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

func alike(life lifecycle, status string) string {
	if other, ok := life.alike[status]; ok {
		return other
	}
	return status
}

// route is the first move on the shortest way between two statuses; "" if none.
func (l lifecycle) route(from, to string) string {
	type way struct{ at, first string }
	seen := map[string]bool{from: true}
	for ways := []way{{at: from}}; len(ways) > 0; ways = ways[1:] {
		for _, m := range l.moves {
			if seen[m.to] || m.from != nil && !slices.Contains(m.from, ways[0].at) {
				continue
			}
			first := ways[0].first
			if first == "" {
				first = m.verb
			}
			if m.to == to {
				return first
			}
			seen[m.to] = true
			ways = append(ways, way{m.to, first})
		}
	}
	return ""
}

// direct reports whether one move leads from a status, as it really is, to another.
func (l lifecycle) direct(from, to string) bool {
	return slices.ContainsFunc(l.moves, func(m move) bool { return m.to == to && slices.Contains(m.from, from) })
}

// moved is the ID that a link should lead to and does not; "" if all is well or
// the wanted state says nothing of it.
func (c *change) moved(l link) (string, error) {
	want, err := lastOf(l.path, c.write.Want)
	if err != nil || want == "" {
		return "", err
	}
	have, err := lastOf(l.path, c.live)
	if err != nil || have == want {
		return "", err
	}
	return want, nil
}

func lastOf(path resource.Path, body []byte) (string, error) {
	href, err := path.Text(body)
	return href[strings.LastIndexByte(href, '/')+1:], err
}

// request is the wanted body less what a request must not carry.
func (c *change) request() ([]byte, error) {
	e := c.entry
	if e.bare {
		return nil, nil
	}
	body, err := resource.Without(c.write.Want, slices.Concat(e.Volatile, e.Derived, e.Secret)...)
	if err != nil {
		return nil, err
	}
	if e.write.fields != nil {
		return resource.Only(body, e.write.fields...)
	}
	apart := slices.Concat(e.ReadOnly, e.write.apart)
	if own, err := c.namedByOkta(); err != nil {
		return nil, err
	} else if own {
		apart = append(apart, "name")
	}
	return resource.Without(body, apart...)
}

// namedByOkta reports whether the object is one to which Okta gives its name.
func (c *change) namedByOkta() (bool, error) {
	for _, path := range c.entry.write.named {
		if text, err := path.Text(c.write.Want); err != nil || text != "" {
			return text != "", err
		}
	}
	return false, nil
}

// call makes one request of the change: "METHOD path", with {ref} filled in.
func (c *change) call(ctx context.Context, route, ref string, body []byte) (answer reply, err error) {
	method, template, _ := strings.Cut(route, " ")
	template = strings.ReplaceAll(template, "{ref}", url.PathEscape(ref))
	err = c.patiently(ctx, func() (int, error) {
		path, calls, err := c.writer.path(ctx, c.entry, template, c.key)
		if err != nil {
			return calls, err
		}
		answer, err = c.writer.client.do(ctx, method, path, body)
		return calls + answer.calls, err
	})
	c.begun = c.begun || err == nil
	if answer.request != "" {
		c.done.Transaction = answer.request
		c.done.Transactions = append(c.done.Transactions, answer.request)
	}
	return answer, err
}
