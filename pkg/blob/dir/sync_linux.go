package dir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes all last that the file system holds back, and reports that it did: one wait
// for the disk, where each of many folders would be one.
func syncAll(root *os.Root) (done bool, err error) {
	f, err := look(root, ".")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return true, os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
