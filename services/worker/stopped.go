package worker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/work"
)

// reportStopped writes into the account's log that mail to a member is stopped, and tells
// the other owners, but for news of Imago itself, which are nobody else's concern.
func (s *Service) reportStopped(ctx context.Context, u work.Unit, a job.ReportStopped) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		stop, err := messages.Stopped(ctx, tx, a.EventID)
		if err != nil {
			return err
		}
		if !slices.Equal(stop.Topics, []notify.Topic{notify.Updates}) {
			if err := messages.QueueStopped(ctx, tx, a.EventID, stop.UserID); err != nil {
				return err
			}
		}
		return u.Record(ctx, tx, ring, work.Event{At: s.Now(), Action: "stop_mail", TargetType: "user", TargetID: string(stop.UserID),
			Detail: fmt.Sprintf("%s to %s: %s", titles(stop.Topics), stop.Email, strings.ReplaceAll(string(stop.Kind), "_", " "))})
	})
	if err != nil {
		return work.End{}, fmt.Errorf("report mail event %s: %w", a.EventID, err)
	}
	return work.Done(), nil
}

// titles are topics for a sentence.
func titles(all []notify.Topic) string {
	var out []string
	for _, t := range all {
		out = append(out, t.Title())
	}
	return strings.Join(out, ", ")
}

// readStopped reads the event that a message is about.
func (l *letter) readStopped(ctx context.Context, tx *postgres.Tx) (err error) {
	if l.account, err = accounts.Name(ctx, tx); err != nil {
		return err
	}
	l.stop, err = messages.Stopped(ctx, tx, l.SubjectID)
	return err
}

// subscribed reports whether a message came because its recipient subscribed to such.
func (l *letter) subscribed() bool {
	return l.Kind == messages.Digest || l.Kind == messages.ProductUpdate
}

// oneClick reports whether mail can be ended with one click: RFC 8058 wants https.
func (s *Service) oneClick() bool { return strings.HasPrefix(s.config.PublicURL, "https://") }

// unsubscribe gives the address at which the recipient ends such mail with one click, and
// stores the hash of its token. The token is a keyed digest of the message's ID, so that a
// mail that is sent once more has the same. "": they did not subscribe to it, or the console
// has no https address.
func (s *Service) unsubscribe(ctx context.Context, proof postgres.Proof, l *letter) (string, error) {
	switch {
	case !l.subscribed():
		return "", nil
	case !s.oneClick() && l.Kind == messages.ProductUpdate: // none is queued then, but IMAGO_PUBLIC_URL may have changed
		return "", errors.New("nobody could end product updates with one click without IMAGO_PUBLIC_URL, as https")
	case !s.oneClick():
		return "", nil
	}
	token := unsubscribeToken(l.ring, l.ID)
	err := s.DB.As(ctx, proof, func(tx *postgres.Tx) error {
		return messages.SetUnsubscribe(ctx, tx, l.ID, sha256.Sum256([]byte(token)))
	})
	if err != nil {
		return "", fmt.Errorf("store the token of message %s: %w", l.ID, err)
	}
	return s.config.PublicURL + "/unsubscribe?token=" + token, nil
}

func unsubscribeToken(ring *envelope.Keyring, messageID string) string {
	h := ring.MAC("unsubscribe")
	h.Write([]byte(messageID)) // a hash.Hash never fails
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
