package cli

import (
	"context"

	"github.com/spf13/cobra"

	"imago/pkg/diff"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
	"imago/services/cli/internal/archive"
)

func (p *program) openDiffCommand(o *opening) *cobra.Command {
	return &cobra.Command{
		Use:   "diff PLACE BEFORE AFTER",
		Short: "Compare two snapshots",
		Long: "diff tells what was created, updated and deleted from one snapshot to another, field by\n" +
			"field, and reads only what they do not have in common. A snapshot is named as by\n" +
			"--snapshot. What one of the two could not read is told as unknown. The exit code is 3\n" +
			"when there is a difference, or something unknown.\n\n" + placeHelp,
		Example: example("imago open diff ./copy 2026-11-21 latest --master-keys master.keys", "since that day's only snapshot"),
		Args:    needArgs(3, "PLACE", "BEFORE", "AFTER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := p.repository(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return p.openDiff(cmd.Context(), r, args[1], args[2])
		},
	}
}

func (p *program) openDiff(ctx context.Context, r archive.Repository, before, after string) error {
	from, err := r.Find(ctx, before)
	if err != nil {
		return err
	}
	to, err := r.Find(ctx, after)
	if err != nil {
		return err
	}
	d := apart{c: comparison{p: p}, n: labels{catalog()}, from: from.Manifest(), to: to.Manifest()}
	for change, err := range r.Changes(ctx, from, to, repository.CompareOptions{Still: true}) {
		if err == nil {
			err = d.change(change)
		}
		if err != nil {
			return err
		}
	}
	d.end()
	if s := d.c.sum; d.c.err != nil || s.GetCreated()+s.GetUpdated()+s.GetDeleted()+s.GetUnknown() == 0 {
		return d.c.err
	}
	return errIncomplete
}

// apart shows what two snapshots do not have alike, as `imago diff` does.
type apart struct {
	c        comparison
	n        labels
	from, to snapshot.Manifest
	sum      imagov1.CompareSummary
}

// change shows one. What only a gap may have made is left out: the gap is told.
func (d *apart) change(c repository.Change) error {
	before, _ := d.from.Status(c.Type)
	after, _ := d.to.Status(c.Type)
	if c.From == nil && covered(before.Gaps, c.Key) || c.To == nil && covered(after.Gaps, c.Key) {
		return nil
	}
	info, _ := d.n.catalog.Info(c.Type)
	op := operation(c.From, c.To)
	fields, err := fieldsOf(info, c.From, c.To)
	if err != nil || op == diff.Update && len(fields) == 0 {
		return err
	}
	body := c.To
	switch op {
	case diff.Create:
		d.sum.Created++
	case diff.Update:
		d.sum.Updated++
	default:
		d.sum.Deleted++
		body = c.From
	}
	d.c.part(&imagov1.CompareResponse{Part: &imagov1.CompareResponse_Change{Change: &imagov1.Change{
		Key: c.Key.String(), Op: string(op), Fields: fields,
		TypeTitle: d.n.title(c.Type), Label: d.n.of(resource.Resource{Key: c.Key, Body: body}),
	}}})
	return d.c.err
}

// end tells what is unknown, and the sum.
func (d *apart) end() {
	told := map[snapshot.Gap]bool{}
	for _, m := range []snapshot.Manifest{d.from, d.to} {
		for _, g := range m.Gaps() {
			g.Hides = false
			if !g.Missing() || told[g] {
				continue
			}
			told[g] = true
			d.sum.Unknown++
			d.c.part(&imagov1.CompareResponse{Part: &imagov1.CompareResponse_Unknown{Unknown: &imagov1.Gap{
				Type: string(g.Type), Parent: g.Parent, Reason: string(g.Reason), Detail: g.Detail,
			}}})
		}
	}
	d.sum.Compared = max(d.from.Objects(), d.to.Objects())
	d.c.part(&imagov1.CompareResponse{Part: &imagov1.CompareResponse_Summary{Summary: &d.sum}})
}
