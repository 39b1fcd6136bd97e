package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

// versionLine is the version for programs.
type versionLine struct {
	Type     string `json:"type"` // "version"
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Example: example("imago version", "show it"),
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionLine{"version", Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if p.json {
				return p.emitValue(v)
			}
			p.print("imago %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return nil
		},
	}
}
