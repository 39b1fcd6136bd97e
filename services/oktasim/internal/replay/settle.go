package replay

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

// overlap is how long requests may run side by side, and lag how long Okta may take to
// show a change everywhere.
const (
	overlap = 3 * time.Second
	lag     = time.Minute
)

// settle puts right what a recording shows because clients send requests at the same
// time and Okta shows some changes a moment later. The simulator does one thing after
// the other, and at once.
func (r *Run) settle() {
	for j := 0; j < len(r.Steps); j++ {
		if r.Steps[j].changes() {
			r.overtake(j)
			j = r.delay(j)
		}
	}
	r.calm()
}

// overtake puts two creations in a ranked collection into the order of the places that
// they got.
func (r *Run) overtake(j int) {
	place, ranked := r.Steps[j].place()
	if !ranked {
		return
	}
	for i := j - 1; i >= 0; i-- {
		s := r.Steps[i]
		if !s.changes() {
			continue
		}
		before, same := s.place()
		if same && s.Path == r.Steps[j].Path && before > place && r.Steps[j].at.Sub(s.at) <= overlap {
			r.Steps[i], r.Steps[j] = r.Steps[j], r.Steps[i]
		}
		return
	}
}

// place is the priority that Okta gave to what the step made, where the request asked
// for none.
func (s *Step) place() (int, bool) {
	sent, isObject := s.sent.(doc.Doc)
	body, answered := s.body.(doc.Doc)
	if !isObject || !answered || s.creates() == "" || sent["priority"] != nil {
		return 0, false
	}
	return doc.Int(body, "priority")
}

// delay moves reads that show already what step j changes behind it, and returns where
// the step is then.
func (r *Run) delay(j int) int {
	s := r.Steps[j]
	id := r.creates(s)
	for i := j - 1; i >= 0 && !r.Steps[i].changes() && s.at.Sub(r.Steps[i].at) <= overlap; i-- {
		read := r.Steps[i]
		if id != "" && read.shows(id, s.Path) || r.early(i, j) {
			r.Steps = slices.Insert(slices.Delete(r.Steps, i, i+1), j, read)
			j--
		}
	}
	return j
}

// early says whether the read at i shows what reads before it did not and the first
// one after step j does.
func (r *Run) early(i, j int) bool {
	read := r.Steps[i]
	before, after := r.same(i, -1), r.same(j, 1, read)
	return before != nil && after != nil && !read.answersAs(before) && read.answersAs(after)
}

// same finds the nearest step in a direction that reads what the one at i reads (or
// another read, given), up to the next change but one.
func (r *Run) same(i, direction int, read ...*Step) *Step {
	want := r.Steps[i]
	if len(read) > 0 {
		want = read[0]
	}
	for n := i + direction; n >= 0 && n < len(r.Steps); n += direction {
		s := r.Steps[n]
		if direction > 0 && s.changes() {
			return nil
		}
		if s.Method == want.Method && s.Path == want.Path && s.Query == want.Query {
			return s
		}
	}
	return nil
}

func (s *Step) answersAs(other *Step) bool {
	return s.Status == other.Status && reflect.DeepEqual(s.body, other.body)
}

// calm lets reads between two changes answer as the last of them: what differed in
// between was on its way.
func (r *Run) calm() {
	last := map[string]*Step{}
	for i := len(r.Steps) - 1; i >= 0; i-- {
		s := r.Steps[i]
		if s.changes() {
			clear(last)
			continue
		}
		key := s.Method + s.Path + "?" + s.Query
		settled := last[key]
		if settled == nil || settled.at.Sub(s.at) > lag {
			last[key] = s
			continue
		}
		s.Status, s.Response, s.body, s.Link = settled.Status, settled.Response, settled.body, settled.Link
	}
}

// creates is the id of what the step made; none where the path is that of the one thing
// that it shows, and a POST changes it.
func (r *Run) creates(s *Step) string {
	id := s.creates()
	for _, other := range r.Steps {
		if d, ok := other.body.(doc.Doc); ok && other.Method == http.MethodGet && other.Path == s.Path && identity(d) == id {
			return ""
		}
	}
	return id
}

// creates is the id of what a successful POST to a collection made, "" for other steps.
func (s *Step) creates() string {
	d, ok := s.body.(doc.Doc)
	id := identity(d)
	if !ok || s.Method != http.MethodPost || !s.ok() || id == "" || strings.Contains(s.Path, "/"+id) {
		return ""
	}
	return id
}

// shows says whether a read lists the id, or mentions it if it is an id by its form.
func (s *Step) shows(id, collection string) bool {
	if !s.ok() {
		return false
	}
	if isID(id) {
		ids := map[string]bool{}
		collectIDs(s.body, ids)
		return ids[id]
	}
	items, _ := elements(s)
	return s.Path == collection && slices.ContainsFunc(items, func(e any) bool {
		d, ok := e.(doc.Doc)
		return ok && identity(d) == id
	})
}
