package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Put back what you choose: plan, approve, apply, verify",
		Long: "A restore is planned against the org as it is now, and writes nothing until you have\n" +
			"approved the plan by its digest and activated the write app in the org. Afterwards\n" +
			"Imago reads the org again, verifies, and waits until the write app is deactivated.",
		Example: example(
			"imago restore plan group:Finance", "1. plan, and read the plan",
			"imago restore approve latest --digest sha256:…", "2. approve exactly that plan",
			"imago restore apply latest", "3. apply it"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.planCommand(), p.restoreShowCommand(), p.restoreListCommand(),
		p.approveCommand(), p.applyCommand(), p.cancelCommand(), p.closeCommand())
	return cmd
}

// planning are the flags of `imago restore plan`.
type planning struct {
	snapshot string
	only     bool
	exclude  []string
	detach   bool
}

func (p *program) planCommand() *cobra.Command {
	var f planning
	cmd := &cobra.Command{
		Use:   "plan KEY…",
		Short: "Plan a restore against the org as it is now; nothing is written",
		Long: "plan compares what you choose, and what hangs on it, with the org as it is now, and\n" +
			"shows every write that would bring it back, in order. A key is TYPE:NAME, or TYPE/ID\n" +
			"as imago browse and the alert mails show it.",
		Example: example(
			"imago restore plan group:Finance", "a group, its members, app assignments, and what referred to it",
			"imago restore plan group:Finance --only", "the group alone",
			"imago restore plan group/00g1gjh63g214q0Hq0g4 --snapshot 8f0e2b71", "from an older snapshot"),
		Args: needArgs(-1, "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.plan(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.snapshot, "snapshot", "latest", "which snapshot: an ID, the beginning or end of one, or latest")
	flags.BoolVar(&f.only, "only", false, "leave out what hangs on the chosen")
	flags.StringSliceVar(&f.exclude, "exclude", nil, "keys to leave out")
	flags.BoolVar(&f.detach, "detach", false, "start planning and do not wait")
	return cmd
}

func (p *program) plan(ctx context.Context, keys []string, f planning) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	snapshot, err := api.snapshotID(ctx, conn.GetId(), f.snapshot)
	if err != nil {
		return err
	}
	res, err := api.restores.PlanRestore(ctx, connect.NewRequest(&imagov1.PlanRestoreRequest{
		SnapshotId: snapshot, ConnectionId: conn.GetId(),
		Selection: &imagov1.Selection{Keys: keys, Only: f.only, Exclude: f.exclude},
	}))
	if err != nil {
		return err
	}
	r := res.Msg.GetRestore()
	if !f.detach {
		p.notice("planning restore %s against %s", short(r.GetId()), conn.GetOrgUrl())
		r, err = p.awaitRestore(ctx, api, r.GetId(), planEnded, func(*imagov1.Restore) {})
		if err != nil {
			return err
		}
	}
	return p.showPlanned(r)
}

func planEnded(r *imagov1.Restore) bool { return r.GetState() != "planning" }

// showPlanned shows the plan and how to go on; a failed one is an error.
func (p *program) showPlanned(r *imagov1.Restore) error {
	if r.GetState() == "failed" {
		return problemError(r.GetProblem(), "the restore could not be planned")
	}
	if err := p.showRestore(r); err != nil {
		return err
	}
	if r.GetState() == "planned" && len(r.GetPlan().GetSteps()) > 0 {
		p.notice("approve it with: imago restore approve %s --digest %s", short(r.GetId()), r.GetPlanDigest())
	}
	return nil
}

// awaitRestore follows a restore until it has come as far as ended wants.
func (p *program) awaitRestore(ctx context.Context, api *api, id string, ended func(*imagov1.Restore) bool, show func(*imagov1.Restore)) (*imagov1.Restore, error) {
	return watch(ctx, p,
		func(ctx context.Context) (*connect.ServerStreamForClient[imagov1.WatchRestoreResponse], error) {
			return api.restores.WatchRestore(ctx, connect.NewRequest(&imagov1.WatchRestoreRequest{RestoreId: id}))
		},
		new(followed).take, ended, show)
}

// followed is a restore whose plan is told once, and then how far its steps are.
type followed struct{ plan *imagov1.Plan }

// take gives the whole restore after a message.
func (f *followed) take(m *imagov1.WatchRestoreResponse) *imagov1.Restore {
	r := m.GetRestore()
	if r.GetPlan() != nil {
		f.plan = r.GetPlan()
	}
	for _, now := range m.GetProgress() {
		for _, s := range f.plan.GetSteps() {
			if s.GetN() == now.GetN() {
				s.State, s.Problem, s.NewId = now.GetState(), now.GetProblem(), now.GetNewId()
			}
		}
	}
	r.Plan = f.plan
	return r
}

// restoreArg finds the restore that an argument names.
func (p *program) restoreArg(ctx context.Context, args []string) (*api, *imagov1.Connection, string, error) {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return nil, nil, "", err
	}
	name := "latest"
	if len(args) > 0 {
		name = args[0]
	}
	id, err := api.restoreID(ctx, conn.GetId(), name)
	return api, conn, id, err
}

