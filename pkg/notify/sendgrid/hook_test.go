package sendgrid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/notify"
	"imago/pkg/notify/sendgrid"
	"imago/pkg/problem"
)

// signer is SendGrid, as far as it signs.
type signer struct {
	*testing.T
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, key}
}

// public is the key as SendGrid shows it.
func public(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// sign makes the headers of a body that is sent at a moment.
func (s signer) sign(body string, at time.Time) http.Header {
	s.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	hash := sha256.Sum256([]byte(stamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, hash[:])
	if err != nil {
		s.Fatal(err)
	}
	h := http.Header{}
	h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
	h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	return h
}

// moment is when the notifications come.
var moment = time.Unix(1_700_000_000, 0)

func (s signer) hook() *sendgrid.Hook {
	s.Helper()
	h, err := sendgrid.NewHook(public(s.T, &s.key.PublicKey)+"\n", func() time.Time { return moment })
	if err != nil {
		s.Fatal(err)
	}
	return h
}

func TestHookReadsWhyToStop(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	const body = `[
		{"email":"a@x.example","event":"bounce","type":"bounce","status":"5.1.1","sg_event_id":"e1","message":"m1","timestamp":1},
		{"email":"a@x.example","event":"bounce","type":"blocked","sg_event_id":"e2","message":"m1"},
		{"email":"a@x.example","event":"dropped","reason":"Bounced Address","sg_event_id":"e3","message":"m1"},
		{"email":"a@x.example","event":"dropped","reason":"Recipient List over Package Quota","sg_event_id":"e4","message":"m1"},
		{"email":"a@x.example","event":"spamreport","sg_event_id":"e5","message":"m2"},
		{"email":"a@x.example","event":"group_unsubscribe","asm_group_id":1,"sg_event_id":"e6","message":"m2"},
		{"email":"a@x.example","event":"delivered","sg_event_id":"e7","message":"m1"},
		{"email":"a@x.example","event":"bounce","type":"bounce","sg_event_id":"e8"},
		{"email":"a@x.example","event":"bounce","type":"bounce","message":"m1"}
	]`
	got, err := s.hook().Events([]byte(body), s.sign(body, moment.Add(-time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	want := []notify.Event{
		{ID: "e1", Reason: notify.Bounce, Message: "m1", Address: "a@x.example"},
		{ID: "e3", Reason: notify.Dropped, Message: "m1", Address: "a@x.example"},
		{ID: "e5", Reason: notify.SpamReport, Message: "m2", Address: "a@x.example"},
		{ID: "e6", Reason: notify.Unsubscribe, Message: "m2", Address: "a@x.example"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestHookBelievesNobodyElse(t *testing.T) {
	t.Parallel()
	s, eve := newSigner(t), newSigner(t)
	const body = `[{"email":"a@x.example","event":"spamreport","sg_event_id":"e1","message":"m1"}]`
	moved := s.sign(body, moment.Add(-time.Hour))
	moved.Set("X-Twilio-Email-Event-Webhook-Timestamp", strconv.FormatInt(moment.Unix(), 10))
	odd := s.sign(body, moment)
	odd.Set("X-Twilio-Email-Event-Webhook-Signature", "no base64!")
	for name, test := range map[string]struct {
		body   string
		header http.Header
		kind   problem.Kind
	}{
		"unsigned":               {body, http.Header{}, problem.Denied},
		"garbage for signature":  {body, odd, problem.Denied},
		"of another key":         {body, eve.sign(body, moment), problem.Denied},
		"of another body":        {strings.Replace(body, "a@x", "b@x", 1), s.sign(body, moment), problem.Denied},
		"spaced otherwise":       {" " + body, s.sign(body, moment), problem.Denied},
		"replayed":               {body, s.sign(body, moment.Add(-11*time.Minute)), problem.Denied},
		"from the future":        {body, s.sign(body, moment.Add(11*time.Minute)), problem.Denied},
		"with its time moved":    {body, moved, problem.Denied},
		"signed, and no list":    {`{"event":"bounce"}`, s.sign(`{"event":"bounce"}`, moment), problem.Invalid},
		"signed, and no JSON":    {`x`, s.sign(`x`, moment), problem.Invalid},
		"signed, of wrong types": {`[{"event":1}]`, s.sign(`[{"event":1}]`, moment), problem.Invalid},
	} {
		if got, err := s.hook().Events([]byte(test.body), test.header); !problem.Is(err, test.kind) || got != nil {
			t.Errorf("%s: %v, %v; want %s", name, got, err, test.kind)
		}
	}
}

// The example of SendGrid's own libraries: their key, their signature.
func TestHookTakesSendGridsOwnExample(t *testing.T) {
	t.Parallel()
	if _, err := sendgrid.NewHook("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA==", nil); err != nil {
		t.Error(err)
	}
}

func TestNewHookRefuses(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"nothing": "", "no base64": "-----BEGIN PUBLIC KEY-----", "no key": "aGVsbG8=", "an RSA key": public(t, &other.PublicKey)} {
		if _, err := sendgrid.NewHook(key, nil); !problem.Is(err, problem.Invalid) || problem.Of(err).Field != "webhook_key" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
