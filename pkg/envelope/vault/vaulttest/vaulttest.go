// Package vaulttest stands in for HashiCorp Vault and OpenBao in tests: the transit
// engine's encrypt and decrypt, tokens, and signing in by AppRole and Kubernetes, over
// TLS. It is stricter than the real one: fields and paths that it does not know, base64
// that is not quite right, and another namespace are refused.
//
// Its refusals are those of the real one: of the check of policies and tokens
// (vault/request_handling.go), where a request for what does not exist needs "create" if
// the path can tell (encrypt can, decrypt cannot), of builtin/logical/transit, and of the
// auth methods.
package vaulttest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope/envelopetest"
)

// What the stand-in knows.
const (
	Namespace                     = "team/imago"
	RoleID                        = "role-imago"
	SecretID                      = "secret-of-imago"
	KubernetesRole                = "imago-worker"
	JWT                           = "a.service.account"
	OtherJWT                      = "another.service.account" // not the role's
	TTL                           = time.Hour                 // of a token, from its last renewal
	MaxTTL                        = 3 * time.Hour             // of a token, from its beginning
	Root           account.Secret = "root-token"              // for ever
)

// Kind is what tokens are like.
type Kind string

// The kinds of tokens.
const (
	Service Kind = "service" // renewed by their holder
	Batch   Kind = "batch"   // never renewed
	Bare    Kind = "bare"    // without the default policy: they may not look at or renew themselves
)

// Vault has the transit keys "imago" and "other", and "rsa", which has no associated data.
type Vault struct {
	*envelopetest.Faulty
	URL string
	CA  string // file

	mu     sync.Mutex
	now    time.Time
	tokens map[string]*token
	keys   map[string][][]byte // versions, from 1
	oldest map[string]int      // min_decryption_version
	asked  map[string]int      // requests by path
	old    bool                // it knows no associated data
	kind   Kind                // of the tokens that are issued
	denied map[string]bool     // what no policy but the root's allows: "encrypt", "decrypt"
	terse  bool                // it does not say that a token is not valid
	n      int
}

type token struct {
	kind          Kind
	expires, ends time.Time // zero: never
}

func (t *token) renewable() bool { return t.kind != Batch && !t.expires.IsZero() }

// New starts it, until the test ends.
func New(t testing.TB) *Vault {
	v := &Vault{
		now: time.Unix(1_800_000_000, 0), tokens: map[string]*token{Root.Reveal(): {}}, asked: map[string]int{}, kind: Service, denied: map[string]bool{},
		keys: map[string][][]byte{"imago": {key(1)}, "other": {key(2)}, "rsa": {key(3)}}, oldest: map[string]int{},
	}
	v.Faulty = &envelopetest.Faulty{Handler: http.HandlerFunc(v.answer), Say: v.say}
	server := httptest.NewTLSServer(v)
	t.Cleanup(server.Close)
	v.URL, v.CA = server.URL, filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(v.CA, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

func key(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// Now is the stand-in's clock.
func (v *Vault) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Pass moves the clock.
func (v *Vault) Pass(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = v.now.Add(d)
}

// Asked is how many requests to a path were answered well.
func (v *Vault) Asked(path string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked[path]
}

// Rotate gives a key a new version.
func (v *Vault) Rotate(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name] = append(v.keys[name], key(byte(100+len(v.keys[name]))))
}

// Disallow has a key decrypt nothing of versions before one.
func (v *Vault) Disallow(name string, before int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.oldest[name] = before
}

// Age makes it a server of before there was associated data: it drops what it does not know.
func (v *Vault) Age() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.old = true
}

// Revoke ends every token but the root's.
func (v *Vault) Revoke() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens = map[string]*token{Root.Reveal(): {}}
}

// Give has it issue tokens of a kind from now on; at first they are Service.
func (v *Vault) Give(k Kind) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kind = k
}

// Deny takes "encrypt" or "decrypt" out of the policy of all tokens but the root's, until
// it is allowed again.
func (v *Vault) Deny(what string, denied bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.denied[what] = denied
}

// Hush has it not say of a token that it is not valid, as OpenBao does, and Vault did until
// March 2024: such a request is denied as one against the policy is.
func (v *Vault) Hush() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.terse = true
}

// Issue makes a token.
func (v *Vault) Issue() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.issue()
}

func (v *Vault) issue() string {
	v.n++
	name := fmt.Sprintf("token-%d", v.n)
	v.tokens[name] = &token{v.kind, v.now.Add(TTL), v.now.Add(MaxTTL)}
	return name
}

