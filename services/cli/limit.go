package cli

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
)

// limit is how many of a list are shown at most, as a flag; 0 is all.
type limit struct{ n *int }

// limitFlag gives a command --limit.
func limitFlag(cmd *cobra.Command, n *int, usual int) {
	*n = usual
	cmd.Flags().Var(limit{n}, "limit", "how many at most; 0 for all")
}

// Set takes what the person wrote.
func (l limit) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return errors.New("write a whole number: 1 or more, or 0 for all")
	}
	*l.n = n
	return nil
}

// String is the limit as help shows it.
func (l limit) String() string {
	if l.n == nil {
		return ""
	}
	return strconv.Itoa(*l.n)
}

// Type is the word for the value in help.
func (l limit) Type() string { return "int" }
