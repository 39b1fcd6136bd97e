package cli

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/outbound"
	"imago/proto/imago/v1/imagov1connect"
)

const (
	defaultServer = "http://127.0.0.1:8420" // where imagod listens
	callTimeout   = time.Minute             // of one question; streams may take longer
)

type httpClient = connect.HTTPClient

// newHTTPClient makes the client of one run. It follows no redirects: a token is
// sent to the server that was named, and to no other.
func newHTTPClient() httpClient {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// api is the server's services, as the person who is signed in sees them.
type api struct {
	signIn      imagov1connect.SignInServiceClient
	sessions    imagov1connect.SessionServiceClient
	factors     imagov1connect.FactorServiceClient
	connections imagov1connect.ConnectionServiceClient
	snapshots   imagov1connect.SnapshotServiceClient
	drift       imagov1connect.DriftServiceClient
	restores    imagov1connect.RestoreServiceClient
	activity    imagov1connect.ActivityServiceClient
	billing     imagov1connect.BillingServiceClient
	team        imagov1connect.TeamServiceClient
	devices     imagov1connect.DeviceServiceClient
	tokens      imagov1connect.TokenServiceClient
	mail        imagov1connect.MailServiceClient
	sso         imagov1connect.SsoServiceClient
	keys        imagov1connect.KeyServiceClient
	deletion    imagov1connect.AccountServiceClient

	server string // its URL
	http   httpClient
	who    *caller
}

// api connects as whoever is signed in; nobody is refused here, the server decides.
func (p *program) api() (*api, error) {
	server, err := p.serverURL()
	if err != nil {
		return nil, err
	}
	if token := p.Getenv(tokenVariable); token != "" {
		return p.apiAs(server, token), nil
	}
	login, err := p.readLogin(server)
	if err != nil {
		return nil, err
	}
	rise := func(ctx context.Context, cause error) (string, error) { return p.rise(ctx, server, cause) }
	return p.apiWith(server, &caller{token: login.Token, rise: rise}), nil
}

// apiAs connects with a token; "" for none.
func (p *program) apiAs(server, token string) *api {
	return p.apiWith(server, &caller{token: token})
}

func (p *program) apiWith(server string, who *caller) *api {
	with := connect.WithInterceptors(who)
	return &api{
		signIn:      imagov1connect.NewSignInServiceClient(p.http, server, with),
		sessions:    imagov1connect.NewSessionServiceClient(p.http, server, with),
		factors:     imagov1connect.NewFactorServiceClient(p.http, server, with),
		connections: imagov1connect.NewConnectionServiceClient(p.http, server, with),
		snapshots:   imagov1connect.NewSnapshotServiceClient(p.http, server, with),
		drift:       imagov1connect.NewDriftServiceClient(p.http, server, with),
		restores:    imagov1connect.NewRestoreServiceClient(p.http, server, with),
		activity:    imagov1connect.NewActivityServiceClient(p.http, server, with),
		billing:     imagov1connect.NewBillingServiceClient(p.http, server, with),
		team:        imagov1connect.NewTeamServiceClient(p.http, server, with),
		devices:     imagov1connect.NewDeviceServiceClient(p.http, server, with),
		tokens:      imagov1connect.NewTokenServiceClient(p.http, server, with),
		mail:        imagov1connect.NewMailServiceClient(p.http, server, with),
		sso:         imagov1connect.NewSsoServiceClient(p.http, server, with),
		keys:        imagov1connect.NewKeyServiceClient(p.http, server, with),
		deletion:    imagov1connect.NewAccountServiceClient(p.http, server, with),
		server:      server, http: p.http, who: who,
	}
}

// caller adds to each call who calls, and to each change a key by which the server
// knows a repetition. A call that needs a step-up is made again after it.
type caller struct {
	token string
	rise  func(ctx context.Context, cause error) (token string, err error) // nil: no step-up
}

func (c *caller) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	call := func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		c.sign(req.Header())
		return next(ctx, req)
	}
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if changes(req.Spec().Procedure) {
			req.Header().Set("Idempotency-Key", rand.Text())
		}
		res, err := call(ctx, req)
		if c.rise == nil || !needsStepUp(err) {
			return res, err
		}
		token, err := c.rise(ctx, err)
		if err != nil {
			return nil, err
		}
		c.token = token
		return call(ctx, req)
	}
}

func (c *caller) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		c.sign(conn.RequestHeader())
		return conn
	}
}

func (c *caller) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (c *caller) sign(h http.Header) {
	h.Set("User-Agent", "imago-cli/"+Version)
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
}

// changes reports whether a procedure changes something that must not be changed twice,
// by its verb. What begins or ends a session takes no key.
func changes(procedure string) bool {
	verb := procedure[strings.LastIndex(procedure, "/")+1:]
	for _, other := range []string{
		"Get", "List", "Watch", "Compare", "Preview", "WhoAmI", "RequestCode", "ExchangeCode", "SignOut", "LeaveAccount", "SwitchAccount",
		"AcceptInvitation", "RequestStepUp", "StepUp", "BeginDevice", "ExchangeDevice", "CreateToken", "CreateDownload",
		"EnrollTotp", "ConfirmTotp", "VerifyTotp",
	} {
		if strings.HasPrefix(verb, other) {
			return false
		}
	}
	return true
}

// serverURL decides which server is spoken to: flag, environment, the one last
// signed in to, the default.
func (p *program) serverURL() (string, error) {
	server := p.server
	if server == "" {
		server = p.Getenv("IMAGO_SERVER")
	}
	if server == "" {
		logins, err := p.readLogins()
		if err != nil {
			return "", err
		}
		server = logins.Last
	}
	if server == "" {
		server = defaultServer
	}
	return checkServer(server)
}

// serverName is the server for a sentence.
func (p *program) serverName() string {
	server, err := p.serverURL()
	if err != nil {
		return "the server"
	}
	return server
}

// checkServer wants a URL that a token may be sent to: https, or http on this machine.
func checkServer(server string) (string, error) {
	u, err := url.Parse(strings.TrimRight(server, "/"))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", withHint(usage("server: %q is not a URL like https://imago.example.com", server), "name the server with --server or IMAGO_SERVER")
	case u.Scheme == "http" && !outbound.IsLoopback(u.Hostname()):
		return "", withHint(usage("server: %s is not encrypted, and a token is sent to it; use https", server), "name the server with --server or IMAGO_SERVER")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", withHint(usage("server: %q must begin with https://", server), "name the server with --server or IMAGO_SERVER")
	}
	return u.String(), nil
}
