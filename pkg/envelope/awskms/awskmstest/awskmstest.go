// Package awskmstest stands in for AWS KMS in tests: Encrypt and Decrypt of symmetric
// keys, stricter than the real one. It checks the form and the signature of each request
// (Signature Version 4), and refuses fields that it does not know.
package awskmstest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope/envelopetest"
)

// The only credentials, and the region.
const (
	AccessKeyID                    = "AKIDEXAMPLE"
	SecretAccessKey account.Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region                         = "eu-central-1"
)

// KMS has some keys.
type KMS struct {
	*envelopetest.Faulty
	URL  string
	keys map[string][]byte // by ARN
	says atomic.Value      // the ARN that answers name; none: the true one
}

// Lie has answers name another key than they were made by.
func (k *KMS) Lie(arn string) { k.says.Store(arn) }

// ARN is that of a key that the stand-in has: "1" or "2".
func ARN(key string) string {
	return "arn:aws:kms:" + region + ":111122223333:key/0000000" + key + "-12ab-34cd-56ef-1234567890ab"
}

// New starts it, until the test ends.
func New(t testing.TB) *KMS {
	k := &KMS{keys: map[string][]byte{ARN("1"): bytes.Repeat([]byte{1}, 32), ARN("2"): bytes.Repeat([]byte{2}, 32)}}
	k.Faulty = &envelopetest.Faulty{Handler: http.HandlerFunc(k.answer), Say: k.say}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	k.URL = server.URL
	return k
}

// request is Encrypt's or Decrypt's, so far as anybody needs it.
type request struct {
	KeyID             string            `json:"KeyId"`
	Plaintext         []byte            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
}

// exception is an error of KMS.
type exception struct {
	status        int
	code, message string
}

func (e *exception) Error() string { return e.code + ": " + e.message }

func (k *KMS) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer, err := k.do(r, body)
	if wrong, ok := errors.AsType[*exception](err); ok {
		refuse(w, wrong)
		return
	}
	if arn := k.says.Load(); arn != nil {
		answer["KeyId"] = arn
	}
	send(w, http.StatusOK, answer)
}

func refuse(w http.ResponseWriter, e *exception) {
	send(w, e.status, map[string]string{"__type": e.code, "message": e.message})
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("x-amzn-RequestId", "4a5d4c1e-0000-4000-8000-000000000000")
	w.WriteHeader(status)
	if json.NewEncoder(w).Encode(body) != nil {
		panic(http.ErrAbortHandler)
	}
}

func invalid(format string, args ...any) error {
	return &exception{http.StatusBadRequest, "ValidationException", fmt.Sprintf(format, args...)}
}

func (k *KMS) do(r *http.Request, body []byte) (map[string]any, error) {
	if err := verify(r, body); err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		return nil, invalid("%s %s of %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	var in request
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, &exception{http.StatusBadRequest, "SerializationException", "a field is unknown or no base64"}
	}
	if in.EncryptionContext["imago:account"] == "" && in.EncryptionContext["imago:purpose"] == "" {
		return nil, invalid("there is no encryption context, and nothing binds to the account")
	}
	key, known := k.keys[in.KeyID]
	if !known {
		return nil, &exception{http.StatusBadRequest, "NotFoundException", "Key '" + in.KeyID + "' does not exist"}
	}
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		return in.encrypt(key)
	case "TrentService.Decrypt":
		return k.decrypt(in)
	}
	return nil, &exception{http.StatusBadRequest, "UnknownOperationException", r.Header.Get("X-Amz-Target")}
}

// A ciphertext is the ARN and what the key made of the text, with the encryption context.
func (in request) encrypt(key []byte) (map[string]any, error) {
	if len(in.Plaintext) < 1 || len(in.Plaintext) > 4096 || in.CiphertextBlob != nil {
		return nil, invalid("Plaintext has a length of %d, and may have 1 to 4096", len(in.Plaintext))
	}
	nonce := make([]byte, 12)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	blob := append([]byte(in.KeyID), nonce...)
	return map[string]any{
		"CiphertextBlob": gcm(key).Seal(blob, nonce, in.Plaintext, in.associated()), "KeyId": in.KeyID, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
	}, nil
}

func (k *KMS) decrypt(in request) (map[string]any, error) {
	if n := len(in.CiphertextBlob); n < 1 || n > 6144 || in.Plaintext != nil {
		return nil, invalid("CiphertextBlob has a length of %d, and may have 1 to 6144", n)
	}
	for name, key := range k.keys {
		rest, ok := bytes.CutPrefix(in.CiphertextBlob, []byte(name))
		if !ok || len(rest) < 12 {
			continue
		}
		if name != in.KeyID {
			return nil, &exception{http.StatusBadRequest, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."}
		}
		if plain, err := gcm(key).Open(nil, rest[:12], rest[12:], in.associated()); err == nil {
			return map[string]any{"Plaintext": plain, "KeyId": name, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, nil
		}
	}
	return nil, &exception{http.StatusBadRequest, "InvalidCiphertextException", ""}
}

func (in request) associated() []byte {
	out, err := json.Marshal(in.EncryptionContext) // sorts the names
	if err != nil {
		panic(err)
	}
	return out
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

// say answers as KMS does in its own faults.
func (k *KMS) say(w http.ResponseWriter, _ *http.Request, f envelopetest.Fault) bool {
	e, ok := map[envelopetest.Fault]*exception{
		envelopetest.Throttled: {http.StatusBadRequest, "ThrottlingException", "You have exceeded the rate at which you may call KMS."},
		envelopetest.Denied:    {http.StatusBadRequest, "AccessDeniedException", "User is not authorized to perform: kms:Encrypt"},
		envelopetest.Disabled:  {http.StatusBadRequest, "DisabledException", ARN("1") + " is disabled."},
		envelopetest.Deleted:   {http.StatusBadRequest, "KMSInvalidStateException", ARN("1") + " is pending deletion."},
		envelopetest.Internal:  {http.StatusInternalServerError, "KMSInternalException", ""},
	}[f]
	if ok {
		refuse(w, e)
	}
	return ok
}

// verify checks the signature, by AWS's own description of Signature Version 4.
func verify(r *http.Request, body []byte) error {
	wrong := func(code, message string) error { return &exception{http.StatusBadRequest, code, message} }
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(part, "=")
		parts[name] = value
	}
	at := r.Header.Get("X-Amz-Date")
	signed, err := time.Parse("20060102T150405Z", at)
	if !ok || err != nil {
		return wrong("IncompleteSignature", "there is no signature")
	}
	scope := at[:8] + "/" + region + "/kms/aws4_request"
	if id, in, _ := strings.Cut(parts["Credential"], "/"); id != AccessKeyID || in != scope {
		return wrong("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if age := time.Since(signed).Abs(); age > 5*time.Minute {
		return wrong("InvalidSignatureException", "Signature expired")
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	for _, must := range []string{"content-type", "host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(names, must) || !slices.IsSorted(names) {
			return wrong("InvalidSignatureException", must+" is not signed, or the names are not sorted")
		}
	}
	if want := signature(r, names, scope, at, body); !hmac.Equal([]byte(want), []byte(parts["Signature"])) {
		return wrong("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	return nil
}

func signature(r *http.Request, names []string, scope, at string, body []byte) string {
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n/\n\n", r.Method)
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.TrimSpace(value))
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", strings.Join(names, ";"), sum(body))
	key := []byte("AWS4" + SecretAccessKey.Reveal())
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+at+"\n"+scope+"\n"+sum([]byte(canonical.String()))))
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	if _, err := io.WriteString(m, text); err != nil {
		panic(err)
	}
	return m.Sum(nil)
}
