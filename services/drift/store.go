package drift

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"imago/pkg/drift"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/changes"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/sightings"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// store keeps what was found: findings, each once, the mail about them, what was seen,
// and the cursor, in one transaction. Then it waits for the next look.
func (f *following) store(ctx context.Context, o found) (work.End, error) {
	shut, err := f.seal(o)
	if err != nil {
		return work.End{}, err
	}
	added := map[string]int{}
	after := f.after(o)
	next := f.next(o, after)
	err = f.advance(ctx, next, func(tx *postgres.Tx) error {
		clear(added)
		if err := shut.put(ctx, tx, f, o, added); err != nil {
			return err
		}
		if err := changes.Count(ctx, tx, f.id, f.Now(), len(o.observed.Changes)); err != nil {
			return err
		}
		return f.tellAll(ctx, tx, o, next, total(added))
	})
	if err != nil {
		return f.unstored(err)
	}
	f.count(ctx, o, added)
	if o.anew {
		return work.Again(after, slog.String("result", "begins anew")), nil
	}
	if n := total(added); n > 0 {
		return work.Again(after, slog.Int("events", o.events), slog.Int("findings", n)), nil
	}
	return work.Again(after), nil
}

// after is how long to wait until the next look.
func (f *following) after(o found) time.Duration {
	switch {
	case o.later != nil:
		return f.retry()
	case !o.observed.Wait.IsZero():
		return max(0, o.observed.Wait.Sub(f.Now()))
	case !o.observed.Complete || o.more:
		return 0
	}
	return f.interval()
}

// next is where the log is read on: after what was looked into whole, else from the same
// place again.
func (f *following) next(o found, after time.Duration) cursors.Cursor {
	now := f.Now()
	next := f.cursor
	switch {
	case o.later != nil:
		next.Problem = publicProblem(o.later)
	case o.observed.Complete:
		next = cursors.Cursor{Cursor: o.cursor, PolledAt: &now}
		if !o.newest.IsZero() {
			next.LagSeconds = max(0, now.Sub(o.newest).Seconds())
		}
	}
	due := now.Add(after)
	next.NextPollAt = &due
	return next
}

// tellAll writes what the activity log is to hear: that the log is lost or found again,
// or has a gap, that findings were stored, and that something the log names could not be looked into.
func (f *following) tellAll(ctx context.Context, tx *postgres.Tx, o found, next cursors.Cursor, findings int) error {
	read := o.later == nil && o.observed.Complete
	for _, e := range []struct {
		tell           bool
		action, detail string
	}{
		{f.cursor.Problem == nil && next.Problem != nil, "lose_log", "what the org's log names cannot be read: " + words(next.Problem)},
		{f.cursor.Problem != nil && next.Problem == nil, "regain_log", "the org's log is followed again, from where it was left"},
		{o.anew, "restart_log", "the org's log could not be followed without a gap: take a snapshot and compare"},
		{findings > 0, "find_drift", fmt.Sprintf("%d findings in %d events", findings, o.events)},
		{read && len(o.observed.Unknown) > 0, "miss_changes", missed(o.observed.Unknown)},
	} {
		if !e.tell {
			continue
		}
		if err := f.tell(ctx, tx, e.action, e.detail); err != nil {
			return err
		}
	}
	return nil
}

func words(p *problem.Problem) string {
	if p == nil {
		return ""
	}
	return p.Error()
}

// missed names places that could not be looked into, by type and reason.
func missed(unknown []snapshot.Gap) string {
	var kinds []string
	for _, g := range unknown {
		kinds = append(kinds, string(g.Type)+": "+string(g.Reason))
	}
	slices.Sort(kinds)
	return fmt.Sprintf("%d places that the org's log names could not be compared (%s)", len(unknown), strings.Join(slices.Compact(kinds), ", "))
}

func (f *following) count(ctx context.Context, o found, added map[string]int) {
	outcome := "read"
	if o.later != nil {
		outcome = "held_up"
		f.Log.WarnContext(ctx, "look is held up", "job", f.unit.Job, "account", f.connection.AccountID, "connection", f.id, "error", o.later)
	}
	f.metrics.polls.WithLabelValues(outcome).Inc()
	for severity, n := range added {
		f.metrics.findings.WithLabelValues(severity).Add(float64(n))
	}
	if !o.newest.IsZero() && o.observed.Complete {
		f.metrics.lag.Observe(max(0, f.Now().Sub(o.newest).Seconds()))
	}
}

