package org

import "strings"

// text is what q searches: names, ids, types and addresses.
func (e *Event) text() string {
	parts := []string{e.EventType, e.Message, e.IP, e.UserAgent, e.UUID, e.Result, e.Reason}
	for _, p := range append([]Party{e.Actor}, e.Targets...) {
		parts = append(parts, p.ID, p.Type, p.AlternateID, p.DisplayName)
	}
	return strings.ToLower(strings.Join(parts, " "))
}

// logAttributes are what the log can be filtered by, besides actors, targets and debug
// data. published cannot (documented).
var logAttributes = map[string]func(*Event) string{
	"eventType":                               func(e *Event) string { return e.EventType },
	"uuid":                                    func(e *Event) string { return e.UUID },
	"severity":                                func(e *Event) string { return e.Severity },
	"displayMessage":                          func(e *Event) string { return e.Message },
	"outcome.result":                          func(e *Event) string { return e.Result },
	"outcome.reason":                          func(e *Event) string { return e.Reason },
	"transaction.id":                          func(e *Event) string { return e.TxID },
	"transaction.type":                        func(e *Event) string { return e.TxType },
	"transaction.detail.requestApiTokenId":    func(e *Event) string { return e.apiToken() },
	"client.ipAddress":                        func(e *Event) string { return e.IP },
	"client.userAgent.rawUserAgent":           func(e *Event) string { return e.UserAgent },
	"client.userAgent.browser":                func(e *Event) string { return e.Browser() },
	"client.userAgent.os":                     func(e *Event) string { return e.System() },
	"authenticationContext.externalSessionId": func(e *Event) string { return e.Session },
	"authenticationContext.rootSessionId":     func(e *Event) string { return e.Session },
}

const debugData = "debugContext.debugData."

func (e *Event) attribute(name string) []any {
	if get := logAttributes[name]; get != nil {
		return text(get(e))
	}
	if field, ok := strings.CutPrefix(name, "actor."); ok {
		return e.Actor.attribute(field)
	}
	if field, ok := strings.CutPrefix(name, "target."); ok {
		var out []any
		for _, t := range e.Targets {
			out = append(out, t.attribute(field)...)
		}
		return out
	}
	switch field := strings.TrimPrefix(name, debugData); field {
	case "requestId":
		return text(e.RequestID)
	case "requestUri":
		return text(e.URI)
	default:
		return values(e.Debug[field])
	}
}

// LogAttribute says whether the System Log can be filtered by the attribute.
func LogAttribute(name string) bool {
	if logAttributes[name] != nil || strings.HasPrefix(name, debugData) {
		return true
	}
	of, field, _ := strings.Cut(name, ".")
	switch field {
	case "id", "type", "alternateId", "displayName":
		return of == "actor" || of == "target"
	}
	return false
}

func (p Party) attribute(field string) []any {
	switch field {
	case "id":
		return text(p.ID)
	case "type":
		return text(p.Type)
	case "alternateId":
		return text(p.AlternateID)
	case "displayName":
		return text(p.DisplayName)
	}
	return nil
}

func text(s string) []any {
	if s == "" {
		return nil
	}
	return []any{s}
}

// apiToken is the id of the API token that the request came with, "" for none.
func (e *Event) apiToken() string {
	if strings.HasPrefix(e.TokenID, "00T") {
		return e.TokenID
	}
	return ""
}

// agentWords are words of user agents with what Okta's log calls those who use them
// (assumption: the names of the common ones). The first that is found counts.
var (
	browserWords = [][2]string{{"Edg/", "EDGE"}, {"Firefox/", "FIREFOX"}, {"Chrome/", "CHROME"}, {"Safari/", "SAFARI"}}
	systemWords  = [][2]string{
		{"Windows NT", "Windows 10"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"Mac OS X", "Mac OS X"}, {"Android", "Android"}, {"Linux", "Linux"},
	}
)

// Browser is the browser that sent the request, UNKNOWN if it was another program.
func (e *Event) Browser() string { return wordIn(e.UserAgent, browserWords, "UNKNOWN") }

// System is the operating system that the request came from.
func (e *Event) System() string { return wordIn(e.UserAgent, systemWords, "Unknown") }

func wordIn(s string, words [][2]string, otherwise string) string {
	for _, w := range words {
		if strings.Contains(s, w[0]) {
			return w[1]
		}
	}
	return otherwise
}
