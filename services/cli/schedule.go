package cli

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// scheduling are the flags of `imago schedule`.
type scheduling struct {
	cron, timeZone string
	off            bool
}

func (p *program) scheduleCommand() *cobra.Command {
	var s scheduling
	cmd := &cobra.Command{
		Use:   "schedule [CONNECTION]",
		Short: "Show or set when snapshots are taken by themselves",
		Example: example(
			"imago schedule", "show it",
			`imago schedule acme --cron "0 2 * * *" --time-zone Europe/Berlin`, "every night at two in Berlin",
			"imago schedule acme --off", "take none by itself"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.schedule(cmd.Context(), args, s) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.cron, "cron", "", "five fields: minute, hour, day of month, month, day of week")
	flags.StringVar(&s.timeZone, "time-zone", "", "an IANA name; UTC if never set")
	flags.BoolVar(&s.off, "off", false, "take no snapshots by itself")
	cmd.MarkFlagsMutuallyExclusive("off", "cron")
	return cmd
}

func (p *program) schedule(ctx context.Context, args []string, s scheduling) error {
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	if s == (scheduling{}) {
		return p.showSchedule(conn, conn.GetSchedule())
	}
	res, err := api.connections.SetSchedule(ctx, connect.NewRequest(s.request(conn)))
	if err != nil {
		return err
	}
	return p.showSchedule(conn, res.Msg.GetSchedule())
}

// request keeps what the flags do not name.
func (s scheduling) request(conn *imagov1.Connection) *imagov1.SetScheduleRequest {
	old := conn.GetSchedule()
	r := &imagov1.SetScheduleRequest{
		ConnectionId: conn.GetId(), Cron: old.GetCron(), TimeZone: old.GetTimeZone(), Enabled: !s.off,
	}
	if s.cron != "" {
		r.Cron = s.cron
	}
	if s.timeZone != "" {
		r.TimeZone = s.timeZone
	}
	if r.GetTimeZone() == "" {
		r.TimeZone = "UTC"
	}
	return r
}

func (p *program) showSchedule(conn *imagov1.Connection, s *imagov1.Schedule) error {
	if p.json {
		return p.emit("schedule", s)
	}
	if !s.GetEnabled() {
		p.print("%s: no snapshots by themselves.\n", clean(conn.GetName()))
		return nil
	}
	p.print("%s: %s (%s), next %s.\n", clean(conn.GetName()), clean(s.GetCron()), clean(s.GetTimeZone()), stamp(s.GetNextRunAt()))
	return nil
}
