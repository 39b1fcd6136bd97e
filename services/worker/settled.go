package worker

import (
	"context"
	"slices"

	"imago/pkg/drift"
	"imago/pkg/postgres"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/work"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// putBack are the keys, as the snapshot has them, of what the restore has written and
// found to be as the snapshot has it.
func putBack(plan restore.Plan, entries []restore.Entry, report restore.Report) map[resource.Key]bool {
	differs, at, out := map[resource.Key]bool{}, map[int]restore.Entry{}, map[resource.Key]bool{}
	for _, d := range report.Differences {
		differs[d.Key] = true
	}
	for _, e := range entries {
		at[e.N] = e
	}
	for _, s := range plan.Steps {
		if e := at[s.N]; e.State == restore.Done {
			out[s.Key] = !differs[e.Key] && !differs[s.Key]
		}
	}
	return out
}

// settle resolves the findings about what the restore has put back. They are found by
// what is sealed in them: no column names an object.
func (r *restoring) settle(ctx context.Context, tx *postgres.Tx, back map[resource.Key]bool) error {
	var types []resource.Type
	for k := range back {
		types = append(types, k.Type)
	}
	slices.Sort(types)
	// What happened after the restore had begun to write is told of what it wrote.
	all, err := findings.Unresolved(ctx, tx, r.row.ConnectionID, slices.Compact(types), at(r.row.WindowOpenedAt))
	if err != nil {
		return err
	}
	for _, row := range all {
		var f drift.Finding
		if err := sealed.Finding(row.ConnectionID, row.DedupKey).Open(r.ring, row.Sealed, &f); err != nil {
			return err
		}
		if !back[f.Change.Key] {
			continue
		}
		word := findings.Word{State: findings.Resolved, RestoreID: &r.row.ID}
		if err := say(ctx, tx, r.ring, row.ID, word, "a restore put it back"); err != nil {
			return err
		}
		e := work.Event{At: r.Now(), Action: "resolve_finding", TargetType: "finding", TargetID: row.ID, Detail: "restore " + r.row.ID + " put it back"}
		if err := r.unit.Record(ctx, tx, r.ring, e); err != nil {
			return err
		}
	}
	return nil
}
