package record_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imago/services/oktasim/internal/record"
	"imago/services/oktasim/internal/replay"
)

// echo answers POST with the body, GET with text, and cuts the connection otherwise.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", "Mon, 02 Mar 2026 12:00:00 GMT")
	switch r.Method {
	case "POST":
		w.Header().Add("Link", "<http://x/y>; rel=\"self\"")
		w.WriteHeader(http.StatusCreated)
		if _, err := io.Copy(w, r.Body); err != nil {
			panic(err)
		}
	case "GET":
		w.WriteHeader(http.StatusOK)
		if _, err := io.WriteString(w, "<xml/>"); err != nil {
			panic(err)
		}
	default:
		panic(http.ErrAbortHandler)
	}
}

func send(t *testing.T, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

func TestLinesAreWhatReplayReads(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := record.New(http.HandlerFunc(echo), &out, "TestX", "oie")
	if w := send(t, r, "POST", "/api/v1/groups?limit=2&q=%C3%A4", `{"a":1.0}`); w.Code != 201 || w.Body.String() != `{"a":1.0}` {
		t.Errorf("the client got %d %s", w.Code, w.Body)
	}
	send(t, r, "GET", "/metadata", "")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	var steps []*replay.Step
	if err := replay.Read(strings.NewReader(out.String()), func(s *replay.Step) { steps = append(steps, s) }); err != nil {
		t.Fatal(err)
	}
	if len(steps) != 2 {
		t.Fatalf("got %d steps in %s", len(steps), out.String())
	}
	s := steps[0]
	if s.Test != "TestX" || s.Engine != "oie" || s.Method != "POST" || s.Path != "/api/v1/groups" || s.Query != "limit=2&q=%C3%A4" ||
		s.Status != 201 || string(s.Request) != `{"a":1.0}` || string(s.Response) != `{"a":1.0}` || len(s.Link) != 1 {
		t.Errorf("got %+v", s)
	}
	if s := steps[1]; s.Seq != 1 || s.Request != nil || string(s.Response) != `"\u003cxml/\u003e"` {
		t.Errorf("got %+v", s)
	}
}

func TestCutConnectionsLeaveNoLine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := record.New(http.HandlerFunc(echo), &out, "TestX", "oie")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the abort was swallowed")
			}
		}()
		send(t, r, "DELETE", "/x", "")
	}()
	if out.Len() > 0 {
		t.Errorf("got %s", out.String())
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestErrorsAreKept(t *testing.T) {
	t.Parallel()
	r := record.New(http.HandlerFunc(echo), full{}, "TestX", "oie")
	if w := send(t, r, "POST", "/x", "1"); w.Code != 201 {
		t.Errorf("the client got %d", w.Code)
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "POST /x: disk full") {
		t.Errorf("got %v", err)
	}
}
