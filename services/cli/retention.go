package cli

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) pinCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "pin SNAPSHOT",
		Short:   "Keep a snapshot, whatever its age",
		Example: example("imago snapshot pin 4662e315", "keep it until somebody unpins it"),
		Args:    needArgs(1, "SNAPSHOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pin(cmd.Context(), args[0], func(ctx context.Context, api *api, id string) (*imagov1.Snapshot, error) {
				res, err := api.snapshots.PinSnapshot(ctx, connect.NewRequest(&imagov1.PinSnapshotRequest{SnapshotId: id}))
				if err != nil {
					return nil, err
				}
				return res.Msg.GetSnapshot(), nil
			})
		},
	}
}

func (p *program) unpinCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "unpin SNAPSHOT",
		Short:   "Have a snapshot's age decide again: what nothing else keeps is let go within a day",
		Example: example("imago snapshot unpin 4662e315", "let it grow old"),
		Args:    needArgs(1, "SNAPSHOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pin(cmd.Context(), args[0], func(ctx context.Context, api *api, id string) (*imagov1.Snapshot, error) {
				res, err := api.snapshots.UnpinSnapshot(ctx, connect.NewRequest(&imagov1.UnpinSnapshotRequest{SnapshotId: id}))
				if err != nil {
					return nil, err
				}
				return res.Msg.GetSnapshot(), nil
			})
		},
	}
}

func (p *program) pin(ctx context.Context, id string, set func(context.Context, *api, string) (*imagov1.Snapshot, error)) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	if id, err = api.snapshotID(ctx, conn.GetId(), id); err != nil {
		return err
	}
	s, err := set(ctx, api, id)
	if err != nil {
		return err
	}
	if p.json {
		return p.emit("snapshot", s)
	}
	p.print("Snapshot %s: %s.\n", short(s.GetId()), keeps(s))
	return nil
}

// keepsWords are the reasons to keep a snapshot that are of no time.
var keepsWords = map[string]string{
	"newest": "the newest", "last_complete": "the newest without a gap", "pinned": "pinned",
	"restore": "a restore is about it", "finding": "a finding points to it", "plan": "the plan keeps it",
	"change": "points of a day are kept", "locked": "the bucket locks it",
}

// keeps tells what keeps a snapshot longest, and until when; "-" for one that was not taken.
func keeps(s *imagov1.Snapshot) string {
	if !opens(s) {
		return "-"
	}
	reasons := s.GetKeptBecause()
	if len(reasons) == 0 {
		return "let go within a day"
	}
	// Those without an end come first, and the others last the longer the later they come.
	longest := reasons[len(reasons)-1]
	if s.GetKeptUntil() == nil {
		longest = reasons[0]
	}
	return clean(reason(longest))
}

// keepsAll tells all that keeps a snapshot.
func keepsAll(s *imagov1.Snapshot) string {
	var all []string
	for _, r := range s.GetKeptBecause() {
		all = append(all, reason(r))
	}
	if len(all) == 0 {
		return keeps(s)
	}
	return clean(strings.Join(all, "; "))
}

// reason spells one reason to keep a snapshot, and until when it holds.
func reason(r *imagov1.KeptBecause) string {
	word, ok := keepsWords[r.GetRule()]
	switch {
	case r.GetRule() == "change_hourly":
		word = "the first point of " + r.GetOf()
	case r.GetRule() == "least":
		word = "one of the newest " + r.GetOf()
	case !ok:
		word = r.GetRule() + " of " + r.GetOf()
	}
	if r.GetUntil() != nil {
		word += " until " + r.GetUntil().AsTime().UTC().Format("2006-01-02")
	}
	return word
}

func (p *program) retentionCommand() *cobra.Command {
	var thin, all bool
	cmd := &cobra.Command{
		Use:   "retention [CONNECTION]",
		Short: "Show or set which snapshots are kept, of those that the plan keeps",
		Long: "retention says whether a connection's snapshots are thinned as they grow old: then the\n" +
			"first of each hour is kept for a day, of each day for a week, of each week for a month\n" +
			"and of each month for a year. The newest three, the newest without a gap, pinned ones,\n" +
			"and what a restore or a finding needs stay either way. imago snapshots tells why each is kept.",
		Example: example(
			"imago retention", "show it",
			"imago retention acme --thin", "keep fewer of the older ones, from tomorrow on",
			"imago retention acme --all", "keep all that the plan keeps"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.retention(cmd.Context(), args, thin, all) },
	}
	cmd.Flags().BoolVar(&thin, "thin", false, "thin them as they grow old")
	cmd.Flags().BoolVar(&all, "all", false, "keep all that the plan keeps")
	return cmd
}

func (p *program) retention(ctx context.Context, args []string, thin, all bool) error {
	if thin && all {
		return usage("--thin and --all are opposites: say one of them")
	}
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	if thin || all {
		res, err := api.connections.SetRetention(ctx, connect.NewRequest(&imagov1.SetRetentionRequest{ConnectionId: conn.GetId(), Thin: thin}))
		if err != nil {
			return err
		}
		conn = res.Msg.GetConnection()
	}
	if p.json {
		return p.emit("connection", conn)
	}
	how := "all snapshots that the plan keeps"
	if conn.GetThin() {
		how = "hourly for a day, daily for a week, weekly for a month, monthly for a year"
	}
	p.print("%s: %s.\n", clean(conn.GetName()), how)
	return nil
}
