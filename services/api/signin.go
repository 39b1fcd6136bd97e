package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// tokenPrefix marks our tokens, so that scanners of leaked secrets know them.
const tokenPrefix = "imago_"

// signIn lets people in by mailed codes. The code itself is made by the worker: the
// api first sees it when the person types it.
type signIn struct{ *Service }

var _ rpc.SignInServiceHandler = signIn{}

func (s *Service) signIn() signIn { return signIn{s} }

// secret makes 32 random bytes as text.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand crashes the program rather
	return base64.RawURLEncoding.EncodeToString(b)
}

func hash(text string) signin.Hash { return sha256.Sum256([]byte(text)) }

// place is a digest of a client's network address, for counting and for knowing it again;
// of IPv6 the network, since a client may choose among all addresses of its own. It is
// keyed: of the few addresses that there are, a hash alone would soon be found.
func (s signIn) place(ctx context.Context, ip string) (signin.Hash, error) {
	if a, err := netip.ParseAddr(ip); err == nil && a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			ip = p.String()
		}
	}
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return signin.Hash{}, err
	}
	return signin.Hash(ring.Digest("client address", []byte(ip))), nil
}

func (s signIn) GetSignInMethods(context.Context, *connect.Request[imagov1.GetSignInMethodsRequest]) (*connect.Response[imagov1.GetSignInMethodsResponse], error) {
	return connect.NewResponse(&imagov1.GetSignInMethodsResponse{
		Passkeys: s.relying != nil, Provider: s.config.OIDC.shown(), Sso: s.sso().offered() == nil,
	}), nil
}

func (s signIn) RequestCode(ctx context.Context, r *connect.Request[imagov1.RequestCodeRequest]) (*connect.Response[imagov1.RequestCodeResponse], error) {
	email, err := valid.Email("email", r.Msg.GetEmail())
	if err != nil {
		return nil, err
	}
	place, err := s.place(ctx, requestOf(ctx).ip)
	if err != nil {
		return nil, err
	}
	client := secret()
	var attempt signin.Attempt
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		attempt, err = signin.Begin(ctx, tx, email, hash(client), place)
		if err != nil || s.config.SignUp == SignUpOpen {
			return err
		}
		return signin.MembersOnly(ctx, tx, s.config.SignUp == SignUpFirst)
	})
	if problem.Is(err, problem.OverLimit) {
		if failed := s.noteThrottle(ctx, email); failed != nil {
			return nil, failed
		}
	}
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.RequestCodeResponse{
		AttemptId: attempt.ID, ClientSecret: client, ExpiresAt: stamp(attempt.ExpiresAt),
	}), nil
}

func (s signIn) ExchangeCode(ctx context.Context, r *connect.Request[imagov1.ExchangeCodeRequest]) (*connect.Response[imagov1.ExchangeCodeResponse], error) {
	a, err := exchange(r.Msg)
	if err != nil {
		return nil, err
	}
	memberships, err := s.check(ctx, a)
	if err != nil {
		s.metrics.signIns.WithLabelValues("refused").Inc()
		return nil, err
	}
	token := tokenPrefix + secret()
	session, waits, err := s.open(ctx, a, memberships, token)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.ExchangeCodeResponse{ExpiresAt: stamp(session.ExpiresAt), SecondFactor: waits})
	if waits == "" {
		s.metrics.signIns.WithLabelValues("let_in").Inc()
		res.Msg.Session = sessionShape(session)
	}
	if a.cookie {
		setCookie(res.Header(), token, session.ExpiresAt)
	} else {
		res.Msg.Token = token
	}
	return res, nil
}

// attempt is a sign-in that a person completes.
type attempt struct {
	id, client, code string
	cookie           bool   // for a browser
	invitation       string // its token; "": none is accepted
}

