package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/provider/okta/bigorg"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// archive is what the benchmark asks of a repository. Snapshots are named by what Full
// and Increment gave. What the format cannot do yet is errNotYet.
type archive interface {
	// Full takes everything, after another snapshot ("": the first).
	Full(ctx context.Context, after string, at time.Time, records iter.Seq2[resource.Resource, error]) (string, error)
	// Increment takes what is known to have changed since a snapshot.
	Increment(ctx context.Context, since string, at time.Time, changes []bigorg.Change) (string, error)
	// Get opens a snapshot, and of it one object.
	Get(ctx context.Context, in string, key resource.Key) (resource.Resource, error)
	// Named opens a snapshot, and of it the one object that is called as this one is.
	Named(ctx context.Context, in string, like resource.Resource) (resource.Resource, error)
	// Keys are those of the objects that differ, Changes have both values too. They are
	// good until the next.
	Keys(ctx context.Context, from, to string) iter.Seq2[resource.Key, error]
	Changes(ctx context.Context, from, to string) iter.Seq2[change, error]
	// Check reads and verifies everything.
	Check(ctx context.Context) error
	Forget(ctx context.Context, snapshots []string) error
}

// change is one object before and after; nil: it was not, or is no more.
type change struct {
	resource.Key
	Before, After []byte
}

var errNotYet = errors.New("the format cannot do that yet")

// The account and the connection whose repository is measured.
const (
	benchAccount    account.ID           = "6b1f8f0e-5d0b-4a53-9a0c-0c5a52f1b001"
	benchConnection account.ConnectionID = "6b1f8f0e-5d0b-4a53-9a0c-0c5a52f1b002"
)

// ours is an archive of pkg/repository as it is.
type ours struct {
	r       *repository.Repository
	catalog resource.Catalog
}

func newOurs(store blob.Store, keys *envelope.Keyring, catalog resource.Catalog) (archive, error) {
	r, err := repository.New(store, keys, benchAccount, benchConnection, repository.Options{Catalog: catalog, Cache: repository.NewCache(16 << 20)})
	return ours{r, catalog}, err
}

func (o ours) Full(ctx context.Context, after string, at time.Time, records iter.Seq2[resource.Resource, error]) (string, error) {
	parent, err := o.parent(ctx, after)
	if err != nil {
		return "", err
	}
	draft, err := o.r.Begin(named(at), at, parent)
	if err != nil {
		return "", err
	}
	for r, err := range records {
		if err != nil {
			return "", err
		}
		if err := draft.Add(ctx, r); err != nil {
			return "", err
		}
	}
	facts := about(at, parent)
	for _, info := range o.catalog {
		facts.Types = append(facts.Types, snapshot.TypeStatus{Type: info.Type})
	}
	_, err = draft.Commit(ctx, facts)
	return draft.Prefix(), err
}

func (o ours) parent(ctx context.Context, prefix string) (*repository.Snapshot, error) {
	if prefix == "" {
		return nil, nil
	}
	return o.r.Open(ctx, prefix)
}

// named is the ID of a snapshot.
func named(at time.Time) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", at.Unix()) }

func about(at time.Time, parent *repository.Snapshot) snapshot.Manifest {
	m := snapshot.Manifest{
		Provider: "okta", Org: "https://acme.okta.com", OrgID: "00o1", Engine: "oie", Software: "bench",
		Ended: at.Add(time.Minute), LogCursor: "cursor",
	}
	if parent != nil {
		m.Previous = parent.Digest()
	}
	return m
}

func (o ours) Increment(ctx context.Context, since string, at time.Time, changes []bigorg.Change) (string, error) {
	parent, err := o.parent(ctx, since)
	if err != nil {
		return "", err
	}
	draft, err := o.r.BeginNamed(named(at), at, parent)
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		if c.Body == nil {
			err = draft.Remove(ctx, c.Key)
		} else {
			err = draft.Add(ctx, resource.Resource{Key: c.Key, Body: c.Body})
		}
		if err != nil {
			return "", err
		}
	}
	_, err = draft.Commit(ctx, about(at, parent))
	return draft.Prefix(), err
}

