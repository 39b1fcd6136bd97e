package standalone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"imago/pkg/envelope"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/envelope/local"
	"imago/services/standalone/gateway"
)

// place is the data directory: everything that an installation is.
//
//	lock              one imagod at a time
//	master.keys       wraps every account's keys; without it nothing opens
//	credentials.key   opens the credentials of orgs; credentials.pub seals them
//	postgres/         the database
//	objects/          the bucket
//	mail/             what would be mailed, where no mail server is configured
type place struct {
	dir  string
	lock *os.File
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// DefaultData is where an installation lies if nobody says otherwise.
func DefaultData(getenv func(string) string) (string, error) {
	if os.Geteuid() == 0 { // root's home is closed to the database's user
		return "/var/lib/imago", nil
	}
	if dir := getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "imago"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "imago"), nil
	}
	return "", errors.New("neither XDG_DATA_HOME nor HOME is set: name the data directory with --data")
}

// openPlace makes the directory and takes its lock.
func openPlace(dir string) (*place, error) {
	dir, err := filepath.Abs(dir) // the gateway changes the working directory
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := os.Chmod(dir, mode()); err != nil {
		return nil, fmt.Errorf("close the data directory: %w", err)
	}
	p := &place{dir: dir}
	if p.lock, err = takeLock(p.path("lock")); err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return p, nil
}

// mode closes the directory to others. Run by root, the database runs as another
// user, who must come through; everything else in it has modes of its own.
func mode() fs.FileMode {
	if os.Geteuid() == 0 {
		return 0o711
	}
	return 0o700
}

// takeLock takes the lock that the kernel lets go of when the program ends, however
// it ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("another imagod%s runs on it", holder(path)), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), f.Close())
	}
	if err := sign(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sign writes who holds the lock, for people.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process that holds the lock: " (process 42)".
func holder(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return "" // only for the sentence
	}
	return " (process " + strings.TrimSpace(string(text)) + ")"
}

func (p *place) close() error { return p.lock.Close() }

// keys are the installation's secrets.
type keys struct {
	master envelope.KeyService
	box    *envelope.PrivateKey
}

// openKeys reads the keys. They are made once, before there is a database: made anew
// beside an old database they would open nothing of it. Only the key of credentials
// can be replaced, when somebody asks for it: each service app can get a new key.
func (p *place) openKeys(ctx context.Context, now time.Time, remote keyservice.Remote, newCredentialsKey bool) (k keys, err error) {
	if !newCredentialsKey {
		err := p.lost("credentials.key", "without it no org can be read; put it back from your copy, "+
			"or start once with --new-credentials-key and give each connection new keys: imago connect NAME --new-key")
		if err != nil {
			return k, err
		}
	}
	if k.master, err = p.keyService(ctx, now, remote); err != nil {
		return k, err
	}
	if k.box, err = p.boxKey(); err != nil {
		return k, err
	}
	return k, p.publicKey(k.box)
}

// lost is an error if a key is missing that the database beside it needs.
func (p *place) lost(name, so string) error {
	used, err := local.Exists(p.path("postgres"))
	if err != nil || !used {
		return err
	}
	there, err := local.Exists(p.path(name))
	if err != nil || there {
		return err
	}
	return fmt.Errorf("%s is missing: %s", p.path(name), so)
}

// makeObjects makes the bucket, before there is a database: beside an old one, a
// bucket that is missing holds what the database names, and is not made anew.
func (p *place) makeObjects() error {
	used, err := local.Exists(p.path("postgres"))
	if err != nil || used {
		return err
	}
	return gateway.Make(p.path("objects"), gateway.Options{})
}

// publicKey keeps the public half beside, for an api on another machine.
func (p *place) publicKey(box *envelope.PrivateKey) error {
	if there, err := local.Exists(p.path("credentials.pub")); err != nil || there {
		return err
	}
	return local.WritePublicKey(p.path("credentials.pub"), box.PublicKey())
}

// keyService wraps by the file of the data directory, by a service, or by both while
// keyrings move. Beside a service the file is not made.
func (p *place) keyService(ctx context.Context, now time.Time, remote keyservice.Remote) (envelope.KeyService, error) {
	there, err := local.Exists(p.path("master.keys"))
	if err != nil {
		return nil, err
	}
	if remote.Given() && !there {
		return remote.With(ctx, nil)
	}
	if err := p.lost("master.keys", "without it nothing that is kept here can be opened; put it back from your copy"); err != nil {
		return nil, err
	}
	file, err := p.masterKeys(now)
	if err != nil {
		return nil, err
	}
	return remote.With(ctx, file)
}

func (p *place) masterKeys(now time.Time) (*local.KeyService, error) {
	there, err := local.Exists(p.path("master.keys"))
	if err != nil {
		return nil, err
	}
	if there {
		return local.Open(p.path("master.keys"))
	}
	return local.Create(p.path("master.keys"), now)
}

func (p *place) boxKey() (*envelope.PrivateKey, error) {
	there, err := local.Exists(p.path("credentials.key"))
	if err != nil {
		return nil, err
	}
	if there {
		return local.ReadBoxKey(p.path("credentials.key"))
	}
	key, err := envelope.NewBoxKey()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(p.path("credentials.pub")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // it belongs to a key that was lost
	}
	return key, local.WriteBoxKey(p.path("credentials.key"), key)
}
