package cli

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) closeCommand() *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "close [RESTORE]",
		Short: "Close the write window on your word, where the org cannot be asked",
		Long: "A restore closes its write window by itself, once the org refuses the write app. close\n" +
			"is for when Imago cannot ask the org any more: the workers have lost the app's key, or\n" +
			"the org is gone. Make sure in the org that the write app is deactivated or deleted; the\n" +
			"activity log keeps that you said so.\n\n" +
			"It is refused until an hour after the org last let the write app in.",
		Example: example(
			"imago restore close latest", "asks for the write app's client ID, to be sure",
			"imago restore close latest --confirm 0oa1gjh63g214q0Hq0g4", "in a script, where nobody can be asked"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.closeWindow(cmd.Context(), args, confirm) },
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "the write app's client ID, where nobody can be asked for it")
	return cmd
}

func (p *program) closeWindow(ctx context.Context, args []string, confirm string) error {
	api, conn, id, err := p.restoreArg(ctx, args)
	if err != nil {
		return err
	}
	client, err := p.writeAppOff(conn, confirm)
	if err != nil {
		return err
	}
	res, err := api.restores.CloseRestore(ctx, connect.NewRequest(&imagov1.CloseRestoreRequest{RestoreId: id, ClientId: client}))
	if err != nil {
		return err
	}
	if p.json {
		return p.emit("restore", res.Msg.GetRestore())
	}
	p.print("Restore %s is %s on your word: the org was not asked.\n", short(id), p.state(res.Msg.GetRestore().GetState()))
	return nil
}

// writeAppOff wants the write app's client ID from whoever says that it is off.
func (p *program) writeAppOff(conn *imagov1.Connection, confirm string) (string, error) {
	if confirm != "" {
		return confirm, nil
	}
	if !p.Prompt || p.json {
		return "", withHint(usage("to close the window, confirm that the write app is off"), "add --confirm with its client ID")
	}
	p.tell("Imago cannot see whether the write app in %s is off. Deactivate or delete it there first.\n", clean(conn.GetOrgUrl()))
	answer, err := p.ask("Type its client ID to close the window: ")
	if err == nil && answer == "" {
		err = errors.New("nothing was closed")
	}
	return answer, err
}
