package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// browsing are the flags of `imago browse`.
type browsing struct {
	snapshot, search, parent string
	limit                    int
	history, referencedBy    bool
}

func (p *program) browseCommand() *cobra.Command {
	var b browsing
	cmd := &cobra.Command{
		Use:   "browse [TYPE|KEY]",
		Short: "Look into a snapshot: its types, the resources of a type, one resource",
		Example: example(
			"imago browse", "the types of the latest snapshot and how many there are of each",
			"imago browse group --search fin", "groups whose name or ID contains \"fin\"",
			"imago browse group:Finance", "one group, with what it refers to",
			"imago browse group_membership --parent 00g1gjh63g214q0Hq0g4", "a group's members",
			"imago browse group:Finance --referenced-by", "with what refers to it, too",
			"imago browse group:Finance --history", "how it changed from snapshot to snapshot, and who did it",
			"imago browse group/00g1gjh63g214q0Hq0g4 --json | jq .body", "the object as the org sent it"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.browse(cmd.Context(), args, b) },
	}
	flags := cmd.Flags()
	flags.StringVar(&b.snapshot, "snapshot", "latest", "which snapshot: an ID, the beginning or end of one, or latest")
	flags.StringVar(&b.search, "search", "", "only those whose name or ID contains this, whatever the case")
	flags.StringVar(&b.parent, "parent", "", "only those below the parent with this ID")
	flags.BoolVar(&b.referencedBy, "referenced-by", false, "of one resource: also what refers to it")
	flags.BoolVar(&b.history, "history", false, "of one resource: how it changed over the snapshots, newest first")
	limitFlag(cmd, &b.limit, 100)
	return cmd
}

func (p *program) browse(ctx context.Context, args []string, b browsing) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	if b.snapshot, err = api.snapshotID(ctx, conn.GetId(), b.snapshot); err != nil {
		return err
	}
	one := len(args) > 0 && strings.ContainsAny(args[0], "/:")
	switch {
	case (b.history || b.referencedBy) && !one:
		return usage("--history and --referenced-by are of one resource: name it as TYPE:NAME or TYPE/ID")
	case b.history:
		return p.history(ctx, api, conn, args[0], b)
	case len(args) == 0:
		return p.browseTypes(ctx, api, b)
	case one:
		return p.browseResource(ctx, api, args[0], b)
	default:
		return p.browseType(ctx, api, args[0], b)
	}
}

// browseTypes shows what there is.
func (p *program) browseTypes(ctx context.Context, api *api, b browsing) error {
	res, err := api.snapshots.GetSnapshot(ctx, connect.NewRequest(&imagov1.GetSnapshotRequest{SnapshotId: b.snapshot}))
	if err != nil {
		return err
	}
	s := res.Msg.GetSnapshot()
	if p.json {
		return emitAll(p, "snapshot_type", s.GetTypes())
	}
	rows := [][]string{{"TYPE", "OBJECTS", ""}}
	for _, t := range s.GetTypes() {
		note := t.GetTitle()
		switch {
		case absent(t):
			note += " (not in this org)"
		case len(missing(t)) > 0:
			note += " (not all could be read)"
		}
		rows = append(rows, []string{t.GetType(), number(t.GetObjects()), note})
	}
	p.table(rows, 1)
	p.print("\nSnapshot %s of %s.\n", short(s.GetId()), stamp(s.GetCreatedAt()))
	return nil
}

// browseType lists the resources of one type.
func (p *program) browseType(ctx context.Context, api *api, typ string, b browsing) error {
	found, more, err := api.resources(ctx, typ, b)
	if err != nil {
		return err
	}
	if p.json {
		err = emitAll(p, "resource_summary", found)
	} else {
		rows := [][]string{{"KEY", "NAME", "IN"}}
		for _, r := range found {
			rows = append(rows, []string{r.GetKey(), r.GetLabel(), r.GetParentLabel()})
		}
		p.table(rows)
	}
	if more {
		p.notice("there are more than %d: see them with --limit 0, or narrow with --search", b.limit)
	}
	return err
}

