package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
	"imago/services/cli/internal/archive"
)

// archivedLine is a snapshot out of a repository, for programs.
type archivedLine struct {
	Type       string         `json:"type"` // "snapshot"
	ID         string         `json:"id,omitempty"`
	Account    string         `json:"account"`
	Connection string         `json:"connection"`
	Folder     string         `json:"folder"`
	Org        string         `json:"org,omitempty"`
	Kind       snapshot.Kind  `json:"kind,omitempty"`
	Parent     string         `json:"parent,omitempty"`
	Started    time.Time      `json:"started"`
	Ended      time.Time      `json:"ended,omitzero"`
	Objects    int64          `json:"objects"`
	Added      int64          `json:"added_bytes"`
	Gaps       []snapshot.Gap `json:"gaps"`
	Problem    string         `json:"problem,omitempty"` // why it does not open
}

func (p *program) openListCommand(o *opening) *cobra.Command {
	return &cobra.Command{
		Use:   "list PLACE",
		Short: "List the snapshots: when, of which kind, how many objects, what they lack",
		Long:  "list tells which snapshots there are, oldest first.\n\n" + placeHelp,
		Example: example(
			"imago open list ./copy --master-keys master.keys", "of a copied bucket",
			"imago open list s3://acme-backups --escrow imago.age --identity key.txt --json", "of the bucket, with an escrow, for a program"),
		Args: needArgs(1, "PLACE"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.openList(cmd.Context(), args[0], o) },
	}
}

func (p *program) openList(ctx context.Context, place string, o *opening) error {
	a, err := p.archive(ctx, place, o)
	if err != nil {
		return err
	}
	all, err := p.repositories(ctx, a, o)
	if err != nil {
		return err
	}
	broken := false
	for _, r := range all {
		bad, err := p.listRepository(ctx, r)
		if err != nil {
			return err
		}
		broken = broken || bad
	}
	if broken {
		p.notice("hint: imago open verify tells what is wrong, and what it means")
		return errIncomplete
	}
	return nil
}

// listRepository shows a connection's snapshots, and reports whether one does not open.
func (p *program) listRepository(ctx context.Context, r archive.Repository) (broken bool, err error) {
	entries, err := r.Entries(ctx)
	if err != nil {
		return false, err
	}
	rows := [][]string{{"TAKEN", "SNAPSHOT", "KIND", "OBJECTS", "ADDED", "GAPS"}}
	org, problems := "", []string{}
	for _, e := range entries {
		line, err := p.archived(ctx, r, e)
		if err != nil {
			return false, err
		}
		if line.Problem != "" && !slices.Contains(problems, line.Problem) {
			problems = append(problems, line.Problem)
		}
		if line.Org != "" {
			org = line.Org
		}
		if p.json {
			if err := p.emitValue(line); err != nil {
				return false, err
			}
			continue
		}
		rows = append(rows, archivedRow(line))
	}
	if !p.json {
		p.print("Connection %s %s\n", r.Connection, clean(org))
		p.table(rows, 3, 4, 5)
		for _, why := range problems {
			p.print("%s %s\n", p.paint(red, "does not open:"), clean(why))
		}
	}
	return len(problems) > 0, nil
}

// archived reads a snapshot's manifest. What is wrong with that stands in the line.
func (p *program) archived(ctx context.Context, r archive.Repository, e repository.Entry) (archivedLine, error) {
	line := archivedLine{
		Type: "snapshot", Account: string(r.Account), Connection: string(r.Connection),
		Folder: folderOf(e.Prefix), Started: e.Started, Gaps: []snapshot.Gap{},
	}
	s, err := r.Open(ctx, e.Prefix)
	if problem.Is(err, problem.Damaged) || problem.Is(err, problem.Denied) {
		line.Problem = problem.Of(err).Error()
		return line, nil
	}
	if err != nil {
		return line, err
	}
	m := s.Manifest()
	line.ID, line.Org, line.Kind, line.Parent = m.ID, m.Org, m.Kind, m.Parent
	line.Started, line.Ended, line.Objects, line.Added = m.Started.UTC(), m.Ended.UTC(), m.Objects(), m.Added()
	for _, g := range m.Gaps() {
		if g.Missing() {
			line.Gaps = append(line.Gaps, g)
		}
	}
	return line, nil
}

func archivedRow(l archivedLine) []string {
	taken := l.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	if l.Problem != "" {
		return []string{taken, "-", "does not open", "-", "-", "-"}
	}
	gaps := "-"
	if n := len(l.Gaps); n > 0 {
		gaps = number(int64(n))
	}
	return []string{taken, short(l.ID), string(l.Kind), number(l.Objects), size(l.Added), gaps}
}
