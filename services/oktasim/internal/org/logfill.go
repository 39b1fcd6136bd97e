package org

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// FillLog adds n sign-ins of the org's people to the log, spread evenly over the time up
// to now. What is there keeps its place in time; cursors from before no longer hold.
func (o *Org) FillLog(n int, over time.Duration) error {
	people := o.userOrder.list()
	if len(people) == 0 {
		return errors.New("nobody is there to sign in")
	}
	now := o.clock.Now()
	all := o.log.arrived
	for i := range n {
		u := o.users[people[i%len(people)]]
		at := now.Add(-over + time.Duration(float64(over)*float64(i)/float64(n)))
		all = append(all, Arrival{Event: o.signIn(u, Stamp(at.UnixMilli()), i)})
	}
	slices.SortStableFunc(all, func(a, b Arrival) int { return cmp.Compare(a.time(), b.time()) })
	o.log.arrived, o.log.latest, o.log.published = nil, nil, nil
	for _, a := range all {
		o.log.arrive(a)
	}
	return nil
}

func (o *Org) signIn(u *User, at Stamp, i int) *Event {
	id := o.ids.Secret(24)
	return &Event{
		UUID: o.ids.UUID(), Published: at, EventType: "user.session.start", Message: "User login to Okta",
		Severity: "INFO", Result: "SUCCESS", Actor: u.Party(), Targets: []Party{u.Party()},
		IP: fmt.Sprintf("198.51.%d.%d", i/250%250, i%250+1), UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Firefox/140.0",
		RequestID: id, TxID: id, TxType: "WEB", Session: "102" + id[:22], URI: "/api/v1/authn",
	}
}

// HeldEvents are how many events have not reached the log yet.
func (o *Org) HeldEvents() int { return len(o.log.held) }
