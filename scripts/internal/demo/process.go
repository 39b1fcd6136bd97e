package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"
)

// process is a server that the demo started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
	err  error
}

// startProcess starts a server, with variables of its own; what it says goes to a file. It is in a process
// group of its own, so that ^C reaches the demo alone, which stops the servers in
// their order.
func startProcess(dir, program string, env []string, args ...string) (*process, error) {
	name := filepath.Base(program)
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: exec.Command(program, args...), log: log, done: make(chan struct{})}
	p.cmd.Env = append(slices.DeleteFunc(os.Environ(), ofAnother), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ofAnother recognises variables that are meant for other programs than a server that
// the demo starts: imagod refuses those that it does not know.
func ofAnother(variable string) bool {
	return strings.HasPrefix(variable, "IMAGO_") && !strings.HasPrefix(variable, "IMAGO_POSTGRES_BIN=")
}

// ended tells whether the process has ended, which it should not.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %w; see %s", p.name, errors.Join(p.err, errors.New("exit")), p.log.Name())
	default:
		return nil
	}
}

// stop asks it to end, and waits.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not stop within a minute", p.name), p.cmd.Process.Kill(), p.log.Close())
	}
	if p.err != nil {
		return errors.Join(fmt.Errorf("%s did not end well: %w; see %s", p.name, p.err, p.log.Name()), p.log.Close())
	}
	return p.log.Close()
}

// imago runs the customer's program.
type imago struct {
	program string
	env     []string
}

// result is what a command did.
type result struct {
	out  string // of both streams
	code int
}

// command prepares one command line.
func (im *imago) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, im.program, args...)
	cmd.Env = append(os.Environ(), im.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// show prints a command, runs it in front of the reader, and gives what it printed.
// Each line of both streams is also given to watch, if there is one.
func (im *imago) show(ctx context.Context, watch func(line string) error, args ...string) (result, error) {
	return im.showReading(ctx, strings.NewReader(""), watch, args...)
}

// showReading is show with something to read for the command.
func (im *imago) showReading(ctx context.Context, input io.Reader, watch func(line string) error, args ...string) (result, error) {
	fmt.Printf("\n$ imago %s\n", quoteAll(args))
	cmd := im.command(ctx, args...)
	cmd.Stdin = input
	out := &watcher{to: os.Stdout, watch: watch}
	cmd.Stdout, cmd.Stderr = out, out // one pipe, so that the lines stay in their order
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		err = nil
	}
	return result{out.all.String(), cmd.ProcessState.ExitCode()}, errors.Join(err, out.err())
}

// perform is show for a command of which only the exit code matters: on a terminal it
// has the terminal to itself, with its progress and its colours.
func (im *imago) perform(ctx context.Context, args ...string) (result, error) {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return im.show(ctx, nil, args...)
	}
	fmt.Printf("\n$ imago %s\n", quoteAll(args))
	cmd := im.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		err = nil
	}
	return result{code: cmd.ProcessState.ExitCode()}, err
}

// ask runs a command behind the scenes and gives each object of its JSON to each.
func (im *imago) ask(ctx context.Context, each func(line []byte) error, args ...string) error {
	cmd := im.command(ctx, append(args, "--json")...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() != 3 {
		return fmt.Errorf("imago %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	} else if err != nil && !ok {
		return err
	}
	for line := range bytes.Lines(out) {
		if err := each(line); err != nil {
			return fmt.Errorf("imago %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

// quoteAll writes a command line as a shell reads it.
func quoteAll(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if strings.ContainsAny(a, " *'\"$") {
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// watcher passes a stream on, keeps it, and gives its lines to watch.
type watcher struct {
	to    io.Writer
	watch func(line string) error
	mu    sync.Mutex
	all   bytes.Buffer
	line  []byte
	fault error
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	if n, err := w.to.Write(b); err != nil {
		return n, err
	}
	for _, c := range b {
		if c != '\n' {
			w.line = append(w.line, c)
			continue
		}
		if w.watch != nil && w.fault == nil {
			w.fault = w.watch(string(w.line))
		}
		w.line = w.line[:0]
	}
	return len(b), nil
}

func (w *watcher) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}
