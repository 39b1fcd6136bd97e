package notify

import (
	htmltemplate "html/template"
	"net/url"
	"strings"
)

// Foot is what stands below a mail.
type Foot struct {
	About  string // what it is about; "" when the mail says all of it
	Why    string // why its recipient gets it
	Chosen bool   // its recipient chooses whether they get such
}

// settingsPage is the console's, where people choose their mail.
const settingsPage = "/settings"

// sheet is what the one layout of all mails is filled with.
type sheet struct {
	Subject     string
	Text        string            // the body, rendered
	HTML        htmltemplate.HTML // the body, rendered and escaped
	Foot        Foot
	Choose      string // address of the recipient's choices; "" for none
	Unsubscribe string // address that ends such mail; "" for none
}

// link is what a mail leads to, and the command that shows the same.
type link struct{ Label, URL, Command string }

// site is where people open the console; "" where nobody told.
type site string

// url is the address of a page of the console; "" where there is no site, or no page.
func (s site) url(page string) string {
	if s == "" || page == "" {
		return ""
	}
	return string(s) + page
}

func (s site) button(label, page string) link { return link{Label: label, URL: s.url(page)} }

func (s site) ways(label, page string, command ...string) link {
	return link{Label: label, URL: s.url(page), Command: strings.Join(command, " ")}
}

// page is an address within the console of what has an ID; "" where the ID is no
// such thing, so that nothing else gets into a link.
func page(before, id, after string) string {
	if !messageID.MatchString(id) {
		return ""
	}
	return before + url.PathEscape(id) + after
}
