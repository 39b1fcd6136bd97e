package cli

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	imagov1 "imago/proto/imago/v1"
)

// loginByBrowser has a browser that is signed in let this machine in (RFC 8628). False: the
// server has no page for that.
func (p *program) loginByBrowser(ctx context.Context, server string) (bool, error) {
	api := p.apiAs(server, "")
	begun, err := api.devices.BeginDevice(ctx, connect.NewRequest(&imagov1.BeginDeviceRequest{}))
	if code := connect.CodeOf(err); code == connect.CodeNotFound || code == connect.CodeUnimplemented {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	d := begun.Msg
	p.notice("open %s, signed in, and give the code %s", d.GetVerificationUri(), d.GetUserCode())
	p.notice("it works until %s; with a mailed code instead: imago login EMAIL", stamp(d.GetExpiresAt()))
	if p.Open != nil {
		if err := p.Open(d.GetVerificationUriComplete()); err != nil {
			p.notice("no browser could be opened here: %v", err)
		}
	}
	res, err := p.letIn(ctx, api, d)
	if err != nil {
		return true, err
	}
	return true, p.enter(ctx, server, res)
}

// letIn asks until somebody has approved or denied, at the pace that the server wants.
func (p *program) letIn(ctx context.Context, api *api, d *imagov1.BeginDeviceResponse) (*imagov1.ExchangeDeviceResponse, error) {
	every := d.GetIntervalSeconds()
	for {
		if err := p.Wait(ctx, time.Duration(every)*time.Second); err != nil {
			return nil, err
		}
		res, err := api.devices.ExchangeDevice(ctx, connect.NewRequest(&imagov1.ExchangeDeviceRequest{DeviceCode: d.GetDeviceCode()}))
		if err != nil {
			return nil, err
		}
		switch res.Msg.GetStatus() {
		case "approved":
			return res.Msg, nil
		case "denied":
			return nil, &refused{withHint(errors.New("somebody has denied it"), "begin again with imago login if that was not meant")}
		case "expired":
			return nil, &refused{withHint(errors.New("nobody has approved it in time"), "begin again with imago login")}
		}
		every = res.Msg.GetIntervalSeconds()
	}
}

// entered answers a sign-in that was let in, or waits for its second factor.
type entered interface {
	moved
	GetExpiresAt() *timestamppb.Timestamp
}

// enter completes a sign-in, and keeps its token.
func (p *program) enter(ctx context.Context, server string, r entered) (err error) {
	session, token := r.GetSession(), r.GetToken()
	if session == nil {
		if token, session, err = p.secondFactor(ctx, server, waiting{token, r.GetSecondFactor()}, ""); err != nil {
			return err
		}
	}
	if err := p.writeLogin(server, login{Email: session.GetEmail(), Token: token, Expires: r.GetExpiresAt().AsTime()}); err != nil {
		return err
	}
	return p.showSession(server, session)
}
