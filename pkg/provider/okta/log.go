package okta

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

const (
	logPath  = "/api/v1/logs"
	logLimit = 1000 // the most that Okta gives on a page
	// logMargin is how long before now the log begins: the clocks are compared to the
	// second or two, and an event that is told twice does no harm.
	logMargin = 30 * time.Second
)

// logScopes are what Follow needs.
var logScopes = []string{"okta.logs.read"}

// Follow reads the System Log by polling: without an end in time, oldest first by
// when Okta stored it. The cursor is the path of Okta's own next link, which is
// always there; an empty one begins now, by the org's clock.
//
// https://developer.okta.com/docs/reference/system-log-query/#polling-requests
func (r *Reader) Follow(ctx context.Context, cursor string) (provider.Events, error) {
	path, err := r.logStart(ctx, cursor)
	if err != nil {
		return provider.Events{}, err
	}
	out := provider.Events{}
	_, err = r.client.read(ctx, path, func(answer reply) error {
		out = provider.Events{Cursor: answer.next}
		count := 0
		err := resource.Elements(answer.body, func(element []byte) error {
			e, err := r.registry.event(element)
			out.Events = append(out.Events, e)
			count++
			return err
		})
		out.More = count >= logLimit
		switch {
		case err != nil:
			return err
		case out.Cursor == "":
			return fmt.Errorf("%w: the log has no link to go on from", errShape)
		case count > 0 && out.Cursor == path:
			return fmt.Errorf("%w: a page of the log that leads to itself", errShape)
		}
		return nil
	})
	if refused := refusalOf(err); refused != nil && refused.status == 400 && cursor != "" {
		return provider.Events{}, problem.New(problem.Stale, "okta no longer takes the log's cursor").
			WithHint("start again from now, and read the org in full").Because(refused)
	}
	if err != nil {
		return provider.Events{}, ofLog(err)
	}
	return out, nil
}

// ofLog tells what an error in reading the log means: one that a grant would cure is
// an *Unreadable, so that what can do without the log does.
func ofLog(err error) error {
	said := ofCall("follow the System Log", logScopes, err)
	if r := refusalOf(err); r == nil || r.status != http.StatusForbidden && !r.unlicensed() {
		return said
	}
	return &provider.Unreadable{Gap: snapshot.Gap{Reason: snapshot.Forbidden, Detail: said.Error()}, Err: said}
}

// logStart checks a cursor, or makes the path that begins now.
func (r *Reader) logStart(ctx context.Context, cursor string) (string, error) {
	if cursor == "" {
		if _, err := r.introduced(ctx); err != nil { // for the org's clock
			return "", err
		}
		since := r.client.clock.there().Add(-logMargin).UTC().Format("2006-01-02T15:04:05.000Z")
		return fmt.Sprintf("%s?since=%s&sortOrder=ASCENDING&limit=%d", logPath, url.QueryEscape(since), logLimit), nil
	}
	u, err := url.Parse(cursor)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path != logPath || u.Query().Has("until") {
		return "", problem.InField("cursor", "is not one of this org's log").WithHint("start again with an empty cursor")
	}
	return u.RequestURI(), nil
}

// logEvent is a LogEvent as far as it is read.
type logEvent struct {
	UUID      string    `json:"uuid"`
	Published time.Time `json:"published"`
	Type      string    `json:"eventType"`
	Message   string    `json:"displayMessage"`
	Outcome   struct {
		Result string `json:"result"`
	} `json:"outcome"`
	Actor  party `json:"actor"`
	Client struct {
		IP        string `json:"ipAddress"`
		UserAgent struct {
			Raw string `json:"rawUserAgent"`
		} `json:"userAgent"`
		Place struct {
			City    string `json:"city"`
			State   string `json:"state"`
			Country string `json:"country"`
		} `json:"geographicalContext"`
	} `json:"client"`
	Session struct {
		ID string `json:"externalSessionId"`
	} `json:"authenticationContext"`
	Transaction struct {
		ID string `json:"id"`
	} `json:"transaction"`
	Debug struct {
		Data struct {
			RequestID string `json:"requestId"`
			Granted   string `json:"privilegeGranted"` // the roles, by their names
		} `json:"debugData"`
	} `json:"debugContext"`
	Targets []party `json:"target"`
}

