package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"
)

// patience is how many times in a row, a second apart, a watch that cannot reach the
// server tries again: a restarted server is back well before that.
const patience = 60

// stream is what an open watch yields.
type stream[R any] interface {
	Receive() bool
	Msg() *R
	Err() error
	Close() error
}

// watch follows something until it has ended, over streams that break or that the
// server closes because somebody else must act first. show sees every state.
func watch[R any, M any](ctx context.Context, p *program, open func(context.Context) (*connect.ServerStreamForClient[R], error), of func(*R) M, ended func(M) bool, show func(M)) (last M, err error) {
	for tries := 0; ; {
		s, err := open(ctx)
		if err == nil {
			err = receive(s, func(r *R) {
				tries, last = 0, of(r)
				show(last)
			})
			if err == nil && ended(last) {
				return last, nil
			}
		}
		if tries++; err != nil && (!lost(err) || tries > patience) {
			return last, err
		}
		if err := p.Wait(ctx, time.Second); err != nil {
			return last, err
		}
	}
}

// lost reports whether the way to the server broke: it cannot be reached, or it was
// killed in the middle of an answer.
func lost(err error) bool {
	return connect.CodeOf(err) == connect.CodeUnavailable || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// receive reads one stream to its end.
func receive[R any](s stream[R], each func(*R)) error {
	for s.Receive() {
		each(s.Msg())
	}
	if err := s.Err(); err != nil {
		return err // closing would only repeat it
	}
	return s.Close()
}

// live is a block of lines at the bottom of the terminal that is drawn over.
type live struct {
	p     *program
	drawn int
}

// draw replaces the block.
func (l *live) draw(lines []string) {
	var b strings.Builder
	l.erase(&b)
	for _, line := range lines {
		b.WriteString(l.p.cut(clean(line)) + "\n")
	}
	l.drawn = len(lines)
	l.p.tell("%s", b.String())
}

// clear takes the block away.
func (l *live) clear() {
	var b strings.Builder
	l.erase(&b)
	l.drawn = 0
	l.p.tell("%s", b.String())
}

func (l *live) erase(b *strings.Builder) {
	b.WriteString(strings.Repeat("\x1b[1A\x1b[2K", l.drawn))
}

// cut shortens a line to the terminal's width, because a line that wraps cannot be
// drawn over.
func (p *program) cut(line string) string {
	width := p.Width
	if width <= 0 {
		width = 80
	}
	if utf8.RuneCountInString(line) < width {
		return line
	}
	return string([]rune(line)[:max(0, width-2)]) + "…"
}
