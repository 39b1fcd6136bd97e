package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// period is TOTP's time step (RFC 6238, section 5.2).
const period = 30 * time.Second

// factorService keeps people's second factors.
type factorService struct{ *Service }

var _ rpc.FactorServiceHandler = factorService{}

func (s *Service) factors() factorService { return factorService{s} }

func (s factorService) GetFactors(ctx context.Context, _ *connect.Request[imagov1.GetFactorsRequest]) (*connect.Response[imagov1.GetFactorsResponse], error) {
	var f signin.Factors
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		f, err = signin.FactorsOf(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &imagov1.GetFactorsResponse{RecoveryCodesLeft: int32(f.RecoveryCodes), Required: f.Required, AccountRequires: f.AccountRequires}
	if f.TotpAt != nil {
		out.TotpConfirmedAt = stamp(*f.TotpAt)
	}
	return connect.NewResponse(out), nil
}

// EnrollTotp takes no idempotency key: asked again, it begins anew.
func (s factorService) EnrollTotp(ctx context.Context, _ *connect.Request[imagov1.EnrollTotpRequest]) (*connect.Response[imagov1.EnrollTotpResponse], error) {
	if c := requestOf(ctx).caller; !c.waits && !c.steppedUp {
		return nil, stepUpFirst()
	}
	own, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return nil, err
	}
	var key *otp.Key
	err = s.read(ctx, func(tx *postgres.Tx) error {
		address, err := signin.Address(ctx, tx)
		if err != nil {
			return err
		}
		key, err = totp.Generate(totp.GenerateOpts{Issuer: "Imago", AccountName: address, Rand: rand.Reader})
		if err != nil {
			return err
		}
		box, err := sealed.TOTP(tx.Person()).SealBytes(own, []byte(key.Secret()))
		if err != nil {
			return err
		}
		return signin.EnrollTOTP(ctx, tx, box)
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.EnrollTotpResponse{Secret: key.Secret(), Uri: key.URL()}), nil
}

// try counts a try at the person's authenticator, or at the one that they are enrolling,
// and opens its secret.
func (s factorService) try(ctx context.Context, enrolling bool) (a signin.Authenticator, err error) {
	own, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return a, err
	}
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		if a, err = signin.TryFactor(ctx, tx, enrolling); err != nil {
			return err
		}
		a.Secret, err = sealed.TOTP(tx.Person()).OpenBytes(own, a.Secret)
		return err
	})
	if err == nil && !a.Allowed {
		err = problem.New(problem.OverLimit, "the second factor was tried too often").WithHint("try again in ten minutes, or tomorrow where you came in by your company's provider")
	}
	return a, err
}

// step finds the time step whose code it is: the present one, or one beside it, since
// clocks differ (RFC 6238, section 6).
func step(secret, code string, now time.Time) (int64, bool, error) {
	at := now.Unix() / int64(period/time.Second)
	for n := at - 1; n <= at+1; n++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(n), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return n, true, nil
		}
	}
	return 0, false, nil
}

func wrongCode() *problem.Problem {
	return problem.InField("code", "it is not your authenticator's code").WithHint("wait for its next one, and see that its clock is right")
}

// rightStep counts a try, and finds the step of a right code.
func (s factorService) rightStep(ctx context.Context, code string, enrolling bool) (int64, error) {
	a, err := s.try(ctx, enrolling)
	if err != nil {
		return 0, err
	}
	if a.Confirmed == enrolling {
		return 0, problem.New(problem.Conflict, "no authenticator waits for that").WithHint("see which factors you have")
	}
	n, ok, err := step(string(a.Secret), code, s.now())
	if err == nil && !ok {
		err = wrongCode()
	}
	return n, err
}

