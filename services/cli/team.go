package cli

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) teamCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "team",
		Short: "Show and change who is in the account",
		Long: "team lists the account's members and whom it has invited. Roles, from most to least:\n" +
			"owner, admin, operator, auditor, viewer. Owners and admins change who is in; nobody\n" +
			"gives a role above their own, and the last owner stays one.",
		Example: example(
			"imago team", "who is in, and who is invited",
			"imago team invite bob@example.com operator", "ask somebody in",
			"imago team role bob@example.com admin", "give a member another role",
			"imago team remove bob@example.com", "take somebody out, invited or in"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.team(cmd.Context()) },
	}
	cmd.AddCommand(
		p.teamSub("list", "List members and invitations", needArgs(0), func(ctx context.Context, _ []string) error { return p.team(ctx) }),
		p.teamSub("invite EMAIL ROLE", "Ask somebody in by mail; once more if they are invited already", needArgs(2, "EMAIL", "ROLE"), p.invite),
		p.teamSub("role EMAIL ROLE", "Give a member another role, at once", needArgs(2, "EMAIL", "ROLE"), p.setRole),
		p.teamSub("remove EMAIL", "Take somebody out, whose sessions end at once, or revoke their invitation", needArgs(1, "EMAIL"), p.removeMember),
		p.teamSub("join TOKEN", "Accept an invitation, with the token of its mail", needArgs(1, "TOKEN"), p.join),
		p.teamSub("leave", "Leave the account that you are signed in to", needArgs(0), func(ctx context.Context, _ []string) error { return p.leave(ctx) }))
	return cmd
}

func (p *program) teamSub(use, short string, args cobra.PositionalArgs, run func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		Example: example("imago team "+strings.NewReplacer("EMAIL", "bob@example.com", "ROLE", "operator").Replace(use), strings.ToLower(short[:1])+short[1:]),
		RunE:    func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), args) },
	}
}

// people are the account's members and its open invitations.
type people struct {
	members     []*imagov1.Member
	invitations []*imagov1.Invitation
}