// refusal is an answer with errors.
type refusal struct {
	status int
	text   string
}

func (v *Vault) answer(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok || r.Header.Get("X-Vault-Namespace") != Namespace || r.Header.Get("X-Vault-Request") != "true" {
		refuse(w, refusal{http.StatusNotFound, "no handler for route " + r.URL.Path})
		return
	}
	out, wrong := v.do(r.Method, path, r.Header.Get("X-Vault-Token"), body)
	if wrong != nil {
		refuse(w, *wrong)
		return
	}
	v.asked[path]++
	send(w, http.StatusOK, out)
}

func refuse(w http.ResponseWriter, r refusal) {
	send(w, r.status, map[string]any{"errors": []string{r.text}})
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if json.NewEncoder(w).Encode(body) != nil {
		panic(http.ErrAbortHandler)
	}
}

func (v *Vault) do(method, path, name string, body []byte) (any, *refusal) {
	switch path {
	case "auth/approle/login":
		return v.login(body, appRole)
	case "auth/kubernetes/login":
		return v.login(body, kubernetes)
	}
	held := v.tokens[name]
	if held == nil || !held.expires.IsZero() && !v.now.Before(held.expires) {
		return nil, v.invalid()
	}
	if !v.allowed(name, held, path) {
		return nil, &denied
	}
	switch {
	case path == "auth/token/lookup-self" && method == http.MethodGet:
		return map[string]any{"data": map[string]any{"ttl": v.ttl(held), "renewable": held.renewable()}}, nil
	case path == "auth/token/renew-self" && method == http.MethodPost:
		return v.renew(name, held)
	case strings.HasPrefix(path, "transit/") && method == http.MethodPost:
		return v.transit(strings.Split(path, "/"), body)
	}
	return nil, &refusal{http.StatusNotFound, "no handler for route " + path}
}