func (o ours) Get(ctx context.Context, in string, key resource.Key) (resource.Resource, error) {
	s, err := o.r.Open(ctx, in)
	if err != nil {
		return resource.Resource{}, err
	}
	return s.Get(ctx, key)
}

func (o ours) Named(ctx context.Context, in string, like resource.Resource) (found resource.Resource, err error) {
	info, _ := o.catalog.Info(like.Type)
	names, err := resource.Called(like.Body, info.Names())
	if err != nil {
		return found, fmt.Errorf("%s: %w", like.Key, err)
	}
	if len(names) == 0 {
		return found, fmt.Errorf("%s has no name", like.Key)
	}
	s, err := o.r.Open(ctx, in)
	if err != nil {
		return found, err
	}
	for r, err := range s.Named(ctx, like.Type, names[0]) {
		if err != nil {
			return found, err
		}
		if found.ID != "" {
			return found, fmt.Errorf("%s is not the only one called so", like.Key)
		}
		found = r
	}
	return found, nil
}

// pair opens two snapshots.
func (o ours) pair(ctx context.Context, from, to string) (a, b *repository.Snapshot, err error) {
	if a, err = o.r.Open(ctx, from); err != nil {
		return nil, nil, err
	}
	b, err = o.r.Open(ctx, to)
	return a, b, err
}

func (o ours) Keys(ctx context.Context, from, to string) iter.Seq2[resource.Key, error] {
	return o.r.Differ(ctx, from, to)
}

func (o ours) Changes(ctx context.Context, from, to string) iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		a, b, err := o.pair(ctx, from, to)
		if err != nil {
			yield(change{}, err)
			return
		}
		for c, err := range o.r.Changes(ctx, a, b, repository.CompareOptions{}) {
			if !yield(change{c.Key, c.From, c.To}, err) || err != nil {
				return
			}
		}
	}
}

// side goes through two runs of resources in the order of their keys, and yields what
// differs.
func side(before, after iter.Seq2[resource.Resource, error]) iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		a, b := newCursor(before), newCursor(after)
		defer a.stop()
		defer b.stop()
		for a.there || b.there {
			if err := errors.Join(a.err, b.err); err != nil {
				yield(change{}, err)
				return
			}
			c, order := first(a, b)
			if string(c.Before) != string(c.After) && !yield(c, nil) {
				return
			}
			if order <= 0 {
				a.step()
			}
			if order >= 0 {
				b.step()
			}
		}
	}
}

// cursor is where one of two stands.
type cursor struct {
	resource.Resource
	err   error
	there bool
	next  func() (resource.Resource, error, bool)
	stop  func()
}

func newCursor(of iter.Seq2[resource.Resource, error]) *cursor {
	r := &cursor{}
	r.next, r.stop = iter.Pull2(of)
	r.step()
	return r
}

func (r *cursor) step() { r.Resource, r.err, r.there = r.next() }

// first is the object that comes first in two runs, and which of them have it: below 0 the
// one before, above 0 the one after.
func first(a, b *cursor) (change, int) {
	switch {
	case !b.there || a.there && a.Compare(b.Key) < 0:
		return change{Key: a.Key, Before: a.Body}, -1
	case !a.there || a.Compare(b.Key) > 0:
		return change{Key: b.Key, After: b.Body}, 1
	}
	return change{a.Key, a.Body, b.Body}, 0
}

func (o ours) Check(ctx context.Context) error {
	report, err := o.r.Check(ctx, repository.CheckOptions{Data: true})
	if err == nil && (len(report.Damage) > 0 || report.Objects == 0) {
		err = fmt.Errorf("check: %d objects, damage: %+v", report.Objects, report.Damage)
	}
	return err
}

func (o ours) Forget(ctx context.Context, snapshots []string) error {
	if err := o.r.Forget(ctx, snapshots...); err != nil {
		return err
	}
	_, err := o.r.Sweep(ctx, repository.SweepOptions{Before: time.Now().Add(time.Hour)})
	return err
}
