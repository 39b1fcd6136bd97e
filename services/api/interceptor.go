package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/problem"
	"imago/services/api/internal/wire"
)

// The service intercepts every RPC: it lets in whom the permission table lets in,
// and words what comes back.
var _ connect.Interceptor = (*Service)(nil)

// WrapUnary guards a unary RPC, and bounds how long it may take.
func (s *Service) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
		defer cancel()
		if err := s.admit(ctx, r.Spec().Procedure, r.Header()); err != nil {
			return nil, s.word(ctx, err)
		}
		res, err := next(ctx, r)
		if err != nil {
			return nil, s.word(ctx, err)
		}
		return res, nil
	}
}

// WrapStreamingHandler guards a streaming RPC; its client watches anew when it ends.
func (s *Service) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		ctx, cancel := context.WithTimeout(ctx, s.config.Watch)
		defer cancel()
		if err := s.admit(ctx, c.Spec().Procedure, c.RequestHeader()); err != nil {
			return s.word(ctx, err)
		}
		session := requestOf(ctx).caller.proof
		if err := s.streams.enter(session); err != nil {
			return s.word(ctx, err)
		}
		defer s.streams.leave(session)
		if err := next(ctx, c); err != nil {
			return s.word(ctx, err)
		}
		return nil
	}
}

// WrapStreamingClient is for clients; the api is none.
func (s *Service) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// word makes an error fit to go out, and keeps what is internal for the log.
func (s *Service) word(ctx context.Context, err error) error {
	q := requestOf(ctx)
	if ended := ctx.Err(); ended != nil {
		err = ended // whatever failed, failed because of it
	}
	switch p := problem.Of(err); {
	case wire.Internal(err), p != nil && p.Kind == problem.Damaged:
		q.err = err
	case p != nil && (p.Kind == problem.Unavailable || p.Kind == problem.Denied):
		q.cause = p.Err
	}
	out := wire.Error(err, q.id)
	q.code = out.Code().String()
	return out
}

// admit finds out who asks, and whether they may.
func (s *Service) admit(ctx context.Context, procedure string, h http.Header) error {
	q := requestOf(ctx)
	q.procedure = procedure
	p, ok := permissions[procedure]
	if !ok {
		return problem.New(problem.NotFound, "there is no RPC %s", procedure)
	}
	if p.public {
		return nil
	}
	c, err := s.authenticate(ctx, h)
	if p.pending && problem.Is(err, problem.Denied) {
		c, err = s.waiting(ctx, h)
	}
	if err != nil {
		return err
	}
	if err := elsewhere(h, c); err != nil {
		return err
	}
	q.caller = c
	return p.admits(c.role, c.steppedUp, c.scopes)
}

// accountHeader names the account that a page shows. A browser has one session for all of
// its pages: another page may have taken it to another account since, or somebody else may
// have signed in.
const accountHeader = "Imago-Account"

// elsewhere refuses what was meant for another account than the session's: what a page
// shows, or somebody has typed there, must not be done in this one.
func elsewhere(h http.Header, c caller) error {
	meant := h.Get(accountHeader)
	if meant == "" || c.waits || meant == string(c.account) {
		return nil
	}
	return problem.New(problem.Conflict, "this browser is signed in to another account by now").
		WithHint("switch back to go on here, or load the page anew")
}

// admits refuses a role that may not, a token that may not, and then who has not stepped up
// where that is needed. Scopes are nil for a person.
func (p permission) admits(r account.Role, steppedUp bool, scopes []string) error {
	if p.action != "" && !r.May(p.action) {
		return problem.New(problem.Denied, "your role (%s) does not allow to %s", r, words(p.action)).
			WithHint("ask an owner or an admin of the account")
	}
	if scopes != nil {
		return p.admitsToken(scopes)
	}
	if p.stepUp && !steppedUp {
		return stepUpFirst()
	}
	return nil
}

// admitsToken refuses what a token does not name, and all that concerns its person alone or
// wants proof of who they are: a token is no person.
func (p permission) admitsToken(scopes []string) error {
	if p.tokens {
		return nil
	}
	if p.stepUp || p.action == "" || !p.action.ForTokens() {
		return problem.New(problem.Denied, "no API token may do this").WithHint("sign in as yourself")
	}
	if !slices.Contains(scopes, string(p.action)) {
		return problem.New(problem.Denied, "this token does not allow to %s", words(p.action)).WithHint("make one that names %s", p.action)
	}
	return nil
}

func stepUpFirst() error {
	return problem.New(problem.StepUp, "this needs proof of the last ten minutes that it is you").
		WithHint("step up with your authenticator, or if you have none with a code that is mailed to you, then ask again")
}

// authenticate presents the session to the database, which alone knows whose it is.
func (s *Service) authenticate(ctx context.Context, h http.Header) (caller, error) {
	token, ok := presented(h)
	if !ok {
		return caller{}, wire.NoSession()
	}
	c := caller{proof: postgres.Session(sha256.Sum256([]byte(token))), cookie: h.Get("Authorization") == ""}
	err := s.DB.As(ctx, c.proof, func(tx *postgres.Tx) error {
		c.account, c.user, c.role, c.steppedUp = tx.Account(), tx.User(), tx.Role(), tx.SteppedUp()
		c.scopes = tx.Scopes()
		return s.touch(ctx, tx)
	})
	if problem.Is(err, problem.Denied) {
		return caller{}, wire.NoSession()
	}
	return c, err
}

// waiting presents the session as one that waits for its second factor.
func (s *Service) waiting(ctx context.Context, h http.Header) (caller, error) {
	token, ok := presented(h)
	if !ok {
		return caller{}, wire.NoSession()
	}
	c := caller{proof: postgres.Pending(sha256.Sum256([]byte(token))), waits: true, cookie: h.Get("Authorization") == ""}
	err := s.DB.As(ctx, c.proof, func(*postgres.Tx) error { return nil })
	if problem.Is(err, problem.Denied) {
		return caller{}, wire.NoSession()
	}
	return c, err
}

// presented reads the token of a request: of the Authorization header, or of a browser's
// cookie. What does not look like one of our tokens is not looked up.
func presented(h http.Header) (string, bool) {
	token := cookie(h)
	if authorization := h.Get("Authorization"); authorization != "" {
		scheme, rest, _ := strings.Cut(authorization, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
		token = rest
	}
	return token, strings.HasPrefix(token, tokenPrefix) && len(token) <= 200
}

// words spells an action for a sentence.
func words(a account.Action) string { return strings.ReplaceAll(string(a), "_", " ") }
