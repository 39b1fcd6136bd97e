package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) loginCommand() *cobra.Command {
	var code string
	cmd := &cobra.Command{
		Use:   "login [EMAIL]",
		Short: "Sign in, by a browser or a mailed code",
		Long: "login without an address shows a code of letters: give it on the page that opens, in\n" +
			"a browser where you are signed in, and approve.\n\n" +
			"With an address, or where the server has no such page, the server mails a code of six\n" +
			"digits to you, which is exchanged for a session. It works for ten minutes, once, and\n" +
			"only from where it was asked for. Without a terminal the code is read from the standard\n" +
			"input; or ask first and give it later with --code.",
		Example: example(
			"imago login", "sign in by a browser",
			"imago login ada@example.com", "sign in with a mailed code",
			"imago login ada@example.com --server https://imago.example.com", "sign in to another server",
			"imago login --code 123456", "finish a sign-in that was asked for before"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.login(cmd.Context(), args, code) },
	}
	cmd.Flags().StringVar(&code, "code", "", "the code that was mailed, or the second factor's, to finish an earlier sign-in or switch")
	cmd.Flags().StringVar(&p.invitation, "invitation", "", "the token of an invitation that was mailed, to accept it at once")
	return cmd
}

// login asks for a code unless one was asked for, then exchanges it.
func (p *program) login(ctx context.Context, args []string, code string) error {
	server, err := p.serverURL()
	if err != nil {
		return err
	}
	kept, err := p.readLogin(server)
	if err != nil {
		return err
	}
	if code != "" && kept.Waiting != nil {
		return p.finish(ctx, server, kept, code)
	}
	if code != "" {
		if kept.Attempt == nil {
			return withHint(usage("no code was asked for, or the last was used"), "begin with imago login EMAIL")
		}
		return p.exchange(ctx, server, kept, code)
	}
	if len(args) == 0 && p.Prompt && p.invitation == "" {
		if done, err := p.loginByBrowser(ctx, server); done {
			return err
		}
	}
	email, err := p.email(args, kept)
	if err != nil {
		return err
	}
	if kept.Attempt, err = p.requestCode(ctx, server, email); err != nil {
		return err
	}
	kept.Waiting = nil
	if err := p.writeLogin(server, kept); err != nil {
		return err
	}
	if code, err = p.askCode(email); err != nil {
		return err
	}
	return p.exchange(ctx, server, kept, code)
}

// email is whose mailbox gets the code: the argument, or the answer to a question.
func (p *program) email(args []string, kept login) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	if !p.Prompt {
		return "", usage("EMAIL is missing")
	}
	question := "Email: "
	if kept.Email != "" {
		question = "Email [" + clean(kept.Email) + "]: "
	}
	answer, err := p.ask(question)
	if err != nil {
		return "", err
	}
	if answer == "" {
		answer = kept.Email
	}
	if answer == "" {
		return "", usage("EMAIL is missing")
	}
	return answer, nil
}

func (p *program) requestCode(ctx context.Context, server, email string) (*attempt, error) {
	res, err := p.apiAs(server, "").signIn.RequestCode(ctx, connect.NewRequest(&imagov1.RequestCodeRequest{Email: email}))
	if err != nil {
		return nil, err
	}
	return &attempt{
		ID: res.Msg.GetAttemptId(), Secret: res.Msg.GetClientSecret(), Email: email,
		Expires: res.Msg.GetExpiresAt().AsTime(),
	}, nil
}

// askCode reads the code from the terminal or from the standard input.
func (p *program) askCode(email string) (string, error) {
	p.notice("a code is on its way to %s, if that address may sign in", email)
	question := ""
	if p.Prompt {
		question = "Code: "
	}
	code, err := p.ask(question)
	if err != nil {
		return "", err
	}
	if code == "" {
		p.notice("finish with imago login --code CODE")
		return "", errIncomplete
	}
	return code, nil
}

