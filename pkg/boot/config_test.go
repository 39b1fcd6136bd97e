package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type config struct {
	Common
	Public   Listener      `envPrefix:"PUBLIC_"`
	Database File          `env:"DATABASE_URL_FILE,required" help:"file with the database's URL"`
	Workers  int           `env:"WORKERS" envDefault:"4" help:"how many at once"`
	Every    time.Duration `env:"EVERY" envDefault:"1m"`
	Names    []string      `env:"NAMES"`
}

func (c config) Validate() error {
	if c.Workers < 1 {
		return errors.New("WORKERS: there must be one at least")
	}
	return nil
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigIsReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	url := write(t, "url", "postgres://u:hunter2@h/d\n")
	c, err := Load[config]([]string{"PATH=/bin", "IMAGO_DATABASE_URL_FILE=" + url, "IMAGO_WORKERS=", "IMAGO_EVERY=5s",
		"IMAGO_NAMES=a,b", "IMAGO_PUBLIC_ADDR=127.0.0.1:0", "IMAGO_LOG_LEVEL=debug", "IMAGO_TEST_POSTGRES=x"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Workers != 4 || c.Every != 5*time.Second || len(c.Names) != 2 || c.Public.Addr != "127.0.0.1:0" || c.LogLevel.String() != "DEBUG" {
		t.Errorf("got %+v", c)
	}
	if c.Database.Text() != "postgres://u:hunter2@h/d" {
		t.Errorf("url %q", c.Database.Text())
	}
	if shown := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(shown, "hunter2") {
		t.Errorf("the secret is shown: %s", shown)
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	url := write(t, "url", "x")
	empty := write(t, "empty", " \n")
	for name, c := range map[string]struct {
		environ []string
		want    []string
	}{
		"missing, unknown, unreadable": {
			[]string{"IMAGO_WORKERS=many", "IMAGO_NAME=x", "IMAGO_DATABASE_URL=postgres://u:hunter2@h/d", "IMAGO_EVERY=soon"},
			[]string{
				"IMAGO_NAME: no such variable: is it IMAGO_NAMES?",
				"IMAGO_DATABASE_URL: no such variable: put the value into a file, and name it in IMAGO_DATABASE_URL_FILE",
				"IMAGO_DATABASE_URL_FILE: it is missing", "IMAGO_WORKERS: ", "IMAGO_EVERY: ",
			},
		},
		"no such file":  {[]string{"IMAGO_DATABASE_URL_FILE=/nowhere"}, []string{"IMAGO_DATABASE_URL_FILE: open /nowhere: "}},
		"an empty file": {[]string{"IMAGO_DATABASE_URL_FILE=" + empty}, []string{"IMAGO_DATABASE_URL_FILE: " + empty + " is empty"}},
		"what does not go together": {
			[]string{"IMAGO_DATABASE_URL_FILE=" + url, "IMAGO_WORKERS=0", "IMAGO_PUBLIC_ADDR=0.0.0.0:80", "IMAGO_HEALTH_ADDR=:9000"},
			[]string{
				"IMAGO_HEALTH_ADDR: :9000 is reachable from other machines",
				"IMAGO_PUBLIC_ADDR: 0.0.0.0:80 is reachable from other machines",
				"IMAGO_WORKERS: there must be one at least",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load[config](c.environ)
			if err == nil {
				t.Fatal("nothing was found")
			}
			lines := strings.Split(err.Error(), "\n")
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("not told: %s", want)
				}
			}
			if len(lines) != len(c.want) {
				t.Errorf("%d problems, want %d:\n%s", len(lines), len(c.want), err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is told")
			}
		})
	}
}

func TestListenerRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "one")
	for _, c := range []struct {
		l  Listener
		ok bool
	}{
		{Listener{}, true},
		{Listener{Addr: "127.0.0.1:80"}, true}, {Listener{Addr: "[::1]:80"}, true}, {Listener{Addr: "localhost:80"}, true},
		{Listener{Addr: ":80"}, false}, {Listener{Addr: "0.0.0.0:80"}, false}, {Listener{Addr: "10.0.0.1:80"}, false}, {Listener{Addr: "example.com:80"}, false},
		{Listener{Addr: "127.0.0.1"}, false},
		{Listener{Addr: ":443", Cert: cert, Key: key}, true},
		{Listener{Addr: ":443", Cert: cert}, false}, {Listener{Addr: ":443", Cert: key, Key: cert}, false},
		{Listener{Addr: ":443", Domains: []string{"x.test"}, Cache: "c"}, true},
		{Listener{Addr: ":443", Domains: []string{"x.test"}}, false},
		{Listener{Addr: ":443", Domains: []string{"x.test"}, Cache: "c", Cert: cert, Key: key}, false},
	} {
		if err := c.l.Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.l, err)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	url := "IMAGO_DATABASE_URL_FILE=" + write(t, "url", "x")
	nobody := "IMAGO_HEALTH_ADDR=" + freeAddr(t)
	for name, c := range map[string]struct {
		args, environ []string
		code          int
		out, err      string
	}{
		"check wrong":         {[]string{"-check"}, nil, exitConfig, "", "IMAGO_DATABASE_URL_FILE: it is missing"},
		"ready of nobody":     {[]string{"-ready"}, []string{url, nobody}, exitFailed, "", "imago-x: not ready: "},
		"ready without where": {[]string{"-ready"}, []string{url}, exitConfig, "", "IMAGO_HEALTH_ADDR: "},
		"reference":           {[]string{"-reference"}, nil, exitDone, "| `IMAGO_WORKERS` | number | `4` | how many at once |", ""},
		"version":             {[]string{"-version"}, nil, exitDone, "imago-x ", ""},
		"help":                {[]string{"-help"}, nil, exitDone, "", "IMAGO_PUBLIC_TLS_CERT"},
		"no such":             {[]string{"-frobnicate"}, nil, exitConfig, "", "frobnicate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			w := world{args: c.args, environ: c.environ, out: &out, err: &errs}
			code := run(t.Context(), w, "imago-x", "does things", func(context.Context, config, *Process) error {
				t.Error("it was started")
				return nil
			})
			if diff := cmp.Diff(c.code, code); diff != "" || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
				t.Errorf("exit %d\nout: %s\nerr: %s", code, &out, &errs)
			}
		})
	}
}

