package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/control"
	"imago/services/oktasim/internal/org"
)

// store keeps the orgs of a run in files: the default one in the file that --state names,
// every other in one beside it, which has its name at the end and begins with a line that
// says what it was made of.
type store struct {
	file   string
	public *api.Server
	// saved are the revisions that the files hold.
	saved map[string]uint64
}

func newStore(file string, public *api.Server) *store {
	return &store{file: file, public: public, saved: map[string]uint64{}}
}

// guestMark stands between the file's name and that of an org.
const guestMark = ".org-"

// follow saves changes at most once a second, and a large org as seldom as it takes long,
// until ctx ends or a server fails.
func (s *store) follow(ctx context.Context, failed <-chan error) error {
	wait := time.NewTimer(time.Second)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("serve: %w", err)
		case <-wait.C:
		}
		began := time.Now()
		if err := s.save(); err != nil {
			return err
		}
		wait.Reset(max(time.Second, 10*time.Since(began)))
	}
}

// save writes the orgs that have changed, and removes the files of those that are gone.
func (s *store) save() error {
	if s.file == "" {
		return nil
	}
	errs := []error{s.saveOrg(s.file, s.public.Home().Org, nil)}
	here := map[string]bool{s.file: true}
	for _, g := range s.public.Guests() {
		file := s.file + guestMark + g.Name
		here[file] = true
		errs = append(errs, s.saveOrg(file, g.Org, append(g.Order, '\n')))
	}
	for file := range s.saved {
		if !here[file] {
			delete(s.saved, file)
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}

func (s *store) saveOrg(file string, o *org.Org, head []byte) error {
	now := o.Revision()
	if saved, there := s.saved[file]; there && saved == now {
		return nil
	}
	err := writeWhole(file, func(w io.Writer) error {
		_, err := w.Write(head)
		return errors.Join(err, o.WriteState(w, true))
	})
	if err == nil {
		s.saved[file] = now
	}
	return err
}

// loadGuests makes the orgs whose files are there.
func (s *store) loadGuests(port *control.Port) error {
	if s.file == "" {
		return nil
	}
	files, err := filepath.Glob(escape(s.file) + guestMark + "*")
	if err != nil {
		return fmt.Errorf("look for orgs beside %s: %w", s.file, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, newMark) {
			continue
		}
		if err := s.loadGuest(port, file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	return nil
}

// escape lets a path stand for itself in a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func (s *store) loadGuest(port *control.Port, file string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReader(f)
	head, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	var n control.NewOrg
	if err := json.Unmarshal(head, &n); err != nil {
		return err
	}
	g, err := port.Open(n)
	if err != nil {
		return err
	}
	if err := g.Org.ReadState(r); err != nil {
		return err
	}
	s.saved[file] = g.Org.Revision()
	return nil
}

// load reads the default org, if its file is there.
func load(o *org.Org, file string) (loaded bool, err error) {
	if file == "" {
		return false, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the state: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := o.ReadState(f); err != nil {
		return false, fmt.Errorf("load %s: %w", file, err)
	}
	return true, nil
}
