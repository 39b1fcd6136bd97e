package cli

import (
	"context"
	"regexp"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// drifting are the flags of `imago drift`.
type drifting struct {
	watch   bool
	resolve bool
	limit   int
}

func (p *program) driftCommand() *cobra.Command {
	var d drifting
	cmd := &cobra.Command{
		Use:   "drift [FINDING…]",
		Short: "Show what changed in the org: what, who, when, from where",
		Long: "drift lists the open findings of the drift monitor, newest first, or shows some in\n" +
			"full. The exit code is 3 when there are any. A finding is open until somebody has\n" +
			"seen to it and says so (imago drift resolve, ack, accept or snooze).",
		Example: example(
			"imago drift", "list the findings",
			"imago drift 8f0e2b71", "one finding, with every field",
			"imago drift 8f0e2b71 --resolve", "it is seen to",
			"imago drift --watch", "go on, and print each new one as it is found"),
		Args: needArgs(-1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.drift(cmd.Context(), args, d) },
	}
	cmd.Flags().BoolVar(&d.watch, "watch", false, "go on, and print each new finding as it is found")
	cmd.Flags().BoolVar(&d.resolve, "resolve", false, "say that the findings are seen to")
	limitFlag(cmd, &d.limit, 50)
	for _, s := range sayings() {
		cmd.AddCommand(p.sayCommand(s))
	}
	return cmd
}

func (p *program) drift(ctx context.Context, args []string, d drifting) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return p.someFindings(ctx, api, conn, args, d.resolve)
	}
	if d.resolve {
		return withHint(usage("FINDING is missing"), "imago drift lists them")
	}
	found, newest, err := api.findings(ctx, conn.GetId(), "", d.limit)
	if err != nil {
		return err
	}
	if err := p.showFindings(found); err != nil {
		return err
	}
	if d.watch {
		return p.watchFindings(ctx, api, conn, newest)
	}
	if len(found) > 0 {
		return errIncomplete
	}
	p.notice("no drift in %s, whose log was read %s", conn.GetName(), p.ago(conn.GetFollowedAt()))
	return nil
}

// findings lists up to limit open findings that are newer than one, newest first; 0 lists
// all. It gives the newest there is, open or not. IDs are in the order of finding.
func (a *api) findings(ctx context.Context, connection, after string, limit int) (found []*imagov1.Finding, newest string, err error) {
	newest = after
	err = a.eachFinding(ctx, connection, func(f *imagov1.Finding) bool {
		if f.GetId() <= after {
			return false
		}
		newest = max(newest, f.GetId())
		if f.GetState() == "open" {
			found = append(found, f)
		}
		return limit == 0 || len(found) < limit
	})
	return found, newest, err
}

// someFindings shows findings in full, or says that they are seen to.
func (p *program) someFindings(ctx context.Context, api *api, conn *imagov1.Connection, names []string, resolve bool) error {
	var found []*imagov1.Finding
	for _, name := range names {
		id, err := api.findingID(ctx, conn.GetId(), name)
		if err != nil {
			return err
		}
		f, err := api.finding(ctx, id, resolve)
		if err != nil {
			return err
		}
		found = append(found, f)
	}
	if resolve && !p.json {
		for _, f := range found {
			p.print("Finding %s is %s.\n", short(f.GetId()), clean(f.GetState()))
		}
		return nil
	}
	if err := p.showFindings(found); err != nil || resolve {
		return err
	}
	return errIncomplete
}

// finding reads one finding; resolve says that it is seen to.
func (a *api) finding(ctx context.Context, id string, resolve bool) (*imagov1.Finding, error) {
	if !resolve {
		res, err := a.drift.GetFinding(ctx, connect.NewRequest(&imagov1.GetFindingRequest{FindingId: id}))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetFinding(), nil
	}
	res, err := a.drift.ResolveFinding(ctx, connect.NewRequest(&imagov1.ResolveFindingRequest{FindingId: id}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetFinding(), nil
}

// watchFindings prints findings that come after the newest known, until interrupted.
func (p *program) watchFindings(ctx context.Context, api *api, conn *imagov1.Connection, newest string) error {
	for tries := 0; ; {
		if err := p.Wait(ctx, 2*time.Second); err != nil {
			return err
		}
		found, last, err := api.findings(ctx, conn.GetId(), newest, 0)
		if tries++; err != nil && (connect.CodeOf(err) != connect.CodeUnavailable || tries > patience) {
			return err
		} else if err != nil {
			continue
		}
		tries, newest = 0, last
		if err := p.showFindings(found); err != nil {
			return err
		}
	}
}

func (p *program) showFindings(found []*imagov1.Finding) error {
	if p.json {
		return emitAll(p, "finding", found)
	}
	for i, f := range found {
		if i > 0 {
			p.print("\n")
		}
		p.showFinding(f)
	}
	return nil
}

// severities are how bad a finding is, in colour.
var severities = map[string]string{"critical": red, "high": red, "medium": yellow, "low": faint}

// showFinding answers what, who, when, from where.
func (p *program) showFinding(f *imagov1.Finding) {
	p.print("%s  %s  %s\n", p.paint(severities[f.GetSeverity()], clean(f.GetSeverity())), p.paint(bold, clean(f.GetTitle())), p.paint(faint, short(f.GetId())))
	say := func(word, what string) {
		if what != "" {
			p.print("  %-6s %s\n", word, clean(what))
		}
	}
	a := f.GetAttribution()
	say("what", f.GetSentence())
	say("who", who(a))
	say("when", stamp(a.GetTime()))
	say("where", where(a))
	say("found", stamp(f.GetFoundAt()))
	p.showChange("  ", f.GetChange())
	for _, c := range f.GetConsequences() {
		p.print("  and %s\n", clean(c))
	}
	if command := p.undo(f); command != "" {
		p.print("  %s %s\n", p.paint(faint, "undo"), command)
	}
}

// Words that a shell takes as they stand, and keys of which the same is true.
var (
	shellWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/-]*$`)
	shellKey  = regexp.MustCompile(`^[a-z_]+(/[A-Za-z0-9_.~:-]+)+$`)
)

// undo is the command that plans to put a resource back as the snapshot holds it that it
// was compared with, as the alert mails have it; "" if no snapshot holds it, or if the
// command could not be pasted as it stands.
func (p *program) undo(f *imagov1.Finding) string {
	change := f.GetChange()
	if op := change.GetOp(); op != "delete" && op != "update" || !shellKey.MatchString(change.GetKey()) {
		return ""
	}
	command := "imago restore plan"
	if shellWord.MatchString(p.connection) {
		command += " --connection " + p.connection
	}
	if shellWord.MatchString(f.GetSnapshotId()) {
		command += " --snapshot " + f.GetSnapshotId()
	}
	return command + " " + change.GetKey()
}

func who(a *imagov1.Attribution) string {
	switch {
	case a.GetActor() == "":
		return "unknown: the org's log does not say"
	case !a.GetCertain():
		return a.GetActor() + " (not certain: the log names more than one)"
	default:
		return a.GetActor()
	}
}

func where(a *imagov1.Attribution) string {
	var parts []string
	for _, s := range []string{a.GetIp(), a.GetPlace(), a.GetUserAgent()} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}
