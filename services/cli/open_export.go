package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"imago/pkg/export"
	"imago/services/cli/internal/archive"
)

// exporting are the flags of `imago open export`.
type exporting struct {
	format, out string
	types       []string
}

// exportedLine is what an export into a file says to programs.
type exportedLine struct {
	Type     string `json:"type"` // "export"
	Snapshot string `json:"snapshot"`
	Format   string `json:"format"`
	File     string `json:"file"`
	Objects  int64  `json:"objects"`
}

func (p *program) openExportCommand(o *opening) *cobra.Command {
	var e exporting
	cmd := &cobra.Command{
		Use:   "export PLACE",
		Short: "Write a snapshot as JSON Lines or as a SQLite file",
		Long: "export writes every object of a snapshot, decrypted, with its type, parent, ID, name and\n" +
			"whole value. JSON Lines begin with a line of type snapshot and end with one of type end:\n" +
			"a file without that was cut off. The SQLite file has the tables snapshot, types, gaps\n" +
			"and objects. A file that is there is not overwritten, and one that could not be written\n" +
			"to its end is removed. What is exported is not sealed any more: keep it accordingly.\n\n" + placeHelp,
		Example: example(
			"imago open export ./copy --master-keys master.keys | jq 'select(.resource_type == \"user\").value'", "users, for a program",
			"imago open export ./copy --format sqlite --out acme.db --master-keys master.keys", "a database to ask questions"),
		Args: needArgs(1, "PLACE"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.openExport(cmd.Context(), args[0], o, e) },
	}
	flags := cmd.Flags()
	flags.StringVar(&e.format, "format", "jsonl", "jsonl or sqlite")
	flags.StringVar(&e.out, "out", "-", "the file to write; - is the standard output, for jsonl alone")
	flags.StringSliceVar(&e.types, "type", nil, "only these types")
	return cmd
}

func (p *program) openExport(ctx context.Context, place string, o *opening, e exporting) error {
	switch {
	case e.format != "jsonl" && e.format != "sqlite":
		return usage("--format is jsonl or sqlite, not %q", e.format)
	case e.format == "sqlite" && e.out == "-":
		return usage("a SQLite file needs a name: --out FILE")
	}
	_, s, err := p.openSnapshot(ctx, place, o)
	if err != nil {
		return err
	}
	x := archive.Export{Export: export.Export{Snapshot: s, Catalog: catalog(), Types: e.types}}
	if e.out == "-" {
		_, err := x.JSONLines(ctx, p.Stdout)
		return err
	}
	var n int64
	err = writeWhole(e.out, func(temporary string) (err error) {
		if e.format == "sqlite" {
			n, err = x.SQLite(ctx, temporary)
			return err
		}
		return into(temporary, func(w io.Writer) (err error) {
			n, err = x.JSONLines(ctx, w)
			return err
		})
	})
	if err != nil {
		return err
	}
	if p.json {
		return p.emitValue(exportedLine{"export", s.Manifest().ID, e.format, e.out, n})
	}
	p.print("%s of snapshot %s are in %s.\n", count(n, "object"), short(s.Manifest().ID), clean(e.out))
	return nil
}

// writeWhole has a file written beside its name, for its owner alone, and gives it the
// name when it is whole. A file of that name stays.
func writeWhole(name string, write func(temporary string) error) (err error) {
	taken := withHint(errors.New(name+" is there already"), "nothing was written: give another name, or move it away")
	if _, err := os.Lstat(name); err == nil {
		return taken
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".imago-export-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := f.Close(); err != nil {
		return err
	}
	if err := write(f.Name()); err != nil {
		return err
	}
	err = os.Link(f.Name(), name)
	if errors.Is(err, fs.ErrExist) {
		return taken
	}
	return err
}

// into writes a file that is there.
func into(name string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := write(f); err != nil {
		return err
	}
	return f.Sync()
}
