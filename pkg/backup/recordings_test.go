package backup_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/backup"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/recordings"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// TestRecordings sends every object that real orgs answered through a whole
// snapshot: from HTTP by the reader into segments and a manifest, and back out of
// the bucket.
//
// An org holds one state of an object at a time, so the states are dealt out: the
// first org has every object as it was seen first, the second one what was seen
// to differ later, and so on.
func TestRecordings(t *testing.T) {
	t.Parallel()
	d := &dealer{states: map[string][]string{}, latest: map[string]recordedObject{}}
	recordings.Each(t, func(x recordings.Exchange) {
		if x.Read() && len(x.Response) > 0 {
			d.exchange(t, x)
		}
	})
	total := map[string]int{}
	for i, org := range d.orgs {
		org.support(d.latest)
		checkRecordedOrg(t, i, org, total)
	}
	sum := 0
	for _, kind := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%-40s %d", kind, total[kind])
		sum += total[kind]
	}
	t.Logf("%d states of objects in %d orgs", sum, len(d.orgs))
	if sum < 4000 {
		t.Errorf("only %d states of objects were recorded", sum)
	}
}

// The calls whose answers are kept, of one object and of lists.
var (
	recordedSingle = regexp.MustCompile(`^/api/v1/(org|meta/schemas/(group|user)/[^/]+)$`)
	recordedList   = regexp.MustCompile(`^/api/v1/(users|groups|apps|groups/rules|zones|meta/types/user|policies|(apps|groups)/[^/]+/users|apps/[^/]+/groups|policies/[^/]+/rules|(users|groups)/[^/]+/roles)$`)
	policyTypes    = []string{"OKTA_SIGN_ON", "ACCESS_POLICY", "PASSWORD", "MFA_ENROLL", "PROFILE_ENROLLMENT", "IDP_DISCOVERY", "POST_AUTH_SESSION", "ENTITY_RISK"}
)

// recordedObject is one state of an object, below the path that lists it.
type recordedObject struct {
	list, id string
	body     []byte // as Okta sent it
	support  bool   // not what is tested: it is there for what hangs on it
}

// want is what a snapshot holds of the object, canonical.
func (o recordedObject) want(t *testing.T) []byte {
	t.Helper()
	body := o.body
	if o.link() {
		body = []byte(`{"id":"` + o.id + `"}`)
	}
	canonical, err := resource.Canonical(nil, body)
	if err != nil {
		t.Fatalf("%s %s: %v", o.list, o.id, err)
	}
	return canonical
}

// link reports whether the object is a membership: Okta sends the member, which a
// snapshot keeps as a user.
func (o recordedObject) link() bool {
	return strings.HasPrefix(o.list, "/api/v1/groups/") && strings.HasSuffix(o.list, "/users")
}

// above is the list that the object's parent stands in, and the parent's ID; "" at
// the top.
func (o recordedObject) above() (list, id string) {
	parts := strings.Split(o.list, "/")
	if len(parts) != 6 || parts[3] == "meta" { // "", api, v1, groups, {id}, users
		return "", ""
	}
	return strings.Join(parts[:4], "/"), parts[4]
}

// dealer deals the states of recorded objects out to orgs.
type dealer struct {
	orgs   []*recordedOrg
	states map[string][]string // seen so far, canonical, by list and ID
	latest map[string]recordedObject
}

func (d *dealer) exchange(t *testing.T, x recordings.Exchange) {
	t.Helper()
	at := strings.TrimSuffix(x.Path, "/")
	switch {
	case recordedSingle.MatchString(at):
		d.deal(t, recordedObject{list: at, body: x.Response})
	case x.Response[0] == '{':
		d.object(t, path.Dir(at), x.Response)
	case x.Response[0] == '[':
		if err := resource.Elements(x.Response, func(body []byte) error { d.object(t, at, slices.Clone(body)); return nil }); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
	}
}

