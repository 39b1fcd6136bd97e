package cli

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"imago/pkg/repository"
	"imago/pkg/resource"
	imagov1 "imago/proto/imago/v1"
)

func (p *program) openShowCommand(o *opening) *cobra.Command {
	return &cobra.Command{
		Use:   "show PLACE KEY",
		Short: "Show one object as the org had it",
		Long: "show prints every field of one object. KEY is TYPE/ID, TYPE/PARENT/ID or\n" +
			"TYPE:NAME, whatever its case; a name that is only shown, as that of a user, reads the\n" +
			"whole type.\n\n" + placeHelp,
		Example: example(
			"imago open show ./copy group:Finance --master-keys master.keys", "a group by its name",
			"imago open show ./copy user:ada@acme.com --master-keys master.keys", "a user by their login",
			"imago open show ./copy user/00u1 --snapshot 2026-11-21T12:00:00Z --master-keys master.keys --json | jq .body", "as it was at noon"),
		Args: needArgs(2, "PLACE", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, s, err := p.openSnapshot(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return p.openShow(cmd.Context(), s, args[1])
		},
	}
}

// openSnapshot opens the snapshot that the flags name.
func (p *program) openSnapshot(ctx context.Context, place string, o *opening) (labels, *repository.Snapshot, error) {
	r, err := p.repository(ctx, place, o)
	if err != nil {
		return labels{}, nil, err
	}
	s, err := r.Find(ctx, o.snapshot)
	return labels{catalog()}, s, err
}

func (p *program) openShow(ctx context.Context, s *repository.Snapshot, name string) error {
	n := labels{catalog()}
	key, err := n.key(ctx, s, name)
	if err != nil {
		return err
	}
	r, err := s.Get(ctx, key)
	if err != nil {
		return gapHint(s, key, err)
	}
	out := &imagov1.GetResourceResponse{Summary: n.summary(r), Body: string(r.Body)}
	if p.json {
		return p.emit("resource", out)
	}
	return p.showResource(out)
}

// gapHint says that what is not there may have been there.
func gapHint(s *repository.Snapshot, key resource.Key, err error) error {
	status, asked := s.Manifest().Status(key.Type)
	if !asked {
		return withHint(err, "the snapshot was not asked for the type %s", key.Type)
	}
	for _, g := range status.Gaps {
		if g.Missing() && g.Covers(key.Type, key.Parent) {
			return withHint(err, "it may have existed: %s", g.Detail)
		}
	}
	return err
}

// labels are what this program calls objects.
type labels struct{ catalog resource.Catalog }

// of is an object's name; "" where its type is not known, or the object has none.
func (n labels) of(r resource.Resource) string {
	info, ok := n.catalog.Info(r.Type)
	if !ok {
		return ""
	}
	label, err := resource.Label(info, r.Body)
	if err != nil { // it is shown all the same
		return ""
	}
	return label
}

func (n labels) title(t resource.Type) string {
	info, _ := n.catalog.Info(t)
	return title(info.Title, string(t))
}

func (n labels) summary(r resource.Resource) *imagov1.ResourceSummary {
	return &imagov1.ResourceSummary{Key: r.Key.String(), Label: n.of(r)}
}

// key turns what a person wrote into a key: type:name is the only object with that name.
func (n labels) key(ctx context.Context, s *repository.Snapshot, text string) (resource.Key, error) {
	typ, name, named := strings.Cut(text, ":")
	if !named || strings.Contains(typ, "/") {
		key, ok := resource.ParseKey(text)
		if !ok {
			return key, usage("%q is no key: write TYPE/ID, TYPE/PARENT/ID or TYPE:NAME", text)
		}
		return key, nil
	}
	var found []string
	var key resource.Key
	for r, err := range n.named(ctx, s, resource.Type(typ), name) {
		if err != nil {
			return key, err
		}
		key, found = r.Key, append(found, r.Key.String())
	}
	switch len(found) {
	case 0:
		return key, withHint(usage("the snapshot has no %s named %q", typ, name), "look for it with imago open search")
	case 1:
		return key, nil
	}
	return key, usage("%d of type %s are named %q: say which, one of %s", len(found), typ, name, strings.Join(found, ", "))
}

// named yields the objects that a name identifies, or else, looking through the type, those
// of which it is shown.
func (n labels) named(ctx context.Context, s *repository.Snapshot, t resource.Type, name string) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		some := false
		for r, err := range s.Named(ctx, t, name) {
			if some = true; !yield(r, err) {
				return
			}
		}
		if some {
			return
		}
		for r, err := range s.Walk(ctx, t) {
			if (err != nil || resource.Fold(n.of(r)) == resource.Fold(name)) && !yield(r, err) {
				return
			}
		}
	}
}

func (p *program) openSearchCommand(o *opening) *cobra.Command {
	var s searching
	cmd := &cobra.Command{
		Use:   "search PLACE TEXT",
		Short: "Search all types of a snapshot by name, ID or the value of a field",
		Long:  "search reads the whole snapshot, or the types that are named.\n\n" + placeHelp,
		Example: example(
			"imago open search ./copy finance --master-keys master.keys", "whatever is called so, of any type",
			"imago open search ./copy ada@acme.com --fields --type user --master-keys master.keys", "users that have it in a field, too"),
		Args: needArgs(2, "PLACE", "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, snap, err := p.openSnapshot(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return p.openSearch(cmd.Context(), n, snap, args[1], s)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&s.types, "type", nil, "only these types")
	flags.BoolVar(&s.fields, "fields", false, "look into the values of fields, too")
	limitFlag(cmd, &s.limit, 100)
	return cmd
}

func (p *program) openSearch(ctx context.Context, n labels, s *repository.Snapshot, text string, o searching) error {
	rows := [][]string{{"KEY", "NAME", "FIELD"}}
	hits := 0
	for r, err := range walkTypes(ctx, s, o.types) {
		if err != nil {
			return err
		}
		hit, err := n.holds(r, strings.ToLower(text), o.fields)
		if err != nil {
			return err
		}
		if hit == nil {
			continue
		}
		if hits++; o.limit > 0 && hits > o.limit {
			defer p.notice("there are more than %d: see them with --limit 0, or narrow with --type", o.limit)
			break
		}
		if p.json {
			if err := p.emit("search_hit", hit); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{hit.GetResource().GetKey(), hit.GetResource().GetLabel(), strings.TrimSuffix(hit.GetPath()+": "+hit.GetValue(), ": ")})
	}
	if !p.json {
		p.table(rows)
	}
	return nil
}

// holds tells where an object holds a text in lower case; nil: nowhere.
func (n labels) holds(r resource.Resource, text string, fields bool) (*imagov1.SearchHit, error) {
	hit := &imagov1.SearchHit{Resource: n.summary(r), TypeTitle: n.title(r.Type)}
	if strings.Contains(strings.ToLower(hit.GetResource().GetLabel()+"\n"+r.ID), text) {
		return hit, nil
	}
	// Most hold nothing of it, and are not taken apart. What JSON escapes stands otherwise.
	plain := !strings.ContainsAny(text, "\"\\")
	if !fields || plain && !bytes.Contains(bytes.ToLower(r.Body), []byte(text)) {
		return nil, nil
	}
	lines, err := flatten(string(r.Body))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.Key, err)
	}
	for _, l := range lines {
		if strings.Contains(strings.ToLower(l[1]), text) {
			hit.Path, hit.Value = l[0], l[1]
			return hit, nil
		}
	}
	return nil, nil
}
