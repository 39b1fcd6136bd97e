package vault_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/envelopetest"
	"imago/pkg/envelope/vault"
	"imago/pkg/envelope/vault/vaulttest"
	"imago/pkg/problem"
)

const alice account.ID = "0b6a9f0e-0000-7000-8000-00000000000a"

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, content)
	return path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, v *vaulttest.Vault, key string, auth vault.Auth) *vault.KeyService {
	t.Helper()
	return openAt(t, v, v.URL, v.CA, key, auth)
}

func openAt(t *testing.T, v *vaulttest.Vault, address, ca, key string, auth vault.Auth) *vault.KeyService {
	t.Helper()
	return timed(t, v, address, ca, key, auth, 20*time.Second)
}

// timed gives up an attempt after a timeout: short where a test has an answer not come,
// and else so long that no busy machine makes an attempt more.
func timed(t *testing.T, v *vaulttest.Vault, address, ca, key string, auth vault.Auth, timeout time.Duration) *vault.KeyService {
	t.Helper()
	ks, err := vault.New(address, key, vault.Options{
		Namespace: vaulttest.Namespace, CA: ca, Auth: auth, Now: v.Now, MaxBackoff: time.Millisecond, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func root(t *testing.T) vault.Auth { return vault.Auth{TokenFile: file(t, vaulttest.Root.Reveal())} }

func appRole(t *testing.T) vault.Auth {
	return vault.Auth{RoleID: vaulttest.RoleID, SecretIDFile: file(t, vaulttest.SecretID)}
}

func kubernetes(t *testing.T) vault.Auth {
	return vault.Auth{KubernetesRole: vaulttest.KubernetesRole, JWTFile: file(t, vaulttest.JWT)}
}

func TestKeyService(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]vault.Auth{"token": root(t), "approle": appRole(t), "kubernetes": kubernetes(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := vaulttest.New(t)
			envelopetest.RunRemote(t, envelopetest.Remote{
				Service: timed(t, v, v.URL, v.CA, "imago", auth, 200*time.Millisecond), Patient: open(t, v, "imago", auth),
				Other: open(t, v, "other", auth), Server: v.Faulty,
			})
		})
	}
}

// TestServerWithoutAssociatedData: what is wrapped is bound to the account all the same.
func TestServerWithoutAssociatedData(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	v.Age()
	envelopetest.Run(t, open(t, v, "imago", root(t)))
}

// TestRealVault runs the suite on a server that is there, with a transit key "imago" of
// type aes256-gcm96: vault server -dev, bao server -dev.
func TestRealVault(t *testing.T) {
	t.Parallel()
	at := os.Getenv("IMAGO_TEST_VAULT_ADDR")
	if at == "" {
		t.Skip("IMAGO_TEST_VAULT_ADDR is not set: there is no Vault here but the stand-in")
	}
	ks, err := vault.New(at, "imago", vault.Options{
		CA: os.Getenv("IMAGO_TEST_VAULT_CA"), Auth: vault.Auth{TokenFile: file(t, os.Getenv("IMAGO_TEST_VAULT_TOKEN"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	envelopetest.Run(t, ks)
}

func wrap(t *testing.T, ks *vault.KeyService) []byte {
	t.Helper()
	wrapped, err := ks.Wrap(t.Context(), alice, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	ks := open(t, v, "imago", root(t))
	old := wrap(t, ks)
	v.Rotate("imago")
	young := wrap(t, ks)
	if old[3] != 1 || young[3] != 2 {
		t.Errorf("versions %d and %d", old[3], young[3])
	}
	for _, wrapped := range [][]byte{old, young} {
		if got, err := ks.Unwrap(t.Context(), alice, wrapped); err != nil || string(got) != "secret" {
			t.Errorf("%q, %v", got, err)
		}
	}
	v.Disallow("imago", 2)
	if _, err := ks.Unwrap(t.Context(), alice, old); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), "min_decryption_version") {
		t.Error(err)
	}
	young[3] = 3
	if _, err := ks.Unwrap(t.Context(), alice, young); !errors.Is(err, envelope.ErrNotOpened) || !strings.Contains(err.Error(), "brought back") {
		t.Error(err)
	}
}

// TestTokens: a token is renewed at half of its time, and changed for a new one when it
// is over or was revoked.
func TestTokens(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]vault.Auth{"approle": appRole(t), "kubernetes": kubernetes(t)} {
		v := vaulttest.New(t)
		ks := open(t, v, "imago", auth)
		counts := func(logins, renewals int) {
			t.Helper()
			wrap(t, ks)
			if l, r := v.Asked("auth/"+name+"/login"), v.Asked("auth/token/renew-self"); l != logins || r != renewals {
				t.Errorf("%s: %d logins and %d renewals, want %d and %d", name, l, r, logins, renewals)
			}
		}
		counts(1, 0)
		v.Pass(vaulttest.TTL / 3)
		counts(1, 0)
		v.Pass(vaulttest.TTL / 3)
		counts(1, 1)
		v.Pass(vaulttest.TTL / 3)
		counts(1, 1)
		v.Pass(2 * vaulttest.TTL) // nobody asked for long
		counts(2, 1)
		v.Revoke()
		counts(3, 1)
	}
}

// TestRenewalFails: a token is good until its end, whether it can be renewed or not, and
// not every call tries.
func TestRenewalFails(t *testing.T) {
	t.Parallel()
	for _, fault := range []envelopetest.Fault{
		envelopetest.Internal, envelopetest.Unreachable, envelopetest.Cut, envelopetest.Garbage, envelopetest.Hollow,
	} {
		for kind, failing := range map[vaulttest.Kind]int{vaulttest.Service: 1, vaulttest.Batch: 4} { // requests that the way to another token takes
			if fault == envelopetest.Hollow {
				failing = 1
			}
			v := vaulttest.New(t)
			v.Give(kind)
			ks := open(t, v, "imago", appRole(t))
			asks := func(when string, want int) {
				t.Helper()
				wrap(t, ks)
				if n := v.Calls(); n != want {
					t.Errorf("%s, %s: %d requests %s, want %d", fault, kind, n, when, want)
				}
			}
			wrap(t, ks)
			v.Pass(vaulttest.TTL * 6 / 10)
			v.Fail(fault, failing)
			asks("at half time", failing+1)
			v.Fail(envelopetest.Healthy, 0)
			asks("right after it", 1)
			v.Pass(vaulttest.TTL * 3 / 10)
			v.Fail(envelopetest.Healthy, 0)
			asks("when half of the rest is over", 2)
			v.Pass(vaulttest.TTL / 3)
			v.Fail(envelopetest.Healthy, 0)
			asks("with the renewed token", 1)
		}
	}
}

// TestTokenEnds: when the time of a token that could not be renewed is over, the call says
// why it has no other.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	v.Give(vaulttest.Batch)
	auth := appRole(t)
	ks := open(t, v, "imago", auth)
	wrap(t, ks)
	write(t, auth.SecretIDFile, "withdrawn")
	v.Pass(vaulttest.TTL * 9 / 10)
	wrap(t, ks)
	v.Pass(vaulttest.TTL / 10)
	if _, err := ks.Wrap(t.Context(), alice, []byte("secret")); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), "make a new secret ID") {
		t.Error(err)
	}
}

// TestFixedTokens: a token that cannot be renewed is replaced at half of its time.
func TestFixedTokens(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	v.Give(vaulttest.Batch)
	ks := open(t, v, "imago", appRole(t))
	for _, logins := range []int{1, 1, 2, 2, 3} {
		wrap(t, ks)
		if n := v.Asked("auth/approle/login"); n != logins {
			t.Errorf("%d sign-ins, want %d", n, logins)
		}
		v.Pass(vaulttest.TTL / 3)
	}
	if n := v.Asked("auth/token/renew-self"); n != 0 {
		t.Errorf("%d renewals", n)
	}
}

// TestDeniedByPolicy: no sign-in helps against that, so there is one for many calls; and
// when the policy allows it again, it goes on.
func TestDeniedByPolicy(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	ks := open(t, v, "imago", appRole(t))
	denied := func(logins int) {
		t.Helper()
		for range 5 {
			if _, err := ks.Wrap(t.Context(), alice, []byte("secret")); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), "policy lacks") {
				t.Errorf("denied: %v", err)
			}
		}
		if n := v.Asked("auth/approle/login"); n != logins {
			t.Errorf("%d sign-ins, want %d", n, logins)
		}
	}
	wrapped := wrap(t, ks)
	v.Deny("encrypt", true)
	denied(2)
	v.Pass(vaulttest.TTL / 4) // the role may have got other policies, which new tokens have
	denied(3)
	if _, err := ks.Unwrap(t.Context(), alice, wrapped); err != nil {
		t.Errorf("what is allowed: %v", err)
	}
	v.Deny("encrypt", false)
	wrap(t, ks)
	v.Deny("decrypt", true)
	if _, err := ks.Unwrap(t.Context(), alice, wrapped); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), "decrypt/KEY") {
		t.Errorf("decrypt: %v", err)
	}
	v.Revoke()
	wrap(t, ks) // by a new token at once, as Vault says whose fault it is
}

