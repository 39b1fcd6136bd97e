// Package cli is `imago`, the program that customers install: it speaks the API of
// an Imago server, prints results for people or, with --json, for programs.
package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// Version is the release that this program is; the linker sets it.
var Version = "dev"

// The exit codes. They are a promise to scripts and never change.
const (
	exitDone       = 0
	exitError      = 1
	exitUsage      = 2
	exitIncomplete = 3
	exitRefused    = 4
)

// Env is the world around one run of the program.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	// Wait pauses between two looks at something that is under way; nil really waits.
	Wait func(ctx context.Context, d time.Duration) error
	// Open shows an address in a browser; nil: there is none here.
	Open func(url string) error
	// Prompt: somebody sits in front of Stdin and can be asked.
	Prompt bool
	// Live: Stderr is a terminal that can be redrawn.
	Live bool
	// Color: Stdout is a terminal that shows colours.
	Color bool
	// Width of the terminal in cells; 0 is 80.
	Width int
}

// program is one run: the world, the flags, and what the commands share.
type program struct {
	Env
	server     string
	connection string
	json       bool
	invitation string // the token of one that a sign-in accepts
	http       httpClient
	command    string // that was given, such as "imago restore plan"
}

// Run carries out one command line and gives the exit code.
func Run(ctx context.Context, env Env, args []string) int {
	p := &program{Env: env, http: newHTTPClient()}
	if p.Wait == nil {
		p.Wait = wait
	}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	p.command = cmd.CommandPath()
	return p.fail(err)
}

// root is `imago` with all its commands.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "imago",
		Short: "Back up, watch and repair an Okta org",
		Long: "imago keeps sealed snapshots of your identity provider's org, tells what changed and\n" +
			"who changed it, and puts back exactly what you choose.",
		Example: example(
			"imago login ada@example.com", "sign in with a code that arrives by mail",
			"imago connect https://acme.okta.com", "connect an org, read-only",
			"imago snapshot", "take a snapshot now",
			"imago restore plan group:Finance", "plan to bring a group back"),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.server, "server", "", "the server's URL (IMAGO_SERVER; else the one last signed in to)")
	flags.StringVarP(&p.connection, "connection", "c", "", "a connection's name, ID or org URL; needed only when there are several")
	flags.BoolVar(&p.json, "json", false, "print one JSON object per line, each with a \"type\"")
	root.SetUsageTemplate(root.UsageTemplate() + exitCodesHelp)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.AddCommand(
		p.loginCommand(), p.logoutCommand(), p.whoamiCommand(), p.sessionsCommand(), p.stepUpCommand(), p.totpCommand(), p.tokenCommand(),
		p.connectCommand(), p.demoCommand(), p.connectionsCommand(), p.disconnectCommand(), p.scheduleCommand(), p.retentionCommand(), p.statusCommand(),
		p.snapshotCommand(), p.snapshotsCommand(), p.downloadCommand(), p.browseCommand(), p.searchCommand(), p.diffCommand(),
		p.driftCommand(), p.restoreCommand(), p.activityCommand(), p.teamCommand(), p.accountCommand(), p.ssoCommand(), p.keysCommand(), p.billingCommand(), p.mailCommand(), p.openCommand(), p.repoCommand(), p.versionCommand())
	return root
}

const exitCodesHelp = `
Exit codes:
  0  done
  1  error
  2  the command line is wrong
  3  incomplete, or a difference, drift or damage was found
  4  refused: not signed in, or not allowed
`

// example sets commands out with what they are for: pairs of command and purpose.
func example(pairs ...string) string {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, '\n')
		}
		b = append(b, "  # "+pairs[i+1]+"\n  "+pairs[i]...)
	}
	return string(b)
}

// noArgs, maxArgs and exactArgs are cobra's, with usage errors of ours.
func noArgs(cmd *cobra.Command, args []string) error { return maxArgs(0)(cmd, args) }

func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n && cmd.HasSubCommands() {
			return noCommand(cmd, args[0])
		}
		if len(args) > n {
			return usage("%q is one argument too many", args[n])
		}
		return nil
	}
}

// noCommand says that there is no such command, and which it may have been.
func noCommand(cmd *cobra.Command, name string) error {
	err := usage("there is no command %q", cmd.CommandPath()+" "+name)
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		return withHint(err, "did you mean %s %s?", cmd.CommandPath(), like[0])
	}
	return withHint(err, "%s --help lists the commands", cmd.CommandPath())
}

// needArgs wants at least as many arguments as there are names, and says which is missing.
func needArgs(most int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("%s is missing", names[len(args)])
		}
		if most < 0 {
			return nil
		}
		return maxArgs(most)(cmd, args)
	}
}

// errIncomplete ends a command with exit code 3 and nothing more to say.
var errIncomplete = errors.New("incomplete")

// wait pauses for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
