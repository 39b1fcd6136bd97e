package org

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Kind describes a resource type that behaves as most of Okta's do: objects with fields,
// perhaps below a parent, that are listed, created, replaced, deleted and switched.
//
// A new type is one Kind in a file of its subject and its line in allKinds. Paths,
// routes, scopes, admin rights, pages, validation, links, System Log events, effects of
// deleted references, saved state, counts and adoption follow from the entry, and the
// tests of kinds walk it like every other. What data cannot say stands in the hooks
// Check, Fill, After and Show.
type Kind struct {
	// Name is the plural by which state, counts and references know the kind: snake
	// case, as trusted_origins.
	Name string
	// Path is the path of one object, as /api/v1/brands/{brandId}/themes/{themeId}. The
	// longest kind or anchor (user, group, app, policy) that it begins with is the
	// parent. A path without a variable at its end is a singleton.
	Path string
	// Prefix starts ids. Key instead is the body's path of the value that is the id.
	Prefix, Key string
	// MakeID makes ids of another form; nil makes the prefix and 17 characters.
	MakeID func(o *Org) string
	// Of makes the kind a set of links: its ids are those of objects of the named kind or
	// anchor, which must be there, and a link goes when its object does.
	Of string
	// HideID keeps the id out of answers; singletons and kinds with a Key never show it.
	HideID bool
	// Class is Okta's class name in "not found" and the type of the log target, unless
	// Target is set.
	Class, Target string
	// Scope is the stem of the OAuth scopes, as okta.trustedOrigins; Area what admin roles open.
	Scope string
	Area  Area
	// Engine is "oie" or "classic" for types of one engine alone, Feature the licence
	// that an org needs: without it every request answers E0000015. Licences are for
	// objects of a certain form.
	Engine, Feature string
	Licences        []Licence
	// Verbs are what the paths offer, Operations what lies below an object.
	Verbs      Verbs
	Operations []Operation
	Page       Page
	// Fields are the body in the order in which they are checked: a field that another
	// one's When looks at stands before it. Other fields of a request are ignored, unless
	// Unknown says otherwise.
	Fields  []Field
	Unknown Unknown
	// Subject is what a validation error names first; "" is the first bad field.
	Subject string
	// Natural are the paths that tell objects apart for people; the first is the name in
	// the log. {"name"} if nil.
	Natural []string
	// Distinct forbids two objects of one parent with the same natural key.
	Distinct bool
	// Rank is the path of a number by which the objects of one parent are ordered, from 1
	// without gaps: an object takes the place that it asks for, or the last, and the
	// others make room. FromZero kinds count from 0.
	Rank     string
	FromZero bool
	// SeedKey are the paths that tell which seed an adopted object is; nil is Natural, and
	// none at all takes any.
	SeedKey []string
	// Alias are paths whose value may stand for the id in a request.
	Alias []string
	// Slug is what stands for the id in links and may in requests; nil is the id.
	Slug func(x *Object) string
	// Stamps says under which names the answer shows times and people.
	Stamps Stamps
	// LateStamp marks kinds whose PUT answers with the time of the update before
	// (recorded); the next read shows the new one. With PromptSwitch one that changes the
	// status shows the new one, too.
	LateStamp, PromptSwitch bool
	// Quiet kinds keep the time of the last update when a PUT changes nothing (recorded).
	Quiet bool
	// Links, if not nil, are _links beside those of the operations that the state allows.
	Links     []Link
	LinkStyle LinkStyle
	// SelfHeader adds a Link header to the object itself to answers that show one.
	SelfHeader bool
	// Missing is the answer for an id that is not there; nil is E0000007 with the class.
	Missing func(id string) error
	// Events are log event types by verb or operation; what is not named leaves no trace.
	Events map[string]string
	// Refusals forbid verbs and operations by the state of the object.
	Refusals []Refusal
	// Most is how many objects one parent may have, the org for kinds without one; 0 is as
	// many as come. Full is the refusal of one more.
	Most int
	Full *failure.Failure
	// Held refuses the deletion of an object that a field whose Gone is Holds names; nil is
	// E0000001 with the holder's name.
	Held *failure.Failure
	// Remains are kinds whose objects stay after their deletion, with these values: they can
	// be read by id, and nothing else.
	Remains doc.Doc
	// Seeds are what a new org has; for a child what every new parent has.
	Seeds []Seed
	// Check refuses a verb or an operation; Fill completes the body to be stored; After
	// makes what follows. All may be nil. Deletion calls Check and After alone.
	Check, Fill func(c *Change) error
	After       func(c *Change)
	// Once are the paths that answers to writes show otherwise than reads; Show says how.
	Once []string
	// Show completes an answer; nil leaves it as stored.
	Show func(v *View)

	parent *Kind
	anchor *anchor
	// parts are the path's segments; own is how many of its variables are not the parent's.
	parts []string
}

// The verbs.
const (
	create  = "create"
	replace = "replace"
	merge   = "merge"
	remove  = "delete"
)

