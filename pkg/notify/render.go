package notify

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
)

//go:embed templates
var files embed.FS

// Templates renders mails, all in one layout.
type Templates struct {
	text *texttemplate.Template
	html *htmltemplate.Template
	site site
}

// NewTemplates parses the templates that the program carries. Mails lead to the console
// at publicURL, as https://imago.example.com; with "" they show commands alone.
func NewTemplates(publicURL string) (*Templates, error) {
	t := &Templates{site: site(publicURL)}
	funcs := map[string]any{"time": shownTime, "day": shownDay, "plural": plural, "url": t.site.url, "button": t.site.button, "ways": t.site.ways}
	var err error
	if t.text, err = texttemplate.New("").Funcs(funcs).ParseFS(files, "templates/*.txt"); err != nil {
		return nil, fmt.Errorf("parse text templates: %w", err)
	}
	if t.html, err = htmltemplate.New("").Funcs(funcs).ParseFS(files, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("parse html templates: %w", err)
	}
	return t, nil
}

// Render makes the message with that ID for one recipient.
func (t *Templates) Render(id, to string, m Mail) (Message, error) {
	return t.RenderList(id, to, m, "")
}

// RenderList is Render for mail that its recipient subscribes to: unsubscribe is the
// address at which they end it with one click (RFC 8058).
func (t *Templates) RenderList(id, to string, m Mail, unsubscribe string) (Message, error) {
	s := sheet{Subject: bounded(m.subject(), 150), Foot: m.foot(), Unsubscribe: unsubscribe}
	if s.Foot.Chosen {
		s.Choose = t.site.url(settingsPage)
	}
	var err error
	if s.Text, err = render(t.text, m.template()+".txt", m); err != nil {
		return Message{}, fmt.Errorf("render %s as text: %w", m.template(), err)
	}
	s.Text = strings.TrimRight(s.Text, "\n") + "\n"
	body, err := render(t.html, m.template()+".html", m)
	if err != nil {
		return Message{}, fmt.Errorf("render %s as html: %w", m.template(), err)
	}
	s.HTML = htmltemplate.HTML(body) //nolint:gosec // html/template has escaped it
	return t.layOut(Message{ID: id, To: to, Subject: s.Subject, Unsubscribe: unsubscribe}, s)
}

// layOut puts the bodies into the layout.
func (t *Templates) layOut(out Message, s sheet) (_ Message, err error) {
	if out.Text, err = render(t.text, "layout", s); err != nil {
		return Message{}, fmt.Errorf("lay the text out: %w", err)
	}
	if out.HTML, err = render(t.html, "layout", s); err != nil {
		return Message{}, fmt.Errorf("lay the html out: %w", err)
	}
	return out, out.Validate()
}

// engine is either of the two template engines.
type engine interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

func render(t engine, name string, data any) (string, error) {
	var out bytes.Buffer
	err := t.ExecuteTemplate(&out, name, data)
	return out.String(), err
}

// shownTime is in UTC: a mail is read in other places than it was caused in.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func shownDay(t time.Time) string { return t.UTC().Format("2006-01-02") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
