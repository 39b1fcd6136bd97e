package cli

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

// pageSize is how much is asked for at once.
const pageSize = 200

// pages reads every page of a list: fetch gets one and answers the next token.
func pages(fetch func(token string) (next string, err error)) error {
	for token := ""; ; {
		next, err := fetch(token)
		if err != nil || next == "" {
			return err
		}
		token = next
	}
}

// allConnections lists the account's connections.
func (a *api) allConnections(ctx context.Context) ([]*imagov1.Connection, error) {
	var all []*imagov1.Connection
	err := pages(func(token string) (string, error) {
		res, err := a.connections.ListConnections(ctx, connect.NewRequest(&imagov1.ListConnectionsRequest{PageSize: pageSize, PageToken: token}))
		if err != nil {
			return "", err
		}
		all = append(all, res.Msg.GetConnections()...)
		return res.Msg.GetNextPageToken(), nil
	})
	return all, err
}

// reach connects to the server and picks the connection that the person means.
func (p *program) reach(ctx context.Context, args []string) (*api, *imagov1.Connection, error) {
	api, err := p.api()
	if err != nil {
		return nil, nil, err
	}
	conn, err := p.pick(ctx, api, args)
	return api, conn, err
}

// pick finds the connection that the person means: by the argument, by
// --connection, or because there is only one.
func (p *program) pick(ctx context.Context, a *api, args []string) (*imagov1.Connection, error) {
	all, err := a.allConnections(ctx)
	if err != nil {
		return nil, err
	}
	name := p.connection
	if len(args) > 0 {
		name = args[0]
	}
	if name != "" {
		return named(all, name)
	}
	switch len(all) {
	case 0:
		return nil, withHint(usage("no org is connected"), "connect one with imago connect https://YOUR-ORG.okta.com")
	case 1:
		return all[0], nil
	default:
		return nil, withHint(usage("there are %d connections: %s", len(all), connectionNames(all)), "say which with --connection NAME")
	}
}

// named finds a connection by name, org URL, host, or the beginning of its ID.
func named(all []*imagov1.Connection, name string) (*imagov1.Connection, error) {
	var found []*imagov1.Connection
	for _, c := range all {
		if c.GetId() == name || strings.EqualFold(c.GetName(), name) || sameOrg(c.GetOrgUrl(), name) {
			return c, nil
		}
		if abbreviates(name, c.GetId()) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return nil, withHint(usage("there is no connection %q", name), "imago connections lists them")
	case 1:
		return found[0], nil
	default:
		return nil, usage("%q is the beginning of %d connections' IDs: write more of it", name, len(found))
	}
}

// sameOrg compares an org's URL with what a person wrote of it.
func sameOrg(org, wrote string) bool {
	bare := func(s string) string {
		s = strings.TrimSuffix(strings.ToLower(s), "/")
		return strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	}
	return bare(org) == bare(wrote)
}

// abbreviates reports whether short is a usable beginning or end of an ID. IDs of
// one moment begin alike, so what short() prints is their end.
func abbreviates(short, id string) bool {
	return len(short) >= 4 && (strings.HasPrefix(id, short) || strings.HasSuffix(id, short))
}

// short is the part of an ID that people type: its end, which differs between IDs
// that were made at the same time.
func short(id string) string {
	if len(id) != 36 {
		return id
	}
	return id[28:]
}

func connectionNames(all []*imagov1.Connection) string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.GetName()
	}
	return strings.Join(names, ", ")
}

// firsts are how each kind of thing comes to be.
var firsts = map[string]string{
	"snapshot": "imago snapshot takes one", "restore": "imago restore plan makes one", "finding": "imago drift lists them",
}

// lists are the commands that show which there are.
var lists = map[string]string{
	"snapshot": "imago snapshots lists them", "restore": "imago restore list lists them", "finding": "imago drift lists them",
}

