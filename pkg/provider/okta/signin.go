package okta

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"imago/pkg/problem"
)

// signInError is a refusal of the token endpoint (RFC 6749, 5.2; or Okta's own).
type signInError struct {
	status      int
	name        string // "invalid_client"
	description string // Okta's words; no secrets, but not for logs
	request     string
}

// Error names the status and OAuth's error code.
func (e *signInError) Error() string {
	return fmt.Sprintf("okta's token endpoint answered %d %s (request %s)", e.status, e.name, e.request)
}

// Detail is what Okta said.
func (e *signInError) Detail() string { return e.description }

func newSignInError(got *received) *signInError {
	e := &signInError{status: got.status, request: got.header.Get("X-Okta-Request-Id")}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Code        string `json:"errorCode"`
		Summary     string `json:"errorSummary"`
	}
	if err := json.Unmarshal(got.body, &said); err == nil {
		e.name, e.description = said.Error+said.Code, said.Description+said.Summary
	}
	return e
}

// Shut reports whether Okta knows no active app with this client ID and key; see
// provider.Shut. An assertion that Okta finds fault with says nothing about the app.
func (e *signInError) Shut() bool {
	return e.name == "invalid_client" &&
		!e.says("expir", "future", "not before", "'iat'", "'exp'", "'jti'", "audience", "issuer", "parsing", "no client credentials")
}

func (e *signInError) says(texts ...string) bool {
	all := strings.ToLower(e.description)
	for _, t := range texts {
		if strings.Contains(all, t) {
			return true
		}
	}
	return false
}

// explain turns a refused sign-in into what a person can do about it.
func (t *tokens) explain(e *signInError, scopes []string) *problem.Problem {
	const bad = 30 * time.Second
	skew := t.clock.offset()
	denied := func(field, what string, args ...any) *problem.Problem {
		p := problem.New(problem.Denied, what, args...).Because(e)
		p.Field = field
		return p
	}
	switch {
	case e.status == http.StatusNotFound:
		return problem.InField("org_url", "no Okta org answers there").WithHint("check the address").Because(e)
	case e.name == "use_dpop_nonce" || e.name == "invalid_dpop_proof":
		return denied("client_id", "the service app demands DPoP-bound tokens").
			WithHint("clear 'Require Demonstrating Proof of Possession (DPoP) header in token requests' in the app's General tab")
	case lacksScope(e):
		return denied("scopes", "the service app was not granted %s", strings.Join(scopes, ", ")).
			WithHint("grant them in the app's Okta API Scopes tab")
	case e.name == "unauthorized_client" || e.name == "unsupported_grant_type":
		return denied("client_id", "the app may not use client credentials").WithHint("connect an API service app with public key / private key")
	case e.says("iat", "expired", "expir", "future", "'exp'", "not before") && skew.Abs() > bad:
		return denied("", "this machine's clock differs from Okta's by %s", skew.Round(time.Second)).WithHint("set the clock, with NTP for example")
	case e.says("kid", "signature", "jwks", "no valid key", "key could not", "public key", "invalid token", "assertion signature"):
		return denied("private_key", "the key does not belong to this service app").WithHint("check key_id, and that the public key is active in the app's General tab")
	case e.says("inactive", "not active", "deactivated", "disabled"):
		return denied("client_id", "the service app is not active").WithHint("activate it in the Admin Console")
	case e.says("client_id", "client id", "client authentication", "not found"), e.name == "invalid_client":
		return denied("client_id", "the org knows no active service app with this client id and key").
			WithHint("check the client id, that the app is active, and its public key")
	}
	return denied("", "the org refuses the sign-in (%s)", e.name)
}