// Verbs says what a kind offers: for Create, Delete and Clear the status of success, for
// Replace and Merge the method. Zero values offer nothing. Deletions have no body.
type Verbs struct {
	List, Get      bool
	Create, Delete int
	Replace, Merge string
	// Upsert lets Replace make an object that is not there.
	Upsert bool
	// ReplaceStatus and MergeStatus differ from 200 where Okta's do; 204 has no body.
	ReplaceStatus, MergeStatus int
	// Clear is the status of DELETE on the list, which removes all that can be removed.
	Clear int
	// Forgiving deletions of what is not there succeed too.
	Forgiving bool
}

// crud is list, read, create with the status, PUT and DELETE with 204.
func crud(created int) Verbs {
	return Verbs{List: true, Get: true, Create: created, Replace: "PUT", Delete: 204}
}

// Operation is a POST (or Method) below an object, as lifecycle/activate.
type Operation struct {
	Name, Path string
	Method     string
	// When says in which state it is offered. Elsewhere it answers Else, or does it again
	// without an event if Else is nil (recorded: only the time moves).
	When Condition
	Else *failure.Failure
	// Set are the values that it puts at paths of the body; Run does what data cannot say.
	Set doc.Doc
	Run func(c *Change) error
	// Reply is another answer than the object; it may be nil.
	Reply func(c *Change) (any, error)
	// Status 200 answers the object, unless Answer says otherwise; 204 answers nothing.
	Status int
	Answer Answer
	// Link names the link that offers it while When holds; "" is Name, "-" is none.
	Link string
	// Read marks operations that change nothing.
	Read bool
	// Example is a valid body for the tests of kinds; nil is none in particular.
	Example doc.Doc
}

// Operation finds an operation by name; nil if there is none.
func (k *Kind) Operation(name string) *Operation {
	i := slices.IndexFunc(k.Operations, func(op Operation) bool { return op.Name == name })
	if i < 0 {
		return nil
	}
	return &k.Operations[i]
}

// Offered fails with the operation's refusal if the object's state does not allow it.
func (op *Operation) Offered(x *Object) error {
	if op.Else != nil && !op.When.Holds(x.Body) {
		return op.Else
	}
	return nil
}

// Answer is what an operation with a status other than 204 answers.
type Answer int

// The answers: the object, {} or no body at all.
const (
	TheObject Answer = iota
	Braces
	Nothing
)

// switches are activate and deactivate between ACTIVE and INACTIVE.
func switches(status int, answer Answer) []Operation {
	return []Operation{
		{Name: "activate", Path: "lifecycle/activate", When: is("status", Inactive), Set: doc.Doc{"status": Active}, Status: status, Answer: answer},
		{Name: "deactivate", Path: "lifecycle/deactivate", When: is("status", Active), Set: doc.Doc{"status": Inactive}, Status: status, Answer: answer},
	}
}

// Page says how a kind is listed.
type Page struct {
	// Default and Max are the limits; without a Max the list is one page without links.
	Default, Max int
	// Found is the limit of searches where it is another one.
	Found int
	// Strict lists refuse a higher limit; Silent ones show no limit that was not asked for;
	// Bare ones have no links unless a limit was asked for or more follows.
	Strict, Silent, Bare bool
	// Envelope is the field that holds the list; "" is a bare array. BodyLinks puts the
	// next page into _links of the envelope instead of the Link header; Hinted ones show the
	// limit and have hints that say nothing, as those of governance.
	Envelope          string
	BodyLinks, Hinted bool
	// Filter are the attributes of filter=, Search those of search=; "*" allows all. Rename
	// leads from an attribute to another path than itself.
	Filter, Search []string
	Rename         map[string]string
	// Q are the paths in which q= looks for a beginning.
	Q []string
	// Anywhere makes q look for a part instead.
	Anywhere bool
	// Equal are further query parameters and the paths whose value they must equal.
	Equal map[string]string
	// Order is the path by which the list is sorted; "" is the id, "created" the order of
	// making. A - before it turns it round.
	Order string
	// Omit are paths that the list leaves out.
	Omit []string
}

// Unknown says what happens to fields that are not described.
type Unknown int

// Fields nobody knows are ignored, kept as they came, or refused.
const (
	Ignored Unknown = iota
	Kept
	Refused
)

// Condition looks at one path of a body. The zero Condition always holds.
type Condition struct {
	Path string
	In   []any
	Not  bool
}

func is(path string, values ...any) Condition { return Condition{Path: path, In: values} }

func isNot(path string, values ...any) Condition {
	return Condition{Path: path, In: values, Not: true}
}

// Holds says whether the body satisfies the condition.
func (c Condition) Holds(body doc.Doc) bool {
	if c.Path == "" {
		return true
	}
	v := get(body, c.Path)
	found := slices.ContainsFunc(c.In, func(want any) bool { return same(v, want) })
	return found != c.Not
}

// same compares scalars; json.Number and int are numbers alike.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// equal compares JSON values; numbers by what they say.
func equal(a, b any) bool {
	switch a := a.(type) {
	case doc.Doc:
		b, ok := b.(doc.Doc)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	}
	return same(a, b)
}

