package cli

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// comparing are the flags of `imago diff`.
type comparing struct {
	restore string
	types   []string
}

func (p *program) diffCommand() *cobra.Command {
	var c comparing
	cmd := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Compare two snapshots, or a snapshot with the org as it is now",
		Long: "diff tells what was created, updated and deleted from one state to the other, field by\n" +
			"field. A state is a snapshot's ID, \"latest\" for the last snapshot, or \"live\" for the\n" +
			"org as it is now, of which a snapshot is taken first. What one of the two could not\n" +
			"read is told as unknown, never as created or deleted. The exit code is 3 when there\n" +
			"is a difference, or something unknown.",
		Example: example(
			"imago diff latest live", "what has changed since the last snapshot",
			"imago diff 8f0e2b71 latest", "between two snapshots",
			"imago diff 8f0e2b71 live --restore latest", "after a restore: take the IDs it made for those they replace"),
		Args: needArgs(2, "BEFORE", "AFTER"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.diff(cmd.Context(), args[0], args[1], c) },
	}
	cmd.Flags().StringVar(&c.restore, "restore", "", "take IDs that this restore made for the ones they replace, and pass over times of creation")
	cmd.Flags().StringSliceVar(&c.types, "type", nil, "only these types")
	return cmd
}

func (p *program) diff(ctx context.Context, before, after string, c comparing) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	req := &imagov1.CompareRequest{Types: c.types}
	if c.restore != "" {
		if req.RestoreId, err = api.restoreID(ctx, conn.GetId(), c.restore); err != nil {
			return err
		}
	}
	req.BeforeSnapshotId, req.AfterSnapshotId, err = p.states(ctx, api, conn, before, after)
	if err != nil {
		return err
	}
	return p.compare(ctx, api, req)
}

// states finds the two snapshots, and takes the one that "live" stands for. The other
// is named first: "latest" is not the one that is taken here.
func (p *program) states(ctx context.Context, api *api, conn *imagov1.Connection, before, after string) (b, a string, err error) {
	switch {
	case before == "live" && after == "live":
		return "", "", usage("live is compared with a snapshot, not with itself")
	case before == "live":
		a, b, err = p.states(ctx, api, conn, after, before)
		return b, a, err
	}
	if b, err = api.snapshotID(ctx, conn.GetId(), before); err != nil {
		return "", "", err
	}
	if after == "live" {
		a, err = p.takeLive(ctx, api, conn)
	} else {
		a, err = api.snapshotID(ctx, conn.GetId(), after)
	}
	return b, a, err
}

// takeLive takes the snapshot that "live" stands for.
func (p *program) takeLive(ctx context.Context, api *api, conn *imagov1.Connection) (string, error) {
	s, err := p.startSnapshot(ctx, api, conn, "verify")
	if err != nil {
		return "", err
	}
	s, err = p.awaitSnapshot(ctx, api, s)
	return s.GetId(), err
}

// compare shows each difference as it arrives, then the sum.
func (p *program) compare(ctx context.Context, api *api, req *imagov1.CompareRequest) error {
	s, err := api.snapshots.Compare(ctx, connect.NewRequest(req))
	if err != nil {
		return err
	}
	c := comparison{p: p}
	if err := errors.Join(receive(s, c.part), c.err); err != nil {
		return err
	}
	sum := c.sum
	if sum == nil {
		return connect.NewError(connect.CodeUnavailable, errCutOff)
	}
	if sum.GetCreated()+sum.GetUpdated()+sum.GetDeleted()+sum.GetUnknown() > 0 {
		return errIncomplete
	}
	return nil
}

// comparison is one answer as it arrives.
type comparison struct {
	p       *program
	unknown []*imagov1.Gap
	sum     *imagov1.CompareSummary
	err     error
}

