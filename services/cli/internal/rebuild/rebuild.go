// Package rebuild puts the catalogue of an installation back from its bucket and the master
// key alone: accounts, connections and snapshots, under the IDs that they had. What is there
// stays as it is; a snapshot that failed is there where the bucket has it. It goes in steps that each leave the catalogue right, so whoever is killed
// on the way runs it again.
package rebuild

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres/catalogue"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
	"imago/services/cli/internal/archive"
)

// Catalogue is what is put back into. catalogue.Catalogue is one.
type Catalogue interface {
	Account(ctx context.Context, id account.ID) (catalogue.Account, bool, error)
	Connections(ctx context.Context, id account.ID) (map[account.ConnectionID]string, error)
	Folders(ctx context.Context, id account.ID, of account.ConnectionID) (map[string]bool, error)
	PutBack(ctx context.Context, b catalogue.Batch) (catalogue.Made, error)
}

var _ Catalogue = (*catalogue.Catalogue)(nil)

// Options say what is put back.
type Options struct {
	Account account.ID // the only one that is looked at; "": all
	Owner   string     // the address of who is to own accounts that nobody owns; "": nobody
	DryRun  bool       // change nothing, and tell what would be
	Batch   int        // how many snapshots are put back in one transaction; zero: 200
	Now     time.Time
	Tell    func(Done) // hears of each connection
}

// Done is what was done about a connection or, where that is "", about an account.
type Done struct {
	Account    account.ID
	Connection account.ConnectionID
	Org        string
	Made       catalogue.Made // or what would be
	There      int64          // snapshots that were
	Owners     int64          // of the account, afterwards
	Passed     []Passed
	// Unchained are the folders of snapshots that were opened and name another before them
	// which the bucket does not have: it was forgotten, or somebody removed it.
	Unchained []string
}

// Passed is an object that was passed over.
type Passed struct {
	Object  string
	Problem *problem.Problem
	Damage  bool // else it is as it should be
}

