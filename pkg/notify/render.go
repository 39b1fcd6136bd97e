package notify

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strconv"
	texttemplate "text/template"
	"time"
)

//go:embed templates
var files embed.FS

// Templates renders mails.
type Templates struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// NewTemplates parses the templates that the program carries.
func NewTemplates() (*Templates, error) {
	funcs := map[string]any{"time": shownTime, "plural": plural}
	text, err := texttemplate.New("").Funcs(funcs).ParseFS(files, "templates/*.txt")
	if err != nil {
		return nil, fmt.Errorf("parse text templates: %w", err)
	}
	html, err := htmltemplate.New("").Funcs(funcs).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse html templates: %w", err)
	}
	return &Templates{text: text, html: html}, nil
}

// Render makes the message with that ID for one recipient.
func (t *Templates) Render(id, to string, m Mail) (Message, error) {
	var text, html bytes.Buffer
	if err := t.text.ExecuteTemplate(&text, m.template()+".txt", m); err != nil {
		return Message{}, fmt.Errorf("render %s as text: %w", m.template(), err)
	}
	if err := t.html.ExecuteTemplate(&html, m.template()+".html", m); err != nil {
		return Message{}, fmt.Errorf("render %s as html: %w", m.template(), err)
	}
	out := Message{ID: id, To: to, Subject: bounded(m.subject(), 150), Text: text.String(), HTML: html.String()}
	return out, out.Validate()
}

// shownTime is in UTC: a mail is read in other places than it was caused in.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
