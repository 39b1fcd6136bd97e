package api

import (
	"context"
	"crypto/rand"
	"math/big"
	"net/url"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"imago/pkg/postgres"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// devicePage is the console's, where user codes are given.
const devicePage = "/device"

// letters of user codes: no vowels, so that no words come about, and nothing that looks
// like another (RFC 8628, section 6.1).
const letters = "BCDFGHJKLMNPQRSTVWXZ"

// deviceService lets command lines in by browsers that are (RFC 8628).
type deviceService struct{ *Service }

var _ rpc.DeviceServiceHandler = deviceService{}

func (s *Service) devices() deviceService { return deviceService{s} }

// userCode makes eight letters, of 34 bits: few enough to type, and too many to guess in
// ten minutes at the pace that a person may.
func userCode() (string, error) {
	b := make([]byte, 8)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			return "", err
		}
		b[i] = letters[n.Int64()]
	}
	return string(b), nil
}

// typed reads a user code as people write it.
func typed(text string) (signin.Hash, error) {
	code := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(text))
	if len(code) != 8 || strings.Trim(code, letters) != "" {
		return signin.Hash{}, problem.InField("user_code", "it is not a code of eight letters").
			WithHint("type it as the machine that wants in shows it")
	}
	return userHash(code), nil
}

func userHash(code string) signin.Hash { return hash("imago user code/" + code) }

func (s deviceService) BeginDevice(ctx context.Context, _ *connect.Request[imagov1.BeginDeviceRequest]) (*connect.Response[imagov1.BeginDeviceResponse], error) {
	if s.config.PublicURL == "" {
		return nil, problem.New(problem.NotFound, "this server does not know its console's address").WithHint("sign in with a mailed code")
	}
	code, err := userCode()
	if err != nil {
		return nil, err
	}
	device := secret()
	a, err := s.asked(ctx, device, code)
	if err != nil {
		return nil, err
	}
	var w signin.Waiting
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		w, err = signin.BeginDevice(ctx, tx, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	page, shown := s.config.PublicURL+devicePage, code[:4]+"-"+code[4:]
	return connect.NewResponse(&imagov1.BeginDeviceResponse{
		DeviceCode: device, UserCode: shown, VerificationUri: page, VerificationUriComplete: page + "?code=" + url.QueryEscape(shown),
		ExpiresAt: stamp(w.ExpiresAt), IntervalSeconds: w.EverySeconds,
	}), nil
}

// asked says who asks, sealed, and hashes the codes.
func (s deviceService) asked(ctx context.Context, device, code string) (a signin.Asked, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return a, err
	}
	q := requestOf(ctx)
	a = signin.Asked{ID: id.String(), Code: hash(device), User: userHash(code)}
	if a.Place, err = s.signIn().place(ctx, q.ip); err != nil {
		return a, err
	}
	own, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return a, err
	}
	a.Origin, err = sealed.Device(a.ID).Seal(own, signin.Place{SourceIP: q.ip, UserAgent: q.agent})
	return a, err
}

// ExchangeDevice gives the token out only after the sign-in stands in the activity log, as
// ExchangeCode does.
func (s deviceService) ExchangeDevice(ctx context.Context, r *connect.Request[imagov1.ExchangeDeviceRequest]) (*connect.Response[imagov1.ExchangeDeviceResponse], error) {
	code, err := valid.Text("device_code", r.Msg.GetDeviceCode(), 200)
	if err != nil {
		return nil, err
	}
	token := tokenPrefix + secret()
	var answer signin.DeviceAnswer
	out := &imagov1.ExchangeDeviceResponse{}
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		if answer, err = signin.OpenDevice(ctx, tx, hash(code), hash(token), s.config.SessionIdle, s.config.SessionLife); err != nil || answer.AccountID == nil {
			return err
		}
		out.SecondFactor, err = signin.WaitsFor(ctx, tx, hash(token))
		return err
	})
	out.Status, out.IntervalSeconds = answer.Status, answer.EverySeconds
	if err != nil || answer.AccountID == nil {
		return connect.NewResponse(out), err
	}
	if out.SecondFactor == "" {
		session, err := s.welcome(ctx, *answer.AccountID, hash(token))
		if err != nil {
			return nil, err
		}
		s.metrics.signIns.WithLabelValues("let_in").Inc()
		out.Session = sessionShape(session)
	}
	out.Token, out.ExpiresAt = token, stampAt(answer.ExpiresAt)
	return connect.NewResponse(out), nil
}

// find looks a user code up, which is counted, and opens where it was asked from.
func (s deviceService) find(ctx context.Context, text string) (d signin.Device, from signin.Place, err error) {
	code, err := typed(text)
	if err != nil {
		return d, from, err
	}
	own, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return d, from, err
	}
	var waits bool
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		d, waits, err = signin.FindDevice(ctx, tx, code)
		return err
	})
	if err == nil && !waits {
		p := problem.New(problem.NotFound, "no machine waits under this code").WithHint("see that it is typed right, or begin again on the machine")
		p.Field = "user_code"
		err = p
	}
	if err != nil {
		return d, from, err
	}
	return d, from, sealed.Device(d.ID).Open(own, d.Origin, &from)
}

func (s deviceService) GetDevice(ctx context.Context, r *connect.Request[imagov1.GetDeviceRequest]) (*connect.Response[imagov1.GetDeviceResponse], error) {
	d, from, err := s.find(ctx, r.Msg.GetUserCode())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetDeviceResponse{Device: &imagov1.Device{
		UserAgent: from.UserAgent, SourceIp: from.SourceIP, CreatedAt: stamp(d.CreatedAt), ExpiresAt: stamp(d.ExpiresAt),
	}}), nil
}

func (s deviceService) ApproveDevice(ctx context.Context, r *connect.Request[imagov1.ApproveDeviceRequest]) (*connect.Response[imagov1.ApproveDeviceResponse], error) {
	if answered, err := replay[imagov1.ApproveDeviceResponse](ctx, s.Service, r); answered != nil || err != nil {
		return answered, err
	}
	d, from, err := s.find(ctx, r.Msg.GetUserCode())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.ApproveDeviceResponse, error) {
		if err := signin.ApproveDevice(ctx, w.Tx, d.ID); err != nil {
			return nil, err
		}
		return &imagov1.ApproveDeviceResponse{}, w.record(ctx, "approve_device", "device", d.ID, from.UserAgent+" at "+from.SourceIP)
	})
}

func (s deviceService) DenyDevice(ctx context.Context, r *connect.Request[imagov1.DenyDeviceRequest]) (*connect.Response[imagov1.DenyDeviceResponse], error) {
	if answered, err := replay[imagov1.DenyDeviceResponse](ctx, s.Service, r); answered != nil || err != nil {
		return answered, err
	}
	d, from, err := s.find(ctx, r.Msg.GetUserCode())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.DenyDeviceResponse, error) {
		if err := signin.DenyDevice(ctx, w.Tx, d.ID); err != nil {
			return nil, err
		}
		return &imagov1.DenyDeviceResponse{}, w.record(ctx, "deny_device", "device", d.ID, from.UserAgent+" at "+from.SourceIP)
	})
}