// full completes an abbreviated ID among those that list yields, newest first;
// "latest" is the first. A whole ID is taken as it is, without a look.
func full(what, id string, list func(yield func(id string) bool) error) (string, error) {
	if len(id) == 36 {
		return id, nil
	}
	var found []string
	err := list(func(candidate string) bool {
		if id == "latest" {
			found = []string{candidate}
			return false
		}
		if abbreviates(id, candidate) {
			found = append(found, candidate)
		}
		return true
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", usage("%q fits %d IDs of a %s: write more of it", id, len(found), what)
	case id == "latest":
		return "", withHint(usage("there is no %s yet", what), "%s", firsts[what])
	default:
		return "", withHint(usage("there is no %s %q", what, id), "%s", lists[what])
	}
}

// snapshotID completes a snapshot's ID; "latest" is the last that can be opened, those
// apart that were taken to compare the org with another.
func (a *api) snapshotID(ctx context.Context, connection, id string) (string, error) {
	return full("snapshot", id, func(yield func(string) bool) error {
		return a.eachSnapshot(ctx, connection, id != "latest", func(s *imagov1.Snapshot) bool {
			if id == "latest" && (!opens(s) || s.GetTrigger() == "verify") {
				return true
			}
			return yield(s.GetId())
		})
	})
}

// opens reports whether a snapshot can be opened.
func opens(s *imagov1.Snapshot) bool { return s.GetState() == "complete" || s.GetState() == "partial" }

// eachSnapshot lists a connection's snapshots, newest first, with points or without, until
// yield says no.
func (a *api) eachSnapshot(ctx context.Context, connection string, points bool, yield func(*imagov1.Snapshot) bool) error {
	return pages(func(token string) (string, error) {
		res, err := a.snapshots.ListSnapshots(ctx, connect.NewRequest(&imagov1.ListSnapshotsRequest{
			ConnectionId: connection, PageSize: pageSize, PageToken: token, Points: points,
		}))
		if err != nil {
			return "", err
		}
		for _, s := range res.Msg.GetSnapshots() {
			if !yield(s) {
				return "", nil
			}
		}
		return res.Msg.GetNextPageToken(), nil
	})
}

// restoreID completes a restore's ID.
func (a *api) restoreID(ctx context.Context, connection, id string) (string, error) {
	return full("restore", id, func(yield func(string) bool) error {
		return a.eachRestore(ctx, connection, func(r *imagov1.Restore) bool { return yield(r.GetId()) })
	})
}

// eachRestore lists a connection's restores, newest first, until yield says no.
func (a *api) eachRestore(ctx context.Context, connection string, yield func(*imagov1.Restore) bool) error {
	return pages(func(token string) (string, error) {
		res, err := a.restores.ListRestores(ctx, connect.NewRequest(&imagov1.ListRestoresRequest{
			ConnectionId: connection, PageSize: pageSize, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		for _, r := range res.Msg.GetRestores() {
			if !yield(r) {
				return "", nil
			}
		}
		return res.Msg.GetNextPageToken(), nil
	})
}

// findingID completes a finding's ID.
func (a *api) findingID(ctx context.Context, connection, id string) (string, error) {
	return full("finding", id, func(yield func(string) bool) error {
		return a.eachFinding(ctx, connection, func(f *imagov1.Finding) bool { return yield(f.GetId()) })
	})
}

// eachFinding lists a connection's findings, newest first, until yield says no.
func (a *api) eachFinding(ctx context.Context, connection string, yield func(*imagov1.Finding) bool) error {
	return pages(func(token string) (string, error) {
		res, err := a.drift.ListFindings(ctx, connect.NewRequest(&imagov1.ListFindingsRequest{
			ConnectionId: connection, PageSize: pageSize, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		for _, f := range res.Msg.GetFindings() {
			if !yield(f) {
				return "", nil
			}
		}
		return res.Msg.GetNextPageToken(), nil
	})
}
