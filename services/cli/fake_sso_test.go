package cli_test

import (
	"context"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

func (f *fake) GetSso(context.Context, *connect.Request[imagov1.GetSsoRequest]) (*connect.Response[imagov1.GetSsoResponse], error) {
	out := f.identityProvider
	if out == nil {
		out = &imagov1.Sso{RedirectUri: "https://imago.example.com/sign-in/sso/1"}
	}
	return connect.NewResponse(&imagov1.GetSsoResponse{Sso: out}), nil
}

func (f *fake) SetSso(_ context.Context, r *connect.Request[imagov1.SetSsoRequest]) (*connect.Response[imagov1.SetSsoResponse], error) {
	if r.Msg.GetClientSecret() == "" && f.identityProvider == nil {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "client_secret", "it is missing", "give the client's secret at this issuer")
	}
	if s := r.Msg.GetClientSecret(); s != "" && s != "s3cret" {
		return nil, problem(connect.CodeInvalidArgument, "invalid", "client_secret", "it came as "+s, "")
	}
	f.identityProvider = &imagov1.Sso{
		Slug: r.Msg.GetSlug(), Issuer: r.Msg.GetIssuer(), ClientId: r.Msg.GetClientId(), Required: r.Msg.GetRequired(),
		RedirectUri: "https://imago.example.com/sign-in/sso/1", Members: 2,
	}
	return connect.NewResponse(&imagov1.SetSsoResponse{Sso: f.identityProvider}), nil
}

func (f *fake) DeleteSso(context.Context, *connect.Request[imagov1.DeleteSsoRequest]) (*connect.Response[imagov1.DeleteSsoResponse], error) {
	if f.identityProvider == nil {
		return nil, problem(connect.CodeNotFound, "not_found", "", "the account has no identity provider", "")
	}
	f.identityProvider = nil
	return connect.NewResponse(&imagov1.DeleteSsoResponse{}), nil
}