// ConfirmTotp takes no idempotency key: the token that would ask again is worth nothing.
func (s factorService) ConfirmTotp(ctx context.Context, r *connect.Request[imagov1.ConfirmTotpRequest]) (*connect.Response[imagov1.ConfirmTotpResponse], error) {
	code, err := valid.Code("code", r.Msg.GetCode())
	if err != nil {
		return nil, err
	}
	n, err := s.rightStep(ctx, code, true)
	if err != nil {
		return nil, err
	}
	codes, hashes := recoveryCodes()
	token, session, err := s.rise(ctx, "enroll_totp", func(tx *postgres.Tx, token signin.Hash) (*time.Time, error) {
		return signin.ConfirmTOTP(ctx, tx, n, hashes, token)
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.ConfirmTotpResponse{RecoveryCodes: codes, Session: sessionShape(session)})
	res.Msg.Token = handOver(ctx, res, token, session)
	return res, nil
}

// VerifyTotp takes no idempotency key, as ConfirmTotp.
func (s factorService) VerifyTotp(ctx context.Context, r *connect.Request[imagov1.VerifyTotpRequest]) (*connect.Response[imagov1.VerifyTotpResponse], error) {
	g, err := given(r.Msg)
	if err != nil {
		return nil, err
	}
	token, session, err := s.verify(ctx, g)
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	res := connect.NewResponse(&imagov1.VerifyTotpResponse{Session: sessionShape(session)})
	res.Msg.Token = handOver(ctx, res, token, session)
	return res, nil
}

// proof is what a session rises by; nil for its end: what was given does not count.
type proof func(tx *postgres.Tx, token signin.Hash) (*time.Time, error)

// factor is what a person gave: one of them is "".
type factor struct{ code, recovery string }

func given(m *imagov1.VerifyTotpRequest) (f factor, err error) {
	if m.GetRecoveryCode() != "" && m.GetCode() == "" {
		f.recovery, err = valid.Text("recovery_code", m.GetRecoveryCode(), 40)
		return f, err
	}
	f.code, err = valid.Code("code", m.GetCode())
	return f, err
}

// verify lets the session rise by what was given. A try is counted for either; who has
// passkeys alone has no authenticator to count it at, and recovery codes are too long to be
// guessed.
func (s factorService) verify(ctx context.Context, f factor) (string, signin.Session, error) {
	if f.recovery != "" {
		if _, err := s.try(ctx, false); err != nil && !problem.Is(err, problem.NotFound) {
			return "", signin.Session{}, err
		}
		return s.rise(ctx, "step_up", func(tx *postgres.Tx, token signin.Hash) (*time.Time, error) {
			return signin.RiseByRecovery(ctx, tx, recoveryHash(f.recovery), token)
		})
	}
	n, err := s.rightStep(ctx, f.code, false)
	if err != nil {
		return "", signin.Session{}, err
	}
	return s.rise(ctx, "step_up", func(tx *postgres.Tx, token signin.Hash) (*time.Time, error) {
		return signin.RiseByTOTP(ctx, tx, n, token)
	})
}

// refuse writes down that what was given was wrong, or tried too often: in the account's
// log for who is in; else for the workers, who tell all accounts of the person.
func (s factorService) refuse(ctx context.Context, err error) error {
	p, c := problem.Of(err), requestOf(ctx).caller
	if p == nil || p.Kind != problem.Invalid && p.Kind != problem.OverLimit {
		return err
	}
	if !c.waits {
		return cmp.Or(s.refuseStepUp(ctx, p), err)
	}
	s.metrics.signIns.WithLabelValues("refused").Inc()
	refusal, failed := s.signIn().refusal(ctx)
	if failed != nil {
		return failed
	}
	return cmp.Or(s.read(ctx, func(tx *postgres.Tx) error { return signin.NoteFactor(ctx, tx, refusal) }), err)
}

func (s *Service) refuseStepUp(ctx context.Context, why *problem.Problem) error {
	ring, err := s.keyring(ctx)
	if err != nil {
		return err
	}
	return s.read(ctx, func(tx *postgres.Tx) error {
		w := &work{tx, s, ring, requestOf(ctx)}
		return w.record(ctx, "refuse_step_up", "session", tx.SessionID(), why.What)
	})
}

// rise lets the session go on under a new token, and writes it down: as a sign-in if it
// waited, else as what it is.
func (s factorService) rise(ctx context.Context, action string, by proof) (string, signin.Session, error) {
	q, token := requestOf(ctx), tokenPrefix+secret()
	var ring *envelope.Keyring
	var err error
	if !q.caller.waits {
		if ring, err = s.keyring(ctx); err != nil {
			return "", signin.Session{}, err
		}
	}
	err = s.read(ctx, func(tx *postgres.Tx) error {
		if ring != nil {
			w := &work{tx, s.Service, ring, q}
			if err := w.record(ctx, action, "session", tx.SessionID(), ""); err != nil {
				return err
			}
		}
		ends, err := by(tx, hash(token))
		if err == nil && ends == nil {
			err = problem.InField("code", "it was used already, or is not yours").WithHint("wait for the next one")
		}
		return err
	})
	if err != nil {
		return "", signin.Session{}, err
	}
	session, err := s.letIn(ctx, action, hash(token))
	return token, session, err
}

// letIn reads the session under its new token; if it waited, the sign-in is written down,
// and before it what was enrolled.
func (s factorService) letIn(ctx context.Context, action string, token signin.Hash) (session signin.Session, err error) {
	waited := requestOf(ctx).caller.waits
	err = s.DB.As(ctx, postgres.Session(token), func(tx *postgres.Tx) (err error) {
		session, err = signin.Current(ctx, tx)
		return err
	})
	if err != nil || !waited {
		return session, err
	}
	var done []string
	if action != "step_up" {
		done = []string{action}
	}
	session, err = s.welcome(ctx, session.AccountID, token, done...)
	s.metrics.signIns.WithLabelValues("let_in").Inc()
	return session, err
}

// handOver sets the new token as a cookie for who came with one, else answers it.
func handOver(ctx context.Context, res connect.AnyResponse, token string, session signin.Session) string {
	if requestOf(ctx).caller.cookie {
		setCookie(res.Header(), token, session.ExpiresAt)
		return ""
	}
	return token
}

// recoveryCodes makes ten codes of 80 bits each, and their hashes.
func recoveryCodes() (codes []string, hashes [][]byte) {
	for range 10 {
		t := strings.ToLower(rand.Text()[:16]) // base32: without 0, 1, 8 and 9
		h := recoveryHash(t)
		codes, hashes = append(codes, t[:4]+"-"+t[4:8]+"-"+t[8:12]+"-"+t[12:]), append(hashes, h[:])
	}
	return codes, hashes
}

// recoveryHash takes a code as people write it. It is of too many bits to be guessed, so a
// plain hash will do.
func recoveryHash(text string) signin.Hash {
	return hash("imago recovery code/" + strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(text)))
}

func (s factorService) RemoveTotp(ctx context.Context, r *connect.Request[imagov1.RemoveTotpRequest]) (*connect.Response[imagov1.RemoveTotpResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RemoveTotpResponse, error) {
		if err := signin.RemoveTOTP(ctx, w.Tx); err != nil {
			return nil, err
		}
		return &imagov1.RemoveTotpResponse{}, w.record(ctx, "remove_totp", "user", string(w.User()), "")
	})
}

func (s factorService) RequireSecondFactor(ctx context.Context, r *connect.Request[imagov1.RequireSecondFactorRequest]) (*connect.Response[imagov1.RequireSecondFactorResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RequireSecondFactorResponse, error) {
		if err := signin.RequireSecondFactor(ctx, w.Tx, r.Msg.GetRequired()); err != nil {
			return nil, err
		}
		action := "stop_requiring_second_factor"
		if r.Msg.GetRequired() {
			action = "require_second_factor"
		}
		return &imagov1.RequireSecondFactorResponse{}, w.record(ctx, action, "account", string(w.Account()), "")
	})
}
