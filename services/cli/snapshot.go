package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) snapshotCommand() *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use:   "snapshot [CONNECTION]",
		Short: "Take a snapshot now",
		Long: "snapshot takes a snapshot of the org and shows how it goes. It ends with exit code 3\n" +
			"when the snapshot has gaps: parts of the org that could not be read, each with its\n" +
			"reason. A gap is never taken for a deletion. Interrupting the command does not stop\n" +
			"the snapshot.",
		Example: example(
			"imago snapshot", "take one and watch it",
			"imago snapshot acme --detach", "only start it",
			"imago snapshot --json | jq 'select(.type == \"snapshot\").objects'", "for a program"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.snapshot(cmd.Context(), args, detach) },
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "start it and do not wait")
	cmd.AddCommand(p.pinCommand(), p.unpinCommand(), p.giveUpCommand())
	return cmd
}

func (p *program) snapshot(ctx context.Context, args []string, detach bool) error {
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	started, err := p.startSnapshot(ctx, api, conn, "manual")
	if err != nil {
		return err
	}
	if detach {
		if p.json {
			return p.emit("snapshot", started)
		}
		p.print("%s\n", started.GetId())
		return nil
	}
	s, err := p.awaitSnapshot(ctx, api, started)
	if err != nil {
		return err
	}
	return p.showTaken(s)
}

func (p *program) startSnapshot(ctx context.Context, api *api, conn *imagov1.Connection, trigger string) (*imagov1.Snapshot, error) {
	res, err := api.snapshots.TakeSnapshot(ctx, connect.NewRequest(&imagov1.TakeSnapshotRequest{ConnectionId: conn.GetId(), Trigger: trigger}))
	if err != nil {
		return nil, err
	}
	p.notice("taking snapshot %s of %s", short(res.Msg.GetSnapshot().GetId()), conn.GetName())
	return res.Msg.GetSnapshot(), nil
}

// awaitSnapshot shows how a snapshot goes until it has ended; a failed one is an error.
func (p *program) awaitSnapshot(ctx context.Context, api *api, s *imagov1.Snapshot) (*imagov1.Snapshot, error) {
	progress := &snapshotProgress{live: live{p: p}, told: map[string]bool{}}
	last, err := watch(ctx, p,
		func(ctx context.Context) (*connect.ServerStreamForClient[imagov1.WatchSnapshotResponse], error) {
			return api.snapshots.WatchSnapshot(ctx, connect.NewRequest(&imagov1.WatchSnapshotRequest{SnapshotId: s.GetId()}))
		},
		(*imagov1.WatchSnapshotResponse).GetSnapshot, snapshotEnded, progress.show)
	progress.end()
	if err := errors.Join(err, progress.err); err != nil {
		return nil, err
	}
	if last.GetState() == "failed" {
		return nil, problemError(last.GetProblem(), "the snapshot failed")
	}
	return last, nil
}

func snapshotEnded(s *imagov1.Snapshot) bool { return opens(s) || s.GetState() == "failed" }

// snapshotProgress shows a snapshot under way: on a terminal a block that is drawn
// over, elsewhere a line for each type when it is done.
type snapshotProgress struct {
	live
	told map[string]bool
	err  error // in printing a line for programs
}

// rateLimit is what a snapshot waits for that names nothing else.
const rateLimit = "the org's rate limit"

func (sp *snapshotProgress) show(s *imagov1.Snapshot) {
	sp.tellWait(s)
	if sp.p.Live {
		sp.draw(sp.block(s))
		return
	}
	for _, t := range s.GetTypes() {
		if t.GetDone() && !sp.told[t.GetType()] {
			sp.told[t.GetType()] = true
			sp.p.notice("%s", typeLine(t))
		}
	}
}

// waitLine is a wait for programs.
type waitLine struct {
	Type       string `json:"type"` // "waiting"
	SnapshotID string `json:"snapshot_id"`
	WaitsFor   string `json:"waits_for"`
	WaitsUntil string `json:"waits_until,omitempty"` // absent: it tries again now
}