// TestSilentVault: from a Vault that does not tell tokens from policies a token that is not
// valid is replaced all the same.
func TestSilentVault(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	v.Hush()
	path := file(t, v.Issue())
	byRole, byFile := open(t, v, "imago", appRole(t)), open(t, v, "imago", vault.Auth{TokenFile: path})
	wrap(t, byRole)
	wrap(t, byFile)
	v.Revoke()
	wrap(t, byRole)
	for range 2 {
		v.Fail(envelopetest.Healthy, 0)
		if _, err := byFile.Wrap(t.Context(), alice, []byte("secret")); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), path) {
			t.Errorf("with a token that was revoked: %v", err)
		}
		if n := v.Calls(); n != 1 {
			t.Errorf("%d requests with a token that was revoked", n)
		}
	}
	write(t, path, v.Issue())
	wrap(t, byFile)
}

// TestBareTokens: a token without the default policy can neither be looked at nor be
// renewed, and wraps.
func TestBareTokens(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	v.Give(vaulttest.Bare)
	path := file(t, v.Issue())
	byRole, byFile := open(t, v, "imago", appRole(t)), open(t, v, "imago", vault.Auth{TokenFile: path})
	for _, logins := range []int{1, 2, 3} {
		wrap(t, byRole)
		if n := v.Asked("auth/approle/login"); n != logins {
			t.Errorf("%d sign-ins, want %d", n, logins)
		}
		v.Pass(vaulttest.TTL * 3 / 5)
	}
	write(t, path, v.Issue())
	wrap(t, byFile)
	v.Pass(vaulttest.TTL)
	write(t, path, v.Issue()) // who made the first one does so in time
	wrap(t, byFile)
	wrap(t, byFile)
	write(t, path, "stolen")
	v.Pass(vaulttest.TTL)
	if _, err := byFile.Wrap(t.Context(), alice, []byte("secret")); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), path) {
		t.Errorf("with another token that is not valid: %v", err)
	}
}

