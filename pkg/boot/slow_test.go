package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// slowly serves a handler by clients that may take no longer than patience.
func slowly(t *testing.T, patience time.Duration, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(bounded(h, patience))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func dial(t *testing.T, addr, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A client that begins a body and does not go on is let go of, whether somebody reads
// the body or not.
func TestClientThatDoesNotSendIsLetGo(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]bool{"read": true, "not read": false} {
		ended := make(chan error, 1)
		addr := slowly(t, 100*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
			if read {
				_, err := io.ReadAll(r.Body)
				ended <- err
			}
			w.WriteHeader(http.StatusForbidden)
		})
		conn := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 10\r\n\r\n1")
		if read {
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.Contains(string(answer), "403") {
			t.Errorf("%s: %q, %v; want an answer and the end", name, answer, err)
		}
	}
}

// A client that takes no answer in is let go of.
func TestClientThatDoesNotReadIsLetGo(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	addr := slowly(t, 100*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 256<<20)) // more than any socket keeps
		ended <- err
	})
	dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-ended; err == nil {
		t.Error("an answer of 256 MiB was sent to nobody")
	}
}

// noted is a connection that writes down what is asked of it.
type noted struct {
	http.ResponseWriter
	asked []string
}

func (n *noted) deadline(what string, at time.Time) error {
	if at.IsZero() {
		what = "no " + what
	}
	n.asked = append(n.asked, what)
	return nil
}

func (n *noted) SetReadDeadline(at time.Time) error  { return n.deadline("read", at) }
func (n *noted) SetWriteDeadline(at time.Time) error { return n.deadline("write", at) }
func (n *noted) FlushError() error                   { n.asked = append(n.asked, "flush"); return nil }

func (n *noted) Write(p []byte) (int, error) {
	n.asked = append(n.asked, fmt.Sprint(len(p)))
	return len(p), nil
}

// Whoever takes in what a stream sends may do so for hours: nothing is bounded between
// its messages, and no longer the request that was sent whole.
func TestBoundsAreLifted(t *testing.T) {
	t.Parallel()
	stream := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		for range 2 {
			if _, err := w.Write(make([]byte, piece+1)); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
	}
	message := []string{"write", fmt.Sprint(piece), "no write", "write", "1", "no write", "write", "flush", "no write"}
	for method, want := range map[string][]string{
		"POST": slices.Concat([]string{"read", "no read"}, message, message, []string{"write"}),
		"GET":  slices.Concat(message, message, []string{"write"}),
	} {
		n := &noted{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(context.Background(), method, "/", strings.NewReader("body"))
		if method == "GET" {
			r.Body = http.NoBody
		}
		bounded(http.HandlerFunc(stream), time.Minute).ServeHTTP(n, r)
		if !slices.Equal(n.asked, want) {
			t.Errorf("%s: %q, want %q", method, n.asked, want)
		}
	}
}

// Both versions of HTTP let the handler's streams be longer than a client may be slow.
func TestBoundedServesHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(bounded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}), time.Minute))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	res, err := server.Client().Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("x", 3*piece)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil || len(body) != 3*piece || res.ProtoMajor != 2 {
		t.Errorf("%d bytes by HTTP/%d, %v", len(body), res.ProtoMajor, err)
	}
}
