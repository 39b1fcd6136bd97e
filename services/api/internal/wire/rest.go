package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
)

// document is a problem document (RFC 9457) with our own members below the
// standard's.
type document struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Kind      string `json:"kind,omitempty"`
	Field     string `json:"field,omitempty"`
	Hint      string `json:"hint,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// Problems makes every error of a REST handler a problem document: the transcoder
// answers google.rpc.Status, which says nothing to a person. requestID tells the
// request's ID.
func Problems(next http.Handler, requestID func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &errorWriter{ResponseWriter: w}
		next.ServeHTTP(e, r)
		if e.status != 0 {
			send(w, e.document(requestID(r)))
		}
	})
}

// Unfolded refuses requests that come compressed: the transcoder would unfold them
// whole, and a megabyte may unfold to a thousand.
func Unfolded(next http.Handler, requestID func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
			p := problem.InField("Content-Encoding", "requests are not taken compressed").WithHint("send the JSON as it is")
			WriteProblem(w, http.StatusUnsupportedMediaType, p, requestID(r))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// WriteProblem answers a problem document for an error that no handler made.
func WriteProblem(w http.ResponseWriter, status int, p *problem.Problem, requestID string) {
	d := fromProblem(detail(p), status)
	d.RequestID = requestID
	send(w, d)
}

// send writes a problem document.
func send(w http.ResponseWriter, d document) {
	w.Header().Del("Content-Encoding")
	w.Header().Del("Content-Length")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(d.Status)
	// The client is gone if this fails; there is nobody left to tell.
	if err := json.NewEncoder(w).Encode(d); err != nil {
		return
	}
}

// errorWriter holds back the body of an error; all else passes.
type errorWriter struct {
	http.ResponseWriter
	status int // of the error; 0 if there is none
	body   bytes.Buffer
}

// Unwrap lets http.ResponseController find what is below.
func (e *errorWriter) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// Flush passes on; the transcoder asks for a Flusher.
func (e *errorWriter) Flush() {
	if f, ok := e.ResponseWriter.(http.Flusher); ok && e.status == 0 {
		f.Flush()
	}
}

func (e *errorWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		e.status = status
		return
	}
	e.ResponseWriter.WriteHeader(status)
}

func (e *errorWriter) Write(b []byte) (int, error) {
	if e.status != 0 {
		return e.body.Write(b)
	}
	return e.ResponseWriter.Write(b)
}

func (e *errorWriter) document(requestID string) document {
	d := fromProblem(e.problem(), e.status)
	d.RequestID = requestID
	return d
}

// problem finds what the handler meant: the Problem attached to the status, or one
// made from what the transcoder itself refused.
func (e *errorWriter) problem() *imagov1.Problem {
	var s status.Status
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(e.body.Bytes(), &s); err != nil {
		return refused(e.status, "")
	}
	for _, d := range s.GetDetails() {
		p := new(imagov1.Problem)
		if d.MessageIs(p) && d.UnmarshalTo(p) == nil {
			return p
		}
	}
	return refused(e.status, s.GetMessage())
}

// unknownParameter is how the transcoder names a query parameter that the request lacks.
var unknownParameter = regexp.MustCompile(`in field path "([^"]+)"`)

// refused words what the transcoder says about a request that reached no handler.
func refused(code int, message string) *imagov1.Problem {
	p := &imagov1.Problem{Kind: kindOf(code), What: message}
	switch m := unknownParameter.FindStringSubmatch(message); {
	case m != nil:
		p.Kind, p.Field, p.What, p.Hint = string(problem.Invalid), m[1], "there is no such parameter", "see /openapi.yaml"
	case code == http.StatusNotFound:
		p.What, p.Hint = "there is nothing at this address", "see /openapi.yaml for the addresses"
	case code == http.StatusMethodNotAllowed:
		p.What, p.Hint = "this address does not take that method", "see /openapi.yaml for the methods"
	case code == http.StatusUnsupportedMediaType:
		p.What, p.Hint = "the content type is not understood", "send application/json"
	case strings.Contains(message, "exceeded"):
		p.Kind, p.Field, p.What, p.Hint = string(problem.OverLimit), "body", "the request is too large", "send less"
	}
	return p
}

func fromProblem(p *imagov1.Problem, code int) document {
	k := kinds[problem.Kind(p.GetKind())]
	d := document{
		Type: "about:blank", Title: http.StatusText(code), Status: code,
		Detail: p.GetWhat(), Kind: p.GetKind(), Field: p.GetField(), Hint: p.GetHint(),
	}
	if k.title != "" && code != http.StatusUnauthorized {
		d.Title = k.title
	}
	// The transcoder derives statuses from codes; where a kind has a better one, it
	// counts. (What the transcoder itself refuses may come as an internal error.)
	if k.status != 0 && (code == http.StatusBadRequest || code == http.StatusInternalServerError) {
		d.Status = k.status
	}
	return d
}

func kindOf(code int) string {
	switch code {
	case http.StatusNotFound:
		return string(problem.NotFound)
	case http.StatusInternalServerError:
		return ""
	}
	return string(problem.Invalid)
}
