package cli_test

import (
	"context"
	"slices"
	"strings"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

func (f *fake) CreateToken(_ context.Context, r *connect.Request[imagov1.CreateTokenRequest]) (*connect.Response[imagov1.CreateTokenResponse], error) {
	if slices.Contains(r.Msg.GetScopes(), "approve_restore") {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "scopes", "no token may approve restore", "choose of view_account")
	}
	t := &imagov1.ApiToken{
		Id: id(400 + len(f.apiTokens)), Name: r.Msg.GetName(), Owner: "ada@example.com", Scopes: r.Msg.GetScopes(), CreatedAt: at(0), ExpiresAt: r.Msg.GetExpiresAt(),
	}
	f.apiTokens = append(f.apiTokens, t)
	return connect.NewResponse(&imagov1.CreateTokenResponse{Token: "imago_token_shown-once", Details: t}), nil
}

func (f *fake) ListTokens(context.Context, *connect.Request[imagov1.ListTokensRequest]) (*connect.Response[imagov1.ListTokensResponse], error) {
	return connect.NewResponse(&imagov1.ListTokensResponse{Tokens: f.apiTokens}), nil
}

func (f *fake) RevokeToken(_ context.Context, r *connect.Request[imagov1.RevokeTokenRequest]) (*connect.Response[imagov1.RevokeTokenResponse], error) {
	f.apiTokens = slices.DeleteFunc(f.apiTokens, func(t *imagov1.ApiToken) bool { return t.GetId() == r.Msg.GetTokenId() })
	return connect.NewResponse(&imagov1.RevokeTokenResponse{}), nil
}

// BeginDevice is there where the script says that there is a console.
func (f *fake) BeginDevice(context.Context, *connect.Request[imagov1.BeginDeviceRequest]) (*connect.Response[imagov1.BeginDeviceResponse], error) {
	if !f.set["console"] {
		return nil, problem(connect.CodeNotFound, "not_found", "", "this server does not know its console's address", "sign in with a mailed code")
	}
	f.looks = 0
	return connect.NewResponse(&imagov1.BeginDeviceResponse{
		DeviceCode: "device-1", UserCode: "BCDF-GHJK", VerificationUri: "https://imago.example.com/device",
		VerificationUriComplete: "https://imago.example.com/device?code=BCDF-GHJK", ExpiresAt: at(600e9), IntervalSeconds: 5,
	}), nil
}

// ExchangeDevice is told to wait, then to slow down, and then what the script says.
func (f *fake) ExchangeDevice(_ context.Context, r *connect.Request[imagov1.ExchangeDeviceRequest]) (*connect.Response[imagov1.ExchangeDeviceResponse], error) {
	f.looks++
	answer := &imagov1.ExchangeDeviceResponse{Status: []string{"pending", "slow_down", "approved"}[min(f.looks, 3)-1], IntervalSeconds: 10}
	switch {
	case !strings.HasPrefix(r.Msg.GetDeviceCode(), "device-") || f.set["expired"]:
		answer.Status = "expired"
	case f.set["denied"]:
		answer.Status = "denied"
	}
	if answer.Status == "approved" {
		answer.Token, answer.ExpiresAt, answer.Session = token, at(3600e9), f.session()
	}
	return connect.NewResponse(answer), nil
}
