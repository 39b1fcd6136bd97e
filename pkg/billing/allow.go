package billing

import (
	"fmt"
	"time"

	"imago/pkg/problem"
)

// AllowConnection refuses one more connection than the plan has, as a problem of kind
// OverLimit that names the plan that has more.
func (e Entitled) AllowConnection(have int) error {
	room := func(l Limits) bool { return l.Connections == 0 || have < l.Connections }
	return e.allow(room, "connections", e.Limits.Connections)
}

// AllowMember refuses one more member; count those who are invited, too.
func (e Entitled) AllowMember(have int) error {
	room := func(l Limits) bool { return l.Members == 0 || have < l.Members }
	return e.allow(room, "members", e.Limits.Members)
}

// AllowEvery refuses a schedule whose snapshots follow one another sooner than the plan
// has them.
func (e Entitled) AllowEvery(gap time.Duration) error {
	room := func(l Limits) bool { return gap >= l.Every }
	if room(e.Limits) {
		return nil
	}
	p := problem.New(problem.OverLimit, "the %s plan takes a snapshot %s at most", e.Plan.Title(), often(e.Limits.Every))
	p.Field = "cron"
	return p.WithHint("%s", wayOut(room))
}

func (e Entitled) allow(room func(Limits) bool, what string, most int) error {
	if room(e.Limits) {
		return nil
	}
	if most == 1 {
		what = what[:len(what)-1]
	}
	p := problem.New(problem.OverLimit, "the %s plan has %d %s, and no more", e.Plan.Title(), most, what)
	return p.WithHint("%s", wayOut(room))
}

// wayOut names the least plan that has room.
func wayOut(room func(Limits) bool) string {
	for _, p := range Plans() {
		if room(p.Limits()) {
			return fmt.Sprintf("the %s plan has room: an owner or admin changes the plan under Billing in the console", p.Title())
		}
	}
	return "no plan has more: write to us"
}

// often is a gap for a sentence.
func often(gap time.Duration) string {
	switch {
	case gap == day:
		return "once a day"
	case gap == time.Hour:
		return "once an hour"
	}
	return fmt.Sprintf("every %d minutes", int(gap/time.Minute))
}
