package api

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"imago/pkg/boot"
	"imago/pkg/demo"
	"imago/pkg/problem"
)

// SignUp says who may make an account by signing in.
type SignUp string

// The ways of signing up.
const (
	SignUpFirst  SignUp = "first"  // the installation's first person, and nobody after
	SignUpOpen   SignUp = "open"   // anybody
	SignUpClosed SignUp = "closed" // nobody
)

// Config is how one installation's api behaves. Its zero value is right for an
// installation of one's own.
type Config struct {
	// SignUp: "" is first.
	SignUp SignUp `env:"SIGN_UP" help:"who may make an account: first (the installation's first person), open (anybody, an account of their own), closed (nobody)"`
	// AllowLoopbackOrgs takes orgs on this machine's own addresses, also by plain
	// HTTP: for trying things with a simulated org, never in production.
	AllowLoopbackOrgs bool `env:"ALLOW_LOOPBACK_ORGS" help:"true takes simulated orgs on this machine; never in production"`
	// PublicURL is where people reach the api and its console, such as
	// https://imago.example.com: pages elsewhere lead back there.
	PublicURL string `env:"PUBLIC_URL" help:"where people reach the console, as https://imago.example.com; needed for passkeys, where plans are sold, and to sign command lines in by a browser"`
	// OIDC is the installation's own identity provider.
	OIDC OIDC `envPrefix:"OIDC_"`
	// DemoOrgs is the worker's setting of the same name; the api calls nobody there.
	DemoOrgs string `env:"DEMO_ORGS_URL" help:"as the worker's: offers everybody a demo org, in the simulator there; absent: there are none"`
	// TrustedProxies are the networks whose X-Forwarded-For counts.
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" help:"networks whose X-Forwarded-For counts, as 10.0.0.0/8,fd00::/8"`
	// SessionIdle ends a command line's session that is not used; zero: 7 days.
	SessionIdle time.Duration `env:"SESSION_IDLE" help:"ends a command line's session that is not used; absent: 168h"`
	// SessionLife ends a command line's session whatever its use; zero: 30 days.
	SessionLife time.Duration `env:"SESSION_LIFE" help:"ends a command line's session whatever its use; absent: 720h"`
	// WebIdle ends a browser's session that is not used; zero: 12 hours.
	WebIdle time.Duration `env:"WEB_SESSION_IDLE" help:"ends a browser's session that is not used; absent: 12h"`
	// WebLife ends a browser's session whatever its use; zero: 7 days.
	WebLife time.Duration `env:"WEB_SESSION_LIFE" help:"ends a browser's session whatever its use; absent: 168h"`
	// Timeout is the longest that a request may take, streams apart; zero: 30 s.
	Timeout time.Duration `env:"TIMEOUT" help:"the longest that a request may take, streams apart; absent: 30s"`
	// Poll is how often watched rows are looked at; zero: half a second.
	Poll time.Duration `env:"POLL" help:"how often watched rows are looked at; absent: 500ms"`
	// Watch is the longest that one stream lasts; clients then watch anew. Zero: an hour.
	Watch time.Duration `env:"WATCH" help:"the longest that one stream lasts; absent: 1h"`
}

// OIDC is an identity provider whose word is as good as a mailed code, for everybody who
// signs in to the installation. The zero value is none.
type OIDC struct {
	Issuer   string    `env:"ISSUER" help:"identity provider at which people can sign in (OpenID Connect), as https://accounts.google.com; absent: none"`
	ClientID string    `env:"CLIENT_ID" help:"ID of the client there"`
	Secret   boot.File `env:"CLIENT_SECRET_FILE" help:"file with the client's secret"`
	Name     string    `env:"NAME" help:"what people know it by, as Google; absent: its host"`
}

// shown is the provider's name for people; "" if there is none.
func (o OIDC) shown() string {
	if o.Name != "" || o.Issuer == "" {
		return o.Name
	}
	return strings.TrimPrefix(strings.TrimPrefix(o.Issuer, "https://"), "http://")
}

// Validate tells what does not go together.
func (o OIDC) Validate() error {
	all := o.Issuer != "" && o.ClientID != "" && o.Secret.Set()
	if !all && o != (OIDC{}) {
		return errors.New("ISSUER, CLIENT_ID and CLIENT_SECRET_FILE: one needs the others")
	}
	return nil
}

// Validate tells what cannot be.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults fills in what was left out, and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	c.SignUp = orDefault(c.SignUp, SignUpFirst)
	c.SessionIdle = orDefault(c.SessionIdle, 7*24*time.Hour)
	c.SessionLife = orDefault(c.SessionLife, 30*24*time.Hour)
	c.WebIdle = orDefault(c.WebIdle, 12*time.Hour)
	c.WebLife = orDefault(c.WebLife, 7*24*time.Hour)
	c.Timeout = orDefault(c.Timeout, 30*time.Second)
	c.Poll = orDefault(c.Poll, 500*time.Millisecond)
	c.Watch = orDefault(c.Watch, time.Hour)
	switch c.SignUp {
	case SignUpFirst, SignUpOpen, SignUpClosed:
	default:
		return c, problem.InField("sign_up", "%q is no way of signing up", c.SignUp).WithHint("write open, first or closed")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || c.PublicURL != "" && (u.Host == "" || u.Scheme+"://"+u.Host != c.PublicURL) {
		return c, problem.InField("public_url", "%q is not the address of a console", c.PublicURL).WithHint("write https://imago.example.com, with nothing behind it")
	}
	if c.OIDC.Issuer != "" && c.PublicURL == "" {
		return c, problem.InField("public_url", "it is missing, and the identity provider sends people back there").WithHint("write https://imago.example.com, with nothing behind it")
	}
	if _, err := demo.Address(c.DemoOrgs); err != nil && c.DemoOrgs != "" {
		return c, problem.InField("demo_orgs_url", "%v", err)
	}
	for name, d := range map[string]time.Duration{
		"session_idle": c.SessionIdle, "session_life": c.SessionLife, "web_session_idle": c.WebIdle, "web_session_life": c.WebLife,
		"timeout": c.Timeout, "poll": c.Poll, "watch": c.Watch,
	} {
		if d < 0 {
			return c, problem.InField(name, "%v is less than nothing", d).WithHint("leave it out for the default")
		}
	}
	return c, nil
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// String shows the configuration in the log; it holds no secret.
func (c Config) String() string {
	return fmt.Sprintf("sign_up=%s allow_loopback_orgs=%t trusted_proxies=%v", c.SignUp, c.AllowLoopbackOrgs, c.TrustedProxies)
}