// party is an actor or a target.
type party struct {
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	AlternateID string         `json:"alternateId"`
	DisplayName string         `json:"displayName"`
	Detail      map[string]any `json:"detailEntry"`
}

// event maps one LogEvent.
func (r registry) event(raw []byte) (provider.Event, error) {
	var e logEvent
	if err := json.Unmarshal(raw, &e); err != nil || e.UUID == "" {
		return provider.Event{}, fmt.Errorf("%w: a log event that cannot be read", errShape)
	}
	out := provider.Event{
		ID: e.UUID, Time: e.Published, Name: e.Type, Summary: e.Message, Outcome: e.Outcome.Result,
		Actor: provider.Actor{ID: e.Actor.ID, Type: e.Actor.Type, Login: known(e.Actor.AlternateID), Name: known(e.Actor.DisplayName),
			System: e.Actor.Type == "SystemPrincipal"},
		Client: provider.Client{IP: e.Client.IP, UserAgent: e.Client.UserAgent.Raw,
			Place: joinKnown(e.Client.Place.City, e.Client.Place.State, e.Client.Place.Country)},
		Session: known(e.Session.ID), Transaction: known(e.Transaction.ID), Request: e.Debug.Data.RequestID,
		Touched: r.touched(e),
	}
	if granted := e.Debug.Data.Granted; granted != "" {
		out.Summary += ": " + granted
	}
	for _, t := range e.Targets {
		out.Targets = append(out.Targets, provider.Target{ID: t.ID, Type: t.Type, Name: known(t.DisplayName)})
	}
	return out, nil
}

// known leaves out what Okta writes for nothing.
func known(s string) string {
	if s == "unknown" {
		return ""
	}
	return s
}

func joinKnown(parts ...string) string {
	var have []string
	for _, p := range parts {
		if p != "" {
			have = append(have, p)
		}
	}
	return strings.Join(have, ", ")
}

// touched lists what an event may have changed. One that did not succeed changed
// nothing.
func (r registry) touched(e logEvent) []provider.Touch {
	if e.Outcome.Result == "FAILURE" || e.Outcome.Result == "DENY" {
		return nil
	}
	var out []provider.Touch
	for i := range r {
		for _, rule := range r[i].events {
			if contains(rule.names, e.Type) && rule.about(e.Targets) {
				out = merge(out, rule.touch(&r[i], e.Targets))
			}
		}
	}
	return out
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// about reports whether the event is of this kind of policy. One that does not say
// which kind could be of any: reading a policy as the wrong kind finds nothing, and
// costs a call.
func (e event) about(targets []party) bool {
	if e.policy == "" {
		return true
	}
	for _, t := range targets {
		if kind, ok := t.Detail["policyType"].(string); ok {
			said := letters(kind)
			return said == e.policy || !knownPolicy(said)
		}
	}
	return true
}

// letters is a word in lower case without anything but letters: the log writes
// OktaSignOn, Okta:SignOn or OKTA_SIGN_ON.
func letters(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 'a' || c > 'z' {
			return -1
		}
		return c
	}, strings.ToLower(s))
}

func knownPolicy(word string) bool {
	if word == "grouprule" {
		return true
	}
	for _, k := range policyKinds() {
		if k.log == word {
			return true
		}
	}
	return false
}

// touch names what the rule says of these targets. Targets are taken by type, as
// their order is not promised. An admin role has no ID in the log: its list below
// the one who has it is named.
func (e event) touch(of *entry, targets []party) provider.Touch {
	id, parent := target(targets, e.id), target(targets, e.parent)
	return provider.Touch{Key: resource.Key{Type: of.Type, Parent: parent, ID: id}, Op: e.op, Children: e.children}
}

// target is the ID of the first target of one of the types.
func target(targets []party, types string) string {
	for t := range strings.SplitSeq(types, "|") {
		for _, p := range targets {
			if t != "" && p.Type == t {
				return p.ID
			}
		}
	}
	return ""
}

// merge adds a touch, unless one like it is there.
func merge(all []provider.Touch, next provider.Touch) []provider.Touch {
	for _, t := range all {
		if t.Key == next.Key && t.Op == next.Op {
			return all
		}
	}
	return append(all, next)
}
