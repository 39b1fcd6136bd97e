package cli

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) sessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Show where you are signed in",
		Example: example(
			"imago sessions", "every place where you are signed in",
			"imago sessions revoke 1a2b3c4d", "sign one of them out",
			"imago sessions revoke --others", "sign all of them out but this one"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.sessions(cmd.Context()) },
	}
	cmd.AddCommand(p.revokeCommand())
	return cmd
}

func (p *program) sessions(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.liveSessions(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "session", all)
	}
	out := [][]string{{"ID", "KIND", "ACCOUNT", "SIGNED IN", "LAST SEEN", "FROM", "WITH", ""}}
	for _, s := range all {
		here := ""
		if s.GetCurrent() {
			here = "this one"
		}
		out = append(out, []string{
			short(s.GetId()), s.GetKind(), s.GetAccountName(), stamp(s.GetCreatedAt()), stamp(s.GetSeenAt()),
			s.GetSourceIp(), s.GetUserAgent(), here,
		})
	}
	p.table(out)
	return nil
}

func (a *api) liveSessions(ctx context.Context) ([]*imagov1.SignedIn, error) {
	res, err := a.sessions.ListSessions(ctx, connect.NewRequest(&imagov1.ListSessionsRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetSessions(), nil
}

func (p *program) revokeCommand() *cobra.Command {
	var others bool
	cmd := &cobra.Command{
		Use:   "revoke [SESSION]",
		Short: "Sign out somewhere else",
		Example: example(
			"imago sessions revoke 1a2b3c4d", "end one session; imago sessions shows the IDs",
			"imago sessions revoke --others", "end all but this one"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case others && len(args) == 0:
				return p.revokeOthers(cmd.Context())
			case !others && len(args) == 1:
				return p.revoke(cmd.Context(), args[0])
			}
			return usage("name a SESSION, or all others with --others")
		},
	}
	cmd.Flags().BoolVar(&others, "others", false, "end all of your sessions but this one")
	return cmd
}

func (p *program) revoke(ctx context.Context, name string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.liveSessions(ctx)
	if err != nil {
		return err
	}
	found, err := oneSession(all, name)
	if err != nil {
		return err
	}
	if _, err := api.sessions.RevokeSession(ctx, connect.NewRequest(&imagov1.RevokeSessionRequest{SessionId: found.GetId()})); err != nil {
		return err
	}
	p.notice("session %s has ended", short(found.GetId()))
	return nil
}

// oneSession finds the session that the person means, by its ID or the end of it.
func oneSession(all []*imagov1.SignedIn, name string) (*imagov1.SignedIn, error) {
	var found *imagov1.SignedIn
	for _, s := range all {
		if !strings.HasSuffix(s.GetId(), name) {
			continue
		}
		if found != nil {
			return nil, usage("%q is the end of more than one session's ID", name)
		}
		found = s
	}
	if found == nil {
		return nil, withHint(usage("you have no session %q", name), "imago sessions shows which there are")
	}
	return found, nil
}

func (p *program) revokeOthers(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	res, err := api.sessions.RevokeOtherSessions(ctx, connect.NewRequest(&imagov1.RevokeOtherSessionsRequest{}))
	if err != nil {
		return err
	}
	if p.json {
		return p.emit("revoked", res.Msg)
	}
	p.notice("%d other sessions have ended", res.Msg.GetRevoked())
	return nil
}
