package cli

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) billingCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "billing",
		Short: "Show the account's plan, its limits and what it uses of them",
		Long: "billing shows the account's plan and how much of it is used. The exit code is 3 when\n" +
			"somebody should see to it: a payment failed, the trial or the plan ends. Plans are\n" +
			"bought and changed under Billing in the console.",
		Example: example("imago billing", "show the plan"),
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.billing(cmd.Context()) },
	}
}

func (p *program) billing(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	res, err := api.billing.GetBilling(ctx, connect.NewRequest(&imagov1.GetBillingRequest{}))
	if err != nil {
		return err
	}
	if b := res.Msg; p.json {
		err = p.emit("billing", b)
	} else {
		p.showBilling(b)
	}
	if err == nil && res.Msg.GetWarning() != "" {
		return errIncomplete
	}
	return err
}

func (p *program) showBilling(b *imagov1.GetBillingResponse) {
	if b.GetPlan() == "self_hosted" {
		p.print("self-hosted: nothing is limited\n")
		return
	}
	l := b.GetLimits()
	p.table([][]string{
		{"plan", b.GetTitle()},
		{"snapshots", "kept " + kept(b.GetRetentionDays())},
		{"schedule", often(l.GetScheduleMinutes())},
		{"connections", used(b.GetConnections(), l.GetConnections())},
		{"members", used(b.GetMembers(), l.GetMembers())},
	})
	if says := warnings[b.GetWarning()]; says != "" {
		p.print("%s\n", fmt.Sprintf(says, stamp(b.GetUntil())))
	}
}

// warnings are what somebody should see to, for a sentence with a moment in it.
var warnings = map[string]string{
	"trial_ends":     "The trial ends %s; choose a plan under Billing in the console.",
	"payment_failed": "A payment failed. The plan is limited from %s on; see to the card under Billing in the console. Restores are never limited.",
	"limited":        "A payment failed too long ago, and the plan is limited. Older snapshots are kept until %s.",
	"ends":           "The subscription was cancelled, and ends %s.",
	"data_expires":   "What only the better plan kept is forgotten %s.",
}

func kept(days int32) string {
	if days == 0 {
		return "for ever"
	}
	return "for " + count(int64(days), "day")
}

func often(minutes int32) string {
	switch {
	case minutes == 0:
		return "as often as wanted"
	case minutes%(24*60) == 0:
		return "every 24 hours at most"
	case minutes%60 == 0:
		return "every " + count(int64(minutes/60), "hour") + " at most"
	}
	return "every " + count(int64(minutes), "minute") + " at most"
}

// used is how much of a limit is used; 0 is no limit.
func used(have, limit int32) string {
	if limit == 0 {
		return number(int64(have))
	}
	return fmt.Sprintf("%d of %d", have, limit)
}
