// Package provider is the door to identity providers: reading an org, writing to
// it, and following what happens in it. Every implementation passes providertest.
package provider

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"imago/pkg/account"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Provider makes readers and writers of one kind of identity provider.
//
// Reader and Writer are made by different calls with different credentials, so
// that a process which holds a Reader cannot write, by type and by key.
type Provider interface {
	Name() string // "okta"; stands in connections and manifests
	Catalog() resource.Catalog
	// Org asks an address which org answers there, before anybody has a credential
	// to it, and MUST NOT use one. A problem of kind Invalid, in the field "org_url",
	// says that none of this provider's does; one of kind Unavailable that it cannot
	// be told just now.
	Org(ctx context.Context, org account.Org) (OrgFacts, error)
	Reader(ctx context.Context, org account.Org, c account.Credential) (Reader, error)
	Writer(ctx context.Context, org account.Org, c account.Credential) (Writer, error)
}

// Page is one answer of the provider's list.
type Page struct {
	Resources []resource.Resource
	Cursor    string // continues after this page; "" when it was the last
	Calls     int    // requests that this page cost, retries included
	// Gaps are parents of a Swept type below which nothing could be read, while the
	// list goes on. Any other list ends with an *Unreadable.
	Gaps []snapshot.Gap
	Done func() // what Release does; nil: nothing
}

// Release gives the memory of Resources and of their bodies back, for another page: nothing
// of them may be used after. Who keeps any of them does not call it.
func (p Page) Release() {
	if p.Done != nil {
		p.Done()
	}
}

// Reader reads one org.
type Reader interface {
	// List yields every page of a type, from cursor on ("" is the start).
	//
	// It MUST yield every page or end with an error; it MUST NOT end early in
	// silence. An error that tells about the type, not about the moment, is an
	// *Unreadable; one that passes by waiting is a *Wait, after which the last
	// cursor goes on. Listing a child type names the parent's key; parent is zero at
	// the top, and for a type that the catalog calls Swept. A resource may come again on
	// a later page, or in a List that goes on from a cursor, when objects moved between
	// pages in the meantime: the later one counts. A cursor that the provider no longer
	// takes is a problem of kind Stale: list again from the start.
	List(ctx context.Context, t resource.Type, parent resource.Key, cursor string) iter.Seq2[Page, error]

	// Get reads one resource as it stands now; a problem of kind NotFound when
	// the provider says that there is none.
	Get(ctx context.Context, key resource.Key) (resource.Resource, error)

	// Find looks for live resources with the natural key of like, below the parent
	// that like names. It reads live state, never a stale index. None is no error.
	Find(ctx context.Context, like resource.Resource) ([]resource.Resource, error)

	// Org describes the org that is read; a problem of kind Denied, Invalid or
	// Unavailable says what is wrong with the URL or the credential.
	Org(ctx context.Context) (OrgFacts, error)
}

// OrgFacts is what a provider says about itself.
type OrgFacts struct {
	ID      string
	Engine  string        // Okta: "oie" or "classic"
	Version string        // of the provider's API
	Skew    time.Duration // the provider's clock less ours
}

// Unreadable is an error about a type (or one parent of it) in this org: reading
// again will not help until somebody grants or licenses something, or the provider
// thinks better of refusing this one list.
type Unreadable struct {
	Gap snapshot.Gap
	Err error
}

// Gone is the gap below a parent that the provider listed and, when it was asked for
// what is below it, did not find any more.
func Gone(t resource.Type, parent string) snapshot.Gap {
	return snapshot.Gap{Type: t, Parent: parent, Reason: snapshot.Failed,
		Detail: "it was not there any more when its turn came: what it held then is not known, an earlier snapshot may know it"}
}

// Error says what is missing.
func (u *Unreadable) Error() string {
	return fmt.Sprintf("%s: %s: %s", u.Gap.Type, u.Gap.Reason, u.Gap.Detail)
}

// Unwrap gives the provider's answer.
func (u *Unreadable) Unwrap() error { return u.Err }

// Wait is an error that passes by itself: the provider (or our share of its
// quota) allows no more until then. Nothing was read or written by the call that
// ended with it; make the same call again. Waits of a second or two are not told:
// the reader sleeps them off itself.
type Wait struct {
	Until  time.Time // in this machine's clock
	Reason string    // which limit; no directory data
}

// Error says how long and why.
func (w *Wait) Error() string {
	return fmt.Sprintf("wait until %s: %s", w.Until.UTC().Format(time.RFC3339), w.Reason)
}

// WaitOf finds the Wait in an error's chain; nil when there is none.
func WaitOf(err error) *Wait {
	if w, ok := errors.AsType[*Wait](err); ok {
		return w
	}
	return nil
}

