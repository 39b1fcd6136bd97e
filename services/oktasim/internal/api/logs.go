package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

func logOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/api/v1/logs", scope: "okta.logs.read", area: org.AreaLogs, run: listEvents,
	}}
}

var logPages = pages{standard: 100, highest: 1000, strict: true}

// oldest is how far back since may go (documented).
const oldest = 180 * 24 * time.Hour

// listEvents answers both kinds of query. Without until it is a poll: events come in
// the order of their arrival and the next link is always there. With until it is
// bounded: events come by published and the last page has no next link.
func listEvents(c *call) error {
	q, err := c.logQuery()
	if err != nil {
		return err
	}
	n, err := c.logLimit()
	if err != nil {
		return err
	}
	found, end, more := c.org.Events(q, n)
	items := []any{}
	for _, e := range found {
		items = append(items, eventBody(e))
	}
	next := ""
	if more || !q.Bounded {
		next = cursorOf(end)
	}
	c.linkLog(q, n, next)
	return c.array(items)
}

// logLimit reads the limit, which may be 0 here (documented).
func (c *call) logLimit() (int, error) {
	if c.query.Get("limit") == "0" {
		return 0, nil
	}
	return c.limit(logPages)
}

func cursorOf(p org.Position) string {
	return strconv.FormatInt(int64(p.At), 10) + "_" + strconv.Itoa(p.Seq)
}

// linkLog keeps since in the links, so that a poll goes on where it began.
func (c *call) linkLog(q org.LogQuery, n int, next string) {
	c.link(logPages, n, "")
	if next == "" {
		return
	}
	c.query.Set("since", q.Since.Format(stampLayout))
	c.query.Set("after", next)
	c.query.Set("limit", strconv.Itoa(n))
	c.linkLine(c.query, "next")
}

const stampLayout = "2006-01-02T15:04:05.000Z"

func (c *call) logQuery() (org.LogQuery, error) {
	var q org.LogQuery
	now := c.org.Now()
	until, err := c.moment("until")
	if err != nil {
		return q, err
	}
	since, err := c.moment("since")
	if err != nil {
		return q, err
	}
	q.Bounded = !until.IsZero()
	if since.IsZero() {
		end := now
		if q.Bounded {
			end = until
		}
		since = end.Add(-7 * 24 * time.Hour)
	}
	if now.Sub(since) > oldest {
		return q, failure.Invalid("since", "since: The field must not be more than 180 days ago")
	}
	if q.Bounded && until.Before(since) {
		return q, failure.Invalid("until", "until: The field must not be before since")
	}
	q.Since, q.Until = since, until
	if q.After, err = cursorPosition(c.query.Get("after")); err != nil {
		return q, err
	}
	switch c.query.Get("sortOrder") {
	case "", "ASCENDING":
	case "DESCENDING":
		q.Descending, q.Bounded = true, true
	default:
		return q, failure.Invalid("sortOrder", "sortOrder: The field must be ASCENDING or DESCENDING")
	}
	return q, c.logConditions(&q)
}

func (c *call) logConditions(q *org.LogQuery) error {
	f, err := c.filter("filter", org.LogAttribute)
	if err != nil {
		return err
	}
	q.Filter = f
	q.Words = strings.Fields(c.query.Get("q"))
	if len(q.Words) > 10 {
		return failure.Invalid("q", "q: There must be at most 10 keywords")
	}
	for _, w := range q.Words {
		if len(w) > 40 {
			return failure.Invalid("q", "q: A keyword must be at most 40 characters")
		}
	}
	return nil
}

func (c *call) moment(name string) (time.Time, error) {
	text := c.query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, failure.Invalid(name, name+": The date format in your query is not recognized. Please enter dates using ISO8601 string format.")
	}
	return t.UTC(), nil
}

