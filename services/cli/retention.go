package cli

import (
	"context"
	"errors"
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

func (p *program) giveUpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "give-up SNAPSHOT",
		Short: "Let go of a snapshot that is lost from the bucket for good",
		Long: "Let go of a snapshot whose manifest is not in the bucket any more, or damaged there.\n" +
			"While it is missed nothing is cleared away in its repository, and no data key of the\n" +
			"account is retired, so that bringing it back from the bucket's versions, or from a copy,\n" +
			"brings the snapshot back. When it is let go it cannot be brought back any more.\n\n" +
			"A snapshot that opens is not given up, nor is the newest of a connection.",
		Example: example("imago snapshot give-up 4662e315", "it is let go within a day"),
		Args:    needArgs(1, "SNAPSHOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pin(cmd.Context(), args[0], func(ctx context.Context, api *api, id string) (*imagov1.Snapshot, error) {
				res, err := api.snapshots.GiveUpSnapshot(ctx, connect.NewRequest(&imagov1.GiveUpSnapshotRequest{SnapshotId: id}))
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
	if s.GetGivenUpAt() != nil {
		return "given up as lost, and let go within a day"
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

// wantedRetention is what is asked for of a connection's snapshots.
type wantedRetention struct{ thin, all, dry, points bool }

func (p *program) retentionCommand() *cobra.Command {
	var w wantedRetention
	cmd := &cobra.Command{
		Use:   "retention [CONNECTION]",
		Short: "Show or set which snapshots are kept, of those that the plan keeps",
		Long: "retention says whether a connection's snapshots are thinned as they grow old: then the\n" +
			"first of each hour is kept for a day, of each day for a week, of each week for a month\n" +
			"and of each month for a year. The newest three, the newest without a gap, pinned ones,\n" +
			"and what a restore or a finding needs stay either way. imago snapshots tells why each is\n" +
			"kept. With --dry-run nothing is set and nothing let go: it tells what would be, now.",
		Example: example(
			"imago retention", "show it",
			"imago retention acme --thin --dry-run", "what would be let go, if they were thinned",
			"imago retention acme --thin", "keep fewer of the older ones, from tomorrow on",
			"imago retention acme --all", "keep all that the plan keeps"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.retention(cmd.Context(), args, w) },
	}
	cmd.Flags().BoolVar(&w.thin, "thin", false, "thin them as they grow old")
	cmd.Flags().BoolVar(&w.all, "all", false, "keep all that the plan keeps")
	cmd.Flags().BoolVar(&w.dry, "dry-run", false, "change nothing, and tell what would be let go")
	cmd.Flags().BoolVar(&w.points, "points", false, "of a dry run: list points too, which are counted either way")
	return cmd
}

func (p *program) retention(ctx context.Context, args []string, w wantedRetention) error {
	switch {
	case w.thin && w.all:
		return usage("--thin and --all are opposites: say one of them")
	case w.points && !w.dry:
		return usage("--points is for a dry run: add --dry-run")
	}
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	if w.dry {
		return p.previewRetention(ctx, api, conn, w)
	}
	if w.thin || w.all {
		res, err := api.connections.SetRetention(ctx, connect.NewRequest(&imagov1.SetRetentionRequest{ConnectionId: conn.GetId(), Thin: w.thin}))
		if err != nil {
			return err
		}
		conn = res.Msg.GetConnection()
	}
	if p.json {
		return p.emit("connection", conn)
	}
	p.print("%s: %s.\n", clean(conn.GetName()), howKept(conn.GetThin()))
	return nil
}

func howKept(thin bool) string {
	if thin {
		return "hourly for a day, daily for a week, weekly for a month, monthly for a year"
	}
	return "all snapshots that the plan keeps"
}

// previewLine sums up a dry run, for programs; the snapshots come before it.
type previewLine struct {
	Type       string `json:"type"` // "retention_preview"
	Connection string `json:"connection_id"`
	Thin       bool   `json:"thin"`
	Sweeps     int64  `json:"sweeps"`
	Points     int64  `json:"points"`
	Stored     int64  `json:"stored_bytes"` // at most so much is freed
	NextLook   string `json:"next_look_at,omitempty"`
}

// previewRetention tells what would be let go.
func (p *program) previewRetention(ctx context.Context, api *api, conn *imagov1.Connection, w wantedRetention) error {
	ask := &imagov1.PreviewRetentionRequest{ConnectionId: conn.GetId(), PageSize: pageSize, Points: w.points}
	thin := conn.GetThin()
	if w.thin || w.all {
		thin, ask.Thin = w.thin, &w.thin
	}
	var sum *imagov1.PreviewRetentionResponse
	var list []*imagov1.Snapshot
	err := pages(func(token string) (string, error) {
		ask.PageToken = token
		res, err := api.connections.PreviewRetention(ctx, connect.NewRequest(ask))
		if err != nil {
			return "", err
		}
		sum, list = res.Msg, append(list, res.Msg.GetSnapshots()...)
		return sum.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	if p.json {
		return errors.Join(emitAll(p, "snapshot", list), p.emitValue(previewLine{"retention_preview", conn.GetId(), thin,
			sum.GetSweepCount(), sum.GetPointCount(), sum.GetStoredBytes(), moment(sum.GetNextLookAt())}))
	}
	p.showPreview(conn, thin, list, sum)
	return nil
}

func (p *program) showPreview(conn *imagov1.Connection, thin bool, list []*imagov1.Snapshot, sum *imagov1.PreviewRetentionResponse) {
	rows := [][]string{{"ID", "TAKEN", "STATE", "BY", "ADDED", "KEPT TODAY"}}
	for _, s := range list {
		today := "by nothing"
		if len(s.GetKeptBecause()) > 0 {
			today = keeps(s)
		}
		rows = append(rows, []string{short(s.GetId()), stamp(s.GetStartedAt()), s.GetState(), s.GetTrigger(), size(s.GetStoredBytes()), today})
	}
	if len(list) > 0 {
		p.table(rows, 4)
		p.print("\n")
	}
	p.print("%s: %s.\n", clean(conn.GetName()), howKept(thin))
	if sum.GetSweepCount()+sum.GetPointCount() == 0 {
		p.print("Nothing would be let go.\n")
		return
	}
	p.print("%s and %s would be let go: at most %s, as others may stand on what they added.\n",
		count(sum.GetSweepCount(), "snapshot"), count(sum.GetPointCount(), "point"), size(sum.GetStoredBytes()))
	p.print("%s From then on nobody sees them; the look of the day after\nremoves them for good, an hour later at the earliest. Nothing was changed.\n", when(conn.GetThin() != thin, sum))
}

// when tells when it would be.
func when(set bool, sum *imagov1.PreviewRetentionResponse) string {
	switch {
	case set:
		return "That would be a day after it is set."
	case sum.GetNextLookAt() == nil:
		return "That is within a minute."
	}
	return "That is at the next daily look, " + stamp(sum.GetNextLookAt()) + "."
}
