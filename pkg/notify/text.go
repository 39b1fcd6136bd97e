package notify

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
)

// Text is text that somebody else wrote: a group's name, an actor's login, a
// setting's value. Whoever may write to an org may write it, so it prints without
// control and direction characters, in bounds, and in a form that no mail program
// turns into a link. Both template engines print it by String; html/template
// escapes it besides.
type Text string

// maxText bounds a Text, in characters.
const maxText = 300

// domainDot is a dot as mail programs look for it in domains: before two letters, also as
// the full stops of East Asia, which names of hosts may be written with (UTS #46).
var domainDot = regexp.MustCompile(`([.\x{3002}\x{FF0E}\x{FF61}])(\pL{2})`)

// String shows the text. Links are written as analysts write them:
// "https[:]//evil[.]example".
func (t Text) String() string {
	s := bounded(strings.TrimSpace(strings.Map(printable, string(t))), maxText)
	if a, err := mail.ParseAddress(s); err == nil && a.Address == s && strings.Count(s, "@") == 1 {
		return s // a login: at worst a mail program offers to write to it
	}
	s = strings.ReplaceAll(s, "://", "[:]//")
	return domainDot.ReplaceAllString(s, "[$1]$2")
}

// printable keeps what a person can see; line breaks become spaces.
func printable(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
		return -1
	}
	return r
}

func bounded(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
