package api

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// sessions shows people where they are signed in, and lets them prove anew who they are.
type sessionService struct{ *Service }

var _ rpc.SessionServiceHandler = sessionService{}

func (s *Service) sessions() sessionService { return sessionService{s} }

// signedInFrom keeps with the presented session where it came from, sealed.
func signedInFrom(ctx context.Context, tx *postgres.Tx, ring *envelope.Keyring, q *request) error {
	box, err := sealed.Session(tx.SessionID()).Seal(ring, signin.Place{SourceIP: q.ip, UserAgent: q.agent})
	if err != nil {
		return err
	}
	return signin.SetOrigin(ctx, tx, box)
}

func (s sessionService) ListSessions(ctx context.Context, _ *connect.Request[imagov1.ListSessionsRequest]) (*connect.Response[imagov1.ListSessionsResponse], error) {
	var live []signin.Live
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		live, err = signin.List(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return nil, err
	}
	out := &imagov1.ListSessionsResponse{}
	for _, l := range live {
		shape, err := signedIn(ring, l)
		if err != nil {
			return nil, err
		}
		out.Sessions = append(out.Sessions, shape)
	}
	return connect.NewResponse(out), nil
}

func signedIn(ring *envelope.Keyring, l signin.Live) (*imagov1.SignedIn, error) {
	var from signin.Place
	if l.Origin != nil {
		if err := sealed.Session(l.ID).Open(ring, l.Origin, &from); err != nil {
			return nil, err
		}
	}
	return &imagov1.SignedIn{
		Id: l.ID, Kind: l.Kind, AccountName: l.AccountName, CreatedAt: stamp(l.CreatedAt), SeenAt: stamp(l.SeenAt),
		ExpiresAt: stamp(l.ExpiresAt), SourceIp: from.SourceIP, UserAgent: from.UserAgent, Current: l.Current,
	}, nil
}

func (s sessionService) RevokeSession(ctx context.Context, r *connect.Request[imagov1.RevokeSessionRequest]) (*connect.Response[imagov1.RevokeSessionResponse], error) {
	id, err := valid.ID("session_id", r.Msg.GetSessionId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RevokeSessionResponse, error) {
		if id == w.SessionID() {
			return nil, problem.InField("session_id", "it is the session that asks").WithHint("sign out instead")
		}
		if err := signin.End(ctx, w.Tx, id); err != nil {
			return nil, in("session_id", "list your sessions to see which there are", err)
		}
		return &imagov1.RevokeSessionResponse{}, w.record(ctx, "revoke_session", "session", id, "")
	})
}

func (s sessionService) RevokeOtherSessions(ctx context.Context, r *connect.Request[imagov1.RevokeOtherSessionsRequest]) (*connect.Response[imagov1.RevokeOtherSessionsResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RevokeOtherSessionsResponse, error) {
		n, err := signin.EndOthers(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		out := &imagov1.RevokeOtherSessionsResponse{Revoked: int32(n)}
		return out, w.record(ctx, "revoke_other_sessions", "session", w.SessionID(), fmt.Sprintf("%d ended", n))
	})
}

// RequestStepUp takes no idempotency key, as RequestCode takes none: asked again, it mails
// another code.
func (s sessionService) RequestStepUp(ctx context.Context, _ *connect.Request[imagov1.RequestStepUpRequest]) (*connect.Response[imagov1.RequestStepUpResponse], error) {
	var attempt signin.Attempt
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		attempt, err = signin.BeginStepUp(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.RequestStepUpResponse{AttemptId: attempt.ID, ExpiresAt: stamp(attempt.ExpiresAt)}), nil
}

// StepUp takes no idempotency key: the token that would ask again is worth nothing.
func (s sessionService) StepUp(ctx context.Context, r *connect.Request[imagov1.StepUpRequest]) (*connect.Response[imagov1.StepUpResponse], error) {
	id, err := valid.ID("attempt_id", r.Msg.GetAttemptId())
	if err != nil {
		return nil, err
	}
	code, err := valid.Code("code", r.Msg.GetCode())
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	token := tokenPrefix + secret()
	var wrong *problem.Problem
	var ends time.Time
	// A wrong code is counted, so its transaction commits, and it is told afterwards.
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		w := &work{tx, s.Service, ring, requestOf(ctx)}
		wrong, err = signin.CheckStepUp(ctx, tx, id, signin.CodeHash(id, code))
		if err != nil {
			return err
		}
		if wrong != nil && wrong.Kind == problem.Stale {
			return nil // nobody guesses at a code that is over
		}
		if wrong != nil {
			return w.record(ctx, "refuse_step_up", "session", tx.SessionID(), wrong.What)
		}
		if err := w.record(ctx, "step_up", "session", tx.SessionID(), ""); err != nil {
			return err
		}
		ends, err = signin.StepUp(ctx, tx, id, hash(token))
		return err
	})
	if err == nil && wrong != nil {
		err = wrong
	}
	if err != nil {
		return nil, err
	}
	return s.risen(requestOf(ctx).caller.cookie, token, ends), nil
}

// risen gives the session's new token out: as a cookie to who presented one.
func (s sessionService) risen(browser bool, token string, ends time.Time) *connect.Response[imagov1.StepUpResponse] {
	res := connect.NewResponse(&imagov1.StepUpResponse{Until: stamp(s.now().Add(signin.SteppedUpFor))})
	if browser {
		setCookie(res.Header(), token, ends)
	} else {
		res.Msg.Token = token
	}
	return res
}
