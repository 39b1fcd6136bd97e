package worker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/team"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
)

// invitationPrefix marks tokens of invitations, so that scanners of leaked secrets know
// them. No session has such a token.
const invitationPrefix = "imago_invite_"

// sendInvitation makes an invitation's token, stores its hash and mails it. The token
// stands nowhere but in the mail; a job that runs again makes a new one, and the old one
// is worth nothing.
func (s *Service) sendInvitation(ctx context.Context, u work.Unit, a job.SendInvitation) (work.End, error) {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand crashes the program rather
	token := invitationPrefix + base64.RawURLEncoding.EncodeToString(b)
	var to team.Letter
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		to, err = team.SetToken(ctx, tx, a.InvitationID, sha256.Sum256([]byte(token)))
		return err
	})
	if problem.Is(err, problem.NotFound) {
		return work.Done(outcome("not so any more")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("store the hash of invitation %s: %w", a.InvitationID, err)
	}
	mail := notify.Invitation{
		Account: notify.Text(to.Account), By: notify.Text(to.InvitedBy), Role: string(to.Role), Token: token, Until: to.ExpiresAt,
	}
	// The Message-ID differs with each token, so that no mail program takes a new one for
	// a copy of the old one.
	m, err := s.templates.Render(fmt.Sprintf("%s.%d.%d", a.InvitationID, u.Job, u.Attempt), to.Email, mail)
	if err != nil {
		return work.End{}, err
	}
	sent, err := s.deliver(ctx, "invitation", m)
	if err != nil || !sent {
		return work.Done(delivered(sent)), err
	}
	return work.Done(delivered(sent)), s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		return team.SetSent(ctx, tx, a.InvitationID)
	})
}