func (p *program) restoreShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show [RESTORE]",
		Short: "Show a restore: its plan, how far it is, its receipt",
		Example: example(
			"imago restore show", "the latest",
			"imago restore show 8f0e2b71 --json", "for a program"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, _, id, err := p.restoreArg(cmd.Context(), args)
			if err != nil {
				return err
			}
			res, err := api.restores.GetRestore(cmd.Context(), connect.NewRequest(&imagov1.GetRestoreRequest{RestoreId: id}))
			if err != nil {
				return err
			}
			return p.showRestore(res.Msg.GetRestore())
		},
	}
}

func (p *program) restoreListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the restores of a connection, newest first",
		Example: example("imago restore list", "list them"),
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.restores(cmd.Context()) },
	}
}

func (p *program) restores(ctx context.Context) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	var list []*imagov1.Restore
	err = api.eachRestore(ctx, conn.GetId(), func(r *imagov1.Restore) bool {
		list = append(list, r)
		return true
	})
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "restore", list)
	}
	rows := [][]string{{"ID", "PLANNED", "STATE", "SNAPSHOT", "APPROVED BY"}}
	for _, r := range list {
		rows = append(rows, []string{short(r.GetId()), stamp(r.GetCreatedAt()), r.GetState(), short(r.GetSnapshotId()), r.GetApprovedBy()})
	}
	p.table(rows)
	return nil
}

func (p *program) approveCommand() *cobra.Command {
	var digest string
	cmd := &cobra.Command{
		Use:     "approve [RESTORE] --digest DIGEST",
		Short:   "Approve exactly the plan that has this digest",
		Example: example("imago restore approve 8f0e2b71 --digest sha256:2c26b46b68ff…", "approve what you have read"),
		Args:    maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if digest == "" {
				return withHint(usage("--digest is missing"), "imago restore show prints the plan and its digest")
			}
			return p.approve(cmd.Context(), args, digest)
		},
	}
	cmd.Flags().StringVar(&digest, "digest", "", "the digest of the plan, as imago restore plan shows it")
	return cmd
}

func (p *program) approve(ctx context.Context, args []string, digest string) error {
	api, _, id, err := p.restoreArg(ctx, args)
	if err != nil {
		return err
	}
	res, err := api.restores.ApproveRestore(ctx, connect.NewRequest(&imagov1.ApproveRestoreRequest{RestoreId: id, Digest: digest}))
	if err != nil {
		return err
	}
	r := res.Msg.GetRestore()
	if p.json {
		return p.emit("restore", r)
	}
	p.print("Restore %s is approved by %s.\n", short(id), clean(r.GetApprovedBy()))
	p.notice("apply it with: imago restore apply %s", short(id))
	return nil
}

