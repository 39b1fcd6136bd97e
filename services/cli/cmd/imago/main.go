// Command imago backs up, watches and repairs an Okta org, through an Imago server.
package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"imago/pkg/memory"
	"imago/services/cli"
)

func main() {
	memory.Thrift()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, world(), os.Args[1:])
	stop()
	os.Exit(code)
}

// world is the terminal and the environment that the program was started in.
func world() cli.Env {
	env := cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Now: time.Now,
		Prompt: terminal(os.Stdin) && terminal(os.Stderr),
		Live:   terminal(os.Stderr) && os.Getenv("TERM") != "dumb",
	}
	env.Color = terminal(os.Stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if env.Prompt && graphical() {
		env.Open = browse
	}
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		env.Width = width
	}
	return env
}

// graphical tells whether a browser can be shown here.
func graphical() bool {
	return runtime.GOOS == "darwin" || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}

// browse opens an address in the person's browser, and does not wait for it.
func browse(url string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return errors.New("the server names no page")
	}
	return exec.Command(opener, url).Start()
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
