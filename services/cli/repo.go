package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"imago/pkg/account"
	"imago/pkg/repository"
	"imago/services/cli/internal/archive"
)

const repoHelp = "For who runs an installation: it looks at all accounts whose keyrings the master key opens,\n" +
	"or at the one that --account names."

func (p *program) repoCommand() *cobra.Command {
	var o opening
	cmd := &cobra.Command{
		Use:   "repo",
		Short: "Check, measure and catalogue repositories in the bucket, with the master key",
		Long:  "repo looks at repositories where they lie, beside the services.\n\n" + repoHelp + "\n\n" + placeHelp,
		Example: example(
			"imago repo check s3://acme-backups --sample 5%", "everything is there, and a part of it is as it was written",
			"imago repo stats s3://acme-backups --json", "what it takes, for a program",
			"imago repo rebuild s3://acme-backups --database owner.url", "put the catalogue back that a database lost"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.openingFlags(cmd, &o)
	cmd.AddCommand(p.repoCheckCommand(&o), p.repoStatsCommand(&o), p.repoRebuildCommand(&o))
	return cmd
}

func (p *program) repoCheckCommand(o *opening) *cobra.Command {
	var l looking
	cmd := &cobra.Command{
		Use:   "check PLACE",
		Short: "Check that repositories are whole: structure, keys and, if wanted, data",
		Long: "check opens every manifest and list, and sees that each object they name is there in its\n" +
			"size. With --read-data it reads and verifies all of them, with --sample some, others each\n" +
			"time. The digests of records can be wrong only if the writer was: of all data those of\n" +
			"every eighth segment are computed anew, with --digests all. The exit code is 3 when something is damaged, 1 when it could not look.\n\n" + repoHelp + "\n\n" + placeHelp,
		Example: example(
			"imago repo check s3://acme-backups", "the structure",
			"imago repo check s3://acme-backups --sample 5%", "and a part of the data",
			"imago repo check s3://acme-backups --read-data --json", "all of it, for a program"),
		Args: needArgs(1, "PLACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.everywhere(cmd.Context(), args[0], o, func(a *archive.Archive, all []archive.Repository) error {
				return p.checkAll(cmd.Context(), a, all, l)
			})
		},
	}
	cmd.Flags().BoolVar(&l.data, "read-data", false, "read and verify everything")
	cmd.Flags().BoolVar(&l.digests, "digests", false, "compute the digests of all that is read anew")
	cmd.Flags().Var(&l.sample, "sample", "read and verify so much of it: 5%")
	return cmd
}

// everywhere opens the repositories of all accounts.
func (p *program) everywhere(ctx context.Context, place string, o *opening, do func(*archive.Archive, []archive.Repository) error) error {
	a, err := p.archive(ctx, place, o)
	if err != nil {
		return err
	}
	all, err := p.everybody(ctx, a, o)
	if err != nil {
		return err
	}
	return do(a, all)
}

// everybody opens the repositories of all accounts, or of the one that is named.
func (p *program) everybody(ctx context.Context, a *archive.Archive, o *opening) (out []archive.Repository, err error) {
	for _, id := range a.Accounts() {
		if o.account != "" && id != o.account {
			continue
		}
		all, err := a.Repositories(ctx, account.ID(id))
		if err == nil && p.connection != "" {
			all, err = p.meant(ctx, all)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, all...)
	}
	return out, nil
}

// statsLine is what a repository takes, for programs.
type statsLine struct {
	Type        string    `json:"type"` // "stats"
	Account     string    `json:"account"`
	Connection  string    `json:"connection"`
	Snapshots   int64     `json:"snapshots"`
	Full        int64     `json:"full"`
	Incremental int64     `json:"incremental"`
	Unreadable  int64     `json:"unreadable"`
	First       time.Time `json:"first,omitzero"`
	Last        time.Time `json:"last,omitzero"`
	Objects     int64     `json:"objects"` // of the last snapshot
	Segments    int64     `json:"segments"`
	Plain       int64     `json:"plain_bytes"`
	Sealed      int64     `json:"sealed_bytes"`
	Other       int64     `json:"other_bytes"`
	Unnamed     int64     `json:"unnamed_objects"`
	UnnamedSize int64     `json:"unnamed_bytes"`
	Due         int64     `json:"next_sweep_objects"` // of these: the others are not old enough yet
	DueSize     int64     `json:"next_sweep_bytes"`
}

func (p *program) repoStatsCommand(o *opening) *cobra.Command {
	return &cobra.Command{
		Use:   "stats PLACE",
		Short: "Measure repositories: snapshots, objects, bytes",
		Long: "stats lists repositories and reads their manifests. What no snapshot names is left by\n" +
			"snapshots that were forgotten, or never taken. NEXT SWEEP is what of it the worker would\n" +
			"remove now: at most so much, since it leaves what is still being written, and what the\n" +
			"store locks. While a manifest cannot be read nothing is removed, and both are 0.\n\n" + repoHelp + "\n\n" + placeHelp,
		Example: example("imago repo stats s3://acme-backups", "what each connection takes"),
		Args:    needArgs(1, "PLACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.everywhere(cmd.Context(), args[0], o, func(_ *archive.Archive, all []archive.Repository) error {
				return p.stats(cmd.Context(), all)
			})
		},
	}
}

func (p *program) stats(ctx context.Context, all []archive.Repository) error {
	rows := [][]string{{"CONNECTION", "SNAPSHOTS", "LAST", "OBJECTS", "SEGMENTS", "SEALED", "RATIO", "OTHER", "UNNAMED", "NEXT SWEEP"}}
	for _, r := range all {
		s, err := r.Stats(ctx)
		if err != nil {
			return err
		}
		due, err := r.Sweep(ctx, repository.SweepOptions{Before: p.Now().Add(-repository.RubbishAfter), Dry: true})
		if err != nil {
			return err
		}
		if p.json {
			if err := p.emitValue(statsOf(r, s, due)); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, statsRow(r, s, due))
	}
	if !p.json {
		p.table(rows, 1, 3, 4, 5, 6, 7, 8, 9)
	}
	return nil
}

func statsOf(r archive.Repository, s repository.Stats, due repository.Swept) statsLine {
	return statsLine{
		"stats", string(r.Account), string(r.Connection), s.Snapshots(), s.Full, s.Incremental, s.Unreadable, s.First.UTC(), s.Last.UTC(),
		s.Resources, s.Segments, s.Plain, s.Sealed, s.Other, s.Rubbish, s.RubbishBytes, due.Objects, due.Bytes,
	}
}

func statsRow(r archive.Repository, s repository.Stats, due repository.Swept) []string {
	ratio := "-"
	if s.Sealed > 0 {
		ratio = fmt.Sprintf("%.1f×", float64(s.Plain)/float64(s.Sealed))
	}
	return []string{
		string(r.Connection), number(s.Snapshots()), s.Last.UTC().Format("2006-01-02 15:04:05 UTC"), number(s.Resources),
		number(s.Segments), size(s.Sealed), ratio, size(s.Other),
		pile(s.Rubbish, s.RubbishBytes), pile(due.Objects, due.Bytes),
	}
}

func pile(objects, bytes int64) string { return size(bytes) + " in " + number(objects) }
