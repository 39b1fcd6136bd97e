package cli

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) disconnectCommand() *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "disconnect CONNECTION",
		Short: "Delete a connection that holds no snapshot, or the demo",
		Long: "disconnect deletes a connection with its keys and its schedule. A connection that holds\n" +
			"snapshots stays: switch its schedule off instead, with imago schedule NAME --off.\n\n" +
			"The demo org goes with its snapshots. In another org nothing changes. Its service apps are yours to delete there.",
		Example: example(
			"imago disconnect acme", "asks for the name once more, to be sure",
			"imago disconnect acme --confirm acme", "in a script, where nobody can be asked"),
		Args: needArgs(1, "CONNECTION"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.disconnect(cmd.Context(), args, confirm) },
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "the connection's name, where nobody can be asked for it")
	return cmd
}

func (p *program) disconnect(ctx context.Context, args []string, confirm string) error {
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	if err := p.confirmed(conn, confirm); err != nil {
		return err
	}
	_, err = api.connections.DeleteConnection(ctx, connect.NewRequest(&imagov1.DeleteConnectionRequest{ConnectionId: conn.GetId()}))
	if err != nil {
		return err
	}
	return p.showDisconnected(conn)
}

// confirmed wants the connection's name: what was meant may have been another one.
func (p *program) confirmed(conn *imagov1.Connection, confirm string) error {
	name := conn.GetName()
	switch {
	case confirm == name:
		return nil
	case confirm != "":
		return withHint(usage("--confirm says %q, and the connection is called %q", confirm, name), "nothing was deleted")
	case !p.Prompt || p.json:
		return withHint(usage("to delete the connection %q, confirm it", name), "add --confirm with its name")
	}
	if conn.GetDemo() != "" {
		p.tell("It is the demo: its snapshots, findings and restores go with it.\n")
	}
	p.tell("This deletes the connection %s (%s) with its keys and its schedule, for good.\n", clean(name), clean(conn.GetOrgUrl()))
	answer, err := p.ask("Type its name to delete it: ")
	if err == nil && answer != name {
		err = errors.New("that is not its name: nothing was deleted")
	}
	return err
}

// disconnected is what is left to tell of a connection.
type disconnected struct {
	Type      string   `json:"type"` // "disconnected"
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	OrgURL    string   `json:"org_url"`
	ClientIDs []string `json:"client_ids"` // of its service apps, which are still in the org
}

func (p *program) showDisconnected(conn *imagov1.Connection) error {
	d := disconnected{Type: "disconnected", ID: conn.GetId(), Name: conn.GetName(), OrgURL: conn.GetOrgUrl(), ClientIDs: []string{}}
	for _, c := range conn.GetCredentials() {
		if c.GetClientId() != "" {
			d.ClientIDs = append(d.ClientIDs, c.GetClientId())
		}
	}
	if p.json {
		return p.emitValue(d)
	}
	p.print("%s is disconnected from %s.\n", clean(d.Name), clean(d.OrgURL))
	if len(d.ClientIDs) > 0 && conn.GetDemo() == "" {
		p.notice("in the org, deactivate and delete what it used: %s", strings.Join(d.ClientIDs, ", "))
	}
	return nil
}
