package cli_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	imagov1 "imago/proto/imago/v1"
	"imago/proto/imago/v1/imagov1connect"
)

// The moment at which everything in the fake happens.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(noon.Add(d)) }

// id makes an ID with a number at its end.
func id(n int) string { return fmt.Sprintf("01938f00-0000-7000-8000-0000%08d", n) }

const token = "imago_token-1"

// fake is an Imago server that answers from a small made-up account. It checks what
// a client must send: a token, and an idempotency key with every change.
type fake struct {
	imagov1connect.UnimplementedSignInServiceHandler
	imagov1connect.UnimplementedSessionServiceHandler
	imagov1connect.UnimplementedFactorServiceHandler
	imagov1connect.UnimplementedConnectionServiceHandler
	imagov1connect.UnimplementedSnapshotServiceHandler
	imagov1connect.UnimplementedDriftServiceHandler
	imagov1connect.UnimplementedRestoreServiceHandler
	imagov1connect.UnimplementedActivityServiceHandler
	imagov1connect.UnimplementedBillingServiceHandler
	imagov1connect.UnimplementedTeamServiceHandler
	imagov1connect.UnimplementedTokenServiceHandler
	imagov1connect.UnimplementedDeviceServiceHandler
	imagov1connect.UnimplementedMailServiceHandler
	imagov1connect.UnimplementedSsoServiceHandler
	imagov1connect.UnimplementedKeyServiceHandler
	imagov1connect.UnimplementedAccountServiceHandler

	mu          sync.Mutex
	connections []*imagov1.Connection
	snapshots   []*imagov1.Snapshot // newest first
	restores    []*imagov1.Restore  // newest first
	findings    []*imagov1.Finding
	set         map[string]bool // what the script asked for
	looks       int             // how often something under way was looked at
	changes     map[string]bool // idempotency keys seen
	checks      int             // made of connections
	pending     bool            // a check is under way
	team        []*imagov1.Member
	invited     []*imagov1.Invitation
	apiTokens   []*imagov1.ApiToken
	mail        *imagov1.GetMailPreferencesResponse
	keys        *imagov1.Keys
	offered     string // a copied bucket, which downloads are of
	// identityProvider is the account's; nil: it has none.
	identityProvider *imagov1.Sso
}

func newFake() *fake {
	return &fake{set: map[string]bool{}, changes: map[string]bool{}, keys: &imagov1.Keys{Version: 1}}
}

// serve starts the server.
func (f *fake) serve() *httptest.Server {
	mux := http.NewServeMux()
	with := connect.WithInterceptors(connect.UnaryInterceptorFunc(f.check))
	mux.Handle(imagov1connect.NewSignInServiceHandler(f, with))
	mux.Handle(imagov1connect.NewSessionServiceHandler(f, with))
	mux.Handle(imagov1connect.NewFactorServiceHandler(f, with))
	mux.Handle(imagov1connect.NewConnectionServiceHandler(f, with))
	mux.Handle(imagov1connect.NewSnapshotServiceHandler(f, with))
	mux.Handle(imagov1connect.NewDriftServiceHandler(f, with))
	mux.Handle(imagov1connect.NewRestoreServiceHandler(f, with))
	mux.Handle(imagov1connect.NewActivityServiceHandler(f, with))
	mux.Handle(imagov1connect.NewBillingServiceHandler(f, with))
	mux.Handle(imagov1connect.NewTeamServiceHandler(f, with))
	mux.Handle(imagov1connect.NewTokenServiceHandler(f, with))
	mux.Handle(imagov1connect.NewDeviceServiceHandler(f, with))
	mux.Handle(imagov1connect.NewMailServiceHandler(f, with))
	mux.Handle(imagov1connect.NewSsoServiceHandler(f, with))
	mux.Handle(imagov1connect.NewKeyServiceHandler(f, with))
	mux.Handle(imagov1connect.NewAccountServiceHandler(f, with))
	mux.HandleFunc("GET /v1/downloads/{id}/{secret}", f.download)
	return httptest.NewServer(f.elsewhere(mux))
}

// elsewhere answers as another program would when the script asked for it.
func (f *fake) elsewhere(imago http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		foreign, json, page := f.set["foreign"], f.set["foreign-json"], f.set["foreign-page"]
		f.mu.Unlock()
		switch {
		case page:
			fmt.Fprint(w, "<html>sign in</html>")
		case json:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errorCode":"E0000005"}`)
		case foreign:
			http.NotFound(w, r)
		default:
			imago.ServeHTTP(w, r)
		}
	})
}

// problem makes an error as the api makes it.
func problem(code connect.Code, kind, field, what, hint string) error {
	err := connect.NewError(code, errors.New(what))
	d, derr := connect.NewErrorDetail(&imagov1.Problem{Kind: kind, Field: field, What: what, Hint: hint})
	if derr != nil {
		return derr
	}
	err.AddDetail(d)
	return err
}

// keyless are the verbs that begin or end a session.
var keyless = []string{"WhoAmI", "SignOut", "LeaveAccount", "SwitchAccount", "AcceptInvitation", "RequestStepUp", "StepUp", "EnrollTotp", "ConfirmTotp", "VerifyTotp", "CreateToken", "CreateDownload"}

// check wants a token, and a fresh idempotency key with every change.
func (f *fake) check(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		verb := req.Spec().Procedure[strings.LastIndex(req.Spec().Procedure, "/")+1:]
		key := req.Header().Get("Idempotency-Key")
		open := slices.Contains([]string{"RequestCode", "ExchangeCode", "BeginDevice", "ExchangeDevice"}, verb)
		reads := strings.HasPrefix(verb, "Get") || strings.HasPrefix(verb, "List") || strings.HasPrefix(verb, "Preview") || slices.Contains(keyless, verb)
		if (reads || open) != (key == "") || key != "" && f.changes[key] {
			return nil, fmt.Errorf("%s has the idempotency key %q", verb, key)
		}
		if !open && req.Header().Get("Authorization") != "Bearer "+f.token() && !strings.HasSuffix(verb, "Totp") {
			return nil, problem(connect.CodeUnauthenticated, "denied", "", "nobody is signed in", "send a token")
		}
		if !open && f.set["viewer"] && !reads {
			return nil, problem(connect.CodePermissionDenied, "denied", "", "the role viewer does not allow this", "ask an owner or admin of the account")
		}
		if f.set["stale"] && !f.set["stepped-up"] && (verb == "ApproveRestore" || verb == "DeleteConnection") {
			return nil, problem(connect.CodePermissionDenied, "step_up", "", "this needs proof of the last ten minutes that it is you", "step up")
		}
		f.changes[key] = true
		return next(ctx, req)
	}
}

