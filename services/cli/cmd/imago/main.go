// Command imago backs up, watches and repairs an Okta org, through an Imago server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"imago/services/cli"
)

func main() {
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
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		env.Width = width
	}
	return env
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
