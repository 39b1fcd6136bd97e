package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// client speaks Vault's HTTP API.
type client struct {
	http      *http.Client
	base      string // "https://vault.example.com:8200/v1/"
	host      string // "vault.example.com:8200"
	namespace string
	attempts  int
	backoff   time.Duration // the longest
	session   *session
}

func newClient(address string, o Options) (*client, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	hc, err := transport(o.CA, cmp.Or(o.Timeout, 5*time.Second))
	if err != nil {
		return nil, err
	}
	c := &client{
		http: hc, base: u.Scheme + "://" + u.Host + "/v1/", host: host(u), namespace: o.Namespace,
		attempts: cmp.Or(o.MaxAttempts, 4), backoff: cmp.Or(o.MaxBackoff, 2*time.Second),
	}
	c.session, err = newSession(c, o.Auth, o.Now)
	return c, err
}

// parseAddress reads https://vault.example.com:8200. Its errors (problem.Invalid, of the
// field IMAGO_VAULT_ADDR) do not repeat the address, in which there could be a password.
func parseAddress(address string) (*url.URL, error) {
	const field, write = "IMAGO_VAULT_ADDR", "write https://vault.example.com:8200"
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, problem.InField(field, "what it says is not the address of a Vault").WithHint(write)
	case u.User != nil:
		return nil, problem.InField(field, "it has a user or a password, which Vault does not take").
			WithHint(write + "; we sign in by IMAGO_VAULT_TOKEN_FILE, _ROLE_ID or _KUBERNETES_ROLE")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, problem.InField(field, "nothing may follow host and port").WithHint(write)
	case u.Path != "" && u.Path != "/":
		return nil, problem.InField(field, "no path may follow host and port").WithHint(write + "; a namespace goes into IMAGO_VAULT_NAMESPACE")
	case u.Scheme == "http" && !outbound.IsLoopback(u.Hostname()):
		return nil, problem.InField(field, "plain HTTP is for this machine alone").WithHint("use https")
	}
	return u, nil
}

// host is an address's host and port, in the one form of several that are the same.
func host(u *url.URL) string {
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return strings.TrimSuffix(strings.ToLower(u.Host), port)
}

func transport(ca string, timeout time.Duration) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, problem.InField("ca", "cannot be read: %v", err).Because(err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, problem.InField("ca", "%s holds no certificate in PEM", ca)
		}
	}
	return &http.Client{Transport: t, Timeout: timeout, CheckRedirect: redirect}, nil
}

// redirect follows a standby node to the active one, and nobody onto a network without TLS.
func redirect(next *http.Request, via []*http.Request) error {
	plain := next.URL.Scheme != "https"
	if len(via) > 3 || plain && (via[0].URL.Scheme == "https" || !outbound.IsLoopback(next.URL.Hostname())) {
		return http.ErrUseLastResponse
	}
	return nil
}

// ask posts to a path as whom we are signed in, and reads the answer's data. A token
// that Vault does not take is changed for another one, once.
func (c *client) ask(ctx context.Context, path string, in, data any) error {
	token, err := c.session.token(ctx)
	if err != nil {
		return err
	}
	answer := struct{ Data any }{data}
	denial := c.do(ctx, http.MethodPost, path, token, in, &answer)
	if !errors.Is(denial, errDenied) {
		return denial
	}
	if token, err = c.session.instead(ctx, token, denial); err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, token, in, &answer)
}

// do makes a request until it is answered, at most for all attempts. What is asked of
// Vault can be asked twice.
func (c *client) do(ctx context.Context, method, path string, token account.Secret, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	wait := min(100*time.Millisecond, c.backoff)
	for n := 1; ; n++ {
		err := c.once(ctx, method, path, token, body, out)
		if ctx.Err() != nil {
			return late(ctx)
		}
		if n == c.attempts || !errors.Is(err, envelope.ErrUnavailable) {
			return err
		}
		pause := time.NewTimer(wait/2 + rand.N(wait/2+1))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
		wait = min(2*wait, c.backoff)
	}
}

// late tells of a context that ended.
func late(ctx context.Context) error {
	return fmt.Errorf("Vault has not answered in the time that there was: %w", ctx.Err())
}

// once makes a request. The answer is read into out; its errors are ErrUnavailable,
// ErrRefused, or ErrNotOpened.
func (c *client) once(ctx context.Context, method, path string, token account.Secret, body []byte, out any) (err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Request", "true") // an agent in between may want it, against forged requests
	if token != "" {
		req.Header.Set("X-Vault-Token", token.Reveal())
	}
	if c.namespace != "" {
		req.Header.Set("X-Vault-Namespace", c.namespace)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("Vault cannot be reached: %s: %w", unreached(err), envelope.ErrUnavailable)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("the answer of Vault was cut off: %w", envelope.ErrUnavailable)
	}
	if res.StatusCode != http.StatusOK {
		return explain(res.StatusCode, path, answer)
	}
	if json.Unmarshal(answer, out) != nil {
		return fmt.Errorf("what answers is no Vault: check the address, and proxies on the way: %w", envelope.ErrUnavailable)
	}
	return nil
}