// cursorPosition reads the position out of a cursor, "1700000000000_17".
func cursorPosition(cursor string) (org.Position, error) {
	if cursor == "" {
		return org.Position{}, nil
	}
	at, seq, ok := strings.Cut(cursor, "_")
	t, errAt := strconv.ParseInt(at, 10, 64)
	n, err := strconv.Atoi(seq)
	if !ok || errAt != nil || err != nil || t < 0 || n < 0 {
		return org.Position{}, failure.BadSearch("after: The cursor is not valid")
	}
	return org.Position{At: org.Stamp(t), Seq: n}, nil
}

// eventBody is a log event in Okta's shape.
func eventBody(e *org.Event) any {
	debug := doc.Merge(doc.Doc{"requestId": e.RequestID, "requestUri": e.URI, "url": e.URI + "?"}, e.Debug)
	var reason any
	if e.Reason != "" {
		reason = e.Reason
	}
	detail := doc.Doc{}
	if strings.HasPrefix(e.TokenID, "00T") {
		detail["requestApiTokenId"] = e.TokenID
	}
	return struct {
		Actor          org.Party   `json:"actor"`
		Client         doc.Doc     `json:"client"`
		Device         any         `json:"device"`
		Authentication doc.Doc     `json:"authenticationContext"`
		Message        string      `json:"displayMessage"`
		EventType      string      `json:"eventType"`
		Outcome        doc.Doc     `json:"outcome"`
		Published      org.Stamp   `json:"published"`
		Security       doc.Doc     `json:"securityContext"`
		Severity       string      `json:"severity"`
		Debug          doc.Doc     `json:"debugContext"`
		Legacy         any         `json:"legacyEventType"`
		Transaction    doc.Doc     `json:"transaction"`
		UUID           string      `json:"uuid"`
		Version        string      `json:"version"`
		Request        doc.Doc     `json:"request"`
		Target         []org.Party `json:"target"`
	}{
		Actor: e.Actor, Client: clientBody(e), Authentication: doc.Doc{
			"authenticationProvider": nil, "credentialProvider": nil, "credentialType": nil, "issuer": nil, "interface": nil,
			"authenticationStep": 0, "rootSessionId": session(e), "externalSessionId": session(e),
		},
		Message: e.Message, EventType: e.EventType, Outcome: doc.Doc{"result": e.Result, "reason": reason}, Published: e.Published,
		Security: doc.Doc{"asNumber": nil, "asOrg": nil, "isp": nil, "domain": nil, "isProxy": nil},
		Severity: e.Severity, Debug: doc.Doc{"debugData": debug},
		Transaction: doc.Doc{"type": e.TxType, "id": e.TxID, "detail": detail}, UUID: e.UUID, Version: "0",
		Request: doc.Doc{"ipChain": ipChain(e)}, Target: e.Targets,
	}
}

func session(e *org.Event) any {
	if e.Session == "" {
		return nil
	}
	return e.Session
}

func clientBody(e *org.Event) doc.Doc {
	b := doc.Doc{"userAgent": nil, "zone": nil, "device": nil, "id": nil, "ipAddress": nil, "geographicalContext": nil}
	if e.IP != "" {
		b["ipAddress"], b["zone"], b["device"] = e.IP, "null", "Unknown"
		if e.Browser() != "UNKNOWN" {
			b["device"] = "Computer"
		}
		b["userAgent"] = doc.Doc{"rawUserAgent": e.UserAgent, "os": e.System(), "browser": e.Browser()}
	}
	if e.Actor.Type == "PublicClientApp" {
		b["id"] = e.Actor.ID
	}
	return b
}

func ipVersion(address string) string {
	if strings.Contains(address, ":") {
		return "V6"
	}
	return "V4"
}

func ipChain(e *org.Event) []any {
	if e.IP == "" {
		return []any{}
	}
	return []any{doc.Doc{"ip": e.IP, "geographicalContext": nil, "version": ipVersion(e.IP), "source": nil}}
}
