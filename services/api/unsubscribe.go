package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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

// unsubscribeStyle looks as the mails do, from which people come here.
const unsubscribeStyle = `
:root { color-scheme: light dark; }
body { margin: 0; background: #f3f5f7; color: #1b1f24; font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; overflow-wrap: break-word; }
main { max-width: 30rem; margin: 0 auto; padding: 2rem 1rem; }
.mark { margin: 0 0 .75rem 1.5rem; font-weight: 700; color: #0b7285; }
.card { padding: 1.5rem; background: #ffffff; border: 1px solid #dde2e7; border-radius: 10px; }
h1 { font-size: 20px; line-height: 1.3; margin: 0 0 .75rem; }
p { margin: 0 0 1rem; }
form, .card p:last-child { margin: 0; }
a { color: #0b7285; }
button { padding: 9px 18px; border: 0; border-radius: 8px; background: #0b7285; color: #ffffff; font: inherit; font-weight: 600; cursor: pointer; }
button:hover { background: #095866; }
a:focus-visible, button:focus-visible { outline: 2px solid #0b7285; outline-offset: 2px; }
@media (prefers-color-scheme: dark) {
  body { background: #101315; color: #e4e7ea; }
  .card { background: #191d21; border-color: #333a41; }
  .mark, a { color: #66cddb; }
  a:focus-visible, button:focus-visible { outline-color: #66cddb; }
}
`

// unsubscribePolicy lets the page have its own style and form, and nothing else.
func unsubscribePolicy() string {
	sum := sha256.Sum256([]byte(unsubscribeStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
<style>` + unsubscribeStyle + `</style>
</head>
<body>
<main>
<p class="mark">Imago</p>
<div class="card">
{{if .Done}}<h1>You are unsubscribed</h1>
<p>No more such mail is sent to you. You can choose anew <a href="/settings">in Imago’s settings</a>.</p>
{{else}}<h1>Unsubscribe?</h1>
<p>You will get no more mail of the kind that led you here. Sign-in codes and what concerns your account’s safety still come.</p>
<form method="post"><button type="submit">Unsubscribe</button></form>
{{end}}</div>
</main>
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
	w.Header().Set("Content-Security-Policy", unsubscribePolicy())
	if err := unsubscribePage.Execute(w, struct{ Done bool }{done}); err != nil {
		q.cause = err // the client is gone
	}
}
