package standalone

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// flags are short ways to set variables of the configuration.
var flags = []struct {
	name, variable, value, help string // value: what to call it in the help; "": the flag is a switch
}{
	{"data", "IMAGO_DATA", "directory", "everything that it keeps (default $XDG_DATA_HOME/imago; /var/lib/imago for root)"},
	{"listen", "IMAGO_LISTEN_ADDR", "address", "where it is reached (default " + DefaultAddress + "); any but a loopback address needs TLS"},
	{"tls-cert", "IMAGO_LISTEN_TLS_CERT", "file", "the TLS certificate with its chain"},
	{"tls-key", "IMAGO_LISTEN_TLS_KEY", "file", "its private key"},
	{"smtp", "IMAGO_MAIL_SMTP_ADDR", "host:port", "the mail server; without one, mails are files in the data directory"},
	{"from", "IMAGO_MAIL_FROM", "sender", "of mails (default Imago <imago@localhost>)"},
	{"metrics", "IMAGO_HEALTH_ADDR", "address", "serve /metrics, /healthz and /readyz here too"},
	{"new-credentials-key", "IMAGO_NEW_CREDENTIALS_KEY", "", "make a new credentials.key for one that is lost; then imago connect NAME --new-key"},
	{"allow-loopback-orgs", "IMAGO_ALLOW_LOOPBACK_ORGS", "", "take orgs on this machine, for a simulated one"},
}

// ApplyFlags turns the flags of a command line into variables, by setenv, and gives
// what is left for boot: -check, -ready, -reference, -version, -help.
func ApplyFlags(args []string, setenv func(name, value string) error) (rest []string, err error) {
	f := flag.NewFlagSet("imagod", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	for _, known := range flags {
		set := func(value string) error { return setenv(known.variable, value) }
		if known.value == "" {
			f.BoolFunc(known.name, known.help, set)
		} else {
			f.Func(known.name, known.help, set)
		}
	}
	for _, name := range []string{"check", "ready", "reference", "version"} {
		f.BoolFunc(name, "", func(value string) error {
			if on, err := strconv.ParseBool(value); err != nil || !on {
				return err
			}
			rest = append(rest, "-"+name)
			return nil
		})
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	return rest, nil
}

// help describes the flags.
func help() string {
	text := "imagod runs Imago on this machine: api, worker and drift monitor, with a private\n" +
		"Postgres and an S3 server inside, and everything that it keeps in one directory.\n\n" +
		"Examples:\n" +
		"  # for oneself\n  imagod\n" +
		"  # for others, with mail\n  imagod --listen :443 --tls-cert cert.pem --tls-key key.pem --smtp mail.example.com:587\n" +
		"  # look whether it could start, and end\n  imagod --check\n\nFlags:\n"
	for _, f := range flags {
		text += fmt.Sprintf("  %-32s %s\n", "--"+f.name+" "+f.value, f.help)
	}
	return text + fmt.Sprintf(strings.Repeat("  %-32s %s\n", 8), "--announce file --subject text", "mail the file, Markdown or plain text, to who asked for product updates, by the imagod that runs,", "  [--dry-run]", "once each, also if it is run again; --dry-run: only say how many they are, and end",
		"--make-keys directory", "make the keys of an installation of several machines, and end",
		"--new-master-key directory", "add a master key to its master.keys, and end",
		"--rewrap", "have the imagod that runs wrap every keyring by the newest master key, or the key service, and end",
		"--keyrings", "say which master key wraps how many keyrings, and end; exit code 3 while some wait",
		"--check", "check the configuration, and end", "--version", "print the version, and end") +
		"\nExit codes: 0 done, 1 error, 2 the configuration is wrong.\n\n"
}