// TestOneSignInForAll: of many calls whose token was revoked one signs in.
func TestOneSignInForAll(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	ks := open(t, v, "imago", appRole(t))
	wrap(t, ks)
	v.Revoke()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := ks.Wrap(t.Context(), alice, []byte("secret")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := v.Asked("auth/approle/login"); n != 2 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	path := file(t, v.Issue())
	ks := open(t, v, "imago", vault.Auth{TokenFile: path})
	wrap(t, ks)
	v.Pass(2 * vaulttest.TTL / 3)
	wrap(t, ks)
	if n := v.Asked("auth/token/renew-self"); n != 1 {
		t.Errorf("it was renewed %d times", n)
	}
	v.Pass(2 * vaulttest.TTL)
	if _, err := ks.Wrap(t.Context(), alice, []byte("secret")); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), path) {
		t.Errorf("with a token that is over: %v", err)
	}
	write(t, path, v.Issue())
	wrap(t, ks)
}

// TestStandby: a node on this machine leads to another one there, and not to one on the
// network that is spoken to in clear.
func TestStandby(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	active := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("X-Vault-Token")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(active.Close)
	for to, says := range map[string]string{active.URL: "it is sealed", "http://192.0.2.1:8200": "without TLS"} {
		standby := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
		}))
		t.Cleanup(standby.Close)
		ks, err := vault.New(standby.URL, "imago", vault.Options{Auth: root(t), MaxAttempts: 1, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ks.Wrap(t.Context(), alice, []byte("secret")); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("to %s: %v; want %q", to, err, says)
		}
	}
	select {
	case got := <-asked:
		if got != vaulttest.Root.Reveal() {
			t.Error("the active node was asked without the token")
		}
	default:
		t.Error("the active node was not asked")
	}
}

