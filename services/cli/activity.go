package cli

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) activityCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "activity",
		Short: "Show the activity log: who did what in this account, when, from where",
		Example: example(
			"imago activity", "the newest rows",
			"imago activity --limit 0 --json", "all of them, with the hashes that chain them"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.activity(cmd.Context(), limit) },
	}
	limitFlag(cmd, &limit, 50)
	return cmd
}

func (p *program) activity(ctx context.Context, limit int) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	rows, err := api.log(ctx, limit)
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "activity", rows)
	}
	out := [][]string{{"TIME", "WHO", "WHAT", "OF", "FROM", "DETAIL"}}
	for _, r := range rows {
		target := r.GetTargetType()
		if r.GetTargetId() != "" {
			target += " " + short(r.GetTargetId())
		}
		out = append(out, []string{stamp(r.GetTime()), r.GetActor(), r.GetAction(), target, r.GetSourceIp(), r.GetDetail()})
	}
	p.table(out)
	return nil
}

// log lists up to limit rows, newest first; 0 lists all.
func (a *api) log(ctx context.Context, limit int) (rows []*imagov1.Activity, err error) {
	err = pages(func(token string) (string, error) {
		res, err := a.activity.ListActivity(ctx, connect.NewRequest(&imagov1.ListActivityRequest{PageSize: pageSize, PageToken: token}))
		if err != nil {
			return "", err
		}
		rows = append(rows, res.Msg.GetActivity()...)
		if limit > 0 && len(rows) >= limit {
			rows = rows[:limit]
			return "", nil
		}
		return res.Msg.GetNextPageToken(), nil
	})
	return rows, err
}
