package okta

import (
	"slices"

	"imago/pkg/provider"
	"imago/pkg/resource"
)

// entry is all that is known of one resource type: what the journeys need
// (resource.Info), and how Okta's API is spoken to.
//
// Paths of the API are templates: {id} and {parent} are the key's, {parent:x} is
// the text at path x of the parent's body (the path of it, if it is a URL). In lists
// {began} is a time shortly before the list was begun.
type entry struct {
	resource.Info

	// identity is the path of the body whose text is the key's ID, or the last
	// segment of it if it is a URL; "": "id". fixed is the ID of what there is one of.
	identity resource.Path
	fixed    string
	// bare keeps no more of a link than its ID, as {"id":"…"}: Okta sends the whole
	// object that is linked, and that is kept under its own type.
	bare bool

	lists []pass // read one after another; an object in two of them counts once
	// among lists the parents that have any; for Swept types. Their IDs take the
	// place of {parent} in lists.
	among *pass

	get string // of one object; "" for none but by listing
	// match turns get into a list to search: for the element with this ID.
	match string
	// is tells objects of the type from others that the same call gives.
	is map[resource.Path]string
	// find lists candidates for a natural key, with {key} for the text of its last
	// field; "": the type's list.
	find string

	write  writing
	events []event
}

// pass is one list to read.
type pass struct {
	path     string // with its query; the limit is a part of it
	limit    int    // objects on a full page, to know when a link to the next is missing
	envelope string // the member that holds the list; "": the body is the list
	single   bool   // the body is the one object
}

// writing is how objects of a type are made, changed and deleted. A route is
// "METHOD path"; "" means that Okta has none.
type writing struct {
	create, update, remove string
	// fields are the members that a request carries; nil: all but what Info says
	// cannot be written.
	fields []resource.Path
	// apart are fields that go by calls of their own.
	apart []resource.Path
	life  lifecycle
	// named are paths that say something only in objects which Okta itself names: a
	// create must not carry their name.
	named []resource.Path
	// place is a field that Okta moves when others of the type are written: it is
	// not held against the state that a write expects.
	place resource.Path
	// rebuild are fields that no update changes: the object is deleted and made again.
	rebuild []resource.Path
	// links are fields that are written by a call of their own.
	links []link
	// only are the texts that a field must have for a create to be safe; see why.
	only map[resource.Path][]string
	why  string
}

// link is a reference that has a route of its own, with {ref} for the ID.
type link struct {
	path  resource.Path // of a URL whose last segment is the ID
	route string
}

// lifecycle is how an object's status is changed; the zero value: it has none.
// After a create the object is brought to its status by moves, whatever status
// Okta gave it.
type lifecycle struct {
	path  string // the status calls' common path, ending in a slash
	moves []move
	alike map[string]string // statuses that count as another, because nobody can set them
	// late are statuses that are reached from the one before alone, and not by what
	// was just made: that stays as it is.
	late []string
	dead []string // statuses that nothing leaves: the object is deleted and made again
	// off is the status that an object must have to be updated or deleted.
	off         string
	offToUpdate bool
	offToDelete bool
	offFirst    bool // what is off takes no update: it is switched on before
	deleteTwice bool // the first DELETE only switches off
	asyncDelete bool // DELETE is answered before it is done
}

// move is one call of a lifecycle.
type move struct {
	from []string // nil: any
	to   string
	verb string // with its query
}

// event says what some of the log's event types tell of a type.
type event struct {
	names    []string
	op       provider.Op
	id       string // target types, "|" between, that the key's ID is taken from; "": not told
	parent   string // the same for the key's parent
	policy   string // word of the target's policyType, in lower case letters; "": any
	children []resource.Type
}

// registry is every type that Okta's provider knows, parents before children.
type registry []entry

func newRegistry() registry {
	all := registry(slices.Concat(orgTypes(), directoryTypes(), securityTypes(), appTypes(), policyTypes(), roleTypes()))
	for i := range all { // what the writer knows of a type, a plan must know too
		all[i].Fixed, all[i].Dead = all[i].write.rebuild, all[i].write.life.dead
	}
	return all
}

func (r registry) catalog() resource.Catalog {
	out := make(resource.Catalog, len(r))
	for i := range r {
		out[i] = r[i].Info
	}
	return out
}

func (r registry) entry(t resource.Type) *entry {
	if i := slices.IndexFunc(r, func(e entry) bool { return e.Type == t }); i >= 0 {
		return &r[i]
	}
	return nil
}

// says makes a test of a body: the field has one of the values, as text or as JSON.
func says(path resource.Path, values ...string) func(resource.Resource) bool {
	return func(r resource.Resource) bool {
		found, err := path.Lookup(r.Body)
		if err != nil || len(found) == 0 {
			return false
		}
		text, ok := found[0].Text()
		if !ok {
			text = string(found[0].JSON)
		}
		return slices.Contains(values, text)
	}
}

func not(test func(resource.Resource) bool) func(resource.Resource) bool {
	return func(r resource.Resource) bool { return !test(r) }
}

// when makes a caution of a test: of the object as it is going to be.
func when(test func(resource.Resource) bool, sentence string) func(now, want, parent []byte) []string {
	return func(_, want, _ []byte) []string {
		if !test(resource.Resource{Body: want}) {
			return nil
		}
		return []string{sentence}
	}
}

// to is a plain reference; the other makers say what differs.
func to(path resource.Path, types ...resource.Type) resource.Ref {
	return resource.Ref{Path: path, To: types}
}

func toIn(path resource.Path, in resource.RefIn, types ...resource.Type) resource.Ref {
	return resource.Ref{Path: path, To: types, In: in}
}

// below is the reference of a part to its parent.
func below(parent resource.Type) resource.Ref {
	return resource.Ref{To: []resource.Type{parent}, In: resource.InParent, Owned: true}
}

// linked is the reference of a link to what it links, which its body names as id.
func linked(t resource.Type) resource.Ref {
	return resource.Ref{Path: "id", To: []resource.Type{t}, In: resource.InID, Owned: true}
}

func late(r resource.Ref) resource.Ref {
	r.Late = true
	return r
}

// onOff is the lifecycle of most types that have one.
func onOff(path string) lifecycle {
	return lifecycle{path: path, off: "INACTIVE", moves: []move{
		{from: []string{"INACTIVE"}, to: "ACTIVE", verb: "activate"},
		{from: []string{"ACTIVE"}, to: "INACTIVE", verb: "deactivate"},
	}}
}

// times are the fields of nearly every object that move with any write.
func times(more ...resource.Path) []resource.Path {
	return append([]resource.Path{"created", "lastUpdated"}, more...)
}

// names joins a prefix with event types' endings.
func names(prefix string, endings ...string) []string {
	out := make([]string, len(endings))
	for i, e := range endings {
		out[i] = prefix + e
	}
	return out
}
