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
	newKey   bool
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
			"imago connect acme --write --client-id 0oa1gjh63g214q0Hq0g5", "finish that",
			"imago connect acme --share 0.8", "use more of the org's rate limits",
			"imago connect acme --new-key", "replace a key that was lost, or that somebody may have seen"),
		Args: needArgs(1, "ORG-URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.chosen(cmd.Flags().Changed); err != nil {
				return err
			}
			return p.connect(cmd.Context(), args[0], c)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.name, "name", "", "what to call it (default: the org's host name)")
	flags.Float64Var(&c.share, "share", 0.5, "how much of each of the org's rate limits to use, over 0 up to 1")
	flags.DurationVar(&c.follow, "follow", time.Minute, "how often to read the org's log, from 2s to 1h")
	flags.BoolVar(&c.write, "write", false, "the service app that restores use")
	flags.StringVar(&c.clientID, "client-id", "", "the client ID that the org gave to the service app")
	flags.BoolVar(&c.newKey, "new-key", false, "make a new key pair for the service app")
	return cmd
}

// chosen leaves of the settings what somebody chose: a connection keeps what it has, and
// a new one has the server's defaults.
func (c *connecting) chosen(changed func(flag string) bool) error {
	if c.newKey && c.clientID != "" {
		return usage("--new-key is for the service app that is there: leave out --client-id")
	}
	switch {
	case !changed("share"):
		c.share = 0
	case c.share == 0:
		return usage("--share 0 would never ask the org: it is over 0, up to 1")
	}
	switch {
	case !changed("follow"):
		c.follow = 0
	case c.follow < time.Second:
		return usage("--follow %s is too often: it is from 2s to 1h", c.follow)
	}
	return nil
}

// settings reports whether a setting was chosen.
func (c connecting) settings() bool { return c.name != "" || c.share != 0 || c.follow != 0 }

// connect goes on where it was left: it makes the connection, shows what to do in
// the org, or takes the client ID. Of a connection that is there it changes what was
// chosen.
func (p *program) connect(ctx context.Context, target string, c connecting) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	conn, made, err := p.connectionFor(ctx, api, target, c)
	if err != nil {
		return err
	}
	if c.settings() && !made {
		if conn, err = p.configure(ctx, api, conn, c); err != nil || c == c.settingsAlone() {
			return err
		}
	}
	if c.newKey {
		return p.replaceKey(ctx, api, conn, c)
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

// settingsAlone is nothing but the settings.
func (c connecting) settingsAlone() connecting {
	return connecting{name: c.name, share: c.share, follow: c.follow}
}

// configure changes the settings of a connection that is there.
func (p *program) configure(ctx context.Context, api *api, conn *imagov1.Connection, c connecting) (*imagov1.Connection, error) {
	res, err := api.connections.UpdateConnection(ctx, connect.NewRequest(&imagov1.UpdateConnectionRequest{
		ConnectionId: conn.GetId(), Name: c.name, RateShare: c.share, FollowSeconds: int32(c.follow / time.Second),
	}))
	if err != nil {
		return nil, err
	}
	conn = res.Msg.GetConnection()
	if p.json && c == c.settingsAlone() {
		return conn, p.emit("connection", conn)
	}
	p.notice("%s uses %.4g of each of the org's rate limits, and reads its log every %s",
		conn.GetName(), conn.GetRateShare(), time.Duration(conn.GetFollowSeconds())*time.Second)
	return conn, nil
}

// replaceKey makes a new key pair for a service app, and says what to do in the org.
func (p *program) replaceKey(ctx context.Context, api *api, conn *imagov1.Connection, c connecting) error {
	res, err := api.connections.ReplaceKey(ctx, connect.NewRequest(&imagov1.ReplaceKeyRequest{ConnectionId: conn.GetId(), Purpose: c.purpose()}))
	if err != nil {
		return err
	}
	conn = res.Msg.GetConnection()
	cred := credential(conn, c.purpose())
	if p.json || cred.GetClientId() == "" { // there is no app yet that has the old key
		return p.showCredential(conn, c.purpose())
	}
	p.print("%s\n\n1. Applications > the service app %s > General > Client Credentials > Edit. Add this key:\n\n   %s\n\n2. Delete the old key there.\n",
		p.paint(bold, "In "+clean(conn.GetOrgUrl())+", as a super admin:"), clean(cred.GetClientId()), clean(cred.GetPublicJwk()))
	if c.write {
		p.notice("restores of %s use the new key from now on", conn.GetName())
		return nil
	}
	p.notice("then: imago connections %s --check; the org is not read until then", conn.GetName())
	return nil
}

// connectionFor finds the connection, or makes it when the target is an org that is
// not connected yet.
func (p *program) connectionFor(ctx context.Context, api *api, target string, c connecting) (conn *imagov1.Connection, made bool, err error) {
	all, err := api.allConnections(ctx)
	if err != nil {
		return nil, false, err
	}
	conn, err = named(all, target)
	if err == nil || !strings.Contains(target, ".") && !strings.Contains(target, "/") {
		return conn, false, err
	}
	if c.clientID != "" || c.newKey {
		return nil, false, withHint(err, "begin with imago connect %s", target)
	}
	if !strings.Contains(target, "://") {
		target = "https://" + target
	}
	res, err := api.connections.CreateConnection(ctx, connect.NewRequest(&imagov1.CreateConnectionRequest{
		OrgUrl: target, Name: c.name, RateShare: c.share, FollowSeconds: int32(c.follow / time.Second),
	}))
	if err != nil {
		return nil, false, err
	}
	return res.Msg.GetConnection(), true, nil
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

// A worker begins a check within a second or two. One that has not ended after the first
// of these is told of, and after the second is left to itself.
const (
	checkSlow = 30 * time.Second
	checkLong = 5 * time.Minute
)

// awaitCheck waits until a worker has tried the read credential.
func (p *program) awaitCheck(ctx context.Context, api *api, conn *imagov1.Connection) error {
	p.notice("checking what can be read in %s", conn.GetOrgUrl())
	before := conn.GetCheckedAt().AsTime() // a connection that is ready stays so meanwhile
	const pause = 500 * time.Millisecond
	for waited := time.Duration(0); conn.GetState() != "failed" && conn.GetCheckedAt().AsTime().Equal(before); waited += pause {
		switch waited {
		case checkSlow:
			p.notice("still checking: the org is slow, or no worker is free; interrupting does not stop the check")
		case checkLong:
			return withHint(errors.New("the check has not ended yet, and goes on by itself"), "imago connections %s shows how it ended", clean(conn.GetName()))
		}
		if err := p.Wait(ctx, pause); err != nil {
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
