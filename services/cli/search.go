package cli

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

// searching are the flags of `imago search`.
type searching struct {
	snapshot string
	types    []string
	fields   bool
	limit    int
}

func (p *program) searchCommand() *cobra.Command {
	var s searching
	cmd := &cobra.Command{
		Use:   "search TEXT",
		Short: "Search all types of a snapshot by name, ID or the value of a field",
		Example: example(
			"imago search finance", "whatever is called so, of any type",
			"imago search ada@acme.com --fields", "whatever has it in a field, too",
			"imago search vpn --type network_zone --snapshot 4662e315", "zones, in an older snapshot"),
		Args: needArgs(1, "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.search(cmd.Context(), args[0], s) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.snapshot, "snapshot", "latest", "which snapshot: an ID, the beginning or end of one, or latest")
	flags.StringSliceVar(&s.types, "type", nil, "only these types")
	flags.BoolVar(&s.fields, "fields", false, "look into the values of fields, too")
	limitFlag(cmd, &s.limit, 100)
	return cmd
}

func (p *program) search(ctx context.Context, text string, s searching) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	if s.snapshot, err = api.snapshotID(ctx, conn.GetId(), s.snapshot); err != nil {
		return err
	}
	found, more, err := api.hits(ctx, text, s)
	if err != nil {
		return err
	}
	if more {
		defer p.notice("there are more than %d: see them with --limit 0, or narrow with --type", s.limit)
	}
	if p.json {
		return emitAll(p, "search_hit", found)
	}
	rows := [][]string{{"KEY", "NAME", "IN", "FIELD"}}
	for _, h := range found {
		field := h.GetPath()
		if field != "" {
			field += ": " + h.GetValue()
		}
		r := h.GetResource()
		rows = append(rows, []string{r.GetKey(), r.GetLabel(), r.GetParentLabel(), field})
	}
	p.table(rows)
	return nil
}

// hits searches up to the limit, and tells whether there are more.
func (a *api) hits(ctx context.Context, text string, s searching) (found []*imagov1.SearchHit, more bool, err error) {
	err = pages(func(token string) (string, error) {
		res, err := a.snapshots.SearchSnapshot(ctx, connect.NewRequest(&imagov1.SearchSnapshotRequest{
			SnapshotId: s.snapshot, Search: text, Types: s.types, Fields: s.fields, PageSize: pageSize, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		found = append(found, res.Msg.GetHits()...)
		if s.limit > 0 && (len(found) > s.limit || len(found) == s.limit && res.Msg.GetNextPageToken() != "") {
			found, more = found[:s.limit], true
			return "", nil
		}
		return res.Msg.GetNextPageToken(), nil
	})
	return found, more, err
}

// history shows how one object changed over a connection's snapshots, newest first.
func (p *program) history(ctx context.Context, api *api, conn *imagov1.Connection, key string, b browsing) error {
	key, err := api.resourceKey(ctx, key, b)
	if err != nil {
		return err
	}
	var all []*imagov1.Version
	err = pages(func(token string) (string, error) {
		res, err := api.snapshots.ListVersions(ctx, connect.NewRequest(&imagov1.ListVersionsRequest{
			ConnectionId: conn.GetId(), Key: key, PageSize: pageSize, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		all = append(all, res.Msg.GetVersions()...)
		if b.limit > 0 && len(all) >= b.limit {
			all = all[:b.limit]
			return "", nil
		}
		return res.Msg.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	if p.json {
		return emitAll(p, "version", all)
	}
	for _, v := range all {
		p.showVersion(v)
	}
	return nil
}

// versionWords are what happened to an object from one snapshot to the next.
var versionWords = map[string]string{"create": "created", "update": "changed", "delete": "deleted", "": "there already"}

func (p *program) showVersion(v *imagov1.Version) {
	line := fmt.Sprintf("%s  %s  %s", stamp(v.GetTakenAt()), short(v.GetSnapshotId()), versionWords[v.GetOp()])
	if v.GetActor() != "" {
		line += " by " + clean(v.GetActor()) + ", " + stamp(v.GetChangedAt())
	}
	p.print("%s\n", line)
	for _, f := range v.GetFields() {
		p.print("  %s: %s → %s\n", clean(f.GetPath()), absentOr(f.GetBefore()), absentOr(f.GetAfter()))
	}
}

// absentOr shows a value, or that there is none.
func absentOr(value string) string {
	if value == "" {
		return "absent"
	}
	return clean(value)
}
