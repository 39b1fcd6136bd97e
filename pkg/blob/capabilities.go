package blob

import (
	"fmt"
	"time"
)

// Capabilities are abilities that stores differ in. What is not known is not claimed:
// the zero value of each is the safe one.
type Capabilities struct {
	ConditionalPut       bool          // refuses to overwrite by itself, races included
	ServerSideEncryption bool          // echoed by the store, not only asked for
	Versioning           bool          // keeps what is deleted or replaced as an old version, until that is deleted
	ObjectLock           bool          // locks an object until a time of ours
	LockFor              time.Duration // for how long every object is locked that is Put, by the bucket itself or as we ask; zero: none is
	Region               string        // where the objects are, in the store's words; "": not told
}

// Source is how something about a store is known.
type Source string

// The sources, best first.
const (
	Proved     Source = "proved"     // the store was seen doing it
	Told       Source = "told"       // the store says so
	Configured Source = "configured" // the operator says so
	Unknown    Source = "unknown"    // nothing was found out: counts as an inability
)

// Ability is one capability with how it became known, for people.
type Ability struct {
	Name   string `json:"name"`  // of the capability: "conditional put"
	Value  string `json:"value"` // "yes", "no", "not known", or what there is to say
	Source Source `json:"source"`
	Note   string `json:"note,omitempty"` // why, if that helps; else ""
}

// String is a line such as "versioning: no (proved: a delete)".
func (a Ability) String() string {
	switch {
	case a.Source == Unknown:
		return fmt.Sprintf("%s: %s (%s)", a.Name, a.Value, a.Note)
	case a.Note != "":
		return fmt.Sprintf("%s: %s (%s: %s)", a.Name, a.Value, a.Source, a.Note)
	}
	return fmt.Sprintf("%s: %s (%s)", a.Name, a.Value, a.Source)
}

// Explainer is a Store that knows how its capabilities became known.
type Explainer interface {
	Abilities() []Ability
}
