// Package bigorg makes a large Okta org, for benchmarks and for tests of what must not
// grow with an org. Nothing of it is anybody's: names, IDs and texts are drawn, the
// bodies have the form of Okta's answers.
//
// The same Options give the same bytes, in whatever order they are asked for: each object
// is a function of its place, so that none is kept, and memory does not grow with the
// org. Keys rise within a type.
package bigorg

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"

	"imago/pkg/resource"
)

// Size says how many objects an org has.
type Size struct {
	Users, Groups, Memberships int
	Apps, AppUsers             int
	// Others is how many each other type of the catalog has at the top, and below how
	// many parents: there, it has one or two each.
	Others int
}

// Full is the org that the repository's sizes are promised for.
var Full = Size{Users: 100_000, Groups: 2_000, Memberships: 1_000_000, Apps: 1_000, AppUsers: 500_000, Others: 100}

// Scaled is the size times a share above 0, with at least twenty groups and apps and ten of
// all else; of memberships and assignments at most so many that each group and app could
// have fewer than half of the users. What is no number is taken for 0.
func (s Size) Scaled(share float64) Size {
	if math.IsNaN(share) {
		share = 0 // an int made of it is another one on each machine
	}
	of := func(n, least int) int { return max(least, int(math.Round(float64(n)*share))) }
	out := Size{of(s.Users, 10), of(s.Groups, 20), of(s.Memberships, 10), of(s.Apps, 20), of(s.AppUsers, 10), of(s.Others, 10)}
	out.Memberships = min(out.Memberships, (out.Users/2-1)*out.Groups)
	out.AppUsers = min(out.AppUsers, (out.Users/2-1)*out.Apps)
	return out
}

func (s Size) check() error {
	switch {
	case min(s.Users, s.Groups, s.Memberships, s.Apps, s.AppUsers, s.Others) < 10:
		return fmt.Errorf("an org has at least ten of everything: %+v", s)
	case s.Users > 1<<24 || s.Memberships > 1<<30 || s.AppUsers > 1<<30:
		return fmt.Errorf("an org of more than can be told apart: %+v", s)
	case s.Memberships > s.Users/2*s.Groups || s.AppUsers > s.Users/2*s.Apps:
		return fmt.Errorf("more memberships or assignments than half of all pairs: %+v", s)
	}
	return nil
}

// Day is a state of the org.
type Day string

// The days: the first, and others that follow it, each of them directly.
const (
	First   Day = "1"
	Edited  Day = "2a" // 1 % of the users edited, 0.5 % of the memberships gone or new, 60 % of the users signed in, three policies edited
	Deleted Day = "2b" // a group of 500 members is gone, with its memberships
	Logins  Day = "2c" // 60 % of the users signed in
)

// Options of New.
type Options struct {
	Catalog resource.Catalog // of Okta's provider: whose types the org has
	Size    Size             // zero: Full
	Seed    uint64           // another one: another org
	Day     Day              // "": First
}

// Org is one org on one day. It is safe for concurrent use.
type Org struct {
	size    Size
	seed    uint64
	day     Day
	kinds   []*kind
	by      map[resource.Type]*kind
	members spread // of memberships over groups
	users   spread // of app users over apps
	doomed  int    // the group that is gone on the day Deleted
}

// New makes an org of every type of the catalog; an error for a size that is no org's, an
// unknown day, and a catalog without users, groups or apps.
func New(o Options) (*Org, error) {
	if o.Size == (Size{}) {
		o.Size = Full
	}
	if o.Day == "" {
		o.Day = First
	}
	if !slices.Contains([]Day{First, Edited, Deleted, Logins}, o.Day) {
		return nil, fmt.Errorf("big org: there is no day %q", o.Day)
	}
	if err := o.Size.check(); err != nil {
		return nil, fmt.Errorf("big org: %w", err)
	}
	org := &Org{
		size: o.Size, seed: o.Seed, day: o.Day, by: map[resource.Type]*kind{},
		members: newSpread(o.Size.Memberships, o.Size.Groups, o.Size.Users/2-1),
		users:   newSpread(o.Size.AppUsers, o.Size.Apps, o.Size.Users/2-1),
	}
	for _, links := range []spread{org.members, org.users} {
		if largest := links.largest(); largest > o.Size.Users/2 {
			return nil, fmt.Errorf("big org: %d of %d users below one parent: at most half of them", largest, o.Size.Users)
		}
	}
	if err := org.fill(o.Catalog); err != nil {
		return nil, fmt.Errorf("big org: %w", err)
	}
	org.doomed = org.members.nearest(500)
	return org, nil
}