// tellWait tells what a snapshot waits for where no block shows it: once for each thing
// that holds it up, however often it is tried again in vain.
func (sp *snapshotProgress) tellWait(s *imagov1.Snapshot) {
	waits := sp.p.waits(s)
	key := waits
	if s.GetWaitsFor() != "" {
		key = fmt.Sprint(s.GetWaitsFor(), s.GetCalls())
	}
	if waits == "" || sp.told[key] {
		return
	}
	sp.told[key] = true
	switch {
	case sp.p.json:
		line := waitLine{"waiting", s.GetId(), cmp.Or(s.GetWaitsFor(), rateLimit), moment(s.GetWaitsUntil())}
		sp.end()
		sp.err = errors.Join(sp.err, sp.p.emitValue(line))
	case !sp.p.Live:
		sp.p.notice("%s", waits)
	}
}

func (sp *snapshotProgress) end() {
	if sp.p.Live {
		sp.clear()
	}
}

// block is what is drawn: a bar over the types, and the types under way.
func (sp *snapshotProgress) block(s *imagov1.Snapshot) []string {
	done := 0
	var busy []string
	for _, t := range s.GetTypes() {
		if t.GetDone() {
			done++
		} else if t.GetObjects() > 0 || t.GetCalls() > 0 {
			busy = append(busy, "  "+typeLine(t))
		}
	}
	head := fmt.Sprintf("%s %d of %s, %s, %s", bar(done, len(s.GetTypes())), done,
		count(int64(len(s.GetTypes())), "type"), count(s.GetObjects(), "object"), count(s.GetCalls(), "call"))
	if waits := sp.p.waits(s); waits != "" { // on a line of its own, so that it is not cut
		busy = append(busy, "  "+waits)
	}
	return append([]string{head}, busy...)
}

// waits tells until when a snapshot waits, and for what; "" if it does not. The reason
// comes last: it may be cut.
func (p *program) waits(s *imagov1.Snapshot) string {
	until, ahead := s.GetWaitsUntil(), s.GetWaitsUntil().AsTime().After(p.Now())
	switch {
	case s.GetWaitsFor() != "" && ahead:
		return "trying again at " + until.AsTime().UTC().Format("15:04:05 UTC") + ": " + s.GetWaitsFor()
	case s.GetWaitsFor() != "":
		return "trying again now: " + s.GetWaitsFor()
	case ahead:
		return "waits for " + rateLimit + " until " + stamp(until)
	}
	return ""
}

// bar draws how much is done in twenty cells.
func bar(done, all int) string {
	const cells = 20
	filled := 0
	if all > 0 {
		filled = cells * done / all
	}
	return strings.Repeat("█", filled) + strings.Repeat("░", cells-filled)
}

func typeLine(t *imagov1.SnapshotType) string {
	if absent(t) {
		return title(t.GetTitle(), t.GetType()) + ": not in this org"
	}
	line := fmt.Sprintf("%s: %s, %s", title(t.GetTitle(), t.GetType()), count(t.GetObjects(), "object"), count(t.GetCalls(), "call"))
	if n := len(missing(t)); n > 0 {
		line += ", " + count(int64(n), "gap")
	}
	return line
}

// showTaken shows a snapshot that was taken, and ends with incomplete if it has gaps.
func (p *program) showTaken(s *imagov1.Snapshot) error {
	if err := p.showSnapshot(s); err != nil {
		return err
	}
	if s.GetState() == "partial" {
		return errIncomplete
	}
	return nil
}

// showSnapshot shows types, counts, size, calls and gaps.
func (p *program) showSnapshot(s *imagov1.Snapshot) error {
	if p.json {
		return p.emit("snapshot", s)
	}
	p.table(typeRows(s), 1, 2, 3)
	p.print("\nSnapshot %s %s: %s in %s, %s stored (%s before compression), %s", short(s.GetId()), p.state(s.GetState()),
		count(s.GetObjects(), "object"), took(s), size(s.GetStoredBytes()), size(s.GetPlainBytes()), count(s.GetCalls(), "API call"))
	p.print(", %s.\n", count(int64(len(allGaps(s))), "gap"))
	var none []string
	for _, t := range s.GetTypes() {
		for _, g := range missing(t) {
			p.print("  %s %s\n", p.paint(yellow, "gap"), gapLine(title(t.GetTitle(), t.GetType()), g))
		}
		if absent(t) {
			none = append(none, title(t.GetTitle(), t.GetType()))
		}
	}
	if len(none) > 0 {
		p.print("  not in this org: %s\n", strings.Join(none, ", "))
	}
	return nil
}