// people lists them; whoever may not see invitations sees members alone.
func (a *api) people(ctx context.Context) (all people, err error) {
	members, err := a.team.ListMembers(ctx, connect.NewRequest(&imagov1.ListMembersRequest{}))
	if err != nil {
		return all, err
	}
	all.members = members.Msg.GetMembers()
	invited, err := a.team.ListInvitations(ctx, connect.NewRequest(&imagov1.ListInvitationsRequest{}))
	if connect.CodeOf(err) == connect.CodePermissionDenied {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	all.invitations = invited.Msg.GetInvitations()
	return all, nil
}

func (p *program) team(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.people(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return errors.Join(emitAll(p, "member", all.members), emitAll(p, "invitation", all.invitations))
	}
	out := [][]string{{"EMAIL", "ROLE", "SINCE", ""}}
	for _, m := range all.members {
		out = append(out, []string{m.GetEmail(), m.GetRole(), stamp(m.GetJoinedAt()), you(m)})
	}
	for _, i := range all.invitations {
		out = append(out, []string{i.GetEmail(), i.GetRole(), "", "invited until " + stamp(i.GetExpiresAt())})
	}
	p.table(out)
	return nil
}

func you(m *imagov1.Member) string {
	if m.GetMe() {
		return "you"
	}
	return ""
}

// member finds a member by address.
func (all people) member(email string) *imagov1.Member {
	for _, m := range all.members {
		if strings.EqualFold(m.GetEmail(), email) {
			return m
		}
	}
	return nil
}

// invitation finds an open invitation by address.
func (all people) invitation(email string) *imagov1.Invitation {
	for _, i := range all.invitations {
		if strings.EqualFold(i.GetEmail(), email) {
			return i
		}
	}
	return nil
}

func (p *program) invite(ctx context.Context, args []string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.people(ctx)
	if err != nil {
		return err
	}
	if i := all.invitation(args[0]); i != nil && i.GetRole() == args[1] {
		res, err := api.team.ResendInvitation(ctx, connect.NewRequest(&imagov1.ResendInvitationRequest{InvitationId: i.GetId()}))
		if err != nil {
			return err
		}
		return p.showInvitation(res.Msg.GetInvitation())
	}
	res, err := api.team.CreateInvitation(ctx, connect.NewRequest(&imagov1.CreateInvitationRequest{Email: args[0], Role: args[1]}))
	if err != nil {
		return err
	}
	return p.showInvitation(res.Msg.GetInvitation())
}

func (p *program) showInvitation(i *imagov1.Invitation) error {
	if p.json {
		return p.emit("invitation", i)
	}
	p.print("%s is invited as %s, until %s.\n", clean(i.GetEmail()), clean(i.GetRole()), stamp(i.GetExpiresAt()))
	return nil
}

func (p *program) setRole(ctx context.Context, args []string) error {
	api, m, err := p.reachMember(ctx, args[0])
	if err != nil {
		return err
	}
	res, err := api.team.UpdateMember(ctx, connect.NewRequest(&imagov1.UpdateMemberRequest{UserId: m.GetUserId(), Role: args[1]}))
	if err != nil {
		return err
	}
	if p.json {
		return p.emit("member", res.Msg.GetMember())
	}
	p.print("%s is %s now.\n", clean(m.GetEmail()), clean(res.Msg.GetMember().GetRole()))
	return nil
}

func (p *program) reachMember(ctx context.Context, email string) (*api, *imagov1.Member, error) {
	api, err := p.api()
	if err != nil {
		return nil, nil, err
	}
	all, err := api.people(ctx)
	if err != nil {
		return nil, nil, err
	}
	m := all.member(email)
	if m == nil {
		return nil, nil, nobody(email)
	}
	return api, m, nil
}

func nobody(email string) error {
	return withHint(usage("there is no member %q", email), "imago team lists them")
}

func (p *program) removeMember(ctx context.Context, args []string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.people(ctx)
	if err != nil {
		return err
	}
	m, i := all.member(args[0]), all.invitation(args[0])
	switch {
	case m != nil:
		_, err = api.team.RemoveMember(ctx, connect.NewRequest(&imagov1.RemoveMemberRequest{UserId: m.GetUserId()}))
	case i != nil:
		_, err = api.team.RevokeInvitation(ctx, connect.NewRequest(&imagov1.RevokeInvitationRequest{InvitationId: i.GetId()}))
	default:
		return nobody(args[0])
	}
	if err != nil {
		return err
	}
	p.notice("%s is out", args[0])
	return nil
}

func (p *program) join(ctx context.Context, args []string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	res, err := api.team.AcceptInvitation(ctx, connect.NewRequest(&imagov1.AcceptInvitationRequest{Token: args[0]}))
	if connect.CodeOf(err) == connect.CodeUnauthenticated {
		return withHint(err, "imago login YOUR-ADDRESS --invitation TOKEN signs in and accepts it")
	}
	if err != nil {
		return err
	}
	return p.switched(ctx, res.Msg)
}

// moved answers a session that went to another account.
type moved interface {
	GetToken() string
	GetSession() *imagov1.Session
	GetSecondFactor() string
}

// switched keeps its token, once it is in.
func (p *program) switched(ctx context.Context, m moved) error {
	server, err := p.serverURL()
	if err != nil {
		return err
	}
	token, s := m.GetToken(), m.GetSession()
	if m.GetSecondFactor() != "" {
		if token, s, err = p.secondFactor(ctx, server, waiting{token, m.GetSecondFactor()}, ""); err != nil {
			return err
		}
	}
	return p.keep(server, token, s)
}

func (p *program) leave(ctx context.Context) error {
	server, err := p.serverURL()
	if err != nil {
		return err
	}
	kept, err := p.readLogin(server)
	if err != nil {
		return err
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	if _, err := api.team.LeaveAccount(ctx, connect.NewRequest(&imagov1.LeaveAccountRequest{})); err != nil {
		return err
	}
	p.notice("you have left the account, and are signed out")
	return p.writeLogin(server, login{Email: kept.Email})
}