// Types lists the types in the catalog's order, parents before children.
func (o *Org) Types() []resource.Type {
	out := make([]resource.Type, len(o.kinds))
	for i, k := range o.kinds {
		out[i] = k.info.Type
	}
	return out
}

// Walk yields a type's resources with canonical bodies, in the order of their keys. A
// body is good until the next one.
func (o *Org) Walk(t resource.Type) iter.Seq[resource.Resource] {
	return func(yield func(resource.Resource) bool) {
		var body []byte
		for r := range o.records(o.by[t]) {
			body = r.append(body[:0])
			if !yield(resource.Resource{Key: r.key(), Body: body}) {
				return
			}
		}
	}
}

// records yields what there is of a kind; nothing of nil.
func (o *Org) records(k *kind) iter.Seq[record] {
	return func(yield func(record) bool) {
		if k == nil {
			return
		}
		for parent := range o.parents(k) {
			if k.info.Within != nil && !k.info.Within(o.nth(k.parent, parent).resource()) {
				continue
			}
			for r := range o.children(k, parent) {
				if !o.gone(r) && !yield(o.today(r)) {
					return
				}
			}
		}
	}
}

// parents is below how many parents objects of a kind are; 1 at the top.
func (o *Org) parents(k *kind) int {
	switch {
	case k.parent == nil:
		return 1
	case k.links != nil:
		return k.links.parts
	case k.info.Type == "app_group":
		return o.size.Apps
	}
	return min(o.size.Others, o.count(k.parent))
}

// each is how many objects a kind has below one parent; links have it otherwise.
func (o *Org) each(k *kind) int {
	switch {
	case k.info.Type == "user":
		return o.size.Users
	case k.info.Type == "group":
		return o.size.Groups
	case k.info.Type == "app":
		return o.size.Apps
	case k.info.Type == "app_group":
		return 3
	case k.info.Shape == resource.Singleton:
		return 1
	case k.parent != nil:
		return 2
	}
	return o.size.Others
}

// count is how many objects a kind has, Within apart.
func (o *Org) count(k *kind) int {
	if k.links != nil {
		return k.links.total
	}
	return o.parents(k) * o.each(k)
}

// nth is the n-th object of a kind, as on the first day.
func (o *Org) nth(k *kind, n int) record {
	if k.links == nil {
		return record{o: o, kind: k, parent: n / o.each(k), index: n % o.each(k)}
	}
	parent, i := k.links.part(n)
	user, _ := o.pair(k, parent, i, k.links.size(parent))
	return record{o: o, kind: k, parent: parent, index: user}
}

// children yields the objects below one parent, whether or not they are there today.
func (o *Org) children(k *kind, parent int) iter.Seq[record] {
	if k.links != nil {
		return o.linked(k, parent)
	}
	return func(yield func(record) bool) {
		for i := range o.each(k) {
			if !yield(record{o: o, kind: k, parent: parent, index: i}) {
				return
			}
		}
	}
}

// linked yields the links of one parent with users. On the day Edited every four
// hundredth is gone, and as many are new.
func (o *Org) linked(k *kind, parent int) iter.Seq[record] {
	return func(yield func(record) bool) {
		n := k.links.size(parent)
		for i := range n {
			first, second := o.pair(k, parent, i, n)
			fate := o.fate(k, parent, i)
			for _, user := range [2]int{min(first, second), max(first, second)} {
				is := user == first && fate != lost || user == second && fate == gained
				if is && !yield(record{o: o, kind: k, parent: parent, index: user}) {
					return
				}
			}
		}
	}
}

// pair draws the user of a parent's i-th link of n out of a part of all users that is the
// link's own, so that no two meet, and another who may take part beside it, or in its place.
func (o *Org) pair(k *kind, parent, i, n int) (first, second int) {
	low := i * o.size.Users / n
	width := (i+1)*o.size.Users/n - low // at least two: see newSpread
	at := int(o.draw(k.salt, parent, i) % uint64(width))
	step := 1 + int(o.draw(k.salt+1, parent, i)%uint64(width-1))
	return low + at, low + (at+step)%width
}

// The fates of a link on the day Edited.
const (
	kept = iota
	lost
	gained
)

func (o *Org) fate(k *kind, parent, i int) int {
	if o.day != Edited || k.info.Type != "group_membership" {
		return kept
	}
	return [400]int{1: lost, 2: gained}[o.draw(drawFate, parent, i)%400]
}

// gone reports whether an object of the first day is not there today.
func (o *Org) gone(r record) bool {
	if o.day != Deleted {
		return false
	}
	group := o.by["group"]
	return r.kind == group && r.index == o.doomed || r.kind.parent == group && r.parent == o.doomed
}

