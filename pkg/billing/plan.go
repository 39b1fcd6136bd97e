package billing

import (
	"slices"
	"time"
)

// Plan is what an account subscribes to.
type Plan string

// The plans, from least to most.
const (
	Free       Plan = "free"
	Standard   Plan = "standard"
	Business   Plan = "business"
	SelfHosted Plan = "self_hosted" // an installation of one's own: nothing is limited, nothing is sold
)

const day = 24 * time.Hour

// Limits is what a plan allows. Zero is without limit, everywhere.
type Limits struct {
	Retention   time.Duration // how long snapshots are kept
	Every       time.Duration // the least time between scheduled snapshots
	Connections int
	Members     int
}

// limits is the one table of plans, shown to everybody; a test reads it cell by cell.
var limits = map[Plan]Limits{
	Free:       {Retention: 7 * day, Every: day, Connections: 1, Members: 2},
	Standard:   {Retention: 90 * day, Every: time.Hour, Connections: 3, Members: 10},
	Business:   {Every: 15 * time.Minute, Connections: 25},
	SelfHosted: {},
}

// Plans lists the plans that are offered, from least to most.
func Plans() []Plan { return []Plan{Free, Standard, Business} }

// Sold reports whether a plan can be bought.
func (p Plan) Sold() bool { return p == Standard || p == Business }

// Limits gives what the plan allows; of an unknown one what Free does.
func (p Plan) Limits() Limits {
	if l, ok := limits[p]; ok {
		return l
	}
	return limits[Free]
}

// Title is the plan's name for a sentence.
func (p Plan) Title() string {
	switch p {
	case Standard:
		return "Standard"
	case Business:
		return "Business"
	case SelfHosted:
		return "self-hosted"
	}
	return "Free"
}

// rank orders plans; an unknown one is below all.
func (p Plan) rank() int { return slices.Index([]Plan{Free, Standard, Business, SelfHosted}, p) }

// best gives the plan that allows more.
func best(a, b Plan) Plan {
	if b.rank() > a.rank() {
		return b
	}
	return a
}