// token is what the session's calls must send: another one after a step-up.
func (f *fake) token() string {
	if f.set["in"] {
		return token + "-in"
	}
	if f.set["waits"] && f.set["left"] {
		return "nobody's: the session waits for its second factor"
	}
	if f.set["stepped-up"] {
		return token + "-risen"
	}
	return token
}

func (f *fake) RequestStepUp(context.Context, *connect.Request[imagov1.RequestStepUpRequest]) (*connect.Response[imagov1.RequestStepUpResponse], error) {
	if f.set["passkey"] {
		return nil, problem(connect.CodePermissionDenied, "denied", "", "your second factor steps up, and mail does not", "use your passkey")
	}
	return connect.NewResponse(&imagov1.RequestStepUpResponse{AttemptId: id(9), ExpiresAt: at(10 * time.Minute)}), nil
}

func (f *fake) StepUp(_ context.Context, r *connect.Request[imagov1.StepUpRequest]) (*connect.Response[imagov1.StepUpResponse], error) {
	if r.Msg.GetAttemptId() != id(9) || r.Msg.GetCode() != "123456" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "code", "it is not the code that was mailed", "4 tries are left")
	}
	f.set["stepped-up"] = true
	return connect.NewResponse(&imagov1.StepUpResponse{Token: f.token(), Until: at(10 * time.Minute)}), nil
}

func (f *fake) GetFactors(context.Context, *connect.Request[imagov1.GetFactorsRequest]) (*connect.Response[imagov1.GetFactorsResponse], error) {
	out := &imagov1.GetFactorsResponse{}
	if f.set["totp"] {
		out.TotpConfirmedAt = at(0)
	}
	return connect.NewResponse(out), nil
}

func (f *fake) RemoveTotp(context.Context, *connect.Request[imagov1.RemoveTotpRequest]) (*connect.Response[imagov1.RemoveTotpResponse], error) {
	if f.set["required"] {
		return nil, problem(connect.CodePermissionDenied, "denied", "", "an account of yours wants a second factor of everybody", "ask an owner of the account")
	}
	return connect.NewResponse(&imagov1.RemoveTotpResponse{}), nil
}

func (f *fake) RequireSecondFactor(_ context.Context, r *connect.Request[imagov1.RequireSecondFactorRequest]) (*connect.Response[imagov1.RequireSecondFactorResponse], error) {
	if r.Msg.GetRequired() && !f.set["totp"] {
		return nil, problem(connect.CodeAlreadyExists, "conflict", "", "this session never gave a second factor", "enrol an authenticator of your own first, and give its code")
	}
	return connect.NewResponse(&imagov1.RequireSecondFactorResponse{}), nil
}

func (f *fake) EnrollTotp(context.Context, *connect.Request[imagov1.EnrollTotpRequest]) (*connect.Response[imagov1.EnrollTotpResponse], error) {
	return connect.NewResponse(&imagov1.EnrollTotpResponse{Secret: "JBSWY3DPEHPK3PXP"}), nil
}

func (f *fake) ConfirmTotp(_ context.Context, r *connect.Request[imagov1.ConfirmTotpRequest]) (*connect.Response[imagov1.ConfirmTotpResponse], error) {
	if r.Msg.GetCode() != "654321" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "code", "it is not your authenticator's code", "wait")
	}
	return connect.NewResponse(&imagov1.ConfirmTotpResponse{RecoveryCodes: []string{"aaaa-bbbb-cccc-dddd"}, Token: f.token(), Session: f.session()}), nil
}

func (f *fake) VerifyTotp(_ context.Context, r *connect.Request[imagov1.VerifyTotpRequest]) (*connect.Response[imagov1.VerifyTotpResponse], error) {
	if f.set["waits"] && r.Header().Get("Authorization") != "Bearer "+token+"-waiting" || f.set["gone"] {
		return nil, problem(connect.CodeUnauthenticated, "denied", "", "no sign-in waits for its second factor", "sign in again")
	}
	if r.Msg.GetCode() != "654321" && r.Msg.GetRecoveryCode() != "aaaa-bbbb-cccc-dddd" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "code", "it is not your authenticator's code", "wait")
	}
	if f.set["waits"] {
		f.set["in"], f.set["waits"] = true, false
		return connect.NewResponse(&imagov1.VerifyTotpResponse{Token: f.token(), Session: f.other()}), nil
	}
	f.set["stepped-up"] = f.set["stale"]
	return connect.NewResponse(&imagov1.VerifyTotpResponse{Token: f.token(), Session: f.session()}), nil
}

func (f *fake) ListSessions(context.Context, *connect.Request[imagov1.ListSessionsRequest]) (*connect.Response[imagov1.ListSessionsResponse], error) {
	return connect.NewResponse(&imagov1.ListSessionsResponse{Sessions: []*imagov1.SignedIn{
		{Id: id(1), Kind: "cli", AccountName: "Acme", CreatedAt: at(-time.Hour), SeenAt: at(0), SourceIp: "192.0.2.1", UserAgent: "imago-cli/dev", Current: true},
		{Id: id(2), Kind: "web", AccountName: "Acme", CreatedAt: at(-2 * time.Hour), SeenAt: at(-time.Hour), SourceIp: "192.0.2.2", UserAgent: "Mozilla/5.0"},
	}}), nil
}

func (f *fake) RevokeSession(_ context.Context, r *connect.Request[imagov1.RevokeSessionRequest]) (*connect.Response[imagov1.RevokeSessionResponse], error) {
	if r.Msg.GetSessionId() != id(2) {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "session_id", "it is the session that asks", "sign out instead")
	}
	return connect.NewResponse(&imagov1.RevokeSessionResponse{}), nil
}

func (f *fake) RevokeOtherSessions(context.Context, *connect.Request[imagov1.RevokeOtherSessionsRequest]) (*connect.Response[imagov1.RevokeOtherSessionsResponse], error) {
	return connect.NewResponse(&imagov1.RevokeOtherSessionsResponse{Revoked: 1}), nil
}

func (f *fake) RequestCode(_ context.Context, r *connect.Request[imagov1.RequestCodeRequest]) (*connect.Response[imagov1.RequestCodeResponse], error) {
	if !strings.Contains(r.Msg.GetEmail(), "@") {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "email", "this is not a mail address", "write it like ada@example.com")
	}
	return connect.NewResponse(&imagov1.RequestCodeResponse{AttemptId: id(1), ClientSecret: "secret-1", ExpiresAt: at(10 * time.Minute)}), nil
}

func (f *fake) session() *imagov1.Session {
	role := "owner"
	if f.set["viewer"] {
		role = "viewer"
	}
	return &imagov1.Session{
		Email: "ada@example.com", UserId: id(2), AccountId: id(3), AccountName: "Acme", Role: role,
		ExpiresAt: at(time.Hour), IdleExpiresAt: at(time.Hour),
	}
}

