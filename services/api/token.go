package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// tokenLife is the longest that an API token lives.
const tokenLife = 365 * 24 * time.Hour

// tokenService keeps API tokens.
type tokenService struct{ *Service }

var _ rpc.TokenServiceHandler = tokenService{}

func (s *Service) tokens() tokenService { return tokenService{s} }

// CreateToken takes no idempotency key: its answer, which is shown once, would be kept.
func (s tokenService) CreateToken(ctx context.Context, r *connect.Request[imagov1.CreateTokenRequest]) (*connect.Response[imagov1.CreateTokenResponse], error) {
	name, err := valid.Text("name", r.Msg.GetName(), 100)
	if err != nil {
		return nil, err
	}
	scopes, err := s.scopes(ctx, r.Msg.GetScopes())
	if err != nil {
		return nil, err
	}
	ends, err := s.ends(r.Msg)
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	token := tokenPrefix + "token_" + secret()
	var made signin.Token
	err = s.read(ctx, func(tx *postgres.Tx) error {
		id, err := signin.MakeToken(ctx, tx, name, scopes, ends, hash(token))
		if err != nil {
			return err
		}
		if made, err = tokenOf(ctx, tx, id); err != nil {
			return err
		}
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		return w.record(ctx, "create_token", "token", id, name+": "+strings.Join(made.Scopes, ", "))
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.CreateTokenResponse{Token: token, Details: tokenShape(made)}), nil
}

// scopes reads what a token is to be allowed: nothing that its owner is not.
func (s tokenService) scopes(ctx context.Context, words []string) ([]account.Action, error) {
	out := make([]account.Action, 0, len(words))
	role := requestOf(ctx).caller.role
	for _, word := range words {
		a := account.Action(word)
		if !a.ForTokens() {
			return nil, problem.InField("scopes", "no token may %s", spelt(word)).WithHint("choose of %s", tokenActions())
		}
		if !role.May(a) {
			return nil, problem.InField("scopes", "your role (%s) does not allow to %s", role, spelt(word)).WithHint("leave it out")
		}
		out = append(out, a)
	}
	if len(out) == 0 {
		return nil, problem.InField("scopes", "a token without scopes may nothing").WithHint("choose of %s", tokenActions())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// spelt spells what may be no action at all.
func spelt(word string) string {
	if !slices.Contains(account.Actions(), account.Action(word)) {
		return "do what is no action"
	}
	return words(account.Action(word))
}

// tokenActions lists what a token may be allowed.
func tokenActions() string {
	var out []string
	for _, a := range account.Actions() {
		if a.ForTokens() {
			out = append(out, string(a))
		}
	}
	return strings.Join(out, ", ")
}

func (s tokenService) ends(m *imagov1.CreateTokenRequest) (time.Time, error) {
	at, now := m.GetExpiresAt().AsTime(), s.now()
	if m.GetExpiresAt() == nil || !at.After(now) || at.After(now.Add(tokenLife)) {
		return at, problem.InField("expires_at", "a token ends within a year").WithHint("name a time up to %s", now.Add(tokenLife).UTC().Format(time.DateOnly))
	}
	return at, nil
}

func tokenOf(ctx context.Context, tx *postgres.Tx, id string) (signin.Token, error) {
	all, err := signin.Tokens(ctx, tx)
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	if err == nil {
		err = problem.New(problem.NotFound, "there is no such token")
	}
	return signin.Token{}, err
}

func (s tokenService) ListTokens(ctx context.Context, _ *connect.Request[imagov1.ListTokensRequest]) (*connect.Response[imagov1.ListTokensResponse], error) {
	out := &imagov1.ListTokensResponse{}
	err := s.read(ctx, func(tx *postgres.Tx) error {
		all, err := signin.Tokens(ctx, tx)
		out.Tokens = each(all, tokenShape)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s tokenService) RevokeToken(ctx context.Context, r *connect.Request[imagov1.RevokeTokenRequest]) (*connect.Response[imagov1.RevokeTokenResponse], error) {
	id, err := valid.ID("token_id", r.Msg.GetTokenId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RevokeTokenResponse, error) {
		name, err := signin.EndToken(ctx, w.Tx, id)
		if err != nil {
			return nil, in("token_id", "ListTokens tells which there are", err)
		}
		return &imagov1.RevokeTokenResponse{}, w.record(ctx, "revoke_token", "token", id, name)
	})
}

func tokenShape(t signin.Token) *imagov1.ApiToken {
	return &imagov1.ApiToken{
		Id: t.ID, Name: t.Name, Owner: t.Owner, Scopes: t.Scopes,
		CreatedAt: stamp(t.CreatedAt), ExpiresAt: stamp(t.ExpiresAt), LastUsedAt: stampAt(t.UsedAt),
	}
}
