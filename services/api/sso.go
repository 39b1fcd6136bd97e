package api

import (
	"context"
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	"imago/pkg/sso"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// ssoPage is the console's, where identity providers send people back to: of each provider
// its own, by which one cannot answer in another's name (RFC 9700, section 4.4).
const ssoPage = "/sign-in/sso/"

// installation is the provider ID of the installation's own.
const installation = "installation"

// ssoService signs people in at other identity providers.
type ssoService struct{ *Service }

var _ rpc.SsoServiceHandler = ssoService{}

func (s *Service) sso() ssoService { return ssoService{s} }

// identities are the clients by which identity providers are spoken to.
type identities struct {
	accounts *sso.Client // those that accounts name: on the public Internet
	own      *sso.Client // the operator's: anywhere
}

func (s *Service) openIdentities() identities {
	return identities{
		accounts: sso.New(sso.Options{Private: s.config.AllowLoopbackOrgs, Now: s.now}),
		own:      sso.New(sso.Options{Private: true, Now: s.now}),
	}
}

// identityProvider is where somebody signs in: an account's, or the installation's own.
type identityProvider struct {
	sso.Provider
	*sso.Client
	account account.ID // "": the installation's own
}

// id is the last part of the page that it sends people back to.
func (p identityProvider) id() string {
	if p.account == "" {
		return installation
	}
	return string(p.account)
}

func (s ssoService) redirect(id string) string { return s.config.PublicURL + ssoPage + id }

// offered is an error where providers could send nobody back.
func (s ssoService) offered() error {
	if s.config.PublicURL != "" {
		return nil
	}
	return problem.New(problem.Conflict, "this installation signs in by no identity provider: it has no address of its own").
		WithHint("its operator sets IMAGO_PUBLIC_URL")
}

// own is the installation's provider. NotFound: it has none.
func (s ssoService) own() (p identityProvider, err error) {
	c := s.config.OIDC
	if c.Issuer == "" {
		return p, problem.New(problem.NotFound, "this installation has no identity provider of its own").
			WithHint("give the name of your company's, or sign in by a mailed code")
	}
	p.Client = s.identities.own
	p.Provider = sso.Provider{Issuer: c.Issuer, ClientID: c.ClientID, Secret: c.Secret.Secret(), Redirect: s.redirect(installation)}
	return p, nil
}

// called finds a provider by the name that people write; "" is the installation's own.
func (s ssoService) called(ctx context.Context, slug string) (p identityProvider, err error) {
	if slug == "" {
		return s.own()
	}
	slug, err = valid.Text("slug", slug, 200)
	if err != nil {
		return p, err
	}
	p, err = s.look(ctx, func(tx *postgres.Tx) (signin.Provider, error) { return signin.FindProvider(ctx, tx, slug) })
	if problem.Is(err, problem.NotFound) {
		err = (&problem.Problem{Kind: problem.NotFound, Field: "slug", What: "no company signs in here by that name"}).
			WithHint("ask who invited you for the name, or sign in by a mailed code")
	}
	return p, err
}

// returned finds the provider whose page somebody has come back to.
func (s ssoService) returned(ctx context.Context, id string) (p identityProvider, err error) {
	if id == installation {
		return s.own()
	}
	if id, err = valid.ID("provider_id", id); err != nil {
		return p, err
	}
	return s.look(ctx, func(tx *postgres.Tx) (signin.Provider, error) { return signin.ProviderOf(ctx, tx, account.ID(id)) })
}

func (s ssoService) look(ctx context.Context, find func(*postgres.Tx) (signin.Provider, error)) (p identityProvider, err error) {
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return p, err
	}
	var kept signin.Provider
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		kept, err = find(tx)
		return err
	})
	if err != nil {
		return p, err
	}
	secret, err := sealed.Sso(kept.AccountID).OpenBytes(ring, kept.Secret)
	p = identityProvider{Client: s.identities.accounts, account: kept.AccountID}
	p.Provider = sso.Provider{
		Issuer: kept.Issuer, ClientID: kept.ClientID, Secret: account.Secret(secret), Redirect: s.redirect(string(kept.AccountID)),
	}
	return p, err
}

// sent is somebody who went to a provider with a state.
func sent(p identityProvider, state, client string) signin.Sent {
	return signin.Sent{Account: p.account, State: hash(state), Client: hash(client)}
}

// attemptBox is the place of what is kept of them.
func attemptBox(s signin.Sent) sealed.Place { return sealed.SsoAttempt(hex.EncodeToString(s.State[:])) }

