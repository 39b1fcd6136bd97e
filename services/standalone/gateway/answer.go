package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/versity/versitygw/s3err"
)

// away is the answer while a folder is not where it was at the start.
func away(path string) error {
	return s3err.APIError{
		Code: "ServiceUnavailable", HTTPStatusCode: http.StatusServiceUnavailable,
		Description: fmt.Sprintf("%s was moved, deleted, unmounted or replaced while imagod ran: "+
			"put it back as it was, or end imagod, put it back, and start again", path),
	}
}

// full is the answer when there is no room.
func full(dir string) error {
	return s3err.APIError{
		Code: "InsufficientStorage", HTTPStatusCode: http.StatusInsufficientStorage,
		Description: fmt.Sprintf("the disk of %s is full: make room on it", dir),
	}
}

// answer turns an error of the disk into one that its client can act on. What remains
// is answered as an internal error, and the gateway prints it.
func (d *disk) answer(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT),
		errors.Is(err, s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)),
		errors.Is(err, s3err.GetAPIError(s3err.ErrQuotaExceeded)):
		return full(d.folder.dir)
	}
	// The gateway knows its own errors only if nothing is wrapped around them.
	if known, ok := errors.AsType[s3err.S3Error](err); ok {
		return known
	}
	return err
}
