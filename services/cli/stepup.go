package cli

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) stepUpCommand() *cobra.Command {
	var code string
	cmd := &cobra.Command{
		Use:   "step-up",
		Short: "Prove again that it is you, before what cannot be taken back",
		Long: "Approving a restore, keys and deletion need proof of the last ten minutes that it is\n" +
			"you. On a terminal it is asked for where it is needed; in a script, give it before.\n" +
			"The code is read from the standard input; or ask first and give it later with --code.",
		Example: example(
			"imago step-up", "asked for the code",
			"imago step-up --code 123456", "finish a step-up that was asked for before"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := p.serverURL()
			if err != nil {
				return err
			}
			if _, err = p.stepUp(cmd.Context(), server, code); err == nil {
				p.notice("for ten minutes you can do what needs it")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&code, "code", "", "the code that was mailed, to finish an earlier step-up; or a recovery code")
	return cmd
}

// needsStepUp reports whether the server wants proof anew of who asks.
func needsStepUp(err error) bool {
	c, ok := errors.AsType[*connect.Error](err)
	return ok && problemOf(c).GetKind() == "step_up"
}

// isDenied reports whether the server refuses it to who asks.
func isDenied(err error) bool {
	c, ok := errors.AsType[*connect.Error](err)
	return ok && problemOf(c).GetKind() == "denied"
}

// rise steps up in the middle of a command, where somebody can be asked.
func (p *program) rise(ctx context.Context, server string, cause error) (token string, err error) {
	if !p.Prompt || p.json {
		return "", &refused{withHint(cause, "prove it with imago step-up, then run this again")}
	}
	p.notice("this needs proof that it is you")
	return p.stepUp(ctx, server, "")
}

// stepUp asks for a code unless one was given, and keeps the session's new token.
func (p *program) stepUp(ctx context.Context, server, code string) (token string, err error) {
	kept, err := p.readLogin(server)
	if err != nil {
		return "", err
	}
	has, err := p.hasAuthenticator(ctx, server, kept.Token)
	if err != nil {
		return "", err
	}
	if has || len(strings.ReplaceAll(code, " ", "")) > 6 {
		return p.riseByAuthenticator(ctx, server, kept, code)
	}
	if code != "" && kept.StepUp == nil {
		return "", withHint(usage("no code was asked for, or the last was used"), "begin with imago step-up")
	}
	if code == "" {
		code, err = p.askStepUp(ctx, server, &kept)
		if p.Prompt && isDenied(err) { // who has passkeys, which no terminal takes
			p.notice("%s; in the console your passkey does it, here a recovery code", p.explain(err).What)
			return p.riseByAuthenticator(ctx, server, kept, "")
		}
		if err != nil {
			return "", err
		}
	}
	kept.Token, err = p.proveIt(ctx, server, kept, code)
	if err != nil {
		return "", err
	}
	kept.StepUp = nil
	return kept.Token, p.writeLogin(server, kept)
}

// riseByAuthenticator steps up by the second factor; a login whose code was wrong stays as it is.
func (p *program) riseByAuthenticator(ctx context.Context, server string, kept login, code string) (token string, err error) {
	if kept.Token, _, err = p.verify(ctx, server, kept.Token, code); err != nil {
		return "", err
	}
	return kept.Token, p.writeLogin(server, kept)
}

// askStepUp has a code mailed and asks for it.
func (p *program) askStepUp(ctx context.Context, server string, kept *login) (code string, err error) {
	res, err := p.apiAs(server, kept.Token).sessions.RequestStepUp(ctx, connect.NewRequest(&imagov1.RequestStepUpRequest{}))
	if err != nil {
		return "", err
	}
	kept.StepUp = &attempt{ID: res.Msg.GetAttemptId(), Email: kept.Email, Expires: res.Msg.GetExpiresAt().AsTime()}
	if err := p.writeLogin(server, *kept); err != nil {
		return "", err
	}
	p.notice("a code is on its way to %s", kept.Email)
	if code, err = p.askAgain(); err == nil && code == "" {
		p.notice("finish with imago step-up --code CODE")
		err = errIncomplete
	}
	return code, err
}

// askAgain puts the question for a code where somebody can see it.
func (p *program) askAgain() (string, error) {
	if p.Prompt {
		return p.ask("Code: ")
	}
	return p.ask("")
}

// proveIt hands the code over. Whoever sits in front of it may correct one that was mistyped.
func (p *program) proveIt(ctx context.Context, server string, kept login, code string) (token string, err error) {
	for {
		res, err := p.apiAs(server, kept.Token).sessions.StepUp(ctx, connect.NewRequest(&imagov1.StepUpRequest{
			AttemptId: kept.StepUp.ID, Code: strings.ReplaceAll(code, " ", ""),
		}))
		if err == nil {
			return res.Msg.GetToken(), nil
		}
		if !p.Prompt || !mistyped(err) {
			return "", &refused{err}
		}
		f := p.explain(err)
		p.notice("%s; %s", f.What, f.Hint)
		if code, err = p.ask("Code: "); err != nil || code == "" {
			return "", errors.Join(err, errIncomplete)
		}
	}
}
