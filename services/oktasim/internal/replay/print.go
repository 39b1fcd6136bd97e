package replay

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Print writes the report for people: the work list first (failures causes of every
// template at most), then the table, then the totals.
func (r *Report) Print(w io.Writer, failures int) error {
	out := bufio.NewWriter(w)
	if failures > 0 {
		r.printFailures(out, failures)
	}
	fmt.Fprintf(out, "%7s %8s %8s %8s %8s %7s %7s %7s  %s\n", "steps", "status", "code", "shape", "values", "breaks", "first", "alone", "template")
	for _, l := range r.Templates {
		fmt.Fprintf(out, "%s %7d %7d %7d  %s\n", l.columns(), l.Breaks, l.First, l.Alone, l.Name)
	}
	fmt.Fprintf(out, "%s %7s %7s %7s  total\n", r.Total.columns(), "", "", "")
	r.printStuck(out)
	fmt.Fprintf(out, "excluded steps: %d of %d\n", r.Excluded, r.Excluded+r.Total.Steps)
	fmt.Fprintf(out, "whole runs: %d of %d, %.2f %%\n", r.Whole, r.Runs, percent(r.Whole, r.Runs))
	return out.Flush()
}

func (l *Line) columns() string {
	code := "-"
	if l.Errors > 0 {
		code = cell(l.Codes, l.Errors)
	}
	return fmt.Sprintf("%7d %8s %8s %8s %8s", l.Steps, cell(l.Status, l.Steps), code, cell(l.Shape, l.Steps), cell(l.Values, l.Steps))
}

func cell(n, of int) string { return fmt.Sprintf("%.2f%%", percent(n, of)) }

// printFailures lists, template by template, the most frequent causes.
func (r *Report) printFailures(w io.Writer, n int) {
	for _, l := range r.Templates {
		if len(l.Causes) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s   breaks %d runs, %d first, %d alone\n", l.Name, l.Breaks, l.First, l.Alone)
		for _, c := range l.Causes[:min(n, len(l.Causes))] {
			fmt.Fprintf(w, "  %5d× %-6s %s   %s\n", c.Count, c.Aspect, c.what(), c.Example)
		}
		if more := len(l.Causes) - n; more > 0 {
			fmt.Fprintf(w, "         and %d causes more\n", more)
		}
		fmt.Fprintln(w)
	}
}

// what says the difference in one line.
func (c *Cause) what() string {
	path := c.Path
	if path == "" {
		path = "."
	}
	switch {
	case c.Recorded == "":
		return fmt.Sprintf("%s: too much: %s", path, oneLine(c.Ours))
	case c.Ours == "":
		return fmt.Sprintf("%s: missing: %s", path, oneLine(c.Recorded))
	}
	return fmt.Sprintf("%s: recorded %s | ours %s", path, oneLine(c.Recorded), oneLine(c.Ours))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

const stuckShown = 40

func (r *Report) printStuck(w io.Writer) {
	if len(r.Stuck) == 0 {
		return
	}
	fmt.Fprintln(w, "\nthere before a run, but not to be made:")
	for _, s := range r.Stuck[:min(stuckShown, len(r.Stuck))] {
		fmt.Fprintf(w, "  %5d× %s   %s\n", s.Count, s.Path, s.Reason)
	}
	if more := len(r.Stuck) - stuckShown; more > 0 {
		fmt.Fprintf(w, "         and %d kinds more\n", more)
	}
	fmt.Fprintln(w)
}
