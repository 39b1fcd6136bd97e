package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/hook"
	"imago/services/oktasim/internal/jose"
	"imago/services/oktasim/internal/org"
)

// assertionType names assertions that are JWTs (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// execution is one call of an inline hook.
type execution struct {
	channel org.Channel
	// assertion replaces the client secret of channels with a key of their own.
	assertion string
}

// executeInlineHook sends the request's body through the hook's channel and answers what
// comes back (documented). Nobody else calls inline hooks in the simulator.
func executeInlineHook(c *call) error {
	k := org.KindNamed("inline_hooks")
	given, err := c.object()
	if err != nil {
		return err
	}
	var e execution
	err = c.org.View(func() error {
		x, err := c.find(k)
		if err != nil {
			return err
		}
		if x.Status() != org.Active {
			return unexecuted("The inline hook is not active")
		}
		e.channel = x.Channel()
		e.assertion, err = c.hookAssertion(e.channel)
		return err
	})
	if err != nil {
		return err
	}
	answer, err := c.host.execute(c.r.Context(), e, given)
	if err != nil {
		return err
	}
	err = c.org.Update(func() error {
		x, err := c.find(k)
		if err == nil {
			c.org.NoteExecuted(c.cause(), x)
		}
		return err
	})
	return c.show(answer, err)
}

// unexecuted refuses with 400 (documented; the words are an assumption).
func unexecuted(why string) error { return failure.Invalid("inlineHook", "inlineHook: "+why) }

// execute calls the hook. The answer must be a JSON object; one that says error is passed
// on as Okta's error for it.
func (h *Host) execute(ctx context.Context, e execution, given doc.Doc) (doc.Doc, error) {
	body, err := doc.Bytes(given)
	if err != nil {
		return nil, err
	}
	head := headers(e.channel)
	if e.channel.Type == "OAUTH" {
		token, err := h.hookToken(ctx, e)
		if err != nil {
			return nil, err
		}
		head.Set("Authorization", "Bearer "+token)
	}
	answer, err := h.callHook(ctx, hook.Request{Method: http.MethodPost, URI: e.channel.URI, Header: head, Body: body})
	if err != nil {
		return nil, err
	}
	if doc.Object(answer, "error") != nil {
		return nil, failure.HookRefused(doc.String(answer, "error", "errorSummary"))
	}
	return answer, nil
}

// callHook makes a request and reads the JSON object that comes back; an empty body with a
// status of success is an empty object.
func (h *Host) callHook(ctx context.Context, r hook.Request) (doc.Doc, error) {
	answer, err := h.Hooks.Call(ctx, r)
	switch {
	case err != nil:
		return nil, unexecuted(silence(err))
	case !answer.OK():
		return nil, failure.HookRefused(fmt.Sprintf("The endpoint answered with status %d", answer.Status))
	case len(answer.Body) == 0:
		return doc.Doc{}, nil
	}
	body, err := doc.ParseObject(answer.Body)
	if err != nil {
		return nil, unexecuted("The answer is not a JSON object")
	}
	return body, nil
}

// hookToken gets the access token of an OAUTH channel by client credentials (RFC 6749,
// section 4.4), with a secret or a signed assertion (RFC 7523, section 2.2).
func (h *Host) hookToken(ctx context.Context, e execution) (string, error) {
	config := e.channel.Config
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {doc.String(config, "clientId")}, "scope": {doc.String(config, "scope")}}
	if e.assertion != "" {
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", e.assertion)
	} else {
		form.Set("client_secret", doc.String(config, "clientSecret"))
	}
	body, err := h.callHook(ctx, hook.Request{
		Method: http.MethodPost, URI: doc.String(config, "tokenUrl"), Body: []byte(form.Encode()),
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}},
	})
	if err != nil {
		return "", err
	}
	token := doc.String(body, "access_token")
	if token == "" {
		return "", unexecuted("The token endpoint gave no access token")
	}
	return token, nil
}

// hookAssertionLife is how long an assertion for a token endpoint is good, in seconds.
const hookAssertionLife = 300

// hookAssertion signs who the channel is with its hook key; "" for channels with a secret.
func (c *call) hookAssertion(channel org.Channel) (string, error) {
	if doc.String(channel.Config, "authType") != "private_key_jwt" {
		return "", nil
	}
	key, kid, err := c.org.HookKey(doc.String(channel.Config, "hookKeyId"))
	if err != nil {
		return "", unexecuted("The hook key cannot be used")
	}
	id, now := doc.String(channel.Config, "clientId"), c.org.Now().Unix()
	return jose.Sign(key, kid, map[string]any{
		"iss": id, "sub": id, "aud": doc.String(channel.Config, "tokenUrl"), "iat": now, "exp": now + hookAssertionLife, "jti": requestID(),
	})
}
