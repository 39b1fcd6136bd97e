// Package record writes what an HTTP server is asked and answers as JSON lines, in the
// form that package replay reads: so traffic of the simulator can be replayed and
// checked like that of a real org.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Recorder is a handler that writes a line for each exchange of the one that it wraps,
// bodies and whatever secrets they hold included. It is safe for concurrent use.
type Recorder struct {
	next         http.Handler
	test, engine string

	mu   sync.Mutex
	out  io.Writer
	seq  int
	errs []error
}

// New wraps next; every line bears the names of a test and an engine.
func New(next http.Handler, out io.Writer, test, engine string) *Recorder {
	return &Recorder{next: next, out: out, test: test, engine: engine}
}

// line is one exchange.
type line struct {
	Test     string   `json:"test"`
	Run      int      `json:"run"`
	Engine   string   `json:"engine"`
	Seq      int      `json:"seq"`
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Query    string   `json:"query,omitempty"`
	Status   int      `json:"status"`
	Request  any      `json:"request,omitempty"`
	Response any      `json:"response,omitempty"`
	Link     []string `json:"link,omitempty"`
	Date     string   `json:"date"`
	// Type is the media type of the answer, which real recordings lack.
	Type string `json:"type,omitempty"`
}

// ServeHTTP answers as the wrapped handler does.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	asked, err := io.ReadAll(req.Body)
	req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(asked), failing{err}))
	heard := &listener{ResponseWriter: w}
	r.next.ServeHTTP(heard, req)
	r.write(&line{
		Test: r.test, Engine: r.engine, Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery,
		Status: heard.status, Request: body(asked), Response: body(heard.body.Bytes()),
		Link: w.Header().Values("Link"), Date: w.Header().Get("Date"), Type: w.Header().Get("Content-Type"),
	})
}

// write drops exchanges whose connection was cut: nobody saw an answer.
func (r *Recorder) write(l *line) {
	if l.Status == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Seq = r.seq
	r.seq++
	if err := json.NewEncoder(r.out).Encode(l); err != nil {
		r.errs = append(r.errs, fmt.Errorf("record %s %s: %w", l.Method, l.Path, err))
	}
}

// Err is what could not be written so far.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.errs...)
}

// body is JSON as it came, or else text; nil for none.
func body(b []byte) any {
	switch {
	case len(b) == 0:
		return nil
	case json.Valid(b):
		return json.RawMessage(b)
	}
	return string(b)
}

// failing hands on an error of reading the request; io.EOF if there was none.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// listener keeps a copy of what goes to the client.
type listener struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (l *listener) WriteHeader(status int) {
	l.status = status
	l.ResponseWriter.WriteHeader(status)
}

func (l *listener) Write(b []byte) (int, error) {
	n, err := l.ResponseWriter.Write(b)
	l.body.Write(b[:n])
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (l *listener) Unwrap() http.ResponseWriter { return l.ResponseWriter }