// A look opens what there is to open, says a line for each, takes no address, works
// nothing, and closes what it opened.
func TestCheckLooksAndChangesNothing(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	environ := []string{"IMAGO_DATABASE_URL_FILE=" + write(t, "url", "x"), "IMAGO_PUBLIC_ADDR=" + addr, "IMAGO_HEALTH_ADDR=" + addr}
	away := errors.New("it is away")
	for name, c := range map[string]struct {
		setup, store error
		code         int
		want         []string
	}{
		"all is well": {nil, nil, exitDone, []string{"imago-x: the configuration is right", "imago-x: database: ok", "imago-x: store: ok", "imago-x: store: locked"}},
		"one is away": {nil, away, exitFailed, []string{"imago-x: database: ok", "imago-x: store: it is away"}},
		"cannot open": {away, nil, exitFailed, []string{"imago-x: it could not start:\n  it is away", "imago-x: database: ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			closed := false
			code := run(t.Context(), world{args: []string{"-check"}, environ: environ, out: &said, err: &said}, "imago-x", "x",
				func(ctx context.Context, conf config, p *Process) error {
					p.OnStop(func() error { closed = true; return nil })
					p.Check("database", func(context.Context) error { return nil })
					for range 2 { // the second finds the address free, too
						if _, err := p.Listen(ctx, "public", conf.Public, nil); err != nil {
							return err
						}
					}
					p.Go("work", func(context.Context) error { t.Error("it works"); return nil })
					p.Check("store", func(context.Context) error { return c.store })
					p.Tell("store: locked")
					return c.setup
				})
			if code != c.code || !closed {
				t.Errorf("exit %d, closed %t:\n%s", code, closed, &said)
			}
			for _, want := range c.want {
				if !strings.Contains(said.String(), want) {
					t.Errorf("not told: %s\n%s", want, &said)
				}
			}
		})
	}
}

// Each step of a look has a time of its own: a neighbour that does not answer is not told of
// the next one.
func TestCheckWaitsForEach(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	w := world{out: &said, err: &said}
	p := newProcess("imago-x", w, Common{})
	var first time.Time
	p.Check("key service", func(ctx context.Context) error {
		first, _ = ctx.Deadline()
		<-ctx.Done()
		return ctx.Err()
	})
	p.Check("store", func(ctx context.Context) error {
		if second, ok := ctx.Deadline(); !ok || !second.After(first) {
			return errors.New("no time is left")
		}
		return nil
	})
	if code := p.look(t.Context(), w, time.Millisecond, func(context.Context) error { return nil }); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"imago-x: key service: context deadline exceeded", "imago-x: store: ok"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("not told: %s\n%s", want, &said)
		}
	}
}