func (p *program) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "cancel [RESTORE]",
		Short:   "End a restore before anything of it was written",
		Example: example("imago restore cancel 8f0e2b71", "end it"),
		Args:    maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, _, id, err := p.restoreArg(cmd.Context(), args)
			if err != nil {
				return err
			}
			res, err := api.restores.CancelRestore(cmd.Context(), connect.NewRequest(&imagov1.CancelRestoreRequest{RestoreId: id}))
			if err != nil {
				return err
			}
			if p.json {
				return p.emit("restore", res.Msg.GetRestore())
			}
			p.print("Restore %s is %s.\n", short(id), p.state(res.Msg.GetRestore().GetState()))
			return nil
		},
	}
}

func (p *program) applyCommand() *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use:   "apply [RESTORE]",
		Short: "Apply an approved plan, verify it, and close the write window",
		Long: "apply carries out the approved plan. It waits for you to activate the write app in the\n" +
			"org, shows each step, verifies by reading the org again, and waits for you to\n" +
			"deactivate the write app. Interrupting the command does not stop the restore; imago\n" +
			"restore apply goes on showing it. The exit code is 3 when the restore stopped, or the\n" +
			"org differs from what was to be restored.",
		Example: example(
			"imago restore apply latest", "apply and watch",
			"imago restore apply latest --detach", "only start it"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.apply(cmd.Context(), args, detach) },
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "start it and do not wait")
	return cmd
}

func (p *program) apply(ctx context.Context, args []string, detach bool) error {
	api, conn, id, err := p.restoreArg(ctx, args)
	if err != nil {
		return err
	}
	r, err := p.startRestore(ctx, api, id)
	if err != nil {
		return err
	}
	if !detach && !restoreEnded(r) {
		progress := &restoreProgress{live: live{p: p}, conn: conn, told: map[int32]string{}}
		r, err = p.awaitRestore(ctx, api, id, restoreEnded, progress.show)
		progress.end()
		if err != nil {
			return err
		}
	}
	if r.GetState() == "failed" {
		return problemError(r.GetProblem(), "the restore failed")
	}
	return p.showApplied(r)
}

// startRestore starts an approved restore; one that is under way is only shown.
func (p *program) startRestore(ctx context.Context, api *api, id string) (*imagov1.Restore, error) {
	res, err := api.restores.GetRestore(ctx, connect.NewRequest(&imagov1.GetRestoreRequest{RestoreId: id}))
	if err != nil {
		return nil, err
	}
	switch res.Msg.GetRestore().GetState() {
	case "waiting", "applying", "verifying", "verified", "closing":
		return res.Msg.GetRestore(), nil
	}
	applied, err := api.restores.ApplyRestore(ctx, connect.NewRequest(&imagov1.ApplyRestoreRequest{RestoreId: id}))
	if err != nil {
		return nil, err
	}
	return applied.Msg.GetRestore(), nil
}

func restoreEnded(r *imagov1.Restore) bool {
	switch r.GetState() {
	case "closed", "stopped", "failed", "cancelled":
		return true
	}
	return false
}

// showApplied shows the receipt, and ends with incomplete if something is missing.
func (p *program) showApplied(r *imagov1.Restore) error {
	if p.json {
		if err := p.emit("restore", r); err != nil {
			return err
		}
	} else {
		p.showOutcome(r)
	}
	if r.GetState() == "stopped" || r.GetReceipt().GetFailed() > 0 || len(r.GetReceipt().GetDifferences()) > 0 {
		return errIncomplete
	}
	return nil
}

// restoreProgress tells how a restore goes: each step when its state changes, and
// what the person has to do in the org.
type restoreProgress struct {
	live
	conn  *imagov1.Connection
	state string
	told  map[int32]string
	held  string // what was last told to hold it up
}