func (f *fake) ExchangeCode(_ context.Context, r *connect.Request[imagov1.ExchangeCodeRequest]) (*connect.Response[imagov1.ExchangeCodeResponse], error) {
	const again = "ask for a new code"
	switch code := r.Msg.GetCode(); {
	case r.Msg.GetAttemptId() != id(1) || r.Msg.GetClientSecret() != "secret-1" || code == "400000":
		return nil, problem(connect.CodeInvalidArgument, "invalid", "attempt_id", "there is no such sign-in from this client", again)
	case code == "412000":
		return nil, problem(connect.CodeFailedPrecondition, "stale", "code", "it has expired", again)
	case code == "429000":
		return nil, problem(connect.CodeResourceExhausted, "over_limit", "", "the code was tried too often", again)
	case code == "403000":
		return nil, problem(connect.CodePermissionDenied, "denied", "", "nobody has invited this address to an account", "ask an owner")
	case code != "123456":
		return nil, problem(connect.CodeInvalidArgument, "invalid", "code", "it is not the code that was mailed", "4 tries are left")
	}
	return connect.NewResponse(&imagov1.ExchangeCodeResponse{Token: token, ExpiresAt: at(time.Hour), Session: f.session()}), nil
}

func (f *fake) WhoAmI(context.Context, *connect.Request[imagov1.WhoAmIRequest]) (*connect.Response[imagov1.WhoAmIResponse], error) {
	return connect.NewResponse(&imagov1.WhoAmIResponse{Session: f.session()}), nil
}

func (f *fake) SignOut(context.Context, *connect.Request[imagov1.SignOutRequest]) (*connect.Response[imagov1.SignOutResponse], error) {
	return connect.NewResponse(&imagov1.SignOutResponse{}), nil
}

// addConnection makes a connection in a state.
func (f *fake) addConnection(name, state string) *imagov1.Connection {
	n := 10 + len(f.connections)
	key := fmt.Sprintf(`{"kty":"RSA","kid":"key-%d","n":"0vx7","e":"AQAB"}`, n)
	c := &imagov1.Connection{
		Id: id(n), Name: name, Provider: "okta", OrgUrl: "https://" + name + ".okta.com", State: state,
		RateShare: 0.5, FollowSeconds: 60, CreatedAt: at(-time.Hour),
		Schedule: &imagov1.Schedule{Cron: "0 2 * * *", TimeZone: "UTC", Enabled: true, NextRunAt: at(14 * time.Hour)},
		Credentials: []*imagov1.Credential{
			{Purpose: "read", KeyId: "key", PublicJwk: key, Scopes: []string{"okta.users.read", "okta.groups.read"}, AdminRole: "READ_ONLY_ADMIN"},
			{Purpose: "write", KeyId: "key-w", PublicJwk: key, Scopes: []string{"okta.users.manage", "okta.groups.manage"}, AdminRole: "SUPER_ADMIN"},
		},
	}
	if state == "ready" {
		f.checked(c)
	}
	f.connections = append(f.connections, c)
	return c
}

// checked fills in what a check finds.
func (f *fake) checked(c *imagov1.Connection) {
	c.State, c.OrgId, c.Engine, c.FollowedAt = "ready", "00o1", "oie", at(-20*time.Second)
	c.RepositoryCheck = &imagov1.RepositoryCheck{CheckedAt: at(-3 * time.Hour), Snapshots: 214, Segments: 812, SegmentsRead: 41}
	c.CheckedAt = at(time.Duration(f.checks) * time.Microsecond) // each check is a later one
	f.checks++
	c.Access = []*imagov1.TypeAccess{
		{Type: "user", Title: "User", Readable: true},
		{Type: "group", Title: "Group", Readable: true},
		{Type: "network_zone", Title: "Network zone", Reason: "forbidden", Detail: "Network zone: grant the scope okta.networkZones.read", Scopes: []string{"okta.networkZones.read"}},
	}
	if f.set["gain-scope"] && !f.set["lose-scope"] {
		c.Access[2] = &imagov1.TypeAccess{Type: "network_zone", Title: "Network zone", Readable: true}
	}
}

func (f *fake) connection(id string) (*imagov1.Connection, error) {
	for _, c := range f.connections {
		if c.GetId() == id {
			return c, nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "connection_id", "there is no such connection", "imago connections lists them")
}

func (f *fake) CreateConnection(_ context.Context, r *connect.Request[imagov1.CreateConnectionRequest]) (*connect.Response[imagov1.CreateConnectionResponse], error) {
	host := strings.TrimPrefix(r.Msg.GetOrgUrl(), "https://")
	if strings.Contains(host, "-admin") {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "org_url", "this is the address of the admin console", "leave out -admin")
	}
	name := r.Msg.GetName()
	if name == "" {
		name = strings.TrimSuffix(host, ".okta.com")
	}
	c := f.addConnection(name, "new")
	c.OrgId, c.Engine = "00o1", "oie" // as it said without a credential
	c.OrgUrl = r.Msg.GetOrgUrl()
	configure(c, "", r.Msg.GetRateShare(), r.Msg.GetFollowSeconds())
	return connect.NewResponse(&imagov1.CreateConnectionResponse{Connection: c}), nil
}

// configure changes what is not absent.
func configure(c *imagov1.Connection, name string, share float64, follow int32) {
	if name != "" {
		c.Name = name
	}
	if share != 0 {
		c.RateShare = share
	}
	if follow != 0 {
		c.FollowSeconds = follow
	}
}

