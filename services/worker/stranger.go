package worker

import (
	"context"
	"errors"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

// strangers are the prefixes of snapshots that lie in the store and that no row tells of: the
// database is one of before, a snapshot failed once its manifest was put, or somebody put back
// what was let go. A row is there before its snapshot, and until that is removed: so the rows
// are read last, and what is gone by then was none.
func (s *Service) strangers(ctx context.Context, u work.Unit, repo *repository.Repository, id account.ConnectionID) (prefixes []string, err error) {
	var there []string
	for e, err := range repo.List(ctx) {
		if err != nil {
			return nil, err
		}
		there = append(there, e.Prefix)
	}
	known := map[string]bool{}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		rows, err := snapshots.Places(ctx, tx, id)
		for _, row := range rows {
			known[row.Place()] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which snapshots there may be of connection %s: %w", id, err)
	}
	for _, prefix := range there {
		if known[prefix] {
			continue
		}
		_, err := repo.Open(ctx, prefix)
		switch {
		case problem.Is(err, problem.NotFound):
		case err == nil, errors.Is(err, repository.ErrDamaged), errors.Is(err, envelope.ErrNoKey):
			prefixes = append(prefixes, prefix)
		default:
			return nil, err
		}
	}
	return prefixes, nil
}

// strangerEvent tells of them; false: there is none.
func strangerEvent(prefixes []string) (work.Event, bool) {
	if len(prefixes) == 0 {
		return work.Event{}, false
	}
	return work.Event{Action: "find_strangers", TargetType: "connection", Detail: fmt.Sprintf(
		"%s in the bucket that the database does not know: %s; where it was brought back from a backup, or a snapshot failed once it lay there, imago repo rebuild takes them in, else somebody put back what was let go, or what Imago never took: see who, and remove it",
		count(int64(len(prefixes)), "snapshot"), folders(prefixes))}, true
}