func (rp *restoreProgress) show(r *imagov1.Restore) {
	rp.end()
	if rp.state != r.GetState() && r.GetState() == "applying" { // before its steps; the others come after them
		rp.state = r.GetState()
		rp.turn(r)
	}
	for _, s := range r.GetPlan().GetSteps() {
		if state := s.GetState(); state != rp.told[s.GetN()] && state != "pending" && state != "begun" && state != "" {
			rp.told[s.GetN()] = state
			rp.p.notice("%s", stepOutcome(s))
		}
	}
	if rp.state != r.GetState() {
		rp.state = r.GetState()
		rp.turn(r)
	}
	rp.tellHold(r)
	if steps := len(r.GetPlan().GetSteps()); rp.p.Live && r.GetState() == "applying" {
		done := int(r.GetStepsDone())
		rp.draw([]string{fmt.Sprintf("%s %d of %s", bar(done, steps), done, count(int64(steps), "step"))})
	}
}

// tellHold tells what holds up a restore that is under way: once, until it gets on.
func (rp *restoreProgress) tellHold(r *imagov1.Restore) {
	held := ""
	if r.GetState() == "applying" || r.GetState() == "verifying" {
		held = r.GetProblem().GetWhat()
	}
	if held != "" && held != rp.held {
		rp.p.notice("trying again: %s", held)
	}
	rp.held = held
}

func (rp *restoreProgress) end() {
	if rp.p.Live {
		rp.clear()
	}
}

// turn says what a new state asks of the person.
func (rp *restoreProgress) turn(r *imagov1.Restore) {
	app, org := "the write app", rp.conn.GetOrgUrl()
	if c := credential(rp.conn, "write"); c.GetClientId() != "" {
		app += " " + c.GetClientId()
	}
	if rp.conn.GetDemo() != "" {
		org += " (imago demo open-app, imago demo close-app)"
	}
	switch rp.state {
	case "waiting":
		rp.p.notice("waiting: activate %s in %s now", app, org)
	case "applying":
		rp.p.notice("applying")
	case "verifying":
		rp.p.notice("verifying: reading the org again")
	case "closing":
		rp.p.notice("closing: deactivate %s in %s now", app, org)
	case "closed":
		rp.p.notice("closed: %s", proofOf(r))
	}
}

// proofOf says how it is known that a window is shut.
func proofOf(r *imagov1.Restore) string {
	if by := r.GetClosedBy(); by != "" {
		return clean(by) + " said that the write app is off"
	}
	return "the org refuses the write app"
}

func stepOutcome(s *imagov1.Step) string {
	line := fmt.Sprintf("step %d: %s", s.GetN(), stepLine(s))
	switch {
	case s.GetProblem() != "":
		return line + ": " + s.GetState() + ": " + s.GetProblem()
	case s.GetNewId() != "":
		return line + ": " + s.GetState() + ", now " + s.GetNewId()
	default:
		return line + ": " + s.GetState()
	}
}

// stepLine says what a step does: "create group Finance".
func stepLine(s *imagov1.Step) string {
	line := s.GetOp() + " " + title(s.GetTypeTitle(), s.GetKey()) + " " + s.GetLabel()
	if s.GetParentLabel() != "" {
		line += " in " + s.GetParentLabel()
	}
	return line
}

// showRestore shows the plan as a person reads it, then how far the restore is.
func (p *program) showRestore(r *imagov1.Restore) error {
	if p.json {
		return p.emit("restore", r)
	}
	p.print("%s %s  %s\n", p.paint(bold, "Restore"), short(r.GetId()), p.state(r.GetState()))
	p.print("from snapshot %s, planned %s\n", short(r.GetSnapshotId()), stamp(r.GetCreatedAt()))
	if r.GetPlan() != nil {
		p.print("\n")
		p.showPlan(r.GetPlan())
	}
	if r.GetPlanDigest() != "" {
		p.print("\nPlan digest: %s\n", r.GetPlanDigest())
	}
	if r.GetApprovedBy() != "" {
		p.print("Approved by %s, %s\n", clean(r.GetApprovedBy()), stamp(r.GetApprovedAt()))
	}
	if r.GetReceipt() != nil || r.GetProblem() != nil {
		p.print("\n")
		p.showOutcome(r)
	}
	return nil
}

