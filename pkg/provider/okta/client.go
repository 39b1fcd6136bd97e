package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	sdk "github.com/okta/okta-sdk-golang/v2/okta"

	"imago/pkg/problem"
)

// client speaks to one org through Okta's SDK in raw JSON. The SDK builds the
// requests; everything that can go wrong below is the transport's.
type client struct {
	org   *url.URL
	clock *clock
	sdk   *sdk.Client
}

// reply is a 2xx answer.
type reply struct {
	body    []byte
	next    string // path and query of the next page
	request string // Okta's ID of the request
	calls   int
}

// newClient sets every option of the SDK that could come from the environment or
// a file of its own otherwise.
func newClient(ctx context.Context, t *transport) (*client, error) {
	_, c, err := sdk.NewClient(ctx,
		sdk.WithOrgUrl(t.org.String()),
		sdk.WithAuthorizationMode("Bearer"),
		sdk.WithToken("set by the transport"),
		sdk.WithCache(false),
		sdk.WithRequestTimeout(0),
		sdk.WithRateLimitMaxRetries(0),
		sdk.WithTestingDisableHttpsCheck(true), // parseOrg allows http on loopback alone
		sdk.WithUserAgentExtra("imago"),
		sdk.WithHttpClientPtr(&http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("set up okta's client: %w", err)
	}
	return &client{org: t.org, clock: t.clock, sdk: c}, nil
}

// passage is what the transport hands to the client past the SDK, which would copy
// an answer three times and knows nothing of pages; it travels in the context.
type passage struct {
	received
	next  string // path and query of the next page
	calls int    // requests that the answer cost; 0: there is none
}

type passageKey struct{}

// do makes one call; path begins with a slash and may have a query. Any answer but
// 2xx is a *refusal.
func (c *client) do(ctx context.Context, method, path string, body []byte) (reply, error) {
	exec := c.sdk.CloneRequestExecutor() // building a request changes the executor
	var payload any
	if body != nil {
		payload = body
	}
	req, err := exec.NewRequest(method, path, payload)
	if err != nil {
		return reply{}, fmt.Errorf("build a request: %w", err)
	}
	var p passage
	_, err = exec.Do(context.WithValue(ctx, passageKey{}, &p), req, nil)
	switch {
	case p.calls == 0:
		return reply{}, cause(ctx, err)
	case p.status < 200 || p.status > 299:
		return reply{calls: p.calls}, refused(p.status, p.header, p.body)
	}
	return reply{p.body, p.next, p.header.Get("X-Okta-Request-Id"), p.calls}, cause(ctx, err)
}

// cause is the transport's own error without the URL that net/http puts around
// it: a URL can hold a name from the directory.
func cause(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// read gets a path and has the answer decoded, which copies what it keeps of the body. One
// that does not decode was damaged on its way or half written, and is asked for again.
func (c *client) read(ctx context.Context, path string, decode func(reply) error) (calls int, err error) {
	for n := 1; ; n++ {
		r, err := c.do(ctx, http.MethodGet, path, nil)
		calls += r.calls
		if err != nil {
			return calls, err
		}
		bad := decode(r)
		rooms.Put(r.body)
		if bad == nil {
			return calls, nil
		}
		if n == tries {
			return calls, problem.New(problem.Unavailable, "okta's answer cannot be read").WithHint("try again later").Because(bad)
		}
		if err := c.clock.sleep(ctx, backoff(n)); err != nil {
			return calls, err
		}
	}
}
