package okta

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"imago/pkg/memory"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

const (
	// tries is how often one call is sent before it counts as failed.
	tries = 5
	// patience is the longest wait that is slept off; a longer one is told to the
	// caller, who has other things to do.
	patience = 2 * time.Second
	// attemptTimeout bounds one attempt, its body included. Okta ends queries at 30 s.
	attemptTimeout = 60 * time.Second
)

// transport is the http.RoundTripper below Okta's SDK. It owns what the SDK does
// badly or not at all: tokens, rate limits, retries, Link headers, bounded bodies.
// The SDK is shown no more of an answer than its status, and never a 429: the rest
// goes past it in a passage, as it would copy the body and panic on a malformed Link.
type transport struct {
	base    http.RoundTripper
	org     *url.URL
	clock   *clock
	tokens  *tokens
	limits  *limiter
	share   float64 // of the org's limits that is ours
	part    float64 // of that which is this program's
	maxBody int64
}

// RoundTrip sends a call until it is answered for good. Besides the answer it can
// end with a *provider.Wait, a *problem.Problem or the context's error.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	bucket := bucketOf(req.Method, req.URL.Path)
	fresh := false // a token was asked for again already
	for n := 1; ; n++ {
		token, err := t.tokens.get(req.Context())
		if err != nil {
			return nil, err
		}
		if err := t.pass(req.Context(), bucket); err != nil {
			return nil, err
		}
		got, err := t.send(req, body, token, bucket)
		switch next := t.judge(req, got, err); {
		case next.err != nil && (!next.again || n == tries):
			return nil, next.err
		case next.token && !fresh:
			fresh = true
			t.tokens.forget(token)
		case next.again && n < tries:
			if err := t.clock.sleep(req.Context(), backoff(n)); err != nil {
				return nil, err
			}
		default:
			return t.deliver(req, got, n)
		}
	}
}

func bodyOf(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = req.Body.Close()
	}
	return body, err
}