// part shows a change at once, and the unknown together before the sum: a type that
// cannot be read is often unknown below each of its parents.
func (c *comparison) part(r *imagov1.CompareResponse) {
	if r.GetSummary() != nil {
		c.sum = r.GetSummary()
	}
	switch {
	case c.err != nil:
	case c.p.json:
		c.err = c.p.emitPart(r)
	case r.GetChange() != nil:
		c.p.showChange("", r.GetChange())
	case r.GetUnknown() != nil:
		c.unknown = append(c.unknown, r.GetUnknown())
	default:
		c.p.showUnknown(c.unknown)
		c.p.showSum(r.GetSummary())
	}
}

func (p *program) emitPart(r *imagov1.CompareResponse) error {
	switch {
	case r.GetChange() != nil:
		return p.emit("change", r.GetChange())
	case r.GetUnknown() != nil:
		return p.emit("unknown", r.GetUnknown())
	default:
		return p.emit("summary", r.GetSummary())
	}
}

// showUnknown shows what could not be compared: a type on a line, with the number of
// its parents.
func (p *program) showUnknown(gaps []*imagov1.Gap) {
	type kind struct{ typ, reason, detail string }
	parents := map[kind]int64{}
	var order []kind
	for _, g := range gaps {
		k := kind{g.GetType(), g.GetReason(), g.GetDetail()}
		if _, seen := parents[k]; !seen {
			order = append(order, k)
			parents[k] = 0
		}
		if g.GetParent() != "" {
			parents[k]++
		}
	}
	for _, k := range order {
		name := k.typ
		if n := parents[k]; n > 0 {
			name += " of " + count(n, "parent")
		}
		p.print("%s %s\n", p.paint(yellow, "? unknown"), gapLine(name, &imagov1.Gap{Reason: k.reason, Detail: k.detail}))
	}
}

func (p *program) showSum(s *imagov1.CompareSummary) {
	if s.GetCreated()+s.GetUpdated()+s.GetDeleted() == 0 {
		p.print("No difference in %s", count(s.GetCompared(), "object"))
	} else {
		p.print("%s created, %s updated, %s deleted, of %s", number(s.GetCreated()), number(s.GetUpdated()),
			number(s.GetDeleted()), count(s.GetCompared(), "object"))
	}
	if s.GetUnknown() > 0 {
		p.print("; %s could not be compared", count(s.GetUnknown(), "part"))
	}
	p.print(".\n")
}

// marks are how an operation is shown.
var marks = map[string]struct{ sign, color string }{
	"create": {"+", green}, "update": {"~", yellow}, "delete": {"-", red},
}

// showChange shows one change with its fields.
func (p *program) showChange(indent string, c *imagov1.Change) {
	m := marks[c.GetOp()]
	where := ""
	if c.GetParentLabel() != "" {
		where = " in " + c.GetParentLabel()
	}
	line := title(c.GetTypeTitle(), c.GetOp()) + " " + c.GetLabel() + where
	p.print("%s%s %s\n", indent, p.paint(m.color, m.sign+" "+clean(line)), p.paint(faint, clean(c.GetKey())))
	if c.GetOp() == "update" {
		p.showFields(indent+"    ", c.GetFields())
	}
}

// showFields shows what each field was and becomes.
func (p *program) showFields(indent string, fields []*imagov1.Field) {
	for _, f := range fields {
		p.print("%s%s\n", indent, clean(f.GetPath()))
		p.showValue(indent+"  ", "-", red, f.GetBefore())
		p.showValue(indent+"  ", "+", green, f.GetAfter())
	}
}

// longest is how much of a value is shown on a line; --json has all of it.
const longest = 400

func (p *program) showValue(indent, sign, color, value string) {
	if value == "" {
		return
	}
	if runes := []rune(value); len(runes) > longest {
		value = string(runes[:longest]) + "… (--json shows all of it)"
	}
	p.print("%s%s\n", indent, p.paint(color, sign+" "+clean(strings.TrimSpace(value))))
}
