package standalone

import (
	"fmt"
	"net"
	"strings"
)

// describe tells a person where everything is.
func (g ground) describe(c Config, version string, address net.Addr) string {
	url := "http://" + address.String()
	if c.Listen.Cert != "" || len(c.Listen.Domains) > 0 {
		url = "https://" + address.String()
	}
	var b strings.Builder
	say := func(what, where string) { fmt.Fprintf(&b, "  %-9s %s\n", what, where) }
	fmt.Fprintf(&b, "Imago %s\n", version)
	say("address", url)
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
