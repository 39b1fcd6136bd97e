package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"

	"imago/pkg/problem"
	"imago/proto"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/wire"
	"imago/services/console"
)

// maxBody bounds every request: none of ours is large.
const maxBody = 1 << 20

// maxAnswer bounds what the REST side buffers: one resource may be some megabytes.
const maxAnswer = 64 << 20

// routes makes everything that the api serves: the RPCs by Connect, gRPC and
// gRPC-Web, the same ones by REST below /v1, and the description of both.
func (s *Service) routes() (http.Handler, error) {
	options := []connect.HandlerOption{
		connect.WithCodec(wire.JSON{}),
		connect.WithReadMaxBytes(maxBody),
		connect.WithInterceptors(s),
		connect.WithRecover(recovered),
	}
	mux := http.NewServeMux()
	var services []*vanguard.Service
	add := func(path string, h http.Handler) {
		mux.Handle(path, http.MaxBytesHandler(wire.Strict(h, requestID), maxBody))
		services = append(services, vanguard.NewService(path, h,
			vanguard.WithTargetCodecs(vanguard.CodecProto), vanguard.WithMaxMessageBufferBytes(maxAnswer)))
	}
	add(rpc.NewSignInServiceHandler(s.signIn(), options...))
	add(rpc.NewSessionServiceHandler(s.sessions(), options...))
	add(rpc.NewFactorServiceHandler(s.factors(), options...))
	add(rpc.NewTokenServiceHandler(s.tokens(), options...))
	add(rpc.NewDeviceServiceHandler(s.devices(), options...))
	add(rpc.NewPasskeyServiceHandler(s.passkeys(), options...))
	add(rpc.NewSsoServiceHandler(s.sso(), options...))
	add(rpc.NewKeyServiceHandler(s.keys(), options...))
	add(rpc.NewAccountServiceHandler(s.account(), options...))
	add(rpc.NewConnectionServiceHandler(s.connections(), options...))
	add(rpc.NewSnapshotServiceHandler(s.snapshots(), options...))
	add(rpc.NewDriftServiceHandler(s.drift(), options...))
	add(rpc.NewOverviewServiceHandler(s.overview(), options...))
	add(rpc.NewRestoreServiceHandler(s.restores(), options...))
	add(rpc.NewTeamServiceHandler(s.team(), options...))
	add(rpc.NewActivityServiceHandler(s.activity(), options...))
	add(rpc.NewBillingServiceHandler(s.billing(), options...))
	add(rpc.NewMailServiceHandler(s.mail(), options...))
	rest, err := vanguard.NewTranscoder(services, vanguard.WithCodec(wire.NewREST))
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	mux.Handle("/v1/", wire.Unfolded(wire.Problems(http.MaxBytesHandler(rest, maxBody), requestID), requestID))
	mux.HandleFunc("GET "+downloads+"{id}/{secret}", s.download)
	mux.HandleFunc("GET /openapi.yaml", openAPI)
	if s.Billing != nil {
		mux.HandleFunc("POST /webhooks/stripe", s.stripeHook)
	}
	if s.MailEvents != nil {
		mux.HandleFunc("POST /webhooks/sendgrid", s.sendgridHook)
	}
	mux.HandleFunc("GET /unsubscribe", s.unsubscribe)
	mux.HandleFunc("POST /unsubscribe", s.unsubscribe)
	pages, err := s.pages()
	if err != nil {
		return nil, err
	}
	mux.Handle("/", pages)
	ours := http.NewCrossOriginProtection()
	ours.SetDenyHandler(http.HandlerFunc(foreign))
	return s.observe(secure(ours.Handler(mux))), nil
}

// pages serves the console, where it was built into this program.
func (s *Service) pages() (http.Handler, error) {
	nowhere := http.HandlerFunc(nothing)
	pages, err := console.Handler(nowhere)
	if errors.Is(err, console.ErrNotBuilt) {
		s.log.Warn("no console", "error", err)
		return nowhere, nil
	}
	return pages, err
}

// foreign refuses what a page of another origin sends: a browser would add the session.
func foreign(w http.ResponseWriter, r *http.Request) {
	p := problem.New(problem.Denied, "a page of another site sent this").WithHint("open the console at its own address")
	wire.WriteProblem(w, http.StatusForbidden, p, requestID(r))
}

func requestID(r *http.Request) string { return requestOf(r.Context()).id }

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	if _, err := w.Write(proto.OpenAPI); err != nil {
		return // the client is gone
	}
}

func nothing(w http.ResponseWriter, r *http.Request) {
	p := problem.New(problem.NotFound, "there is nothing at this address").WithHint("see /openapi.yaml for the addresses")
	wire.WriteProblem(w, http.StatusNotFound, p, requestID(r))
}

// recovered turns a panic of a handler into an internal error, which is logged.
func recovered(_ context.Context, _ connect.Spec, _ http.Header, what any) error {
	return fmt.Errorf("panic: %v\n%s", what, debug.Stack())
}
