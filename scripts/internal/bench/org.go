package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/bigorg"
	"imago/pkg/resource"
)

// days are what is backed up, each over the first.
var days = []bigorg.Day{bigorg.First, bigorg.Edited, bigorg.Deleted, bigorg.Logins}

// catalog is what the org has objects of.
func catalog() resource.Catalog { return okta.New(okta.Options{}).Catalog() }

// newOrg makes the org of a day.
func newOrg(size bigorg.Size, day bigorg.Day) (*bigorg.Org, error) {
	return bigorg.New(bigorg.Options{Catalog: catalog(), Size: size, Seed: 5, Day: day})
}

// dump is an org as files, one a type, of canonical JSON lines: what a dump tool would
// leave for restic. A membership says whose it is, all else says it by itself. Beside
// them, where restic does not look, stand the keys and lengths of the lines, so that
// reading for us costs no parsing that restic does not do, either.
type dump struct{ lines, keys string } // folders

// membership is the type whose body does not say what it belongs to.
const membership = "group_membership"

func (d dump) write(o *bigorg.Org) (err error) {
	for _, dir := range []string{d.lines, d.keys} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, t := range o.Types() {
		if err := d.writeType(o, t); err != nil {
			return fmt.Errorf("write %s: %w", t, err)
		}
	}
	return nil
}

func (d dump) writeType(o *bigorg.Org, t resource.Type) (err error) {
	lines, closeLines, err := created(filepath.Join(d.lines, string(t)+".jsonl"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLines()) }()
	keys, closeKeys, err := created(filepath.Join(d.keys, string(t)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeKeys()) }()
	for r := range o.Walk(t) {
		line := r.Body
		if t == membership {
			line = fmt.Appendf(nil, `{"groupId":"%s","userId":"%s"}`, r.Parent, r.ID)
		}
		if _, err := lines.Write(append(line, '\n')); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(keys, "%s\t%s\t%d\n", r.Parent, r.ID, len(line)); err != nil {
			return err
		}
	}
	return nil
}

// created opens a new file for writing, and says how to end that.
func created(path string) (*bufio.Writer, func() error, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, nil, err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	return w, func() error { return errors.Join(w.Flush(), file.Close()) }, nil
}

// read yields the records of a dump, types in this order. A body is good until the next.
func (d dump) read(ctx context.Context, types []resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		for _, t := range types {
			for r, err := range d.readType(t) {
				if err == nil {
					err = ctx.Err()
				}
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

func (d dump) readType(t resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		lines, err := os.Open(filepath.Join(d.lines, string(t)+".jsonl"))
		if err != nil {
			yield(resource.Resource{}, err)
			return
		}
		keys, err := os.Open(filepath.Join(d.keys, string(t)))
		if err != nil {
			yield(resource.Resource{}, errors.Join(err, lines.Close()))
			return
		}
		going := true
		if err := records(t, keys, lines, func(r resource.Resource) bool {
			going = yield(r, nil)
			return going
		}); err != nil && going {
			going = yield(resource.Resource{}, err)
		}
		if err := errors.Join(lines.Close(), keys.Close()); err != nil && going {
			yield(resource.Resource{}, err)
		}
	}
}

// records calls do with each record of a type, until it says no.
func records(t resource.Type, keys, lines io.Reader, do func(resource.Resource) bool) error {
	index, bodies := bufio.NewScanner(keys), bufio.NewReaderSize(lines, 256<<10)
	var body []byte
	for index.Scan() {
		parent, rest, _ := strings.Cut(index.Text(), "\t")
		id, length, _ := strings.Cut(rest, "\t")
		n, err := strconv.Atoi(length)
		if err != nil {
			return fmt.Errorf("keys of %s: %w", t, err)
		}
		body = append(body[:0], make([]byte, n+1)...)
		if _, err := io.ReadFull(bodies, body); err != nil {
			return fmt.Errorf("lines of %s: %w", t, err)
		}
		r := resource.Resource{Key: resource.Key{Type: t, Parent: parent, ID: id}, Body: body[:n]}
		if t == membership {
			body = append(append(append(body[:0], `{"id":"`...), id...), `"}`...)
			r.Body = body
		}
		if !do(r) {
			return nil
		}
	}
	if err := index.Err(); err != nil {
		return err
	}
	if _, err := bodies.ReadByte(); err != io.EOF {
		return fmt.Errorf("keys of %s: %w", t, cmp.Or(err, errFewer))
	}
	return nil
}

var errFewer = errors.New("there are more lines than keys")

// size is how many bytes the files below a folder have.
func size(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