// TestRefusals: each says whose fault it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	elsewhere, err := vault.New(v.URL, "imago", vault.Options{CA: v.CA, Auth: root(t), MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ks   *vault.KeyService
		kind error
		says string
	}{
		{open(t, v, "none", appRole(t)), envelope.ErrRefused, "there is no such key"},
		{open(t, v, "rsa", root(t)), envelope.ErrRefused, "type aes256-gcm96"},
		{elsewhere, envelope.ErrRefused, "check mount and namespace"},
		{open(t, v, "imago", vault.Auth{TokenFile: file(t, "stolen")}), envelope.ErrRefused, "the token is not valid"},
		{open(t, v, "imago", vault.Auth{RoleID: vaulttest.RoleID, SecretIDFile: file(t, "guessed")}), envelope.ErrRefused, "make a new secret ID"},
		{open(t, v, "imago", vault.Auth{KubernetesRole: "x", JWTFile: file(t, vaulttest.JWT)}), envelope.ErrRefused, "does not know the role"},
		{open(t, v, "imago", vault.Auth{KubernetesRole: vaulttest.KubernetesRole, JWTFile: file(t, "forged")}), envelope.ErrRefused, "does not take the service account's token"},
		{open(t, v, "imago", vault.Auth{KubernetesRole: vaulttest.KubernetesRole, JWTFile: file(t, vaulttest.OtherJWT)}), envelope.ErrRefused, "bound_service_account_names"},
		{open(t, v, "imago", vault.Auth{TokenFile: "/nowhere"}), envelope.ErrRefused, "/nowhere"},
		{openAt(t, v, v.URL, "", "imago", root(t)), envelope.ErrUnavailable, "IMAGO_VAULT_CA_FILE"},
		{openAt(t, v, "https://127.0.0.1:1", v.CA, "imago", root(t)), envelope.ErrUnavailable, "cannot be reached"},
	} {
		_, err := c.ks.Wrap(t.Context(), alice, []byte("secret"))
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want %q", err, c.says)
		}
		for _, secret := range []string{"stolen", "guessed", "forged", vaulttest.JWT, vaulttest.OtherJWT, vaulttest.SecretID, vaulttest.Root.Reveal()} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a secret shows: %v", err)
			}
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, namespace, mount, name string }{
		{"https://vault.example.com:8200", "", "", "vault vault.example.com:8200/transit/imago"},
		{"https://Vault.example.com:443/", "", "kms/transit/", "vault vault.example.com/kms/transit/imago"},
		{"https://other.example.com", "/team/", "", "vault other.example.com/team/transit/imago"},
	} {
		ks, err := vault.New(c.address, "imago", vault.Options{Auth: root(t), Namespace: c.namespace, Mount: c.mount})
		if err != nil || ks.Name() != c.name {
			t.Errorf("%s is %v: %v", c.address, ks, err)
		}
	}
}

// former is a key service that had another name when it wrapped.
type former struct{ envelope.KeyService }

func (former) Name() string { return "vault transit/imago" }