func (s ssoService) BeginSso(ctx context.Context, r *connect.Request[imagov1.BeginSsoRequest]) (*connect.Response[imagov1.BeginSsoResponse], error) {
	if err := s.offered(); err != nil {
		return nil, err
	}
	p, err := s.called(ctx, r.Msg.GetSlug())
	if err != nil {
		return nil, err
	}
	state, client, request := secret(), secret(), sso.NewRequest()
	// It counts before anybody else is asked: nobody makes us ask them without end.
	if err := s.keep(ctx, sent(p, state, client), request); err != nil {
		return nil, err
	}
	address, err := p.URL(ctx, p.Provider, request, state)
	if err != nil {
		return nil, away(err)
	}
	return connect.NewResponse(&imagov1.BeginSsoResponse{Url: address, ClientSecret: client, ProviderId: p.id()}), nil
}

func (s ssoService) keep(ctx context.Context, who signin.Sent, r sso.Request) error {
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return err
	}
	box, err := attemptBox(who).Seal(ring, r)
	if err != nil {
		return err
	}
	place, err := s.signIn().place(ctx, requestOf(ctx).ip)
	if err != nil {
		return err
	}
	return s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error { return signin.BeginSso(ctx, tx, who, place, box) })
}

// away words for who signs in what is wrong with a provider that somebody else named.
func away(err error) error {
	if p := problem.Of(err); p == nil || p.Field != "issuer" {
		return err
	}
	return problem.New(problem.Unavailable, "the identity provider does not answer as one").
		WithHint("try again in a minute; owners of the account can sign in by a mailed code or a passkey").Because(err)
}

func (s ssoService) FinishSso(ctx context.Context, r *connect.Request[imagov1.FinishSsoRequest]) (*connect.Response[imagov1.FinishSsoResponse], error) {
	client, err := valid.Text("client_secret", r.Msg.GetClientSecret(), 200)
	if err != nil {
		return nil, err
	}
	p, err := s.returned(ctx, r.Msg.GetProviderId())
	if err != nil {
		return nil, err
	}
	who, place, err := s.named(ctx, p, r.Msg)
	if err != nil {
		s.metrics.signIns.WithLabelValues("refused").Inc()
		return nil, away(err)
	}
	a := attempt{client: client, cookie: r.Msg.GetCookie()}
	var of []signin.Membership
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		a.id, of, err = signin.SignInBySso(ctx, tx, vouched(p, who), hash(client), place)
		if err != nil || p.account == "" {
			return err
		}
		return s.joined(ctx, tx, p.account)
	})
	if err != nil {
		return nil, err
	}
	token := tokenPrefix + secret()
	session, waits, err := s.signIn().open(ctx, a, of, token)
	if err != nil {
		return nil, err
	}
	return s.letIn(session, waits, token, a.cookie), nil
}

// letIn answers with a session that was opened.
func (s ssoService) letIn(session signin.Session, waits, token string, asCookie bool) *connect.Response[imagov1.FinishSsoResponse] {
	res := connect.NewResponse(&imagov1.FinishSsoResponse{ExpiresAt: stamp(session.ExpiresAt), SecondFactor: waits})
	if waits == "" {
		s.metrics.signIns.WithLabelValues("let_in").Inc()
		res.Msg.Session = sessionShape(session)
	}
	if asCookie {
		setCookie(res.Header(), token, session.ExpiresAt)
	} else {
		res.Msg.Token = token
	}
	return res
}

// named finds out whom the provider has sent back. Whatever they came with, it counts once.
func (s ssoService) named(ctx context.Context, p identityProvider, m *imagov1.FinishSsoRequest) (who sso.Identity, place []byte, err error) {
	at := sent(p, m.GetState(), m.GetClientSecret())
	var back signin.Back
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		back, err = signin.TakeSso(ctx, tx, at)
		return err
	})
	if err != nil {
		return who, nil, err
	}
	if m.GetError() != "" || m.GetCode() == "" {
		return who, nil, notSent(m.GetError())
	}
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return who, nil, err
	}
	var request sso.Request
	if err := attemptBox(at).Open(ring, back.Box, &request); err != nil {
		return who, nil, err
	}
	who, err = p.Finish(ctx, p.Provider, request, sso.Answer{Code: m.GetCode(), Issuer: m.GetIssuer()})
	return who, back.Place, err
}

// errorCode is the form of what a provider says is wrong (RFC 6749, section 4.1.2.1); what
// has another is not repeated to anybody.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

func notSent(code string) error {
	what := "the identity provider let nobody in"
	if errorCode.MatchString(code) {
		what += " (" + code + ")"
	}
	return problem.New(problem.Denied, "%s", what).WithHint("begin again, or ask who runs it whether you may use Imago")
}

func vouched(p identityProvider, who sso.Identity) signin.Vouched {
	return signin.Vouched{
		Account: p.account, Email: who.Email, Verified: who.Verified,
		Identity: hash(strings.Join([]string{string(p.account), p.Issuer, who.Subject}, "\x00")),
	}
}

