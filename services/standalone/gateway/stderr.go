package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
)

// hushed is the process's stderr while the gateway runs: the gateway prints its
// internal errors there, in colours, and takes no logger.
type hushed struct {
	before *os.File
	to     *os.File
	done   chan error
}

// hush takes os.Stderr and logs what is printed to it. Whoever took hold of os.Stderr
// earlier, as the program's own log did, goes on printing.
func hush(log *slog.Logger) (*hushed, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	h := &hushed{before: os.Stderr, to: to, done: make(chan error, 1)}
	go func() { h.done <- errors.Join(relay(from, log), from.Close()) }()
	os.Stderr = to
	return h, nil
}

// end gives os.Stderr back when the last line was logged.
func (h *hushed) end() error {
	os.Stderr = h.before
	return errors.Join(h.to.Close(), <-h.done)
}

// relay logs each line until the end. Lines name objects at most, by their keys, and
// those are made of IDs.
func relay(from io.Reader, log *slog.Logger) error {
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadString('\n')
		if text := plain(line); text != "" {
			log.Error("the object store reports an error", "text", text)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what the object store prints: %w", err)
		}
	}
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func plain(line string) string { return strings.TrimSpace(colour.ReplaceAllString(line, "")) }
