package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// connecting are the flags of `imago connect`.
type connecting struct {
	name     string
	share    float64
	follow   time.Duration
	write    bool
	clientID string
}

func (p *program) connectCommand() *cobra.Command {
	var c connecting
	cmd := &cobra.Command{
		Use:   "connect ORG-URL|CONNECTION",
		Short: "Connect an org through a service app of its own, read-only",
		Long: "connect makes a key pair, of which Imago shows you the public half, and says what to\n" +
			"click in the org: a service app with that key, read scopes and a read-only role. Give\n" +
			"the app's client ID back, and Imago shows what it can and cannot read.\n\n" +
			"To restore, a second service app is needed (--write). It stays deactivated in the org\n" +
			"except while you apply a plan that you approved.",
		Example: example(
			"imago connect https://acme.okta.com", "begin",
			"imago connect acme --client-id 0oa1gjh63g214q0Hq0g4", "finish, and see what can be read",
			"imago connect acme --write", "prepare the service app that restores use",
			"imago connect acme --write --client-id 0oa1gjh63g214q0Hq0g5", "finish that"),
		Args: needArgs(1, "ORG-URL"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.connect(cmd.Context(), args[0], c) },
	}
	flags := cmd.Flags()
	flags.StringVar(&c.name, "name", "", "what to call it (default: the org's host name)")
	flags.Float64Var(&c.share, "share", 0.5, "how much of each of the org's rate limits to use, over 0 up to 1")
	flags.DurationVar(&c.follow, "follow", time.Minute, "how often to read the org's log, from 2s to 1h")
	flags.BoolVar(&c.write, "write", false, "the service app that restores use")
	flags.StringVar(&c.clientID, "client-id", "", "the client ID that the org gave to the service app")
	return cmd
}

// connect goes on where it was left: it makes the connection, shows what to do in
// the org, or takes the client ID.
func (p *program) connect(ctx context.Context, target string, c connecting) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	conn, err := p.connectionFor(ctx, api, target, c)
	if err != nil {
		return err
	}
	if c.clientID == "" {
		if err := p.showCredential(conn, c.purpose()); err != nil {
			return err
		}
		if c.clientID, err = p.askClientID(); err != nil || c.clientID == "" {
			return err
		}
	}
	return p.setCredential(ctx, api, conn, c)
}

func (c connecting) purpose() string {
	if c.write {
		return "write"
	}
	return "read"
}