func exchange(m *imagov1.ExchangeCodeRequest) (a attempt, err error) {
	if a.id, err = valid.ID("attempt_id", m.GetAttemptId()); err != nil {
		return a, err
	}
	if a.client, err = valid.Text("client_secret", m.GetClientSecret(), 200); err != nil {
		return a, err
	}
	if m.GetInvitationToken() != "" {
		if a.invitation, err = valid.Text("invitation_token", m.GetInvitationToken(), 200); err != nil {
			return a, err
		}
	}
	a.cookie = m.GetCookie()
	a.code, err = valid.Code("code", m.GetCode())
	return a, err
}

// check compares the code. A wrong one is counted, so the transaction commits and the
// problem is told afterwards.
func (s signIn) check(ctx context.Context, a attempt) ([]signin.Membership, error) {
	var answer signin.Answer
	err := s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		answer, err = signin.Check(ctx, tx, a.id, signin.CodeHash(a.id, a.code), hash(a.client))
		if err != nil || !answer.Suspicious {
			return err
		}
		refusal, err := s.refusal(ctx)
		if err != nil {
			return err
		}
		return signin.Note(ctx, tx, a.id, hash(a.client), refusal)
	})
	if err != nil {
		return nil, err
	}
	if answer.Wrong != nil {
		return nil, answer.Wrong
	}
	return answer.Memberships, nil
}

// noteThrottle notes that too many codes were asked for an address.
func (s signIn) noteThrottle(ctx context.Context, email string) error {
	refusal, err := s.refusal(ctx)
	if err != nil {
		return err
	}
	return s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error { return signin.NoteThrottle(ctx, tx, email, refusal) })
}

// refusal says where the request came from, for the workers: they tell the accounts of
// the address, of which nothing here may show whether there are any.
func (s signIn) refusal(ctx context.Context) (signin.Refusal, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return signin.Refusal{}, err
	}
	q := requestOf(ctx)
	origin, err := json.Marshal(signin.Origin{RequestID: q.id, SourceIP: q.ip})
	if err != nil {
		return signin.Refusal{}, err
	}
	box, err := s.Box.Seal(sealed.RefusalBox(id.String()), origin)
	return signin.Refusal{ID: id.String(), Box: box}, err
}

// open opens the session, making the account at a first sign-in. The token is given
// out only after the sign-in stands in the activity log: until then nobody holds it. A
// session that waits for its second factor lets in nobody, and is written down when it does.
func (s signIn) open(ctx context.Context, a attempt, of []signin.Membership, token string) (session signin.Session, waits string, err error) {
	o := s.opening(a, token)
	if a.invitation == "" {
		if err := s.enter(ctx, &o, of); err != nil {
			return session, "", err
		}
	}
	var opened signin.Opened
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		if a.invitation == "" {
			err = s.mayMake(ctx, tx, o)
		} else {
			o.Account, err = s.acceptWithCode(ctx, tx, o, a.invitation)
		}
		if err != nil {
			return err
		}
		if opened, err = signin.OpenSession(ctx, tx, o); err != nil {
			return err
		}
		waits, err = signin.WaitsFor(ctx, tx, o.Token)
		return err
	})
	if err != nil || waits != "" {
		return signin.Session{ExpiresAt: opened.ExpiresAt}, waits, err
	}
	session, err = s.welcome(ctx, o.Account, o.Token)
	return session, "", err
}

// opening is the session that an attempt opens; of which account is left open.
func (s signIn) opening(a attempt, token string) signin.Opening {
	o := signin.Opening{
		AttemptID: a.id, Client: hash(a.client), Token: hash(token),
		Kind: "cli", Idle: s.config.SessionIdle, Life: s.config.SessionLife,
	}
	if a.cookie {
		o.Kind, o.Idle, o.Life = "web", s.config.WebIdle, s.config.WebLife
	}
	return o
}

