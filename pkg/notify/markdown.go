package notify

import (
	"bytes"
	htmltemplate "html/template"
	"strings"

	"github.com/yuin/goldmark"
)

// Markdown is text that the operator of an installation wrote (CommonMark). It is mailed
// as it was written, and as HTML besides.
type Markdown string

// Plain is the text as it was written.
func (m Markdown) Plain() string {
	return strings.TrimSpace(strings.ReplaceAll(string(m), "\r\n", "\n"))
}

// HTML is the text laid out. HTML in it is left out, and so are links that are scripts.
func (m Markdown) HTML() (htmltemplate.HTML, error) {
	var out bytes.Buffer
	if err := goldmark.Convert([]byte(m.Plain()), &out); err != nil {
		return "", err
	}
	return htmltemplate.HTML(out.String()), nil //nolint:gosec // goldmark writes no HTML of its source's
}