// unreached says why nobody answered, where that helps.
func unreached(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "its certificate is over, or not yet good: renew it, and check this machine's clock"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is for another name: give the address as the certificate has it"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by nobody whom we know: name the CA's file in IMAGO_VAULT_CA_FILE"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not good for a server: make another one"
	}
	return "check the address, the network, and that Vault runs"
}

// Errors of a token. OpenBao, and Vault before its change 25953 (March 2024), do not say
// which of the two it is.
var (
	// errDenied: the token is not valid, or may not do it.
	errDenied = fmt.Errorf("%w", envelope.ErrRefused)
	// errInvalid: the token is not valid.
	errInvalid = fmt.Errorf("%w", errDenied)
)

// meanings are what Vault says, in parts of its sentences, where that depends on the
// path, and what it means for us; the first that fits. Its own words are not repeated: they
// could hold what was sent. They are from Vault's sources: vault/request_handling.go,
// sdk/helper/keysutil/policy.go, builtin/logical/transit and the auth methods'.
var meanings = []struct {
	status int
	path   string // a part of it
	said   string
	means  string
	kind   error
}{
	{307, "", "", "it leads to another node by an address without TLS, or from one to the next: give the nodes an api_addr that begins with https://", envelope.ErrRefused},
	{400, "", "message authentication failed", "it was wrapped by another key (give that too, as the one that keyrings move from: IMAGO_OLD_VAULT_…), or for another account, or was altered", envelope.ErrNotOpened},
	{400, "", "version is too new", "it was wrapped by a version that the key does not have: is it the same Vault, and not brought back from an older copy?", envelope.ErrNotOpened},
	{400, "", "invalid ciphertext", "it was not wrapped by Vault, or was altered", envelope.ErrNotOpened},
	{400, "", "(too old)", "it was wrapped by a version of the key that is disallowed: lower the key's min_decryption_version, and have the keyrings wrapped anew before you raise it", envelope.ErrRefused},
	{400, "", "encryption key not found", "there is no such key: make it (vault write -f MOUNT/keys/KEY type=aes256-gcm96); if it was deleted, what it wrapped cannot be opened again", envelope.ErrRefused},
	{400, "", "non-AEAD cipher suite", "the key's type has no associated data, which bind to the account: make one of type aes256-gcm96", envelope.ErrRefused},
	{400, "", "missing 'context' for key derivation", "the key is a derived one: make one that is not (derived=false)", envelope.ErrRefused},
	{400, "", "invalid role or secret ID", "Vault does not know the role ID or the secret ID: make a new secret ID", envelope.ErrRefused},
	{400, "", "invalid secret id", "Vault does not know the secret ID, or it is used up or expired: make a new one", envelope.ErrRefused},
	{400, "", "invalid role", "Vault does not know the role", envelope.ErrRefused},
	{404, "", "no handler for route", "nothing is mounted there: check mount and namespace, and that the secrets engine is enabled (vault secrets enable transit)", envelope.ErrRefused},
	{403, "", "invalid token", "the token is not valid: it is over, was revoked, or is another Vault's", errInvalid},
	{403, "/login", "not authorized", "the role is not for this service account, or not for its namespace: see the role's bound_service_account_names and bound_service_account_namespaces", envelope.ErrRefused},
	{403, "/login", "", "it does not sign us in: of Kubernetes, it does not take the service account's token (its time, audience and issuer; the cluster of the auth method's configuration, and whether Vault may ask it); of an AppRole, we are locked out for some minutes after failures; of both, this address is not of the role's token_bound_cidrs", envelope.ErrRefused},
	{403, "/encrypt/", "", "there is no such key or mount (so Vault answers whom it does not let create one: vault read MOUNT/keys/KEY), or the token's policy lacks \"update\" on MOUNT/encrypt/KEY, or the token is not valid", errDenied},
	{403, "/decrypt/", "", "the token's policy lacks \"update\" on MOUNT/decrypt/KEY, or there is no such mount, or the token is not valid", errDenied},
	{403, "", "", "the token is not valid, or its policy does not let it", errDenied},
	{412, "", "", "the node that answered is behind the others", envelope.ErrUnavailable},
	{429, "", "", "it is asked more often than its quota allows: it goes on by itself; if it stays, raise the quota", envelope.ErrUnavailable},
	{503, "", "has been locked", "its namespace is locked: unlock it (vault namespace unlock)", envelope.ErrRefused},
	{503, "", "", "it is sealed, or under maintenance: unseal it (vault operator unseal)", envelope.ErrUnavailable},
}

// explain says what an answer means.
func explain(status int, path string, answer []byte) error {
	var said struct{ Errors []string }
	text := ""
	if json.Unmarshal(answer, &said) == nil {
		text = strings.Join(said.Errors, "\n")
	}
	for _, m := range meanings {
		if m.status == status && strings.Contains(path, m.path) && strings.Contains(text, m.said) {
			return fmt.Errorf("Vault answered %d: %s: %w", status, m.means, m.kind)
		}
	}
	if status >= 500 {
		return fmt.Errorf("Vault answered %d: it has trouble of its own, or something in between does: its log says more: %w", status, envelope.ErrUnavailable)
	}
	return fmt.Errorf("Vault answered %d: its log and its audit log say why: %w", status, envelope.ErrRefused)
}
