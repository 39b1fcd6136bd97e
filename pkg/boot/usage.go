package boot

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"
)

// usage prints what the program is for, its flags and its variables.
func usage[C Config](w io.Writer, name, summary string) {
	fmt.Fprintf(w, "%s %s.\n\n", name, summary)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range modes {
		fmt.Fprintf(table, "  -%s\t%s\n", m.name, m.help)
	}
	fmt.Fprint(table, "\t\n")
	if err := table.Flush(); err != nil {
		fmt.Fprintln(w, err)
	}
	Variables[C](w)
}

// Variables prints by what a program is configured, for its help.
func Variables[C any](w io.Writer) {
	fmt.Fprintln(w, "It is configured by the environment:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range variables(reflect.TypeFor[C](), prefix) {
		note := v.help
		switch {
		case v.required:
			note += " (required)"
		case v.standard != "":
			note += " (" + v.standard + " if absent)"
		}
		fmt.Fprintf(table, "  %s\t%s\n", v.name, strings.TrimSpace(note))
	}
	if err := table.Flush(); err != nil {
		fmt.Fprintln(w, err)
	}
}

// Reference describes a program's variables as a section of Markdown.
func Reference[C any](name, summary string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## `%s`\n\nIt %s.\n\n| variable | takes | if absent | is |\n|---|---|---|---|\n", name, summary)
	for _, v := range variables(reflect.TypeFor[C](), prefix) {
		absent := ""
		switch {
		case v.required:
			absent = "**required**"
		case v.standard != "":
			absent = "`" + v.standard + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.name, takes(v.kind), absent, strings.ReplaceAll(v.help, "|", "\\|"))
	}
	return b.String()
}

// takes says what a variable of a type is written as.
func takes(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[File]():
		return "path of a file"
	case reflect.TypeFor[time.Duration]():
		return "duration (`90s`, `12h`)"
	case reflect.TypeFor[slog.Level]():
		return "level"
	case reflect.TypeFor[netip.Prefix]():
		return "network"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "`true` or `false`"
	case reflect.Slice:
		return "list, by commas"
	case reflect.Map:
		return "list of `name:value`, by commas"
	}
	if t.ConvertibleTo(reflect.TypeFor[float64]()) {
		return "number"
	}
	return "text"
}