// Detail is what the provider itself said about a failure, "" if nothing. It can
// hold directory data: show it to who may see the org's data, store it sealed,
// never log it.
func Detail(err error) string {
	var d interface{ Detail() string }
	if errors.As(err, &d) {
		return d.Detail()
	}
	return ""
}

// Op is what a Write does.
type Op string

// The operations.
const (
	Create Op = "create"
	Update Op = "update"
	Delete Op = "delete"
)

// Write is one change to an org, with the state that it expects to find.
type Write struct {
	Op Op
	// Key is of what is written. When a Collection's object is created its ID is "",
	// or one that it had once, which is not used.
	Key resource.Key
	// Want is the state to reach, canonical JSON, references already rewritten;
	// nil for Delete. Fields that cannot be written are left out by the writer.
	Want []byte
	// Expect is the live state that the plan was made against; nil: absent.
	Expect []byte
}

// Done is what a Write led to.
type Done struct {
	Resource    resource.Resource // as it stands after the write; zero Body after a Delete
	Transaction string            // the provider's ID of the last request, to know our own writes in its log
	// Transactions are the provider's IDs of all requests that wrote: one write can
	// take several (switch off, change, switch on).
	Transactions []string
	Calls        int
}

// Writer changes one org.
type Writer interface {
	// Apply makes one change. It MUST compare the live state with Expect first
	// (volatile fields apart) and answer a problem of kind Stale, having written
	// nothing, when it differs. Bringing an object to its status (ACTIVE,
	// INACTIVE) is a part of the write. A write that was already made is made
	// again without harm, or answered with a problem of kind Conflict. Where the
	// provider moves an object's place among its like because of other writes, its
	// place is apart too. With an error, Done has what is known of the object.
	Apply(ctx context.Context, w Write) (Done, error)

	// Release gives the credential's tokens back to the provider.
	Release(ctx context.Context) error
}

// Access is what a credential can do with one type.
type Access struct {
	Type     resource.Type
	Readable bool
	Gap      *snapshot.Gap // why not
}

// Prober is a Reader that can tell what its credential may read, one cheap call a type.
type Prober interface {
	Probe(ctx context.Context) iter.Seq2[Access, error]
}

// Renewer is a Reader that remembers what its credential may read. Renew makes it find
// out again with the next call, so that what was granted since counts from there on.
type Renewer interface {
	Renew()
}

// Follower is a Reader that can tell what happened in the org, and who did it.
type Follower interface {
	// Follow reads events after the cursor, oldest first by arrival. An empty
	// cursor starts at now. It MUST NOT skip an event; it may repeat one.
	Follow(ctx context.Context, cursor string) (Events, error)
}

// Events is a run of the provider's log.
type Events struct {
	Events []Event
	Cursor string // pass to the next Follow
	More   bool   // more is waiting: ask again at once
}

// Event is one thing that happened in an org. It holds directory data: it is
// stored sealed and never logged.
type Event struct {
	ID          string    `json:"id"` // the provider's own, unique
	Time        time.Time `json:"time"`
	Name        string    `json:"name"` // the provider's event type: "group.lifecycle.delete"
	Summary     string    `json:"summary"`
	Outcome     string    `json:"outcome"` // the provider's word: "SUCCESS"
	Actor       Actor     `json:"actor"`
	Client      Client    `json:"client"`
	Session     string    `json:"session,omitempty"`
	Transaction string    `json:"transaction,omitempty"`
	Request     string    `json:"request,omitempty"`
	Targets     []Target  `json:"targets,omitempty"`
	// Touched are the resources that the event may have changed, to be read again.
	Touched []Touch `json:"touched,omitempty"`
}

// Touch names one resource that an event may have changed, and how. Key.ID is ""
// when the event does not tell which: the type (below Key.Parent, if that is
// given) must be listed again, and Op is of the one that is not named.
type Touch struct {
	Key resource.Key `json:"key"`
	Op  Op           `json:"op"`
	// Children: the resources below the key must be listed again too.
	Children []resource.Type `json:"children,omitempty"`
}

// Actor is who did it.
type Actor struct {
	ID     string `json:"id"`
	Type   string `json:"type"` // the provider's word: "User", "PublicClientApp", "SystemPrincipal"
	Login  string `json:"login,omitempty"`
	Name   string `json:"name,omitempty"`
	System bool   `json:"system,omitempty"` // the provider itself, not a person or a program
}

// Client is from where it was done.
type Client struct {
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Place     string `json:"place,omitempty"`
}

// Target is what it was done to, in the provider's words.
type Target struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
}
