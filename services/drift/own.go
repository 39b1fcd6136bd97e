package drift

import (
	"context"
	"slices"
	"strings"
	"time"

	"imago/pkg/postgres"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// patience is how long a look waits for a step that was begun to say what it wrote: a
// killed worker's is taken over within a minute.
const patience = 2 * time.Minute

// own is what restores of ours wrote to the org while their windows were open. Whatever
// else is done by the write app, or to it, is somebody else's doing.
type own struct {
	client       string // of the write app
	windows      []restores.Window
	transactions map[string]bool
	resumed      []resumed
	begun        bool // a step was begun a moment ago: what it wrote is not known yet
}

// resumed is what a step wrote of which not every transaction is known, and when.
type resumed struct {
	key      resource.Key
	from, to time.Time
}

// own reads what the journals of restores say about the time of the events. It is read
// after them, so that it knows what they tell.
func (f *following) own(ctx context.Context, events []provider.Event) (*own, error) {
	o := &own{client: f.client, transactions: map[string]bool{}}
	since := f.Now()
	for _, e := range events {
		if e.Time.Before(since) {
			since = e.Time
		}
	}
	if !slices.ContainsFunc(events, o.concerned) {
		return o, nil
	}
	var writes []restores.Write
	err := f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) (err error) {
		if o.windows, err = restores.Windows(ctx, tx, f.id, since.Add(-around)); err != nil {
			return err
		}
		writes, err = restores.Writes(ctx, tx, f.id, since.Add(-around))
		return err
	})
	for _, w := range writes {
		if err == nil {
			err = f.learn(o, w)
		}
	}
	return o, err
}

// learn takes note of what one step wrote.
func (f *following) learn(o *own, w restores.Write) error {
	if w.EndedAt == nil {
		o.begun = o.begun || f.Now().Sub(w.BegunAt) < patience
		return nil
	}
	var e restore.Entry
	if err := sealed.Step(w.RestoreID, w.N).Open(f.ring, w.Sealed, &e); err != nil {
		return err
	}
	for _, t := range e.Transactions {
		o.transactions[t] = true
	}
	if e.Resumed && e.Key != (resource.Key{}) {
		o.resumed = append(o.resumed, resumed{e.Key, w.BegunAt.Add(-around), w.EndedAt.Add(around)})
	}
	return nil
}

// concerned reports whether an event is by the write app, or about it.
func (o *own) concerned(e provider.Event) bool {
	return o.client != "" && (e.Actor.ID == o.client || o.target(e))
}

func (o *own) target(e provider.Event) bool {
	return slices.ContainsFunc(e.Targets, func(t provider.Target) bool { return t.ID == o.client })
}

// wrote reports whether an event belongs to a restore: it is of a transaction of its, or
// switches the write app on or off as the restore asks for.
func (o *own) wrote(e provider.Event) bool {
	switch {
	case !o.concerned(e) || !o.inWindow(e):
		return false
	case e.Actor.ID != o.client:
		return strings.HasSuffix(e.Name, ".lifecycle.activate") || strings.HasSuffix(e.Name, ".lifecycle.deactivate")
	}
	return o.transactions[e.Transaction] || o.transactions[e.Request] || o.isResumed(e)
}

func (o *own) inWindow(e provider.Event) bool {
	return slices.ContainsFunc(o.windows, func(w restores.Window) bool {
		return !e.Time.Before(w.OpenedAt.Add(-around)) && (w.ClosedAt == nil || !e.Time.After(w.ClosedAt.Add(around)))
	})
}

// isResumed reports whether an event is of what a step wrote before its answer was lost.
func (o *own) isResumed(e provider.Event) bool {
	return slices.ContainsFunc(o.resumed, func(r resumed) bool {
		touches := func(t provider.Touch) bool {
			return t.Key.Type == r.key.Type && (t.Key.ID == r.key.ID || t.Key.ID == "" && t.Key.Parent == r.key.Parent)
		}
		return !e.Time.Before(r.from) && !e.Time.After(r.to) && slices.ContainsFunc(e.Touched, touches)
	})
}

// unsettled reports whether it is too early to tell of an event whose it is.
func (o *own) unsettled(events []provider.Event) bool {
	return o.begun && slices.ContainsFunc(events, func(e provider.Event) bool {
		return e.Actor.ID == o.client && o.inWindow(e) && !o.wrote(e)
	})
}
