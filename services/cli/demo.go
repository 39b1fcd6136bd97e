package cli

import (
	"context"
	"slices"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Explore a demo org with a story in it, where the server has one",
		Long: "demo makes an org of a made-up company, connects it, and lets its people work in it: one\n" +
			"of them does what somebody should have asked about. It takes a minute or two. There is\n" +
			"one for each account; it counts against no limit, and imago disconnect removes it with\n" +
			"its snapshots.\n\n" +
			"Restores in it work as in an org of yours. You have no Okta console there, so open-app\n" +
			"and close-app do what its admin would: they switch the write app on and off.",
		Example: example(
			"imago demo", "make it, or see how far it is",
			"imago restore plan group:Finance", "plan to bring back what was deleted in it",
			"imago demo open-app", "while a restore waits: activate the write app, as its admin",
			"imago demo close-app", "when it has written: deactivate it"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.demo(cmd.Context()) },
	}
	cmd.AddCommand(p.demoAppCommand("open-app", "Activate the demo's write app", true), p.demoAppCommand("close-app", "Deactivate the demo's write app", false))
	return cmd
}

func (p *program) demoAppCommand(use, short string, active bool) *cobra.Command {
	return &cobra.Command{Use: use, Short: short + ", as an admin does in Okta", Args: noArgs,
		Example: example("imago demo "+use, "as an admin of the org would do in Okta"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.switchDemo(cmd.Context(), active) }}
}

// demo shows the account's demo, which it makes if there is none.
func (p *program) demo(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	conn, err := p.theDemo(ctx, api)
	if err != nil {
		return err
	}
	if conn == nil {
		made, err := api.connections.CreateDemo(ctx, connect.NewRequest(&imagov1.CreateDemoRequest{}))
		if err != nil {
			return err
		}
		conn = made.Msg.GetConnection()
	}
	if err := p.showConnection(conn); err != nil || p.json {
		return err
	}
	if conn.GetDemo() == "preparing" {
		p.notice("its story is being played: imago status and imago drift show what came of it in a minute or two")
	}
	return nil
}

// theDemo is the account's; nil if there is none.
func (p *program) theDemo(ctx context.Context, api *api) (*imagov1.Connection, error) {
	all, err := api.allConnections(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c *imagov1.Connection) bool { return c.GetDemo() != "" })
	if i < 0 {
		return nil, nil
	}
	return all[i], nil
}

func (p *program) switchDemo(ctx context.Context, active bool) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	conn, err := p.theDemo(ctx, api)
	if err != nil {
		return err
	}
	if conn == nil {
		return withHint(usage("the account has no demo"), "imago demo makes one")
	}
	_, err = api.connections.SwitchDemoApp(ctx, connect.NewRequest(&imagov1.SwitchDemoAppRequest{ConnectionId: conn.GetId(), Active: active}))
	if err != nil {
		return err
	}
	conn.DemoAppActive = active
	if p.json {
		return p.emit("connection", conn)
	}
	p.print("The write app of %s is being switched %s.\n", clean(conn.GetName()), map[bool]string{true: "on", false: "off"}[active])
	return nil
}