// today makes of a record what the day makes of it.
func (o *Org) today(r record) record {
	switch {
	case r.kind.info.Type == "user":
		r.again = (o.day == Edited || o.day == Logins) && o.draw(drawLogin, r.index, 0)%100 < 60
		if o.day == Edited && o.draw(drawEdit, r.index, 0)%100 == 0 {
			r.edit = 1 + int(o.draw(drawEdit, r.index, 1)%minutesOfDay)
		}
	case o.day != Edited:
	case r.kind.info.Type == "group":
		r.again = o.moved(r.index)
	case r.kind.info.Type == "policy_password" && r.index%(o.size.Others/3) == 1 && r.index < o.size.Others/3*3:
		r.edit = 1 + r.index
	}
	return r
}

// moved reports whether a group's members are others than the day before.
func (o *Org) moved(group int) bool {
	k := o.by["group_membership"]
	for i := range k.links.size(group) {
		if o.fate(k, group, i) != kept {
			return true
		}
	}
	return false
}

// Sample is the n-th of a stream of objects that are there: users, groups, memberships,
// apps and assignments to them, in turn.
func (o *Org) Sample(n int) resource.Resource {
	k := o.by[[]resource.Type{"user", "group", "group_membership", "app", "app_user"}[n%5]]
	for try := 0; ; try++ {
		r := o.nth(k, int(o.draw(drawSample, n, try)%uint64(o.count(k))))
		if o.gone(r) || k.links != nil && o.day == Edited && !o.member(r) {
			continue
		}
		return o.today(r).resource()
	}
}

// member reports whether a link is there today.
func (o *Org) member(r record) bool {
	for l := range o.linked(r.kind, r.parent) {
		if l.index == r.index {
			return true
		}
	}
	return false
}

// minutesOfDay is how many one-minute changes a day has.
const minutesOfDay = 1440

// Change is what somebody did to one object.
type Change struct {
	resource.Key
	Body []byte // as the object is now; nil: it is gone
}

// Minute is the n-th of a stream of single changes, one a minute, that follow the first
// day and each other: half of them edit a user, six in twenty add or remove a
// membership, the others edit an assignment to an app, a group or an app.
func (o *Org) Minute(n int) Change {
	k := o.by["app"]
	switch what := o.draw(drawMinute, n, 0) % 20; {
	case what < 10:
		k = o.by["user"]
	case what < 16:
		return o.join(n)
	case what < 18:
		k = o.by["app_user"]
	case what < 19:
		k = o.by["group"]
	}
	r := o.nth(k, int(o.draw(drawMinute, n, 1)%uint64(o.count(k))))
	r.edit = n + 1
	return Change{r.key(), r.append(nil)}
}

// join adds a membership that was not, or removes one that was: never in the same place
// twice, so that each change is one.
func (o *Org) join(n int) Change {
	k := o.by["group_membership"]
	const stride = 7919 // a prime, and no divisor of a round number
	parent, i := k.links.part(n * stride % k.links.total)
	first, second := o.pair(k, parent, i, k.links.size(parent))
	if n%2 == 0 {
		return Change{Key: record{o: o, kind: k, parent: parent, index: first}.key()}
	}
	r := record{o: o, kind: k, parent: parent, index: second}
	return Change{r.key(), r.append(nil)}
}

// spread cuts a total into parts that fall off as in life: few are large, many small.
type spread struct {
	total, parts int
	exponent     float64
}

// newSpread keeps the largest part to a limit, and one: parts are cut where numbers are round.
func newSpread(total, parts, limit int) spread {
	least := math.Log(float64(total)/float64(limit)) / math.Log(float64(parts))
	return spread{total, parts, min(1, max(0.4, least))}
}

// before is how much lies in the parts before part i.
func (s spread) before(i int) int {
	return int(float64(s.total) * math.Pow(float64(i)/float64(s.parts), s.exponent))
}

func (s spread) size(i int) int { return s.before(i+1) - s.before(i) }

func (s spread) largest() (n int) {
	for i := range s.parts {
		n = max(n, s.size(i))
	}
	return n
}

// part finds the part that holds the n-th of all, and which of it that is.
func (s spread) part(n int) (part, index int) {
	part = sort.Search(s.parts, func(i int) bool { return s.before(i+1) > n })
	return part, n - s.before(part)
}

// nearest finds the first of the parts whose size is closest to n.
func (s spread) nearest(n int) (best int) {
	for i := range s.parts {
		if abs(s.size(i)-n) < abs(s.size(best)-n) {
			best = i
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }
