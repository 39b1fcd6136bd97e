package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	imagov1 "imago/proto/imago/v1"
)

// saying is what one command says of findings.
type saying struct {
	verb, state, short string
	reason, until      string // of the flags
}

// sayings are the commands below `imago drift`, one for each state.
func sayings() []*saying {
	return []*saying{
		{verb: "ack", state: "acknowledged", short: "Say that somebody looks into findings"},
		{verb: "accept", state: "accepted", short: "Say that findings are as they should be, and why"},
		{verb: "snooze", state: "snoozed", short: "Put findings out of sight for a while, and say why"},
		{verb: "resolve", state: "resolved", short: "Say that findings are seen to"},
		{verb: "reopen", state: "open", short: "Open findings again"},
	}
}

func (p *program) sayCommand(s *saying) *cobra.Command {
	cmd := &cobra.Command{
		Use: s.verb + " FINDING…", Short: s.short, Example: example(s.example(), "by the first signs of its ID, as imago drift shows them"),
		Args: needArgs(-1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.say(cmd.Context(), args, *s) },
	}
	if s.state != "open" {
		cmd.Flags().StringVar(&s.reason, "reason", "", "why, in one line; it stands in the finding's history")
	}
	if s.state == "snoozed" {
		cmd.Flags().StringVar(&s.until, "for", "", "how long, such as 12h, 7d or 4w, or until when, such as 2026-12-01")
	}
	return cmd
}

func (s *saying) example() string {
	switch s.state {
	case "accepted":
		return `imago drift accept 8f0e2b71 --reason "Finance was merged"`
	case "snoozed":
		return `imago drift snooze 8f0e2b71 --for 7d --reason "waits for Payroll"`
	}
	return "imago drift " + s.verb + " 8f0e2b71"
}

// say says the same of each finding, and tells what became of it.
func (p *program) say(ctx context.Context, names []string, s saying) error {
	if len(names) == 0 {
		return withHint(usage("FINDING is missing"), "imago drift lists them")
	}
	until, err := s.end(p.Now())
	if err != nil {
		return err
	}
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, err := api.findingID(ctx, conn.GetId(), name)
		if err != nil {
			return err
		}
		res, err := api.drift.SetFindingState(ctx, connect.NewRequest(&imagov1.SetFindingStateRequest{
			FindingId: id, State: s.state, Reason: s.reason, Until: until,
		}))
		if err != nil {
			return err
		}
		if err := p.showSaid(res.Msg.GetFinding()); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) showSaid(f *imagov1.Finding) error {
	if p.json {
		return p.emit("finding", f)
	}
	until := ""
	if f.GetSnoozedUntil() != nil {
		until = " until " + stamp(f.GetSnoozedUntil())
	}
	p.print("Finding %s is %s%s.\n", short(f.GetId()), clean(f.GetState()), until)
	return nil
}

// end is when a snooze ends.
func (s saying) end(now time.Time) (*timestamppb.Timestamp, error) {
	if s.state != "snoozed" {
		return nil, nil
	}
	if s.until == "" {
		return nil, withHint(usage("--for is missing"), "say how long: 12h, 7d, 4w, or a day such as 2026-12-01")
	}
	if day, err := time.Parse(time.DateOnly, s.until); err == nil {
		return timestamppb.New(day), nil
	}
	units := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	unit := units[s.until[len(s.until)-1:]]
	n, err := strconv.Atoi(strings.TrimRight(s.until, "hdw"))
	if err != nil || unit == 0 || n < 1 || n > 9000 {
		return nil, withHint(usage("--for %q is no length of time and no day", s.until), "write 12h, 7d, 4w, or 2026-12-01")
	}
	return timestamppb.New(now.Add(time.Duration(n) * unit)), nil
}