// resources lists up to the limit, and tells whether there are more.
func (a *api) resources(ctx context.Context, typ string, b browsing) (found []*imagov1.ResourceSummary, more bool, err error) {
	err = pages(func(token string) (string, error) {
		res, err := a.snapshots.ListResources(ctx, connect.NewRequest(&imagov1.ListResourcesRequest{
			SnapshotId: b.snapshot, Type: typ, Parent: b.parent, Search: b.search, PageSize: pageSize, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		found = append(found, res.Msg.GetResources()...)
		if b.limit > 0 && (len(found) > b.limit || len(found) == b.limit && res.Msg.GetNextPageToken() != "") {
			found, more = found[:b.limit], true
			return "", nil
		}
		return res.Msg.GetNextPageToken(), nil
	})
	return found, more, err
}

// browseResource shows one resource, by key or by type and name.
func (p *program) browseResource(ctx context.Context, api *api, key string, b browsing) error {
	key, err := api.resourceKey(ctx, key, b)
	if err != nil {
		return err
	}
	res, err := api.snapshots.GetResource(ctx, connect.NewRequest(&imagov1.GetResourceRequest{
		SnapshotId: b.snapshot, Key: key, ReferencedBy: b.referencedBy,
	}))
	if err != nil {
		return err
	}
	if p.json {
		return p.emit("resource", res.Msg)
	}
	return p.showResource(res.Msg)
}

// resourceKey turns type:name into the key of the only resource with that name.
func (a *api) resourceKey(ctx context.Context, key string, b browsing) (string, error) {
	typ, name, ok := strings.Cut(key, ":")
	if !ok || strings.Contains(typ, "/") {
		return key, nil
	}
	b.search, b.limit = name, 0
	found, _, err := a.resources(ctx, typ, b)
	if err != nil {
		return "", err
	}
	var keys []string
	for _, r := range found {
		if strings.EqualFold(r.GetLabel(), name) {
			keys = append(keys, r.GetKey())
		}
	}
	switch len(keys) {
	case 0:
		// Or by another name than the one that is shown, as a user's login.
		if one, err := a.snapshots.GetResource(ctx, connect.NewRequest(&imagov1.GetResourceRequest{SnapshotId: b.snapshot, Key: key})); err == nil {
			return one.Msg.GetSummary().GetKey(), nil
		}
		return "", withHint(usage("the snapshot has no %s named %q", typ, name), "look for it with imago browse %s --search …", typ)
	case 1:
		return keys[0], nil
	default:
		return "", usage("%d of type %s are named %q: say which, one of %s", len(keys), typ, name, strings.Join(keys, ", "))
	}
}

// showResource shows every field of a resource on a line, then what it refers to.
func (p *program) showResource(r *imagov1.GetResourceResponse) error {
	s := r.GetSummary()
	p.print("%s  %s\n", p.paint(bold, clean(s.GetLabel())), clean(s.GetKey()))
	if s.GetParentLabel() != "" {
		p.print("in %s\n", clean(s.GetParentLabel()))
	}
	lines, err := flatten(r.GetBody())
	if err != nil {
		return fmt.Errorf("show %s: %w", s.GetKey(), err)
	}
	p.print("\n")
	rows := append([][]string{{"FIELD", "VALUE"}}, lines...)
	p.table(rows)
	p.showReferences("REFERS TO", r.GetReferences())
	p.showReferences("REFERRED TO BY", r.GetReferencedBy())
	if r.GetReferencedByMore() {
		p.notice("there is more that refers to it")
	}
	return nil
}

func (p *program) showReferences(title string, of []*imagov1.ResourceSummary) {
	if len(of) == 0 {
		return
	}
	p.print("\n")
	rows := [][]string{{title, "NAME"}}
	for _, ref := range of {
		rows = append(rows, []string{ref.GetKey(), ref.GetLabel()})
	}
	p.table(rows)
}

// flatten turns JSON into rows of path and value, sorted by path.
func flatten(body string) ([][]string, error) {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return leaves(nil, "", v), nil
}

// leaves adds a row for each value that has nothing below it.
func leaves(rows [][]string, path string, v any) [][]string {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			rows = leaves(rows, strings.TrimPrefix(path+"."+name, "."), v[name])
		}
		if len(v) > 0 {
			return rows
		}
		return append(rows, []string{path, "{}"})
	case []any:
		for i, item := range v {
			rows = leaves(rows, fmt.Sprintf("%s[%d]", path, i), item)
		}
		if len(v) > 0 {
			return rows
		}
		return append(rows, []string{path, "[]"})
	case nil:
		return append(rows, []string{path, "null"})
	default:
		return append(rows, []string{path, fmt.Sprint(v)})
	}
}