func (s ssoService) GetSso(ctx context.Context, _ *connect.Request[imagov1.GetSsoRequest]) (*connect.Response[imagov1.GetSsoResponse], error) {
	var out *imagov1.Sso
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		out, err = s.shape(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetSsoResponse{Sso: out}), nil
}

// shape is where the account's members sign in, with nothing but the redirect if nowhere else.
func (s ssoService) shape(ctx context.Context, tx *postgres.Tx) (*imagov1.Sso, error) {
	out := &imagov1.Sso{}
	if s.config.PublicURL != "" {
		out.RedirectUri = s.redirect(string(tx.Account()))
	}
	has, err := signin.SsoOf(ctx, tx)
	if problem.Is(err, problem.NotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Slug, out.Issuer, out.ClientId, out.Required = has.Slug, has.Issuer, has.ClientID, has.Required
	out.UpdatedAt, out.Members = stamp(has.UpdatedAt), int32(has.Members)
	return out, nil
}

// slugForm is what people can write and remember.
var slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$`)

// wanted reads what an owner wants; its secret stands apart.
func (s ssoService) wanted(m *imagov1.SetSsoRequest) (want signin.Sso, err error) {
	want.Slug, want.Required = strings.ToLower(m.GetSlug()), m.GetRequired()
	if !slugForm.MatchString(want.Slug) {
		return want, problem.InField("slug", "it is not a name to sign in with").WithHint("write 3 to 40 of a-z, 0-9 and -, as acme-robotics")
	}
	if want.Issuer, err = valid.Text("issuer", m.GetIssuer(), 500); err != nil {
		return want, err
	}
	if want.ClientID, err = valid.Text("client_id", m.GetClientId(), 500); err != nil {
		return want, err
	}
	if m.GetClientSecret() != "" {
		_, err = valid.Text("client_secret", m.GetClientSecret(), 500)
	}
	return want, err
}

func (s ssoService) SetSso(ctx context.Context, r *connect.Request[imagov1.SetSsoRequest]) (*connect.Response[imagov1.SetSsoResponse], error) {
	if err := s.offered(); err != nil {
		return nil, err
	}
	want, err := s.wanted(r.Msg)
	if err != nil {
		return nil, err
	}
	if before, err := replay[imagov1.SetSsoResponse](ctx, s.Service, r); before != nil || err != nil {
		return before, err
	}
	if err := s.identities.accounts.Check(ctx, sso.Provider{Issuer: want.Issuer}); err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.SetSsoResponse, error) {
		if err := s.set(ctx, w, want, r.Msg.GetClientSecret()); err != nil {
			return nil, err
		}
		out, err := s.shape(ctx, w.Tx)
		return &imagov1.SetSsoResponse{Sso: out}, err
	})
}

// set stores it. The secret that is there is kept for the issuer that it is of.
func (s ssoService) set(ctx context.Context, w *work, want signin.Sso, clientSecret string) error {
	has, err := signin.SsoOf(ctx, w.Tx)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return err
	}
	switch ring, err := s.keyrings.SignIn(ctx); {
	case err != nil:
		return err
	case clientSecret != "":
		if want.Secret, err = sealed.Sso(w.Account()).SealBytes(ring, []byte(clientSecret)); err != nil {
			return err
		}
	case has.Issuer != want.Issuer || has.ClientID != want.ClientID:
		return problem.InField("client_secret", "it is missing").WithHint("give the client's secret at this issuer")
	default:
		want.Secret = has.Secret
	}
	err = signin.SetSso(ctx, w.Tx, want)
	if problem.Is(err, problem.Conflict) {
		err = (&problem.Problem{Kind: problem.Conflict, Field: "slug", What: "another account signs in by that name"}).WithHint("choose another one")
	}
	if err != nil {
		return err
	}
	return w.record(ctx, "set_sso", "account", string(w.Account()), described(want))
}

// described says it in the activity log.
func described(want signin.Sso) string {
	host := want.Issuer
	if u, err := url.Parse(want.Issuer); err == nil {
		host = u.Host + u.Path
	}
	if want.Required {
		return host + ", the only way in but for owners"
	}
	return host
}

func (s ssoService) DeleteSso(ctx context.Context, r *connect.Request[imagov1.DeleteSsoRequest]) (*connect.Response[imagov1.DeleteSsoResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.DeleteSsoResponse, error) {
		if err := signin.RemoveSso(ctx, w.Tx); err != nil {
			return nil, err
		}
		return &imagov1.DeleteSsoResponse{}, w.record(ctx, "delete_sso", "account", string(w.Account()), "")
	})
}
