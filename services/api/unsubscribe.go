package api

import (
	"context"
	"crypto/sha256"
	"html/template"
	"io"
	"net/http"

	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/problem"
)

// sendgridHook takes SendGrid's notifications: signed, each event once. An answer that is
// no 2xx has them sent again.
func (s *Service) sendgridHook(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	q.procedure = "webhook/sendgrid"
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, q, http.StatusRequestEntityTooLarge, problem.New(problem.Invalid, "the notification is too long, or broke off").Because(err))
		return
	}
	events, err := s.MailEvents.Events(payload, r.Header)
	if err != nil {
		refuse(w, q, statusOf(err), err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
	defer cancel()
	for _, e := range events {
		if err := s.noteMail(ctx, e); err != nil {
			refuse(w, q, http.StatusServiceUnavailable, err)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// statusOf is the answer to a notification that cannot be taken.
func statusOf(err error) int {
	if problem.Is(err, problem.Invalid) {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

func (s *Service) noteMail(ctx context.Context, e notify.Event) error {
	return s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error {
		_, err := messages.Note(ctx, tx, e)
		return err
	})
}

// unsubscribePage asks before it ends anything: programs that look at the links of mails
// follow them. A mail program's own button sends the POST itself (RFC 8058).
var unsubscribePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>Unsubscribe · Imago</title>
</head>
<body>
<main>
{{if .Done}}<h1>You are unsubscribed</h1>
<p>No more such mail is sent to you. You can choose anew in Imago’s settings.</p>
{{else}}<h1>Unsubscribe?</h1>
<p>You will get no more mail of the kind that led you here. Sign-in codes and what concerns your account’s safety still come.</p>
<form method="post"><button type="submit">Unsubscribe</button></form>
{{end}}</main>
</body>
</html>
`))

// unsubscribe shows the page, and ends what a mail came by when it is asked to by POST.
// The token in the address is all that is needed; one that is none gets the same answer,
// so that nothing is learned by trying.
func (s *Service) unsubscribe(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	q.procedure = "unsubscribe"
	done := r.Method == http.MethodPost
	if done {
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
		defer cancel()
		hash := sha256.Sum256([]byte(r.URL.Query().Get("token")))
		err := s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error {
			_, err := messages.End(ctx, tx, hash)
			return err
		})
		if err != nil && !problem.Is(err, problem.Denied) {
			refuse(w, q, http.StatusServiceUnavailable, err)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	if err := unsubscribePage.Execute(w, struct{ Done bool }{done}); err != nil {
		q.cause = err // the client is gone
	}
}
