package cli

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) totpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "totp",
		Short: "Make an authenticator app your second factor",
		Long: "totp shows a secret to type into an authenticator app, takes the app's first code, and\n" +
			"shows recovery codes: keep them where you find them without the app.",
		Example: example(
			"imago totp", "enrol an authenticator",
			"imago totp remove", "do without it, and without its recovery codes"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := p.serverURL()
			if err != nil {
				return err
			}
			api, err := p.api()
			if err != nil {
				return err
			}
			token, _, err := p.enroll(cmd.Context(), api, "")
			if err != nil {
				return err
			}
			kept, err := p.readLogin(server)
			if err != nil {
				return err
			}
			kept.Token = token
			return p.writeLogin(server, kept)
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use: "remove", Short: "Remove the authenticator and its recovery codes", Args: noArgs,
		Example: example("imago totp remove", "refused where an account of yours wants a second factor"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.removeTotp(cmd.Context()) },
	})
	return cmd
}

func (p *program) removeTotp(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	if _, err := api.factors.RemoveTotp(ctx, connect.NewRequest(&imagov1.RemoveTotpRequest{})); err != nil {
		return err
	}
	p.notice("your authenticator and its recovery codes are removed")
	return nil
}

// requireSecondFactor says whether the account wants one of everybody: "on" or "off".
func (p *program) requireSecondFactor(ctx context.Context, word string) error {
	if word != "on" && word != "off" {
		return withHint(usage("%q is neither on nor off", word), "imago account require-second-factor on")
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	r := connect.NewRequest(&imagov1.RequireSecondFactorRequest{Required: word == "on"})
	if _, err := api.factors.RequireSecondFactor(ctx, r); err != nil {
		return err
	}
	if word == "off" {
		p.notice("the account wants no second factor any more")
		return nil
	}
	p.notice("the account wants a second factor of everybody; sessions that never gave one have ended")
	return nil
}

// enroll shows a secret, takes its first code, and shows the recovery codes. A code is of a
// secret that was shown before; "": show one and ask.
func (p *program) enroll(ctx context.Context, api *api, code string) (token string, s *imagov1.Session, err error) {
	if code == "" {
		begun, err := api.factors.EnrollTotp(ctx, connect.NewRequest(&imagov1.EnrollTotpRequest{}))
		if err != nil {
			return "", nil, err
		}
		p.print("Secret for your authenticator app: %s\n", begun.Msg.GetSecret())
		if code, err = p.ask(p.question("Code that it shows: ")); err != nil {
			return "", nil, err
		}
	}
	done, err := api.factors.ConfirmTotp(ctx, connect.NewRequest(&imagov1.ConfirmTotpRequest{Code: strings.ReplaceAll(code, " ", "")}))
	if err != nil {
		return "", nil, err
	}
	p.print("Recovery codes, each for once when the app is lost; they are not shown again:\n")
	for _, c := range done.Msg.GetRecoveryCodes() {
		p.print("  %s\n", c)
	}
	return done.Msg.GetToken(), done.Msg.GetSession(), nil
}

// question is put only where somebody can see it.
func (p *program) question(text string) string {
	if p.Prompt {
		return text
	}
	return ""
}

// secondFactor completes a sign-in that waits for it; code: "" asks for it. What waits is
// kept until it is in, beside the login that there was, so that a code that was mistyped
// loses neither.
func (p *program) secondFactor(ctx context.Context, server string, w waiting, code string) (token string, s *imagov1.Session, err error) {
	kept, err := p.readLogin(server)
	if err != nil {
		return "", nil, err
	}
	kept.Waiting = &w
	if err := p.writeLogin(server, kept); err != nil {
		return "", nil, err
	}
	token, s, err = p.giveFactor(ctx, server, w, code)
	if connect.CodeOf(err) == connect.CodeUnauthenticated { // it waits no longer
		kept.Waiting = nil
		return "", nil, errors.Join(err, p.writeLogin(server, kept))
	}
	if err != nil {
		p.notice("finish with imago login --code CODE")
	}
	return token, s, err
}

// giveFactor gives the factor that is wanted, or enrols one.
func (p *program) giveFactor(ctx context.Context, server string, w waiting, code string) (string, *imagov1.Session, error) {
	if w.Factor == "enroll" {
		p.notice("your account wants a second factor of everybody")
		return p.enroll(ctx, p.apiAs(server, w.Token), code)
	}
	if w.Factor == "passkey" {
		p.notice("your second factor is a passkey, which only a browser can ask for: here a recovery code stands in for it")
	}
	return p.verify(ctx, server, w.Token, code)
}

// finish gives the second factor that an earlier command has not.
func (p *program) finish(ctx context.Context, server string, kept login, code string) error {
	token, s, err := p.secondFactor(ctx, server, *kept.Waiting, code)
	if err != nil {
		return err
	}
	return p.keep(server, token, s)
}

// keep replaces the login by a session that is whole.
func (p *program) keep(server, token string, s *imagov1.Session) error {
	if err := p.writeLogin(server, login{Email: s.GetEmail(), Token: token, Expires: s.GetExpiresAt().AsTime()}); err != nil {
		return err
	}
	return p.showSession(server, s)
}

// verify gives the authenticator's code, or a recovery code; "" asks for it. Whoever sits in
// front of it may correct one that was mistyped.
func (p *program) verify(ctx context.Context, server, token, code string) (string, *imagov1.Session, error) {
	for {
		if code == "" {
			var err error
			if code, err = p.ask(p.question("Code of your authenticator, or a recovery code: ")); err != nil {
				return token, nil, err
			}
		}
		risen, s, err := p.tryFactor(ctx, server, token, code)
		if !p.Prompt || code == "" || !mistyped(err) {
			return risen, s, err
		}
		f := p.explain(err)
		p.notice("%s; %s", f.What, f.Hint)
		code = ""
	}
}

// tryFactor gives a code once.
func (p *program) tryFactor(ctx context.Context, server, token, code string) (string, *imagov1.Session, error) {
	m := &imagov1.VerifyTotpRequest{Code: strings.ReplaceAll(code, " ", "")}
	if len(m.Code) > 6 {
		m = &imagov1.VerifyTotpRequest{RecoveryCode: code}
	}
	res, err := p.apiAs(server, token).factors.VerifyTotp(ctx, connect.NewRequest(m))
	if err != nil {
		return token, nil, &refused{err}
	}
	return res.Msg.GetToken(), res.Msg.GetSession(), nil
}

func (p *program) hasAuthenticator(ctx context.Context, server, token string) (bool, error) {
	res, err := p.apiAs(server, token).factors.GetFactors(ctx, connect.NewRequest(&imagov1.GetFactorsRequest{}))
	return err == nil && res.Msg.GetTotpConfirmedAt() != nil, err
}
