package standalone

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// describe tells a person where everything is.
func (g ground) describe(c Config, version string, address net.Addr) string {
	url := "http://" + address.String()
	if c.secure() {
		url = "https://" + address.String()
	}
	var b strings.Builder
	say := func(what, where string) { fmt.Fprintf(&b, "  %-9s %s\n", what, where) }
	fmt.Fprintf(&b, "Imago %s\n", version)
	say("address", url)
	for n, line := range c.console() {
		say([]string{"console", ""}[min(n, 1)], line)
	}
	say("data", g.place.dir)
	say("keys", "master.keys and credentials.key in it: keep copies elsewhere, without them nothing can be opened")
	say("database", g.place.path("postgres"))
	say("bucket", g.place.path("objects"))
	if c.Mail.none() {
		say("mail", "NO MAIL SERVER (--smtp host:port): sign-in codes and alerts are files in "+g.place.path("mail")+",")
		say("", "which only the administrator of this machine can read")
	} else if c.Mail.SMTP != "" {
		say("mail", "through "+c.Mail.SMTP)
	} else {
		say("mail", "through SendGrid")
	}
	say("sign in", "imago login you@example.com --server "+url)
	return b.String()
}

// console tells where people open the console, and what it lacks there.
func (c Config) console() []string {
	u, err := url.Parse(c.API.PublicURL)
	switch {
	case err != nil || u.Host == "":
		return []string{"ITS ADDRESS IS NOT KNOWN: set IMAGO_PUBLIC_URL to it (https://imago.example.com); until then there",
			"are no passkeys, no sign-in of command lines by a browser, and mails show commands instead of links"}
	case net.ParseIP(u.Hostname()) != nil:
		return []string{c.API.PublicURL + " (passkeys need a name: set IMAGO_PUBLIC_URL)"}
	}
	return []string{c.API.PublicURL}
}
