package archive

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// Entries lists the snapshots, oldest first.
func (r Repository) Entries(ctx context.Context) (out []repository.Entry, err error) {
	for e, err := range r.List(ctx) {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Find opens the snapshot that a person means: latest, an ID, the beginning or end of one,
// the beginning of a folder's name, or a moment, for the last one that began before it.
func (r Repository) Find(ctx context.Context, name string) (*repository.Snapshot, error) {
	all, err := r.Entries(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, problem.New(problem.NotFound, "there is no snapshot of connection %s: no folder has a manifest", r.Connection).
			WithHint("copy the folders below %s whole, each with its manifest", snapshot.BackupsPrefix(r.Account, r.Connection))
	}
	if name == "latest" {
		return r.Open(ctx, all[len(all)-1].Prefix)
	}
	if at, err := time.Parse(time.RFC3339, name); err == nil {
		return r.at(ctx, all, at)
	}
	found := matching(all, name)
	if len(found) == 0 {
		return r.byID(ctx, all, name)
	}
	return r.only(ctx, found, name)
}

func (r Repository) at(ctx context.Context, all []repository.Entry, at time.Time) (*repository.Snapshot, error) {
	for i := len(all) - 1; i >= 0; i-- {
		if !all[i].Started.After(at) {
			return r.Open(ctx, all[i].Prefix)
		}
	}
	return nil, problem.New(problem.NotFound, "the first snapshot began after that, at %s", all[0].Started.Format(time.RFC3339))
}

// Unreadable reports whether an error is about the object that was opened, which others
// can be read beside; any other is the store's.
func Unreadable(err error) bool {
	p := problem.Of(err)
	return p != nil && slices.Contains([]problem.Kind{problem.Damaged, problem.Invalid, problem.Denied, problem.NotFound}, p.Kind)
}

// matching are the snapshots whose folders begin so, or that have the whole ID: a folder
// ends with some of its hash.
func matching(all []repository.Entry, name string) (out []repository.Entry) {
	for _, e := range all {
		folder := path.Base(e.Prefix)
		if strings.HasPrefix(folder, name) && len(name) >= len("2006-01-02") || folder == snapshot.Folder(e.Started, name) {
			out = append(out, e)
		}
	}
	return out
}

// byID looks into the manifests for IDs that begin or end so. One that does not open is
// passed over: it has no name to be meant by.
func (r Repository) byID(ctx context.Context, all []repository.Entry, name string) (*repository.Snapshot, error) {
	var found []repository.Entry
	for _, e := range all {
		s, err := r.Open(ctx, e.Prefix)
		if Unreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if id := s.Manifest().ID; len(name) >= 4 && (strings.HasPrefix(id, name) || strings.HasSuffix(id, name)) {
			found = append(found, e)
		}
	}
	return r.only(ctx, found, name)
}

func (r Repository) only(ctx context.Context, found []repository.Entry, name string) (*repository.Snapshot, error) {
	switch len(found) {
	case 0:
		return nil, problem.New(problem.NotFound, "there is no snapshot %q", name).WithHint("imago open list shows them")
	case 1:
		return r.Open(ctx, found[0].Prefix)
	}
	return nil, problem.InField("snapshot", "%d are called so: write more of it", len(found))
}