func typeRows(s *imagov1.Snapshot) [][]string {
	rows := [][]string{{"TYPE", "OBJECTS", "CALLS", "GAPS"}}
	for _, t := range s.GetTypes() {
		if absent(t) {
			continue
		}
		gaps := "-"
		if n := len(missing(t)); n > 0 {
			gaps = fmt.Sprint(n)
		}
		rows = append(rows, []string{title(t.GetTitle(), t.GetType()), number(t.GetObjects()), number(t.GetCalls()), gaps})
	}
	return rows
}

// allGaps are what the snapshot lacks of what the org has.
func allGaps(s *imagov1.Snapshot) (gaps []*imagov1.Gap) {
	for _, t := range s.GetTypes() {
		gaps = append(gaps, missing(t)...)
	}
	return gaps
}

// notLicensed is the reason of a gap behind which there is nothing: the org has not
// got the feature.
const notLicensed = "not_licensed"

// missing are the gaps behind which there may be something.
func missing(t *imagov1.SnapshotType) []*imagov1.Gap {
	return slices.DeleteFunc(slices.Clone(t.GetGaps()), func(g *imagov1.Gap) bool { return g.GetReason() == notLicensed })
}

// absent reports whether the org has nothing of the type, for want of a feature.
func absent(t *imagov1.SnapshotType) bool {
	return t.GetObjects() == 0 && len(t.GetGaps()) > 0 && len(missing(t)) == 0
}

// gapLine says what is missing of the type with that title, and why.
func gapLine(title string, g *imagov1.Gap) string {
	place := title
	if g.GetParent() != "" {
		place += " of " + g.GetParent()
	}
	return clean(fmt.Sprintf("%s: %s: %s", place, strings.ReplaceAll(g.GetReason(), "_", " "), strings.TrimPrefix(g.GetDetail(), title+": ")))
}

// took is how long a snapshot took.
func took(s *imagov1.Snapshot) string {
	if s.GetStartedAt() == nil || s.GetEndedAt() == nil {
		return "-"
	}
	d := s.GetEndedAt().AsTime().Sub(s.GetStartedAt().AsTime())
	return d.Round(100 * time.Millisecond).String()
}

func (p *program) snapshotsCommand() *cobra.Command {
	var limit int
	var points, why bool
	cmd := &cobra.Command{
		Use:   "snapshots [CONNECTION]",
		Short: "List the snapshots of a connection, newest first",
		Long: "snapshots lists what was taken of the whole org. Between two of those there may be\n" +
			"points, which hold what the org's log named a minute before: --points lists them too.\n" +
			"A point is browsed, compared and restored from as any other snapshot.",
		Example: example(
			"imago snapshots", "list them",
			"imago snapshots --points", "and what changed in between",
			"imago snapshots --why", "with all that keeps each",
			"imago snapshots --json | jq -r .location", "where they lie in the bucket"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.snapshots(cmd.Context(), args, limit, points, why)
		},
	}
	cmd.Flags().BoolVar(&points, "points", false, "points too")
	cmd.Flags().BoolVar(&why, "why", false, "tell all that keeps each, and until when")
	limitFlag(cmd, &limit, 50)
	return cmd
}

func (p *program) snapshots(ctx context.Context, args []string, limit int, points, why bool) error {
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	var list []*imagov1.Snapshot
	err = api.eachSnapshot(ctx, conn.GetId(), points, func(s *imagov1.Snapshot) bool {
		list = append(list, s)
		return limit == 0 || len(list) < limit
	})
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "snapshot", list)
	}
	return p.showSnapshots(list, why)
}

func (p *program) showSnapshots(list []*imagov1.Snapshot, why bool) error {
	if len(list) == 0 {
		p.notice("there is no snapshot yet: imago snapshot takes one")
		return nil
	}
	rows := [][]string{{"ID", "TAKEN", "STATE", "BY", "OBJECTS", "STORED", "GAPS", "KEPT"}}
	kept := keeps
	if why {
		kept = keepsAll
	}
	for _, s := range list {
		rows = append(rows, []string{
			short(s.GetId()), stamp(s.GetCreatedAt()), s.GetState(), s.GetTrigger(),
			number(s.GetObjects()), size(s.GetStoredBytes()), fmt.Sprint(len(allGaps(s))), kept(s),
		})
	}
	p.table(rows, 4, 5, 6)
	return nil
}