func get(body doc.Doc, path string) any { return doc.Get(body, strings.Split(path, ".")...) }

// Stamps names the fields of an answer that hold the object's times and people; ""
// leaves one out.
type Stamps struct {
	Created, Updated, CreatedBy, UpdatedBy string
	Layout                                 Layout
}

// dated is created and lastUpdated.
var dated = Stamps{Created: "created", Updated: "lastUpdated"}

// signed is dated with the people.
var signed = Stamps{Created: "created", Updated: "lastUpdated", CreatedBy: "createdBy", UpdatedBy: "lastUpdatedBy"}

// Link is one entry of _links.
type Link struct {
	Name string
	// To is a path: below the object unless it starts with /, where {path} stands for a
	// field of the body, {id} for the id. "" is the object itself.
	To string
	// Allow are the methods of the hints, with blanks between.
	Allow string
	// When says which objects have it.
	When Condition
	// Feature is the licence without which the link is not there; "" is none.
	Feature string
}

// LinkStyle is how a kind writes links.
type LinkStyle int

// Links have hints, nothing but the href, a method, or rel and method.
const (
	Hints LinkStyle = iota
	Bare
	Method
	RelMethod
)

// self links the object to itself.
func self(allow string) Link { return Link{Name: "self", Allow: allow} }

// Refusal forbids verbs or operations while the condition holds.
type Refusal struct {
	On   []string
	When Condition
	With *failure.Failure
}

// Seed is an object that is there from the beginning.
type Seed struct {
	// Engine limits it to one engine.
	Engine string
	Body   doc.Doc
	// ID is for kinds whose ids are names.
	ID string
	// Below says which parents have it.
	Below Condition
}

// Change is one verb or operation on one object, as the hooks see it.
type Change struct {
	Org  *Org
	By   *Cause
	Kind *Kind
	// Verb is create, replace, merge, delete or the operation's name.
	Verb string
	// Given is the request; Before the stored body as it was, nil at creation; Body what
	// will be stored.
	Given, Before, Body doc.Doc
	Object              *Object
	// Query are the request's parameters.
	Query map[string][]string
	// Adopting is set while an object of another org is put in, Clearing while a whole
	// list is emptied.
	Adopting, Clearing bool
}

// View is one answer, as Show sees it.
type View struct {
	Org    *Org
	Kind   *Kind
	Object *Object
	Body   doc.Doc
	// Self is the object's URL.
	Self string
	// Verb is what is answered: a verb or an operation of the kind, or "" for a read.
	// InList tells lists from single reads.
	Verb   string
	InList bool
	Query  map[string][]string
	// Given is the request body of a write, nil at reads.
	Given doc.Doc
}

// present are events named stem.create, stem.update and so on.
func present(stem string) map[string]string {
	return map[string]string{
		create: stem + ".create", replace: stem + ".update", merge: stem + ".update", remove: stem + ".delete",
		"activate": stem + ".activate", "deactivate": stem + ".deactivate",
	}
}

// past are events named stem.created, stem.updated and so on.
func past(stem string) map[string]string {
	return map[string]string{
		create: stem + ".created", replace: stem + ".updated", merge: stem + ".updated", remove: stem + ".deleted",
		"activate": stem + ".activated", "deactivate": stem + ".deactivated",
	}
}

// Singleton says whether there is one object of the kind for each parent.
func (k *Kind) Singleton() bool { return !strings.HasPrefix(k.parts[len(k.parts)-1], "{") }

// Takes says whether any field can be given in a request.
func (k *Kind) Takes() bool {
	return k.Unknown != Ignored || slices.ContainsFunc(k.Fields, func(f Field) bool { return f.Mode != ReadOnly })
}

// Parent is the kind below whose objects this one's lie; nil at the top and below an anchor.
func (k *Kind) Parent() *Kind { return k.parent }

// Anchor names the hand-written type below whose objects this kind's lie: user, group,
// app or policy; "" for none.
func (k *Kind) Anchor() string {
	if k.anchor == nil {
		return ""
	}
	return k.anchor.name
}

// Collection is the path of the list.
func (k *Kind) Collection() string { return "/" + strings.Join(k.parts[:len(k.parts)-1], "/") }

// Variables are the names of the path's variables, in order.
func (k *Kind) Variables() []string {
	var names []string
	for _, p := range k.parts {
		if isVariable(p) {
			names = append(names, strings.Trim(p, "{}"))
		}
	}
	return names
}

func isVariable(segment string) bool { return strings.HasPrefix(segment, "{") }

func (k *Kind) natural() []string {
	if k.Natural == nil {
		return []string{"name"}
	}
	return k.Natural
}

func (k *Kind) seedKey() []string {
	if k.SeedKey == nil {
		return k.natural()
	}
	return k.SeedKey
}

func (k *Kind) target() string {
	if k.Target != "" {
		return k.Target
	}
	return k.Class
}