// pass waits for the bucket, or tells how long that would take.
func (t *transport) pass(ctx context.Context, bucket string) error {
	share := t.share * t.part
	if bucket == logBucket {
		share = t.share // one program follows the log, the others ask it once in a while
	}
	for {
		until, ok := t.limits.take(bucket, share)
		if ok {
			return nil
		}
		d := until.Sub(t.clock.now())
		if d > patience {
			return &provider.Wait{Until: until, Reason: "our share of Okta's rate limit " + bucket + " is used up"}
		}
		if err := t.clock.sleep(ctx, max(d, 50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// received is an answer that was read to its end.
type received struct {
	status int
	header http.Header
	body   []byte
}

// send makes one attempt.
func (t *transport) send(req *http.Request, body []byte, token, bucket string) (*received, error) {
	ctx, cancel := context.WithTimeout(req.Context(), attemptTimeout)
	defer cancel()
	attempt := req.Clone(ctx)
	attempt.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		attempt.Body, attempt.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	got, err := exchange(t.base, attempt, t.maxBody)
	if got != nil {
		t.clock.observe(got.header)
		t.limits.learn(bucket, got.header)
	}
	return got, err
}

// exchange sends a request and reads the whole answer, up to most bytes. When only
// the body fails to come, the answer's head is returned with the error.
func exchange(base http.RoundTripper, req *http.Request, most int64) (*received, error) {
	resp, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := readBody(io.LimitReader(resp.Body, most+1))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && int64(len(body)) > most {
		err = problem.New(problem.Unavailable, "okta's answer is longer than %d bytes", most)
	}
	return &received{resp.StatusCode, resp.Header, body}, err
}

// rooms are used again to read bodies in, whose length nobody tells beforehand as
// they come compressed: growing anew for each costs several times their size.
var rooms = memory.Pool{Most: 8, Least: 4 << 10, Largest: 4 << 20}

// readBody reads to the end. Who is done with the body may give it back to rooms.
func readBody(r io.Reader) ([]byte, error) {
	body := bytes.NewBuffer(rooms.Get(bytes.MinRead))
	_, err := body.ReadFrom(r)
	return body.Bytes(), err
}

// verdict is what to do about an attempt.
type verdict struct {
	err   error // the attempt failed so; nil: there is an answer
	again bool  // worth another attempt
	token bool  // worth another attempt with a new token
}

// judge decides about an attempt. A call that may have been carried out is made
// again only if doing it twice is doing it once.
func (t *transport) judge(req *http.Request, got *received, err error) verdict {
	harmless := req.Method != http.MethodPost && req.Method != http.MethodPatch
	switch {
	case err == nil && got.status < 300:
		return verdict{} // even if nobody waits for it any more: a write was made
	case req.Context().Err() != nil:
		return verdict{err: req.Context().Err()}
	case problem.Of(err) != nil:
		return verdict{err: err}
	case err != nil:
		return verdict{err: unreachable(err), again: harmless || unsent(err)}
	case got.status == http.StatusTooManyRequests:
		return t.limited(got.header)
	case got.status >= 500 && got.status != http.StatusNotImplemented:
		return verdict{again: harmless}
	case got.status >= 300 && got.status < 400:
		return verdict{err: problem.InField("org_url", "redirects elsewhere, which is not followed").WithHint("give the org's own address")}
	case got.status == http.StatusUnauthorized && refusesToken(errorCode(got.body), got.header):
		return verdict{token: true}
	case got.status >= 400 && busy(errorCode(got.body)):
		return verdict{again: true}
	}
	return verdict{}
}

// limited is the verdict on a 429, which did nothing. A reset close by, or none
// given, is worth another try; a far one is the caller's to wait for.
func (t *transport) limited(h http.Header) verdict {
	w := tooMany(t.clock, h, "okta's rate limit")
	return verdict{err: w, again: w.Until.Sub(t.clock.now()) <= patience}
}

// tooMany reads until when a 429 asks to wait. With a limit of zero it is the
// limit on calls at one time, whose reset is only a suggestion.
//
// https://developer.okta.com/docs/reference/rl2-concurrency/
func tooMany(c *clock, h http.Header, reason string) *provider.Wait {
	const soon = time.Second
	limit, _, reset, ok := limits(h, c)
	until := c.now().Add(soon)
	if ok && limit > 0 {
		until = c.here(reset)
	} else if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		until = c.now().Add(time.Duration(min(seconds, int(longestWait/time.Second))) * time.Second)
	}
	return &provider.Wait{Until: until, Reason: reason}
}

func errorCode(content []byte) string {
	var said struct {
		Code string `json:"errorCode"`
	}
	if err := json.Unmarshal(content, &said); err != nil {
		return ""
	}
	return said.Code
}

// unsent reports whether an error arose before the request left: such a call was
// certainly not carried out.
func unsent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// unreachable is a failed connection for a person. The cause stays as text only:
// the SDK takes an io.EOF in the chain for a reason to ask again without end.
func unreachable(err error) error {
	if p := problem.Of(err); p != nil {
		return p
	}
	text := err.Error()
	if u, ok := errors.AsType[*url.Error](err); ok {
		text = u.Err.Error()
	}
	return problem.New(problem.Unavailable, "the org cannot be reached").
		WithHint("check the address and the network, or try again later").Because(errors.New(text))
}

// deliver hands the answer up, past the SDK.
func (t *transport) deliver(req *http.Request, got *received, calls int) (*http.Response, error) {
	p, ok := req.Context().Value(passageKey{}).(*passage)
	if !ok {
		return nil, errors.New("okta: a call that did not come by our client")
	}
	next, err := nextLink(t.org, req.URL, got.header)
	if err != nil && got.status < 300 {
		return nil, problem.New(problem.Unavailable, "okta's link to the next page cannot be followed").Because(err)
	}
	if kind := got.header.Get("Content-Type"); got.status < 300 && len(got.body) > 0 && !strings.Contains(kind, "json") {
		return nil, problem.New(problem.Unavailable, "the org answers %s instead of JSON", kind).WithHint("check that the address is an Okta org's, with no proxy before it")
	}
	*p = passage{*got, next, calls}
	return &http.Response{
		Status: http.StatusText(got.status), StatusCode: got.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}, nil
}
