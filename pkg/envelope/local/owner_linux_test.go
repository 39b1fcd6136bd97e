package local_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"imago/pkg/envelope/local"
	"imago/pkg/problem"
)

// The service's user, and a group that it is not in.
const (
	service = 4242
	others  = 4343
)

// owned makes a key file that belongs to the service, in a folder of the service's.
func owned(t *testing.T, group int) (*local.KeyService, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "master")
	ks := create(t, path)
	for name, group := range map[string]int{path: group, dir: service, filepath.Dir(dir): service} {
		if err := os.Chown(name, service, group); err != nil {
			t.Fatal(err)
		}
	}
	return ks, path
}

func owner(t *testing.T, path string) (user, group uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%T", info.Sys())
	}
	return is.Uid, is.Gid
}

// TestRotationKeepsTheOwner: a rotation by root must not take the file away from the
// service that runs by it.
func TestRotationKeepsTheOwner(t *testing.T) {
	t.Parallel()
	ks, path := owned(t, service)
	if _, err := ks.Rotate(now); err != nil {
		t.Fatal(err)
	}
	if user, group := owner(t, path); user != service || group != service {
		t.Errorf("it belongs to %d:%d", user, group)
	}
}

// TestRotationThatCannotKeepTheOwner changes nothing, and says what to do.
func TestRotationThatCannotKeepTheOwner(t *testing.T) {
	t.Parallel()
	ks, path := owned(t, others)
	// To the file system this thread alone is the service's user, and ends so.
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, service, 0, 0); errno != 0 {
			failed <- errno
			return
		}
		_, err := ks.Rotate(now)
		failed <- err
	}()
	if err := <-failed; !problem.Is(err, problem.Denied) || problem.Of(err).Hint == "" {
		t.Errorf("%v", err)
	}
	if user, group := owner(t, path); user != service || group != others {
		t.Errorf("it belongs to %d:%d", user, group)
	}
	if stands, err := local.Open(path); err != nil || stands.Version() != 1 {
		t.Errorf("%v, %v", stands, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}
