// Package cluster runs a private Postgres: made on first use, reached through a unix
// socket that its owner alone can open, stopped cleanly with the program, and shut down
// by the kernel's signal when the program is killed.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Superuser is the role that owns the cluster.
const Superuser = "imago_owner"

// Options tunes a cluster. Its zero value is right for data that must last.
type Options struct {
	// Bin is the folder of initdb and postgres; "": see Find.
	Bin string
	// Socket is the folder of the unix socket, without a comma; "": "run" in the data
	// directory, or one below the temporary directory where that path cannot be one.
	Socket string
	// Settings are Postgres's own: {"shared_buffers": "64MB"}.
	Settings map[string]string
	// Log receives what the server says; nil: "postgres.log" in the data directory.
	Log io.Writer
	// StopWithin is how long a clean stop may take; zero: 30 s.
	StopWithin time.Duration
}

// Cluster is a running server.
type Cluster struct {
	socket string
	within time.Duration
	cmd    *exec.Cmd
	done   chan struct{} // closed when the server has ended
	ended  error         // how it did; not to be read before
	log    io.Closer
	once   sync.Once
	failed error // what Stop says
}

// Start makes the data directory if there is none, starts the server, and waits until
// it answers. A server of an earlier program that is still shutting down is waited for.
func Start(ctx context.Context, dir string, o Options) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	bin, err := find(o.Bin)
	if err != nil {
		return nil, err
	}
	who, err := owner()
	if err != nil {
		return nil, err
	}
	s := server{dir: dir, data: filepath.Join(dir, "data"), bin: bin, owner: who, o: o}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s.start(ctx)
}

// URL reaches a database of the cluster as a role.
func (c *Cluster) URL(database, role string) string {
	return "postgres:///" + url.PathEscape(database) + "?" + url.Values{"host": {c.socket}, "user": {role}}.Encode()
}

// URLOf reaches a database of the cluster that another program runs on a folder.
func URLOf(dir, database, role string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return (&Cluster{socket: socketFolder(dir)}).URL(database, role), nil
}

// Done is closed when the server has ended, whoever ended it.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Stop shuts the server down cleanly: clients are disconnected, everything is on disk.
func (c *Cluster) Stop() error {
	c.once.Do(func() { c.failed = errors.Join(c.stop(), c.log.Close()) })
	return c.failed
}

func (c *Cluster) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	timer := time.NewTimer(c.within)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.ended
	case <-timer.C:
	}
	// Immediate shutdown: nothing is lost, the next start recovers from the log.
	if err := c.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	<-c.done
	return fmt.Errorf("postgres did not stop within %s, and was stopped at once", c.within)
}

// server is what is needed to start a cluster.
type server struct {
	dir, data, bin, socket string
	owner                  *syscall.Credential // nil: ourselves
	o                      Options
}

// prepare makes the folders and, the first time, the cluster.
func (s *server) prepare(ctx context.Context) error {
	if err := s.folders(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.data, "PG_VERSION")); err == nil {
		return s.awaitPrevious(ctx)
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	// A cluster that was half made has no PG_VERSION of its own folder: make it anew
	// beside, and move it into place when it is whole.
	fresh := s.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear half-made cluster: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata", fresh, "--username", Superuser,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--data-checksums", "--no-instructions")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make cluster in %s: %w: %s", s.dir, err, lastLines(string(out)))
	}
	if err := os.Rename(fresh, s.data); err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	return nil
}

// lastLines keeps what initdb or postgres said in the end.
func lastLines(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " / ")
}

// folders makes the cluster's folder and the socket's, for the owner alone.
func (s *server) folders() error {
	if s.socket = s.o.Socket; s.socket == "" {
		s.socket = socketFolder(s.dir)
	}
	if strings.Contains(s.socket, ",") {
		return fmt.Errorf("a socket cannot lie in %s: the path has a comma", s.socket)
	}
	above := os.FileMode(0o700)
	if s.owner != nil {
		above = 0o711 // folders that we make on the way must let the server's user through
	}
	for _, dir := range []string{s.dir, s.socket} {
		if err := os.MkdirAll(dir, above); err != nil {
			return fmt.Errorf("make %s: %w", dir, err)
		}
		if err := s.own(dir); err != nil {
			return err
		}
	}
	return reachable(s.dir, s.owner)
}

// own hands a folder to the server's user, and makes sure that nobody else had made it.
func (s *server) own(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	allowed := []int{os.Geteuid()}
	if s.owner != nil {
		allowed = append(allowed, int(s.owner.Uid))
	}
	if !slices.Contains(allowed, int(stat.Uid)) {
		return fmt.Errorf("%s belongs to user %d: remove it, or choose another folder", dir, stat.Uid)
	}
	if s.owner != nil {
		if err := os.Chown(dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return fmt.Errorf("hand %s to the server's user: %w", dir, err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close %s to others: %w", dir, err)
	}
	return nil
}

// start starts the server on a thread of its own: the kernel signals the child when the
// thread that made it ends, so that thread must live as long as the program.
func (s *server) start(ctx context.Context) (*Cluster, error) {
	log, closer, err := s.log()
	if err != nil {
		return nil, err
	}
	c := &Cluster{socket: s.socket, within: s.o.StopWithin, done: make(chan struct{}), log: closer}
	if c.within == 0 {
		c.within = 30 * time.Second
	}
	c.cmd = exec.Command(filepath.Join(s.bin, "postgres"), s.args()...)
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = s.dir, log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: s.owner,
		Pdeathsig:  syscall.SIGINT, // a fast, clean shutdown
		Setpgid:    true,           // a terminal's ^C is ours to pass on, after the clients are gone
	}
	started := make(chan error, 1)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), closer.Close())
	}
	if err := c.await(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (its log: %s)", err, s.said()), c.Stop())
	}
	return c, nil
}

// run holds the thread that is the server's parent.
func (c *Cluster) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	if err := c.cmd.Wait(); err != nil {
		c.ended = fmt.Errorf("postgres ended: %w", err)
	}
	close(c.done)
}

// args are the server's settings; it listens on its socket and nowhere else.
func (s *server) args() []string {
	settings := map[string]string{
		"listen_addresses": "", "unix_socket_directories": s.socket, "unix_socket_permissions": "0700",
		"max_connections": "100", "shared_buffers": "64MB", "wal_compression": "on", "max_wal_size": "512MB",
		"log_min_messages": "warning", "log_min_error_statement": "panic", // statements hold data: not in the log
		"log_checkpoints": "off", "timezone": "UTC", "log_timezone": "UTC", "jit": "off",
	}
	for name, value := range s.o.Settings {
		settings[name] = value
	}
	args := []string{"-D", s.data}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// await waits until the server answers, or has ended.
func (c *Cluster) await(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres", Superuser))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", errors.Join(ctx.Err(), err))
		case <-c.done:
			return errors.Join(errors.New("postgres ended while starting"), c.ended)
		case <-tick.C:
		}
	}
}
