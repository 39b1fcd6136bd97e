package api

import (
	"context"
	"strings"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/restore"
	imagov1 "imago/proto/imago/v1"
)

// summary is a restore without what of it is directory data.
func summary(row restores.Restore, members []accounts.Member) *imagov1.Restore {
	out := &imagov1.Restore{
		Id: row.ID, ConnectionId: string(row.ConnectionID), SnapshotId: row.SnapshotID, State: string(row.State),
		Problem: problemShape(row.Problem), ApprovedAt: stampAt(row.ApprovedAt), CreatedAt: stamp(row.CreatedAt),
		WindowOpenedAt: stampAt(row.WindowOpenedAt), WindowClosedAt: stampAt(row.WindowClosedAt), EndedAt: stampAt(row.EndedAt),
	}
	if row.PlanDigest != nil {
		out.PlanDigest = *row.PlanDigest
	}
	if row.ApprovedBy != nil {
		out.ApprovedBy = email(members, *row.ApprovedBy)
	}
	if row.ClosedBy != nil {
		out.ClosedBy = email(members, *row.ClosedBy)
	}
	return out
}

// email is a member's address; of somebody who has left the account, the ID.
func email(members []accounts.Member, id account.UserID) string {
	for _, m := range members {
		if m.UserID == id {
			return m.Email
		}
	}
	return string(id)
}

// restoreShape is a restore with its plan, its journal and its receipt.
func restoreShape(ring *envelope.Keyring, row restores.Restore, steps []restores.Step, members []accounts.Member) (*imagov1.Restore, error) {
	out := summary(row, members)
	if row.PlanSealed == nil {
		return out, nil
	}
	plan, journal, err := openPlan(ring, row, steps)
	if err != nil {
		return nil, err
	}
	out.Plan, out.StepsDone = planShape(plan, journal), done(journal)
	out.Receipt, err = openReceipt(ring, row)
	return out, err
}

// restoreRows reads a restore and its journal.
func (s *Service) restoreRows(ctx context.Context, id string) (row restores.Restore, steps []restores.Step, err error) {
	err = s.read(ctx, func(tx *postgres.Tx) error {
		if row, err = restores.Get(ctx, tx, id); err != nil {
			return err
		}
		steps, err = restores.Steps(ctx, tx, id)
		return err
	})
	return row, steps, err
}

// openPlan opens a restore's plan, which must be the one of its digest, and its journal.
func openPlan(ring *envelope.Keyring, row restores.Restore, steps []restores.Step) (restore.Plan, []restore.Entry, error) {
	if row.PlanSealed == nil || row.PlanDigest == nil {
		return restore.Plan{}, nil, problem.New(problem.Conflict, "the restore has no plan: it is %s", row.State)
	}
	encoded, err := sealed.Plan(row.ID).OpenBytes(ring, row.PlanSealed)
	if err != nil {
		return restore.Plan{}, nil, err
	}
	plan, err := restore.Decode(encoded, *row.PlanDigest)
	if err != nil {
		return plan, nil, err
	}
	var journal []restore.Entry
	for _, step := range steps {
		e := restore.Entry{N: step.N, State: restore.State(step.State)}
		if step.Sealed != nil {
			if err := sealed.Step(row.ID, step.N).Open(ring, step.Sealed, &e); err != nil {
				return plan, nil, err
			}
		}
		journal = append(journal, e)
	}
	return plan, journal, nil
}

// planShape is a plan with what its journal says of each step.
func planShape(p restore.Plan, journal []restore.Entry) *imagov1.Plan {
	at := map[int]restore.Entry{}
	for _, e := range journal {
		at[e.N] = e
	}
	out := &imagov1.Plan{
		Steps:    each(p.Steps, func(s restore.Step) *imagov1.Step { return stepShape(s, at[s.N]) }),
		Warnings: append(append([]string{}, p.Warnings...), p.Lost...),
		LeftOut:  each(p.LeftOut, leftOutShape),
	}
	for _, c := range p.Identical {
		out.Identical += int32(c.N)
	}
	return out
}

func stepShape(s restore.Step, e restore.Entry) *imagov1.Step {
	out := &imagov1.Step{
		N: int32(s.N), Op: string(s.Op), Key: s.Key.String(), TypeTitle: s.Title, Label: s.Label, ParentLabel: s.Parent,
		Fields: each(s.Fields, fieldShape), Why: s.Why, Warnings: s.Warn,
		After: each(s.After, func(n int) int32 { return int32(n) }),
		State: orDefault(string(e.State), "pending"), Problem: e.Problem,
	}
	if e.State == restore.Done && e.Key.ID != s.Key.ID {
		out.NewId = e.Key.ID
	}
	return out
}

func leftOutShape(l restore.LeftOut) *imagov1.LeftOut {
	return &imagov1.LeftOut{Key: l.Key.String(), Label: l.Label, Reason: l.Reason}
}

// done counts the steps that were made.
func done(journal []restore.Entry) (n int32) {
	for _, e := range journal {
		if e.State == restore.Done {
			n++
		}
	}
	return n
}

// labelled splits "type:label", the form in which people name what they want back.
func labelled(key string, c resource.Catalog) (resource.Type, string, bool) {
	t, label, ok := strings.Cut(key, ":")
	if !ok || strings.Contains(t, "/") || label == "" {
		return "", "", false
	}
	_, known := c.Info(resource.Type(t))
	return resource.Type(t), label, known
}

// openReceipt opens what a restore led to; nil before it is verified.
func openReceipt(ring *envelope.Keyring, row restores.Restore) (*imagov1.Receipt, error) {
	if row.ReceiptSealed == nil {
		return nil, nil
	}
	var r restore.Receipt
	if err := sealed.Receipt(row.ID).Open(ring, row.ReceiptSealed, &r); err != nil {
		return nil, err
	}
	digest, err := r.Digest()
	out := &imagov1.Receipt{
		Made: int32(r.Made), Failed: int32(r.Failed), Skipped: int32(r.Skipped), Verified: int32(r.Report.Same),
		Differences: each(r.Report.Differences, differenceShape), Ids: r.IDs, Digest: digest,
	}
	for _, c := range r.Report.Pending {
		out.Pending += int32(c.N)
	}
	return out, err
}

func differenceShape(d restore.Difference) *imagov1.Change {
	return &imagov1.Change{
		Key: d.Key.String(), TypeTitle: d.Title, Label: d.Label, Op: string(d.Op), Fields: each(d.Fields, fieldShape),
	}
}