func (p *program) showPlan(plan *imagov1.Plan) {
	for _, w := range plan.GetWarnings() {
		p.print("%s %s\n", p.paint(yellow, "!"), clean(w))
	}
	for _, s := range plan.GetSteps() {
		p.showStep(s)
	}
	for _, l := range plan.GetLeftOut() {
		p.print("%s %s %s: %s\n", p.paint(yellow, "left out"), clean(l.GetLabel()), p.paint(faint, clean(l.GetKey())), clean(l.GetReason()))
	}
	if plan.GetIdentical() > 0 {
		p.print("%s already as they were.\n", count(int64(plan.GetIdentical()), "object"))
	}
	if len(plan.GetSteps()) == 0 {
		p.print("Nothing to do.\n")
	}
}

func (p *program) showStep(s *imagov1.Step) {
	m := marks[s.GetOp()]
	p.print("%4d %s %s", s.GetN(), p.paint(m.color, m.sign+" "+clean(stepLine(s))), p.paint(faint, clean(s.GetKey())))
	if s.GetState() != "" && s.GetState() != "pending" {
		p.print("  %s", p.state(s.GetState()))
	}
	p.print("\n")
	if s.GetWhy() != "" {
		p.print("       %s\n", p.paint(faint, clean(s.GetWhy())))
	}
	for _, w := range s.GetWarnings() {
		p.print("       %s %s\n", p.paint(yellow, "!"), clean(w))
	}
	if s.GetProblem() != "" {
		p.print("       %s %s\n", p.paint(red, "✗"), clean(s.GetProblem()))
	}
	p.showFields("       ", s.GetFields())
}

// showOutcome shows how a restore ended.
func (p *program) showOutcome(r *imagov1.Restore) {
	if err := problemError(r.GetProblem(), ""); err.Error() != "" {
		p.print("%s: %s\n", p.state(r.GetState()), clean(err.Error()))
		if h, ok := errors.AsType[*hinted](err); ok {
			p.print("  %s\n", clean(h.hint))
		}
	}
	receipt := r.GetReceipt()
	if receipt == nil {
		p.print("Restore %s is %s.\n", short(r.GetId()), p.state(r.GetState()))
		return
	}
	p.print("Restore %s %s: %s made, %s failed, %s skipped; %s verified, %s.\n", short(r.GetId()), p.state(r.GetState()),
		count(int64(receipt.GetMade()), "step"), number(int64(receipt.GetFailed())), number(int64(receipt.GetSkipped())),
		count(int64(receipt.GetVerified()), "object"), count(int64(len(receipt.GetDifferences())), "difference"))
	if receipt.GetPending() > 0 {
		p.print("Still to be made by the org itself: %s.\n", count(int64(receipt.GetPending()), "object"))
	}
	for _, c := range receipt.GetDifferences() {
		p.showChange("  ", c)
	}
	p.showWindow(r)
	if receipt.GetDigest() != "" {
		p.print("Receipt %s\n", clean(receipt.GetDigest()))
	}
}

// showWindow tells how long writing was possible.
func (p *program) showWindow(r *imagov1.Restore) {
	opened, closed := r.GetWindowOpenedAt(), r.GetWindowClosedAt()
	switch {
	case opened == nil:
	case closed == nil:
		p.print("The write window is open since %s.\n", stamp(opened))
	default:
		now := "see that the write app is deactivated"
		switch {
		case r.GetClosedBy() != "":
			now = clean(r.GetClosedBy()) + " said that the write app is off, the org was not asked"
		case r.GetState() == "closed": // any other end does not prove it
			now = "a write is refused now"
		}
		length := closed.AsTime().Sub(opened.AsTime()).Round(time.Second)
		p.print("The write window was open for %s, until %s; %s.\n", length, stamp(closed), now)
	}
}
