package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"imago/pkg/provider/okta/bigorg"
)

// stage is a folder in which one org is measured.
type stage struct {
	dir  string
	size bigorg.Size
	log  io.Writer
}

// prepare writes the dumps of all days, and says how large they are.
func (s stage) prepare(ctx context.Context, sizes map[string]float64) error {
	for _, day := range days {
		if _, err := s.run(ctx, order{Name: "dump", Day: day}); err != nil {
			return err
		}
		n, err := size(dumpOf(s.dir, day).lines)
		if err != nil {
			return err
		}
		sizes[string(day)] = float64(n)
	}
	return nil
}

// ours does every step with our repository.
func (s stage) ours(ctx context.Context) (_ steps, err error) {
	done := steps{}
	store := filepath.Join(s.dir, "store")
	do := func(name, from string, o order) measure {
		if err != nil {
			return measure{}
		}
		o.Name = name
		if from != "" {
			o.Store = store + "." + from
		}
		m, failed := s.run(ctx, o)
		done[name], err = m, failed
		return m
	}
	branch := func(name string) {
		if err == nil {
			err = link(store+".first", store+"."+name)
		}
	}

	do("floor", "", order{Day: bigorg.First})
	first := do("first", "first", order{Day: bigorg.First}).Snapshots
	taken := map[bigorg.Day][]string{}
	for _, day := range days[1:] {
		branch(string(day))
		taken[day] = append(first[:len(first):len(first)], do(string(day), string(day), order{Day: day, Before: first}).Snapshots...)
	}
	branch("minutes")
	minutes := append(first[:len(first):len(first)], do("minutes", "minutes", order{Day: bigorg.First, Before: first}).Snapshots...)

	do("get", "2a", order{Day: bigorg.Edited, Before: taken[bigorg.Edited]})
	do("get by name", "2a", order{Day: bigorg.Edited, Before: taken[bigorg.Edited]})
	do("get of a day of minutes", "minutes", order{Day: bigorg.First, Before: minutes})
	do("keys", "2b", order{Day: bigorg.Deleted, Before: taken[bigorg.Deleted]})
	do("changes", "2a", order{Day: bigorg.Edited, Before: taken[bigorg.Edited]})
	do("check", "2a", order{Day: bigorg.Edited, Before: taken[bigorg.Edited]})
	do("forget", "minutes", order{Day: bigorg.First, Before: minutes})
	return done, err
}

// link makes a copy of a folder whose files are written once: they are the same.
func link(from, to string) error {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		return os.Link(path, filepath.Join(to, name))
	})
	if err != nil {
		return fmt.Errorf("copy %s: %w", filepath.Base(from), err)
	}
	return nil
}

// gone removes folders.
func gone(dirs ...string) (err error) {
	for _, dir := range dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