// enter decides which account is entered: the person's oldest, or a new one.
func (s signIn) enter(ctx context.Context, o *signin.Opening, of []signin.Membership) error {
	if len(of) > 0 {
		o.Account = of[0].Account
		return nil
	}
	if s.config.SignUp == SignUpClosed {
		return uninvited()
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	o.Account = account.ID(id.String())
	ring, err := envelope.NewKeyring(ctx, s.Keys, o.Account)
	if err != nil {
		return err
	}
	o.Name, o.Wrapped = "My account", ring.Wrapped()
	return nil
}

// mayMake refuses a new account where only the first person may make one.
func (s signIn) mayMake(ctx context.Context, tx *postgres.Tx, o signin.Opening) error {
	if o.Wrapped == nil || s.config.SignUp != SignUpFirst {
		return nil
	}
	first, err := signin.First(ctx, tx)
	if err != nil || first {
		return err
	}
	return uninvited()
}

func uninvited() error {
	return problem.New(problem.Denied, "this address has no account, and this installation makes no more of them").
		WithHint("sign in with the address that has one; if you are invited, open the link of that mail")
}

// welcome writes the sign-in down, after what was done on the way in, and tells who is
// signed in.
func (s *Service) welcome(ctx context.Context, of account.ID, token signin.Hash, done ...string) (signin.Session, error) {
	q := requestOf(ctx)
	q.caller = caller{account: of, proof: postgres.Session(token), cookie: q.caller.cookie}
	ring, err := s.keyring(ctx)
	if err != nil {
		return signin.Session{}, err
	}
	own, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return signin.Session{}, err
	}
	var session signin.Session
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if session, err = signin.Current(ctx, tx); err != nil {
			return err
		}
		if err := signedInFrom(ctx, tx, own, q); err != nil {
			return err
		}
		w := &work{tx, s, ring, q}
		head, err := activity.Head(ctx, tx)
		if err != nil {
			return err
		}
		if head.Seq == 0 {
			if err := w.record(ctx, "create_account", "account", string(of), ""); err != nil {
				return err
			}
		}
		if err := w.recordAccepted(ctx); err != nil {
			return err
		}
		for _, action := range append(done, "sign_in") {
			if err := w.record(ctx, action, "session", session.ID, ""); err != nil {
				return err
			}
		}
		return nil
	})
	return session, err
}

func (s signIn) WhoAmI(ctx context.Context, _ *connect.Request[imagov1.WhoAmIRequest]) (*connect.Response[imagov1.WhoAmIResponse], error) {
	var session signin.Session
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		session, err = signin.Current(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.WhoAmIResponse{Session: sessionShape(session)}), nil
}

func (s signIn) SignOut(ctx context.Context, r *connect.Request[imagov1.SignOutRequest]) (*connect.Response[imagov1.SignOutResponse], error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	// No idempotency key: the session that would ask again has ended.
	err = s.read(ctx, func(tx *postgres.Tx) error {
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		if err := w.record(ctx, "sign_out", "session", tx.SessionID(), ""); err != nil {
			return err
		}
		return signin.SignOut(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.SignOutResponse{})
	dropCookie(res.Header())
	return res, nil
}

func sessionShape(s signin.Session) *imagov1.Session {
	return &imagov1.Session{
		Email: s.Email, UserId: string(s.UserID), AccountId: string(s.AccountID), AccountName: s.AccountName,
		Role: strings.ToLower(string(s.Role)), ExpiresAt: stamp(s.ExpiresAt), IdleExpiresAt: stamp(s.IdleExpiresAt),
		Actions: actions(s.Role, s.Scopes),
	}
}

// actions lists what a role allows, and of it what a token may.
func actions(r account.Role, scopes []string) []string {
	var out []string
	for _, a := range account.Actions() {
		if r.May(a) && (scopes == nil || slices.Contains(scopes, string(a))) {
			out = append(out, string(a))
		}
	}
	return out
}

// touch keeps a session that is used from ending for idleness.
func (s *Service) touch(ctx context.Context, tx *postgres.Tx) error {
	return signin.Touch(ctx, tx, signin.Idle{CLI: s.config.SessionIdle, Web: s.config.WebIdle})
}