// TestFormerName: keyrings that name the key as it was called before open, and are wrapped
// anew under the name that it has.
func TestFormerName(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	ks := open(t, v, "imago", root(t))
	k, err := envelope.NewKeyring(t.Context(), former{ks}, alice)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := envelope.OpenKeyring(t.Context(), ks, alice, k.Wrapped())
	if err != nil {
		t.Fatal(err)
	}
	again, err := opened.Rewrap(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	if by := envelope.WrappingOf(again.Wrapped()).By; by != ks.Name() {
		t.Errorf("wrapped anew by %s", by)
	}
}

// TestCertificates: each fault of a certificate is told apart.
func TestCertificates(t *testing.T) {
	t.Parallel()
	v := vaulttest.New(t)
	overURL, overCA := over(t)
	for says, at := range map[string][2]string{
		"signed by nobody":      {v.URL, ""},
		"for another name":      {strings.Replace(v.URL, "127.0.0.1", "localhost", 1), v.CA},
		"over, or not yet good": {overURL, overCA},
	} {
		_, err := openAt(t, v, at[0], at[1], "imago", root(t)).Wrap(t.Context(), alice, []byte("secret"))
		if !errors.Is(err, envelope.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}

// over starts a server whose certificate is over, and gives its address and that in a file.
func over(t *testing.T) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: begin, NotAfter: begin.AddDate(0, 0, 1), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of each handshake that the client ends
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// TestCiphertexts: what Vault writes is taken in the one form that Unwrap can ask for.
func TestCiphertexts(t *testing.T) {
	t.Parallel()
	var answer atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := map[string]any{"ttl": 0, "ciphertext": answer.Load()}
		if err := json.NewEncoder(w).Encode(map[string]any{"data": data}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	ks, err := vault.New(server.URL, "imago", vault.Options{Auth: root(t), MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, ciphertext := range []string{
		"", "1:AAAA", "vault:1:AAAA", "v1:AAAA", "vault:v:AAAA", "vault:v0:AAAA", "vault:v01:AAAA", "vault:v+1:AAAA", "vault:v-1:AAAA",
		"vault:v4294967296:AAAA", "vault:v1", "vault:v1:", "vault:v1:AAA", "vault:v1:AA==AAAA", "vault:v1:AA==\n", "vault:v1:AB==", " vault:v1:AAAA",
	} {
		answer.Store(ciphertext)
		if got, err := ks.Wrap(t.Context(), alice, []byte("secret")); !errors.Is(err, envelope.ErrUnavailable) {
			t.Errorf("%q is %x, %v", ciphertext, got, err)
		}
	}
	answer.Store("vault:v258:/w==")
	if got, err := ks.Wrap(t.Context(), alice, []byte("secret")); err != nil || string(got) != "\x00\x00\x01\x02\xff" {
		t.Errorf("%x, %v", got, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := func() (string, string, vault.Options) {
		return "https://vault.example.com:8200", "imago", vault.Options{Auth: root(t)}
	}
	const password = "hunter2"
	for what, alter := range map[string]func(address, key *string, o *vault.Options){
		"no address":       func(a, _ *string, _ *vault.Options) { *a = "" },
		"a path":           func(a, _ *string, _ *vault.Options) { *a += "/v1" },
		"a password":       func(a, _ *string, _ *vault.Options) { *a = "https://imago:" + password + "@vault.example.com" },
		"a broken one":     func(a, _ *string, _ *vault.Options) { *a = "https://imago:" + password + "@vault.example.com:port" },
		"no scheme":        func(a, _ *string, _ *vault.Options) { *a = "imago:" + password + "@vault.example.com" },
		"a query":          func(a, _ *string, _ *vault.Options) { *a += "?token=" + password },
		"an empty query":   func(a, _ *string, _ *vault.Options) { *a += "?" },
		"a fragment":       func(a, _ *string, _ *vault.Options) { *a += "#" + password },
		"another scheme":   func(a, _ *string, _ *vault.Options) { *a = "ftp://vault.example.com" },
		"two headers":      func(_, _ *string, o *vault.Options) { o.Namespace = "team\r\nX-Vault-Token: x" },
		"a spaced name":    func(_, _ *string, o *vault.Options) { o.Namespace = "my team" },
		"a quoted name":    func(_, _ *string, o *vault.Options) { o.Namespace = `te"am` },
		"an empty part":    func(_, _ *string, o *vault.Options) { o.Namespace = "team//imago" },
		"plain HTTP":       func(a, _ *string, _ *vault.Options) { *a = "http://vault.example.com:8200" },
		"no key":           func(_, k *string, _ *vault.Options) { *k = "" },
		"a path as key":    func(_, k *string, _ *vault.Options) { *k = "../../sys/seal" },
		"a path as mount":  func(_, _ *string, o *vault.Options) { o.Mount = "transit/../sys" },
		"no way in":        func(_, _ *string, o *vault.Options) { o.Auth = vault.Auth{} },
		"two ways in":      func(_, _ *string, o *vault.Options) { o.Auth.KubernetesRole = "imago" },
		"half an AppRole":  func(_, _ *string, o *vault.Options) { o.Auth = vault.Auth{RoleID: "imago"} },
		"no CA":            func(_, _ *string, o *vault.Options) { o.CA = "/nowhere" },
		"a CA that is not": func(_, _ *string, o *vault.Options) { o.CA = o.Auth.TokenFile },
	} {
		address, key, o := good()
		alter(&address, &key, &o)
		_, err := vault.New(address, key, o)
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if good, _, _ := good(); address != good && (problem.Of(err).Field != "IMAGO_VAULT_ADDR" || strings.Contains(fmt.Sprintf("%+v", err), password)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := vault.New(good()); err != nil {
		t.Error(err)
	}
}
