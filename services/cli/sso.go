package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) ssoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sso",
		Short: "Say at which identity provider the account's members sign in",
		Long: "sso keeps the account's identity provider (OpenID Connect: Okta, Entra ID, Google,\n" +
			"Keycloak). Its word counts in this account alone, and lets in members alone. Owners\n" +
			"can always sign in by a mailed code or a passkey, also when it broke.",
		Example: example(
			"imago sso", "which it is, and what to register there",
			"imago sso set --name acme --issuer https://acme.okta.com --client-id 0oa1 --secret-file secret", "name one",
			"imago sso set --required", "once somebody has come in by it: the only way in, but for owners",
			"imago sso remove", "take it away; sessions by it end"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.showSso(cmd.Context()) },
	}
	cmd.AddCommand(p.ssoSet(),
		&cobra.Command{
			Use: "show", Short: "Show it, and what to register there", Args: noArgs,
			Example: example("imago sso show", "which it is"),
			RunE:    func(cmd *cobra.Command, _ []string) error { return p.showSso(cmd.Context()) },
		},
		&cobra.Command{
			Use: "remove", Short: "Take it away; sessions by it end", Args: noArgs,
			Example: example("imago sso remove", "members sign in by mailed codes and passkeys again"),
			RunE:    func(cmd *cobra.Command, _ []string) error { return p.removeSso(cmd.Context()) },
		})
	return cmd
}

// ssoFlags are what is to be another; what was not given stays as it is.
type ssoFlags struct {
	name, issuer, client, secretFile string
	required                         bool
}

func (p *program) ssoSet() *cobra.Command {
	var f ssoFlags
	cmd := &cobra.Command{
		Use: "set", Short: "Name it, or change what is not right", Args: noArgs,
		Example: example(
			"imago sso set --name acme --issuer https://acme.okta.com --client-id 0oa1 --secret-file secret", "a new one",
			"imago sso set --secret-file -", "another secret, from standard input",
			"imago sso set --required=false", "let members in by mailed codes and passkeys, too"),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "what people write to sign in there, such as acme")
	flags.StringVar(&f.issuer, "issuer", "", "its issuer, such as https://acme.okta.com")
	flags.StringVar(&f.client, "client-id", "", "ID of the client that you registered there")
	flags.StringVar(&f.secretFile, "secret-file", "", "file with the client's secret; - is standard input")
	flags.BoolVar(&f.required, "required", false, "the only way in, but for owners")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().NFlag() == 0 {
			return withHint(usage("there is nothing to change"), "imago sso set --help")
		}
		return p.setSso(cmd.Context(), func(m *imagov1.SetSsoRequest) error { return f.change(cmd, p.Stdin, m) })
	}
	return cmd
}

// change writes into m what was given.
func (f ssoFlags) change(cmd *cobra.Command, stdin io.Reader, m *imagov1.SetSsoRequest) (err error) {
	given := cmd.Flags().Changed
	for flag, set := range map[string]func(){
		"name": func() { m.Slug = f.name }, "issuer": func() { m.Issuer = f.issuer },
		"client-id": func() { m.ClientId = f.client }, "required": func() { m.Required = f.required },
	} {
		if given(flag) {
			set()
		}
	}
	if given("secret-file") {
		m.ClientSecret, err = secretFrom(f.secretFile, stdin)
	}
	return err
}

// secretFrom reads a secret, which arguments would show to everybody on the machine.
func secretFrom(file string, stdin io.Reader) (string, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(stdin, 1<<16))
	} else {
		text, err = os.ReadFile(file)
	}
	if err == nil && len(strings.TrimSpace(string(text))) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", usage("--secret-file: %v", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (a *api) identityProvider(ctx context.Context) (*imagov1.Sso, error) {
	res, err := a.sso.GetSso(ctx, connect.NewRequest(&imagov1.GetSsoRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetSso(), nil
}

func (p *program) setSso(ctx context.Context, change func(*imagov1.SetSsoRequest) error) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	has, err := api.identityProvider(ctx)
	if err != nil {
		return err
	}
	m := &imagov1.SetSsoRequest{Slug: has.GetSlug(), Issuer: has.GetIssuer(), ClientId: has.GetClientId(), Required: has.GetRequired()}
	if err := change(m); err != nil {
		return err
	}
	res, err := api.sso.SetSso(ctx, connect.NewRequest(m))
	if err != nil {
		return err
	}
	return p.printSso(res.Msg.GetSso())
}

func (p *program) showSso(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	has, err := api.identityProvider(ctx)
	if err != nil {
		return err
	}
	return p.printSso(has)
}

func (p *program) printSso(s *imagov1.Sso) error {
	if p.json {
		return p.emit("sso", s)
	}
	if s.GetIssuer() == "" {
		p.print("The account has no identity provider.\n")
		if s.GetRedirectUri() != "" {
			p.print("Register a web client at one with the redirect URI %s,\nthen: imago sso set --help\n", s.GetRedirectUri())
		}
		return nil
	}
	only := "members may also sign in by mailed codes and passkeys"
	if s.GetRequired() {
		only = "the only way in, but for owners"
	}
	p.table([][]string{
		{"name", s.GetSlug()}, {"issuer", s.GetIssuer()}, {"client", s.GetClientId()}, {"redirect URI", s.GetRedirectUri()},
		{"required", only}, {"known", fmt.Sprintf("%d members have come in by it", s.GetMembers())},
	})
	return nil
}

func (p *program) removeSso(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	if _, err := api.sso.DeleteSso(ctx, connect.NewRequest(&imagov1.DeleteSsoRequest{})); err != nil {
		return err
	}
	p.notice("the account has no identity provider any more; sessions by it have ended")
	return nil
}
