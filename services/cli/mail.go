package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// mailing are the flags of `imago mail`.
type mailing struct {
	severity, timeZone string
	hour               int // -1: as it is
}

func (p *program) mailCommand() *cobra.Command {
	m := mailing{hour: -1}
	cmd := &cobra.Command{
		Use:   "mail [TOPIC now|daily|never]",
		Short: "Show or choose which mail you get from this account, and when",
		Example: example(
			"imago mail", "what you are told of",
			"imago mail drift now --severity high", "changes at once, if they are that bad",
			"imago mail backups daily", "in the daily digest",
			"imago mail --hour 8 --time-zone Europe/Amsterdam", "when that comes"),
		Args: maxArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return p.mail(cmd.Context(), args, m) },
	}
	flags := cmd.Flags()
	flags.StringVar(&m.severity, "severity", "", "the least that is worth a mail: low, medium, high or critical; for drift")
	flags.IntVar(&m.hour, "hour", -1, "hour of the daily digest, 0 to 23")
	flags.StringVar(&m.timeZone, "time-zone", "", "of that hour: an IANA name; UTC if never set")
	return cmd
}

func (p *program) mail(ctx context.Context, args []string, m mailing) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	had, err := api.mail.GetMailPreferences(ctx, connect.NewRequest(&imagov1.GetMailPreferencesRequest{}))
	if err != nil {
		return err
	}
	wanted, err := m.request(args, had.Msg)
	if err != nil {
		return err
	}
	if wanted == nil {
		return p.showMail(had.Msg.GetPreferences(), had.Msg.GetDigestTime())
	}
	res, err := api.mail.UpdateMailPreferences(ctx, connect.NewRequest(wanted))
	if err != nil {
		return err
	}
	return p.showMail(res.Msg.GetPreferences(), res.Msg.GetDigestTime())
}

// request keeps what the command line does not name; nil: it changes nothing.
func (m mailing) request(args []string, had *imagov1.GetMailPreferencesResponse) (*imagov1.UpdateMailPreferencesRequest, error) {
	out := &imagov1.UpdateMailPreferencesRequest{}
	switch {
	case len(args) == 1:
		return nil, usage("say when: imago mail %s now, daily or never", args[0])
	case len(args) == 2:
		i := slices.IndexFunc(had.GetPreferences(), func(c *imagov1.MailPreference) bool { return c.GetTopic() == args[0] })
		c := &imagov1.MailPreference{Topic: args[0], Timing: args[1], Threshold: m.severity}
		if i >= 0 && m.severity == "" {
			c.Threshold = had.GetPreferences()[i].GetThreshold()
		}
		out.Preferences = []*imagov1.MailPreference{c}
	case m.severity != "":
		return nil, usage("--severity is of a TOPIC: imago mail drift now --severity %s", m.severity)
	}
	if m.hour >= 0 || m.timeZone != "" {
		at := had.GetDigestTime()
		out.DigestTime = &imagov1.DigestTime{Hour: at.GetHour(), TimeZone: cmp.Or(m.timeZone, at.GetTimeZone(), "UTC")}
		if m.hour >= 0 {
			out.DigestTime.Hour = int32(min(m.hour, 99)) //nolint:gosec // the server refuses more than 23
		}
	}
	if out.Preferences == nil && out.DigestTime == nil {
		return nil, nil
	}
	return out, nil
}

func (p *program) showMail(all []*imagov1.MailPreference, at *imagov1.DigestTime) error {
	if p.json {
		return p.emit("mail", &imagov1.UpdateMailPreferencesResponse{Preferences: all, DigestTime: at})
	}
	out := [][]string{{"TOPIC", "WHEN", "FROM", ""}}
	for _, c := range all {
		stopped := ""
		if c.GetStopped() != "" {
			stopped = "stopped (" + strings.ReplaceAll(c.GetStopped(), "_", " ") + "); choose again to have it sent"
		}
		out = append(out, []string{c.GetTopic(), c.GetTiming(), c.GetThreshold(), stopped})
	}
	p.table(out)
	p.print("%s\n", fmt.Sprintf("The daily digest comes at %d:00 (%s).", at.GetHour(), clean(at.GetTimeZone())))
	return nil
}