// ask puts a question and reads one line; "" at the end of the input.
func (p *program) ask(question string) (string, error) {
	p.tell("%s", question)
	line, err := p.input().ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// input reads Stdin by lines; made once, because it reads ahead.
func (p *program) input() *bufio.Reader {
	r, ok := p.Stdin.(*bufio.Reader)
	if !ok {
		r = bufio.NewReader(p.Stdin)
		p.Stdin = r
	}
	return r
}

// exchange turns the code into a session and keeps its token. Whoever sits in front of
// it may correct a code that was mistyped.
func (p *program) exchange(ctx context.Context, server string, kept login, code string) error {
	res, err := p.redeem(ctx, server, kept.Attempt, code)
	for p.Prompt && mistyped(err) {
		f := p.explain(err)
		p.notice("%s; %s", f.What, f.Hint)
		if code, err = p.ask("Code: "); err != nil {
			return err
		}
		if code == "" {
			p.notice("finish with imago login --code CODE")
			return errIncomplete
		}
		res, err = p.redeem(ctx, server, kept.Attempt, code)
	}
	if err != nil {
		return p.notLetIn(server, kept, err)
	}
	return p.enter(ctx, server, res)
}

func (p *program) redeem(ctx context.Context, server string, a *attempt, code string) (*imagov1.ExchangeCodeResponse, error) {
	res, err := p.apiAs(server, "").signIn.ExchangeCode(ctx, connect.NewRequest(&imagov1.ExchangeCodeRequest{
		AttemptId: a.ID, ClientSecret: a.Secret, Code: strings.ReplaceAll(code, " ", ""), InvitationToken: p.invitation,
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// mistyped reports whether another code may still be right.
func mistyped(err error) bool {
	c, ok := errors.AsType[*connect.Error](err)
	return ok && problemOf(c).GetKind() == "invalid" && problemOf(c).GetField() == "code"
}

// notLetIn says how to go on after a code that did not let in. One that never will is
// forgotten, so that nobody goes on trying it.
func (p *program) notLetIn(server string, kept login, err error) error {
	c, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	problem := problemOf(c)
	if mistyped(err) {
		return &refused{withHint(err, "%s: imago login --code CODE", problem.GetHint())}
	}
	switch problem.GetKind() {
	case "stale", "over_limit", "invalid":
	default: // no problem of the code
		return err
	}
	again := "ask for a new one: imago login " + kept.Attempt.Email
	if problem.GetField() == "attempt_id" { // which nobody has typed
		err = errors.New("the code was asked for too long ago, or not from here")
	}
	kept.Attempt = nil
	return errors.Join(&refused{withHint(err, "%s", again)}, p.writeLogin(server, kept))
}

func (p *program) showSession(server string, s *imagov1.Session) error {
	if p.json {
		return p.emit("session", s)
	}
	p.print("Signed in to %s as %s, %s of %s.\n", server, clean(s.GetEmail()), clean(s.GetRole()), clean(s.GetAccountName()))
	return nil
}

func (p *program) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Show who is signed in, to which account, with which role",
		Example: example("imago whoami", "show the session"),
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := p.serverURL()
			if err != nil {
				return err
			}
			api, err := p.api()
			if err != nil {
				return err
			}
			res, err := api.signIn.WhoAmI(cmd.Context(), connect.NewRequest(&imagov1.WhoAmIRequest{}))
			if err != nil {
				return err
			}
			return p.showSession(server, res.Msg.GetSession())
		},
	}
}

func (p *program) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		Short:   "End the session, on the server and here",
		Example: example("imago logout", "end the session"),
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.logout(cmd.Context()) },
	}
}

// logout forgets the token even where the server has forgotten the session, but
// not where the server could not be told.
func (p *program) logout(ctx context.Context) error {
	server, err := p.serverURL()
	if err != nil {
		return err
	}
	kept, err := p.readLogin(server)
	if err != nil {
		return err
	}
	if kept.Token == "" {
		p.notice("nobody is signed in to %s", server)
		return nil
	}
	_, err = p.apiAs(server, kept.Token).signIn.SignOut(ctx, connect.NewRequest(&imagov1.SignOutRequest{}))
	if err != nil && connect.CodeOf(err) != connect.CodeUnauthenticated {
		return err
	}
	if err := p.writeLogin(server, login{Email: kept.Email}); err != nil {
		return err
	}
	p.notice("signed out of %s", server)
	return nil
}
