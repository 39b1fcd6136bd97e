// Package postgrestest gives tests a real Postgres: a private cluster for the run of a
// package's tests, a template that was migrated once, and databases made from it.
//
//	func TestMain(m *testing.M) { postgrestest.Main(m) }
//
//	func TestX(t *testing.T) {
//		base := postgrestest.New(t)
//		acme := base.Account(t)
//		api := base.Open(t, "imago_api")
//		err := api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error { … })
//	}
//
// With IMAGO_TEST_POSTGRES (the URL of a superuser) that server is used instead.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imago/migrations"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cluster"
	"imago/pkg/postgres/migrate"
)

// server is what this process's tests share; Main makes it.
type server struct {
	url      func(database, role string) string
	template string
	shared   func() (string, error) // the package's own database
	number   atomic.Int64
}

var running atomic.Pointer[server]

// Main runs a package's tests over one server, and cleans up behind them.
func Main(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "postgrestest:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, stop, err := start(ctx)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	s.shared = sync.OnceValues(func() (string, error) { return s.create(context.Background()) })
	running.Store(s)
	return m.Run(), nil
}

// Own makes a database on a server of its own, which restart stops cleanly and starts
// again. Connections of before are dead then: ask over new ones.
func Own(t testing.TB) (d *Database, restart func()) {
	t.Helper()
	s, again, stop, err := startOwn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	name, err := s.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d = s.database(t, name)
	return d, func() {
		t.Helper()
		if err := again(); err != nil {
			t.Fatal(err)
		}
		d.owner.Reset()
	}
}

// startOwn starts a server in a folder of its own.
func startOwn(ctx context.Context) (s *server, again, stop func() error, err error) {
	dir, err := folder()
	if err != nil {
		return nil, nil, nil, err
	}
	o := cluster.Options{Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200",
	}}
	c, err := cluster.Start(ctx, dir, o)
	if err != nil {
		return nil, nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	again = func() (err error) {
		if err = c.Stop(); err == nil {
			c, err = cluster.Start(ctx, dir, o)
		}
		return err
	}
	stop = func() error { return errors.Join(c.Stop(), os.RemoveAll(dir)) }
	s = &server{url: c.URL, template: "imago_template"}
	if err := s.makeTemplate(ctx); err != nil {
		return nil, nil, nil, errors.Join(err, stop())
	}
	return s, again, stop, nil
}

func start(ctx context.Context) (*server, func() error, error) {
	if existing := os.Getenv("IMAGO_TEST_POSTGRES"); existing != "" {
		s, err := reuse(existing)
		if err != nil {
			return nil, nil, err
		}
		return s, s.dropAll, s.makeTemplate(ctx)
	}
	s, _, stop, err := startOwn(ctx)
	return s, stop, err
}

// folder makes a place for the cluster, and removes those of tests that were killed.
func folder() (string, error) {
	const prefix = "imago-pgtest-"
	old, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrPermission) {
			return "", err
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
}

// reuse takes a server that runs already; its databases are named after this process.
func reuse(existing string) (*server, error) {
	u, err := url.Parse(existing)
	if err != nil {
		return nil, errors.New("IMAGO_TEST_POSTGRES is not a URL: write postgres:///postgres?host=/folder&user=name")
	}
	super := u.Query().Get("user")
	return &server{template: fmt.Sprintf("imago_template_%d", os.Getpid()), url: func(database, role string) string {
		if role == cluster.Superuser && super != "" {
			role = super
		}
		v, q := *u, u.Query()
		q.Set("user", role)
		v.Path, v.RawQuery, v.User = "/"+database, q.Encode(), nil
		return v.String()
	}}, nil
}

// makeTemplate migrates the database that all others are copied from.
func (s *server) makeTemplate(ctx context.Context) error {
	if err := s.admin(ctx, "create database "+s.template); err != nil {
		return err
	}
	_, err := migrate.Run(ctx, s.url(s.template, cluster.Superuser))
	return err
}

// create makes a database from the template.
func (s *server) create(ctx context.Context) (string, error) {
	h := fnv.New32a()
	fmt.Fprint(h, s.template)
	name := fmt.Sprintf("imago_test_%08x_%d", h.Sum32(), s.number.Add(1))
	return name, s.admin(ctx, fmt.Sprintf("create database %s template %s", name, s.template))
}

// dropAll removes what was made on a server that stays.
func (s *server) dropAll() error {
	ctx := context.Background()
	h := fnv.New32a()
	fmt.Fprint(h, s.template)
	err := s.admin(ctx, "drop database if exists "+s.template+" with (force)")
	for n := int64(1); n <= s.number.Load(); n++ {
		err = errors.Join(err, s.admin(ctx, fmt.Sprintf("drop database if exists imago_test_%08x_%d with (force)", h.Sum32(), n)))
	}
	return err
}

func (s *server) admin(ctx context.Context, sql string) (err error) {
	conn, err := pgx.Connect(ctx, s.url("postgres", cluster.Superuser))
	if err != nil {
		return fmt.Errorf("connect as superuser: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// Database is a migrated database.
type Database struct {
	Name   string
	server *server
	owner  *pgxpool.Pool
}

// New gives the database that all tests of the package share: make accounts of your
// own in it, and look at nothing else.
func New(t testing.TB) *Database {
	t.Helper()
	s := get(t)
	name, err := s.shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.database(t, name)
}

// Fresh makes a database for this test alone.
func Fresh(t testing.TB) *Database {
	t.Helper()
	s := get(t)
	name, err := s.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.database(t, name)
}

// Empty makes a database that was not migrated.
func Empty(t testing.TB) *Database {
	t.Helper()
	s := get(t)
	name := fmt.Sprintf("imago_empty_%d_%d", os.Getpid(), s.number.Add(1))
	if err := s.admin(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	return s.database(t, name)
}

func get(t testing.TB) *server {
	t.Helper()
	s := running.Load()
	if s == nil {
		t.Fatal("add: func TestMain(m *testing.M) { postgrestest.Main(m) }")
	}
	return s
}

func (s *server) database(t testing.TB, name string) *Database {
	t.Helper()
	config, err := pgxpool.ParseConfig(s.url(name, cluster.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 4
	owner, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(owner.Close)
	return &Database{Name: name, server: s, owner: owner}
}

// URL reaches the database as a role: "imago_api", "imago_worker", "imago_drift".
func (d *Database) URL(role string) string { return d.server.url(d.Name, role) }

// OwnerURL reaches it as the superuser.
func (d *Database) OwnerURL() string { return d.URL(cluster.Superuser) }

// Owner sees and may do everything: to prepare, and to look behind.
func (d *Database) Owner() *pgxpool.Pool { return d.owner }

// Open opens the database as a role, until the test ends.
func (d *Database) Open(t testing.TB, role string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), d.URL(role), postgres.Options{MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Latest is the version that a migrated database stands at.
func Latest(t testing.TB) int64 {
	t.Helper()
	v, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
