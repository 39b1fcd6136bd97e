package notify

import (
	"slices"

	"imago/pkg/account"
)

// Topic is what a person may choose to be told of, and how.
type Topic string

// The topics.
const (
	Drift    Topic = "drift"    // changes in an org
	Restores Topic = "restores" // receipts, and windows that stay open
	Backups  Topic = "backups"  // snapshots that fail or do not come, logs that nobody reads
	Billing  Topic = "billing"  // what is paid for; always at once
	Updates  Topic = "updates"  // what is new in Imago; only for who asks for it
)

// Topics lists every topic.
func Topics() []Topic { return []Topic{Drift, Restores, Backups, Billing, Updates} }

// Timing is when a person is told.
type Timing string

// The timings.
const (
	Now   Timing = "now"
	Daily Timing = "daily" // in a digest
	Never Timing = "never"
)

// choice is what the roles may have of a topic, and get unless they choose.
type choice struct {
	timings []Timing       // what may be chosen
	open    []account.Role // who may have it: drift and receipts show directory data
	gets    []account.Role // who gets it at once without choosing: who may do something about it
}

var (
	all   = account.Roles()
	doers = []account.Role{account.Owner, account.Admin, account.Operator}
	payer = []account.Role{account.Owner, account.Admin}
)

// choices is the one table of topics; a test reads it cell by cell.
var choices = map[Topic]choice{
	Drift:    {[]Timing{Now, Daily, Never}, append(slices.Clone(doers), account.Auditor), doers},
	Restores: {[]Timing{Now, Daily, Never}, append(slices.Clone(doers), account.Auditor), doers},
	Backups:  {[]Timing{Now, Daily, Never}, all, doers},
	Billing:  {[]Timing{Now}, payer, payer},
	Updates:  {[]Timing{Now, Never}, all, nil},
}

// Timings lists what may be chosen; none for a topic that does not exist.
func (t Topic) Timings() []Timing { return choices[t].timings }

// Open lists the roles that may be told of the topic.
func (t Topic) Open() []account.Role { return choices[t].open }

// Gets lists the roles that are told at once unless they choose otherwise.
func (t Topic) Gets() []account.Role { return choices[t].gets }

// Default is what a role gets unless it chooses otherwise; "": it may not have it.
func (t Topic) Default(r account.Role) Timing {
	switch {
	case !slices.Contains(t.Open(), r):
		return ""
	case slices.Contains(t.Gets(), r):
		return Now
	}
	return Never
}

// Title is the topic for a sentence.
func (t Topic) Title() string {
	if t == Updates {
		return "product updates"
	}
	return string(t)
}

// Severities lists the severities of findings, the worst first.
func Severities() []string { return slices.Clone(severities) }