func (f *fake) UpdateConnection(_ context.Context, r *connect.Request[imagov1.UpdateConnectionRequest]) (*connect.Response[imagov1.UpdateConnectionResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	configure(c, r.Msg.GetName(), r.Msg.GetRateShare(), r.Msg.GetFollowSeconds())
	return connect.NewResponse(&imagov1.UpdateConnectionResponse{Connection: c}), nil
}

func (f *fake) ReplaceKey(_ context.Context, r *connect.Request[imagov1.ReplaceKeyRequest]) (*connect.Response[imagov1.ReplaceKeyResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	for _, cred := range c.GetCredentials() {
		if cred.GetPurpose() == r.Msg.GetPurpose() {
			cred.KeyId, cred.PublicJwk = "new", `{"kty":"RSA","kid":"new","n":"1","e":"AQAB"}`
		}
	}
	return connect.NewResponse(&imagov1.ReplaceKeyResponse{Connection: c}), nil
}

func (f *fake) DeleteConnection(_ context.Context, r *connect.Request[imagov1.DeleteConnectionRequest]) (*connect.Response[imagov1.DeleteConnectionResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(f.snapshots, func(s *imagov1.Snapshot) bool { return s.GetConnectionId() == c.GetId() }) {
		return nil, problem(connect.CodeFailedPrecondition, "conflict", "", "the connection holds 1 snapshot", "switch its schedule off instead (imago schedule NAME --off)")
	}
	f.connections = slices.DeleteFunc(f.connections, func(other *imagov1.Connection) bool { return other == c })
	return connect.NewResponse(&imagov1.DeleteConnectionResponse{}), nil
}

func (f *fake) CreateDemo(context.Context, *connect.Request[imagov1.CreateDemoRequest]) (*connect.Response[imagov1.CreateDemoResponse], error) {
	if !f.set["demos"] {
		return nil, problem(connect.CodeUnavailable, "unavailable", "", "this Imago has no demo orgs", "connect an org of your own")
	}
	c := &imagov1.Connection{Id: id(99), Name: "Acme Robotics (demo)", OrgUrl: "http://demo-000000000099.imago.invalid", State: "new", Demo: "preparing"}
	f.connections = append(f.connections, c)
	return connect.NewResponse(&imagov1.CreateDemoResponse{Connection: c}), nil
}

func (f *fake) SwitchDemoApp(_ context.Context, r *connect.Request[imagov1.SwitchDemoAppRequest]) (*connect.Response[imagov1.SwitchDemoAppResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	c.DemoAppActive = r.Msg.GetActive()
	return connect.NewResponse(&imagov1.SwitchDemoAppResponse{}), nil
}

func (f *fake) SetCredential(_ context.Context, r *connect.Request[imagov1.SetCredentialRequest]) (*connect.Response[imagov1.SetCredentialResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	for _, cred := range c.GetCredentials() {
		if cred.GetPurpose() == r.Msg.GetPurpose() {
			cred.ClientId = r.Msg.GetClientId()
		}
	}
	if r.Msg.GetPurpose() == "read" {
		c.State, f.looks, f.pending = "checking", 0, true
	}
	return connect.NewResponse(&imagov1.SetCredentialResponse{Connection: c}), nil
}

func (f *fake) CheckConnection(_ context.Context, r *connect.Request[imagov1.CheckConnectionRequest]) (*connect.Response[imagov1.CheckConnectionResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	f.looks, f.pending = 0, true // it stays ready meanwhile, with what was found before
	return connect.NewResponse(&imagov1.CheckConnectionResponse{Connection: c}), nil
}

// GetConnection finishes a check at the third look.
func (f *fake) GetConnection(_ context.Context, r *connect.Request[imagov1.GetConnectionRequest]) (*connect.Response[imagov1.GetConnectionResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	if f.looks++; f.looks > 2 && f.pending && !f.set["no-worker"] {
		f.pending = false
		f.checked(c)
		if c.GetCredentials()[0].GetClientId() == "0oabad" {
			c.State = "failed"
			c.Problem = &imagov1.Problem{Kind: "denied", Field: "client_id", What: "the org does not know the service app 0oabad", Hint: "copy the client ID from the app's General tab"}
		}
	}
	return connect.NewResponse(&imagov1.GetConnectionResponse{Connection: c}), nil
}

// ListConnections gives one at a time, so that paging is needed.
func (f *fake) ListConnections(_ context.Context, r *connect.Request[imagov1.ListConnectionsRequest]) (*connect.Response[imagov1.ListConnectionsResponse], error) {
	for _, c := range f.connections {
		c.OpenFindings = 0
		for _, finding := range f.findings {
			if finding.GetConnectionId() == c.GetId() && finding.GetState() == "open" {
				c.OpenFindings++
			}
		}
	}
	page, next := onePage(f.connections, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListConnectionsResponse{Connections: page, NextPageToken: next}), nil
}

// onePage cuts a list into pages of one.
func onePage[T any](all []T, token string) (page []T, next string) {
	n := len(token)
	if n < len(all) {
		page = all[n : n+1]
	}
	if n+1 < len(all) {
		next = strings.Repeat("x", n+1)
	}
	return page, next
}

func (f *fake) SetSchedule(_ context.Context, r *connect.Request[imagov1.SetScheduleRequest]) (*connect.Response[imagov1.SetScheduleResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	if strings.Count(r.Msg.GetCron(), " ") != 4 {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "cron", "this is not a cron expression", "five fields: minute, hour, day of month, month, day of week")
	}
	c.Schedule = &imagov1.Schedule{Cron: r.Msg.GetCron(), TimeZone: r.Msg.GetTimeZone(), Enabled: r.Msg.GetEnabled(), NextRunAt: at(12 * time.Hour)}
	return connect.NewResponse(&imagov1.SetScheduleResponse{Schedule: c.GetSchedule()}), nil
}

// addSnapshot makes a snapshot that has just begun.
func (f *fake) addSnapshot(connection, trigger string) *imagov1.Snapshot {
	s := &imagov1.Snapshot{
		Id: id(100 + len(f.snapshots)), ConnectionId: connection, State: "queued", Trigger: trigger, CreatedAt: at(-time.Minute),
		Types: []*imagov1.SnapshotType{{Type: "user", Title: "User", Family: "users"}, {Type: "group", Title: "Group", Family: "groups"}},
	}
	f.snapshots = append([]*imagov1.Snapshot{s}, f.snapshots...)
	return s
}

// finish ends a snapshot.
func (f *fake) finish(s *imagov1.Snapshot) {
	s.State, s.StartedAt, s.EndedAt = "complete", at(-time.Minute), at(-56*time.Second)
	s.Objects, s.StoredBytes, s.PlainBytes, s.Calls = 12345, 65536, 3<<20, 70
	s.Types[0].Objects, s.Types[0].Calls, s.Types[0].Done = 12330, 66, true
	s.Types[1].Objects, s.Types[1].Calls, s.Types[1].Done = 15, 4, true
	s.KeptBecause = []*imagov1.KeptBecause{{Rule: "plan", Until: at(89 * 24 * time.Hour)}}
	s.KeptUntil = s.KeptBecause[0].Until
	s.Location, s.ManifestDigest = "users/a/connections/c/backups/20261121T115900Z/", "abcd"
	if f.set["gaps"] {
		s.State = "partial"
		s.Types[1].Gaps = []*imagov1.Gap{{Type: "group", Reason: "forbidden", Detail: "Group: grant the scope okta.groups.read"}}
		s.Types = append(s.Types, &imagov1.SnapshotType{Type: "realm", Title: "Realm", Done: true,
			Gaps: []*imagov1.Gap{{Type: "realm", Reason: "not_licensed", Detail: "Realm: the org does not have this feature"}}})
	}
	if f.set["fail-snapshots"] {
		s.State, s.Problem = "failed", &imagov1.Problem{Kind: "unavailable", What: "the org did not answer for six hours", Hint: "try again when it does"}
	}
}

// addPoint takes a point.
func (f *fake) addPoint(connection string) {
	s := f.addSnapshot(connection, "change")
	f.finish(s)
	s.KeptBecause = []*imagov1.KeptBecause{{Rule: "change", Until: at(24 * time.Hour)}, {Rule: "change_hourly", Of: "2026-11-21T11", Until: at(7 * 24 * time.Hour)}}
	s.KeptUntil = s.KeptBecause[1].Until
}

func (f *fake) TakeSnapshot(_ context.Context, r *connect.Request[imagov1.TakeSnapshotRequest]) (*connect.Response[imagov1.TakeSnapshotResponse], error) {
	if _, err := f.connection(r.Msg.GetConnectionId()); err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.TakeSnapshotResponse{Snapshot: f.addSnapshot(r.Msg.GetConnectionId(), r.Msg.GetTrigger())}), nil
}

func (f *fake) snapshot(id string) (*imagov1.Snapshot, error) {
	for _, s := range f.snapshots {
		if s.GetId() == id {
			return s, nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "snapshot_id", "there is no such snapshot", "imago snapshots lists them")
}

func (f *fake) GetSnapshot(_ context.Context, r *connect.Request[imagov1.GetSnapshotRequest]) (*connect.Response[imagov1.GetSnapshotResponse], error) {
	s, err := f.snapshot(r.Msg.GetSnapshotId())
	return connect.NewResponse(&imagov1.GetSnapshotResponse{Snapshot: s}), err
}

func (f *fake) ListSnapshots(_ context.Context, r *connect.Request[imagov1.ListSnapshotsRequest]) (*connect.Response[imagov1.ListSnapshotsResponse], error) {
	all := slices.DeleteFunc(slices.Clone(f.snapshots), func(s *imagov1.Snapshot) bool { return s.GetTrigger() == "change" && !r.Msg.GetPoints() })
	page, next := onePage(all, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListSnapshotsResponse{Snapshots: page, NextPageToken: next}), nil
}

func (f *fake) PinSnapshot(_ context.Context, r *connect.Request[imagov1.PinSnapshotRequest]) (*connect.Response[imagov1.PinSnapshotResponse], error) {
	s, err := f.snapshot(r.Msg.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	s.PinnedAt, s.KeptUntil, s.GivenUpAt = at(0), nil, nil
	s.KeptBecause = append([]*imagov1.KeptBecause{{Rule: "pinned"}}, s.KeptBecause...)
	return connect.NewResponse(&imagov1.PinSnapshotResponse{Snapshot: s}), nil
}

func (f *fake) UnpinSnapshot(_ context.Context, r *connect.Request[imagov1.UnpinSnapshotRequest]) (*connect.Response[imagov1.UnpinSnapshotResponse], error) {
	s, err := f.snapshot(r.Msg.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	s.PinnedAt, s.KeptBecause = nil, []*imagov1.KeptBecause{{Rule: "daily", Of: "2026-11-21", Until: at(7 * 24 * time.Hour)}}
	s.KeptUntil = s.KeptBecause[0].Until
	return connect.NewResponse(&imagov1.UnpinSnapshotResponse{Snapshot: s}), nil
}

func (f *fake) GiveUpSnapshot(_ context.Context, r *connect.Request[imagov1.GiveUpSnapshotRequest]) (*connect.Response[imagov1.GiveUpSnapshotResponse], error) {
	s, err := f.snapshot(r.Msg.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	if s.GetPinnedAt() != nil {
		return nil, problem(connect.CodeAlreadyExists, "conflict", "snapshot_id", "the snapshot is pinned", "unpin it first")
	}
	s.GivenUpAt = at(0)
	return connect.NewResponse(&imagov1.GiveUpSnapshotResponse{Snapshot: s}), nil
}

func (f *fake) SetRetention(_ context.Context, r *connect.Request[imagov1.SetRetentionRequest]) (*connect.Response[imagov1.SetRetentionResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	c.Thin = r.Msg.GetThin()
	return connect.NewResponse(&imagov1.SetRetentionResponse{Connection: c}), nil
}

// PreviewRetention lets go of all but the newest snapshot if they are thinned, and of points.
func (f *fake) PreviewRetention(_ context.Context, r *connect.Request[imagov1.PreviewRetentionRequest]) (*connect.Response[imagov1.PreviewRetentionResponse], error) {
	c, err := f.connection(r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	thin := c.GetThin()
	if r.Msg.Thin != nil {
		thin = r.Msg.GetThin()
	}
	res := &imagov1.PreviewRetentionResponse{}
	if c.GetThin() {
		res.NextLookAt = at(20 * time.Hour)
	}
	var all []*imagov1.Snapshot
	for i, s := range f.snapshots {
		point := s.GetTrigger() == "change"
		if i == 0 || s.GetEndedAt() == nil || s.GetPinnedAt() != nil || !point && !thin {
			continue
		}
		res.StoredBytes += s.GetStoredBytes()
		if point {
			res.PointCount++
		} else {
			res.SweepCount++
		}
		if !point || r.Msg.GetPoints() {
			all = append(all, s)
		}
	}
	res.Snapshots, res.NextPageToken = onePage(all, r.Msg.GetPageToken())
	return connect.NewResponse(res), nil
}

// signedIn checks the token of a stream, which no unary interceptor sees.
func signedIn(h http.Header) error {
	if h.Get("Authorization") != "Bearer "+token {
		return problem(connect.CodeUnauthenticated, "denied", "", "nobody is signed in", "send a token")
	}
	return nil
}

// broken fails a stream once when the script asked for it.
func (f *fake) broken() error {
	if f.set["break-stream"] {
		delete(f.set, "break-stream")
		return connect.NewError(connect.CodeUnavailable, errors.New("the server restarts"))
	}
	if f.set["kill-stream"] {
		delete(f.set, "kill-stream")
		panic(http.ErrAbortHandler)
	}
	return nil
}

// WatchSnapshot sends it under way, then ended.
func (f *fake) WatchSnapshot(_ context.Context, r *connect.Request[imagov1.WatchSnapshotRequest], out *connect.ServerStream[imagov1.WatchSnapshotResponse]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.snapshot(r.Msg.GetSnapshotId())
	if err := errors.Join(signedIn(r.Header()), err); err != nil {
		return err
	}
	s.State = "running"
	s.Types[0].Objects, s.Types[0].Calls, s.Types[0].Done = 12330, 66, true
	s.Types[1].Calls = 1
	if f.set["limited"] {
		s.WaitsUntil = at(time.Minute)
	}
	if err := f.held(s, out); err != nil {
		return err
	}
	if err := out.Send(&imagov1.WatchSnapshotResponse{Snapshot: s}); err != nil {
		return err
	}
	if err := f.broken(); err != nil {
		return err
	}
	f.finish(s)
	return out.Send(&imagov1.WatchSnapshotResponse{Snapshot: s})
}

// held shows a snapshot that the org holds up, tried again in vain, if the script asked
// for it.
func (f *fake) held(s *imagov1.Snapshot, out *connect.ServerStream[imagov1.WatchSnapshotResponse]) error {
	if !f.set["held"] {
		return nil
	}
	s.WaitsFor = "list group: okta answers 503"
	for _, until := range []*timestamppb.Timestamp{at(10 * time.Second), nil, at(15 * time.Second)} {
		s.WaitsUntil = until
		if err := out.Send(&imagov1.WatchSnapshotResponse{Snapshot: s}); err != nil {
			return err
		}
	}
	s.WaitsFor, s.WaitsUntil = "", nil
	return nil
}

// groups are what every snapshot holds; one has a hostile name.
var groups = []*imagov1.ResourceSummary{
	{Key: "group/00g1", Label: "Finance"},
	{Key: "group/00g2", Label: "Engineering"},
	{Key: "group/00g3", Label: "Evil \x1b[2J\u202egroup"},
	{Key: "group/00g4", Label: "Twins"},
	{Key: "group/00g5", Label: "Twins"},
}

func (f *fake) ListResources(_ context.Context, r *connect.Request[imagov1.ListResourcesRequest]) (*connect.Response[imagov1.ListResourcesResponse], error) {
	if r.Msg.GetType() != "group" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "type", "there is no type "+r.Msg.GetType(), "imago browse lists the types")
	}
	var found []*imagov1.ResourceSummary
	for _, g := range groups {
		if strings.Contains(strings.ToLower(g.GetLabel()), strings.ToLower(r.Msg.GetSearch())) {
			found = append(found, g)
		}
	}
	page, next := onePage(found, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListResourcesResponse{Resources: page, NextPageToken: next}), nil
}

func (f *fake) GetResource(_ context.Context, r *connect.Request[imagov1.GetResourceRequest]) (*connect.Response[imagov1.GetResourceResponse], error) {
	if r.Msg.GetKey() != "group/00g1" {
		return nil, problem(connect.CodeNotFound, "not_found", "key", "the snapshot has no "+r.Msg.GetKey(), "")
	}
	out := &imagov1.GetResourceResponse{
		Summary:    groups[0],
		Body:       `{"id":"00g1","objectClass":["okta:user_group"],"profile":{"description":null,"name":"Finance"},"size":9007199254740993,"tags":{}}`,
		References: []*imagov1.ResourceSummary{{Key: "user/00u1", Label: "Ada Lovelace"}},
	}
	if r.Msg.GetReferencedBy() {
		out.ReferencedBy = []*imagov1.ResourceSummary{{Key: "group_rule/0pr1", Label: "Finance by department"}}
	}
	return connect.NewResponse(out), nil
}

func (f *fake) SearchSnapshot(_ context.Context, r *connect.Request[imagov1.SearchSnapshotRequest]) (*connect.Response[imagov1.SearchSnapshotResponse], error) {
	hits := []*imagov1.SearchHit{{Resource: groups[0], TypeTitle: "Group"}}
	if r.Msg.GetFields() {
		hits = append(hits, &imagov1.SearchHit{Resource: &imagov1.ResourceSummary{Key: "user/00u1", Label: "Ada Lovelace"}, TypeTitle: "User", Path: "profile.department", Value: "Finance"})
	}
	page, next := onePage(hits, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.SearchSnapshotResponse{Hits: page, NextPageToken: next}), nil
}

func (f *fake) ListVersions(_ context.Context, r *connect.Request[imagov1.ListVersionsRequest]) (*connect.Response[imagov1.ListVersionsResponse], error) {
	if r.Msg.GetKey() != "group/00g1" {
		return connect.NewResponse(&imagov1.ListVersionsResponse{}), nil
	}
	page, next := onePage([]*imagov1.Version{
		{SnapshotId: id(101), TakenAt: at(0), Op: "update", Actor: "eve@acme.test", ChangedAt: at(-time.Minute),
			Fields: []*imagov1.Field{{Path: "profile.name", Before: `"Finance"`, After: `"Money"`}, {Path: "profile.description", After: `"x"`}}},
		{SnapshotId: id(100), TakenAt: at(-time.Hour)},
	}, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListVersionsResponse{Versions: page, NextPageToken: next}), nil
}

func (f *fake) Compare(_ context.Context, r *connect.Request[imagov1.CompareRequest], out *connect.ServerStream[imagov1.CompareResponse]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, berr := f.snapshot(r.Msg.GetBeforeSnapshotId())
	_, aerr := f.snapshot(r.Msg.GetAfterSnapshotId())
	if err := errors.Join(signedIn(r.Header()), berr, aerr); err != nil {
		return err
	}
	sum := &imagov1.CompareSummary{Compared: 12345}
	var parts []*imagov1.CompareResponse
	if r.Msg.GetRestoreId() == "" && !f.set["same"] {
		parts = differences()
		sum.Updated, sum.Deleted, sum.Unknown = 1, 1, 3
	}
	for _, part := range parts {
		if err := out.Send(part); err != nil {
			return err
		}
	}
	if f.set["cut-compare"] {
		return nil
	}
	return out.Send(&imagov1.CompareResponse{Part: &imagov1.CompareResponse_Summary{Summary: sum}})
}

func differences() []*imagov1.CompareResponse {
	change := func(c *imagov1.Change) *imagov1.CompareResponse {
		return &imagov1.CompareResponse{Part: &imagov1.CompareResponse_Change{Change: c}}
	}
	return []*imagov1.CompareResponse{
		change(&imagov1.Change{Key: "group/00g1", TypeTitle: "Group", Label: "Finance", Op: "delete"}),
		change(&imagov1.Change{Key: "group/00g2", TypeTitle: "Group", Label: "Engineering", Op: "update", Fields: []*imagov1.Field{
			{Path: "profile.description", Before: `"Builds"`, After: `"Breaks \u001b[2J"`}, {Path: "profile.new", After: "7"},
		}}),
		{Part: &imagov1.CompareResponse_Unknown{Unknown: &imagov1.Gap{Type: "app", Reason: "forbidden", Detail: "grant the scope okta.apps.read"}}},
		{Part: &imagov1.CompareResponse_Unknown{Unknown: &imagov1.Gap{Type: "role", Parent: "00g1", Reason: "forbidden", Detail: "grant a role"}}},
		{Part: &imagov1.CompareResponse_Unknown{Unknown: &imagov1.Gap{Type: "role", Parent: "00g2", Reason: "forbidden", Detail: "grant a role"}}},
	}
}

func (f *fake) addFinding() {
	f.findings = append([]*imagov1.Finding{{
		Id: id(200 + len(f.findings)), ConnectionId: id(10), Rule: "deleted_group", Severity: "high", Title: "A group was deleted",
		Sentence: "The group Finance was deleted; 14 people lost what it gave them.",
		Change:   &imagov1.Change{Key: "group/00g1", TypeTitle: "Group", Label: "Finance", Op: "delete"},
		Attribution: &imagov1.Attribution{
			Actor: "mallory@acme.example", ActorType: "User", ActorId: "00u9", Ip: "203.0.113.7", UserAgent: "curl/8", Place: "Lisbon, Portugal",
			Event: "group.lifecycle.delete", EventId: "e1", Transaction: "t1", Time: at(-30 * time.Second), Certain: true,
		},
		FoundAt: at(-25 * time.Second), State: "open", Consequences: []string{"the rule Finance by department is invalid"}, SnapshotId: id(100),
	}}, f.findings...)
}

// ListFindings adds one at the third look when the script asked for it.
func (f *fake) ListFindings(_ context.Context, r *connect.Request[imagov1.ListFindingsRequest]) (*connect.Response[imagov1.ListFindingsResponse], error) {
	if f.looks++; f.set["find-later"] && f.looks == 3 {
		f.addFinding()
	}
	if f.set["stop-watching"] && f.looks == 5 {
		return nil, problem(connect.CodeUnauthenticated, "denied", "", "the session has ended", "sign in with imago login")
	}
	page, next := onePage(f.findings, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListFindingsResponse{Findings: page, NextPageToken: next}), nil
}

func (f *fake) GetFinding(_ context.Context, r *connect.Request[imagov1.GetFindingRequest]) (*connect.Response[imagov1.GetFindingResponse], error) {
	for _, finding := range f.findings {
		if finding.GetId() == r.Msg.GetFindingId() {
			return connect.NewResponse(&imagov1.GetFindingResponse{Finding: finding}), nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "finding_id", "there is no such finding", "imago drift lists them")
}

func (f *fake) ResolveFinding(_ context.Context, r *connect.Request[imagov1.ResolveFindingRequest]) (*connect.Response[imagov1.ResolveFindingResponse], error) {
	for _, finding := range f.findings {
		if finding.GetId() == r.Msg.GetFindingId() {
			finding.State = "resolved"
			return connect.NewResponse(&imagov1.ResolveFindingResponse{Finding: finding}), nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "finding_id", "there is no such finding", "imago drift lists them")
}

func (f *fake) SetFindingState(_ context.Context, r *connect.Request[imagov1.SetFindingStateRequest]) (*connect.Response[imagov1.SetFindingStateResponse], error) {
	if r.Msg.GetState() == "accepted" && r.Msg.GetReason() == "" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "reason", "it is missing", "say it")
	}
	for _, finding := range f.findings {
		if finding.GetId() == r.Msg.GetFindingId() {
			finding.State, finding.SnoozedUntil = r.Msg.GetState(), r.Msg.GetUntil()
			return connect.NewResponse(&imagov1.SetFindingStateResponse{Finding: finding}), nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "finding_id", "there is no such finding", "imago drift lists them")
}

const planDigest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

func (f *fake) PlanRestore(_ context.Context, r *connect.Request[imagov1.PlanRestoreRequest]) (*connect.Response[imagov1.PlanRestoreResponse], error) {
	for _, key := range r.Msg.GetSelection().GetKeys() {
		if key != "group:Finance" && key != "group/00g1" {
			return nil, problem(connect.CodeInvalidArgument, "invalid", "selection.keys", "the snapshot has no "+key, "imago browse shows what it has")
		}
	}
	restore := &imagov1.Restore{
		Id: id(300 + len(f.restores)), ConnectionId: r.Msg.GetConnectionId(), SnapshotId: r.Msg.GetSnapshotId(), State: "planning", CreatedAt: at(0),
	}
	f.restores = append([]*imagov1.Restore{restore}, f.restores...)
	return connect.NewResponse(&imagov1.PlanRestoreResponse{Restore: restore}), nil
}

func thePlan() *imagov1.Plan {
	return &imagov1.Plan{
		Steps: []*imagov1.Step{
			{
				N: 1, Op: "create", Key: "group/00g1", TypeTitle: "Group", Label: "Finance", Why: "it is not in the org", State: "pending",
				Fields: []*imagov1.Field{{Path: "profile.name", After: `"Finance"`}},
			},
			{
				N: 2, Op: "create", Key: "group_membership/00g1/00u1", TypeTitle: "Group membership", Label: "Ada Lovelace", ParentLabel: "Finance",
				After: []int32{1}, State: "pending", Warnings: []string{"gives access to 2 apps"},
			},
			{
				N: 3, Op: "update", Key: "policy_rule/00p1/0pr1", TypeTitle: "Policy rule", Label: "Finance only", ParentLabel: "Default", After: []int32{1}, State: "pending",
				Fields: []*imagov1.Field{{Path: "conditions.people.groups.include", Before: `[]`, After: `["{{new:group/00g1}}"]`}},
			},
		},
		Warnings:  []string{"the group gets a new ID"},
		LeftOut:   []*imagov1.LeftOut{{Key: "group_membership/00g1/00u7", Label: "Eve", Reason: "deactivated since"}},
		Identical: 3,
	}
}

func (f *fake) restore(id string) (*imagov1.Restore, error) {
	for _, r := range f.restores {
		if r.GetId() == id {
			return r, nil
		}
	}
	return nil, problem(connect.CodeNotFound, "not_found", "restore_id", "there is no such restore", "imago restore list lists them")
}

func (f *fake) GetRestore(_ context.Context, r *connect.Request[imagov1.GetRestoreRequest]) (*connect.Response[imagov1.GetRestoreResponse], error) {
	restore, err := f.restore(r.Msg.GetRestoreId())
	return connect.NewResponse(&imagov1.GetRestoreResponse{Restore: restore}), err
}

func (f *fake) ListRestores(_ context.Context, r *connect.Request[imagov1.ListRestoresRequest]) (*connect.Response[imagov1.ListRestoresResponse], error) {
	page, next := onePage(f.restores, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListRestoresResponse{Restores: page, NextPageToken: next}), nil
}

func (f *fake) ApproveRestore(_ context.Context, r *connect.Request[imagov1.ApproveRestoreRequest]) (*connect.Response[imagov1.ApproveRestoreResponse], error) {
	restore, err := f.restore(r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	if r.Msg.GetDigest() != planDigest {
		return nil, problem(connect.CodeFailedPrecondition, "stale", "digest", "this is not the digest of the plan", "read the plan again: imago restore show")
	}
	restore.State, restore.ApprovedBy, restore.ApprovedAt = "approved", "ada@example.com", at(0)
	return connect.NewResponse(&imagov1.ApproveRestoreResponse{Restore: restore}), nil
}

func (f *fake) ApplyRestore(_ context.Context, r *connect.Request[imagov1.ApplyRestoreRequest]) (*connect.Response[imagov1.ApplyRestoreResponse], error) {
	restore, err := f.restore(r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	if restore.GetState() != "approved" {
		return nil, problem(connect.CodeFailedPrecondition, "conflict", "", "the restore is "+restore.GetState()+", not approved", "approve it with imago restore approve")
	}
	restore.State = "waiting"
	return connect.NewResponse(&imagov1.ApplyRestoreResponse{Restore: restore}), nil
}

func (f *fake) CancelRestore(_ context.Context, r *connect.Request[imagov1.CancelRestoreRequest]) (*connect.Response[imagov1.CancelRestoreResponse], error) {
	restore, err := f.restore(r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	restore.State = "cancelled"
	return connect.NewResponse(&imagov1.CancelRestoreResponse{Restore: restore}), nil
}

func (f *fake) CloseRestore(_ context.Context, r *connect.Request[imagov1.CloseRestoreRequest]) (*connect.Response[imagov1.CloseRestoreResponse], error) {
	restore, err := f.restore(r.Msg.GetRestoreId())
	if err != nil {
		return nil, err
	}
	if r.Msg.GetClientId() != "0oawrite" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "client_id", "is not that of the connection's write app", "imago connections shows it; nothing was closed")
	}
	restore.State, restore.ClosedBy = "closed", "ada@example.com"
	restore.WindowOpenedAt, restore.WindowClosedAt = at(0), at(2*time.Hour)
	restore.Receipt = &imagov1.Receipt{Made: 3, Verified: 4, Digest: "sha256:ee"}
	return connect.NewResponse(&imagov1.CloseRestoreResponse{Restore: restore}), nil
}

// WatchRestore moves a restore on by one state a look: the customer's admin acts
// between two looks.
func (f *fake) WatchRestore(_ context.Context, r *connect.Request[imagov1.WatchRestoreRequest], out *connect.ServerStream[imagov1.WatchRestoreResponse]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	restore, err := f.restore(r.Msg.GetRestoreId())
	if err := errors.Join(signedIn(r.Header()), err); err != nil {
		return err
	}
	if f.set["held"] && restore.GetState() == "applying" { // two tries in vain
		restore.Problem = &imagov1.Problem{Kind: "unavailable", What: "create group_membership: okta answers 503", Hint: "try again later"}
		if err := out.Send(&imagov1.WatchRestoreResponse{Restore: restore}); err != nil {
			return err
		}
	}
	if err := out.Send(&imagov1.WatchRestoreResponse{Restore: restore}); err != nil {
		return err
	}
	if err := f.broken(); err != nil {
		return err
	}
	restore.Problem = nil
	before := proto.CloneOf(restore.GetPlan())
	f.advance(restore)
	return out.Send(turn(before, restore))
}

// turn leaves a plan out that was told, but for the steps that have changed.
func turn(before *imagov1.Plan, r *imagov1.Restore) *imagov1.WatchRestoreResponse {
	m := &imagov1.WatchRestoreResponse{Restore: proto.CloneOf(r)}
	if before == nil {
		return m
	}
	m.Restore.Plan = nil
	for i, s := range r.GetPlan().GetSteps() {
		if !proto.Equal(s, before.GetSteps()[i]) {
			m.Progress = append(m.Progress, &imagov1.StepProgress{N: s.GetN(), State: s.GetState(), Problem: s.GetProblem(), NewId: s.GetNewId()})
		}
	}
	return m
}

func (f *fake) advance(r *imagov1.Restore) {
	switch r.GetState() {
	case "planning":
		r.State, r.Plan, r.PlanDigest = "planned", thePlan(), planDigest
		if f.set["fail-plan"] {
			r.State, r.Problem = "failed", &imagov1.Problem{Kind: "denied", What: "the org refuses the read app", Hint: "activate it"}
		}
	case "waiting":
		r.State, r.WindowOpenedAt = "applying", at(0)
		r.Plan.Steps[0].State, r.Plan.Steps[0].NewId, r.StepsDone = "done", "00g9", 1
	case "applying":
		f.finishSteps(r)
	case "verifying":
		r.State = "closing"
		r.Receipt = &imagov1.Receipt{Made: 3, Verified: 4, Ids: map[string]string{"group/00g1": "group/00g9"}, Digest: "sha256:ee"}
	case "closing":
		r.State, r.WindowClosedAt, r.EndedAt = "closed", at(40*time.Second), at(40*time.Second)
	}
}

func (f *fake) finishSteps(r *imagov1.Restore) {
	for _, s := range r.GetPlan().GetSteps()[1:] {
		s.State = "done"
	}
	r.State, r.StepsDone = "verifying", 3
	if f.set["stop-restore"] {
		last := r.GetPlan().GetSteps()[2]
		last.State, last.Problem, r.State, r.StepsDone = "failed", "the rule has changed since the plan", "stopped", 2
		r.Problem = &imagov1.Problem{Kind: "stale", What: "step 3 was not made: the rule has changed since the plan", Hint: "plan again"}
		r.Receipt = &imagov1.Receipt{Made: 2, Failed: 1, Verified: 2, Pending: 4}
	}
}

func (f *fake) ListActivity(_ context.Context, r *connect.Request[imagov1.ListActivityRequest]) (*connect.Response[imagov1.ListActivityResponse], error) {
	rows := []*imagov1.Activity{
		{Sequence: 2, Time: at(-time.Minute), Actor: "imago", Action: "take_snapshot.complete", TargetType: "snapshot", TargetId: id(100), RequestId: "r2", Detail: "12,345 objects", Hash: "bb"},
		{Sequence: 1, Time: at(-time.Hour), Actor: "ada@example.com", Action: "create_connection", TargetType: "connection", TargetId: id(10), RequestId: "r1", SourceIp: "198.51.100.4", Hash: "aa"},
	}
	page, next := onePage(rows, r.Msg.GetPageToken())
	return connect.NewResponse(&imagov1.ListActivityResponse{Activity: page, NextPageToken: next}), nil
}

func (f *fake) GetBilling(context.Context, *connect.Request[imagov1.GetBillingRequest]) (*connect.Response[imagov1.GetBillingResponse], error) {
	out := &imagov1.GetBillingResponse{Plan: "self_hosted", Title: "self-hosted", Limits: &imagov1.BillingLimits{}, Connections: 2, Members: 1}
	if f.set["failing"] {
		out = &imagov1.GetBillingResponse{
			Plan: "standard", Title: "Standard", Limits: &imagov1.BillingLimits{RetentionDays: 90, ScheduleMinutes: 60, Connections: 3, Members: 10},
			RetentionDays: 90, Connections: 2, Members: 1, Warning: "payment_failed", Until: at(14 * 24 * time.Hour),
			SubscriptionState: "past_due", SubscriptionPlan: "standard", CanPortal: true,
		}
	}
	return connect.NewResponse(out), nil
}
