package cli

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) accountCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Show your accounts, go to another, name or delete this one",
		Example: example(
			"imago account", "your accounts",
			"imago account switch Acme", "go on in another account",
			"imago account rename \"Acme Inc.\"", "give this account another name",
			"imago account delete \"Acme Inc.\"", "have it deleted in 72 hours, for owners",
			"imago account keep", "take that back"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.accounts(cmd.Context()) },
	}
	cmd.AddCommand(p.deleteCommand(), p.keepCommand(),
		&cobra.Command{
			Use: "list", Short: "List your accounts", Args: noArgs,
			Example: example("imago account list", "your accounts, and your role in each"),
			RunE:    func(cmd *cobra.Command, _ []string) error { return p.accounts(cmd.Context()) },
		},
		&cobra.Command{
			Use: "switch ACCOUNT", Short: "Go on in another of your accounts", Args: needArgs(1, "ACCOUNT"),
			Example: example("imago account switch Acme", "by name, or by ID"),
			RunE:    func(cmd *cobra.Command, args []string) error { return p.switchAccount(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Use: "rename NAME", Short: "Give the account another name", Args: needArgs(1, "NAME"),
			Example: example("imago account rename \"Acme Inc.\"", "owners and admins may"),
			RunE:    func(cmd *cobra.Command, args []string) error { return p.renameAccount(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Use: "require-second-factor on|off", Short: "Want a second factor of everybody, or stop to", Args: needArgs(1, "on|off"),
			Example: example("imago account require-second-factor on", "sessions that never gave one end"),
			RunE:    func(cmd *cobra.Command, args []string) error { return p.requireSecondFactor(cmd.Context(), args[0]) },
		})
	return cmd
}

func (a *api) accounts(ctx context.Context) ([]*imagov1.Account, error) {
	res, err := a.team.ListAccounts(ctx, connect.NewRequest(&imagov1.ListAccountsRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetAccounts(), nil
}

func (p *program) accounts(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.accounts(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "account", all)
	}
	out := [][]string{{"NAME", "ROLE", "SINCE", "ID", ""}}
	for _, a := range all {
		current := ""
		if a.GetCurrent() {
			current = "this one"
		}
		out = append(out, []string{a.GetName(), a.GetRole(), stamp(a.GetJoinedAt()), short(a.GetId()), current})
	}
	p.table(out)
	return nil
}

func (p *program) switchAccount(ctx context.Context, name string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.accounts(ctx)
	if err != nil {
		return err
	}
	to, err := namedAccount(all, name)
	if err != nil {
		return err
	}
	res, err := api.team.SwitchAccount(ctx, connect.NewRequest(&imagov1.SwitchAccountRequest{AccountId: to.GetId()}))
	if err != nil {
		return err
	}
	return p.switched(ctx, res.Msg)
}

// namedAccount finds an account by name or ID; several may have one name.
func namedAccount(all []*imagov1.Account, name string) (*imagov1.Account, error) {
	var found []*imagov1.Account
	for _, a := range all {
		if a.GetId() == name || strings.EqualFold(a.GetName(), name) || abbreviates(name, a.GetId()) {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		return nil, withHint(usage("you have no account %q", name), "imago account lists them")
	case 1:
		return found[0], nil
	}
	return nil, withHint(usage("%d of your accounts are called %q", len(found), name), "name it by its ID")
}

func (p *program) renameAccount(ctx context.Context, name string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	res, err := api.team.UpdateAccount(ctx, connect.NewRequest(&imagov1.UpdateAccountRequest{Name: name}))
	if err != nil {
		return err
	}
	p.notice("the account is called %s", clean(res.Msg.GetName()))
	return nil
}