var denied = refusal{http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n"}

func (v *Vault) invalid() *refusal {
	if v.terse {
		return &denied
	}
	return &refusal{http.StatusForbidden, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"}
}

// allowed asks a token's policies. All but the root's have "update" alone on encrypt and
// decrypt. The root's allow everything: with them encrypt makes a key that there is not.
func (v *Vault) allowed(name string, t *token, path string) bool {
	parts := strings.Split(path, "/")
	switch {
	case name == Root.Reveal():
		if key := parts[len(parts)-1]; strings.HasPrefix(path, "transit/encrypt/") && v.keys[key] == nil {
			v.keys[key] = [][]byte{bytes.Repeat([]byte{9}, 32)}
		}
		return true
	case strings.HasPrefix(path, "auth/token/"):
		return t.kind != Bare
	case len(parts) == 3 && parts[0] == "transit" && parts[1] == "encrypt":
		return !v.denied["encrypt"] && v.keys[parts[2]] != nil
	case len(parts) == 3 && parts[0] == "transit" && parts[1] == "decrypt":
		return !v.denied["decrypt"]
	}
	return false
}

func (v *Vault) ttl(t *token) int64 {
	if t.expires.IsZero() {
		return 0
	}
	return int64(t.expires.Sub(v.now) / time.Second)
}

func (v *Vault) login(body []byte, wrong func(map[string]string) *refusal) (any, *refusal) {
	var in map[string]string
	if err := json.Unmarshal(body, &in); err != nil || len(in) != 2 {
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("not two texts: %v", err)}
	}
	if r := wrong(in); r != nil {
		return nil, r
	}
	return v.granted(v.issue()), nil
}

func appRole(in map[string]string) *refusal {
	if in["role_id"] != RoleID || in["secret_id"] != SecretID {
		return &refusal{http.StatusBadRequest, "invalid role or secret ID"}
	}
	return nil
}

func kubernetes(in map[string]string) *refusal {
	switch {
	case in["role"] != KubernetesRole:
		return &refusal{http.StatusBadRequest, fmt.Sprintf("invalid role name %q", in["role"])}
	case in["jwt"] == OtherJWT:
		return &refusal{http.StatusForbidden, "service account name not authorized"}
	case in["jwt"] != JWT:
		return &refusal{http.StatusForbidden, "permission denied"}
	}
	return nil
}

func (v *Vault) renew(name string, t *token) (any, *refusal) {
	if !t.renewable() {
		return nil, &refusal{http.StatusBadRequest, "lease is not renewable"}
	}
	t.expires = v.now.Add(TTL)
	if t.expires.After(t.ends) {
		t.expires = t.ends
	}
	return v.granted(name), nil
}

func (v *Vault) granted(name string) any {
	t := v.tokens[name]
	return map[string]any{"auth": map[string]any{"client_token": name, "lease_duration": v.ttl(t), "renewable": t.renewable()}}
}

// message is encrypt's and decrypt's.
type message struct {
	Plaintext  *string `json:"plaintext"`
	Ciphertext *string `json:"ciphertext"`
	Associated *string `json:"associated_data"`
}

func (v *Vault) transit(path []string, body []byte) (any, *refusal) {
	bad := func(format string, args ...any) *refusal {
		return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
	}
	var in message
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || len(path) != 3 {
		return nil, bad("%v: %v", path, err)
	}
	versions := v.keys[path[2]]
	switch {
	case versions == nil:
		return nil, bad("encryption key not found")
	case in.Associated == nil || *in.Associated == "":
		return nil, bad("nothing binds to the account")
	case path[2] == "rsa":
		return nil, bad("'[0].associated_data' provided for non-AEAD cipher suite rsa-4096")
	}
	associated, err := base64.StdEncoding.Strict().DecodeString(*in.Associated)
	if err != nil {
		return nil, bad("%v", err)
	}
	if v.old {
		associated = nil
	}
	switch {
	case path[1] == "encrypt" && in.Plaintext != nil && in.Ciphertext == nil:
		plain, err := base64.StdEncoding.Strict().DecodeString(*in.Plaintext)
		if err != nil {
			return nil, bad("%v", err)
		}
		return encrypt(versions, plain, associated), nil
	case path[1] == "decrypt" && in.Ciphertext != nil && in.Plaintext == nil:
		return decrypt(versions, v.oldest[path[2]], *in.Ciphertext, associated)
	}
	return nil, bad("a field is missing, or one too many")
}

func encrypt(versions [][]byte, plain, associated []byte) any {
	nonce := make([]byte, 12)
	if _, err := rand.Read(nonce); err != nil {
		panic(err)
	}
	raw := gcm(versions[len(versions)-1]).Seal(nonce, nonce, plain, associated)
	return map[string]any{"data": map[string]any{
		"ciphertext": fmt.Sprintf("vault:v%d:%s", len(versions), base64.StdEncoding.EncodeToString(raw)), "key_version": len(versions),
	}}
}

// decrypt says what the real one says, and takes as much: version 0 for 1, too.
func decrypt(versions [][]byte, oldest int, ciphertext string, associated []byte) (any, *refusal) {
	var version int
	var encoded string
	if n, err := fmt.Sscanf(ciphertext, "vault:v%d:%s", &version, &encoded); n != 2 || err != nil {
		return nil, &refusal{http.StatusBadRequest, "invalid ciphertext: no prefix"}
	}
	version = max(version, 1)
	if version > len(versions) {
		return nil, &refusal{http.StatusBadRequest, "invalid ciphertext: version is too new"}
	}
	if version < oldest {
		return nil, &refusal{http.StatusBadRequest, "ciphertext or signature version is disallowed by policy (too old)"}
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) < 12 {
		return nil, &refusal{http.StatusBadRequest, "invalid ciphertext: could not decode base64"}
	}
	plain, err := gcm(versions[version-1]).Open(nil, raw[:12], raw[12:], associated)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "cipher: message authentication failed"}
	}
	return map[string]any{"data": map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain)}}, nil
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// say answers as Vault does in its own faults; those of the key concern nothing but it.
func (v *Vault) say(w http.ResponseWriter, r *http.Request, f envelopetest.Fault) bool {
	e, ok := map[envelopetest.Fault]refusal{
		envelopetest.Throttled: {http.StatusTooManyRequests, `request path "transit": rate limit quota exceeded`},
		envelopetest.Denied:    denied,
		envelopetest.Disabled:  {http.StatusServiceUnavailable, "API access to this namespace has been locked by an administrator"},
		envelopetest.Deleted:   denied, // on encrypt, by a policy without "create"
		envelopetest.Internal:  {http.StatusInternalServerError, "internal error"},
	}[f]
	ofKey := f == envelopetest.Denied || f == envelopetest.Deleted
	switch {
	case ok && ofKey && !strings.HasPrefix(r.URL.Path, "/v1/transit/"):
		v.answer(w, r)
	case f == envelopetest.Deleted && strings.HasPrefix(r.URL.Path, "/v1/transit/decrypt/"):
		refuse(w, refusal{http.StatusBadRequest, "encryption key not found"})
	case ok:
		refuse(w, e)
	}
	return ok
}