// Run looks through an archive. An error says that it could not go on; what was told of
// before is done.
func Run(ctx context.Context, a *archive.Archive, into Catalogue, o Options) error {
	for _, id := range a.Accounts() {
		if o.Account != "" && o.Account != account.ID(id) || len(a.Connections(account.ID(id))) == 0 {
			continue
		}
		o.Batch = cmp.Or(o.Batch, 200)
		r := &rebuilding{Options: o, archive: a, into: into, id: account.ID(id)}
		if err := r.account(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rebuilding is one account at work.
type rebuilding struct {
	Options
	archive *archive.Archive
	into    Catalogue
	id      account.ID
	ring    *envelope.Keyring
	found   []*found
	there   map[account.ConnectionID]string // connections
}

// found is a connection that the bucket knows of.
type found struct {
	archive.Repository
	entries []repository.Entry
	newest  *repository.Snapshot // that opens; nil: none does
	chain   repository.Chain
	done    Done
}

func (r *rebuilding) account(ctx context.Context) error {
	whole := Done{Account: r.id}
	pass := func(err error) error {
		p, err := passed(snapshot.KeyringName(r.id), err)
		if err == nil {
			whole.Passed = append(whole.Passed, p)
			r.Tell(whole)
		}
		return err
	}
	if _, err := uuid.Parse(string(r.id)); err != nil {
		return pass(problem.New(problem.Invalid, "%q is no account's ID", r.id))
	}
	known, there, err := r.into.Account(ctx, r.id)
	if err != nil {
		return err
	}
	if known.Deleted {
		whole.Passed = []Passed{{Object: snapshot.AccountPrefix(r.id),
			Problem: problem.New(problem.Denied, "account %s was deleted, and stays so", r.id)}}
		r.Tell(whole)
		return nil
	}
	if r.ring, err = r.archive.Keyring(ctx, r.id); err != nil {
		return pass(err)
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if whole, err = r.putAccount(ctx, known, there); err != nil {
		return err
	}
	r.Tell(whole)
	for _, f := range r.found {
		if err := r.connection(ctx, f); err != nil {
			return err
		}
		r.Tell(f.done)
	}
	return nil
}

// look lists the account's connections, and finds of each the newest manifest that opens.
func (r *rebuilding) look(ctx context.Context) error {
	all, err := r.archive.Repositories(ctx, r.id)
	if err != nil {
		return err
	}
	if r.there, err = r.into.Connections(ctx, r.id); err != nil {
		return err
	}
	for _, one := range all {
		f := &found{Repository: one, done: Done{Account: r.id, Connection: one.Connection}}
		if f.entries, err = one.Entries(ctx); err != nil {
			return err
		}
		if err := f.findNewest(ctx); err != nil {
			return err
		}
		r.found = append(r.found, f)
	}
	return nil
}

func (f *found) findNewest(ctx context.Context) error {
	for i := len(f.entries) - 1; i >= 0 && f.newest == nil; i-- {
		s, err := f.open(ctx, f.entries[i])
		if err == nil {
			f.newest, f.done.Org = s, s.Manifest().Org
		} else if _, err := passed("", err); err != nil {
			return err
		}
	}
	return nil
}

// open opens a snapshot that a row can tell of.
func (f *found) open(ctx context.Context, e repository.Entry) (*repository.Snapshot, error) {
	s, err := f.Open(ctx, e.Prefix)
	if err != nil {
		return nil, err
	}
	m := s.Manifest()
	if _, err := uuid.Parse(m.ID); err != nil || !strings.HasSuffix(e.Prefix, "/"+snapshot.Folder(m.Started, m.ID)) {
		return nil, problem.New(problem.Damaged, "%s/%s tells of another snapshot: %q, begun at %s", e.Prefix, snapshot.ManifestName, m.ID, m.Started.UTC())
	}
	return s, nil
}

// passed is an error about an object that is passed over. Any other one is given back.
func passed(object string, err error) (Passed, error) {
	if archive.Unreadable(err) {
		return Passed{object, problem.Of(err), true}, nil
	}
	return Passed{}, err
}

// putAccount puts back the account and, where it is older than the bucket's, its keyring.
func (r *rebuilding) putAccount(ctx context.Context, known catalogue.Account, there bool) (Done, error) {
	b := r.batch()
	b.Owner = r.Owner
	if len(known.Wrapped) > 0 && envelope.WrappingOf(known.Wrapped).Before(envelope.WrappingOf(r.ring.Wrapped())) {
		b.Was = known.Wrapped
	}
	done := Done{Account: r.id, Owners: known.Owners}
	if r.DryRun {
		done.Made = catalogue.Made{Account: !there || len(known.Wrapped) == 0, Keyring: len(b.Was) > 0, Owner: b.Owner != "" && known.Owners == 0}
	} else {
		var err error
		if done.Made, err = r.into.PutBack(ctx, b); err != nil {
			return done, err
		}
	}
	if done.Made.Owner {
		done.Owners++
	}
	return done, nil
}

// batch is one with nothing but the account.
func (r *rebuilding) batch() catalogue.Batch {
	b := catalogue.Batch{Keyring: r.ring, Name: "Account " + string(r.id)[:8], Since: r.Now, At: r.Now}
	for i := len(r.found) - 1; i >= 0; i-- {
		f := r.found[i]
		if f.newest != nil {
			b.Name = catalogue.OrgHost(f.newest.Manifest().Org)
		}
		if len(f.entries) > 0 && f.entries[0].Started.Before(b.Since) {
			b.Since = f.entries[0].Started
		}
	}
	return b
}

// connection puts back a connection with its snapshots.
func (r *rebuilding) connection(ctx context.Context, f *found) error {
	if why := r.refuse(f); why != nil {
		f.done.Passed = append(f.done.Passed, Passed{snapshot.BackupsPrefix(r.id, f.Connection), why, why.Kind != problem.Denied})
		return nil
	}
	have, err := r.into.Folders(ctx, r.id, f.Connection)
	if err != nil {
		return err
	}
	b := r.batch()
	m := f.newest.Manifest()
	b.Connection, b.Since = &m, f.entries[0].Started
	if err := r.flush(ctx, f, &b); err != nil {
		return err
	}
	for _, e := range f.entries {
		if have[e.Prefix[strings.LastIndexByte(e.Prefix, '/')+1:]] {
			f.done.There++
			f.chain.Pass()
			continue
		}
		if err := f.add(ctx, e, &b); err != nil {
			return err
		}
		if len(b.Snapshots) == r.Batch {
			if err := r.flush(ctx, f, &b); err != nil {
				return err
			}
		}
	}
	return r.flush(ctx, f, &b)
}

// add takes a snapshot into the batch, or passes it over.
func (f *found) add(ctx context.Context, e repository.Entry, b *catalogue.Batch) error {
	s, err := f.open(ctx, e)
	if err != nil {
		p, err := passed(e.Prefix+"/"+snapshot.ManifestName, err)
		if err != nil {
			return fmt.Errorf("open snapshot: %w", err)
		}
		f.done.Passed = append(f.done.Passed, p)
		f.chain.Pass()
		return nil
	}
	if f.chain.Breaks(s) {
		f.done.Unchained = append(f.done.Unchained, path.Base(e.Prefix))
	}
	b.Snapshots = append(b.Snapshots, catalogue.Snapshot{Manifest: s.Manifest(), Digest: s.Digest()})
	return nil
}

// refuse says why a connection cannot come back. What is Denied is as it should be.
func (r *rebuilding) refuse(f *found) *problem.Problem {
	if _, err := uuid.Parse(string(f.Connection)); err != nil {
		return problem.New(problem.Invalid, "%q is no connection's ID", f.Connection)
	}
	if f.newest == nil {
		return problem.New(problem.Invalid, "no manifest of connection %s opens, so nobody knows which org it is of", f.Connection).
			WithHint("bring manifests back from another copy, or from the bucket's versions")
	}
	org := f.newest.Manifest().Org
	if strings.HasSuffix(catalogue.OrgHost(org), ".imago.invalid") {
		return problem.New(problem.Denied, "connection %s is a demo org's", f.Connection).WithHint("make the demo anew")
	}
	if _, there := r.there[f.Connection]; there {
		return nil
	}
	for id, other := range r.there {
		if other == org {
			return problem.New(problem.Conflict, "connection %s cannot come back: the account has connection %s to %s", f.Connection, id, org).
				WithHint("remove that one if it holds no snapshots, and run this again; imago open reads both")
		}
	}
	return nil
}

// flush puts the batch back, and begins the next one.
func (r *rebuilding) flush(ctx context.Context, f *found, b *catalogue.Batch) error {
	var made catalogue.Made
	if r.DryRun {
		_, there := r.there[f.Connection]
		made = catalogue.Made{Connection: !there && !f.done.Made.Connection, Snapshots: int64(len(b.Snapshots))}
	} else {
		var err error
		if made, err = r.into.PutBack(ctx, *b); err != nil {
			return err
		}
	}
	f.done.Made.Connection = f.done.Made.Connection || made.Connection
	f.done.Made.Snapshots += made.Snapshots
	b.Snapshots = b.Snapshots[:0]
	return nil
}
