package cli

import (
	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Have the account deleted, in 72 hours",
		Long: "delete has this account deleted. Type its name, exactly. Every owner is told by mail at\n" +
			"once, and for 72 hours any of them takes it back (imago account keep). Then its keys are\n" +
			"destroyed: nobody opens its snapshots any more, wherever copies of them lie, but who has\n" +
			"an escrow (imago keys). All the rest is removed, but the activity log, without names.",
		Example: example("imago account delete \"Acme Inc.\"", "for owners; cancel a subscription first"),
		Args:    needArgs(1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			res, err := api.deletion.DeleteAccount(cmd.Context(), connect.NewRequest(&imagov1.DeleteAccountRequest{Name: args[0]}))
			if err != nil {
				return err
			}
			if p.json {
				return p.emit("deletion", res.Msg.GetDeletion())
			}
			p.print("The account's keys will be destroyed on %s. Until then: imago account keep\n", stamp(res.Msg.GetDeletion().GetDueAt()))
			return nil
		},
	}
}

func (p *program) keepCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keep", Short: "Take back that the account is to be deleted", Args: noArgs,
		Example: example("imago account keep", "for owners"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			if _, err := api.deletion.CancelDeletion(cmd.Context(), connect.NewRequest(&imagov1.CancelDeletionRequest{})); err != nil {
				return err
			}
			p.notice("the account stays")
			return nil
		},
	}
}