// connectionFor finds the connection, or makes it when the target is an org that is
// not connected yet.
func (p *program) connectionFor(ctx context.Context, api *api, target string, c connecting) (*imagov1.Connection, error) {
	all, err := api.allConnections(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := named(all, target)
	if err == nil || !strings.Contains(target, ".") && !strings.Contains(target, "/") {
		return conn, err
	}
	if c.clientID != "" {
		return nil, withHint(err, "begin with imago connect %s", target)
	}
	if !strings.Contains(target, "://") {
		target = "https://" + target
	}
	res, err := api.connections.CreateConnection(ctx, connect.NewRequest(&imagov1.CreateConnectionRequest{
		OrgUrl: target, Name: c.name, RateShare: c.share, FollowSeconds: int32(c.follow / time.Second),
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetConnection(), nil
}

// showCredential says what to do in the org.
func (p *program) showCredential(conn *imagov1.Connection, purpose string) error {
	if p.json {
		return p.emit("connection", conn)
	}
	cred := credential(conn, purpose)
	if cred == nil {
		return fmt.Errorf("the server knows of no %s credential of %s", purpose, conn.GetName())
	}
	p.print("%s\n", p.instructions(conn, cred))
	p.notice("then: imago connect %s%s --client-id CLIENT-ID", conn.GetName(), map[bool]string{true: " --write"}[purpose == "write"])
	return nil
}

func credential(conn *imagov1.Connection, purpose string) *imagov1.Credential {
	for _, c := range conn.GetCredentials() {
		if c.GetPurpose() == purpose {
			return c
		}
	}
	return nil
}

// instructions are the clicks in Okta's admin console, in their order.
func (p *program) instructions(conn *imagov1.Connection, cred *imagov1.Credential) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	title := "Imago (reads)"
	if cred.GetPurpose() == "write" {
		title = "Imago (restores)"
	}
	say("%s", p.paint(bold, "In "+clean(conn.GetOrgUrl())+", as a super admin:"))
	say("")
	say("1. Applications > Create App Integration > API Services. Name it %q.", title)
	say("2. General > Client Credentials > Edit: Public key / Private key. Add this key:")
	say("\n   %s\n", clean(cred.GetPublicJwk()))
	say("   and switch off \"Require Demonstrating Proof of Possession (DPoP)\".")
	say("3. Okta API Scopes: grant")
	for _, line := range wrap(cred.GetScopes(), 76) {
		say("     %s", clean(line))
	}
	say("4. Admin roles: assign %s.", roleName(cred.GetAdminRole()))
	if cred.GetPurpose() == "write" {
		say("5. Deactivate the app. You activate it only while a plan that you approved is applied.")
	}
	return b.String()
}

// roleName is what Okta's console calls an admin role.
// https://developer.okta.com/docs/api/openapi/okta-management/guides/roles/
func roleName(role string) string {
	names := map[string]string{"READ_ONLY_ADMIN": "Read-Only Administrator", "SUPER_ADMIN": "Super Administrator"}
	if name, ok := names[role]; ok {
		return name
	}
	return clean(role)
}

// wrap sets words into lines.
func wrap(words []string, width int) (lines []string) {
	line := ""
	for _, w := range words {
		if line != "" && len(line)+1+len(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// askClientID asks whoever sits there; "" when nobody does.
func (p *program) askClientID() (string, error) {
	if !p.Prompt || p.json {
		return "", nil
	}
	return p.ask("Client ID of the service app (Enter: later): ")
}

// setCredential gives the client ID to the server, and waits for the check of what
// can be read.
func (p *program) setCredential(ctx context.Context, api *api, conn *imagov1.Connection, c connecting) error {
	res, err := api.connections.SetCredential(ctx, connect.NewRequest(&imagov1.SetCredentialRequest{
		ConnectionId: conn.GetId(), Purpose: c.purpose(), ClientId: c.clientID,
	}))
	if err != nil {
		return err
	}
	conn = res.Msg.GetConnection()
	if c.write {
		return p.showWriteApp(conn, c.clientID)
	}
	return p.awaitCheck(ctx, api, conn)
}

func (p *program) showWriteApp(conn *imagov1.Connection, app string) error {
	if p.json {
		return p.emit("connection", conn)
	}
	p.print("Restores of %s will use the app %s. Keep it deactivated until imago restore apply asks for it.\n", clean(conn.GetName()), clean(app))
	return nil
}

// awaitCheck waits until a worker has tried the read credential.
func (p *program) awaitCheck(ctx context.Context, api *api, conn *imagov1.Connection) error {
	p.notice("checking what can be read in %s", conn.GetOrgUrl())
	before := conn.GetCheckedAt().AsTime() // a connection that is ready stays so meanwhile
	for conn.GetState() != "failed" && conn.GetCheckedAt().AsTime().Equal(before) {
		if err := p.Wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		res, err := api.connections.GetConnection(ctx, connect.NewRequest(&imagov1.GetConnectionRequest{ConnectionId: conn.GetId()}))
		if err != nil {
			return err
		}
		conn = res.Msg.GetConnection()
	}
	if conn.GetState() == "failed" {
		return problemError(conn.GetProblem(), "the org cannot be read")
	}
	return p.showConnection(conn)
}

// showConnection shows one connection and what it can read.
func (p *program) showConnection(conn *imagov1.Connection) error {
	if p.json {
		return p.emit("connection", conn)
	}
	p.print("%s  %s  %s\n", p.paint(bold, clean(conn.GetName())), clean(conn.GetOrgUrl()), p.state(conn.GetState()))
	if conn.GetOrgId() != "" {
		p.print("org %s, engine %s, %s\n", clean(conn.GetOrgId()), clean(conn.GetEngine()), checked(conn))
	}
	p.showProblem("problem", conn.GetProblem())
	p.showProblem("log problem", conn.GetFollowProblem())
	if len(conn.GetAccess()) > 0 {
		p.print("\n")
		p.showAccess(conn.GetAccess())
	}
	if conn.GetState() == "new" {
		p.notice("go on with: imago connect %s", conn.GetName())
	}
	return nil
}

// checked says when it was last tried what the connection can read.
func checked(conn *imagov1.Connection) string {
	if conn.GetCheckedAt() == nil {
		return "not checked yet"
	}
	return "checked " + stamp(conn.GetCheckedAt())
}

// showProblem shows what is wrong and, below it, the way out; nothing if there is none.
func (p *program) showProblem(name string, problem *imagov1.Problem) {
	if problem.GetWhat() == "" {
		return
	}
	err := problemError(problem, "")
	p.print("  %-14s %s\n", name, clean(err.Error()))
	if h, ok := errors.AsType[*hinted](err); ok {
		p.print("  %-14s %s\n", "", clean(h.hint))
	}
}

// showAccess shows what can and what cannot be read, with the way out.
func (p *program) showAccess(access []*imagov1.TypeAccess) {
	rows := [][]string{{"", "TYPE", "READS", ""}}
	readable := 0
	for _, a := range access {
		mark, answer := "✓", "yes"
		if a.GetReadable() {
			readable++
		} else {
			mark, answer = "✗", "no: "+strings.ReplaceAll(a.GetReason(), "_", " ")
		}
		name := title(a.GetTitle(), a.GetType())
		rows = append(rows, []string{mark, name, answer, strings.TrimPrefix(a.GetDetail(), name+": ")})
	}
	p.table(rows)
	p.print("\n%d of %s can be read.\n", readable, count(int64(len(access)), "type"))
}

// title is what people call a type.
func title(title, typ string) string {
	if title != "" {
		return title
	}
	return typ
}

// state colours a state by how it stands.
func (p *program) state(s string) string {
	switch s {
	case "ready", "complete", "closed", "verified":
		return p.paint(green, s)
	case "failed", "stopped":
		return p.paint(red, s)
	default:
		return p.paint(yellow, clean(s))
	}
}

func (p *program) connectionsCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "connections [CONNECTION]",
		Short: "List the connected orgs, or show one and what it can read",
		Example: example(
			"imago connections", "list them",
			"imago connections acme --check", "test once more what acme's credential can read"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check || len(args) > 0 {
				return p.oneConnection(cmd.Context(), args, check)
			}
			return p.listConnections(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "test the read credential once more")
	return cmd
}

func (p *program) oneConnection(ctx context.Context, args []string, check bool) error {
	api, conn, err := p.reach(ctx, args)
	if err != nil {
		return err
	}
	if !check {
		return p.showConnection(conn)
	}
	res, err := api.connections.CheckConnection(ctx, connect.NewRequest(&imagov1.CheckConnectionRequest{ConnectionId: conn.GetId()}))
	if err != nil {
		return err
	}
	return p.awaitCheck(ctx, api, res.Msg.GetConnection())
}

func (p *program) listConnections(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	all, err := api.allConnections(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "connection", all)
	}
	if len(all) == 0 {
		p.notice("no org is connected: imago connect https://YOUR-ORG.okta.com")
		return nil
	}
	rows := [][]string{{"NAME", "ORG", "STATE", "READS", "ID"}}
	for _, c := range all {
		rows = append(rows, []string{c.GetName(), c.GetOrgUrl(), c.GetState(), readShare(c), short(c.GetId())})
	}
	p.table(rows)
	return nil
}

// readShare tells how many types can be read: "17 of 18 types".
func readShare(c *imagov1.Connection) string {
	readable := 0
	for _, a := range c.GetAccess() {
		if a.GetReadable() {
			readable++
		}
	}
	if len(c.GetAccess()) == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d types", readable, len(c.GetAccess()))
}

// emitAll prints each message of a list as a line of JSON.
func emitAll[M message](p *program, kind string, list []M) error {
	var errs []error
	for _, m := range list {
		errs = append(errs, p.emit(kind, m))
	}
	return errors.Join(errs...)
}