func (d *dealer) object(t *testing.T, list string, body []byte) {
	t.Helper()
	var said struct {
		ID, AssignmentType string
		Type               any // of a user it is an object
	}
	if !recordedList.MatchString(list) || json.Unmarshal(body, &said) != nil || said.ID == "" {
		return
	}
	if said.AssignmentType == "GROUP" && strings.HasPrefix(list, "/api/v1/users/") {
		return // the group's role, which a snapshot keeps with the group
	}
	if list == "/api/v1/policies" {
		kind, ok := said.Type.(string)
		if !ok || !slices.Contains(policyTypes, kind) {
			return
		}
		list += "?type=" + kind
	}
	o := recordedObject{list: list, id: said.ID, body: body}
	if o.link() {
		d.deal(t, recordedObject{list: "/api/v1/users", id: o.id, body: body})
	}
	d.deal(t, o)
}

// deal gives the state to the first org that has none of the object, unless an org
// has this very one.
func (d *dealer) deal(t *testing.T, o recordedObject) {
	t.Helper()
	key, state := o.list+" "+o.id, string(o.want(t))
	if slices.Contains(d.states[key], state) {
		return
	}
	n := len(d.states[key])
	if n == len(d.orgs) {
		d.orgs = append(d.orgs, &recordedOrg{lists: map[string][]recordedObject{}})
	}
	d.orgs[n].lists[o.list] = append(d.orgs[n].lists[o.list], o)
	d.states[key], d.latest[key] = append(d.states[key], state), o
}

// checkRecordedOrg takes a snapshot of the org and compares what comes back.
func checkRecordedOrg(t *testing.T, n int, org *recordedOrg, total map[string]int) {
	t.Helper()
	s := takeRecorded(t, org)
	for _, gap := range s.Manifest().Gaps() {
		t.Errorf("org %d: %s of %q was not read: %s", n, gap.Type, gap.Parent, gap.Reason)
	}
	got := map[string][]byte{}
	for _, info := range okta.New(okta.Options{}).Catalog() {
		for r, err := range s.Walk(t.Context(), info.Type) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Shape == resource.Singleton {
				r.Key = resource.Key{ID: string(r.Body)}
			}
			got[r.Parent+"/"+r.ID] = bytes.Clone(r.Body)
		}
	}
	for list, objects := range org.lists {
		for _, o := range objects {
			if o.support {
				continue
			}
			want := o.want(t)
			_, parent := o.above()
			key := parent + "/" + o.id
			if recordedSingle.MatchString(list) {
				key = "/" + string(want)
			}
			if !bytes.Equal(got[key], want) {
				t.Errorf("org %d: %s %s came back otherwise:\n%s\nwant\n%s", n, list, o.id, got[key], want)
			}
			total[kindOf(list, parent)]++
		}
	}
}

func kindOf(list, parent string) string {
	if strings.HasPrefix(list, "/api/v1/meta/schemas/user/") {
		return "/api/v1/meta/schemas/user"
	}
	if parent == "" {
		return list
	}
	return strings.Replace(list, parent, "{id}", 1)
}

// takeRecorded takes the snapshot, and opens it.
func takeRecorded(t *testing.T, org *recordedOrg) *repository.Snapshot {
	t.Helper()
	repo := testRepository(t)
	in := backup.Input{
		Facts:   snapshot.Manifest{ID: "s1", Account: "acc", Connection: "con", Provider: okta.Name, Org: org.start(t), Started: noon},
		Catalog: okta.New(okta.Options{}).Catalog(), Reader: org.reader(t), Journal: newStore(&life{}),
	}
	var draft *repository.Draft
	in.Open = opener(repo, &draft)
	out, err := backup.Slice(t.Context(), in, backup.Options{Every: 1 << 40})
	if err != nil || !out.Done {
		t.Fatalf("the snapshot is not done: %+v, %v", out, err)
	}
	s, err := repo.Open(t.Context(), draft.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testRepository(t *testing.T) *repository.Repository {
	t.Helper()
	service, err := local.Create(filepath.Join(t.TempDir(), "master"), noon)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := envelope.NewKeyring(t.Context(), service, "acc")
	if err != nil {
		t.Fatal(err)
	}
	repo, err := repository.New(mem.New(mem.Options{}), keys, account.ID("acc"), "con", repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}