func total(added map[string]int) (n int) {
	for _, m := range added {
		n += m
	}
	return n
}

// shut is what is to be stored, sealed outside of the transaction.
type shut struct {
	findings  []findings.Finding
	sightings []sightings.Sighting
	named     []snapshots.Object
}

func (f *following) seal(o found) (out shut, err error) {
	for _, d := range o.findings {
		row := findings.Finding{
			ConnectionID: f.id, Rule: d.Rule, Severity: string(d.Severity), ResourceType: d.Change.Key.Type, EventTime: d.Found,
			DedupKey: hex.EncodeToString(f.ring.Digest("finding", []byte(f.id), []byte(d.DedupKey()))),
		}
		if d.Snapshot != "" {
			row.SnapshotID = &d.Snapshot
		}
		if d.Attribution.Event != nil {
			row.EventTime = d.Attribution.Event.Time
			row.Actors = f.actors(d.Attribution.Event.Actor)
		}
		if row.Sealed, err = sealed.Finding(f.id, row.DedupKey).Seal(f.ring, d); err != nil {
			return out, err
		}
		out.findings = append(out.findings, row)
	}
	for _, s := range o.observed.Sightings {
		row := sightings.Sighting{Resource: f.name(s.Key), SeenAt: s.At}
		if row.Sealed, err = sealed.Sighting(f.id, row.Resource).Seal(f.ring, s); err != nil {
			return out, err
		}
		out.sightings = append(out.sightings, row)
	}
	out.named, err = f.sealNamed(o.named)
	return out, err
}

// actors are the names by which findings are looked for: a digest of each name that the
// log gives to who did it.
func (f *following) actors(a provider.Actor) (out []string) {
	for _, name := range []string{a.Login, a.Name, a.ID} {
		if name != "" {
			out = append(out, sealed.Actor(f.ring, f.id, name))
		}
	}
	return out
}

// name is how a resource is known in the sightings' table: it tells nothing.
func (f *following) name(k resource.Key) string {
	return hex.EncodeToString(f.ring.Digest("sighting", []byte(f.id), []byte(k.String())))
}

// put stores everything; those findings that are new go into one mail.
func (s shut) put(ctx context.Context, tx *postgres.Tx, f *following, o found, added map[string]int) error {
	if o.since != nil {
		if err := sightings.Forget(ctx, tx, f.id, *o.since); err != nil {
			return err
		}
	}
	for _, row := range s.sightings {
		if err := sightings.Put(ctx, tx, f.id, row); err != nil {
			return err
		}
	}
	if len(s.named) > 0 && len(f.snapshots) > 0 {
		if err := snapshots.Name(ctx, tx, f.id, f.Now().Add(f.gather), s.named); err != nil {
			return err
		}
	}
	first := ""
	for _, row := range s.findings {
		id, isNew, err := findings.Add(ctx, tx, row)
		if err != nil {
			return err
		}
		if isNew {
			added[row.Severity]++
			if first == "" {
				first = id
			}
		}
	}
	if first == "" {
		return nil
	}
	_, err := messages.QueueFinding(ctx, tx, first, worst(added))
	return err
}

// worst is the worst severity of findings that were added.
func worst(added map[string]int) string {
	return slices.MinFunc(slices.Collect(maps.Keys(added)), notify.BySeverity)
}

// seen remembers what earlier looks saw.
type seen struct{ f *following }

var _ drift.Seen = seen{}

// Last reads a sighting.
func (s seen) Last(ctx context.Context, key resource.Key) (out drift.Sighting, ok bool, err error) {
	name := s.f.name(key)
	var row sightings.Sighting
	err = s.f.DB.As(ctx, s.f.unit.Proof, func(tx *postgres.Tx) (err error) {
		row, ok, err = sightings.Get(ctx, tx, s.f.id, name)
		return err
	})
	if err != nil || !ok {
		return out, false, err
	}
	if err := sealed.Sighting(s.f.id, name).Open(s.f.ring, row.Sealed, &out); err != nil {
		return out, false, err
	}
	if out.Key != key {
		return out, false, errors.New("two resources have one name in the sightings")
	}
	return out, true, nil
}
