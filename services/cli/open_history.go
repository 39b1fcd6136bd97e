package cli

import (
	"context"
	"iter"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/diff"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
	"imago/services/cli/internal/archive"
)

// walkTypes goes through the objects of a snapshot: of the types that are named, or of all.
func walkTypes(ctx context.Context, s *repository.Snapshot, only []string) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		for _, t := range s.Manifest().Types {
			if len(only) > 0 && !slices.Contains(only, string(t.Type)) {
				continue
			}
			for r, err := range s.Walk(ctx, t.Type) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

func (p *program) openHistoryCommand(o *opening) *cobra.Command {
	return &cobra.Command{
		Use:   "history PLACE KEY",
		Short: "Show how one object changed over the snapshots",
		Long: "history tells in which snapshots an object was created, changed and deleted, oldest\n" +
			"first. Who did it stands in Imago's database, not in the repository.\n\n" + placeHelp,
		Example: example("imago open history ./copy group:Finance --master-keys master.keys", "of a group, by the name that it has in the snapshot"),
		Args:    needArgs(2, "PLACE", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := p.repository(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return p.openHistory(cmd.Context(), r, args[1], o)
		},
	}
}

func (p *program) openHistory(ctx context.Context, r archive.Repository, name string, o *opening) error {
	last, err := r.Find(ctx, o.snapshot)
	if err != nil {
		return err
	}
	n := labels{catalog()}
	key, err := n.key(ctx, last, name)
	if err != nil {
		return err
	}
	entries, err := r.Entries(ctx)
	if err != nil {
		return err
	}
	var prefixes []string
	for _, e := range slices.Backward(entries) {
		prefixes = append(prefixes, e.Prefix)
	}
	var versions []repository.Version
	for v, err := range r.History(ctx, key, prefixes, r.Open) {
		if err != nil {
			return err
		}
		versions = append(versions, v)
	}
	if len(versions) == 0 {
		p.notice("no snapshot holds %s", key)
	}
	info, _ := n.catalog.Info(key.Type)
	for _, v := range slices.Backward(versions) {
		if err := p.openVersion(ctx, r, info, v); err != nil {
			return err
		}
	}
	return nil
}

// openVersion shows one change of an object.
func (p *program) openVersion(ctx context.Context, r archive.Repository, info resource.Info, v repository.Version) error {
	fields, err := fieldsOf(info, v.From, v.To)
	if err != nil || v.From != nil && v.To != nil && len(fields) == 0 {
		return err // nothing that anybody changed
	}
	s, err := r.Open(ctx, v.Snapshot)
	if err != nil {
		return err
	}
	out := &imagov1.Version{SnapshotId: s.Manifest().ID, TakenAt: timestamppb.New(s.Manifest().Started), Fields: fields}
	if v.Since != "" {
		out.Op = string(operation(v.From, v.To))
	}
	if p.json {
		return p.emit("version", out)
	}
	p.showVersion(out)
	return nil
}

// covered reports whether a gap leaves it open if an object is there.
func covered(gaps []snapshot.Gap, k resource.Key) bool {
	return slices.ContainsFunc(gaps, func(g snapshot.Gap) bool { return g.Missing() && g.Covers(k.Type, k.Parent) })
}

func operation(before, after []byte) diff.Op {
	switch {
	case before == nil:
		return diff.Create
	case after == nil:
		return diff.Delete
	}
	return diff.Update
}

// fieldsOf lists what differs between two bodies; of one alone, nothing.
func fieldsOf(info resource.Info, before, after []byte) (out []*imagov1.Field, err error) {
	if before == nil || after == nil {
		return nil, nil
	}
	fields, err := diff.Compare(info, before, after)
	for _, f := range fields {
		out = append(out, &imagov1.Field{Path: f.Path, Before: string(f.Before), After: string(f.After)})
	}
	return out, err
}
