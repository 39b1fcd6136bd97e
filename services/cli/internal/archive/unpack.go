package archive

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"imago/pkg/blob"
	"imago/pkg/blob/dir"
	"imago/pkg/snapshot"
)

// Unpacked is what an archive held.
type Unpacked struct {
	Objects   int64
	Bytes     int64
	Snapshots int64
	Checked   int64    // objects that are as the checksums beside them tell
	Wrong     []string // those that are not, or are missing
}

// maxChecksums is far above the checksums of a snapshot of the largest org.
const maxChecksums = 64 << 20

// Unpack puts what a tar archive holds into a directory, where nothing is overwritten, and
// compares it with the checksums that came with it. These are in clear: they tell what was
// damaged on the way, and not what somebody altered on purpose.
func Unpack(ctx context.Context, from io.Reader, to string) (u Unpacked, err error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return u, err
	}
	store, err := dir.Open(to, dir.Options{Write: true})
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	sums := map[string]string{}
	for in := tar.NewReader(from); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && h.Typeflag != tar.TypeReg {
			err = fmt.Errorf("%q is no file", h.Name)
		}
		if err != nil {
			return u, fmt.Errorf("read the archive: %w", err)
		}
		sum := sha256.New()
		if err := store.Put(ctx, h.Name, io.TeeReader(in, sum), h.Size); err != nil {
			return u, fmt.Errorf("unpack %s: %w", h.Name, err)
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
		u.Objects, u.Bytes = u.Objects+1, u.Bytes+h.Size
	}
	return u, u.check(ctx, store, sums)
}

// check compares what came with the checksums of each folder.
func (u *Unpacked) check(ctx context.Context, store blob.Store, sums map[string]string) error {
	for key := range sums {
		folder, ok := strings.CutSuffix(key, "/"+snapshot.ChecksumsName)
		if !ok {
			continue
		}
		u.Snapshots++
		text, err := blob.ReadAll(ctx, store, key, maxChecksums)
		if err != nil {
			return err
		}
		told, err := snapshot.DecodeChecksums(text)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		for _, c := range told {
			if name := folder + "/" + c.Name; sums[name] == c.SHA256 {
				u.Checked++
			} else {
				u.Wrong = append(u.Wrong, name)
			}
		}
	}
	return nil
}
