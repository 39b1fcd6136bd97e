package worker

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math/big"

	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
)

// sendCode makes a sign-in code, stores its hash and mails it. The code stands nowhere
// but in the mail; a job that runs again makes a new one, and the old one is worth
// nothing.
func (s *Service) sendCode(ctx context.Context, u work.Unit, a job.SendCode) (work.End, error) {
	code, err := newCode()
	if err != nil {
		return work.End{}, err
	}
	var to signin.Recipient
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		to, err = signin.SetCodeHash(ctx, tx, signin.CodeHash(a.CodeID, code))
		return err
	})
	if problem.Is(err, problem.NotFound) {
		return work.Done(outcome("expired")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("store the hash of code %s: %w", a.CodeID, err)
	}
	if !to.ExpiresAt.After(s.Now()) {
		return work.Done(outcome("expired")), nil
	}
	// The Message-ID differs with each code, so that no mail program takes a new code
	// for a copy of the old one.
	m, err := s.templates.Render(fmt.Sprintf("%s.%d", a.CodeID, u.Attempt), to.Email,
		notify.SignInCode{Code: code, Valid: to.ExpiresAt.Sub(s.Now()), StepsUp: to.StepsUp})
	if err != nil {
		return work.End{}, err
	}
	m.Asked = true
	sent, err := s.deliver(ctx, "sign_in_code", m)
	return work.Done(delivered(sent)), err
}

// newCode makes six digits, each of the million as likely as any other.
func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// deliver sends a mail; sent is false when its recipient is refused for good.
func (s *Service) deliver(ctx context.Context, kind string, m notify.Message) (sent bool, err error) {
	err = s.Mail.Send(ctx, m)
	result := "failed"
	switch {
	case err == nil:
		result, sent = "sent", true
	case problem.Is(err, problem.Invalid):
		result, err = "refused", nil
	default:
		err = fmt.Errorf("send mail: %w", err)
	}
	s.metrics.mails.WithLabelValues(kind, result).Inc()
	return sent, err
}

func delivered(sent bool) slog.Attr {
	if sent {
		return outcome("sent")
	}
	return outcome("refused")
}
