package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	imagov1 "imago/proto/imago/v1"
)

// tokenVariable holds an API token: programs need no login.
const tokenVariable = "IMAGO_TOKEN"

func (p *program) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke API tokens, for programs",
		Long: "token keeps the tokens by which programs act for you: with the actions that a token\n" +
			"names, and at most with what your role allows. No token approves a restore, changes\n" +
			"members, security or billing, or deletes. imago itself takes one from " + tokenVariable + ".",
		Example: example(
			"imago token create nightly --scope take_snapshot,view_account", "a token for 90 days",
			"imago token create ci --scope view_account --days 7", "for a week",
			"imago token list", "which there are, and when each was last used",
			"imago token revoke nightly", "end one at once"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.tokens(cmd.Context()) },
	}
	cmd.AddCommand(p.tokenCreate(),
		&cobra.Command{
			Use: "list", Short: "List your tokens; for owners and admins, everybody's", Args: noArgs,
			Example: example("imago token list", "names, scopes, ends and last uses"),
			RunE:    func(cmd *cobra.Command, _ []string) error { return p.tokens(cmd.Context()) },
		},
		&cobra.Command{
			Use: "revoke TOKEN", Short: "End a token at once", Args: needArgs(1, "TOKEN"),
			Example: example("imago token revoke nightly", "by name, or by ID"),
			RunE:    func(cmd *cobra.Command, args []string) error { return p.revokeToken(cmd.Context(), args[0]) },
		})
	return cmd
}

func (p *program) tokenCreate() *cobra.Command {
	var scopes []string
	var days int
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a token, which is shown this once", Args: needArgs(1, "NAME"),
		Example: example("imago token create nightly --scope take_snapshot,view_account --days 30", "what it may, and how long"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.createToken(cmd.Context(), &imagov1.CreateTokenRequest{
				Name: args[0], Scopes: scopes, ExpiresAt: timestamppb.New(p.Now().Add(time.Duration(days) * 24 * time.Hour)),
			})
		},
	}
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "what it may, as imago whoami --json names actions")
	cmd.Flags().IntVar(&days, "days", 90, "how long it lives, up to 365")
	return cmd
}

func (p *program) createToken(ctx context.Context, m *imagov1.CreateTokenRequest) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	res, err := api.tokens.CreateToken(ctx, connect.NewRequest(m))
	if err != nil {
		return err
	}
	if p.json {
		return p.emit("token", res.Msg)
	}
	p.notice("%s may %s until %s; it is not shown again", clean(m.GetName()), strings.Join(m.GetScopes(), ", "), stamp(res.Msg.GetDetails().GetExpiresAt()))
	p.print("%s\n", clean(res.Msg.GetToken()))
	return nil
}

func (a *api) listTokens(ctx context.Context) ([]*imagov1.ApiToken, error) {
	res, err := a.tokens.ListTokens(ctx, connect.NewRequest(&imagov1.ListTokensRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetTokens(), nil
}

func (p *program) tokens(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.listTokens(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "token", all)
	}
	out := [][]string{{"NAME", "OWNER", "SCOPES", "UNTIL", "LAST USED", "ID"}}
	for _, t := range all {
		used := "never"
		if t.GetLastUsedAt() != nil {
			used = stamp(t.GetLastUsedAt())
		}
		out = append(out, []string{t.GetName(), t.GetOwner(), strings.Join(t.GetScopes(), ","), stamp(t.GetExpiresAt()), used, short(t.GetId())})
	}
	p.table(out)
	return nil
}

func (p *program) revokeToken(ctx context.Context, name string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.listTokens(ctx)
	if err != nil {
		return err
	}
	t, err := namedToken(all, name)
	if err != nil {
		return err
	}
	if _, err := api.tokens.RevokeToken(ctx, connect.NewRequest(&imagov1.RevokeTokenRequest{TokenId: t.GetId()})); err != nil {
		return err
	}
	p.notice("the token %s is revoked", clean(t.GetName()))
	return nil
}

// namedToken finds a token by name or ID; several may have one name.
func namedToken(all []*imagov1.ApiToken, name string) (*imagov1.ApiToken, error) {
	var found []*imagov1.ApiToken
	for _, t := range all {
		if t.GetId() == name || t.GetName() == name || abbreviates(name, t.GetId()) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return nil, withHint(usage("there is no token %q", name), "imago token list shows them")
	case 1:
		return found[0], nil
	}
	return nil, withHint(usage("%s tokens are called %q", strconv.Itoa(len(found)), name), "name it by its ID")
}
