package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/hook"
	"imago/services/oktasim/internal/org"
)

// hookOperations are those of hooks that call somebody.
func hookOperations() []operation {
	return []operation{
		{
			method: "POST", path: "/api/v1/eventHooks/{eventHookId}/lifecycle/verify", scope: "okta.eventHooks.manage",
			area: org.AreaEventHooks, write: true, outward: true, run: verifyEventHook,
		},
		{
			method: "POST", path: "/api/v1/inlineHooks/{inlineHookId}/execute", scope: "okta.inlineHooks.manage",
			area: org.AreaInlineHooks, write: true, outward: true, run: executeInlineHook,
		},
		{
			method: "GET", path: "/api/v1/hook-keys/public/{keyId}", scope: "okta.inlineHooks.read", area: org.AreaInlineHooks,
			run: func(c *call) error { return c.show(c.org.PublicHookKey(c.params["keyId"])) },
		},
	}
}

// headers are those of every call to a hook, and the channel's own.
func headers(channel org.Channel) http.Header {
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	for _, pair := range channel.Headers {
		if pair[0] != "" {
			h.Set(pair[0], pair[1])
		}
	}
	return h
}

// verifyEventHook asks the hook to repeat a value before it counts as verified. Hosts at
// which nobody can be called repeat it (an assumption).
func verifyEventHook(c *call) error {
	k := org.KindNamed("event_hooks")
	verify := k.Operation("verify")
	var channel org.Channel
	err := c.org.View(func() error {
		x, err := c.find(k)
		if err != nil {
			return err
		}
		channel = x.Channel()
		return verify.Offered(x)
	})
	if err != nil {
		return err
	}
	if err := c.host.challenge(c.r.Context(), channel); err != nil {
		return err
	}
	return c.org.Update(func() error { return operate(c, k, verify) })
}

// challenge makes the one-time verification request (documented).
func (h *Host) challenge(ctx context.Context, channel org.Channel) error {
	if !h.Hooks.Reaches(channel.URI) {
		return nil
	}
	var value [24]byte
	if _, err := rand.Read(value[:]); err != nil {
		return fmt.Errorf("make a challenge: %w", err)
	}
	want := base64.RawURLEncoding.EncodeToString(value[:])
	request := hook.Request{Method: http.MethodGet, URI: channel.URI, Header: headers(channel)}
	request.Header.Set("X-Okta-Verification-Challenge", want)
	answer, err := h.Hooks.Call(ctx, request)
	if err != nil {
		return unverified(silence(err))
	}
	body, err := doc.ParseObject(answer.Body)
	switch {
	case !answer.OK():
		return unverified(fmt.Sprintf("The endpoint answered with status %d", answer.Status))
	case err != nil || doc.String(body, "verification") != want:
		return unverified("The answer does not hold the verification value of the request")
	}
	return nil
}

// unverified refuses the verification with 400 (documented; the words are an assumption).
func unverified(why string) error { return failure.Invalid("verification", "verification: "+why) }

// silence says why no answer came, without what this machine knows of it.
func silence(err error) string {
	if hook.Silent(err) {
		return "The endpoint did not answer in time"
	}
	return "The endpoint could not be reached"
}

// deliverEvents tells event hooks of events, without keeping anybody waiting. Where nobody
// can be called the events count as delivered (an assumption).
func (h *Host) deliverEvents(list []org.Delivery) {
	for _, d := range list {
		if h.Hooks.Reaches(d.Channel.URI) {
			h.deliveries.Go(func() { h.deliver(d) })
		}
	}
}

// Settle waits until no delivery is on its way.
func (h *Host) Settle() { h.deliveries.Wait() }

func (h *Host) deliver(d org.Delivery) {
	why := h.tell(d)
	if why == "" {
		return
	}
	// The closure cannot fail.
	if err := h.Org.Update(func() error { h.Org.NoteUndelivered(d, why); return nil }); err != nil {
		panic(err)
	}
}

// tell makes the request and says what went wrong, "" for nothing.
func (h *Host) tell(d org.Delivery) string {
	body, err := doc.Bytes(payload(d))
	if err != nil {
		return err.Error()
	}
	answer, err := h.Hooks.Call(context.Background(), hook.Request{
		Method: http.MethodPost, URI: d.Channel.URI, Header: headers(d.Channel), Body: body,
	})
	switch {
	case err != nil:
		return silence(err)
	case !answer.OK():
		return fmt.Sprintf("The endpoint answered with status %d", answer.Status)
	}
	return ""
}

// payload is the body of a delivery, as Okta's page on event hooks shows it.
func payload(d org.Delivery) any {
	events := make([]any, 0, len(d.Events))
	for _, e := range d.Events {
		events = append(events, eventBody(e))
	}
	return doc.Doc{
		"eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1", "contentType": "application/json",
		"eventId": d.ID, "eventTime": d.At, "source": d.Source, "data": doc.Doc{"events": events},
	}
}
