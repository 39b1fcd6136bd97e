package boot

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// unhurried is how long a client may take to send a request's body, and again to take
// in each piece of the answer. A whole answer, a stream above all, may take longer.
const unhurried = 30 * time.Second

// piece is how much a client must take in at once.
const piece = 64 << 10

// bounded keeps slow clients, signed in or not, from holding on to us for ever.
func bounded(h http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := control{http.NewResponseController(w), patience}
		// Without a body there is nothing to wait for, and the deadline would end the request.
		if r.Body != nil && r.Body != http.NoBody {
			if err := c.read(); err != nil {
				http.Error(w, "the connection cannot be bounded", http.StatusInternalServerError)
				return
			}
			r.Body = &slowBody{r.Body, c}
		}
		a := &slowAnswer{w, c}
		h.ServeHTTP(a, r)
		// What is left is sent after us, when the rest of the body was waited for. A
		// connection that is gone needs no bound.
		if c.SetWriteDeadline(time.Now().Add(2*patience)) != nil {
			return
		}
	})
}

// control sets deadlines, from now on.
type control struct {
	*http.ResponseController
	patience time.Duration
}

func (c control) read() error  { return c.SetReadDeadline(time.Now().Add(c.patience)) }
func (c control) write() error { return c.SetWriteDeadline(time.Now().Add(c.patience)) }

// slowBody lifts the bound when the body has come: reading goes on underneath, to learn
// that the client goes away.
type slowBody struct {
	io.ReadCloser
	c control
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if late := b.c.SetReadDeadline(time.Time{}); late != nil {
			return n, late
		}
	}
	return n, err
}

// slowAnswer bounds each piece that is sent. Between them there is no bound: HTTP/2
// resets a stream when its deadline comes, also if nothing waits to be sent.
type slowAnswer struct {
	http.ResponseWriter
	c control
}

// Unwrap lets http.ResponseController reach the writer below.
func (a *slowAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *slowAnswer) Write(p []byte) (sent int, err error) {
	for {
		part := p[sent:min(sent+piece, len(p))]
		var n int
		err = a.within(func() (err error) {
			n, err = a.ResponseWriter.Write(part)
			return err
		})
		sent += n
		if err != nil || sent == len(p) {
			return sent, err
		}
	}
}

// Flush is for streams, which send each message at once.
func (a *slowAnswer) Flush() {
	if err := a.FlushError(); err != nil {
		return // the next Write tells
	}
}

// FlushError is Flush for http.ResponseController.
func (a *slowAnswer) FlushError() error { return a.within(a.c.Flush) }

func (a *slowAnswer) within(send func() error) error {
	if err := a.c.write(); err != nil {
		return err
	}
	return errors.Join(send(), a.c.SetWriteDeadline(time.Time{}))
}
