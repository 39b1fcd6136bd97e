package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Check is what a restore is verified with.
type Check struct {
	Catalog  resource.Catalog
	Snapshot Snapshot
	Reader   provider.Reader
	Plan     Plan
	Entries  []Entry // of the journal
	// Live keeps what was read, from one call to the next that goes on where it had
	// to wait; nil: each call reads everything. One that was used to plan is too old.
	Live  *Live
	Now   func() time.Time // nil: time.Now
	Until time.Time        // reading ends after this with a *provider.Wait; zero: never
}

// Report tells how the org stands after a restore, against the snapshot.
type Report struct {
	Checked     int          `json:"checked"`
	Same        int          `json:"same"`
	Differences []Difference `json:"differences,omitempty"`
	// Pending will come by itself, made by the provider, and is not there yet.
	Pending []Count `json:"pending,omitempty"`
}

// Difference is something restored that is not as it was. Op is Delete for what
// is not there.
type Difference struct {
	Key    resource.Key `json:"key"` // in the org
	Title  string       `json:"title"`
	Label  string       `json:"label"`
	Op     diff.Op      `json:"op"`
	Fields []diff.Field `json:"fields,omitempty"` // from the snapshot to the org
}

// IDs maps the snapshot's IDs to those of what was made in their place, or was
// found there: what diff.Options.IDs takes.
func IDs(plan Plan, entries []Entry) diff.IDs {
	out := diff.IDs{}
	for was, now := range plan.Matched {
		out[was] = now
	}
	at := numbered(entries)
	for _, s := range plan.Steps {
		if e := at[s.N]; e.State == Done && s.Op != provider.Delete && e.Key.ID != s.Key.ID {
			out[s.Key.ID] = e.Key.ID
		}
	}
	return out
}

// numbered is a journal by the numbers of its steps.
func numbered(entries []Entry) map[int]Entry {
	at := map[int]Entry{}
	for _, e := range entries {
		at[e.N] = e
	}
	return at
}

// Verify reads again what a restore was about and compares it with the snapshot,
// under the identities that it has now: all that was selected and what hangs on it,
// and what was given a reference back. What was left out, or not made, is told by
// the plan and the journal, and is not a difference.
func Verify(ctx context.Context, c Check) (Report, error) {
	set, err := collect(ctx, c.Catalog, c.Snapshot, c.Plan.Selection)
	if err != nil {
		return Report{}, err
	}
	v := &verifying{Check: c, at: numbered(c.Entries), live: c.Live.slice(c.Reader, c.Until, c.Now), ids: IDs(c.Plan, c.Entries), pending: map[resource.Type]int{}}
	expected, err := v.expected(set.members)
	if err != nil {
		return Report{}, err
	}
	var ks []resource.Key
	for _, e := range expected {
		ks = append(ks, e.Key)
	}
	if err := v.live.expect(ctx, c.Catalog, sizes(c.Snapshot), ks); err != nil {
		return Report{}, err
	}
	for _, e := range expected {
		if err := v.check(ctx, e); err != nil {
			return Report{}, err
		}
	}
	v.report.Pending = counts(v.pending)
	return v.report, nil
}

type verifying struct {
	Check
	at      map[int]Entry // the journal
	live    *Live
	ids     diff.IDs
	report  Report
	pending map[resource.Type]int
}

// expectation is how a resource of the org should stand.
type expectation struct {
	resource.Resource
	info    resource.Info
	label   string
	follows bool // made by the provider itself
}

// expected lists what should stand how: by the snapshot for the selected and
// their parts, by the step for what was given a reference back.
func (v *verifying) expected(members []member) (out []expectation, err error) {
	skip := map[resource.Key]bool{}
	for _, l := range v.Plan.LeftOut {
		skip[l.Key] = true
	}
	made := ids{}
	for _, s := range v.Plan.Steps {
		e := v.at[s.N]
		skip[s.Key] = skip[s.Key] || e.State != Done
		if e.State == Done && s.Op == provider.Create {
			made[nameOf(s.Key)] = e.Key.ID
		}
	}
	known := map[resource.Key]bool{}
	for _, m := range members {
		known[m.Key] = true
		if skip[m.Key] {
			continue
		}
		label, err := resource.Label(m.info, m.Body)
		if err != nil {
			return nil, err
		}
		follows := systemOwned(m.info, m.Resource)
		out = append(out, expectation{resource.Resource{Key: v.ids.Key(m.Key), Body: m.Body}, m.info, label, follows})
	}
	for _, s := range v.Plan.Steps {
		if skip[s.Key] || known[s.Key] || s.Op == provider.Delete {
			continue
		}
		body, err := made.body(s.Want)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", s.N, err)
		}
		info, _ := v.Catalog.Info(s.Key.Type)
		out = append(out, expectation{resource.Resource{Key: v.at[s.N].Key, Body: body}, info, s.Label, false})
	}
	return out, nil
}

func (v *verifying) check(ctx context.Context, e expectation) error {
	now, err := v.live.get(ctx, e.Key)
	if u, ok := errors.AsType[*provider.Unreadable](err); ok {
		return fmt.Errorf("verify: %w", u)
	}
	if err != nil {
		return err
	}
	if now == nil && e.follows {
		v.pending[e.Type]++
		return nil
	}
	v.report.Checked++
	d := Difference{Key: e.Key, Title: e.info.Title, Label: e.label, Op: diff.Delete}
	if now != nil {
		d.Op = diff.Update
		if e.Body, err = v.present(ctx, e); err != nil {
			return err
		}
		if d.Fields, err = v.ids.Compare(writable(e.info), e.Body, now.Body); err != nil {
			return fmt.Errorf("compare a %s: %w", e.Type, err)
		}
		if len(d.Fields) == 0 {
			v.report.Same++
			return nil
		}
	}
	v.report.Differences = append(v.report.Differences, d)
	return nil
}
